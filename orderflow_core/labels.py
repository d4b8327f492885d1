"""Labels: what happened after a decision. THIS MODULE LOOKS AHEAD, and only ``labels*`` may.

A label is the answer that a model is asked for, known at ``t1_ns`` and not before. It must never
reach a feature: nothing else in the core imports a module of labels, and a test holds it to that.
Training rows are purged by ``t1_ns`` (`orderflow_core.splits`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.rolling import last_known_idx
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_float64,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelArrays:
    """Labels by decision; arrays of shape (n_rows,).

    Attributes
    ----------
    t0_ns : ndarray of int64, unit ns
        Decision time.
    t1_ns : ndarray of int64, unit ns
        When the label is known. Equal to `t0_ns` where there is no such time (fewer sweeps follow
        than the horizon asks for), and then the label is NaN.
    label : ndarray of float64
        NaN where the outcome is not known.
    """

    t0_ns: Int64
    t1_ns: Int64
    label: Float64

    def __len__(self) -> int:
        return len(self.t0_ns)


def direction_labels(
    t0_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_sweeps: int,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
    cost_mid2: ArrayLike = 0.0,
) -> LabelArrays:
    """Return the direction of the reference price over the next sweeps: -1, 0 or +1.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
        Decision times of ALL consecutive closed sweeps of the sessions: the row N further on is the
        N-th later sweep, and its time is ``t1``.
    ref_ts_ns : ndarray of int64, shape (n_ref,), unit ns, non-decreasing
    ref_mid2 : ndarray of int64, shape (n_ref,), unit half ticks
        The reference price path, doubled so that a mid is an integer: bid + ask of the quotes, or
        twice the price of the trades where there are no quotes.
    horizon_sweeps : int, > 0
    session_end_ns : int or ndarray of int64, shape (n_rows,), unit ns
        End of each row's session, exclusive.
    gap_start_ns, gap_end_ns : ndarray of int64, shape (n_gaps,), unit ns
        Recorded gaps, each sorted. Without ends a gap is its start only.
    known_until_ns : int, unit ns
        Time of the last event on record.
    cost_mid2 : float or ndarray of float64, shape (n_rows,), unit half ticks, >= 0
        What a move has to exceed, as known at t0 (`orderflow_core.labels_directions`). NaN where it
        is not known. 0: any move counts.

    Returns
    -------
    LabelArrays
        ``sign(m1 - m0)`` where ``abs(m1 - m0) > cost``, else 0, with m0, m1 the last reference price
        at or before t0, t1. NaN where fewer than `horizon_sweeps` sweeps follow, t1 is not before the
        session's end or is past the last event, a gap meets ``[t0, t1]``, no reference price lies at
        or before t0, or the cost is NaN.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, an order is broken, the horizon is not positive, or a cost is
        negative or infinite.

    Notes
    -----
    LOOKS AHEAD by definition, the cost aside. m0 is the last reference price with that time stamp,
    which may be later in the order than the decision: moves within the decision's own time stamp are
    no part of the label. A move equal to the cost is flat. Source: horizon in events as in mid-price direction research (Ntakaris et al. 2018),
    with the unsmoothed mid at t0, as smoothing about t0 mixes the past into the label.

    Examples
    --------
    >>> labels = direction_labels([1, 2, 3], [0, 2, 3], [20, 22, 20], horizon_sweeps=1,
    ...     session_end_ns=9, gap_start_ns=[], known_until_ns=3)
    >>> labels.label, labels.t1_ns
    (array([ 1., -1., nan]), array([2, 3, 3]))
    """
    t0 = require_int64("t0_ns", t0_ns)
    require_sorted("t0_ns", t0)
    n_later = require_positive_scalar("horizon_sweeps", horizon_sweeps)
    t1 = t0.copy()
    has_outcome = np.zeros(len(t0), np.bool_)
    if n_later < len(t0):
        t1[:-n_later] = t0[n_later:]
        has_outcome[:-n_later] = True
    is_known = has_outcome & _is_known(
        t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns
    )
    move = _reference(t0, t1, ref_ts_ns, ref_mid2)
    label = _direction(*move, as_amounts("cost_mid2", cost_mid2, len(t0)), is_known)
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def return_labels(
    t0_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return the relative change of the reference price over the next `horizon_ns`, in basis points.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
    ref_ts_ns, ref_mid2
        As in `direction_labels`; prices positive.
    horizon_ns : int, unit ns, > 0
        ``t1 = t0 + horizon_ns``.
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `direction_labels`.

    Returns
    -------
    LabelArrays
        ``1e4 * (m1 / m0 - 1)``, computed as ``1e4 * (m1 - m0) / m0`` with an exact difference. NaN
        as in `direction_labels`.

    Raises
    ------
    TypeError, ValueError
        As in `direction_labels`, a reference price is not positive, or t1 leaves int64.

    Notes
    -----
    LOOKS AHEAD by definition. An event at t1 itself is part of the outcome. Source: simple return.

    Examples
    --------
    >>> labels = return_labels([10, 20], [9, 12, 25], [20000, 20002, 20000], horizon_ns=5,
    ...     session_end_ns=99, gap_start_ns=[], known_until_ns=25)
    >>> labels.label.round(3), labels.t1_ns
    (array([ 1., -1.]), array([15, 25]))
    """
    require_positive("ref_mid2", require_int64("ref_mid2", ref_mid2))
    t0, t1 = horizon_ends(t0_ns, horizon_ns)
    is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    m0, m1, has_base = _reference(t0, t1, ref_ts_ns, ref_mid2)
    is_known &= has_base
    label = np.full(len(t0), np.nan)
    label[is_known] = 1e4 * (m1 - m0)[is_known] / m0[is_known]
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def horizon_ends(t0_ns: ArrayLike, horizon_ns: int) -> tuple[Int64, Int64]:
    """Return decision times and the times `horizon_ns` after them.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
    horizon_ns : int, unit ns, > 0

    Returns
    -------
    t0_ns, t1_ns : ndarray of int64, shape (n_rows,), unit ns

    Raises
    ------
    TypeError, ValueError
        Not integers, t0 runs back, the horizon is not positive, or t1 leaves int64.
    """
    t0 = require_int64("t0_ns", t0_ns)
    require_sorted("t0_ns", t0)
    horizon = require_positive_scalar("horizon_ns", horizon_ns)
    if len(t0) and int(t0[-1]) + horizon > INT64_MAX:
        raise ValueError(f"t0_ns + horizon_ns must stay within int64, got {t0[-1]} + {horizon}")
    return t0, t0 + horizon


