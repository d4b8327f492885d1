"""Order flow of several levels: by event, by interval, integrated."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.depth import (
    DepthArrays,
    continue_multi_level_ofi,
    continue_ofi_by_interval,
    multi_level_ofi,
    ofi_by_interval,
)
from orderflow_core.integrated_ofi import continue_integrated_ofi, integrated_ofi
from orderflow_core.ofi import ofi_events
from tests.core import trade_cases as cases
from tests.core.test_ofi import quotes_of
from tests.naive import depth as naive
from tests.naive import integrated_ofi as naive_integrated

FIRST = np.array([0])
INTERVALS = ("t0_ns", "ofi_lots", "mean_lots", "mid_change_ticks", "n_rows")


def depth_of(ts, *levels):
    """Depth from levels, each rows of (bid, bid size, ask, ask size)."""
    stacked = np.array(levels, np.int64).reshape(len(levels), -1, 4)
    bid, bid_lots, ask, ask_lots = np.transpose(stacked, (2, 1, 0))
    return DepthArrays(
        ts_event_ns=np.array(ts, np.int64),
        bid_ticks=bid,
        bid_lots=bid_lots,
        ask_ticks=ask,
        ask_lots=ask_lots,
    )


@st.composite
def depths(draw, max_size=25):
    """Two levels that move by themselves, as a book's levels do when one is emptied."""
    n = draw(st.integers(0, max_size))
    columns = [draw(cases.int64s(n, low, low + 4)) for low in (96, 0, 102, 0, 90, 0, 108, 0)]
    rows = np.array(columns).T.reshape(n, 2, 4)
    return depth_of(draw(cases.times(n)), rows[:, 0], rows[:, 1])


def rows_of(depth):
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    levels = np.stack([getattr(depth, name) for name in names], axis=-1)
    return list(zip(depth.ts_event_ns.tolist(), levels.tolist(), strict=True))


@given(st.data(), depths())
def test_levels_equal_the_obvious_loop(data, depth):
    starts = data.draw(cases.session_starts(len(depth)))
    got = multi_level_ofi(depth, starts)
    assert got.tolist() == naive.multi_level_ofi(rows_of(depth), starts.tolist())
    state, parts = None, []
    for first, end in pairwise(data.draw(cases.cuts(len(depth)))):
        inner, opens = cases.starts_within(starts, first, end)
        part, state = continue_multi_level_ofi(
            None if opens else state, depth.slice(first, end), inner
        )
        parts.append(part)
    assert np.concatenate(parts).tolist() == got.tolist()


@given(cases.quotes())
def test_the_first_level_is_the_touch(quotes):
    rows = np.array(cases.quote_rows(quotes), np.int64).reshape(-1, 5)
    starts = FIRST[: len(quotes)]
    got = multi_level_ofi(depth_of(rows[:, 0], rows[:, 1:]), starts)
    assert got[:, 0].tolist() == ofi_events(quotes, starts).tolist()


@given(depths(), st.integers(1, 9), st.integers(-3, 3), st.booleans())
def test_intervals_equal_the_obvious_loop(depth, interval, origin, is_ended):
    got = ofi_by_interval(depth, interval_ns=interval, origin_ns=origin, is_ended=is_ended)
    rows = naive.ofi_by_interval(rows_of(depth), interval, origin, is_ended)
    assert got.t0_ns.tolist() == [row[0] for row in rows]
    assert got.ofi_lots.tolist() == [row[1] for row in rows]
    assert np.allclose(got.mean_lots, [float(row[2]) for row in rows], rtol=1e-14, atol=0)
    changes = [None if math.isnan(change) else change for change in got.mid_change_ticks]
    assert changes == [row[3] for row in rows]
    assert got.n_rows.tolist() == [row[4] for row in rows]


@given(st.data(), depths(), st.integers(1, 9))
def test_chunks_of_intervals_equal_the_whole_and_prefixes_are_final(data, depth, interval):
    rule = {"interval_ns": interval, "origin_ns": 0}
    whole = ofi_by_interval(depth, **rule, is_ended=True)
    edges = data.draw(cases.cuts(len(depth)))
    state, parts = None, []
    for k, (first, end) in enumerate(pairwise(edges)):
        is_last = k == len(edges) - 2
        part, state = continue_ofi_by_interval(
            state, depth.slice(first, end), **rule, is_ended=is_last
        )
        parts.append(part)
        for name in INTERVALS:
            prefix = np.concatenate([getattr(one, name) for one in parts])
            assert prefix.tobytes() == getattr(whole, name)[: len(prefix)].tobytes()
    assert sum(map(len, parts)) == len(whole)


