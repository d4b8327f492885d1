"""Direction over trades and over seconds. THIS MODULE LOOKS AHEAD, as `orderflow_core.labels` does."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.labels import (
    LabelArrays,
    _direction,
    _is_known,
    _reference,
    as_amounts,
    horizon_ends,
)
from orderflow_core.validate import (
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)


def direction_trades_labels(
    t0_ns: ArrayLike,
    trade_idx: ArrayLike,
    trade_ts_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_trades: int,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
    cost_mid2: ArrayLike = 0.0,
) -> LabelArrays:
    """Return the direction of the reference price over the next trades: -1, 0 or +1.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
        Decision times.
    trade_idx : ndarray of int64, shape (n_rows,), non-decreasing, in 0..n_trades - 1
        Position of the last trade that each decision knows.
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
        Times of all trades.
    ref_ts_ns, ref_mid2
        As in `orderflow_core.labels.direction_labels`.
    horizon_trades : int, > 0
        ``t1`` is the time of the trade so many positions after `trade_idx`.
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns, cost_mid2
        As in `orderflow_core.labels.direction_labels`.

    Returns
    -------
    LabelArrays
        ``sign(m1 - m0)``, 0 within the cost; NaN as in `orderflow_core.labels.direction_labels`,
        with trades in place of sweeps.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.labels.direction_labels`, or a position lies outside of the trades or
        after its decision.

    Notes
    -----
    LOOKS AHEAD by definition. Trades that share t1 are all part of the outcome: m1 is the last
    reference price with that time stamp. Source: as `orderflow_core.labels.direction_labels`.

    Examples
    --------
    >>> labels = direction_trades_labels([1, 3], [0, 2], [1, 2, 3, 4], [1, 2, 4], [20, 22, 20],
    ...     horizon_trades=1, session_end_ns=9, gap_start_ns=[], known_until_ns=4)
    >>> labels.label, labels.t1_ns
    (array([ 1., -1.]), array([2, 4]))
    """
    t0, last = require_int64("t0_ns", t0_ns), require_int64("trade_idx", trade_idx)
    trade_ts = require_int64("trade_ts_ns", trade_ts_ns)
    require_same_length(t0_ns=t0, trade_idx=last)
    require_sorted("t0_ns", t0)
    require_sorted("trade_idx", last)
    require_sorted("trade_ts_ns", trade_ts)
    n_later = require_positive_scalar("horizon_trades", horizon_trades)
    n_trades = len(trade_ts)
    if len(last) and not 0 <= int(last.min()) <= int(last.max()) < n_trades:
        raise ValueError(
            f"trade_idx must be in 0..{n_trades - 1}, got {last.min()} to {last.max()}"
        )
    if (trade_ts[last] > t0).any():
        i = int(np.argmax(trade_ts[last] > t0))
        raise ValueError(f"trade_idx must not lie after t0_ns, got {last[i]} at row {i}")
    has_outcome = last < n_trades - n_later
    t1 = t0.copy()
    t1[has_outcome] = np.maximum(trade_ts[last[has_outcome] + n_later], t0[has_outcome])
    is_known = has_outcome & _is_known(
        t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns
    )
    move = _reference(t0, t1, ref_ts_ns, ref_mid2)
    label = _direction(*move, as_amounts("cost_mid2", cost_mid2, len(t0)), is_known)
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def direction_time_labels(
    t0_ns: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    cost_mid2: ArrayLike,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return the direction of the reference price over the next `horizon_ns`, 0 within the costs.

    Parameters
    ----------
    t0_ns, ref_ts_ns, ref_mid2, session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.
    horizon_ns : int, unit ns, > 0
        ``t1 = t0 + horizon_ns``.
    cost_mid2 : float or ndarray of float64, shape (n_rows,), unit half ticks, >= 0
        What a move has to exceed, as known at t0: twice the half spread and twice the fee in ticks.
        NaN where it is not known.

    Returns
    -------
    LabelArrays
        ``sign(m1 - m0)`` where ``abs(m1 - m0) > cost``, else 0. NaN as in
        `orderflow_core.labels.direction_labels` and where the cost is NaN.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.labels.return_labels`, but prices may be of any sign; a cost is
        negative.

    Notes
    -----
    LOOKS AHEAD by definition, the cost aside. A move equal to the cost is flat. Source: three classes
    by a threshold as in Ntakaris et al. (2018), the threshold being what a trade would cost.

    Examples
    --------
    >>> labels = direction_time_labels([10, 20], [9, 12, 25], [20, 23, 22], horizon_ns=5, cost_mid2=2.0,
    ...     session_end_ns=99, gap_start_ns=[], known_until_ns=25)
    >>> labels.label
    array([1., 0.])
    """
    t0, t1 = horizon_ends(t0_ns, horizon_ns)
    cost = as_amounts("cost_mid2", cost_mid2, len(t0))
    is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    label = _direction(*_reference(t0, t1, ref_ts_ns, ref_mid2), cost, is_known)
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)
