"""Purged, embargoed splits: no training label reaches into the test rows' time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)


class TooFewRowsError(ValueError):
    """After purging, a fold holds too few rows to train on or to be judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One step of a walk-forward.

    Attributes
    ----------
    fold : int
        From 0, in time order.
    train_idx, test_idx : ndarray of int64, strictly increasing
        Positions of the rows.
    train_end_ns : int, unit ns
        When the last label of the training rows was known: the largest ``t1`` among them.
    """

    fold: int
    train_idx: Int64
    test_idx: Int64
    train_end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinatorialFold:
    """One choice of test groups, and what may train for it.

    Attributes
    ----------
    fold : int
        From 0, in the lexical order of the test groups.
    test_groups : tuple of int, strictly increasing
    train_idx, test_idx : ndarray of int64, strictly increasing
        Positions of the rows. Training rows lie on both sides of the test groups.
    """

    fold: int
    test_groups: tuple[int, ...]
    train_idx: Int64
    test_idx: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinatorialSplit:
    """Every fold of a combinatorial cross-validation, and the backtest paths they make.

    Attributes
    ----------
    folds : list of CombinatorialFold, n_folds = C(n_groups, n_test_groups) elements
    group_start_idx : ndarray of int64, shape (n_groups + 1,), strictly increasing
        Group g holds the rows ``group_start_idx[g]`` to before ``group_start_idx[g + 1]``.
    path_fold : ndarray of int64, shape (n_paths, n_groups)
        Which fold predicts which group in which path; n_paths = C(n_groups - 1, n_test_groups - 1).
        Path p takes group g from the p-th fold that tests g, so each fold is used for each of its
        test groups exactly once.
    """

    folds: list[CombinatorialFold]
    group_start_idx: Int64
    path_fold: Int64

    def paths(self, predictions: Sequence[Float64]) -> Float64:
        """Return the predictions of every row in every path.

        Parameters
        ----------
        predictions : sequence of ndarray of float64, shape (n_test_rows, ...)
            By fold, the predictions of its ``test_idx``.

        Returns
        -------
        ndarray of float64, shape (n_paths, n_rows, ...)

        Raises
        ------
        ValueError
            Not one array a fold, or not one row a test row.
        """
        if len(predictions) != len(self.folds):
            raise ValueError(
                f"predictions must be one array a fold, got {len(predictions)} for "
                f"{len(self.folds)} folds"
            )
        for fold, found in zip(self.folds, predictions, strict=True):
            if len(found) != len(fold.test_idx):
                raise ValueError(
                    f"predictions of fold {fold.fold} must have {len(fold.test_idx)} rows, "
                    f"got {len(found)}"
                )
        start = self.group_start_idx.tolist()
        whole = np.empty((len(self.path_fold), start[-1], *np.shape(predictions[0])[1:]))
        for path, fold_by_group in enumerate(self.path_fold.tolist()):
            for group, fold in enumerate(fold_by_group):
                rows = np.arange(start[group], start[group + 1])
                within = np.searchsorted(self.folds[fold].test_idx, rows)
                whole[path, rows] = predictions[fold][within]
        return whole


def purged_walk_forward(
    t0_ns: ArrayLike, t1_ns: ArrayLike, *, n_folds: int, embargo_ns: int
) -> list[Fold]:
    """Return expanding-window folds whose training labels were all known before the test began.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
        Decision times.
    t1_ns : ndarray of int64, shape (n_rows,), unit ns, >= t0_ns
        When each label is known. Rows without a label do not belong here.
    n_folds : int, > 0
        The last ``n_folds * (n_rows // (n_folds + 1))`` rows are cut into so many test blocks of
        equal length; everything before a block may train.
    embargo_ns : int, unit ns, >= 0
        Time that must pass between the last training label and the first test decision.

    Returns
    -------
    list of Fold, n_folds elements
        Test blocks are contiguous, disjoint and end with the last row.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, t0 runs back, a t1 lies before its t0, there are fewer than
        ``n_folds + 1`` rows, or purge and embargo leave a fold without training rows.

    Notes
    -----
    A training row is dropped when its half-open ``[t0, t1)`` meets ``[min t0, max t1)`` of the test
    block; for rows before the block that is ``t1 > min t0``. With the embargo a row trains when
    ``t1 + embargo_ns <= min t0``, so that ``train_end_ns + embargo_ns <= min t0`` always holds. An
    embargo after the test block has nothing to act on: later rows never train. The largest t1
    counts, not that of the last row: horizons in events are not sorted in time. Source: Lopez de
    Prado (2018), chapter 7; block layout as scikit-learn's TimeSeriesSplit.

    Examples
    --------
    >>> folds = purged_walk_forward([0, 1, 2, 3], [2, 3, 4, 5], n_folds=1, embargo_ns=0)
    >>> folds[0].train_idx, folds[0].test_idx, folds[0].train_end_ns
    (array([0]), array([2, 3]), 2)
    """
    t0, t1 = _label_times(t0_ns, t1_ns, embargo_ns)
    n_rows = len(t0)
    wanted = require_positive_scalar("n_folds", n_folds)
    block = n_rows // (wanted + 1)
    if block == 0:
        raise TooFewRowsError(f"n_folds must be below the number of rows {n_rows}, got {wanted}")
    first_test = n_rows - wanted * block
    return [
        _fold(k, t0, t1, first_test + k * block, first_test + (k + 1) * block, embargo_ns)
        for k in range(wanted)
    ]


def combinatorial_purged(
    t0_ns: ArrayLike, t1_ns: ArrayLike, *, n_groups: int, n_test_groups: int, embargo_ns: int
) -> CombinatorialSplit:
    """Return combinatorial purged cross-validation: every choice of test groups is a fold.

    Parameters
    ----------
    t0_ns, t1_ns
        As in `purged_walk_forward`.
    n_groups : int, > 1
        The rows are cut into so many contiguous groups; the first ``n_rows % n_groups`` are one row
        longer.
    n_test_groups : int, > 0, < n_groups
        Groups that a fold tests.
    embargo_ns : int, unit ns, >= 0
        Time that must pass between the last label of a test group and the next training decision.

    Returns
    -------
    CombinatorialSplit

    Raises
    ------
    TypeError, ValueError
        As in `purged_walk_forward`, the numbers of groups do not fit, there are fewer rows than
        groups, or purge and embargo leave a fold without training rows.

    Notes
    -----
    For each test group with its time ``[min t0, max t1)``: a row before the group trains when
    ``t1 <= min t0``, a row after it when ``t0 >= max t1 + embargo_ns``. The largest t1 counts. Models
    of such folds have seen what came after the test rows: their scores show how much a result hangs
    on the path, they are no simulation of trading. Source: Lopez de Prado (2018), sections 7.4 and
    12.4; the paths as in purgedcv. It differs from purgedcv 0.1.11 in rows that start exactly when
    the embargo ends (they train here) and in labels without time, ``t1 == t0``, which it neither
    purges nor purges by.

    Examples
    --------
    >>> split = combinatorial_purged([0, 1, 2, 3, 4, 5], [1, 2, 4, 4, 5, 6], n_groups=3,
    ...     n_test_groups=1, embargo_ns=1)
    >>> [fold.train_idx.tolist() for fold in split.folds]
    [[3, 4, 5], [0, 1, 5], [0, 1, 2, 3]]
    >>> split.path_fold
    array([[0, 1, 2]])
    """
    t0, t1 = _label_times(t0_ns, t1_ns, embargo_ns)
    n_tested = require_positive_scalar("n_test_groups", n_test_groups)
    n_all = require_positive_scalar("n_groups", n_groups)
    if n_tested >= n_all:
        raise ValueError(f"n_test_groups must be below n_groups {n_all}, got {n_tested}")
    if len(t0) < n_all:
        raise TooFewRowsError(
            f"n_groups must not be above the number of rows {len(t0)}, got {n_all}"
        )
    size, n_longer = divmod(len(t0), n_all)
    groups = np.arange(n_all + 1)
    start = groups * size + np.minimum(groups, n_longer)
    may_train = [_may_train(t0, t1, start[g], start[g + 1], embargo_ns) for g in range(n_all)]
    folds = []
    for k, tested in enumerate(combinations(range(n_all), n_tested)):
        train_idx = np.flatnonzero(np.logical_and.reduce([may_train[g] for g in tested]))
        if len(train_idx) == 0:
            raise TooFewRowsError(
                f"fold {k}, which tests the groups {tested}, has no training rows"
            )
        test_idx = np.concatenate([np.arange(start[g], start[g + 1]) for g in tested])
        fold = CombinatorialFold(fold=k, test_groups=tested, train_idx=train_idx, test_idx=test_idx)
        folds.append(fold)
    by_group = [[fold.fold for fold in folds if g in fold.test_groups] for g in range(n_all)]
    return CombinatorialSplit(folds=folds, group_start_idx=start, path_fold=np.array(by_group).T)


def _may_train(t0: Int64, t1: Int64, start: int, stop: int, embargo_ns: int) -> Bool:
    # Which rows may train where rows start to before stop are tested.
    may_train = np.zeros(len(t0), np.bool_)
    may_train[:start] = t1[:start] <= t0[start]
    may_train[stop:] = t0[stop:] >= int(t1[start:stop].max()) + embargo_ns
    return may_train


def _label_times(t0_ns: ArrayLike, t1_ns: ArrayLike, embargo_ns: int) -> tuple[Int64, Int64]:
    t0, t1 = require_int64("t0_ns", t0_ns), require_int64("t1_ns", t1_ns)
    require_same_length(t0_ns=t0, t1_ns=t1)
    require_sorted("t0_ns", t0)
    if (t1 < t0).any():
        i = int(np.argmax(t1 < t0))
        raise ValueError(f"t1_ns must not lie before t0_ns, got {t1[i]} < {t0[i]} at position {i}")
    if embargo_ns < 0:
        raise ValueError(f"embargo_ns must not be negative, got {embargo_ns}")
    return t0, t1


def _fold(k: int, t0: Int64, t1: Int64, start: int, stop: int, embargo_ns: int) -> Fold:
    test_start = int(t0[start])
    train_idx = np.flatnonzero(t1[:start] <= test_start - embargo_ns)
    if len(train_idx) == 0:
        raise TooFewRowsError(
            f"fold {k} has no training rows: none of the {start} rows before its test block has "
            f"t1_ns + embargo_ns ({embargo_ns}) <= {test_start}"
        )
    return Fold(
        fold=k,
        train_idx=train_idx,
        test_idx=np.arange(start, stop),
        train_end_ns=int(t1[train_idx].max()),
    )
