"""Extremes of a bar: oracle, golden examples of each tie and zero rule, chunks, real trades."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.extremes import (
    continue_delta_turnaround,
    delta_turnaround,
    exhaustion_levels,
    exhaustion_ratio,
    zero_prints,
)
from orderflow_core.footprint import footprint
from tests.core.cell_cases import starts_of_part
from tests.core.footprint_cases import cells_of, ladders, recorded_trades, time_bars
from tests.naive import extremes as naive

needs_jit = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades for interpreted kernels"
)


@given(ladders, st.integers(1, 3), st.integers(2, 4), st.sampled_from(["side", "total"]))
def test_levels_and_zero_prints_agree_with_the_obvious_loop(bars, height, n_levels, volume):
    bars = [{p * height: v for p, v in rows.items()} for rows in bars]
    cells = cells_of(bars)
    rule = {"ticks_per_row": height, "n_levels": n_levels, "volume": volume}
    is_high, is_low = exhaustion_levels(cells, **rule)
    expected = [naive.exhaustion_levels(rows, **rule) for rows in bars]
    assert list(zip(is_high.tolist(), is_low.tolist(), strict=True)) == expected
    no_bid, no_ask = zero_prints(cells, ticks_per_row=height)
    for k, rows in enumerate(bars):
        own = cells.bar_id == k
        got = cells.price_tick[own & no_bid].tolist(), cells.price_tick[own & no_ask].tolist()
        assert got == naive.zero_prints(rows)


@given(ladders, st.integers(1, 3), st.data())
def test_ratio_agrees_with_the_obvious_loop(bars, height, data):
    bars = [{p * height: v for p, v in rows.items()} for rows in bars]
    moves = data.draw(st.lists(st.integers(-1, 1), min_size=len(bars), max_size=len(bars)))
    opened = np.zeros(len(bars), np.int64)
    got = exhaustion_ratio(cells_of(bars), opened, opened + np.array(moves, np.int64),
                           ticks_per_row=height)  # fmt: skip
    for k, rows in enumerate(bars):
        ratio = naive.exhaustion_ratio(rows, 0, moves[k], ticks_per_row=height)
        assert np.isnan(got.ratio[k]) if ratio is None else got.ratio[k] == ratio
        assert got.is_low[k] == (ratio is not None and ratio <= 0.71)
        assert got.is_high[k] == (ratio is not None and ratio > 29)


def asks(*lots):
    """One bar whose asks are these, from the high down."""
    return cells_of([{-k: (1, lots[k]) for k in range(len(lots))}])


def test_exhaustion_is_strict_and_needs_all_its_levels():
    rule = {"ticks_per_row": 1, "volume": "side"}
    assert exhaustion_levels(asks(1, 2, 4, 5, 9), n_levels=5, **rule)[0].tolist() == [True]
    # The sixth row may fall again, the first may be 0, equal rows end it, four rows are too few.
    assert exhaustion_levels(asks(0, 2, 4, 5, 9, 1), n_levels=5, **rule)[0].tolist() == [True]
    assert exhaustion_levels(asks(1, 2, 2, 5, 9), n_levels=5, **rule)[0].tolist() == [False]
    assert exhaustion_levels(asks(1, 2, 4, 5), n_levels=5, **rule)[0].tolist() == [False]


def test_untraded_row_aborts_exhaustion():
    # Asks 1, -, 2, 3 from the high at 10 down: row 9 did not trade.
    rows = {10: (0, 1), 8: (0, 2), 7: (0, 3)}
    rule = {"ticks_per_row": 1, "n_levels": 3, "volume": "side"}
    assert exhaustion_levels(cells_of([rows]), **rule)[0].tolist() == [False]


def test_total_volume_counts_unsigned_lots():
    # From the low up: bids 1, 1 but all lots 1, 3: (1 bid), (1 bid + 2 unsigned).
    cells = cells_of([{10: (1, 0, 0), 11: (1, 0, 2)}])
    rule = {"ticks_per_row": 1, "n_levels": 2}
    assert exhaustion_levels(cells, volume="side", **rule)[1].tolist() == [False]
    assert exhaustion_levels(cells, volume="total", **rule)[1].tolist() == [True]


def test_ratio_thresholds_are_exact():
    # 71 / 100 = 0.71 counts as low, 72 / 100 does not; 29 / 1 is not above 29, 30 / 1 is.
    for at_low, above, is_low, is_high in (
        (100, 71, True, False),
        (100, 72, False, False),
        (1, 29, False, False),
        (1, 30, False, True),
    ):
        got = exhaustion_ratio(cells_of([{10: (at_low, 0), 11: (above, 0)}]), [10], [11],
                               ticks_per_row=1)  # fmt: skip
        assert (got.ratio.tolist(), got.is_low.tolist()) == ([above / at_low], [is_low])
        assert got.is_high.tolist() == [is_high]


def test_ratio_without_a_denominator_a_second_row_or_a_direction():
    # Nothing at the low: 0. Second row untraded: 0. One row only: 0. Open equal to close: null.
    up = {"open_ticks": [10], "close_ticks": [11], "ticks_per_row": 1}
    for rows in ({10: (0, 5), 11: (4, 0)}, {10: (2, 5), 12: (4, 0)}, {10: (2, 5)}):
        got = exhaustion_ratio(cells_of([rows]), **up)
        assert (got.ratio.tolist(), got.is_low.tolist()) == ([0.0], [True])
    got = exhaustion_ratio(cells_of([rows]), [10], [10], ticks_per_row=1)
    assert np.isnan(got.ratio).tolist() == [True]
    assert (got.is_low.tolist(), got.is_high.tolist()) == ([False], [False])


def test_zero_prints_lie_inside_the_bar():
    # From the low: (5, 0) is the low itself, (0, 4) zero bid, (3, 3) none, (0, 0) only unsigned
    # lots, (2, 0) zero ask, (0, 2) is the high itself.
    ladder = [(5, 0, 0), (0, 4, 0), (3, 3, 0), (0, 0, 6), (2, 0, 0), (0, 2, 0)]
    no_bid, no_ask = zero_prints(cells_of([dict(enumerate(ladder))]), ticks_per_row=1)
    assert np.flatnonzero(no_bid).tolist() == [1]
    assert np.flatnonzero(no_ask).tolist() == [4]


BAR_NAMES = ("open_ticks", "high_ticks", "low_ticks", "close_ticks", "delta_lots")


def turnaround_columns(bars):
    *numbers, opens = np.array(bars, np.int64).reshape(-1, 6).T
    return dict(zip(BAR_NAMES, numbers, strict=True)), np.flatnonzero(opens).tolist()


small = st.integers(0, 2)
turning_bars = st.lists(
    st.tuples(small, small, small, small, st.integers(-1, 1), st.sampled_from([0, 0, 0, 1])),
    max_size=25,
)


@given(turning_bars, st.data())
def test_turnaround_agrees_with_the_obvious_loop_in_any_chunks(bars, data):
    columns, starts = turnaround_columns(bars)
    whole = delta_turnaround(**columns, session_start_bar=starts)
    assert whole.tolist() == naive.delta_turnaround(bars)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(bars)), max_size=4)))
    state, parts = None, []
    for first, end in zip([0, *cuts], [*cuts, len(bars)], strict=True):
        chunk = {name: values[first:end] for name, values in columns.items()}
        part, state = continue_delta_turnaround(
            state, **chunk, session_start_bar=starts_of_part(starts, first, end)
        )
        parts.append(part)
        # Nothing that comes later changes what was said.
        so_far = delta_turnaround(
            **{name: values[:end] for name, values in columns.items()},
            session_start_bar=starts_of_part(starts, 0, end),
        )
        assert so_far.tobytes() == whole[:end].tobytes()
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_turnaround_by_hand():
    # Up, up, then down with the same high and delta -1: bearish. With delta 0 or a lower high, or
    # when the second bar closed where it opened: nothing. The mirror is bullish.
    up, up2 = (10, 12, 10, 12, 5, 0), (12, 15, 12, 14, 4, 0)
    down = (15, 15, 12, 13, -1, 0)
    assert naive.delta_turnaround([up, up2, down]) == [0, 0, -1]
    for bars, expected in (
        ([up, up2, down], -1),
        ([up, up2, (15, 15, 12, 13, 0, 0)], 0),
        ([up, up2, (14, 14, 12, 13, -1, 0)], 0),
        ([up, (12, 15, 12, 12, 4, 0), down], 0),
        ([up, up2, (15, 15, 12, 13, -1, 1)], 0),
        ([(12, 12, 10, 10, -5, 0), (10, 10, 8, 9, -4, 0), (8, 10, 8, 10, 1, 0)], 1),
    ):
        columns, starts = turnaround_columns(bars)
        assert delta_turnaround(**columns, session_start_bar=starts)[-1] == expected


def test_empty_and_broken_input():
    none = cells_of([])
    assert [len(flag) for flag in zero_prints(none, ticks_per_row=1)] == [0, 0]
    rule = {"ticks_per_row": 1, "n_levels": 5, "volume": "side"}
    assert [len(flag) for flag in exhaustion_levels(none, **rule)] == [0, 0]
    assert len(exhaustion_ratio(none, [], [], ticks_per_row=1)) == 0
    columns, starts = turnaround_columns([])
    assert len(delta_turnaround(**columns, session_start_bar=starts)) == 0
    cells = cells_of([{10: (1, 2), 11: (3, 4)}])
    for change, message in (
        ({"n_levels": 1}, "n_levels must be at least 2, got 1"),
        ({"volume": "all"}, "volume must be one of"),
        ({"ticks_per_row": 2}, "on rows of 2 ticks"),
    ):
        with pytest.raises(ValueError, match=message):
            exhaustion_levels(cells, **(rule | change))
    with pytest.raises(ValueError, match="one length"):
        exhaustion_ratio(cells, [10, 11], [11, 12], ticks_per_row=1)
    with pytest.raises(TypeError, match="close_ticks must hold integers"):
        exhaustion_ratio(cells, [10], [11.5], ticks_per_row=1)
    with pytest.raises(ValueError, match="may overflow int64"):
        exhaustion_ratio(cells_of([{10: (2**57, 0), 11: (1, 0)}]), [10], [11], ticks_per_row=1)
    columns, starts = turnaround_columns([(1, 1, 1, 1, 1, 0)])
    with pytest.raises(ValueError, match=r"session_start_bar must lie in 0\.\.0, got 1"):
        delta_turnaround(**columns, session_start_bar=[1])


@needs_jit
def test_recorded_trades(test_data):
    ts, price, qty, sign = recorded_trades(test_data, 100_000)
    index = time_bars(ts, 60_000_000_000)
    cells = footprint(price, qty, sign, index, ticks_per_row=1)
    bars = [{} for _ in range(len(index))]
    for k, p, *amounts in zip(
        np.searchsorted(index.bar_id, cells.bar_id).tolist(), cells.price_tick.tolist(),
        cells.bid_lots.tolist(), cells.ask_lots.tolist(), cells.unsigned_lots.tolist(),
        strict=True,
    ):  # fmt: skip
        bars[k][p] = tuple(amounts)
    rule = {"ticks_per_row": 1, "n_levels": 3, "volume": "side"}
    got = np.stack(exhaustion_levels(cells, **rule), axis=1)
    assert got.tolist() == [list(naive.exhaustion_levels(rows, **rule)) for rows in bars]
    assert got.any()
    opened, closed = price[index.first_idx], price[index.end_idx - 1]
    ratio = exhaustion_ratio(cells, opened, closed, ticks_per_row=1).ratio.tolist()
    moves = zip(bars, opened.tolist(), closed.tolist(), strict=True)
    expected = [naive.exhaustion_ratio(*move, ticks_per_row=1) for move in moves]
    assert [None if r != r else r for r in ratio] == expected


def test_a_chunk_does_not_reach_back_over_a_session_start_before_it():
    # Up in the first session, up as the first bar of the second, then a chunk with a bar down,
    # higher high, delta -3: of the second session only one bar up came before.
    first = ([10, 12], [12, 15], [10, 12], [12, 14], [5, 4])
    then = ([15], [15], [12], [13], [-3])
    for starts, expected in (([0, 1], [0]), ([0], [-1])):
        _, state = continue_delta_turnaround(None, *first, session_start_bar=starts)
        sign, _ = continue_delta_turnaround(state, *then, session_start_bar=[])
        assert sign.tolist() == expected
