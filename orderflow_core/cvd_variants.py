"""Cumulative delta of other things than all volume, and where a running sum starts anew."""

from operator import index

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.delta import _session_sum_nb
from orderflow_core.types import Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_count,
    require_int64,
    require_positions,
    require_positive,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sorted,
)

RESET_POLICIES: tuple[str, ...] = ("session", "gap", "anchor", "never")


def restart_idx(
    policy: str,
    ts_ns: ArrayLike,
    *,
    session_start_idx: ArrayLike = (),
    gap_idx: ArrayLike = (),
    anchor_ns: ArrayLike = (),
    earlier_ns: int | None = None,
) -> Int64:
    """Return the positions at which a running figure (CVD, VWAP) starts anew.

    Parameters
    ----------
    policy : {"session", "gap", "anchor", "never"}
        ``session``: at session starts. ``gap``: at session starts and after gaps. ``anchor``: at
        the first trade at or after each anchor. ``never``: nowhere but at the stream's first trade.
    ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    session_start_idx, gap_idx : ndarray of int64, strictly increasing, optional
        Positions of the first trades of sessions, and of those after recorded gaps.
    anchor_ns : ndarray of int64, unit ns, strictly increasing, optional
    earlier_ns : int, unit ns, optional
        Time of the trade before these, where they continue a stream.

    Returns
    -------
    ndarray of int64, strictly increasing
        Holds 0 where no trade came before; of a later chunk only where something starts there.

    Raises
    ------
    TypeError, ValueError
        An unknown policy, not integers, an order that is broken, positions outside of the trades.

    Notes
    -----
    Causal: an anchor acts from its time on, whenever it was chosen. Ties: of several trades at the
    anchor's time the first is the restart; anchors without a trade between them are one restart.
    Source: docs/glossary.md.

    Examples
    --------
    >>> restart_idx("anchor", [1, 4, 4, 9], anchor_ns=[2, 4, 20])
    array([0, 1])
    """
    if policy not in RESET_POLICIES:
        raise ValueError(f"policy must be one of {', '.join(RESET_POLICIES)}, got {policy!r}")
    ts = require_int64("ts_ns", ts_ns)
    require_sorted("ts_ns", ts if earlier_ns is None else np.append(earlier_ns, ts))
    starts = require_positions("session_start_idx", session_start_idx, len(ts))
    gaps = require_positions("gap_idx", gap_idx, len(ts))
    anchors = require_int64("anchor_ns", np.asarray(anchor_ns))
    require_sorted("anchor_ns", anchors, strict=True)
    found = np.zeros(1 if earlier_ns is None and len(ts) else 0, np.int64)
    if policy in ("session", "gap"):
        found = np.union1d(found, starts)
    if policy == "gap":
        found = np.union1d(found, gaps)
    if policy == "anchor":
        due = anchors if earlier_ns is None else anchors[anchors > earlier_ns]
        at = np.searchsorted(ts, due)
        found = np.union1d(found, at[at < len(ts)])
    return found.astype(np.int64)


def cumulative_count(sign: ArrayLike, session_start_idx: ArrayLike) -> Int64:
    """Return the running number of buys less sells, reset at each session start.

    Parameters
    ----------
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0

    Returns
    -------
    ndarray of int64, shape (n_trades,), unit trades

    Raises
    ------
    TypeError, ValueError
        A sign outside the domain, or positions that don't rise from 0.

    Notes
    -----
    Causal: element i uses trades 0..i of its session. Of sweeps it counts orders, of fills prints.
    No trades: an empty result. Source: docs/glossary.md.

    Examples
    --------
    >>> cumulative_count([1, 1, -1, 0, 1], [0, 3])
    array([1, 2, 1, 0, 1])
    """
    return continue_cumulative_count(0, sign, session_start_idx)[0]


