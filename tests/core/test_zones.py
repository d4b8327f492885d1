"""Stacked imbalances and their zones: oracle, chunks, no look-ahead, golden lives, real trades."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.footprint import footprint
from orderflow_core.imbalance import imbalance_by_rule
from orderflow_core.imbalance_presets import ATAS_STACKED_IMBALANCE, ImbalanceRule
from orderflow_core.stacks import StackArrays, imbalance_columns, stacked_imbalances
from orderflow_core.zones import NEVER, continue_stacked_zones, joined_zones, stacked_zones
from tests.core.cell_cases import session_bars, starts_of_part
from tests.core.footprint_cases import (
    bars_of,
    cells_of,
    ladders,
    part_of_bars,
    recorded_trades,
    time_bars,
)
from tests.naive import zones as naive

needs_jit = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades for interpreted kernels"
)
RULE = ImbalanceRule(
    ratio_num=3, ratio_den=1, compare="gt", min_lots=0, zero_opposite="counts", gap_policy="zero"
)


def stacks_of(rows):
    """StackArrays of (bar_id, sign, low, high) rows."""
    bar_id, sign, low, high = np.array(rows, np.int64).reshape(-1, 4).T
    return StackArrays(
        bar_id=bar_id, sign=sign.astype(np.int8), low_tick=low, high_tick=high, n_levels=high - low + 1
    )  # fmt: skip


def part_of_stacks(stacks, bar_ids):
    kept = np.isin(stacks.bar_id, bar_ids)
    return StackArrays(**{name: getattr(stacks, name)[kept] for name in StackArrays.__slots__})


def same(a, b):
    return all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in type(a).__slots__
    )


@given(ladders, st.integers(1, 2), st.sampled_from(["zero", "break", "skip"]), st.integers(1, 3))
def test_stacks_and_columns_agree_with_the_obvious_loop(bars, height, gap_policy, min_levels):
    bars = [{p * height: v for p, v in rows.items()} for rows in bars]
    cells = cells_of(bars)
    rule = ImbalanceRule(
        ratio_num=3, ratio_den=2, compare="ge", min_lots=2, zero_opposite="counts",
        gap_policy=gap_policy,
    )  # fmt: skip
    stacks = stacked_imbalances(cells, rule, ticks_per_row=height, min_levels=min_levels)
    columns = imbalance_columns(cells, rule, ticks_per_row=height)
    got = list(zip(*(getattr(stacks, n).tolist() for n in StackArrays.__slots__), strict=True))
    expected = []
    for bar, rows in enumerate(bars):
        own = cells.bar_id == bar
        for sign, flag in zip(
            (-1, 1), imbalance_by_rule(cells, rule, ticks_per_row=height)[::-1], strict=True
        ):
            flagged = set(cells.price_tick[own & flag].tolist())
            (runs,) = naive.stacks(
                [(rows, flagged)], ticks_per_row=height, is_passing_over=gap_policy == "skip",
                min_levels=1,
            )  # fmt: skip
            side = "buy" if sign > 0 else "sell"
            assert getattr(columns, f"n_{side}")[bar] == len(flagged)
            longest = max((run[2] for run in runs), default=0)
            assert getattr(columns, f"stacked_{side}")[bar] == longest
            expected += [(bar, sign, *run) for run in runs if run[2] >= min_levels]
    assert got == expected
    assert columns.bar_id.tolist() == list(range(len(bars)))


@st.composite
def markets(draw):
    """Bars of trades around a few zones; ends of sessions and gaps between bars included."""
    n_bars = draw(st.integers(1, 8))
    price, ts, ranges, stacks = [], [], [], []
    bar_id = 0
    for _ in range(n_bars):
        bar_id += draw(st.integers(1, 2))
        prices = draw(st.lists(st.integers(0, 12), min_size=1, max_size=4))
        ranges.append((bar_id, len(price), len(price) + len(prices)))
        price += prices
        ts += sorted(draw(st.lists(st.integers(0, 59), min_size=len(prices), max_size=len(prices))))
        ts[-len(prices) :] = [60 * bar_id + t for t in ts[-len(prices) :]]
        for sign in draw(st.sampled_from([[], [-1], [1], [-1, 1], [-1, 1, 1]])):
            low = draw(st.integers(1, 10))
            stacks.append((bar_id, sign, low, low + draw(st.integers(0, 2))))
    starts = draw(session_bars(n_bars))
    age = draw(st.one_of(st.none(), st.integers(1, 3)))
    return np.array(ts), np.array(price), bars_of(ranges), stacks_of(stacks), starts, age


def naive_zones(ts, price, index, stacks, starts, age):
    bars = []
    for k in range(len(index)):
        trades = slice(index.first_idx[k], index.end_idx[k])
        rows = np.flatnonzero(stacks.bar_id == index.bar_id[k])
        bars.append(
            (
                list(zip(ts[trades].tolist(), price[trades].tolist(), strict=True)),
                int(index.t1_ns[k]),
                k in starts,
                [
                    (int(stacks.sign[i]), int(stacks.low_tick[i]), int(stacks.high_tick[i]))
                    for i in rows
                ],
            )
        )
    return naive.stacked_zones(bars, max_age_bars=age)


@given(markets())
def test_zones_agree_with_the_obvious_loop(market):
    ts, price, index, stacks, starts, age = market
    columns, zones = stacked_zones(
        ts, price, index, stacks, session_start_bar=starts, max_age_bars=age
    )
    expected, expected_columns = naive_zones(*market)
    records = [zones.record(i) for i in range(len(zones))]
    assert [(z.sign, z.low_tick, z.high_tick, z.birth_ns) for z in records] == [
        (z["sign"], z["low"], z["high"], z["birth"]) for z in expected
    ]
    assert [(z.touch_ns, z.fill_ns, z.expiry_ns) for z in records] == [
        (z["touch"], z["fill"], z["expiry"]) for z in expected
    ]
    for k, row in enumerate(expected_columns):
        assert (columns.n_buy[k], columns.n_sell[k]) == (row["n_buy"], row["n_sell"])
        for side in ("buy", "sell"):
            tick = getattr(columns, f"{side}_tick")[k]
            assert np.isnan(tick) if row[side] is None else tick == row[side]


@given(markets(), st.data())
def test_chunks_equal_the_whole_and_a_prefix_its_prefix(market, data):
    ts, price, index, stacks, starts, age = market
    whole_columns, whole = stacked_zones(
        ts, price, index, stacks, session_start_bar=starts, max_age_bars=age
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(index)), max_size=3)))
    state, parts, ended = None, [], []
    for first, end in zip([0, *cuts], [*cuts, len(index)], strict=True):
        trades = slice(index.first_idx[first], index.end_idx[end - 1]) if first < end else slice(0)
        kept = None if state is None else state.table.copy()
        before = state
        columns, done, state = continue_stacked_zones(
            state, ts[trades], price[trades], part_of_bars(index, first, end),
            part_of_stacks(stacks, index.bar_id[first:end]),
            session_start_bar=starts_of_part(starts, first, end), max_age_bars=age,
        )  # fmt: skip
        assert kept is None or (before.table == kept).all()
        parts.append(columns)
        ended.append(done)
        for name in type(columns).__slots__:  # what is known at the cut is what is known in the end
            so_far = np.concatenate([getattr(part, name) for part in parts])
            assert so_far.tobytes() == getattr(whole_columns, name)[:end].tobytes()
    assert same(joined_zones([*ended, state.open_zones]), whole)


def life(prices, stack, *, starts=(), age=None):
    """Zone of a stack at bar 0, whose trade is at 20, after later bars of given prices."""
    bars = [[20], *prices]
    flat = [p for bar in bars for p in bar]
    edges = np.cumsum([0] + [len(bar) for bar in bars])
    ranges = [(k, edges[k], edges[k + 1]) for k in range(len(bars))]
    ts = np.concatenate([60 * k + np.arange(len(bar)) for k, bar in enumerate(bars)])
    _, zones = stacked_zones(
        ts, np.array(flat), bars_of(ranges), stacks_of([(0, *stack)]),
        session_start_bar=starts, max_age_bars=age,
    )  # fmt: skip
    return zones.record(0)


def test_buy_zone_is_touched_from_above_and_filled_below_its_low():
    # Zone 11..13. Bar 1 at 60: 14 misses it, 13 is its near edge: touched at 61. 11 still holds.
    # Bar 2 at 120: 12 inside again, 10 is through the far edge: filled at 121.
    zone = life([[14, 13, 11], [12, 10, 15]], (1, 11, 13))
    assert (zone.birth_ns, zone.touch_ns, zone.fill_ns, zone.expiry_ns) == (60, 61, 121, None)


def test_sell_zone_is_the_mirror():
    zone = life([[24, 25, 27], [26, 28, 23]], (-1, 25, 27))
    assert (zone.touch_ns, zone.fill_ns) == (61, 121)


def test_zone_that_price_jumps_over_is_filled_without_a_touch():
    # 14, then 9 at 61: nothing traded inside 11..13. The return to 12 meets no zone any more.
    zone = life([[14, 9, 12]], (1, 11, 13))
    assert (zone.touch_ns, zone.fill_ns) == (None, 61)


def test_zone_expires_at_the_close_of_its_last_bar_unless_filled_in_it():
    # Age 2: the close of bar 2 is at 180. A fill in bar 2 comes first.
    assert life([[14], [14], [10]], (1, 11, 13), age=2).expiry_ns == 180
    assert life([[14], [14], [10]], (1, 11, 13), age=2).fill_ns is None
    filled = life([[14], [10], [14]], (1, 11, 13), age=2)
    assert (filled.fill_ns, filled.expiry_ns) == (120, None)


def test_zone_ends_before_the_first_trade_of_the_next_session():
    # Bar 2 opens a session at 120 with a trade through the zone, which does not meet it any more.
    zone = life([[14], [10]], (1, 11, 13), starts=[0, 2])
    assert (zone.touch_ns, zone.fill_ns, zone.expiry_ns) == (None, None, 120)


def test_of_equally_near_zones_the_newest_counts():
    # Close 20 in bar 1: buy zones 15..17 (older) and 14..17 are both 3 away, near edge 17 both;
    # sell zones 22..23 (older) and 22..25; with 18..19 born last, 1 away, near edge 19.
    columns, _ = stacked_zones(
        np.array([0, 60]), np.array([20, 20]), bars_of([(0, 0, 1), (1, 1, 2)]),
        stacks_of([(0, 1, 15, 17), (0, 1, 14, 17), (0, -1, 22, 23), (1, -1, 20, 25)]),
        session_start_bar=[], max_age_bars=None,
    )  # fmt: skip
    assert columns.n_buy.tolist() == [2, 2]
    assert columns.n_sell.tolist() == [1, 2]
    assert columns.buy_tick.tolist() == [17.0, 17.0]
    # Bar 1's close of 20 lies inside the zone 20..25 born there: distance 0, its near edge is 20.
    assert columns.sell_tick.tolist() == [22.0, 20.0]


def test_empty_and_broken_input():
    none = stacks_of([])
    columns, zones = stacked_zones([], [], bars_of([]), none, session_start_bar=[], max_age_bars=1)
    assert (len(columns), len(zones)) == (0, 0)
    good = {"ts_event_ns": [1, 2], "price_ticks": [5, 6], "index": bars_of([(0, 0, 2)])}
    good |= {"stacks": stacks_of([(0, 1, 4, 5)]), "session_start_bar": [0], "max_age_bars": None}
    _, zones = stacked_zones(**good)
    assert zones.touch_ns.tolist() == [NEVER]
    for change, error, message in (
        ({"ts_event_ns": [2, 1]}, ValueError, "ts_event_ns must be non-decreasing"),
        ({"price_ticks": [5, 2**62]}, ValueError, "within 2\\*\\*61"),
        ({"price_ticks": [5.0, 6.0]}, TypeError, "price_ticks must hold integers"),
        ({"stacks": stacks_of([(3, 1, 4, 5)])}, ValueError, "bars of index, got bar_id 3"),
        (
            {"stacks": stacks_of([(0, 0, 4, 5)])},
            ValueError,
            "must have a side, .* got sign 0, 4 to 5",
        ),
        ({"stacks": stacks_of([(0, 1, 5, 4)])}, ValueError, "got sign 1, 5 to 4 at position 0"),
        ({"stacks": stacks_of([(0, 1, 4, 2**63 - 1)])}, ValueError, "within 2\\*\\*62"),
        ({"stacks": stacks_of([(0, 1, -(2**63), 4)])}, ValueError, "within 2\\*\\*62"),
        ({"session_start_bar": [1]}, ValueError, "session_start_bar must lie in 0..0"),
        ({"session_start_bar": [[0]]}, ValueError, "one-dimensional"),
        ({"max_age_bars": 0}, ValueError, "max_age_bars must be positive, got 0"),
    ):
        with pytest.raises(error, match=message):
            stacked_zones(**(good | change))
    *_, state = continue_stacked_zones(None, **good)
    with pytest.raises(ValueError, match="index must follow bar 0, got bar_id 0"):
        continue_stacked_zones(state, **good)
    with pytest.raises(ValueError, match="min_levels must be positive"):
        stacked_imbalances(cells_of([]), RULE, ticks_per_row=1, min_levels=0)


@needs_jit
def test_lives_of_zones_on_recorded_trades(test_data):
    ts, price, qty, sign = recorded_trades(test_data, 200_000)
    index = time_bars(ts, 60_000_000_000)
    cells = footprint(price, qty, sign, index, ticks_per_row=1)
    stacks = stacked_imbalances(cells, ATAS_STACKED_IMBALANCE.rule(), ticks_per_row=1, min_levels=3)
    columns, zones = stacked_zones(ts, price, index, stacks, session_start_bar=[], max_age_bars=60)
    assert len(zones) == len(stacks) > 20
    expected, rows = naive_zones(ts, price, index, stacks, [], 60)
    for name in ("touch", "fill", "expiry"):
        wanted = [NEVER if z[name] is None else z[name] for z in expected]
        assert getattr(zones, f"{name}_ns").tolist() == wanted
    assert columns.n_buy.tolist() == [row["n_buy"] for row in rows]
