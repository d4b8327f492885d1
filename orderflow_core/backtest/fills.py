"""Where and when an order trades: the market as a taker meets it, and the event of each order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.backtest import _match_orders_nb
from orderflow_core.types import Int64, QuoteArrays, TradeArrays
from orderflow_core.validate import (
    INT64_MAX,
    require_count,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPath:
    """The prices at which a marketable order trades, one element a market event, in time order.

    Attributes
    ----------
    ts_ns, bid_ticks, ask_ticks : ndarray of int64, shape (n_events,)
        A buy trades at the ask, a sell at the bid; ``bid_ticks <= ask_ticks``. The mark is half
        their sum: the mid, or the last price where the path comes from trades.
    is_quoted : bool
        False where the path comes from trades: no claim about mids or spreads can be made then.
    """

    ts_ns: Int64
    bid_ticks: Int64
    ask_ticks: Int64
    is_quoted: bool

    def __len__(self) -> int:
        return len(self.ts_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The orders that reach the market; the clock alone decides them, not the targets.

    Attributes
    ----------
    event_idx : ndarray of int64, shape (n_orders,), strictly increasing
        Market event at which the order trades.
    signal_idx : ndarray of int64, shape (n_orders,)
        Signal that it carries out; -1 = the exit at the session's last event.
    n_superseded : int
        Signals whose order met the same event as a later one.
    n_cancelled : int
        Signals outside every session, or with no event left before their session's exit.
    """

    event_idx: Int64
    signal_idx: Int64
    n_superseded: int
    n_cancelled: int


def market_from_quotes(quotes: QuoteArrays) -> MarketPath:
    """Return the taker's market of a quote stream.

    Parameters
    ----------
    quotes : QuoteArrays
        In time order. A quote that lacks a side (no lots) is no market and is left out. A crossed
        quote trades at the worse of its two prices, so that no order gains from it.

    Returns
    -------
    MarketPath

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times decrease.

    Notes
    -----
    Causal: element i is one quote. Size at the quote does not limit a fill: an order moves nothing.
    """
    bid = require_int64("bid_ticks", quotes.bid_ticks)
    ask = require_int64("ask_ticks", quotes.ask_ticks)
    bid_lots = require_int64("bid_lots", quotes.bid_lots)
    ask_lots = require_int64("ask_lots", quotes.ask_lots)
    ts_ns = require_int64("ts_event_ns", quotes.ts_event_ns)
    require_same_length(
        ts_event_ns=ts_ns, bid_ticks=bid, bid_lots=bid_lots, ask_ticks=ask, ask_lots=ask_lots
    )
    has_both = (bid_lots > 0) & (ask_lots > 0)
    path = MarketPath(
        ts_ns=ts_ns[has_both],
        bid_ticks=np.minimum(bid, ask)[has_both],
        ask_ticks=np.maximum(bid, ask)[has_both],
        is_quoted=True,
    )
    return require_market(path)


def market_from_trades(trades: TradeArrays, tick_steps: int) -> MarketPath:
    """Return the market of a trade stream without quotes: each fill a full tick worse than a trade.

    Parameters
    ----------
    trades : TradeArrays
        In time order.
    tick_steps : int, > 0
        Quote tick in units of ``price_ticks`` (``Instrument.tick_steps``).

    Returns
    -------
    MarketPath
        ``bid = price - tick_steps``, ``ask = price + tick_steps``, so the mark is the last price.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times decrease, ``tick_steps`` not positive.

    Notes
    -----
    Causal: element i is trade i. With a spread of one tick the price is exact where the next trade
    was on the other side and a tick too dear where it was on the same; a wider spread costs more.
    """
    step = require_positive_scalar("tick_steps", tick_steps)
    price = require_int64("price_ticks", trades.price_ticks)
    path = MarketPath(
        ts_ns=trades.ts_event_ns,
        bid_ticks=price - step,
        ask_ticks=price + step,
        is_quoted=False,
    )
    return require_market(path)


