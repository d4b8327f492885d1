"""Time profile: oracle, parity of chunks, golden edges, value area by letters, recorded trades."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.tpo import (
    TpoLetters,
    continue_tpo_letters,
    single_prints,
    tpo_letters,
    tpo_profile,
)
from orderflow_core.value_area import value_area
from tests.core import captures
from tests.core.cell_cases import as_rows
from tests.core.trade_cases import cuts
from tests.naive import tpo as naive

TRADES = st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), max_size=30)


def columns(trades):
    step, price = np.array(trades, np.int64).reshape(-1, 2).T
    return np.cumsum(step) + 3, price


@given(TRADES, st.data())
def test_letters_agree_with_the_obvious_loop_in_any_chunks(trades, data):
    ts, price = columns(trades)
    options = {"session_open_ns": 2, "letter_ns": 5}
    expected = naive.tpo_letters(ts.tolist(), price.tolist(), **options)
    assert as_rows(astuple(tpo_letters(ts, price, **options))) == expected
    state = None
    for first, end in pairwise(data.draw(cuts(len(ts)))):
        state = continue_tpo_letters(state, ts[first:end], price[first:end], **options)
        so_far = naive.tpo_letters(ts[:end].tolist(), price[:end].tolist(), **options)
        assert as_rows(astuple(state)) == so_far
        assert len(state) == len(so_far)


@given(TRADES, st.integers(1, 4), st.integers(-3, 3))
def test_profile_agrees_with_putting_letters_down_tick_by_tick(trades, height, anchor):
    ts, price = columns(trades)
    letters = tpo_letters(ts, price, session_open_ns=0, letter_ns=6)
    got = tpo_profile(letters, ticks_per_row=height, anchor_tick=anchor)
    expected = naive.tpo_profile(
        as_rows(astuple(letters)), ticks_per_row=height, anchor_tick=anchor
    )
    assert as_rows(astuple(got)) == expected
    assert len(got) == len(expected)
    flags = single_prints(got, ticks_per_row=height)
    assert as_rows(flags) == naive.single_prints(expected, ticks_per_row=height)


def letters_of(*ranges):
    low, high = np.array(ranges, np.int64).reshape(-1, 2).T
    return TpoLetters(letter=np.arange(len(low)), low_ticks=low, high_ticks=high)


def test_a_letter_covers_prices_that_its_period_jumped_over():
    # Trades at 7 and 10 only: 8 and 9 have the letter too.
    letters = tpo_letters([0, 1], [7, 10], session_open_ns=0)
    assert as_rows(astuple(tpo_profile(letters, ticks_per_row=1))) == [
        (7, 1), (8, 1), (9, 1), (10, 1),
    ]  # fmt: skip


def test_a_full_half_hour_begins_the_next_letter():
    half_hour = 30 * 60 * 1_000_000_000
    letters = tpo_letters([0, half_hour - 1, half_hour], [1, 2, 3], session_open_ns=0)
    assert as_rows(astuple(letters)) == [(0, 1, 2), (1, 3, 3)]


def test_single_prints_inside_and_at_the_ends():
    # A 10-13, B 11-11, C 13-15: letters 1, 2, 1, 2, 1, 1.
    rows = tpo_profile(letters_of((10, 13), (11, 11), (13, 15)), ticks_per_row=1)
    is_single, is_tail = single_prints(rows, ticks_per_row=1)
    assert rows.n_letters.tolist() == [1, 2, 1, 2, 1, 1]
    assert is_single.tolist() == [True, False, True, False, True, True]
    assert is_tail.tolist() == [True, False, False, False, True, True]


def test_value_area_of_letters():
    # Letters by row 10..14: 1, 2, 3, 2, 1, in all 9, wanted 6.3: POC 12 (3), above 13 + 14 = 3
    # against 2 + 1 = 3: above, 6; then below: 9.
    rows = tpo_profile(letters_of((10, 12), (11, 13), (12, 14)), ticks_per_row=1)
    got = value_area(rows.price_tick, rows.n_letters, ticks_per_row=1)
    assert (got.poc_tick, got.val_tick, got.vah_tick, got.volume_lots) == (12, 10, 14, 9)


def test_nothing_in_nothing_out():
    letters = tpo_letters([], [], session_open_ns=0)
    rows = tpo_profile(letters, ticks_per_row=1)
    assert len(letters) == len(rows) == 0
    assert [len(flags) for flags in single_prints(rows, ticks_per_row=1)] == [0, 0]


def test_broken_contracts_are_named():
    with pytest.raises(ValueError, match="ts_event_ns must not lie before 5, got 4"):
        tpo_letters([4], [1], session_open_ns=5)
    so_far = tpo_letters([25], [1], session_open_ns=5, letter_ns=10)
    with pytest.raises(ValueError, match="ts_event_ns must not lie before 25, got 24"):
        continue_tpo_letters(so_far, [24], [1], session_open_ns=5, letter_ns=10)
    with pytest.raises(ValueError, match="ts_event_ns must be non-decreasing"):
        tpo_letters([4, 3], [1, 1], session_open_ns=0)
    with pytest.raises(ValueError, match="ts_event_ns must lie within int64 of the opening"):
        tpo_letters([2**62], [1], session_open_ns=-(2**62))
    with pytest.raises(TypeError, match="session_open_ns must be an integer"):
        tpo_letters([4], [1], session_open_ns=0.5)
    with pytest.raises(TypeError, match="anchor_tick must be an integer"):
        tpo_profile(letters_of((1, 2)), ticks_per_row=1, anchor_tick=0.5)
    with pytest.raises(ValueError, match="letters must lie within 2"):
        tpo_profile(letters_of((2**62, 2**62)), ticks_per_row=1)
    with pytest.raises(ValueError, match="letters must span fewer than 4194304 rows"):
        tpo_profile(letters_of((0, 2**22)), ticks_per_row=1)


def test_recorded_minutes(test_data):
    (_, ts, price, *_), *_ = captures.read_capture(
        test_data / captures.FOLDER / captures.FUTURES[0]
    )
    letters = tpo_letters(ts, price, session_open_ns=int(ts[0]), letter_ns=60_000_000_000)
    rows = tpo_profile(letters, ticks_per_row=100)
    assert (letters.low_ticks.min(), letters.high_ticks.max()) == (price.min(), price.max())
    heights = (letters.high_ticks // 100 - letters.low_ticks // 100 + 1).sum()
    assert rows.n_letters.sum() == heights
    half = continue_tpo_letters(
        None, ts[:5000], price[:5000], session_open_ns=int(ts[0]), letter_ns=60_000_000_000
    )
    whole = continue_tpo_letters(
        half, ts[5000:], price[5000:], session_open_ns=int(ts[0]), letter_ns=60_000_000_000
    )
    assert as_rows(astuple(whole)) == as_rows(astuple(letters))