def continue_cumulative_count(
    carried: int, sign: ArrayLike, session_start_idx: ArrayLike
) -> tuple[Int64, int]:
    """Do as `cumulative_count` for the next chunk of trades.

    Parameters
    ----------
    carried : int
        What the preceding chunk returned; 0 where the chunk's first trade opens a session.
    sign, session_start_idx
        As in `cumulative_count`; position 0 is the chunk's first trade.

    Returns
    -------
    count : ndarray of int64, shape (n_trades,)
        Chunks together give the result of the whole.
    carried : int
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `cumulative_count`.
    """
    signs = require_sign("sign", sign).astype(np.int64)
    starts = require_session_starts("session_start_idx", session_start_idx, len(signs))
    return _running("sign", signs, starts, carried)


def cumulative_notional(
    sign: ArrayLike, price_ticks: ArrayLike, qty_lots: ArrayLike, session_start_idx: ArrayLike
) -> Int64:
    """Return the running signed notional, reset at each session start.

    Parameters
    ----------
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0

    Returns
    -------
    ndarray of int64, shape (n_trades,), unit ticks x lots
        Times the tick's and the lot's worth it is money.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, values outside their domain, or sums that could leave int64.

    Notes
    -----
    Causal: element i uses trades 0..i of its session. Exact. A negative price turns a trade's
    notional around, as it turns around who pays. No trades: an empty result. Source: docs/glossary.md.

    Examples
    --------
    >>> cumulative_notional([1, -1], [100, 90], [2, 1], [0])
    array([200, 110])
    """
    return continue_cumulative_notional(0, sign, price_ticks, qty_lots, session_start_idx)[0]


def continue_cumulative_notional(
    carried: int,
    sign: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    session_start_idx: ArrayLike,
) -> tuple[Int64, int]:
    """Do as `cumulative_notional` for the next chunk of trades.

    Parameters
    ----------
    carried : int, unit ticks x lots
        What the preceding chunk returned; 0 where the chunk's first trade opens a session.
    sign, price_ticks, qty_lots, session_start_idx
        As in `cumulative_notional`; position 0 is the chunk's first trade.

    Returns
    -------
    notional : ndarray of int64, shape (n_trades,)
        Chunks together give the result of the whole.
    carried : int
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `cumulative_notional`.
    """
    signs = require_sign("sign", sign)
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    n = require_same_length(sign=signs, price_ticks=price, qty_lots=qty)
    require_positive("qty_lots", qty)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    largest = max(-int(price.min(initial=0)), int(price.max(initial=0))) * int(qty.max(initial=0))
    if largest > INT64_MAX:
        raise ValueError(f"price_ticks x qty_lots may overflow int64: up to {largest}")
    return _running("price_ticks x qty_lots", signs * price * qty, starts, carried)


def size_bucket(qty_lots: ArrayLike, edges_lots: ArrayLike) -> Int64:
    """Return into which of the ranges of sizes each size falls.

    Parameters
    ----------
    qty_lots : ndarray of int64, shape (n,), unit lots, > 0
        Sizes of sweeps: the fills of a large order are small.
    edges_lots : ndarray of int64, shape (n_edges,), unit lots, strictly increasing

    Returns
    -------
    ndarray of int64, shape (n,), in 0..n_edges
        0 below the first edge; a size at an edge belongs above it.

    Raises
    ------
    TypeError, ValueError
        Not integers, a size that is not positive, or edges that don't rise.

    Notes
    -----
    Causal for a sweep that has ended: its size isn't known earlier. Source: docs/glossary.md.

    Examples
    --------
    >>> size_bucket([1, 5, 9], [5, 8])
    array([0, 1, 2])
    """
    qty, edges = require_int64("qty_lots", qty_lots), require_int64("edges_lots", edges_lots)
    require_positive("qty_lots", qty)
    require_sorted("edges_lots", edges, strict=True)
    return np.searchsorted(edges, qty, side="right").astype(np.int64)