@given(st.data(), st.integers(2, 5))
def test_a_figure_where_the_obvious_loop_has_one(data, n_least):
    n = data.draw(st.integers(0, 8))
    common = data.draw(cases.int64s(n, -40, 40))
    ofi = np.column_stack([common + data.draw(cases.int64s(n, -3, 3)) for _ in range(3)])
    lots = data.draw(cases.int64s(n, 0, 5)).astype(np.float64)
    got = integrated_ofi(ofi, lots, n_least=n_least)
    assert len(got) == n
    rows = naive_integrated.integrated_ofi(ofi.tolist(), lots.tolist(), n_least)
    for value, loadings, (exact, weights) in zip(got.value, got.loadings, rows, strict=True):
        if weights is None:
            assert np.isnan(loadings).all()
        else:
            assert np.abs(loadings).sum() == pytest.approx(1)
            assert loadings.sum() > -1e-9
        if exact is None:
            assert math.isnan(value)


@given(st.data())
def test_chunks_of_integrated_equal_the_whole_and_prefixes_are_final(data):
    n = data.draw(st.integers(0, 20))
    ofi = np.column_stack([data.draw(cases.int64s(n, -9, 9)) for _ in range(2)])
    lots = data.draw(cases.int64s(n, 0, 5)).astype(np.float64)
    whole = integrated_ofi(ofi, lots, n_least=3)
    state, parts = None, []
    for first, end in pairwise(data.draw(cases.cuts(n))):
        part, state = continue_integrated_ofi(state, ofi[first:end], lots[first:end], n_least=3)
        parts.append(part)
        prefix = np.concatenate([one.value for one in parts])
        assert prefix.tobytes() == whole.value[: len(prefix)].tobytes()


def test_the_component_is_that_of_the_past():
    # Strongly related levels: the component by another way, on rows before k only.
    rng = np.random.default_rng(11)
    common = rng.integers(-400, 400, 60)
    ofi = np.column_stack([common * k + rng.integers(-50, 50, 60) for k in (3, 2, 1)])
    got = integrated_ofi(ofi, np.full(60, 10.0), n_least=20)
    for k in (20, 41, 59):
        weights = np.array(naive_integrated.first_component((ofi[:k] / 10).tolist()))
        assert np.allclose(got.loadings[k], weights, rtol=1e-9)
        assert got.value[k] == pytest.approx((weights * ofi[k]).sum() / 10, rel=1e-9)
    assert np.isnan(got.value[:20]).all()
    # What comes later changes no earlier figure.
    changed = ofi.copy()
    changed[40:] *= -7
    other = integrated_ofi(changed, np.full(60, 10.0), n_least=20)
    assert other.value[:40].tobytes() == got.value[:40].tobytes()


def test_levels_by_hand():
    # Level 0: bid 10 grows 5 -> 7: +2. Level 1: bid 9 -> 8 loses its 3: -3; ask size 4 -> 6: -2.
    depth = depth_of(
        [0, 1, 10],
        [(10, 5, 12, 2), (10, 7, 12, 2), (10, 7, 12, 2)],
        [(9, 3, 13, 4), (8, 9, 13, 6), (8, 9, 13, 6)],
    )
    assert multi_level_ofi(depth, FIRST).tolist() == [[0, 0], [2, -5], [0, 0]]
    closed = ofi_by_interval(depth, interval_ns=10, origin_ns=0, is_ended=False)
    # Sizes of the first interval: 5 + 2 + 3 + 4 and 7 + 2 + 9 + 6 over eight: 38 / 8.
    assert (closed.t0_ns.tolist(), closed.ofi_lots.tolist()) == ([0], [[2, -5]])
    assert closed.mean_lots.tolist() == [38 / 8]
    assert closed.n_rows.tolist() == [2]


def test_a_side_without_orders_and_a_crossed_book_have_no_mid():
    # Mids 11, none (an empty bid, at the price that stands for none), 12, none (crossed), 12:
    # changes from the first row on 0, none, none, none, none; then 12 to 13 after a row with a mid.
    rows = [(10, 1, 12, 1), (-(10**9), 0, 12, 1), (10, 1, 14, 1), (14, 1, 12, 1)]
    rows += [(10, 1, 14, 1), (12, 1, 14, 1), (12, 1, 10**9, 0)]
    got = ofi_by_interval(depth_of(range(7), rows), interval_ns=1, origin_ns=0, is_ended=True)
    assert got.mid_change_ticks[[0, 5]].tolist() == [0.0, 1.0]
    assert np.isnan(got.mid_change_ticks[[1, 2, 3, 4, 6]]).all()


def test_two_levels_that_move_together_weigh_the_same():
    # Earlier rows (2, 2), (-4, -4): the component is (1, 1) / 2. Scaled 3 and 1: 2. Nothing in the
    # book: no figure. Rows that do not vary: no component.
    got = integrated_ofi(
        np.array([[4, 4], [-8, -8], [6, 2], [1, 1]]), np.array([2.0, 2, 2, 0]), n_least=2
    )
    assert np.allclose(got.loadings[2], 0.5)
    assert got.value[2] == pytest.approx(2.0)
    assert np.isnan(got.value[[0, 1, 3]]).all()
    still = integrated_ofi(np.ones((4, 2), np.int64), np.ones(4), n_least=2)
    assert np.isnan(still.loadings).all()


