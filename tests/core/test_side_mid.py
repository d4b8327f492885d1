"""The mid between the sides' last prices, and the usual move: oracle, golden rows, causality."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.side_mid import half_spread_mid2, last_by_side, side_mid2
from orderflow_core.trailing_moves import trailing_move_sigma
from tests.core.label_cases import times
from tests.naive import side_mid as naive
from tests.naive import trailing_moves as naive_moves


@st.composite
def trades(draw):
    n = draw(st.integers(1, 25))
    price = draw(st.lists(st.integers(-3, 9), min_size=n, max_size=n))
    sign = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
    restart = sorted({0, *draw(st.lists(st.integers(0, n - 1), max_size=3))})
    return np.array(price), np.array(sign, np.int8), np.array(restart)


@given(trades())
def test_agrees_with_the_obvious_loop(given_):
    buy, sell = last_by_side(*given_)
    assert list(zip(buy, sell, strict=True)) == naive.last_by_side(*(a.tolist() for a in given_))
    assert side_mid2(*given_).tolist() == (buy + sell).tolist()


@given(trades(), st.integers(0, 25))
def test_a_prefix_of_the_trades_gives_a_prefix_of_the_mids(given_, n):
    price, sign, restart = given_
    part = side_mid2(price[:n], sign[:n], restart[restart < n])
    assert part.tolist() == side_mid2(*given_)[:n].tolist()


@given(trades(), st.integers(1, 3), st.sampled_from([1, 2, 3, 51]))
def test_half_spread_agrees_with_the_obvious_loop(given_, tick_steps, n_changes):
    got = half_spread_mid2(*given_, tick_steps=tick_steps, n_changes=n_changes)
    price, sign, restart = (a.tolist() for a in given_)
    assert got.tolist() == naive.half_spread_mid2(
        price, sign, restart, tick_steps=tick_steps, n_changes=n_changes
    )


def test_half_spread_over_many_changes_agrees_with_the_obvious_loop():
    rng = np.random.default_rng(5)
    price = 1_000 + np.cumsum(rng.integers(-2, 3, 800))
    sign, restart = rng.integers(-1, 2, 800).astype(np.int8), np.array([0, 200, 201, 640])
    got = half_spread_mid2(price + 3 * sign, sign, restart, tick_steps=1, n_changes=51)
    wanted = naive.half_spread_mid2(
        (price + 3 * sign).tolist(), sign.tolist(), restart.tolist(), tick_steps=1, n_changes=51
    )
    assert got.tolist() == wanted


@given(trades(), st.integers(0, 25))
def test_a_prefix_of_the_trades_gives_a_prefix_of_the_half_spread_mids(given_, n):
    price, sign, restart = given_
    part = half_spread_mid2(price[:n], sign[:n], restart[restart < n], tick_steps=1, n_changes=3)
    whole = half_spread_mid2(*given_, tick_steps=1, n_changes=3)
    assert part.tolist() == whole[:n].tolist()


def test_half_spread_moves_with_every_trade_and_knows_the_spread_after_a_change():
    # Quotes 99 to 101, then 100 to 102: twice the mid is 200, then 202. Before the first change of
    # side the spread is a tick, 1.
    price, sign = np.array([101, 99, 101, 102, 100]), np.array([1, -1, 1, 1, -1], np.int8)
    got = half_spread_mid2(price, sign, [0], tick_steps=1)
    assert got.tolist() == [201, 200, 200, 202, 202]
    assert half_spread_mid2(price, sign, [0], tick_steps=5).tolist() == [197, 203, 197, 199, 205]


def test_bounce_at_an_unchanged_quote_moves_nothing():
    price, sign = np.array([101, 99, 101, 101, 99]), np.array([1, -1, 1, 1, -1], np.int8)
    assert side_mid2(price, sign, [0]).tolist() == [202, 200, 200, 200, 200]


def test_a_restart_forgets_and_a_trade_without_side_says_nothing_once_a_side_is_known():
    price, sign = np.array([5, 9, 7, 30, 31]), np.array([0, 1, 0, 0, -1], np.int8)
    # 5 + 5; 9 + 9; still 9 + 9; restart: 30 + 30; 31 + 31.
    assert side_mid2(price, sign, [0, 3]).tolist() == [10, 18, 18, 60, 62]


def test_no_trades_have_no_mids_and_huge_prices_are_refused():
    assert len(side_mid2(np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int64))) == 0
    with pytest.raises(ValueError, match=r"price_ticks must lie within 2\*\*61"):
        side_mid2(np.array([2**62]), np.array([1], np.int8), [0])
    none = half_spread_mid2(np.empty(0, np.int64), np.empty(0, np.int8), [], tick_steps=1)
    assert len(none) == 0


@st.composite
def decisions(draw):
    t0, ref_ts = draw(times), draw(times)
    ref = draw(st.lists(st.integers(10, 14), min_size=len(ref_ts), max_size=len(ref_ts)))
    horizon = draw(st.integers(1, 5))
    restart = {0, *draw(st.lists(st.integers(0, max(len(t0) - 1, 0)), max_size=2))} if t0 else set()
    options = {
        "horizon_ns": horizon, "window_ns": horizon + draw(st.integers(0, 12)),
        "restart_idx": np.array(sorted(restart), np.int64),
    }  # fmt: skip
    return t0, ref_ts, ref, options


@given(decisions())
def test_usual_move_agrees_with_the_obvious_loop(given_):
    t0, ref_ts, ref, options = given_
    got = trailing_move_sigma(t0, ref_ts, ref, **options)
    expected = naive_moves.trailing_move_sigma(t0, ref_ts, ref, **options)
    np.testing.assert_allclose(got, np.array(expected, float), rtol=1e-12)


@given(decisions(), st.integers(0, 30))
def test_usual_move_knows_nothing_of_later_prices(given_, at):
    t0, ref_ts, ref, options = given_
    whole = trailing_move_sigma(t0, ref_ts, ref, **options)
    other = [m if ts <= at else 99 for ts, m in zip(ref_ts, ref, strict=True)]
    changed = trailing_move_sigma(t0, ref_ts, other, **options)
    is_before = np.array(t0, np.int64) <= at
    np.testing.assert_array_equal(changed[is_before], whole[is_before])


def test_usual_move_of_a_window_shorter_than_the_horizon_is_refused():
    with pytest.raises(ValueError, match="window_ns must be at least horizon_ns 5, got 4"):
        trailing_move_sigma([1], [1], [4], horizon_ns=5, window_ns=4, restart_idx=[0])
