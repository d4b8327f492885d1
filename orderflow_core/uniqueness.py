"""Overlap weights: how much of a label's time it shares with no other label."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Float64
from orderflow_core.validate import require_int64, require_same_length


def average_uniqueness(t0_ns: ArrayLike, t1_ns: ArrayLike) -> Float64:
    """Return the average uniqueness of each label: the mean over its time of 1 / labels at that time.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, in any order
        Decision times.
    t1_ns : ndarray of int64, shape (n_rows,), unit ns, >= t0_ns
        When each label is known. Rows without a label do not belong here.

    Returns
    -------
    ndarray of float64, shape (n_rows,), in (0, 1]
        1 where nothing overlaps, 1/k where k labels run over the very same time. Empty for no rows.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or a t1 lies before its t0.

    Notes
    -----
    A label counts on the half-open ``[t0, t1)``. Its uniqueness is
    ``1 / (t1 - t0) * integral from t0 to t1 of dt / c(t)``, with c the number of labels that count
    at t. A label with ``t1 == t0`` takes no time: it gets 1 / (labels that count at t0 + labels
    without time at t0), and makes no other label less unique.

    LOOKS AHEAD as the label times do: a weight for training rows, never a feature. O(n log n).
    Source: Lopez de Prado (2018), sections 4.3 and 4.4, in time where the book counts bars: on bars
    0, 1, 2, ... its closed ``[t0, t1]`` is ``[t0, t1 + 1)`` here.

    Examples
    --------
    >>> average_uniqueness([0, 1, 9], [2, 3, 10])
    array([0.75, 0.75, 1.  ])
    """
    t0, t1 = require_int64("t0_ns", t0_ns), require_int64("t1_ns", t1_ns)
    n_rows = require_same_length(t0_ns=t0, t1_ns=t1)
    if (t1 < t0).any():
        i = int(np.argmax(t1 < t0))
        raise ValueError(f"t1_ns must not lie before t0_ns, got {t1[i]} < {t0[i]} at position {i}")
    if n_rows == 0:
        return np.empty(0)
    edges, position = np.unique(np.concatenate([t0, t1]), return_inverse=True)
    first, last = position[:n_rows], position[n_rows:]
    is_empty = t0 == t1
    change = np.bincount(first, minlength=len(edges)) - np.bincount(last, minlength=len(edges))
    n_open = np.cumsum(change)  # on [edge, next edge)
    # Prefix sums over months of ns, from which short labels are taken: the longest float there is.
    share = np.diff(edges) / np.maximum(n_open[:-1], 1).astype(np.longdouble)
    before = np.zeros(len(edges), np.longdouble)
    np.cumsum(np.where(n_open[:-1] > 0, share, 0), out=before[1:])
    n_instant = np.bincount(first[is_empty], minlength=len(edges))
    duration = np.where(is_empty, 1, t1 - t0)
    mean = (before[last] - before[first]) / duration
    mean[is_empty] = 1 / (n_open + n_instant)[first[is_empty]]
    unique: Float64 = np.clip(mean.astype(np.float64), 1 / n_rows, 1.0)
    return unique
