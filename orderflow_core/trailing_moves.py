"""How far the reference price usually moves over a horizon, from moves that are over."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.rolling import last_known_idx
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sorted,
)


def trailing_move_sigma(
    t0_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    window_ns: int,
    restart_idx: ArrayLike,
) -> Float64:
    """Return the root mean square of past moves over the horizon, as known at each decision.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
        Decision times.
    ref_ts_ns : ndarray of int64, shape (n_ref,), unit ns, non-decreasing
    ref_mid2 : ndarray of int64, shape (n_ref,), unit half ticks
        The reference price, doubled.
    horizon_ns : int, unit ns, > 0
    window_ns : int, unit ns, >= horizon_ns
    restart_idx : ndarray of int64, strictly increasing, first element 0
        Rows at which a session starts, or the first ones after gaps.

    Returns
    -------
    ndarray of float64, shape (n_rows,), unit half ticks
        Over the decisions at ``(t0 - window_ns, t0]`` whose move ``m(t) - m(t - horizon_ns)`` began at
        or after the first decision since the restart; NaN until those decisions span the horizon.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, an order is broken, a horizon that is not positive, or a window
        that is shorter.

    Notes
    -----
    Causal in time: row i uses reference prices at or before its t0, and decisions 0..i. Moves over the
    whole horizon are taken, not small ones scaled up, so that neither the bounce between bid and ask
    nor trends within the horizon count wrongly. Decisions count alike: busy times weigh more. Mean 0
    is taken for known. Source: root mean square of overlapping returns, our own window.

    Examples
    --------
    >>> trailing_move_sigma([0, 1, 2, 3], [0, 1, 2, 3], [4, 7, 3, 3], horizon_ns=1, window_ns=2,
    ...     restart_idx=[0])
    array([       nan,        nan, 3.53553391, 2.82842712])
    """
    t0, ref_ts = require_int64("t0_ns", t0_ns), require_int64("ref_ts_ns", ref_ts_ns)
    mid2 = require_int64("ref_mid2", ref_mid2)
    require_same_length(ref_ts_ns=ref_ts, ref_mid2=mid2)
    require_sorted("t0_ns", t0)
    horizon = require_positive_scalar("horizon_ns", horizon_ns)
    if window_ns < horizon:
        raise ValueError(f"window_ns must be at least horizon_ns {horizon}, got {window_ns}")
    starts = require_session_starts("restart_idx", restart_idx, len(t0))
    if len(t0) == 0 or len(mid2) == 0:
        return np.full(len(t0), np.nan)
    rows = np.arange(len(t0))
    first = starts[np.searchsorted(starts, rows, side="right") - 1]
    then, now = last_known_idx(ref_ts, t0 - horizon), last_known_idx(ref_ts, t0)
    has_move = (then >= 0) & (t0 - horizon >= t0[first])
    square = np.where(has_move, (mid2[now] - mid2[then]).astype(np.float64) ** 2, 0.0)
    begin = np.maximum(first, np.searchsorted(t0, t0 - window_ns, side="right"))
    n_moves = _sum_since(begin, has_move.astype(np.float64))
    is_warm = (t0 - 2 * horizon >= t0[first]) & (n_moves > 0)
    mean = _sum_since(begin, square) / np.maximum(n_moves, 1)
    sigma: Float64 = np.where(is_warm, np.sqrt(np.maximum(mean, 0.0)), np.nan)
    return sigma


def _sum_since(begin: Int64, values: Float64) -> Float64:
    # Sum of the values from begin[i] to i. They are whole numbers: exact while all stay below 2**53.
    total = np.concatenate([[0.0], np.cumsum(values)])
    since: Float64 = total[1:] - total[begin]
    return since
