"""Unfinished auctions and the levels they leave: oracle, chunks, golden examples, real trades."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.footprint import footprint
from orderflow_core.unfinished import (
    continue_unfinished_levels,
    unfinished_auctions,
    unfinished_levels,
)
from orderflow_core.zones import NEVER
from tests.core.cell_cases import starts_of_part
from tests.core.footprint_cases import (
    bars_of,
    cells_of,
    ladders,
    part_of_bars,
    part_of_cells,
    recorded_trades,
    time_bars,
)
from tests.naive import extremes as naive

needs_jit = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades for interpreted kernels"
)


def index_of(n_bars):
    return bars_of([(k, k, k + 1) for k in range(n_bars)])


def assert_agrees(columns, levels, expected_levels, expected_columns):
    times = [[getattr(levels, f"{name}_ns") for name in ("birth", "covered", "expiry")]]
    for name, column in zip(("birth", "covered", "expiry"), times[0], strict=True):
        wanted = [NEVER if level[name] is None else level[name] for level in expected_levels]
        assert column.tolist() == wanted
    assert levels.sign.tolist() == [level["sign"] for level in expected_levels]
    assert levels.price_tick.tolist() == [level["price"] for level in expected_levels]
    for k, (above, below) in enumerate(expected_columns):
        assert (columns.n_above[k], columns.n_below[k]) == (len(above), len(below))
        assert columns.above_tick[k] == min(above) if above else np.isnan(columns.above_tick[k])
        assert columns.below_tick[k] == max(below) if below else np.isnan(columns.below_tick[k])


@given(ladders, st.integers(0, 2), st.data())
def test_agrees_with_the_obvious_loop_in_any_chunks(bars, filter_lots, data):
    bars = [{p + data.draw(st.integers(-6, 6)) * (k % 3): v for p, v in rows.items()}
            for k, rows in enumerate(bars)]  # fmt: skip
    n = len(bars)
    starts = [k for k in range(n) if data.draw(st.sampled_from([False] * 4 + [True]))]
    cells, index = cells_of(bars), index_of(n)
    rule = {"ticks_per_row": 1, "filter_lots": filter_lots}
    columns, levels = unfinished_levels(cells, index, session_start_bar=starts, **rule)
    expected = naive.unfinished_levels(
        [(bars[k], 60 * k + 60, k in starts) for k in range(n)], filter_lots=filter_lots
    )
    assert_agrees(columns, levels, *expected)

    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=3)))
    state, parts, ids = None, [], []
    for first, end in zip([0, *cuts], [*cuts, n], strict=True):
        part, ended, state = continue_unfinished_levels(
            state, part_of_cells(cells, first, end), part_of_bars(index, first, end),
            session_start_bar=starts_of_part(starts, first, end), **rule,
        )  # fmt: skip
        parts.append(part)
        ids += ended.level_id.tolist()
        assert (levels.covered_ns[ended.level_id] == ended.covered_ns).all()
        assert (levels.expiry_ns[ended.level_id] == ended.expiry_ns).all()
        for name in type(part).__slots__:  # what is known at the cut is what is known in the end
            so_far = np.concatenate([getattr(p, name) for p in parts])
            assert so_far.tobytes() == getattr(columns, name)[:end].tobytes()
    if state is not None:
        ids += state.open_levels.level_id.tolist()
    assert sorted(ids) == list(range(len(levels)))


def test_filter_is_strict_and_the_far_side_must_have_traded():
    # High: bid 3, ask 21. Above 20, not above 21. With bid 0 the auction finished.
    for rows, filter_lots, expected in (
        ({10: (0, 1), 11: (3, 21)}, 20, True),
        ({10: (0, 1), 11: (3, 21)}, 21, False),
        ({10: (0, 1), 11: (0, 21)}, 20, False),
    ):
        is_high, _ = unfinished_auctions(cells_of([rows]), ticks_per_row=1, filter_lots=filter_lots)
        assert is_high.tolist() == [expected]
    # Low: the mirror.
    _, is_low = unfinished_auctions(cells_of([{10: (21, 3)}]), ticks_per_row=1, filter_lots=20)
    assert is_low.tolist() == [True]


OPEN, SHUT = (5, 5), (0, 5)  # both sides traded; only the ask did


def lives(*bars, starts=()):
    return unfinished_levels(
        cells_of(list(bars)), index_of(len(bars)), ticks_per_row=1, filter_lots=0,
        session_start_bar=starts,
    )  # fmt: skip


def test_level_is_covered_by_a_range_even_where_its_row_did_not_trade():
    # High 20 of bar 0 is open at 60. Bar 1 (18 to 19) misses it; bar 2 (19 to 21) covers it without
    # a trade at 20: covered at 180.
    columns, levels = lives({19: SHUT, 20: OPEN}, {18: (5, 0), 19: SHUT}, {19: (5, 0), 21: SHUT})
    assert (levels.price_tick.tolist(), levels.covered_ns.tolist()) == ([20], [180])
    assert columns.above_tick.tolist()[:2] == [20.0, 20.0]
    assert columns.n_above.tolist() == [1, 1, 0]


def test_level_that_price_jumps_over_stays_open_on_the_other_side():
    # High 20 open; bar 1 trades at 25 only, bar 2 at 15 only: above, then below, then above again.
    columns, levels = lives({20: (5, 5)}, {25: SHUT}, {15: SHUT})
    assert levels.sign.tolist() == [1, -1]  # one row: unfinished at the high and at the low
    assert levels.covered_ns.tolist() == [NEVER, NEVER]
    assert columns.n_above.tolist() == [1, 0, 2]
    assert columns.n_below.tolist() == [1, 2, 0]


def test_session_start_ends_open_levels_before_its_own_range_counts():
    _, levels = lives({20: OPEN}, {20: SHUT}, starts=[0, 1])
    assert levels.covered_ns.tolist() == [NEVER, NEVER]
    assert levels.expiry_ns.tolist() == [120, 120]


def test_empty_and_broken_input():
    columns, levels = lives()
    assert (len(columns), len(levels)) == (0, 0)
    good = {"cells": cells_of([{10: OPEN}]), "index": index_of(1), "session_start_bar": []}
    good |= {"ticks_per_row": 1, "filter_lots": 0}
    for change, error, message in (
        ({"filter_lots": -1}, ValueError, "filter_lots must be"),
        ({"filter_lots": 0.5}, TypeError, "filter_lots must be"),
        ({"index": bars_of([(4, 0, 1)])}, ValueError, "got bar_id 0 for 4"),
        ({"index": index_of(2)}, ValueError, "one length"),
        ({"session_start_bar": [1]}, ValueError, "session_start_bar must lie in 0..0"),
    ):
        with pytest.raises(error, match=message):
            unfinished_levels(**(good | change))
    *_, state = continue_unfinished_levels(None, **good)
    with pytest.raises(ValueError, match="index must follow bar 0, got bar_id 0"):
        continue_unfinished_levels(state, **good)


@needs_jit
def test_recorded_trades(test_data):
    ts, price, qty, sign = recorded_trades(test_data, 100_000)
    index = time_bars(ts, 15_000_000_000)
    cells = footprint(price, qty, sign, index, ticks_per_row=1)
    bars = [({}, t1, False) for t1 in index.t1_ns.tolist()]
    for k, p, bid, ask in zip(
        np.searchsorted(index.bar_id, cells.bar_id).tolist(), cells.price_tick.tolist(),
        cells.bid_lots.tolist(), cells.ask_lots.tolist(), strict=True,
    ):  # fmt: skip
        bars[k][0][p] = (bid, ask)
    columns, levels = unfinished_levels(
        cells, index, ticks_per_row=1, filter_lots=20, session_start_bar=[]
    )
    assert len(levels) > 100
    assert_agrees(columns, levels, *naive.unfinished_levels(bars, filter_lots=20))
