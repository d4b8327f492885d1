"""Labels of orders: what a real order did to the price, and what became of one left at the touch.

THIS MODULE LOOKS AHEAD, as `orderflow_core.labels` does, and like it may be imported by no feature.
"""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.backtest.resting import RestingFills
from orderflow_core.labels import LabelArrays, _is_known
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_float64,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
)


def impact_labels(
    t0_ns: ArrayLike,
    order_ns: ArrayLike,
    order_sign: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return how far the price went with each order, in basis points.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_orders,), unit ns, non-decreasing
        Time of the decision before the order: what a forecast of its impact may know.
    order_ns : ndarray of int64, shape (n_orders,), unit ns, >= t0_ns
        Time of the order's fills, which share one.
    order_sign : ndarray of int8, shape (n_orders,), in {-1, 0, +1}
    ref_ts_ns, ref_mid2
        As in `orderflow_core.labels.direction_labels`; prices positive.
    horizon_ns : int, unit ns, > 0
        ``t1 = order_ns + horizon_ns``.
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.

    Returns
    -------
    LabelArrays
        ``sign * 1e4 * (m1 - m0) / m0`` with m0 the last reference price strictly before the order
        and m1 the last one at or before t1. NaN where the sign is 0, t1 is not before the session's
        end or is past the last event, a gap meets ``[t0, t1]``, or there is no m0.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, an order is broken, an order before its decision, a price or
        horizon that is not positive, or t1 leaves int64.

    Notes
    -----
    LOOKS AHEAD by definition. Source: response function (Bouchaud et al. 2004, equation 3), of single
    orders, over seconds.

    Examples
    --------
    >>> impact_labels([10], [11], np.array([-1], np.int8), [9, 11, 12], [20000, 20000, 19998],
    ...     horizon_ns=1, session_end_ns=99, gap_start_ns=[], known_until_ns=20).label
    array([1.])
    """
    t0, order, sign = _orders(t0_ns, order_ns, order_sign)
    t1 = _later(order, horizon_ns)
    ref_ts, mid2 = _reference(ref_ts_ns, ref_mid2)
    base, has_base = _priced(mid2, np.searchsorted(ref_ts, order, side="left") - 1)
    then, _ = _priced(mid2, np.searchsorted(ref_ts, t1, side="right") - 1)
    is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    is_known &= has_base & (sign != 0)
    label = np.full(len(t0), np.nan)
    move = (then - base)[is_known] * sign[is_known]
    label[is_known] = 1e4 * move / base[is_known]
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def slippage_labels(
    t0_ns: ArrayLike,
    order_ns: ArrayLike,
    order_sign: ArrayLike,
    vwap_ticks: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return what each order paid beyond the arrival price, in basis points.

    Parameters
    ----------
    t0_ns, order_ns, order_sign, ref_ts_ns, ref_mid2
        As in `impact_labels`.
    vwap_ticks : ndarray of float64, shape (n_orders,), unit ticks
        Average price of the order's fills (`orderflow_core.sweeps.sweep_table`).
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.

    Returns
    -------
    LabelArrays
        ``sign * 1e4 * (vwap - mid) / mid`` with the last reference price strictly before the order;
        positive is a cost. ``t1`` is the order's time. NaN as in `impact_labels`.

    Raises
    ------
    TypeError, ValueError
        As `impact_labels`.

    Notes
    -----
    LOOKS AHEAD by definition. Source: implementation shortfall against the arrival mid, Perold (1988).

    Examples
    --------
    >>> slippage_labels([10], [11], np.array([1], np.int8), np.array([10001.0]), [9], [20000],
    ...     session_end_ns=99, gap_start_ns=[], known_until_ns=20).label
    array([1.])
    """
    t0, order, sign = _orders(t0_ns, order_ns, order_sign)
    vwap = require_float64("vwap_ticks", vwap_ticks)
    require_same_length(t0_ns=t0, vwap_ticks=vwap)
    ref_ts, mid2 = _reference(ref_ts_ns, ref_mid2)
    base, has_base = _priced(mid2, np.searchsorted(ref_ts, order, side="left") - 1)
    is_known = _is_known(t0, order, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    is_known &= has_base & (sign != 0)
    label = np.full(len(t0), np.nan)
    paid = (2 * vwap - base)[is_known] * sign[is_known]
    label[is_known] = 1e4 * paid / base[is_known]
    return LabelArrays(t0_ns=t0, t1_ns=order, label=label)


def markout_labels(
    t0_ns: ArrayLike,
    order_ns: ArrayLike,
    order_sign: ArrayLike,
    vwap_ticks: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return what each order's fills are worth some time later, in basis points.

    Parameters
    ----------
    t0_ns, order_ns, order_sign, ref_ts_ns, ref_mid2
        As in `impact_labels`.
    vwap_ticks : ndarray of float64, shape (n_orders,), unit ticks, > 0
        Average price of the order's fills (`orderflow_core.sweeps.sweep_table`).
    horizon_ns : int, unit ns, > 0
        ``t1 = order_ns + horizon_ns``.
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.

    Returns
    -------
    LabelArrays
        ``sign * 1e4 * (m1 - vwap) / vwap`` with m1 the last reference price at or before t1: positive
        where the price went the order's way by more than it had paid. Its negative is what who was
        resting gained. NaN as in `impact_labels`.

    Raises
    ------
    TypeError, ValueError
        As `impact_labels`, or a price that is not positive.

    Notes
    -----
    LOOKS AHEAD by definition. Impact less slippage, but for the price that they are shares of; minus
    the realised half spread (`orderflow_core.spreads.spread_outcomes`). Source: Huang, Stoll (1996).

    Examples
    --------
    A buy at 10,000 and a sale at the same; the mid is 10,001 later.

    >>> markout_labels([1, 1], [2, 2], np.array([1, -1], np.int8), np.array([1e4, 1e4]), [0, 3],
    ...     [19999, 20002], horizon_ns=2, session_end_ns=9, gap_start_ns=[], known_until_ns=4).label
    array([ 1., -1.])
    """
    t0, order, sign = _orders(t0_ns, order_ns, order_sign)
    vwap = require_float64("vwap_ticks", vwap_ticks)
    require_same_length(t0_ns=t0, vwap_ticks=vwap)
    if not (vwap > 0).all():
        i = int(np.argmin(vwap > 0))
        raise ValueError(f"vwap_ticks must be positive, got {vwap[i]} at position {i}")
    t1 = _later(order, horizon_ns)
    ref_ts, mid2 = _reference(ref_ts_ns, ref_mid2)
    _, has_base = _priced(mid2, np.searchsorted(ref_ts, order, side="left") - 1)
    then, _ = _priced(mid2, np.searchsorted(ref_ts, t1, side="right") - 1)
    is_known = _is_known(t0, t1, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    is_known &= has_base & (sign != 0)
    label = np.full(len(t0), np.nan)
    gained = (then - 2 * vwap)[is_known] * sign[is_known]
    label[is_known] = 1e4 * gained / (2 * vwap[is_known])
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def fill_labels(
    t0_ns: ArrayLike,
    fills: RestingFills,
    *,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return whether orders left at the touch were filled before their deadline: 1 or 0.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_orders,), unit ns, non-decreasing
        Decisions that placed the orders.
    fills : RestingFills, n_orders elements
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.

    Returns
    -------
    LabelArrays
        ``t1`` is the deadline, also of orders that were filled earlier. NaN where the order was not
        placed, the deadline is not before the session's end or is past the last event, or a gap meets
        ``[t0, t1]``.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ or an order is broken.

    Notes
    -----
    LOOKS AHEAD by definition. Source: own definition; rules of `orderflow_core.backtest.resting`.
    """
    t0 = _decisions(t0_ns, fills)
    is_known = _is_known(
        t0, fills.deadline_ns, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns
    )
    label = np.where(is_known & fills.is_placed, (fills.fill_ns >= 0).astype(np.float64), np.nan)
    return LabelArrays(t0_ns=t0, t1_ns=fills.deadline_ns, label=label)


def adverse_labels(
    t0_ns: ArrayLike,
    fills: RestingFills,
    side: ArrayLike,
    ref_ts_ns: ArrayLike,
    ref_mid2: ArrayLike,
    *,
    horizon_ns: int,
    session_end_ns: ArrayLike,
    gap_start_ns: ArrayLike,
    known_until_ns: int,
    gap_end_ns: ArrayLike | None = None,
) -> LabelArrays:
    """Return what resting orders that were filled were worth a while later, in basis points.

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n_orders,), unit ns, non-decreasing
        Decisions that placed the orders.
    fills : RestingFills, n_orders elements
    side : ndarray of int8, shape (n_orders,), in {-1, +1}
    ref_ts_ns, ref_mid2
        As in `impact_labels`.
    horizon_ns : int, unit ns, > 0
        From the fill to the outcome.
    session_end_ns, gap_start_ns, known_until_ns, gap_end_ns
        As in `orderflow_core.labels.direction_labels`.

    Returns
    -------
    LabelArrays
        ``side * 1e4 * (mid(t1) - price) / price``: half the spread where nothing happened, below it
        where the price went against the order. ``t1`` is ``fill + horizon_ns``, and the deadline where
        it was not filled. NaN where it was not placed or not filled, and where ``deadline +
        horizon_ns`` is not before the session's end or is past the last event, or a gap meets the
        time from t0 to then: an order's outcome is known, or not, whenever it was filled.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, an order is broken, or a price is not positive.

    Notes
    -----
    LOOKS AHEAD by definition. Source: realised half-spread of the passive side, Huang and Stoll (1996).
    """
    t0 = _decisions(t0_ns, fills)
    sides = require_sign("side", side)
    require_same_length(t0_ns=t0, side=sides)
    horizon = require_positive_scalar("horizon_ns", horizon_ns)
    if len(t0) and int(fills.deadline_ns.max()) + horizon > INT64_MAX:
        raise ValueError(f"deadline_ns + horizon_ns must stay within int64, got {horizon}")
    is_filled = fills.is_placed & (fills.fill_ns >= 0)
    t1 = np.where(is_filled, fills.fill_ns + horizon, fills.deadline_ns)
    until = fills.deadline_ns + horizon
    ref_ts, mid2 = _reference(ref_ts_ns, ref_mid2)
    then, has_mid = _priced(mid2, np.searchsorted(ref_ts, t1, side="right") - 1)
    is_known = _is_known(t0, until, session_end_ns, gap_start_ns, gap_end_ns, known_until_ns)
    is_known &= is_filled & has_mid
    require_positive("price_ticks", fills.price_ticks[is_known])
    label = np.full(len(t0), np.nan)
    price2 = 2 * fills.price_ticks[is_known]
    label[is_known] = 1e4 * (then[is_known] - price2) * sides[is_known] / price2
    return LabelArrays(t0_ns=t0, t1_ns=t1, label=label)


def _orders(
    t0_ns: ArrayLike, order_ns: ArrayLike, order_sign: ArrayLike
) -> tuple[Int64, Int64, Int64]:
    t0, order = require_int64("t0_ns", t0_ns), require_int64("order_ns", order_ns)
    sign = require_sign("order_sign", order_sign)
    require_same_length(t0_ns=t0, order_ns=order, order_sign=sign)
    require_sorted("t0_ns", t0)
    if (order < t0).any():
        i = int(np.argmax(order < t0))
        raise ValueError(f"order_ns must not lie before t0_ns, got {order[i]} < {t0[i]} at {i}")
    return t0, order, sign.astype(np.int64)


def _later(order: Int64, horizon_ns: int) -> Int64:
    horizon = require_positive_scalar("horizon_ns", horizon_ns)
    if len(order) and int(order.max()) + horizon > INT64_MAX:
        raise ValueError(f"order_ns + horizon_ns must stay within int64, got {order.max()}")
    return np.asarray(order + horizon, np.int64)


def _decisions(t0_ns: ArrayLike, fills: RestingFills) -> Int64:
    t0 = require_int64("t0_ns", t0_ns)
    require_sorted("t0_ns", t0)
    require_same_length(t0_ns=t0, fills=fills.fill_ns)
    return t0


def _reference(ref_ts_ns: ArrayLike, ref_mid2: ArrayLike) -> tuple[Int64, Int64]:
    ref_ts, mid2 = require_int64("ref_ts_ns", ref_ts_ns), require_int64("ref_mid2", ref_mid2)
    require_same_length(ref_ts_ns=ref_ts, ref_mid2=mid2)
    require_sorted("ref_ts_ns", ref_ts)
    require_positive("ref_mid2", mid2)
    return ref_ts, mid2


def _priced(mid2: Int64, found: Int64) -> tuple[Float64, Bool]:
    has_price = found >= 0
    if len(mid2) == 0:
        return np.zeros(len(found)), has_price
    return mid2[found].astype(np.float64), has_price
