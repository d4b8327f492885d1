"""Naked points of control: oracle, parity of chunks, golden edges, recorded sessions."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.developing import developing_levels
from orderflow_core.footprint import footprint
from orderflow_core.naked_pocs import (
    continue_naked_pocs,
    covering_session,
    first_cover,
    naked_pocs,
)
from tests.core import captures
from tests.core.cell_cases import as_rows, session_bars, starts_of_part
from tests.core.trade_cases import cuts
from tests.naive import level_outcomes as naive

BAR = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-9, 9), st.integers(-12, 12))
CASES = st.integers(0, 10).flatmap(
    lambda n: st.tuples(st.lists(BAR, min_size=n, max_size=n), session_bars(n))
)


def as_bars(case):
    """(high, low, close, poc) from heights above and below the close."""
    return [(close + up, close - down, close, poc) for up, down, close, poc in case]


def columns(bars, starts):
    return (*np.array(bars, np.int64).reshape(-1, 4).T, starts)


def rows_of(found):
    return [
        tuple(None if value != value else value for value in row) for row in as_rows(astuple(found))
    ]


@given(CASES, st.integers(1, 3), st.data())
def test_naked_rows_agree_with_the_obvious_loop_in_any_chunks(case, height, data):
    bars, starts = as_bars(case[0]), case[1]
    expected = naive.naked_pocs(bars, starts, height=height)
    whole = naked_pocs(*columns(bars, starts), ticks_per_row=height)
    assert rows_of(whole) == expected
    assert len(whole) == len(bars)
    state, parts = None, []
    for first, end in pairwise(data.draw(cuts(len(bars)))):
        part, state = continue_naked_pocs(
            state,
            *columns(bars[first:end], starts_of_part(starts, first, end)),
            ticks_per_row=height,
        )
        parts += rows_of(part)
        assert parts == expected[:end]


def test_a_row_is_naked_until_its_edge_is_touched():
    # Rows of 4 ticks. Session 1 ends with its POC in 12..15. Session 2: 16-18 leaves it naked,
    # 15-17 meets its highest tick.
    bars = [(15, 12, 13, 12), (18, 16, 17, 16), (17, 15, 16, 16)]
    got = naked_pocs(*columns(bars, [0, 1]), ticks_per_row=4)
    assert rows_of(got) == [(None, None, 0), (None, 12, 1), (None, None, 0)]


def test_the_first_bar_may_take_it_at_once():
    bars = [(15, 12, 13, 12), (18, 10, 17, 16)]
    got = naked_pocs(*columns(bars, [0, 1]), ticks_per_row=1)
    assert got.n_naked.tolist() == [0, 0]


SESSIONS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 5)))


@given(SESSIONS, st.integers(1, 3))
def test_covering_session_agrees_with_the_obvious_loop(sessions, height):
    poc, low = [p for p, _, _ in sessions], [x for _, x, _ in sessions]
    high = [x + size for _, x, size in sessions]
    got = covering_session(
        np.array(poc, np.int64),
        np.array(high, np.int64),
        np.array(low, np.int64),
        ticks_per_row=height,
    )
    assert got.tolist() == naive.covering_session(poc, high, low, height=height)


@given(st.lists(st.integers(-9, 9)), SESSIONS, st.integers(1, 3))
def test_first_cover_agrees_with_the_obvious_loop_and_the_future_changes_nothing(
    rows, bars, height
):
    low, high = [x for _, x, _ in bars], [x + size for _, x, size in bars]
    ranges = np.array([high, low], np.int64)
    got = first_cover(np.array(rows, np.int64), *ranges, ticks_per_row=height)
    assert got.tolist() == naive.first_cover(rows, high, low, height=height)
    for end in range(len(bars)):
        known = first_cover(np.array(rows, np.int64), *ranges[:, :end], ticks_per_row=height)
        assert known.tolist() == [at if at < end else -1 for at in got]


def test_a_row_is_covered_at_its_edges():
    # Rows 12..15 and 20..23: the bar 8-11 misses the first, 9-12 meets its lowest tick, 23-30 the
    # highest of the second.
    got = first_cover([12, 20], [11, 12, 30], [8, 9, 23], ticks_per_row=4)
    assert got.tolist() == [1, 2]


def test_rows_at_the_end_of_int64():
    end = 2**63 - 1
    assert covering_session([end, 0], [end, end], [end, 0], ticks_per_row=9).tolist() == [1, -1]


def test_broken_contracts_are_named():
    with pytest.raises(
        ValueError, match=r"close_ticks must lie in \[low, high\], got 9 in \[1, 3\]"
    ):
        naked_pocs(*columns([(3, 1, 9, 2)], [0]), ticks_per_row=1)
    with pytest.raises(ValueError, match=r"session_start_bar must lie in 0\.\.0, got 1"):
        naked_pocs([3], [1], [2], [2], [1], ticks_per_row=1)
    with pytest.raises(ValueError, match="one length"):
        covering_session([1, 2], [3], [1], ticks_per_row=1)


def test_recorded_minutes_as_sessions(test_data):
    (_, ts, price, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / captures.FUTURES[0]
    )
    signs, second, height = sign.astype(np.int8), 1_000_000_000, 50
    index = time_bar_index(ts, second)
    bars = aggregate_bars(price, qty, signs, index)
    minute = index.bar_id // 60
    starts = np.flatnonzero(np.append(True, minute[1:] != minute[:-1]))
    cells = footprint(price, qty, signs, index, ticks_per_row=height)
    poc = developing_levels(cells, starts, ticks_per_row=height).poc_tick
    got = naked_pocs(
        bars.high_ticks, bars.low_ticks, bars.close_ticks, poc, starts, ticks_per_row=height
    )
    last = np.append(starts[1:], len(index)) - 1
    ranges = [(a, b) for a, b in zip(starts, last + 1, strict=True)]
    covering = covering_session(
        poc[last],
        np.array([bars.high_ticks[a:b].max() for a, b in ranges]),
        np.array([bars.low_ticks[a:b].min() for a, b in ranges]),
        ticks_per_row=height,
    )
    # The last session's own point of control is not yet one of an earlier session.
    assert got.n_naked[-1] == np.count_nonzero(covering[:-1] == -1)
    assert got.n_naked.max() > 0