def as_amounts(name: str, values: ArrayLike, n_rows: int) -> Float64:
    """Return amounts that are no less than 0 or NaN, one a row.

    Parameters
    ----------
    name : str
    values : float or ndarray of float64, shape (n_rows,)
    n_rows : int

    Raises
    ------
    TypeError, ValueError
        Not floats, another length, or a negative or infinite amount.
    """
    given = np.asarray(values)
    amounts = require_float64(name, np.full(n_rows, given[()]) if given.ndim == 0 else given)
    if len(amounts) != n_rows:
        raise ValueError(f"{name} must have {n_rows} elements, got {len(amounts)}")
    is_wrong = (amounts < 0) | np.isinf(amounts)
    if is_wrong.any():
        i = int(np.argmax(is_wrong))
        raise ValueError(f"{name} must be finite and >= 0, or NaN, got {amounts[i]} at row {i}")
    return amounts


def _direction(m0: Int64, m1: Int64, has_base: Bool, cost: Float64, is_known: Bool) -> Float64:
    move = m1 - m0
    direction = np.where(np.abs(move) > cost, np.sign(move), 0)
    return np.where(is_known & has_base & ~np.isnan(cost), direction, np.nan)


def _reference(
    t0: Int64, t1: Int64, ref_ts_ns: ArrayLike, ref_mid2: ArrayLike
) -> tuple[Int64, Int64, Bool]:
    # Reference prices at t0 and at t1, and whether there is one at t0.
    ref_ts = require_int64("ref_ts_ns", ref_ts_ns)
    mid2 = require_int64("ref_mid2", ref_mid2)
    require_same_length(ref_ts_ns=ref_ts, ref_mid2=mid2)
    require_sorted("ref_ts_ns", ref_ts)
    idx0 = last_known_idx(ref_ts, t0)
    # Without an outcome t1 falls back to t0, which lies before the t1 of the row before it.
    idx1 = last_known_idx(ref_ts, np.maximum.accumulate(t1))
    if len(mid2) == 0:
        nothing = np.zeros(len(t0), np.int64)
        return nothing, nothing, nothing > 0
    return mid2[idx0], mid2[idx1], idx0 >= 0


def _is_known(
    t0: Int64,
    t1: Int64,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    gap_end_ns: ArrayLike | None,
    known_until_ns: int,
) -> Bool:
    ends = require_int64("session_end_ns", np.atleast_1d(np.asarray(session_end_ns)))
    if len(ends) != 1:
        require_same_length(t0_ns=t0, session_end_ns=ends)
    gap_start = require_int64("gap_start_ns", gap_start_ns)
    gap_end = gap_start if gap_end_ns is None else require_int64("gap_end_ns", gap_end_ns)
    require_same_length(gap_start_ns=gap_start, gap_end_ns=gap_end)
    require_sorted("gap_start_ns", gap_start)
    require_sorted("gap_end_ns", gap_end)
    # A gap meets [t0, t1] unless it ends before t0 or starts after t1.
    n_started = np.searchsorted(gap_start, t1, side="right")
    n_over = np.searchsorted(gap_end, t0, side="left")
    is_known: Bool = (t1 < ends) & (t1 <= known_until_ns) & (n_started == n_over)
    return is_known
