"""Footprint tensors: oracle, conservation, no look into the future, chunks, golden rows, bad input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderflow_core.footprint_tensor import (
    BROKEN,
    N_BARS,
    N_ROWS,
    WindowBars,
    bar_runs,
    footprint_tensors,
    last_ended_bar,
    normalised_tensors,
)
from tests.core.cell_cases import as_cells, bars_of_cells
from tests.naive import footprint_tensor as naive

SHAPE = {"n_bars": 3, "n_rows": 4}


def ints(values):
    return np.array(values, np.int64)


def window_bars(closes, run, first_bar=0):
    ids = 100 + 3 * np.arange(first_bar, first_bar + len(closes))
    return WindowBars(bar_id=ids, close_ticks=ints(closes), run=ints(run))


@st.composite
def cases(draw):
    """(bars, closes, run, decisions, cell height, row height)."""
    cell_ticks = draw(st.integers(1, 3))
    bars, starts, closes = draw(bars_of_cells(height=cell_ticks, max_bars=12))
    closes = [close + draw(st.integers(0, cell_ticks - 1)) for close in closes]
    run = np.cumsum([i in starts for i in range(len(bars))], dtype=np.int64).tolist()
    broken = draw(st.sets(st.integers(0, max(0, len(bars) - 1)), max_size=1))
    if draw(st.booleans()):
        run = [BROKEN if i in broken else r for i, r in enumerate(run)]
    decisions = draw(st.lists(st.integers(-1, len(bars) - 1), max_size=12))
    return bars, closes, run, decisions, cell_ticks, cell_ticks * draw(st.integers(1, 3))


def made(case, **changed):
    bars, closes, run, decisions, cell_ticks, height = case
    return footprint_tensors(
        as_cells(bars), window_bars(closes, run), ints(decisions),
        ticks_per_row=height, cell_ticks=cell_ticks, **(SHAPE | changed),
    )  # fmt: skip


@given(cases())
@settings(max_examples=40)
def test_agrees_with_the_obvious_loop_and_conserves_every_lot(case):
    bars, closes, run, decisions, cell_ticks, height = case
    found = made(case)
    expected = naive.footprint_tensors(
        bars, closes, run, decisions, ticks_per_row=height, cell_ticks=cell_ticks, **SHAPE
    )
    assert found.position.tolist() == [entry[0] for entry in expected]
    for w, (position, lots, overflow, unsigned, level) in enumerate(expected):
        rows, beyond = np.zeros((3, 4, 2), np.int64), np.zeros((3, 2, 2), np.int64)
        for key, amount in lots.items():
            rows[key] = amount
        for key, amount in overflow.items():
            beyond[key] = amount
        assert (found.lots[w] == rows).all()
        assert (found.overflow_lots[w] == beyond).all()
        assert found.unsigned_lots[w].tolist() == unsigned
        assert found.level_lots[w] == level
        last = decisions[position]
        for b in range(3):
            cells = bars[last - 2 + b]
            kept = found.lots[w, b].sum(axis=0) + found.overflow_lots[w, b].sum(axis=0)
            assert kept.tolist() == [sum(c[2] for c in cells), sum(c[1] for c in cells)]
            total = kept.sum() + found.unsigned_lots[w, b]
            assert total == sum(sum(c[1:]) for c in cells)


@given(cases(), st.data())
@settings(max_examples=25)
def test_what_comes_after_a_decision_changes_nothing(case, data):
    bars, closes, run, decisions, *heights = case
    whole = made(case)
    rows, beside = normalised_tensors(whole)
    end = data.draw(st.integers(0, len(bars)))
    kept = [d for d in decisions if d < end]
    cut = made((bars[:end], closes[:end], run[:end], kept, *heights))
    cut_rows, cut_beside = normalised_tensors(cut)
    chosen = ints(decisions)[whole.position] < end
    assert (whole.lots[chosen] == cut.lots).all()
    assert rows[chosen].tobytes() == cut_rows.tobytes()
    assert beside[chosen].tobytes() == cut_beside.tobytes()


@given(cases(), st.data())
@settings(max_examples=25)
def test_chunks_of_bars_give_what_the_whole_gives(case, data):
    bars, closes, run, decisions, cell_ticks, height = case
    whole = made(case)
    edge = data.draw(st.integers(0, len(bars)))
    seen = []
    for first, end in ((0, edge), (edge, len(bars))):
        start = max(0, first - SHAPE["n_bars"] + 1)  # the bars that windows reach back to
        own = [(p, d) for p, d in enumerate(decisions) if first <= d < end]
        part = footprint_tensors(
            as_cells(bars[start:end], start), window_bars(closes[start:end], run[start:end], start),
            ints([d - start for _, d in own]), ticks_per_row=height, cell_ticks=cell_ticks, **SHAPE,
        )  # fmt: skip
        for w, at in enumerate(part.position.tolist()):
            seen.append((own[at][0], part.lots[w], part.overflow_lots[w], part.level_lots[w]))
    seen.sort(key=lambda entry: entry[0])
    assert [entry[0] for entry in seen] == whole.position.tolist()
    for w, (_, lots, overflow, level) in enumerate(seen):
        assert (lots == whole.lots[w]).all()
        assert (overflow == whole.overflow_lots[w]).all()
        assert level == whole.level_lots[w]


@given(cases())
@settings(max_examples=15)
def test_prices_may_be_counted_from_anywhere(case):
    bars, closes, run, decisions, cell_ticks, height = case
    shift = 7 * cell_ticks
    moved = [[(price + shift, *lots) for price, *lots in cells] for cells in bars]
    one = made(case)
    other = made((moved, [c + shift for c in closes], run, decisions, cell_ticks, height))
    assert (one.lots == other.lots).all()
    assert (one.overflow_lots == other.overflow_lots).all()


times = st.lists(st.integers(0, 60), min_size=0, max_size=12)
spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15)), max_size=4)


@given(times, spans, times)
@settings(max_examples=40)
def test_runs_agree_with_the_obvious_loop(begins, drawn, sessions):
    t0 = sorted(begins)
    t1 = [t + 5 for t in t0]
    gaps = [(start, start + length) for start, length in drawn]
    run = bar_runs(
        ints(t0), ints(t1), gap_start_ns=ints([g[0] for g in gaps]),
        gap_end_ns=ints([g[1] for g in gaps]), session_start_ns=ints(sessions),
    )  # fmt: skip
    assert run.tolist() == naive.bar_runs(t0, t1, gaps, sessions)
    whole = run[run != BROKEN]
    assert (np.diff(whole) >= 0).all()


@given(times, spans, times, times)
@settings(max_examples=25)
def test_decisions_see_bars_that_ended_and_that_nothing_parts_them_from(begins, drawn, starts, at):
    t0 = sorted(begins)
    t1 = [t + 5 for t in t0]
    gaps = [(start, start + length) for start, length in drawn]
    bounds = {
        "gap_start_ns": ints([g[0] for g in gaps]), "gap_end_ns": ints([g[1] for g in gaps]),
        "session_start_ns": ints(starts),
    }  # fmt: skip
    decisions = ints(sorted(at))
    run, own = bar_runs(ints(t0), ints(t1), **bounds), bar_runs(decisions, decisions, **bounds)
    found = last_ended_bar(ints(t1), run, decisions, own)
    expected = naive.last_ended_bar(t1, run.tolist(), decisions.tolist(), own.tolist())
    assert found.tolist() == expected


def test_rows_are_counted_from_the_last_close_for_all_bars():
    # Centre 105, rows of 2 from 105 - 2 * 2 = 101: 101 and 102 are row 0, 105 row 2, 108 row 3, 109
    # is above, 100 below. The first bar closed elsewhere, which changes nothing. Levels hold 1, 2, 4,
    # 8, 16, 32: the median is (4 + 8) / 2 = 6.
    bars = [[(100, 1, 0, 0), (101, 0, 2, 0)], [(102, 4, 0, 0), (105, 0, 5, 3), (108, 16, 0, 0)],
            [(109, 0, 32, 0)]]  # fmt: skip
    found = footprint_tensors(
        as_cells(bars), window_bars([101, 108, 105], [0, 0, 0]), [2], ticks_per_row=2, **SHAPE
    )
    buy, sell = found.lots[0, :, :, 0], found.lots[0, :, :, 1]
    assert buy.tolist() == [[2, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0]]
    assert sell.tolist() == [[0, 0, 0, 0], [4, 0, 0, 16], [0, 0, 0, 0]]
    assert found.overflow_lots[0].tolist() == [
        [[0, 1], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [32, 0]]
    ]  # fmt: skip
    assert found.unsigned_lots[0].tolist() == [0, 3, 0]
    assert found.level_lots.tolist() == [6.0]
    rows, beside = normalised_tensors(found)
    assert rows.dtype == beside.dtype == np.float32
    assert rows[0, 0, 0, 0] == np.float32(naive.normalised_tensors(2, 6.0))
    assert beside[0, 2].tolist() == [0, 0, np.float32(naive.normalised_tensors(32, 6.0)), 0, 0]


def test_a_window_that_a_gap_or_a_session_parts_gives_no_tensor():
    bars, closes = [[(0, 1, 1, 0)]] * 8, [0] * 8
    every = ints(range(8))
    run = [0, 0, 0, 1, 1, BROKEN, 2, 2]
    kept = footprint_tensors(
        as_cells(bars), window_bars(closes, run), every, ticks_per_row=1, **SHAPE
    )
    assert kept.position.tolist() == [2]
    # The same run on both sides of a broken bar does not make the bars neighbours.
    run = [0, 0, 0, BROKEN, 0, 0, 0, 0]
    kept = footprint_tensors(
        as_cells(bars), window_bars(closes, run), every, ticks_per_row=1, **SHAPE
    )
    assert kept.position.tolist() == [2, 6, 7]


def test_the_usual_shape_and_nothing_to_make():
    bars = [[(0, 1, 1, 0)]] * N_BARS
    ends = ints([N_BARS - 2, N_BARS - 1])
    full = footprint_tensors(
        as_cells(bars), window_bars([0] * N_BARS, [0] * N_BARS), ends, ticks_per_row=1
    )
    assert full.position.tolist() == [1]
    assert full.lots.shape == (1, N_BARS, N_ROWS, 2)
    none = footprint_tensors(as_cells([]), window_bars([], []), [], ticks_per_row=1)
    rows, beside = normalised_tensors(none)
    assert rows.shape == (0, N_BARS, N_ROWS, 2)
    assert beside.shape == (0, N_BARS, 5)


GOOD = as_cells([[(0, 1, 1, 0), (1, 2, 0, 0)], [(0, 1, 1, 0)]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cells": replace(GOOD, ask_lots=ints([1, -1, 1]))}, "ask_lots must not be negative"),
        ({"cells": replace(GOOD, bid_lots=ints([1, 0, 1]))}, "volume of cells must be positive"),
        ({"cells": replace(GOOD, bid_lots=ints([1, 2**62, 1]))}, "overflow"),
        ({"cells": replace(GOOD, price_tick=ints([1, 1, 0]))}, "strictly increase within a bar"),
        ({"cells": replace(GOOD, price_tick=ints([0, 2**62, 0]))}, r"within 2\*\*61"),
        ({"cells": as_cells([[(0, 1, 1, 0)]])}, "each bar must have a cell"),
        ({"bars": window_bars([0, 0], [1, 0])}, "run must be non-decreasing"),
        ({"bars": window_bars([0, 0], [0, -2])}, "run must be"),
        ({"decision_bar": [2]}, "decision_bar must lie in"),
        ({"ticks_per_row": 3, "cell_ticks": 2}, "multiple of cell_ticks"),
        ({"n_rows": 3}, "n_rows even"),
        ({"ticks_per_row": 0}, "ticks_per_row must be positive"),
    ],
)
def test_bad_input_is_named(changed, message):
    arguments = {
        "cells": GOOD, "bars": window_bars([0, 0], [0, 0]), "decision_bar": [1], "ticks_per_row": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        footprint_tensors(**(arguments | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gap_end_ns": [5]}, "must not precede its start, got 5 < 12"),
        ({"gap_end_ns": []}, "one length"),
        ({"t1_ns": [10, 9]}, "t1_ns must be non-decreasing"),
    ],
)
def test_bad_times_are_named(changed, message):
    arguments = {"t0_ns": [0, 10], "t1_ns": [10, 20], "gap_start_ns": [12], "gap_end_ns": [15]}
    with pytest.raises(ValueError, match=message):
        bar_runs(**(arguments | changed))
