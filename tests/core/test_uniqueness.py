"""Average uniqueness: brute force in fractions, golden arithmetic, an independent implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.uniqueness import average_uniqueness
from tests.naive import uniqueness as naive

GOLDEN = Path(__file__).parents[1] / "golden" / "mlfinpy_uniqueness.json"


@st.composite
def label_times(draw):
    """Times in any order, with ties and labels that take no time."""
    n = draw(st.integers(1, 25))
    t0 = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    length = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    return t0, [a + b for a, b in zip(t0, length, strict=True)]


@given(label_times())
def test_agrees_with_the_obvious_loop(times):
    got = average_uniqueness(*times)
    assert got == pytest.approx([float(u) for u in naive.average_uniqueness(*times)], abs=1e-14)
    assert ((got > 0) & (got <= 1)).all()


@given(label_times(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(times, random):
    rows = list(range(len(times[0])))
    random.shuffle(rows)
    moved = [[t[i] for i in rows] for t in times]
    assert average_uniqueness(*moved).tolist() == average_uniqueness(*times)[rows].tolist()


@given(label_times())
def test_uniqueness_times_length_adds_up_to_the_time_covered(times):
    t0, t1 = map(np.array, times)
    covered = {t for a, b in zip(*times, strict=True) for t in range(a, b)}
    assert (average_uniqueness(t0, t1) * (t1 - t0)).sum() == pytest.approx(len(covered))


def test_labels_without_time_share_their_instant_and_nothing_else():
    # At 5 the label [0, 10) counts, and two labels without time stand there: 1/3 each. It loses nothing.
    assert average_uniqueness([0, 5, 5], [10, 5, 5]).tolist() == [1.0, 1 / 3, 1 / 3]
    # A label that ends where another without time stands does not count there.
    assert average_uniqueness([0, 10], [10, 10]).tolist() == [1.0, 1.0]


def test_short_labels_late_in_years_of_nanoseconds_keep_their_digits():
    # Three years of labels of a minute with a night each, and a pair that lasts 7 ns and overlaps by 3.
    day = np.arange(1000, dtype=np.int64) * 86_400_000_000_000 + 1_700_000_000_000_000_000
    late = int(day[-1]) + 70_000_000_000_000
    t0 = np.concatenate([day, [late, late + 4]])
    t1 = np.concatenate([day + 60_000_000_000, [late + 7, late + 11]])
    assert average_uniqueness(t0, t1)[-2:] == pytest.approx([(4 + 3 / 2) / 7] * 2, rel=1e-3)


def test_agrees_with_mlfinpy_on_bars():
    golden = json.loads(GOLDEN.read_text())
    first, last = np.array(golden["first_bar"]), np.array(golden["last_bar"])
    # Its labels hold their first and last bar; ours end before the next one.
    got = average_uniqueness(first, last + 1)
    assert got == pytest.approx(golden["average_uniqueness"], abs=1e-12)
    assert len(np.unique(got.round(6))) > 100


def test_no_rows_have_no_weights():
    assert average_uniqueness([], []).shape == (0,)


@pytest.mark.parametrize(
    ("t0", "t1", "message"),
    [
        ([0, 3], [1, 2], "t1_ns must not lie before t0_ns, got 2 < 3 at position 1"),
        ([0, 3], [1], "one length"),
    ],
)
def test_broken_contracts_are_named(t0, t1, message):
    with pytest.raises(ValueError, match=message):
        average_uniqueness(t0, t1)
