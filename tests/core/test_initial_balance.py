"""Initial balance: oracle, parity of chunks, golden edges, a recorded day."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.initial_balance import (
    balance_extensions,
    continue_initial_balance,
    initial_balance,
)
from tests.core import captures
from tests.core.cell_cases import as_rows, session_bars, starts_of_part
from tests.core.trade_cases import cuts
from tests.naive import levels as naive


@st.composite
def cases(draw):
    n = draw(st.integers(0, 10))
    t0 = np.cumsum(draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))).tolist()
    low = draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n))
    height = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    opening = draw(st.integers(0, 12))
    bars = [(t, t + 1, x + h, x, opening) for t, x, h in zip(t0, low, height, strict=True)]
    return bars, draw(session_bars(n))


def columns(bars, starts):
    t0, t1, high, low, opening = np.array(bars, np.int64).reshape(-1, 5).T
    return t0, t1, high, low, starts, opening


@given(cases(), st.data())
def test_balance_agrees_with_the_obvious_loop_in_any_chunks(case, data):
    bars, starts = case
    expected = naive.initial_balance(bars, starts, length_ns=5)
    whole = initial_balance(*columns(bars, starts), length_ns=5)
    assert as_rows(astuple(whole)) == expected
    assert len(whole) == len(bars)
    edges = data.draw(cuts(len(bars)))
    state, parts = None, []
    for first, end in pairwise(edges):
        part, state = continue_initial_balance(
            state, *columns(bars[first:end], starts_of_part(starts, first, end)), length_ns=5
        )
        parts += as_rows(astuple(part))
        assert parts == expected[:end]  # and nothing later changes it


def test_bars_that_straddle_an_edge_do_not_count():
    # Balance [10, 20): [8, 12) straddles the opening, [12, 16) is inside, [16, 20) ends with it,
    # [18, 22) straddles the end.
    bars = [(8, 12, 90, 80, 10), (12, 16, 50, 40, 10), (16, 20, 60, 45, 10), (18, 22, 99, 1, 10)]
    got = initial_balance(*columns(bars, [0]), length_ns=10)
    assert as_rows(astuple(got)) == [
        (0, 0, False, False),
        (50, 40, True, False),
        (60, 40, True, True),
        (60, 40, True, True),
    ]


def test_bars_longer_than_the_balance_never_know_it():
    got = initial_balance(*columns([(0, 20, 9, 1, 0)], [0]), length_ns=10)
    assert as_rows(astuple(got)) == [(0, 0, False, True)]


def test_extensions_are_multiples_of_the_range():
    # Range 14 - 10 = 4: half of it is 2.
    lower, upper = balance_extensions([14, 7], [10, 7], 0.5)
    assert (lower.tolist(), upper.tolist()) == ([8.0, 7.0], [16.0, 7.0])
    assert balance_extensions([14], [10], 0)[0].tolist() == [10.0]


@pytest.mark.parametrize("multiple", [-1.0, np.nan, np.inf])
def test_extensions_refuse_other_multiples(multiple):
    with pytest.raises(ValueError, match="multiple must be finite and not negative"):
        balance_extensions([1], [1], multiple)


@pytest.mark.parametrize(
    ("bar", "length", "message"),
    [
        ((0, 1, 3, 4, 0), 5, "high_ticks must not lie below low_ticks, got 3 and 4"),
        ((1, 1, 4, 3, 0), 5, "t1_ns - t0_ns must be positive"),
        ((0, 1, 4, 3, 0), 0, "length_ns must be positive"),
        ((0, 1, 4, 3, 2**63 - 1), 5, "beyond int64"),
    ],
)
def test_broken_contracts_are_named(bar, length, message):
    with pytest.raises(ValueError, match=message):
        initial_balance(*columns([bar], [0]), length_ns=length)


def test_times_that_run_back_are_refused():
    with pytest.raises(ValueError, match="t1_ns must be non-decreasing"):
        initial_balance(*columns([(2, 3, 1, 1, 0), (0, 1, 1, 1, 0)], [0]))


def test_balance_of_a_recording_is_the_range_of_its_trades(test_data):
    (_, ts, price, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / captures.FUTURES[0]
    )
    second, length = 1_000_000_000, 60_000_000_000
    index = time_bar_index(ts, second)
    bars = aggregate_bars(price, qty, sign.astype(np.int8), index)
    opening = int(index.t0_ns[0])
    got = initial_balance(
        index.t0_ns,
        index.t1_ns,
        bars.high_ticks,
        bars.low_ticks,
        [0],
        np.full(len(index), opening),
        length_ns=length,
    )
    inside = price[ts < opening + length]
    assert got.is_complete[-1]
    assert (got.high_ticks[-1], got.low_ticks[-1]) == (inside.max(), inside.min())
