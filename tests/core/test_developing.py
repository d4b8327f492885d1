"""Levels that develop with the session's bars: oracle, parity of chunks, no look-ahead, real days."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import time_bar_index
from orderflow_core.developing import continue_developing_levels, developing_levels
from orderflow_core.footprint import footprint
from orderflow_core.profile import volume_profile
from orderflow_core.value_area import value_area
from tests.core import captures
from tests.core.cell_cases import as_cells, as_rows, bars_of_cells, starts_of_part
from tests.core.trade_cases import cuts
from tests.naive import levels as naive

RULES = st.sampled_from(
    [
        {"algorithm": "two_row_A"},
        {"algorithm": "two_row_B", "tie": "both"},
        {"algorithm": "one_row"},
        {"algorithm": "equal_split"},
    ]
)


def level_rows(levels):
    return as_rows(astuple(levels)[1:])


@given(bars_of_cells(height=2), RULES)
def test_each_bar_agrees_with_the_profile_of_the_bars_so_far(case, rule):
    bars, starts, _ = case
    got = developing_levels(as_cells(bars), starts, ticks_per_row=2, **rule)
    assert level_rows(got) == naive.developing_levels(bars, starts, ticks_per_row=2, **rule)
    assert got.bar_id.tolist() == [100 + 3 * i for i in range(len(bars))]
    assert len(got) == len(bars)


@given(bars_of_cells(), st.data())
def test_chunks_give_the_batch_and_the_future_changes_nothing(case, data):
    bars, starts, _ = case
    whole = level_rows(developing_levels(as_cells(bars), starts, ticks_per_row=1))
    edges = data.draw(cuts(len(bars)))
    state, parts = None, []
    for first, end in pairwise(edges):
        chunk = as_cells(bars[first:end], first)
        inner = starts_of_part(starts, first, end)
        levels, state = continue_developing_levels(state, chunk, inner, ticks_per_row=1)
        parts += level_rows(levels)
        assert parts == whole[:end]
    assert parts == whole


def test_a_new_session_forgets_the_old_one():
    # Bar 0: row 10 holds 9. Bar 1 opens a session: row 20 holds 1. Bar 2 adds 2 at 21.
    bars = [[(10, 9, 0, 0)], [(20, 0, 1, 0)], [(21, 0, 0, 2)]]
    got = developing_levels(as_cells(bars), [0, 1], ticks_per_row=1)
    assert got.poc_tick.tolist() == [10, 20, 21]
    assert got.total_lots.tolist() == [9, 1, 3]
    # 7/10 of 3 is 2.1: 2 at the point of control is not enough, the row below is added.
    assert (got.val_tick.tolist(), got.vah_tick.tolist()) == ([10, 20, 20], [10, 20, 21])


def test_first_bar_opens_a_session_whether_named_or_not():
    got = developing_levels(as_cells([[(5, 1, 1, 0)]]), [], ticks_per_row=1)
    assert got.total_lots.tolist() == [2]


def test_nothing_in_nothing_out_and_the_state_stays():
    _, state = continue_developing_levels(None, as_cells([[(5, 1, 1, 0)]]), [0], ticks_per_row=1)
    levels, after = continue_developing_levels(state, as_cells([]), [], ticks_per_row=1)
    assert len(levels) == 0
    assert after is state


def test_state_is_not_changed_by_what_follows():
    bars = [[(5, 1, 1, 0)], [(5, 3, 0, 0), (6, 1, 0, 0)]]
    _, state = continue_developing_levels(None, as_cells(bars[:1]), [0], ticks_per_row=1)
    before = as_rows(astuple(state))
    for _ in range(2):
        levels, _ = continue_developing_levels(state, as_cells(bars[1:], 1), [], ticks_per_row=1)
        assert levels.total_lots.tolist() == [6]
    assert as_rows(astuple(state)) == before


BROKEN = {
    "starts are not positions": (
        {"starts": [0.5]},
        TypeError,
        "session_start_bar must hold integers",
    ),
    "a start without a bar": ({"starts": [1]}, ValueError, "session_start_bar must lie in 0..0"),
    "rows of another height": ({"bars": [[(0, 1, 0, 0), (3, 1, 0, 0)]]}, ValueError, "multiples"),
    "a cell without lots": ({"bars": [[(0, 0, 0, 0)]]}, ValueError, "must be positive, got 0"),
    "fewer lots than none": ({"bars": [[(0, -5, 9, 0)]]}, ValueError, "bid_lots must not be neg"),
    "lots that wrap": ({"bars": [[(0, *[2**63 - 1] * 3)]]}, ValueError, "may overflow int64: 3"),
    "prices that fall": ({"bars": [[(2, 1, 0, 0), (0, 1, 0, 0)]]}, ValueError, "rise within a bar"),
    "lots beyond int64": (
        {"bars": [[(0, 2**62, 0, 0), (2, 2**62, 0, 0)]]},
        ValueError,
        "may overflow int64",
    ),
    "a share above 1": ({"options": {"share_num": 11}}, ValueError, "at most 1, got 11 / 10"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_contracts_are_named(case):
    given_, error, message = BROKEN[case]
    bars, starts = given_.get("bars", [[(0, 1, 0, 0)]]), given_.get("starts", [0])
    with pytest.raises(error, match=message):
        developing_levels(as_cells(bars), starts, ticks_per_row=2, **given_.get("options", {}))


def test_bars_that_run_back_are_refused():
    cells = as_cells([[(0, 1, 0, 0)], [(0, 1, 0, 0)]])
    cells.bar_id[:] = cells.bar_id[::-1].copy()
    with pytest.raises(ValueError, match=r"cells.bar_id must be non-decreasing"):
        developing_levels(cells, [0], ticks_per_row=1)


def test_last_bar_of_recorded_days_has_the_levels_of_the_whole(test_data):
    for name in (captures.FUTURES[0], captures.SPOT[2]):
        (_, ts, price, qty, sign), *_ = captures.read_capture(test_data / captures.FOLDER / name)
        sign = sign.astype(np.int8)
        index = time_bar_index(ts, 10_000_000_000)
        cells = footprint(price, qty, sign, index, ticks_per_row=50)
        got = developing_levels(cells, [0], ticks_per_row=50)
        assert got.bar_id.tolist() == index.bar_id.tolist()
        for bar in (0, len(index) // 2, len(index) - 1):
            end = index.end_idx[bar]
            rows = volume_profile(price[:end], qty[:end], sign[:end], ticks_per_row=50)
            area = value_area(rows.price_tick, rows.volume_lots, ticks_per_row=50)
            assert level_rows(got)[bar] == (
                area.poc_tick,
                area.val_tick,
                area.vah_tick,
                area.volume_lots,
                area.total_lots,
            )
