"""Session volume-weighted average price and its standard-deviation bands."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.cvd_variants import restart_idx
from orderflow_core.kernels.vwap import _session_vwap_nb
from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_amount,
    require_float64,
    require_int64,
    require_positive,
    require_same_length,
    require_session_starts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VwapArrays:
    """Average price and its population standard deviation so far; float64, shape (n_trades,), ticks."""

    vwap_ticks: Float64
    sd_ticks: Float64

    def __len__(self) -> int:
        return len(self.vwap_ticks)


@dataclass(frozen=True, slots=True, kw_only=True)
class VwapState:
    """The running sums of a session that goes on in the next chunk.

    Attributes
    ----------
    anchor_ticks : int
        The session's first trade price; d below is a price less the anchor.
    volume_lots, first_moment : int
        Sums of q and q d.
    second_moment, reach : float
        Sums of q d^2 and of the magnitudes of q d, added in trade order.
    """

    anchor_ticks: int
    volume_lots: int
    first_moment: int
    second_moment: float
    reach: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredVwapState:
    """Time of the last trade, and the sums since the last anchor; None before the first one."""

    last_ns: int
    vwap: VwapState | None


def session_vwap(
    price_ticks: ArrayLike, qty_lots: ArrayLike, session_start_idx: ArrayLike
) -> VwapArrays:
    """Return the volume-weighted average price since the session's start, at each trade.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Sessions, or any other anchors.

    Returns
    -------
    VwapArrays

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a quantity that is not positive, or sums that could leave
        int64.

    Notes
    -----
    Causal: element i uses trades 0..i of its session. V = sum q p / sum q and
    sd = sqrt(sum q (p - V)^2 / sum q), of the population, both about the session's first price: the
    sum of q d is exact, that of q d^2 is a float added in trade order, so equal runs give equal
    bits. A variance that rounding made negative counts as 0. The first trade of a session has its
    own price and 0. No trades: empty arrays. Source: docs/glossary.md.

    Examples
    --------
    >>> session_vwap(np.array([10, 14]), np.array([1, 3]), np.array([0])).vwap_ticks
    array([10., 13.])
    """
    return continue_session_vwap(None, price_ticks, qty_lots, session_start_idx)[0]


def continue_session_vwap(
    state: VwapState | None,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    session_start_idx: ArrayLike,
) -> tuple[VwapArrays, VwapState | None]:
    """Do as `session_vwap` for the next chunk of trades.

    Parameters
    ----------
    state : VwapState or None
        What the preceding chunk returned; None where the chunk's first trade opens a session.
    price_ticks, qty_lots, session_start_idx
        As in `session_vwap`; position 0 is the chunk's first trade.

    Returns
    -------
    vwap : VwapArrays
        Chunks together give the result of the whole, bit for bit.
    state : VwapState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `session_vwap`.
    """
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    n = require_same_length(price_ticks=price, qty_lots=qty)
    require_positive("qty_lots", qty)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    if n == 0:
        return VwapArrays(vwap_ticks=np.empty(0), sd_ticks=np.empty(0)), state
    before = state or VwapState(
        anchor_ticks=int(price[0]), volume_lots=0, first_moment=0, second_moment=0.0, reach=0.0
    )
    _require_volume_fits(qty, starts, before.volume_lots)
    sums = (before.volume_lots, before.first_moment, before.second_moment, before.reach)
    vwap, sd = np.empty(n), np.empty(n)
    anchor, sums, largest_reach = _session_vwap_nb(
        price, qty, starts, before.anchor_ticks, sums, vwap, sd
    )
    # |sum q d| never passes the sum of |q d|; half of the range leaves room for its rounding.
    if largest_reach > INT64_MAX // 2:
        raise ValueError(
            f"price_ticks and qty_lots overflow int64: the sum of q |p - p0| reaches {largest_reach:.3g}"
        )
    after = VwapState(
        anchor_ticks=int(anchor),
        volume_lots=int(sums[0]),
        first_moment=int(sums[1]),
        second_moment=float(sums[2]),
        reach=float(sums[3]),
    )
    return VwapArrays(vwap_ticks=vwap, sd_ticks=sd), after


def vwap_bands(
    vwap_ticks: ArrayLike, sd_ticks: ArrayLike, multiple: float
) -> tuple[Float64, Float64]:
    """Return the average price less and plus a multiple of the standard deviation.

    Parameters
    ----------
    vwap_ticks, sd_ticks : ndarray of float64, shape (n,), unit ticks
        NaN passes through.
    multiple : float, finite, >= 0

    Returns
    -------
    lower, upper : ndarray of float64, shape (n,), unit ticks

    Raises
    ------
    TypeError, ValueError
        Not floats, lengths differ, or a multiple that is negative or not finite.

    Notes
    -----
    As causal as its inputs. Source: docs/glossary.md.

    Examples
    --------
    >>> vwap_bands(np.array([13.0]), np.array([1.5]), 2)
    (array([10.]), array([16.]))
    """
    centre, sd = require_float64("vwap_ticks", vwap_ticks), require_float64("sd_ticks", sd_ticks)
    require_same_length(vwap_ticks=centre, sd_ticks=sd)
    if not math.isfinite(multiple) or multiple < 0:
        raise ValueError(f"multiple must be finite and not negative, got {multiple}")
    return centre - multiple * sd, centre + multiple * sd


def anchored_vwap(
    ts_ns: ArrayLike, price_ticks: ArrayLike, qty_lots: ArrayLike, anchor_ns: ArrayLike
) -> VwapArrays:
    """Return the volume-weighted average price since the last anchor, at each trade.

    Parameters
    ----------
    ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    anchor_ns : ndarray of int64, unit ns, strictly increasing
        The average starts anew at the first trade at or after each.

    Returns
    -------
    VwapArrays
        NaN before the first anchor.

    Raises
    ------
    TypeError, ValueError
        As `session_vwap`, or times that run back.

    Notes
    -----
    Causal: element i uses trades up to i and anchors up to its time. Otherwise as `session_vwap`.
    Between trades the last value stands. No trades: empty arrays. Source: docs/glossary.md.

    Examples
    --------
    >>> anchored_vwap([1, 2, 3], [10, 10, 14], [9, 1, 3], [2]).vwap_ticks
    array([nan, 10., 13.])
    """
    return continue_anchored_vwap(None, ts_ns, price_ticks, qty_lots, anchor_ns)[0]


def continue_anchored_vwap(
    state: AnchoredVwapState | None,
    ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    anchor_ns: ArrayLike,
) -> tuple[VwapArrays, AnchoredVwapState | None]:
    """Do as `anchored_vwap` for the next chunk of trades.

    Parameters
    ----------
    state : AnchoredVwapState or None
        What the preceding chunk returned; None before the first.
    ts_ns, price_ticks, qty_lots, anchor_ns
        As in `anchored_vwap`. Anchors that lie before the chunk before ended take no part.

    Returns
    -------
    vwap : VwapArrays
        Chunks together give the result of the whole, bit for bit.
    state : AnchoredVwapState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `anchored_vwap`.
    """
    ts = require_int64("ts_ns", ts_ns)
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    n = require_same_length(ts_ns=ts, price_ticks=price, qty_lots=qty)
    require_positive("qty_lots", qty)  # those before the first anchor, too
    earlier_ns = None if state is None else state.last_ns
    starts = restart_idx("anchor", ts, anchor_ns=anchor_ns, earlier_ns=earlier_ns)
    if n == 0:
        return VwapArrays(vwap_ticks=np.empty(0), sd_ticks=np.empty(0)), state
    anchors = require_int64("anchor_ns", anchor_ns)
    if state is None and not (len(anchors) and anchors[0] <= ts[0]):
        starts = starts[1:]  # the stream's first trade is no anchor
    skipped = 0
    if state is None or state.vwap is None:
        skipped = int(starts[0]) if len(starts) else n
    vwap, sums = continue_session_vwap(
        state.vwap if state and not (len(starts) and starts[0] == 0) else None,
        price[skipped:],
        qty[skipped:],
        np.union1d(np.zeros(min(n - skipped, 1), np.int64), starts[starts >= skipped] - skipped),
    )
    unknown = np.full(skipped, np.nan)
    after = AnchoredVwapState(last_ns=int(ts[-1]), vwap=sums)
    return VwapArrays(
        vwap_ticks=np.append(unknown, vwap.vwap_ticks), sd_ticks=np.append(unknown, vwap.sd_ticks)
    ), after


def vwap_deviation_signal(
    vwap_dev_ticks: ArrayLike, imbalance: ArrayLike, *, min_imbalance: float
) -> tuple[Int8, Int8]:
    """Return whether the flow confirms the price's side of the VWAP, or speaks against it.

    Parameters
    ----------
    vwap_dev_ticks : ndarray of float64, shape (n,)
        Price less VWAP, in ticks or any other unit: its sign counts.
    imbalance : ndarray of float64, shape (n,), in [-1, 1]
        Buys less sells over both in a trailing window (`orderflow_core.rolling`).
    min_imbalance : float, in (0, 1]
        Buying is large, or sellers dominate, from this magnitude on.

    Returns
    -------
    trend : ndarray of int8, shape (n,)
        +1: above the VWAP with large buying, the rise is confirmed; -1: below it with large selling.
    reversal : ndarray of int8, shape (n,)
        -1: above the VWAP while sellers dominate, the price may turn down; +1: below it while
        buyers dominate, it may turn up.

    Raises
    ------
    TypeError, ValueError
        Not floats, lengths differ, or a threshold outside (0, 1].

    Notes
    -----
    As causal as its inputs, element by element, so chunks need no state. Ties: 0 at the VWAP
    exactly; an imbalance at the threshold counts. NaN: 0. At most one of both differs from 0.
    Source: own definition (docs/glossary.md) of a common reading of order flow around the VWAP.

    Examples
    --------
    >>> vwap_deviation_signal(np.array([2.0, 2.0, -1.0]), np.array([0.5, -0.3, -0.4]),
    ...     min_imbalance=0.3)
    (array([ 1,  0, -1], dtype=int8), array([ 0, -1,  0], dtype=int8))
    """
    deviation = require_float64("vwap_dev_ticks", vwap_dev_ticks)
    flow = require_float64("imbalance", imbalance)
    require_same_length(vwap_dev_ticks=deviation, imbalance=flow)
    threshold = require_amount("min_imbalance", min_imbalance, is_zero_allowed=False)
    if threshold > 1:
        raise ValueError(f"min_imbalance must be at most 1, got {min_imbalance}")
    flow_sign = (flow >= threshold).astype(np.int8) - (flow <= -threshold).astype(np.int8)
    side = (deviation > 0).astype(np.int8) - (deviation < 0).astype(np.int8)
    agrees = side == flow_sign
    return np.where(agrees, side, 0).astype(np.int8), np.where(
        side == -flow_sign, flow_sign, 0
    ).astype(np.int8)


def _require_volume_fits(qty: Int64, starts: Int64, carried: int) -> None:
    longest = int(np.diff(starts, append=len(qty)).max())
    if carried + int(qty.max()) * longest > INT64_MAX:
        raise ValueError(
            f"qty_lots may overflow int64: {carried} carried and {longest} terms of up to {qty.max()}"
        )
