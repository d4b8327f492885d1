"""Divergence: oracle, chunks, no repainting, ties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.divergence import (
    continue_pivot_divergence,
    continue_window_divergence,
    flow_against_price,
    pivot_divergence,
    window_divergence,
)
from tests.core import closed_bar_cases
from tests.core import trade_cases as cases
from tests.naive import divergence as naive

PIVOT_NAMES = ("is_high_pivot", "is_low_pivot", "is_bearish", "is_bullish")
WINDOW_NAMES = ("divergence", "confirmation")


def rows(found, names):
    return list(zip(*(getattr(found, name).tolist() for name in names), strict=True))


@given(closed_bar_cases.bars(), st.integers(1, 3))
def test_pivots_equal_the_obvious_loop(bars, width):
    found = pivot_divergence(bars["high"], bars["low"], bars["cvd"], bars["starts"], width=width)
    expected = naive.pivot_divergence(
        *(bars[name].tolist() for name in ("high", "low", "cvd")),
        bars["starts"].tolist() or [0],
        width=width,
    )
    assert rows(found, PIVOT_NAMES) == expected
    assert found.sign.tolist() == [bullish - bearish for _, _, bearish, bullish in expected]
    assert found.sign.dtype == np.int8


@given(closed_bar_cases.bars(), st.integers(1, 5))
def test_windows_equal_the_obvious_loop(bars, n_bars):
    found = window_divergence(bars["close"], bars["cvd"], bars["starts"], n_bars=n_bars)
    expected = naive.window_divergence(
        bars["close"].tolist(), bars["cvd"].tolist(), bars["starts"].tolist() or [0], n_bars=n_bars
    )
    assert rows(found, WINDOW_NAMES) == expected


@given(st.data(), closed_bar_cases.bars(), st.integers(1, 3))
def test_chunks_equal_the_whole(data, bars, width):
    edges = data.draw(cases.cuts(len(bars["high"])))
    columns = [bars[name] for name in ("high", "low", "cvd")]
    parts = closed_bar_cases.in_chunks(
        lambda state, part, starts: continue_pivot_divergence(state, *part, starts, width=width),
        columns,
        bars["starts"],
        edges,
    )
    whole = pivot_divergence(*columns, bars["starts"], width=width)
    assert closed_bar_cases.same_bits(whole, parts, PIVOT_NAMES)
    columns = [bars[name] for name in ("close", "cvd")]
    parts = closed_bar_cases.in_chunks(
        lambda state, part, starts: continue_window_divergence(state, *part, starts, n_bars=width),
        columns,
        bars["starts"],
        edges,
    )
    whole = window_divergence(*columns, bars["starts"], n_bars=width)
    assert closed_bar_cases.same_bits(whole, parts, WINDOW_NAMES)


def test_nothing_is_repainted():
    bars = closed_bar_cases.seeded_bars(2, 400)
    whole = pivot_divergence(bars["high"], bars["low"], bars["cvd"], bars["starts"], width=3)
    window = window_divergence(bars["close"], bars["cvd"], bars["starts"], n_bars=7)
    assert whole.is_bearish.sum() > 3
    assert whole.is_bullish.sum() > 3
    for now in range(1, 401, 7):
        starts = bars["starts"][bars["starts"] < now]
        part = {name: bars[name][:now] for name in ("high", "low", "cvd", "close")}
        prefix = pivot_divergence(part["high"], part["low"], part["cvd"], starts, width=3)
        for name in PIVOT_NAMES:
            assert getattr(prefix, name).tobytes() == getattr(whole, name)[:now].tobytes()
        prefix = window_divergence(part["close"], part["cvd"], starts, n_bars=7)
        for name in WINDOW_NAMES:
            assert getattr(prefix, name).tobytes() == getattr(window, name)[:now].tobytes()


@given(closed_bar_cases.bars(), st.integers(1, 3))
def test_mirrored_market_mirrors_the_signs(bars, width):
    here = pivot_divergence(bars["high"], bars["low"], bars["cvd"], bars["starts"], width=width)
    there = pivot_divergence(-bars["low"], -bars["high"], -bars["cvd"], bars["starts"], width=width)
    assert there.sign.tolist() == (-here.sign).tolist()


def test_the_pivot_is_known_width_bars_later():
    # Width 2. Highs 1 2 5 2 1: bar 2 is the pivot, known at bar 4, and no bar before says so.
    # 2 6 2 1: bar 6 is the next, known at bar 8: 6 > 5 with a delta of 3 < 4: bearish at bar 8.
    high = np.array([1, 2, 5, 2, 1, 2, 6, 2, 1])
    cvd = np.array([0, 0, 4, 9, 9, 9, 3, 9, 9])
    found = pivot_divergence(high, high, cvd, [0], width=2)
    assert np.flatnonzero(found.is_high_pivot).tolist() == [4, 8]
    assert np.flatnonzero(found.is_bearish).tolist() == [8]
    # The low of 1 at bar 4 (bars 2 and 3 above, 5 and 6 above) is known at bar 6: the first low.
    assert np.flatnonzero(found.is_low_pivot).tolist() == [6]
    assert not found.is_bullish.any()


def test_of_equal_highs_the_first_turns():
    # 1 3 3 1, width 1: bar 1 is above bar 0 and not below bar 2. Bar 2 is not above bar 1.
    high = np.array([1, 3, 3, 1, 0])
    found = pivot_divergence(high, high - 1, np.zeros(5, int), [0], width=1)
    assert np.flatnonzero(found.is_high_pivot).tolist() == [2]
    # All equal: nothing turns.
    flat = pivot_divergence([3] * 5, [3] * 5, [0] * 5, [0], width=1)
    assert not flat.is_high_pivot.any()
    assert not flat.is_low_pivot.any()


@pytest.mark.parametrize(
    ("second_high", "second_cvd", "is_bearish"),
    [(6, 3, True), (5, 3, False), (6, 4, False), (6, 5, False), (4, 3, False)],
)
def test_both_must_differ_strictly(second_high, second_cvd, is_bearish):
    # The first high: 5 with a delta of 4. Equal price or equal delta is no divergence.
    high = np.array([1, 5, 1, second_high, 1])
    found = pivot_divergence(high, high * 0, [0, 4, 0, second_cvd, 0], [0], width=1)
    assert found.is_bearish.tolist() == [False] * 4 + [is_bearish]


def test_no_pivot_looks_across_a_session():
    # Bars 0-2 hold a high of 5; the session of bars 3-5 holds a high of 6 with a lower delta: it
    # has no pivot before it. A high at a session's edge has no bars on one side: no pivot.
    high = np.array([1, 5, 1, 1, 6, 1])
    found = pivot_divergence(high, high * 0, [0, 4, 0, 0, 3, 0], [0, 3], width=1)
    assert np.flatnonzero(found.is_high_pivot).tolist() == [2, 5]
    assert not found.is_bearish.any()
    edge = pivot_divergence([5, 1, 1, 6], [0] * 4, [0] * 4, [0, 2], width=1)
    assert not edge.is_high_pivot.any()


def test_one_bar_may_turn_both_ways():
    # Bar 3 is an outside bar: a higher high with a lower delta and a lower low with a higher one
    # cannot both hold of one delta; against pivots of different bars they can.
    high = np.array([1, 5, 4, 1, 9, 1])
    low = np.array([0, 0, -1, 0, -9, 0])
    found = pivot_divergence(high, low, [0, 9, 1, 1, 4, 4], [0], width=1)
    assert found.is_bearish.tolist() == [False] * 5 + [True]
    assert found.is_bullish.tolist() == [False] * 5 + [True]
    assert found.sign[5] == 0


def test_four_quadrants_and_no_change():
    price, cvd = [1, 1, -1, -1, 0, 1, 0], [1, -1, 1, -1, 1, 0, 0]
    found = flow_against_price(price, cvd)
    assert found.divergence.tolist() == [0, -1, 1, 0, 0, 0, 0]
    assert found.confirmation.tolist() == [1, 0, 0, -1, 0, 0, 0]
    assert found.divergence.dtype == found.confirmation.dtype == np.int8


def test_window_compares_without_overflow():
    edge = 2**63 - 1
    found = window_divergence([-edge - 1, edge], [edge, -edge - 1], [0], n_bars=1)
    assert found.divergence.tolist() == [0, -1]


def test_empty_input():
    none = np.empty(0, np.int64)
    found, state = continue_pivot_divergence(None, none, none, none, none, width=2)
    assert len(found) == len(found.sign) == 0
    assert len(state.high_ticks) == 0
    found, state = continue_window_divergence(None, none, none, none, n_bars=2)
    assert len(found) == len(state.close_ticks) == 0
    assert len(flow_against_price([], [])) == 0


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"high_ticks": [1.0, math.nan]}, TypeError, "high_ticks"),
        ({"low_ticks": [0, 3]}, ValueError, "high_ticks must not be below low_ticks, got 2 and 3"),
        ({"low_ticks": [-(2**63), 0]}, ValueError, "low_ticks must be above"),
        ({"cvd_lots": [-(2**63), 0]}, ValueError, "cvd_lots must be above"),
        ({"cvd_lots": [0]}, ValueError, "one length"),
        ({"session_start_bar": [0, 5]}, ValueError, "session_start_bar must lie below 2"),
        ({"width": 0}, ValueError, "width must be positive"),
        ({"width": 1.0}, TypeError, "width"),
    ],
)
def test_errors_name_the_argument(changed, error, text):
    arguments = {
        "high_ticks": [1, 2],
        "low_ticks": [0, 1],
        "cvd_lots": [0, 0],
        "session_start_bar": [0],
        "width": 1,
    }
    with pytest.raises(error, match=text):
        pivot_divergence(**{**arguments, **changed})


def test_window_errors():
    with pytest.raises(ValueError, match="n_bars must be positive"):
        window_divergence([1], [1], [0], n_bars=0)
    with pytest.raises(ValueError, match=r"session_start_bar must lie in 0\.\.0, got 1"):
        continue_window_divergence(None, [1], [1], [1], n_bars=1)
    with pytest.raises(TypeError, match="cvd_change"):
        flow_against_price([1], [0.5])
