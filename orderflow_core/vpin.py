"""VPIN: how one-sided the last buckets of equal volume were."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.vpin import _vpin_nb
from orderflow_core.types import Float64
from orderflow_core.validate import (
    require_int64,
    require_not_negative,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
)

_MAX_BUCKET_LOTS = 2**53  # net lots of a bucket are a float, exact up to here


@dataclass(frozen=True, slots=True, kw_only=True)
class VpinState:
    """The open bucket and the closed ones of the window.

    Attributes
    ----------
    bucket_lots : int
        Size of a bucket.
    filled_lots : int
    net_lots : float
        Buys less sells of the open bucket.
    n_closed : int
        Buckets closed since the session's start.
    vpin : float
        The last value.
    imbalance : ndarray of float64, shape (n_buckets,)
        ``|buys - sells| / bucket`` of closed buckets; bucket k at position ``k % n_buckets``.
    """

    bucket_lots: int
    filled_lots: int
    net_lots: float
    n_closed: int
    vpin: float
    imbalance: Float64


def vpin(
    qty_lots: ArrayLike,
    net_share: ArrayLike,
    session_start_idx: ArrayLike,
    *,
    bucket_lots: int,
    n_buckets: int = 50,
) -> Float64:
    """Return the mean absolute imbalance of the last buckets of equal volume.

    Parameters
    ----------
    qty_lots : ndarray of int64, shape (n,), unit lots, >= 0
        Volume of each trade, or of each bar.
    net_share : ndarray of int8 or float64, shape (n,), in [-1, 1]
        Which part of it was bought, less the part sold: the sign of a trade; ``2 f - 1`` of a bar
        whose buy fraction f the bulk-volume rule estimates. 0 where the side is not known: such
        volume fills buckets and tips them to neither side.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        The open bucket and the window are dropped there. ``[0]`` lets buckets run across sessions.
    bucket_lots : int, unit lots, > 0, at most 2**53
    n_buckets : int, > 0

    Returns
    -------
    ndarray of float64, shape (n,), in [0, 1]
        Known at each element. NaN until ``n_buckets`` buckets have closed.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a negative volume, a share outside of [-1, 1] or NaN, a bucket
        or number of buckets outside the domain.

    Notes
    -----
    Causal: element i uses 0..i. ``VPIN = mean |V_buy - V_sell| / V`` over the last n closed buckets
    of volume V. A trade (or bar) that overfills a bucket is split across as many as it fills, each
    with its share; a bucket that is exactly full closes. The mean adds the oldest bucket first.
    Source: Easley, Lopez de Prado, O'Hara (2012), *Review of Financial Studies* 25.

    Examples
    --------
    Buckets of 10: a buy of 7 and a sell of 13 make |7 - 3| / 10 and |-10| / 10, so 0.7 over two.

    >>> vpin(np.array([7, 13]), np.array([1, -1]), [0], bucket_lots=10, n_buckets=2)
    array([nan, 0.7])
    """
    return continue_vpin(
        None,
        qty_lots,
        net_share,
        session_start_idx,
        bucket_lots=bucket_lots,
        n_buckets=n_buckets,
    )[0]


def continue_vpin(
    state: VpinState | None,
    qty_lots: ArrayLike,
    net_share: ArrayLike,
    session_start_idx: ArrayLike,
    *,
    bucket_lots: int,
    n_buckets: int = 50,
) -> tuple[Float64, VpinState]:
    """Do as `vpin` for the next chunk.

    Parameters
    ----------
    state : VpinState or None
        What the preceding chunk returned; None where the chunk's first element opens a session.
    qty_lots, net_share, session_start_idx, bucket_lots, n_buckets
        As in `vpin`; position 0 is the chunk's first element.

    Returns
    -------
    vpin : ndarray of float64, shape (n,)
        Chunks together give the result of the whole, bit for bit.
    state : VpinState

    Raises
    ------
    TypeError, ValueError
        As `vpin`, or a state of another size or number of buckets.
    """
    qty = require_int64("qty_lots", qty_lots)
    require_not_negative("qty_lots", qty)
    share = _checked_share(net_share)
    n = require_same_length(qty_lots=qty, net_share=share)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    bucket = require_positive_scalar("bucket_lots", bucket_lots)
    if bucket > _MAX_BUCKET_LOTS:
        raise ValueError(f"bucket_lots must be at most 2**53, got {bucket}")
    n_window = require_positive_scalar("n_buckets", n_buckets)
    before = state or _no_buckets(bucket, n_window)
    if before.bucket_lots != bucket:
        raise ValueError(f"bucket_lots must be that of the state, got {bucket}")
    if len(before.imbalance) != n_window:
        raise ValueError(f"n_buckets must be that of the state, got {n_window}")
    ring, values = before.imbalance.copy(), np.empty(n)
    opened = (before.filled_lots, before.net_lots, before.n_closed, before.vpin)
    filled, net, n_closed, last = _vpin_nb(qty, share, starts, bucket, ring, opened, values)
    after = VpinState(
        bucket_lots=bucket,
        filled_lots=int(filled),
        net_lots=float(net),
        n_closed=int(n_closed),
        vpin=float(last),
        imbalance=ring,
    )
    return values, after


def _no_buckets(bucket_lots: int, n_buckets: int) -> VpinState:
    return VpinState(
        bucket_lots=bucket_lots,
        filled_lots=0,
        net_lots=0.0,
        n_closed=0,
        vpin=math.nan,
        imbalance=np.zeros(n_buckets),
    )


def _checked_share(net_share: ArrayLike) -> Float64:
    share = np.asarray(net_share)
    if share.ndim != 1:
        raise ValueError(f"net_share must be one-dimensional, got shape {share.shape}")
    if share.dtype.kind not in "if":
        raise TypeError(f"net_share must hold numbers, got dtype {share.dtype}")
    values: Float64 = np.ascontiguousarray(share, np.float64)
    outside = ~(np.abs(values) <= 1)  # NaN too
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(f"net_share must be in [-1, 1], got {values[i]} at position {i}")
    return values
