"""Kyle's lambda, Roll's spread, Amihud's ratio."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import quote_at_trade
from orderflow_core.price_impact import continue_rolling_impact, rolling_impact
from tests.core import trade_cases as cases
from tests.core.test_spreads import twice_mids
from tests.naive import price_impact as naive

FIRST = np.array([0])
NAMES = ("kyle_lambda", "roll_spread_ticks", "amihud")


def columns_of(impact):
    return np.array([getattr(impact, name) for name in NAMES])


def assert_close(got, rows):
    for column, exact in zip(got.T, rows, strict=True):
        for value, expected in zip(column, exact, strict=True):
            if expected is None:
                assert math.isnan(value)
            else:
                assert value == pytest.approx(float(expected), rel=1e-12, abs=1e-300)


@given(cases.trades(max_size=20), cases.quotes(max_size=20), st.integers(1, 25))
def test_equals_the_exact_fractions(trades, quotes, window):
    met = quote_at_trade(trades["ts"], quotes)
    arrays = [trades[name] for name in ("ts", "price", "qty", "sign")]
    got = rolling_impact(*arrays, met, trades["starts"], window_ns=window)
    rows = naive.rolling_impact(
        *(column.tolist() for column in arrays), twice_mids(met), trades["starts"].tolist(), window
    )
    assert_close(columns_of(got), rows)


@given(st.data(), st.integers(2, 25))
def test_large_sizes_stay_exact(data, n):
    # Lots of 1e-8 and a busy minute: squares leave int64, the parts of the products do not.
    ts = data.draw(cases.times(n))
    qty, price = data.draw(cases.int64s(n, 1, 10**12)), data.draw(cases.int64s(n, 6e6, 7e6))
    sign = data.draw(cases.signs(n))
    bid = data.draw(cases.int64s(n, 6e6, 7e6))
    arrays = (ts, price, qty, sign)
    got = rolling_impact(*arrays, cases.known_quotes(bid, bid + 1), FIRST, window_ns=6)
    mids = (2 * bid + 1).tolist()
    rows = naive.rolling_impact(*(column.tolist() for column in arrays), mids, [0], 6)
    # Where the window's moves and volumes nearly cancel, floats divide two small differences.
    for column, exact in zip(columns_of(got).T, rows, strict=True):
        for value, expected in zip(column, exact, strict=True):
            if expected is None:
                assert math.isnan(value)
            else:
                assert value == pytest.approx(float(expected), rel=1e-6, abs=1e-9)


@given(st.data(), cases.trades(), cases.quotes(), st.integers(1, 25))
def test_chunks_equal_the_whole_and_prefixes_are_final(data, trades, quotes, window):
    met = quote_at_trade(trades["ts"], quotes)
    arrays = [trades[name] for name in ("ts", "price", "qty", "sign")]
    whole = columns_of(rolling_impact(*arrays, met, trades["starts"], window_ns=window))
    state, parts = None, []
    for first, end in pairwise(data.draw(cases.cuts(len(trades["ts"])))):
        inner, opens = cases.starts_within(trades["starts"], first, end)
        chunk = (*(column[first:end] for column in arrays), cases.part(met, first, end))
        part, state = continue_rolling_impact(
            None if opens else state, *chunk, inner, window_ns=window
        )
        parts.append(columns_of(part))
        prefix = np.concatenate(parts, axis=1)
        assert prefix.tobytes() == whole[:, : prefix.shape[1]].tobytes()


def test_a_long_stream_leaves_nothing_behind():
    # 70,000 trades cross the blocks that a batch is fed in; a huge trade early on has left.
    rng = np.random.default_rng(5)
    n = 70_000
    ts, qty = np.cumsum(rng.integers(0, 3, n)), rng.integers(1, 50, n)
    price = 6_000_000 + np.cumsum(rng.integers(-2, 3, n))
    sign = rng.integers(-1, 2, n)
    qty[100] = 10**12
    met = cases.known_quotes(price - 1, price + 1)
    got = columns_of(rolling_impact(ts, price, qty, sign, met, FIRST, window_ns=300))
    tail = slice(n - 2_000, n)
    short = columns_of(
        rolling_impact(
            ts[tail],
            price[tail],
            qty[tail],
            sign[tail],
            cases.part(met, n - 2_000, n),
            FIRST,
            window_ns=300,
        )
    )
    assert got[:, -1_000:].tobytes() == short[:, -1_000:].tobytes()


def test_each_measure_by_hand():
    # Four times with signed lots 2, -1, 3 and mids 10, 12, 11, 14: moves 2, -1, 3, so a slope of 1.
    # Prices 10, 11, 10, 11: changes 1, -1, 1 of mean 1/3, products (2/3)(-4/3) twice: cov -8/9.
    # Amihud: |11 / 10 - 1| / (20 + 11 + 30 + 11) = .1 / 72.
    met = cases.known_quotes([9, 11, 10, 13], [11, 13, 12, 15])
    got = rolling_impact(
        [0, 1, 2, 3], [10, 11, 10, 11], [2, 1, 3, 1], [1, -1, 1, 1], met, FIRST, window_ns=9
    )
    assert got.kyle_lambda[3] == 1.0
    assert got.roll_spread_ticks[3] == pytest.approx(2 * math.sqrt(8 / 9), rel=1e-15)
    assert got.amihud[3] == pytest.approx(0.1 / 72, rel=1e-15)
    # One observation has no slope, two prices no product.
    assert np.isnan(got.kyle_lambda[:2]).all()
    assert np.isnan(got.roll_spread_ticks[:2]).all()


@pytest.mark.parametrize(("lots", "move"), [(10**6, 1), (10**9, 1), (2**38, 1), (2**38, 10**6)])
def test_volumes_that_are_nearly_alike_have_their_slope(lots, move):
    # Products about zero would swallow the one lot by which they differ.
    rng = np.random.default_rng(12)
    n, qty = 60, lots + np.random.default_rng(13).integers(0, 2, 60)
    ts, bid = np.arange(n), 1_000 + move * np.cumsum(rng.integers(-1, 2, n))
    for sign in (1, -1):
        arrays = (ts, bid, qty, np.full(n, sign))
        got = rolling_impact(*arrays, cases.known_quotes(bid, bid + 1), FIRST, window_ns=40)
        lists = [column.tolist() for column in arrays]
        rows = naive.rolling_impact(*lists, (2 * bid + 1).tolist(), [0], 40)
        exact = [math.nan if row[0] is None else float(row[0]) for row in rows]
        np.testing.assert_allclose(got.kyle_lambda, exact, rtol=1e-12, atol=1e-15)
    # All alike: none, however large.
    same = rolling_impact(
        ts, bid, qty * 0 + lots + 1, ts * 0 + 1, cases.known_quotes(bid, bid), FIRST, window_ns=40
    )
    assert np.isnan(same.kyle_lambda).all()


def test_products_that_leave_int64():
    # Lots of 2**40 that move the mid by 2**27 ticks, up and down: products of 2**67, slope 2**-13.
    bid, qty = np.array([0, 1, 0, 1, 0]) * 2**27, np.full(5, 2**40)
    sign = np.array([1, -1, 1, -1, 1])
    met = cases.known_quotes(bid, bid)
    got = rolling_impact(np.arange(5), qty * 0, qty, sign, met, FIRST, window_ns=9)
    assert got.kyle_lambda[2:].tolist() == pytest.approx([2.0**-13] * 3, rel=1e-12)


def test_fills_of_one_time_are_one_observation():
    # Times 0 0 1 1 2: lots 1 + 1, 1 - 3, then the mid's moves 4 and -4: slope 2. What the trades of
    # time 2 move is not known there.
    met = cases.known_quotes([10, 10, 14, 14, 10], [12, 12, 16, 16, 12])
    got = rolling_impact(
        [0, 0, 1, 1, 2], [11] * 5, [1, 1, 1, 3, 9], [1, 1, 1, -1, 1], met, FIRST, window_ns=9
    )
    assert got.kyle_lambda[4] == 2.0
    assert got.roll_spread_ticks.tolist()[2:] == [0.0, 0.0, 0.0]
    # Equal volumes: no slope. Without quotes: none.
    same = rolling_impact(
        [0, 1, 2], [11] * 3, [5] * 3, [1] * 3, cases.part(met, 0, 3), FIRST, window_ns=9
    )
    assert np.isnan(same.kyle_lambda).all()
    without = rolling_impact([0, 1, 2], [11] * 3, [5, 6, 7], [1] * 3, None, FIRST, window_ns=9)
    assert np.isnan(without.kyle_lambda).all()


def test_a_price_that_is_not_positive_has_no_return():
    got = rolling_impact([0, 1], [0, 5], [1, 1], [1, 1], None, FIRST, window_ns=9)
    assert np.isnan(got.amihud).all()
    got = rolling_impact([0, 1], [5, -5], [1, 1], [1, 1], None, FIRST, window_ns=9)
    assert got.amihud[1] == 2 / 10


def test_a_window_of_too_many_trades_is_refused(monkeypatch):
    monkeypatch.setattr("orderflow_core.price_impact.MAX_ROWS", 3)
    four = np.arange(4)
    with pytest.raises(ValueError, match=r"window_ns must hold at most 2\*\*22 trades, got 4"):
        rolling_impact(four, four, four + 1, four * 0, None, FIRST, window_ns=99)


def test_nothing_and_errors():
    got, state = continue_rolling_impact(None, [], [], [], [], None, [], window_ns=5)
    assert (len(got.amihud), state) == (0, None)
    one = np.array([1])
    with pytest.raises(ValueError, match="window_ns must be positive"):
        rolling_impact(one, one, one, one, None, FIRST, window_ns=0)
    with pytest.raises(ValueError, match=r"trade_ts_ns must lie within 2\*\*62"):
        rolling_impact(one * -(2**62), one, one, one, None, FIRST, window_ns=5)
    with pytest.raises(ValueError, match="qty_lots must be positive, got 0"):
        rolling_impact(one, one, one - 1, one, None, FIRST, window_ns=5)
    with pytest.raises(TypeError, match="qty_lots must hold integers"):
        rolling_impact(one, one, one * 1.5, one, None, FIRST, window_ns=5)
    with pytest.raises(ValueError, match="trade_ts_ns must be non-decreasing"):
        rolling_impact([2, 1], [1, 1], [1, 1], [1, 1], None, FIRST, window_ns=5)
    with pytest.raises(ValueError, match=r"qty_lots must be at most 2\*\*40"):
        rolling_impact([1, 2], [1, 1], [1, 2**40 + 1], [1, 1], None, FIRST, window_ns=5)
    with pytest.raises(ValueError, match="overflow int64: products"), np.errstate(over="ignore"):
        rolling_impact([1, 2], [2**40] * 2, [2**40] * 2, [1, 1], None, FIRST, window_ns=5)
    _, state = continue_rolling_impact(None, one, one, one, one, None, FIRST, window_ns=5)
    with pytest.raises(ValueError, match="trade_ts_ns must be non-decreasing, got 0 after 1"):
        continue_rolling_impact(state, one - 1, one, one, one, None, FIRST, window_ns=5)
