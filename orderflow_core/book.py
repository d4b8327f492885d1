"""What the sizes at the best quotes say: queue imbalance and microprice."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    require_differences_fit,
    require_int64,
    require_not_negative,
    require_same_length,
    require_sum_fits,
)


def queue_imbalance(bid_lots: ArrayLike, ask_lots: ArrayLike) -> Float64:
    """Return how much of the size at the best quotes is on the bid: (B - A) / (B + A).

    Parameters
    ----------
    bid_lots, ask_lots : ndarray of int64, shape (n,), unit lots, >= 0

    Returns
    -------
    ndarray of float64, shape (n,), in [-1, 1]
        NaN where both queues are empty.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or a negative size.

    Notes
    -----
    As causal as the quotes. Source: Gould, Bonart (2016), *Market Microstructure and Liquidity* 2.

    Examples
    --------
    >>> queue_imbalance(np.array([3, 0]), np.array([1, 0]))
    array([0.5, nan])
    """
    bid, ask = _checked_sizes(bid_lots, ask_lots)
    out = np.full(len(bid), np.nan)
    total = bid + ask
    np.divide(bid - ask, total, out=out, where=total > 0)
    return out


def microprice(
    bid_ticks: ArrayLike, bid_lots: ArrayLike, ask_ticks: ArrayLike, ask_lots: ArrayLike
) -> Float64:
    """Return the mid weighted by the opposite queues: (a B + b A) / (A + B).

    Parameters
    ----------
    bid_ticks, ask_ticks : ndarray of int64, shape (n,), unit ticks, within 2**62
    bid_lots, ask_lots : ndarray of int64, shape (n,), unit lots, >= 0

    Returns
    -------
    ndarray of float64, shape (n,), unit ticks
        Between bid and ask, nearer to the side with the smaller queue. NaN where both queues are
        empty and where the quote is crossed.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a negative size, or prices beyond the limit.

    Notes
    -----
    As causal as the quotes. Computed as the bid plus a share of the spread: the products of the
    formula leave int64. Source: docs/glossary.md.

    Examples
    --------
    >>> microprice(np.array([10]), np.array([3]), np.array([12]), np.array([1]))
    array([11.5])
    """
    bid, ask = require_int64("bid_ticks", bid_ticks), require_int64("ask_ticks", ask_ticks)
    bid_size, ask_size = _checked_sizes(bid_lots, ask_lots)
    require_same_length(bid_ticks=bid, ask_ticks=ask, bid_lots=bid_size)
    require_differences_fit("bid_ticks", bid)
    require_differences_fit("ask_ticks", ask)
    share = np.full(len(bid), np.nan)
    total = bid_size + ask_size
    np.divide(bid_size, total, out=share, where=(total > 0) & (ask >= bid))
    price: Float64 = bid + (ask - bid) * share
    return price


def _checked_sizes(bid_lots: ArrayLike, ask_lots: ArrayLike) -> tuple[Int64, Int64]:
    bid, ask = require_int64("bid_lots", bid_lots), require_int64("ask_lots", ask_lots)
    require_same_length(bid_lots=bid, ask_lots=ask)
    for name, size in (("bid_lots", bid), ("ask_lots", ask)):
        require_not_negative(name, size)
        require_sum_fits(name, int(size.max(initial=0)), 2)
    return bid, ask
