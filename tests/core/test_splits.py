"""Purged walk-forward: brute force, oracle, agreement with an independent implementation."""

import numpy as np
import pandas as pd
import purgedcv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.splits import TooFewRowsError, combinatorial_purged, purged_walk_forward
from tests.naive import splits as naive


@st.composite
def label_times(draw, shortest=0, n_max=40):
    """Times with ties, and label ends that are not sorted (horizons in events)."""
    n = draw(st.integers(4, n_max))
    t0 = np.cumsum(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    length = draw(st.lists(st.integers(shortest, 9), min_size=n, max_size=n))
    return t0.astype(np.int64), (t0 + length).astype(np.int64)


def folds_or_none(t0, t1, n_folds, embargo):
    """Return the folds, or None where one of them would have no training rows."""
    try:
        return purged_walk_forward(t0, t1, n_folds=n_folds, embargo_ns=embargo)
    except ValueError as error:
        assert "has no training rows" in str(error)  # noqa: PT017  either outcome is compared
        return None


@given(label_times(), st.integers(1, 3), st.integers(0, 6))
def test_agrees_with_the_obvious_loop(times, n_folds, embargo):
    t0, t1 = times
    expected = naive.purged_walk_forward(
        t0.tolist(), t1.tolist(), n_folds=n_folds, embargo_ns=embargo
    )
    folds = folds_or_none(t0, t1, n_folds, embargo)
    if folds is None:
        assert any(not train for train, _, _ in expected)
        return
    got = [(f.train_idx.tolist(), f.test_idx.tolist(), f.train_end_ns) for f in folds]
    assert got == expected
    assert [f.fold for f in folds] == list(range(n_folds))


@given(label_times(), st.integers(1, 3), st.integers(0, 6))
def test_no_training_label_meets_a_test_block(times, n_folds, embargo):
    t0, t1 = times
    for fold in folds_or_none(t0, t1, n_folds, embargo) or []:
        block = (t0[fold.test_idx].min(), t1[fold.test_idx].max())
        assert fold.train_end_ns + embargo <= block[0]
        assert fold.train_end_ns == t1[fold.train_idx].max()
        assert fold.train_idx.max() < fold.test_idx.min()
        for i in fold.train_idx:
            assert not naive.meets(t0[i], t1[i], *block)
            for j in fold.test_idx:
                assert not naive.meets(t0[i], t1[i], t0[j], t1[j])


@given(label_times(), st.integers(1, 3))
def test_test_blocks_are_contiguous_and_disjoint(times, n_folds):
    t0, t1 = times
    folds = folds_or_none(t0, t1, n_folds, 0)
    if folds is None:
        return
    tested = np.concatenate([fold.test_idx for fold in folds])
    assert tested.tolist() == list(range(int(tested[0]), len(t0)))
    assert len({len(fold.test_idx) for fold in folds}) == 1


@given(label_times(shortest=1), st.integers(1, 3))
def test_agrees_with_an_independent_walk_forward(times, n_folds):
    """Their walk-forward has no embargo before the test; purge alone is comparable.

    Their interval test ignores empty intervals, so labels here last at least one unit.
    """
    t0, t1 = times
    folds = folds_or_none(t0, t1, n_folds, 0)
    begins, ends = (pd.Series(pd.to_datetime(t, unit="ns")) for t in times)
    theirs = purgedcv.WalkForwardSplit(
        n_splits=n_folds,
        test_size=len(t0) // (n_folds + 1),
        prediction_times=begins,
        evaluation_times=ends,
    )
    if folds is None:
        return
    for fold, (train_idx, test_idx) in zip(
        folds, theirs.split(np.zeros((len(t0), 1))), strict=True
    ):
        assert fold.test_idx.tolist() == test_idx.tolist()
        assert fold.train_idx.tolist() == train_idx.tolist()
        purgedcv.diagnostics.assert_no_temporal_leakage(fold.train_idx, test_idx, begins, ends)


def test_a_purge_that_opens_at_the_first_labels_end_leaks():
    # Test rows 3, 4 start at 30; their first label ends at 60. Row 1 ends at 45: inside [30, 60), so it
    # knows what is tested, yet not inside [60, 80), the window that mlfinpy 0.1.2 purges.
    t0, t1 = np.array([0, 10, 20, 30, 40]), np.array([10, 45, 70, 60, 80])
    begins, ends = (pd.Series(pd.to_datetime(t, unit="ns")) for t in (t0, t1))
    test = [3, 4]
    leaky = naive.purge_from_the_first_labels_end(t0.tolist(), t1.tolist(), test)
    assert leaky == [0, 1]
    with pytest.raises(purgedcv.exceptions.TemporalLeakageError):
        purgedcv.diagnostics.assert_no_temporal_leakage(np.array(leaky), test, begins, ends)
    (fold,) = purged_walk_forward(t0, t1, n_folds=1, embargo_ns=0)
    assert (fold.train_idx.tolist(), fold.test_idx.tolist()) == ([0], test)
    purgedcv.diagnostics.assert_no_temporal_leakage(fold.train_idx, test, begins, ends)


GROUPINGS = [(2, 1), (4, 1), (4, 2), (5, 3)]


def combinatorial_or_none(t0, t1, n_groups, n_test_groups, embargo):
    try:
        return combinatorial_purged(
            t0, t1, n_groups=n_groups, n_test_groups=n_test_groups, embargo_ns=embargo
        )
    except TooFewRowsError:
        return None


@given(label_times(), st.sampled_from(GROUPINGS), st.integers(0, 6))
def test_combinatorial_folds_agree_with_the_obvious_loop(times, grouping, embargo):
    t0, t1 = times
    split = combinatorial_or_none(t0, t1, *grouping, embargo)
    if len(t0) < grouping[0]:
        assert split is None
        return
    folds, paths = naive.combinatorial_purged(
        t0.tolist(), t1.tolist(), n_groups=grouping[0], n_test_groups=grouping[1],
        embargo_ns=embargo,
    )  # fmt: skip
    if split is None:
        assert any(not train for _, train, _ in folds)
        return
    got = [(f.test_groups, f.train_idx.tolist(), f.test_idx.tolist()) for f in split.folds]
    assert got == folds
    assert split.path_fold.tolist() == paths


@given(label_times(n_max=60), st.sampled_from(GROUPINGS), st.integers(0, 6))
def test_no_combinatorial_training_label_meets_a_test_label(times, grouping, embargo):
    t0, t1 = times
    split = combinatorial_or_none(t0, t1, *grouping, embargo)
    for fold in split.folds if split else []:
        assert not set(fold.train_idx) & set(fold.test_idx)
        for i in fold.train_idx:
            for j in fold.test_idx:
                assert not naive.meets(t0[i], t1[i], t0[j], t1[j])
                if i > j:
                    assert t0[i] >= t1[j] + embargo


@given(label_times(shortest=1, n_max=60), st.sampled_from(GROUPINGS), st.integers(0, 6))
def test_combinatorial_folds_are_those_of_purgedcv(times, grouping, embargo):
    """But for rows that start exactly when the embargo ends: there theirs is closed, ours open."""
    t0, t1 = times
    split = combinatorial_or_none(t0, t1, *grouping, embargo)
    if split is None:
        return
    begins, ends = (pd.Series(pd.to_datetime(t, unit="ns")) for t in times)
    theirs = purgedcv.CombinatorialPurgedCV(
        *grouping, prediction_times=begins, evaluation_times=ends,
        embargo=pd.Timedelta(embargo, "ns"),
    )  # fmt: skip
    made = list(theirs.split(np.zeros((len(t0), 1))))
    for fold, (train, test) in zip(split.folds, made, strict=True):
        assert fold.test_idx.tolist() == test.tolist()
        start = split.group_start_idx
        group_ends = [t1[start[g] : start[g + 1]].max() for g in fold.test_groups]
        at_the_end = np.flatnonzero(np.isin(t0, np.array(group_ends) + embargo)) if embargo else []
        assert set(fold.train_idx) - set(train) <= set(at_the_end)
        assert set(train) <= set(fold.train_idx)
        purgedcv.diagnostics.assert_no_temporal_leakage(fold.train_idx, test, begins, ends)
    said = [np.array([1000.0 * fold.fold + i for i in fold.test_idx]) for fold in split.folds]
    assert split.paths(said).tolist() == theirs.reconstruct_paths(said).tolist()


def test_every_fold_is_used_once_for_each_of_its_groups():
    n = np.arange(60)
    split = combinatorial_purged(n, n + 1, n_groups=6, n_test_groups=2, embargo_ns=0)
    assert (len(split.folds), split.path_fold.shape) == (15, (5, 6))
    used = [(k, g) for path in split.path_fold.tolist() for g, k in enumerate(path)]
    assert sorted(used) == [(f.fold, g) for f in split.folds for g in f.test_groups]


def test_combinatorial_purge_and_embargo_to_the_row():
    # Groups of two; group 1 (rows 2, 3) has the time [20, 42): row 2 ends last. Row 0 ends at 20 and
    # trains, row 1 at 21 does not. The embargo of 8 ends at 50: row 4 starts at 49, row 5 at 50.
    t0, t1 = np.array([0, 10, 20, 30, 49, 50]), np.array([20, 21, 42, 41, 60, 60])
    split = combinatorial_purged(t0, t1, n_groups=3, n_test_groups=1, embargo_ns=8)
    assert split.folds[1].train_idx.tolist() == [0, 5]


def test_paths_carry_columns():
    n = np.arange(8)
    split = combinatorial_purged(n, n + 1, n_groups=4, n_test_groups=2, embargo_ns=0)
    said = [np.stack([fold.test_idx, -fold.test_idx], axis=1) * 1.0 for fold in split.folds]
    assert split.paths(said).tolist() == [np.stack([n, -n], axis=1).tolist()] * 3
    with pytest.raises(ValueError, match="one array a fold, got 5 for 6 folds"):
        split.paths(said[1:])
    with pytest.raises(ValueError, match="predictions of fold 0 must have 4 rows, got 3"):
        split.paths([said[0][1:], *said[1:]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_groups": 5}, "n_groups must not be above the number of rows 4, got 5"),
        ({"n_test_groups": 2}, "n_test_groups must be below n_groups 2, got 2"),
        ({"n_test_groups": 0}, "n_test_groups must be positive"),
        ({"t0_ns": [1, 0, 2, 3]}, "t0_ns must be non-decreasing"),
        ({"embargo_ns": -1}, "embargo_ns must not be negative"),
        ({"t1_ns": [9, 9, 9, 9]}, r"fold 0, which tests the groups \(0,\), has no training rows"),
    ],
)
def test_broken_contracts_of_combinations_are_named(change, message):
    good = {"t0_ns": [0, 1, 2, 3], "t1_ns": [1, 2, 3, 4], "n_groups": 2, "n_test_groups": 1}
    with pytest.raises(ValueError, match=message):
        combinatorial_purged(**(good | {"embargo_ns": 0} | change))


def test_label_that_ends_at_the_tests_start_may_train():
    # Test rows 2, 3 start at 20. Row 0 ends at 20: [0, 20) does not meet [20, ..). Row 1 ends at 21.
    t0, t1 = np.array([0, 10, 20, 30]), np.array([20, 21, 40, 50])
    (fold,) = purged_walk_forward(t0, t1, n_folds=1, embargo_ns=0)
    assert fold.train_idx.tolist() == [0]
    assert fold.train_end_ns == 20


def test_embargo_is_met_exactly():
    # 15 + 5 <= 20 trains, 16 + 5 does not.
    t0, t1 = np.array([0, 1, 20, 30]), np.array([15, 16, 40, 50])
    (fold,) = purged_walk_forward(t0, t1, n_folds=1, embargo_ns=5)
    assert fold.train_idx.tolist() == [0]


def test_the_largest_label_end_counts_not_the_last():
    # Row 0 ends last of the training rows: train_end is 18, not 12.
    t0, t1 = np.array([0, 10, 20, 30]), np.array([18, 12, 40, 50])
    (fold,) = purged_walk_forward(t0, t1, n_folds=1, embargo_ns=0)
    assert fold.train_end_ns == 18


def test_train_rows_that_share_the_tests_first_time_are_purged():
    t0, t1 = np.array([0, 20, 20, 30]), np.array([5, 25, 25, 35])
    (fold,) = purged_walk_forward(t0, t1, n_folds=1, embargo_ns=0)
    assert fold.train_idx.tolist() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t0_ns": [1, 0, 2, 3]}, "t0_ns must be non-decreasing"),
        ({"t1_ns": [1, 2, 3]}, "one length"),
        ({"t1_ns": [0, 1, 2, 2]}, "t1_ns must not lie before t0_ns, got 2 < 3 at position 3"),
        ({"n_folds": 0}, "n_folds must be positive"),
        ({"n_folds": 4}, "n_folds must be below the number of rows 4, got 4"),
        ({"embargo_ns": -1}, "embargo_ns must not be negative"),
        ({"embargo_ns": 9}, "fold 0 has no training rows: none of the 1 rows"),
    ],
)
def test_broken_contracts_are_named(change, message):
    good = {"t0_ns": [0, 1, 2, 3], "t1_ns": [1, 2, 3, 4], "n_folds": 3, "embargo_ns": 0}
    with pytest.raises(ValueError, match=message):
        purged_walk_forward(**(good | change))