def test_levels_that_cancel_take_the_sign_of_the_first():
    # The second level always does the opposite of the first: the component is (1, -1) / 2 or
    # (-1, 1) / 2, of sum 0 either way. A first level that never moves has no say.
    ofi = np.array([[4, -4], [-8, 8], [6, -6], [-3, 3]])
    got = integrated_ofi(ofi, np.ones(4), n_least=2)
    assert np.allclose(got.loadings[2:], [0.5, -0.5])
    assert np.allclose(got.value[2:], [6.0, -3.0])
    still = integrated_ofi(np.column_stack([np.zeros(4, np.int64), ofi]), np.ones(4), n_least=2)
    assert np.allclose(still.loadings[2:], [0.0, 0.5, -0.5])


def test_nothing_and_errors():
    none = depth_of([], [])
    assert multi_level_ofi(none, []).shape == (0, 1)
    rule = {"interval_ns": 5, "origin_ns": 0}
    got, state = continue_ofi_by_interval(None, none, **rule)
    assert (len(got), state) == (0, None)
    one = depth_of([3], [(10, 1, 12, 1)])
    with pytest.raises(ValueError, match="interval_ns must be positive"):
        ofi_by_interval(one, interval_ns=0, origin_ns=0, is_ended=True)
    with pytest.raises(TypeError, match=r"origin_ns must be an integer, got 0.5"):
        ofi_by_interval(one, interval_ns=5, origin_ns=0.5, is_ended=True)
    with pytest.raises(ValueError, match="origin_ns of -9223372036854775807 is further"):
        ofi_by_interval(one, interval_ns=5, origin_ns=-(2**63) + 1, is_ended=True)
    with pytest.raises(ValueError, match=r"depth.bid_ticks may overflow"):
        multi_level_ofi(depth_of([3], [(-(2**63), 1, 12, 1)]), FIRST)
    with pytest.raises(ValueError, match=r"depth.bid_lots must not be negative"):
        multi_level_ofi(depth_of([3], [(10, -1, 12, 1)]), FIRST)
    with pytest.raises(ValueError, match=r"depth.ask_lots may overflow"):
        multi_level_ofi(depth_of([3], [(10, 1, 12, 2**61)]), FIRST)
    with pytest.raises(ValueError, match="at least one level"):
        multi_level_ofi(quotes_of((10, 1, 12, 1)), FIRST)
    ragged = DepthArrays(
        ts_event_ns=one.ts_event_ns,
        bid_ticks=one.bid_ticks,
        bid_lots=np.ones((1, 2), np.int64),
        ask_ticks=one.ask_ticks,
        ask_lots=one.ask_lots,
    )
    with pytest.raises(ValueError, match=r"depth.bid_lots must have the shape \(1, 1\)"):
        multi_level_ofi(ragged, FIRST)
    _, last = continue_multi_level_ofi(None, one, FIRST)
    with pytest.raises(ValueError, match="must keep its 1 levels, got 2"):
        continue_multi_level_ofi(last, depth_of([4], [(10, 1, 12, 1)], [(9, 1, 13, 1)]), FIRST)
    with pytest.raises(ValueError, match=r"depth.ts_event_ns must be non-decreasing"):
        continue_multi_level_ofi(last, depth_of([2], [(10, 1, 12, 1)]), FIRST)
    far = depth_of(range(9), [(10 + k % 2, 2**60, 12 + k % 2, 2**60) for k in range(9)])
    with pytest.raises(ValueError, match="overflows int64"):
        ofi_by_interval(far, interval_ns=100, origin_ns=0, is_ended=True)


def test_integrated_errors():
    ofi, lots = np.ones((2, 2), np.int64), np.ones(2)
    for arguments, message in (
        ((ofi[0], lots), "a row an interval"),
        ((ofi, lots[:1]), "mean_lots must have 2 elements"),
        ((ofi, -lots), "mean_lots must not be negative"),
        ((ofi, lots * np.nan), "mean_lots must not be negative and be finite, got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            integrated_ofi(*arguments, n_least=2)
    with pytest.raises(TypeError, match="ofi_lots must hold integers"):
        integrated_ofi(ofi * 1.0, lots, n_least=2)
    with pytest.raises(ValueError, match="n_least must be at least 2"):
        integrated_ofi(ofi, lots, n_least=1)
    _, state = continue_integrated_ofi(None, ofi, lots, n_least=2)
    with pytest.raises(ValueError, match="must keep its 2 levels, got 1"):
        continue_integrated_ofi(state, ofi[:, :1], lots, n_least=2)
