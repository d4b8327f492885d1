"""Stand-ins for the mid where there are no quotes, from trades and their sides."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.running_median import _running_median_nb
from orderflow_core.types import Int64
from orderflow_core.validate import (
    require_count,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sign,
)

_MAX_PRICE = 2**61


def last_by_side(
    price_ticks: ArrayLike, sign: ArrayLike, restart_idx: ArrayLike
) -> tuple[Int64, Int64]:
    """Return the prices of the last trade that a buyer and that a seller initiated, at each trade.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    restart_idx : ndarray of int64, strictly increasing, first element 0
        Where what was known is forgotten: session starts, and the first trades after gaps.

    Returns
    -------
    buy_ticks, sell_ticks : ndarray of int64, shape (n_trades,), unit ticks
        The trade itself counts. A side that has not traded since the restart is given the price of
        the other side's last trade; where neither has, the trade's own price.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a sign outside the domain, bad restarts, or a price beyond 2**61.

    Notes
    -----
    Causal: element i uses trades 0..i only. In sorted order buys lie at the ask and sells at the bid,
    so that the two stand for the quote; a quote that moved without a trade is not seen. Source: the
    mid of transaction prices by side, as in the Roll (1984) model, with the side known.

    Examples
    --------
    >>> buy, sell = last_by_side([10, 9, 11], np.array([1, -1, 1], np.int8), [0])
    >>> buy, sell
    (array([10, 10, 11]), array([10,  9,  9]))
    """
    price, signs = require_int64("price_ticks", price_ticks), require_sign("sign", sign)
    n_trades = require_same_length(price_ticks=price, sign=signs)
    starts = require_session_starts("restart_idx", restart_idx, n_trades)
    if n_trades and not -_MAX_PRICE <= int(price.min()) <= int(price.max()) <= _MAX_PRICE:
        raise ValueError(f"price_ticks must lie within 2**61, got {price.min()} to {price.max()}")
    at = np.arange(n_trades)
    start = starts[np.searchsorted(starts, at, side="right") - 1] if n_trades else at
    buy = np.maximum.accumulate(np.where(signs > 0, at, -1))
    sell = np.maximum.accumulate(np.where(signs < 0, at, -1))
    has_buy, has_sell = buy >= start, sell >= start
    # -1 stands for no trade at all and is never read for what it points at.
    from_buy = np.where(has_buy, buy, np.where(has_sell, sell, at))
    from_sell = np.where(has_sell, sell, from_buy)
    return price[from_buy], price[from_sell]


def side_mid2(price_ticks: ArrayLike, sign: ArrayLike, restart_idx: ArrayLike) -> Int64:
    """Return twice the mean of the last buyer's and the last seller's price, at each trade.

    Parameters
    ----------
    price_ticks, sign, restart_idx
        As in `last_by_side`.

    Returns
    -------
    ndarray of int64, shape (n_trades,), unit half ticks

    Raises
    ------
    TypeError, ValueError
        As in `last_by_side`.

    Notes
    -----
    Causal, as `last_by_side` is. The bounce between bid and ask that last prices have is not in it: a
    buy after a sell at unchanged quotes changes nothing.

    Examples
    --------
    >>> side_mid2([10, 9, 10, 9], np.array([1, -1, 1, -1], np.int8), [0])
    array([20, 19, 19, 19])
    """
    buy, sell = last_by_side(price_ticks, sign, restart_idx)
    return buy + sell


def half_spread_mid2(
    price_ticks: ArrayLike,
    sign: ArrayLike,
    restart_idx: ArrayLike,
    *,
    tick_steps: int,
    n_changes: int = 51,
) -> Int64:
    """Return twice the last trade's price less half the usual spread in the direction of its side.

    Parameters
    ----------
    price_ticks, sign, restart_idx
        As in `last_by_side`.
    tick_steps : int, > 0, unit ticks
        The smallest spread there can be: one tick of the quotes.
    n_changes : int, > 0
        Changes of side over which the usual spread is taken.

    Returns
    -------
    ndarray of int64, shape (n_trades,), unit half ticks
        ``2 p - sign * s``. s is the lower median of ``sign * (p - previous p)`` over the last
        `n_changes` trades whose side is not that of the trade with a side before them, of those since
        the restart, no less than `tick_steps`, which it also is before the first. A trade without a side
        leaves the path where it was; the first since a restart gives its own price.

    Raises
    ------
    TypeError, ValueError
        As in `last_by_side`, or a count that is not positive.

    Notes
    -----
    Causal: element i uses trades 0..i only. A buy lies half a spread above the mid, a sell half below:
    what is taken off is the bounce, and the path moves with every trade, where `side_mid2` waits for the
    other side. Where a change of side tells little of the spread (sides read off the prices) the
    rest is noise. Source: the mid of the Roll (1984) model with the side known; the median is our own.

    Examples
    --------
    Spread 2: at the second trade it is known.

    >>> half_spread_mid2([101, 99, 101, 102], np.array([1, -1, 1, 1], np.int8), [0], tick_steps=1)
    array([201, 200, 200, 202])
    """
    price, signs = require_int64("price_ticks", price_ticks), require_sign("sign", sign)
    buy, sell = last_by_side(price, signs, restart_idx)
    least = require_positive_scalar("tick_steps", tick_steps)
    n_window = require_count("n_changes", n_changes, least=1)
    starts = require_session_starts("restart_idx", restart_idx, len(price))
    if len(price) == 0:
        return price.copy()
    sided = np.flatnonzero(signs)
    is_change = np.zeros(len(sided), np.bool_)
    is_change[1:] = signs[sided[1:]] != signs[sided[:-1]]
    # The first with a side since a restart changes nothing.
    first = np.searchsorted(sided, starts)
    is_change[first[first < len(sided)]] = False
    changes = sided[is_change]
    begins = np.searchsorted(changes, starts)
    spread = np.maximum((buy - sell)[changes], least)
    median, ring = np.empty_like(spread), np.empty(n_window, np.int64)
    _running_median_nb(spread, begins, ring, np.empty_like(ring), median)
    at = np.arange(len(price))
    segment = np.searchsorted(starts, at, side="right") - 1
    seen = np.searchsorted(changes, at, side="right") - 1
    usual = np.full(len(price), least)
    is_known = seen >= begins[segment]
    usual[is_known] = median[seen[is_known]]
    last = np.maximum.accumulate(np.where(signs != 0, at, -1))
    came = np.where(last >= starts[segment], last, at)
    # A sign of 0 takes nothing off.
    mid2: Int64 = 2 * price[came] - signs[came].astype(np.int64) * usual
    return mid2
