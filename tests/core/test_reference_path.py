"""Paths that turn at planted levels: oracle, ties, prefixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.reference_path import Barriers, hold_at
from tests.naive import reference_path as naive


def barriers_of(rows):
    columns = zip(*rows, strict=True) if rows else [()] * 4
    named = zip(("first", "end", "side", "distance"), columns, strict=True)
    return Barriers(**{name: np.array(column, np.int64) for name, column in named})


@st.composite
def cases(draw):
    # Quarters of a tick are exact: sums in another order give the same.
    steps = draw(st.lists(st.integers(-6, 6), min_size=2, max_size=40))
    path = 100.5 + np.cumsum(np.array(steps)) / 4
    edges = sorted(draw(st.sets(st.integers(0, len(path)), max_size=6)))
    spans = zip(edges[::2], edges[1::2], strict=False)
    rows = [
        (first, end, draw(st.sampled_from([-1, 1])), draw(st.integers(0, 3)))
        for first, end in spans
    ]
    return path, rows


@given(cases())
def test_equals_the_obvious_loop_and_never_passes_a_level(case):
    path, rows = case
    held, pushed = hold_at(path, barriers_of(rows))
    expected, expected_pushed = naive.hold_at(path.tolist(), rows)
    assert held.tolist() == expected
    assert pushed.tolist() == expected_pushed
    for first, end, side, distance in rows:
        level = (np.floor if side > 0 else np.ceil)(held[first]) - side * distance
        assert (side * held[first:end] >= side * level).all()


@given(cases(), st.integers(1, 40))
def test_what_follows_never_changes_what_was(case, cut):
    path, rows = case
    whole = hold_at(path, barriers_of(rows))[0]
    known = [(a, min(b, cut), s, d) for a, b, s, d in rows if a < cut]
    part = hold_at(path[:cut], barriers_of([(a, min(b, len(path)), s, d) for a, b, s, d in known]))
    assert part[0].tobytes() == whole[:cut].tobytes()


def test_a_floor_and_a_ceiling_by_hand():
    # A floor one below 10: 9. 8.75 is pushed by 0.25, 8.5 by 0.5 in all, which stays: 9.25, 10.25.
    # From element 5 on a ceiling at the whole tick above 10.25, 11: 12.5 is pushed by -1.5 for good.
    path = np.array([10.0, 9.0, 8.75, 8.5, 8.75, 9.75, 12.0, 10.0])
    held, pushed = hold_at(path, barriers_of([(0, 5, 1, 1), (5, 8, -1, 0)]))
    assert held.tolist() == [10.0, 9.0, 9.0, 9.0, 9.25, 10.25, 11.0, 9.0]
    assert pushed.tolist() == [0.5, -1.5]


def test_a_level_that_is_not_met_moves_nothing():
    path = np.array([5.5, 4.0])  # a tie: 4.0 is the floor itself
    held, pushed = hold_at(path, barriers_of([(0, 2, 1, 1)]))
    assert held.tolist() == path.tolist()
    assert pushed.tobytes() == np.zeros(1).tobytes()  # not -0.0
    assert hold_at(path, barriers_of([]))[0].tolist() == path.tolist()


@pytest.mark.parametrize(
    "rows", [[(0, 3, 1, 1), (2, 4, 1, 1)], [(0, 5, 1, 1)], [(2, 2, 1, 1)], [(-1, 2, 1, 1)]]
)
def test_barriers_that_overlap_or_lie_outside_are_refused(rows):
    with pytest.raises(ValueError, match="barriers must follow each other"):
        hold_at(np.zeros(4), barriers_of(rows))
