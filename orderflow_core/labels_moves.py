"""Significant moves and barriers. THIS MODULE LOOKS AHEAD, as `orderflow_core.labels` does."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.triple_barrier import _first_touch_nb
from orderflow_core.labels import LabelArrays, _is_known, _reference, as_amounts, horizon_ends
from orderflow_core.rolling import last_known_idx
from orderflow_core.types import Int64
from orderflow_core.validate import require_amount, require_int64

_BLOCK = 64
_MAX_PRICE = 2**60  # half ticks: a price and a barrier add up within int64


def significant_move_labels(
    t0_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    sigma_mid2: ArrayLike,
    n_sigmas: float,
    cost_mid2: ArrayLike,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return whether the reference price moves by more than noise and costs: 1, else 0.

    Parameters
    ----------
    t0_ns, ref_ts_ns, ref_mid2, session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.
    horizon_ns : int, unit ns, > 0
        ``t1 = t0 + horizon_ns``.
    sigma_mid2 : float or ndarray of float64, shape (n_rows,), unit half ticks, >= 0
        Usual size of a move over the horizon, as known at t0. NaN where it is not known.
    n_sigmas : float, > 0
    cost_mid2 : float or ndarray of float64, shape (n_rows,), unit half ticks, >= 0
        Cost of a round trip as known at t0: twice the spread and twice two fees, in ticks. NaN where
        it is not known.

    Returns
    -------
    LabelArrays
        1 where ``abs(m1 - m0) > max(n_sigmas * sigma, cost)``, else 0. NaN as in
        `orderflow_core.labels.direction_labels` and where sigma or cost is NaN.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.labels_directions.direction_time_labels`, or `n_sigmas` is not positive.

    Notes
    -----
    LOOKS AHEAD by definition, sigma and cost aside: whoever makes them answers for that. The move is
    that from t0 to t1, not the farthest point between. Source: our own.

    Examples
    --------
    >>> labels = significant_move_labels([10, 20], [9, 12, 25], [20, 27, 24], horizon_ns=5,
    ...     sigma_mid2=2.0, n_sigmas=2, cost_mid2=1.0, session_end_ns=99, gap_start_ns=[],
    ...     known_until_ns=25)
    >>> labels.label
    array([1., 0.])
    """
    t0, t1 = horizon_ends(t0_ns, horizon_ns)
    sigma = as_amounts("sigma_mid2", sigma_mid2, len(t0))
    cost = as_amounts("cost_mid2", cost_mid2, len(t0))
    least = np.maximum(require_amount("n_sigmas", n_sigmas, is_zero_allowed=False) * sigma, cost)
    is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    m0, m1, has_base = _reference(t0, t1, ref_ts_ns, ref_mid2)
    is_known &= has_base & ~np.isnan(least)
    label = np.where(is_known, np.abs(m1 - m0) > least, np.nan)
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def triple_barrier_labels(
    t0_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    barrier_mid2: ArrayLike,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return which barrier the reference price touches first: +1 above, -1 below, 0 time ran out.

    Parameters
    ----------
    t0_ns, ref_ts_ns, ref_mid2, session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.
    horizon_ns : int, unit ns, > 0
        Time until the vertical barrier.
    barrier_mid2 : float or ndarray of float64, shape (n_rows,), unit half ticks, > 0
        Distance of both barriers from m0, as known at t0. NaN where it is not known.

    Returns
    -------
    LabelArrays
        ``t1`` is the time of the touch, and ``t0 + horizon_ns`` for label 0. NaN where the time until
        the vertical barrier is not on record: as in `orderflow_core.labels.direction_labels` with
        ``t0 + horizon_ns`` for t1, whether a barrier was touched before or not. NaN where the barrier
        is NaN as well; then ``t1`` is ``t0 + horizon_ns``.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.labels_directions.direction_time_labels`, a barrier is 0, or a price is
        beyond 2**60.

    Notes
    -----
    LOOKS AHEAD by definition. A price at the barrier touches it. m0 is the last reference price at or
    before t0; events later than t0 and no later than ``t0 + horizon_ns`` can touch, in their order,
    those of one time stamp too. A price jumps over a barrier as it touches it, so no event touches
    both. A gap, an end of the session or of the record before ``t0 + horizon_ns`` hides the label
    after a touch too: to keep the early touches of rows that are cut off would drop their time-outs
    and late touches alone, and which rows have a label would tell what it is. Source: Lopez de Prado (2018), section 3.4.

    Examples
    --------
    >>> labels = triple_barrier_labels([10, 20], [9, 12, 13, 25], [20, 18, 24, 23], horizon_ns=5,
    ...     barrier_mid2=2.0, session_end_ns=99, gap_start_ns=[], known_until_ns=25)
    >>> labels.label, labels.t1_ns
    (array([-1.,  0.]), array([12, 25]))
    """
    t0, t1 = horizon_ends(t0_ns, horizon_ns)
    is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    barrier = as_amounts("barrier_mid2", barrier_mid2, len(t0))
    if (barrier == 0).any():
        raise ValueError(f"barrier_mid2 must be positive, got 0 at row {np.argmax(barrier == 0)}")
    mid2 = require_int64("ref_mid2", ref_mid2)
    if len(mid2) and not -_MAX_PRICE <= int(mid2.min()) <= int(mid2.max()) <= _MAX_PRICE:
        raise ValueError(f"ref_mid2 must lie within 2**60, got {mid2.min()} to {mid2.max()}")
    m0, _, has_base = _reference(t0, t1, ref_ts_ns, mid2)
    has_base &= ~np.isnan(barrier)
    # Prices are whole: one reaches m0 + 1.5 where it reaches m0 + 2.
    step = np.ceil(np.minimum(np.where(has_base, barrier, 1.0), _MAX_PRICE)).astype(np.int64)
    touch = _first_touch(
        t0, t1, require_int64("ref_ts_ns", ref_ts_ns), mid2, (m0 - step, m0 + step)
    )
    is_touched = has_base & (touch >= 0)
    t1[is_touched] = np.asarray(ref_ts_ns)[touch[is_touched]]
    label = np.zeros(len(t0))
    label[is_touched] = np.sign(mid2[touch[is_touched]] - m0[is_touched])
    label[~(is_known & has_base)] = np.nan
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def _first_touch(
    t0: Int64, t1: Int64, ref_ts: Int64, mid2: Int64, aims: tuple[Int64, Int64]
) -> Int64:
    # Position of the first event after t0, at or before t1, that touches an aim; -1: none.
    touch = np.full(len(t0), -1, np.int64)
    if len(mid2) == 0:
        return touch
    stretch = (last_known_idx(ref_ts, t0) + 1, last_known_idx(ref_ts, t1) + 1)
    starts = np.arange(0, len(mid2), _BLOCK)
    extremes = (np.minimum.reduceat(mid2, starts), np.maximum.reduceat(mid2, starts))
    _first_touch_nb(mid2, extremes, _BLOCK, stretch, aims, touch)
    return touch