def cvd_by_bucket(
    sign: ArrayLike,
    qty_lots: ArrayLike,
    bucket: ArrayLike,
    n_buckets: int,
    session_start_idx: ArrayLike,
) -> Int64:
    """Return the running signed volume of each bucket, reset at each session start.

    Parameters
    ----------
    sign : ndarray of int8, shape (n,), in {-1, 0, +1}
    qty_lots : ndarray of int64, shape (n,), unit lots, > 0
        Of sweeps, in time order.
    bucket : ndarray of int64, shape (n,), in 0..n_buckets - 1
        From `size_bucket`, or whether a sweep is large.
    n_buckets : int, > 0
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0

    Returns
    -------
    ndarray of int64, shape (n_buckets, n), unit lots
        Summed over the buckets it is the CVD.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, values outside their domain, or sums that could leave int64.

    Notes
    -----
    Causal: column i uses sweeps 0..i of its session and is known when sweep i has ended. No
    sweeps: no columns. Source: docs/glossary.md.

    Examples
    --------
    >>> cvd_by_bucket([1, -1, 1], [3, 9, 2], [0, 1, 0], 2, [0])
    array([[ 3,  3,  5],
           [ 0, -9, -9]])
    """
    carried = np.zeros(require_count("n_buckets", n_buckets, least=1), np.int64)
    return continue_cvd_by_bucket(carried, sign, qty_lots, bucket, session_start_idx)[0]


def continue_cvd_by_bucket(
    carried: ArrayLike,
    sign: ArrayLike,
    qty_lots: ArrayLike,
    bucket: ArrayLike,
    session_start_idx: ArrayLike,
) -> tuple[Int64, Int64]:
    """Do as `cvd_by_bucket` for the next chunk of sweeps.

    Parameters
    ----------
    carried : ndarray of int64, shape (n_buckets,), unit lots
        What the preceding chunk returned; zeros where the chunk's first sweep opens a session.
    sign, qty_lots, bucket, session_start_idx
        As in `cvd_by_bucket`; position 0 is the chunk's first sweep.

    Returns
    -------
    cvd_lots : ndarray of int64, shape (n_buckets, n)
        Chunks together give the result of the whole.
    carried : ndarray of int64, shape (n_buckets,)
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `cvd_by_bucket`.
    """
    before, signs = require_int64("carried", carried), require_sign("sign", sign)
    qty, buckets = require_int64("qty_lots", qty_lots), require_int64("bucket", bucket)
    n = require_same_length(sign=signs, qty_lots=qty, bucket=buckets)
    require_positive("qty_lots", qty)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    if n and not (buckets.min() >= 0 and buckets.max() < len(before)):
        raise ValueError(
            f"bucket must lie in 0..{len(before) - 1}, got {buckets.min()} to {buckets.max()}"
        )
    cvd, after = np.empty((len(before), n), np.int64), before.copy()
    for k in range(len(before)):
        amount = np.where(buckets == k, signs * qty, 0)
        cvd[k], after[k] = _running("qty_lots", amount, starts, int(before[k]))
    return cvd, after


def _running(name: str, amount: Int64, starts: Int64, carried: int) -> tuple[Int64, int]:
    if len(amount) == 0:
        return np.empty(0, np.int64), carried
    carried = index(carried)
    largest = max(-int(amount.min()), int(amount.max()))
    longest = int(np.diff(starts, append=len(amount)).max())
    # The cheap bound first: the sum of magnitudes takes a pass more. Half of the range leaves room for
    # its rounding.
    if abs(carried) + largest * longest > INT64_MAX:
        total = abs(carried) + float(np.abs(amount, dtype=np.float64).sum())
        if total > INT64_MAX // 2:
            raise ValueError(f"{name} may overflow int64: magnitudes add up to {total:.3g}")
    total_so_far = np.empty(len(amount), np.int64)
    _session_sum_nb(amount, starts, carried, total_so_far)
    return total_so_far, int(total_so_far[-1])
