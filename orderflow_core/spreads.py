"""What a trade cost against the mid: effective spread, realised spread, price impact."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.alignment import quote_at_trade
from orderflow_core.types import Bool, Float64, Int8, Int64, QuoteArrays, QuoteAtTrade
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sign,
)

MAX_PRICE = 2**40  # sums of four prices over 2**20 trades and more stay within int64


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadOutcomes:
    """What became of each trade: it looks ahead and is no feature.

    Attributes
    ----------
    realised_half_spread_ticks, price_impact_ticks : ndarray of float64, shape (n_trades,)
        NaN where a mid is missing, the trade has no sign, or the outcome is not known yet.
    known_ns : ndarray of int64, shape (n_trades,), unit ns
        When the outcome was known: the trade's time and the horizon.
    """

    realised_half_spread_ticks: Float64
    price_impact_ticks: Float64
    known_ns: Int64


def twice_mid(at_trade: QuoteAtTrade) -> tuple[Int64, Bool]:
    """Return the sum of bid and ask that each trade met, which is twice the mid, exactly.

    Parameters
    ----------
    at_trade : QuoteAtTrade, n_trades elements

    Returns
    -------
    twice_mid_ticks : ndarray of int64, shape (n_trades,), unit ticks
        0 where it is not known.
    is_known : ndarray of bool, shape (n_trades,)
        False without a quote and where it is crossed; a locked quote has a mid.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or a price beyond 2**40.

    Notes
    -----
    As causal as the join.

    Examples
    --------
    Bid 10 and ask 13: 23. Bid 13 and ask 10: not known.
    """
    bid = require_int64("at_trade.bid_ticks", at_trade.bid_ticks)
    ask = require_int64("at_trade.ask_ticks", at_trade.ask_ticks)
    is_known = np.asarray(at_trade.is_known, dtype=np.bool_)
    require_same_length(bid_ticks=bid, ask_ticks=ask, is_known=is_known)
    require_price("at_trade.bid_ticks", bid)
    require_price("at_trade.ask_ticks", ask)
    is_known = is_known & (ask >= bid)
    return np.where(is_known, bid + ask, 0), is_known


def require_price(name: str, price: Int64) -> None:
    """Demand that no price is beyond 2**40 ticks, so that sums of prices stay within int64.

    Parameters
    ----------
    name : str
    price : ndarray of int64, shape (n,), unit ticks

    Raises
    ------
    ValueError
        A price is beyond the limit.
    """
    if len(price) and not -MAX_PRICE <= int(price.min()) <= int(price.max()) <= MAX_PRICE:
        raise ValueError(f"{name} must lie within 2**40, got {price.min()} to {price.max()}")


def effective_half_spread(
    price_ticks: ArrayLike, sign: ArrayLike, at_trade: QuoteAtTrade
) -> Float64:
    """Return what each trade paid against the mid that it met: s (p - m).

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    at_trade : QuoteAtTrade, n_trades elements
        The quote strictly before each trade.

    Returns
    -------
    ndarray of float64, shape (n_trades,), unit ticks
        Positive where the aggressor paid, negative inside of the other side. NaN without a sign or
        a mid (no quote, or a crossed one).

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a sign outside the domain, or a price beyond 2**40.

    Notes
    -----
    Causal: known at the trade. The effective spread is twice this. Source: Huang, Stoll (1996),
    *Journal of Financial Economics* 41.

    Examples
    --------
    A buy at 12 that met 10 to 12: 1. A sell at 11 that met the same: 0.
    """
    price, signs, mid2, is_known = require_signed_prices(price_ticks, sign, at_trade)
    is_known = is_known & (signs != 0)
    return np.where(is_known, signs * (2 * price - mid2) / 2, np.nan)


def spread_outcomes(
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    sign: ArrayLike,
    quotes: QuoteArrays,
    *,
    horizon_ns: int,
    lag_ns: int = 0,
) -> SpreadOutcomes:
    """Return the realised half-spread s (p - m') and the price impact s (m' - m) of each trade.

    m is the mid strictly before the trade and m' the one strictly before ``t + horizon``.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    quotes : QuoteArrays, n_quotes elements in time order
        Of one session without gaps.
    horizon_ns : int, unit ns, > 0
    lag_ns : int, unit ns, >= 0
        As in `orderflow_core.alignment.prevailing_quote_idx`.

    Returns
    -------
    SpreadOutcomes

    Raises
    ------
    TypeError, ValueError
        As `effective_half_spread` and `orderflow_core.alignment.quote_at_trade`; a horizon that is
        not positive or leads beyond int64.

    Notes
    -----
    Looks ahead by the horizon: known at ``known_ns`` and not before. NaN until a quote at or after
    that time (less the lag) proves that none before it is missing, so that a longer recording
    changes no value, it only fills some in. Effective = realised + impact. Source: Huang, Stoll
    (1996).

    Examples
    --------
    A buy at 12 that met 10 to 12, and 12 to 14 a second later: realised -1, impact 2, effective 1.
    """
    ts = require_int64("trade_ts_ns", trade_ts_ns)
    horizon = require_positive_scalar("horizon_ns", horizon_ns)
    if len(ts) and int(ts[-1]) + horizon > INT64_MAX:
        raise ValueError(f"horizon_ns of {horizon} leads beyond int64")
    met = quote_at_trade(ts, quotes, lag_ns=lag_ns)
    later = quote_at_trade(ts + horizon, quotes, lag_ns=lag_ns)
    price, signs, mid2, is_known = require_signed_prices(price_ticks, sign, met)
    require_same_length(trade_ts_ns=ts, price_ticks=price)
    later_mid2, is_later_known = twice_mid(later)
    quote_ts = require_int64("quotes.ts_event_ns", quotes.ts_event_ns)
    if len(quote_ts):
        is_later_known &= ts + horizon - lag_ns <= quote_ts[-1]
    is_known = is_known & is_later_known & (signs != 0)
    return SpreadOutcomes(
        realised_half_spread_ticks=np.where(is_known, signs * (2 * price - later_mid2) / 2, np.nan),
        price_impact_ticks=np.where(is_known, signs * (later_mid2 - mid2) / 2, np.nan),
        known_ns=ts + horizon,
    )


def require_signed_prices(
    price_ticks: ArrayLike, sign: ArrayLike, at_trade: QuoteAtTrade
) -> tuple[Int64, Int8, Int64, Bool]:
    """Return prices, signs, twice the mid and whether it is known, after their checks.

    Parameters
    ----------
    price_ticks, sign, at_trade
        As in `effective_half_spread`.

    Returns
    -------
    price_ticks : ndarray of int64, shape (n_trades,)
    sign : ndarray of int8, shape (n_trades,)
    twice_mid_ticks : ndarray of int64, shape (n_trades,)
    is_known : ndarray of bool, shape (n_trades,)

    Raises
    ------
    TypeError, ValueError
        As `effective_half_spread`.
    """
    price, signs = require_int64("price_ticks", price_ticks), require_sign("sign", sign)
    mid2, is_known = twice_mid(at_trade)
    require_same_length(price_ticks=price, sign=signs, at_trade=mid2)
    require_price("price_ticks", price)
    return price, signs, mid2, is_known
