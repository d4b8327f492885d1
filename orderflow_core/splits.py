"""Purged, embargoed splits: no training label reaches into the test rows' time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Int64
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
    t0, t1 = require_int64("t0_ns", t0_ns), require_int64("t1_ns", t1_ns)
    n_rows = require_same_length(t0_ns=t0, t1_ns=t1)
    require_sorted("t0_ns", t0)
    if (t1 < t0).any():
        i = int(np.argmax(t1 < t0))
        raise ValueError(f"t1_ns must not lie before t0_ns, got {t1[i]} < {t0[i]} at position {i}")
    wanted = require_positive_scalar("n_folds", n_folds)
    if embargo_ns < 0:
        raise ValueError(f"embargo_ns must not be negative, got {embargo_ns}")
    block = n_rows // (wanted + 1)
    if block == 0:
        raise TooFewRowsError(f"n_folds must be below the number of rows {n_rows}, got {wanted}")
    first_test = n_rows - wanted * block
    return [
        _fold(k, t0, t1, first_test + k * block, first_test + (k + 1) * block, embargo_ns)
        for k in range(wanted)
    ]


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