def require_market(market: MarketPath) -> MarketPath:
    """Return the path as contiguous int64 arrays in time order with ``bid <= ask``."""
    ts_ns = require_int64("market.ts_ns", market.ts_ns)
    bid = require_int64("market.bid_ticks", market.bid_ticks)
    ask = require_int64("market.ask_ticks", market.ask_ticks)
    require_same_length(ts_ns=ts_ns, bid_ticks=bid, ask_ticks=ask)
    require_sorted("market.ts_ns", ts_ns)
    crossed = bid > ask
    if crossed.any():
        i = int(np.argmax(crossed))
        raise ValueError(
            f"market.bid_ticks must not exceed ask_ticks, got {bid[i]} > {ask[i]} at position {i}"
        )
    return MarketPath(ts_ns=ts_ns, bid_ticks=bid, ask_ticks=ask, is_quoted=bool(market.is_quoted))


def require_sessions(start_ns: ArrayLike, end_ns: ArrayLike) -> tuple[Int64, Int64]:
    """Return half-open session windows as arrays: none empty, in time order, none overlapping."""
    start = require_int64("session_start_ns", np.atleast_1d(start_ns))
    end = require_int64("session_end_ns", np.atleast_1d(end_ns))
    require_same_length(session_start_ns=start, session_end_ns=end)
    if len(start) == 0:
        raise ValueError("session_start_ns must hold a session, got none")
    edges = np.column_stack((start, end)).ravel()
    # An end may equal the next start; a start may not equal its own end.
    if (start >= end).any() or (edges[1:] < edges[:-1]).any():
        raise ValueError(
            "sessions must be half-open windows in time order that do not overlap, got starts "
            f"{start.tolist()} and ends {end.tolist()}"
        )
    return start, end


def session_events(market: MarketPath, start_ns: Int64, end_ns: Int64) -> tuple[Int64, Int64]:
    """Return the first and the last event of each session (first > last where it has none)."""
    first = np.searchsorted(market.ts_ns, start_ns, side="left").astype(np.int64)
    last = np.searchsorted(market.ts_ns, end_ns, side="left").astype(np.int64) - 1
    return first, last


def match_orders(
    market: MarketPath,
    signal_ts_ns: ArrayLike,
    *,
    latency_ns: int,
    session_start_ns: ArrayLike,
    session_end_ns: ArrayLike,
) -> Orders:
    """Return the market event at which each signal's order trades.

    Parameters
    ----------
    market : MarketPath
    signal_ts_ns : ndarray of int64, shape (n_signals,), non-decreasing
        When each signal was decided.
    latency_ns : int, >= 0
    session_start_ns, session_end_ns : int or ndarray of int64, shape (n_sessions,)
        Half-open windows in time order; an end may equal the next start.

    Returns
    -------
    Orders

    Raises
    ------
    TypeError, ValueError
        Not integers, times decrease, sessions empty or overlapping, latency negative.

    Notes
    -----
    An order placed at ``t + latency_ns`` trades at the first event with a time strictly greater,
    in the session of ``t``. Of several orders that meet one event the latest signal counts, of
    equal times the last in the array. A session's last event takes the exit and nothing else: an
    order that would first meet it is cancelled. A session without events has no order.
    Causal, save that the exit knows which event is its session's last.
    """
    checked = require_market(market)
    signal_ts = require_int64("signal_ts_ns", signal_ts_ns)
    require_sorted("signal_ts_ns", signal_ts)
    latency = require_count("latency_ns", latency_ns)
    if len(signal_ts) and int(signal_ts[-1]) + latency > INT64_MAX:
        raise ValueError(
            f"signal_ts_ns + latency_ns must fit int64, got {signal_ts[-1]} + {latency}"
        )
    start, end = require_sessions(session_start_ns, session_end_ns)
    first, last = session_events(checked, start, end)
    has_event = first <= last
    event_idx, signal_idx, n_superseded = _match_orders_nb(
        checked.ts_ns,
        signal_ts,
        latency,
        first[has_event],
        last[has_event],
        np.searchsorted(signal_ts, start[has_event], side="left").astype(np.int64),
        np.searchsorted(signal_ts, end[has_event], side="left").astype(np.int64),
    )
    n_placed = int(np.count_nonzero(signal_idx >= 0)) + n_superseded
    return Orders(
        event_idx=event_idx,
        signal_idx=signal_idx,
        n_superseded=int(n_superseded),
        n_cancelled=len(signal_ts) - n_placed,
    )
