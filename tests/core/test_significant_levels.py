"""Significant levels at each bar close: oracle, parity, point in time, golden edges, real trades."""

from dataclasses import astuple, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.footprint import footprint
from orderflow_core.significant_levels import (
    LevelRule,
    continue_significant_levels,
    significant_levels,
)
from tests.core import captures
from tests.core.cell_cases import as_cells, as_rows, bars_of_cells, starts_of_part
from tests.core.trade_cases import cuts
from tests.naive import levels as naive

RULES = st.builds(
    LevelRule,
    share_num=st.integers(5, 10),
    top_num=st.integers(1, 5),
)


def found(levels):
    """Level rows, and births by bar."""
    columns = (
        levels.level_tick,
        levels.level_sign,
        levels.level_lots,
        levels.n_buy_levels,
        levels.n_sell_levels,
    )
    births = as_rows(astuple(levels.births))
    return as_rows(columns), [((bar - 100) // 3, *birth) for bar, *birth in births]


def levels_of(bars, starts, closes, **options):
    return significant_levels(
        as_cells(bars),
        np.array(closes, np.int64),
        starts,
        **{"ticks_per_row": 1} | options,
    )


@given(bars_of_cells(height=3), RULES)
def test_levels_agree_with_the_obvious_loop(case, rule):
    bars, starts, closes = case
    got = levels_of(bars, starts, closes, ticks_per_row=3, rule=rule)
    expected = naive.significant_levels(
        bars,
        closes,
        starts,
        ticks_per_row=3,
        share=Fraction(rule.share_num, rule.share_den),
        top=Fraction(rule.top_num, rule.top_den),
    )
    assert found(got) == expected
    assert len(got) == len(bars)
    assert len(got.births) == len(expected[1])


@given(bars_of_cells(), st.data())
def test_chunks_give_the_batch_and_the_future_changes_nothing(case, data):
    bars, starts, closes = case
    whole, whole_births = found(levels_of(bars, starts, closes))
    edges = data.draw(cuts(len(bars)))
    state, rows, births = None, [], []
    for first, end in pairwise(edges):
        part, state = continue_significant_levels(
            state,
            as_cells(bars[first:end], first),
            np.array(closes[first:end], np.int64),
            starts_of_part(starts, first, end),
            ticks_per_row=1,
        )
        more_rows, more_births = found(part)
        rows += more_rows
        births += more_births
        assert rows == whole[:end]
    assert births == whole_births


@given(bars_of_cells())
def test_swapped_sides_swap_the_levels(case):
    bars, starts, closes = case
    swapped = [[(p, ask, bid, unsigned) for p, bid, ask, unsigned in cells] for cells in bars]
    ours, theirs = levels_of(bars, starts, closes), levels_of(swapped, starts, closes)
    assert ours.level_tick.tolist() == theirs.level_tick.tolist()
    assert ours.level_sign.tolist() == (-theirs.level_sign).tolist()
    assert ours.n_buy_levels.tolist() == theirs.n_sell_levels.tolist()


def test_share_is_strict_and_counts_unsigned_lots():
    # 7 of 10 is not more than 7/10; 8 of 10 is; 8 of 12 with 4 unsigned is not.
    for cell, sign in (((0, 3, 7, 0), 0), ((0, 2, 8, 0), 1), ((0, 0, 8, 4), 0), ((0, 8, 2, 0), -1)):
        assert levels_of([[cell]], [0], [0]).level_sign.tolist() == [sign]


def test_top_fifth_is_of_the_rows_traded_so_far():
    # 5 rows: a fifth is 1 row, the heaviest (9). 6 rows: 1.2, rounded up 2 rows: 9 and 5.
    rows = [(10, 0, 9, 0), (11, 0, 5, 0), (12, 0, 4, 0), (13, 0, 4, 0), (14, 0, 2, 0)]
    got = levels_of([rows, [(15, 1, 0, 0)]], [0], [14, 14])
    assert got.n_buy_levels.tolist() == [1, 2]
    assert got.level_tick.tolist() == [10, 11]
    assert found(got)[1] == [(0, 10, 1, 9), (1, 11, 1, 5)]


def test_rows_as_heavy_as_the_last_of_the_top_count():
    # 5 rows, 1 in the top fifth: 9; both rows of 9 count.
    rows = [(10, 0, 9, 0), (11, 9, 0, 0), (12, 0, 4, 0), (13, 0, 4, 0), (14, 0, 2, 0)]
    got = levels_of([rows], [0], [14])
    assert (got.n_buy_levels.tolist(), got.n_sell_levels.tolist()) == ([1], [1])


def test_nearest_level_ties():
    # Close 12, levels at 10 and 14, both 2 away: the heavier; equally heavy: the lower.
    rule = LevelRule(top_num=5)
    for low_lots, high_lots, tick in ((3, 4, 14), (4, 3, 10), (4, 4, 10)):
        bar = [(10, low_lots, 0, 0), (14, 0, high_lots, 0)]
        assert levels_of([bar], [0], [12], rule=rule).level_tick.tolist() == [tick]
    # Rows of 4 ticks: 10..13 and 18..21. Close 15 is 2 from tick 13 and 3 from tick 18.
    bar = [(10, 3, 0, 0), (18, 0, 9, 0)]
    assert levels_of([bar], [0], [15], rule=rule, ticks_per_row=4).level_tick.tolist() == [10]


def test_a_level_is_born_once_a_side_and_session():
    buys, sells, more = [(5, 0, 9, 0)], [(5, 80, 0, 0)], [(5, 0, 999, 0)]
    got = levels_of([buys, buys, sells, more, buys], [0, 4], [5] * 5)
    assert got.level_sign.tolist() == [1, 1, -1, 1, 1]
    assert found(got)[1] == [(0, 5, 1, 9), (2, 5, -1, 98), (4, 5, 1, 9)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": LevelRule(share_num=4)}, r"share must be in \[1/2, 1\], got 4 / 10"),
        ({"rule": LevelRule(share_num=11)}, r"share must be in \[1/2, 1\], got 11 / 10"),
        ({"rule": LevelRule(top_num=6)}, "top must be at most 1, got 6 / 5"),
        ({"rule": LevelRule(top_num=0)}, "rule.top_num must be positive"),
        ({"rule": LevelRule(share_num=2**62, share_den=2**62)}, "may overflow int64"),
        ({"closes": [1, 2]}, "close_ticks must have one a bar"),
        ({"closes": [2**62]}, "within 2\\*\\*61"),
    ],
)
def test_broken_contracts_are_named(options, message):
    closes = options.pop("closes", [0])
    with pytest.raises(ValueError, match=message):
        levels_of([[(0, 1, 9, 0)]], [0], closes, **options)


def test_recorded_levels_are_point_in_time(test_data):
    (_, ts, price, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / captures.FUTURES[0]
    )
    index = time_bar_index(ts, 10_000_000_000)
    signs = sign.astype(np.int8)
    cells = footprint(price, qty, signs, index, ticks_per_row=50)
    closes = aggregate_bars(price, qty, signs, index).close_ticks
    whole = significant_levels(cells, closes, [0], ticks_per_row=50)
    assert whole.level_sign.any()
    cut = len(index) // 2
    n_cells = int(np.searchsorted(cells.bar_id, index.bar_id[cut]))
    half = type(cells)(**{n: getattr(cells, n)[:n_cells] for n in cells.__slots__})
    part = significant_levels(half, closes[:cut], [0], ticks_per_row=50)
    assert as_rows(astuple(replace(part, births=part.bar_id))) == as_rows(
        [column[:cut] for column in astuple(replace(whole, births=whole.bar_id))]
    )
