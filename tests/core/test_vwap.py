"""Session VWAP."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.vwap import continue_session_vwap, session_vwap, vwap_bands
from tests.core import trade_cases as cases
from tests.naive import vwap as naive


@given(cases.trades())
def test_vwap_equals_the_obvious_loop_to_the_bit(trades):
    got = session_vwap(trades["price"], trades["qty"], trades["starts"])
    rows = naive.session_vwap(
        trades["price"].tolist(), trades["qty"].tolist(), trades["starts"].tolist()
    )
    assert list(zip(got.vwap_ticks.tolist(), got.sd_ticks.tolist(), strict=True)) == rows


@given(st.data(), st.integers(1, 30))
def test_vwap_is_close_to_the_exact_one(data, n):
    price = data.draw(cases.int64s(n, 6_000_000, 6_100_000))
    qty = data.draw(cases.int64s(n, 1, 10**9))
    got = session_vwap(price, qty, np.array([0]))
    mean, variance = naive.exact_vwap(price.tolist(), qty.tolist())
    assert got.vwap_ticks[-1] == pytest.approx(float(mean), rel=1e-14)
    assert got.sd_ticks[-1] ** 2 == pytest.approx(float(variance), rel=1e-6, abs=1e-4)


@given(st.data(), cases.trades())
def test_chunks_equal_the_whole(data, trades):
    edges = data.draw(cases.cuts(len(trades["ts"])))
    state, parts = None, []
    for first, end in pairwise(edges):
        inner, opens = cases.starts_within(trades["starts"], first, end)
        vwap, state = continue_session_vwap(
            None if opens else state, trades["price"][first:end], trades["qty"][first:end], inner
        )
        parts.append(vwap)
    whole = session_vwap(trades["price"], trades["qty"], trades["starts"])
    for name in ("vwap_ticks", "sd_ticks"):
        together = np.concatenate([getattr(vwap, name) for vwap in parts])
        assert together.tobytes() == getattr(whole, name).tobytes()


def test_a_session_by_hand():
    # 1 at 10, 3 at 14: d = 0, 4; V = 10 + 12/4 = 13; E d^2 = 48/4 = 12, less 3^2 = 3: sd sqrt 3.
    # Second session: 5 at 20 alone: its own price, no spread.
    got = session_vwap(np.array([10, 14, 20]), np.array([1, 3, 5]), np.array([0, 2]))
    assert got.vwap_ticks.tolist() == [10.0, 13.0, 20.0]
    assert got.sd_ticks.tolist() == [0.0, math.sqrt(3), 0.0]


def test_rounding_never_makes_a_negative_variance():
    # All volume but one lot of 10**6 at one price, a thousand ticks away: the variance is tiny
    # beside both terms of its difference.
    price = np.array([0] + [1000] * 50)
    qty = np.array([1] + [10**12] * 50)
    sd = session_vwap(price, qty, np.array([0])).sd_ticks
    assert np.isfinite(sd).all()
    assert (sd >= 0).all()


def test_bands():
    lower, upper = vwap_bands(np.array([13.0, np.nan]), np.array([1.5, 1.0]), 2)
    assert lower[0] == 10.0
    assert upper[0] == 16.0
    assert np.isnan(lower[1])
    for multiple in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="multiple"):
            vwap_bands(np.array([1.0]), np.array([1.0]), multiple)


def test_no_trades():
    nothing = np.empty(0, np.int64)
    vwap, state = continue_session_vwap(None, nothing, nothing, nothing)
    assert len(vwap) == 0
    assert state is None


def test_errors_name_the_argument():
    one, zero = np.array([1]), np.array([0])
    with pytest.raises(TypeError, match="price_ticks"):
        session_vwap(np.array([1.0]), one, zero)
    with pytest.raises(ValueError, match="qty_lots"):
        session_vwap(one, zero, zero)
    with pytest.raises(ValueError, match="qty_lots may overflow"):
        session_vwap(np.array([1, 1]), np.array([2**62, 2**62]), zero)


@pytest.mark.parametrize("far", [10**6, -(10**6)])
def test_a_sum_that_leaves_int64_is_refused(far):
    # q |p - p0| = 10**13 * 10**6 = 10**19 > 2**63 while the volume fits; in any of the sessions.
    for starts in ([0], [0, 2]):
        with pytest.raises(ValueError, match="overflow int64"), np.errstate(over="ignore"):
            session_vwap(np.array([0, far, 0]), np.array([1, 10**13, 1]), np.array(starts))


def test_what_may_overflow_is_the_distance_from_the_first_price_not_the_price():
    # q p = 2**12 * 2**50 = 2**62 a trade, 2**63 in all; q |p - p0| = 2**13 in all: it fits.
    got = session_vwap([2**50, 2**50 + 2], [2**12, 2**12], [0])
    assert got.vwap_ticks.tolist() == [2**50, 2**50 + 1]
    assert got.sd_ticks.tolist() == [0.0, 1.0]
