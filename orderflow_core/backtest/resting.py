"""When an order that rests at the touch is filled: behind everyone who stood there before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.backtest.fills import MarketPath, market_from_quotes, market_from_trades
from orderflow_core.kernels.resting import _resting_fills_nb
from orderflow_core.types import Bool, Int8, Int64, QuoteArrays, TradeArrays
from orderflow_core.validate import (
    INT64_MAX,
    require_count,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
)

_UNKNOWN_QUEUE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingFills:
    """What became of resting orders of one lot; arrays of shape (n_orders,).

    Attributes
    ----------
    arrive_ns, deadline_ns : ndarray of int64, unit ns
        The order rests in ``(arrive, deadline]``.
    price_ticks : ndarray of int64
        Touch as known at the decision; 0 where there was none.
    queue_lots : ndarray of int64
        Lots ahead of the order when it arrived; -1 where the market shows no sizes.
    fill_ns : ndarray of int64, unit ns
        When it was filled; -1 where it was not.
    is_placed : ndarray of bool
        Whether there was a touch to place it at.
    """

    arrive_ns: Int64
    deadline_ns: Int64
    price_ticks: Int64
    queue_lots: Int64
    fill_ns: Int64
    is_placed: Bool

    def __len__(self) -> int:
        return len(self.arrive_ns)


def resting_fills(
    trades: TradeArrays,
    quotes: QuoteArrays | None,
    decided_ns: ArrayLike,
    side: ArrayLike,
    *,
    latency_ns: int,
    rest_ns: int,
    tick_steps: int,
) -> RestingFills:
    """Return when orders that join the touch are filled.

    Parameters
    ----------
    trades : TradeArrays
        In time order.
    quotes : QuoteArrays or None
        On the trades' clock, in time order. None: the market is read off the trades.
    decided_ns : ndarray of int64, shape (n_orders,), non-decreasing
    side : ndarray of int8, shape (n_orders,), in {-1, +1}
        +1 bids, -1 offers.
    latency_ns : int, >= 0
        From decision to market, as in the backtest of marketable orders.
    rest_ns : int, > 0
        How long the order rests after it arrived.
    tick_steps : int, > 0
        Quote tick in units of ``price_ticks``; used where there are no quotes.

    Returns
    -------
    RestingFills

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times decrease, a side of 0, or times that leave int64.

    Notes
    -----
    The market is that of `market_from_quotes` or `market_from_trades`, and an order meets only
    events strictly later than its arrival, as `match_orders` has it. With quotes a buy at p is
    filled by the first of: a trade below p; an ask at or below p, at the arrival already; sellers'
    trades at p (or trades there whose side nobody knows) beyond the lots ahead. Ahead is what the bid at p shows at arrival (nothing where the
    bid has fallen below p; what it showed at the decision where the bid has risen above p). It
    shrinks by trades at p, to the size shown where that is less, and to nothing where the bid falls
    below p: who cancels is taken to stand in front only when no one else can have. Of one time,
    trades come before quotes. Without quotes only a trade below p fills, p being a tick below the
    last trade. The order moves nothing. Sales are the mirror image.
    Source: risk-averse queue model of hftbacktest (documentation, "Order Fill").

    Examples
    --------
    Two lots are ahead of a bid at 10. Sales of 2 there leave it the first; the next one fills it.
    """
    decided, sides = _checked_orders(decided_ns, side)
    latency = require_count("latency_ns", latency_ns)
    rest = require_positive_scalar("rest_ns", rest_ns)
    if len(decided) and int(decided[-1]) + latency + rest > INT64_MAX:
        raise ValueError(f"decided_ns must leave room for {latency} + {rest}, got {decided[-1]}")
    tape = _trade_rows(trades)
    if quotes is None:
        market, sizes = market_from_trades(trades, tick_steps), None
    else:
        market, sizes = market_from_quotes(quotes), _sizes(quotes)
    arrive, deadline = decided + latency, decided + latency + rest
    price, is_placed = _touch(market, decided, sides)
    queue, is_crossed = _queue(market, sizes, decided, arrive, sides, price)
    # From the first trade and the first element of the market that the order can meet.
    meets = [np.searchsorted(ts_ns, arrive, side="right") for ts_ns in (tape[:, 0], market.ts_ns)]
    orders = np.column_stack([deadline, sides, price, queue, *meets]).astype(np.int64)
    rests = np.flatnonzero(is_placed & ~is_crossed)
    found = np.empty(len(rests), np.int64)
    _resting_fills_nb(tape, _quote_rows(market, sizes), np.ascontiguousarray(orders[rests]), found)
    fill = np.where(is_placed & is_crossed, arrive, -1)
    fill[rests] = found
    return RestingFills(
        arrive_ns=arrive,
        deadline_ns=deadline,
        price_ticks=price,
        queue_lots=queue,
        fill_ns=fill,
        is_placed=is_placed,
    )


def _checked_orders(decided_ns: ArrayLike, side: ArrayLike) -> tuple[Int64, Int8]:
    decided = require_int64("decided_ns", decided_ns)
    require_sorted("decided_ns", decided)
    sides = require_sign("side", side)
    require_same_length(decided_ns=decided, side=sides)
    if (sides == 0).any():
        raise ValueError(f"side must be -1 or +1, got 0 at position {np.argmin(sides != 0)}")
    return decided, sides


def _trade_rows(trades: TradeArrays) -> Int64:
    columns = {
        name: require_int64(name, getattr(trades, name))
        for name in ("ts_event_ns", "price_ticks", "qty_lots")
    }
    sign = require_sign("sign", trades.sign)
    require_same_length(**columns, sign=sign)
    require_sorted("ts_event_ns", columns["ts_event_ns"])
    return np.ascontiguousarray(np.column_stack([*columns.values(), sign]).astype(np.int64))


# Lots shown at the bid and at the ask of each element of the market: that of a crossed quote is what
# stands at the price that the market keeps.
def _sizes(quotes: QuoteArrays) -> tuple[Int64, Int64]:
    bid_lots = require_int64("bid_lots", quotes.bid_lots)
    ask_lots = require_int64("ask_lots", quotes.ask_lots)
    is_turned = np.asarray(quotes.bid_ticks) > np.asarray(quotes.ask_ticks)
    has_both = (bid_lots > 0) & (ask_lots > 0)
    low = np.where(is_turned, ask_lots, bid_lots)[has_both]
    high = np.where(is_turned, bid_lots, ask_lots)[has_both]
    return low, high


def _quote_rows(market: MarketPath, sizes: tuple[Int64, Int64] | None) -> Int64:
    if sizes is None:  # prices read off trades fill nothing: only trades do
        return np.empty((0, 5), np.int64)
    rows = [market.ts_ns, market.bid_ticks, sizes[0], market.ask_ticks, sizes[1]]
    return np.ascontiguousarray(np.column_stack(rows))


def _at(market: MarketPath, at_ns: Int64) -> Int64:
    return np.searchsorted(market.ts_ns, at_ns, side="right").astype(np.int64) - 1


def _touch(market: MarketPath, decided: Int64, side: ArrayLike) -> tuple[Int64, Bool]:
    found = _at(market, decided)
    is_placed = found >= 0
    if len(market) == 0:
        return np.zeros(len(decided), np.int64), is_placed
    own = np.where(np.asarray(side) > 0, market.bid_ticks[found], market.ask_ticks[found])
    return np.where(is_placed, own, 0).astype(np.int64), is_placed


# Lots ahead at the arrival, and whether the price has met the other side by then.
def _queue(
    market: MarketPath,
    sizes: tuple[Int64, Int64] | None,
    decided: Int64,
    arrive: Int64,
    side: ArrayLike,
    price: Int64,
) -> tuple[Int64, Bool]:
    if sizes is None or len(market) == 0:
        return np.full(len(decided), _UNKNOWN_QUEUE), np.zeros(len(decided), np.bool_)
    sides = np.asarray(side).astype(np.int64)
    was, now = _at(market, decided), _at(market, arrive)
    own = np.where(sides > 0, market.bid_ticks[now], market.ask_ticks[now])
    opposite = np.where(sides > 0, market.ask_ticks[now], market.bid_ticks[now])
    shown, shown_before = (np.where(sides > 0, sizes[0][i], sizes[1][i]) for i in (now, was))
    behind = sides * (price - own)  # > 0: the order stands alone at the front
    queue = np.where(behind == 0, shown, np.where(behind > 0, 0, shown_before))
    # A market whose bid and ask are one price is locked: nothing crosses it.
    is_crossed = (sides * (opposite - price) <= 0) & (arrive > decided)
    return queue.astype(np.int64), is_crossed
