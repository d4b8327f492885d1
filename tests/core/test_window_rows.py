"""Rows that states share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.window_rows import no_rows, with_rows


def column(*values):
    return (np.array(values, np.int64),)


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 900)), max_size=12))
def test_rows_are_those_appended_less_those_dropped(steps):
    window, kept, next_value = no_rows(2), [], 0
    for n_new, n_dropped in steps:
        values = np.arange(next_value, next_value + n_new)
        window = with_rows(window, (values, -values))
        next_value += n_new
        kept = [*kept, *values.tolist()][min(n_dropped, len(kept) + n_new) :]
        window = window.without(len(window) - len(kept))
        assert window.rows[:, 0].tolist() == kept
        assert window.rows[:, 1].tolist() == [-value for value in kept]
        assert len(window) == len(kept)


def test_two_futures_of_one_state_do_not_meet():
    past = with_rows(no_rows(1), column(1, 2))
    one, other = with_rows(past, column(3)), with_rows(past, column(4, 5))
    again = with_rows(one, column(6))
    assert past.rows[:, 0].tolist() == [1, 2]
    assert one.rows[:, 0].tolist() == [1, 2, 3]
    assert other.rows[:, 0].tolist() == [1, 2, 4, 5]
    assert again.rows[:, 0].tolist() == [1, 2, 3, 6]


def test_appending_one_row_at_a_time_copies_rarely():
    window, tables = no_rows(1), 0
    for value in range(20_000):
        after = with_rows(window, column(value))
        tables += after.table is not window.table
        window = after.without(max(len(after) - 500, 0))
    assert tables <= 20_000 // 400
    assert len(window.table) < 3_000
