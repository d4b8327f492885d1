"""Signs from the quote that a trade met: quote rule, Lee-Ready, EMO, CLNV, depth, trade size."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.alignment import checked_times
from orderflow_core.kernels.quote_rules import (
    _band_rule_nb,
    _depth_rule_nb,
    _join_range_nb,
    _join_ranges_nb,
    _magnitude_nb,
    _mid_rule_nb,
    _size_rule_nb,
    _touch_rule_nb,
)
from orderflow_core.row_ranges import side_by_side
from orderflow_core.tick_rules import TickState, tick_rule
from orderflow_core.types import Bool, Int8, Int64, QuoteArrays, QuoteAtTrade
from orderflow_core.validate import (
    require_apart,
    require_bool,
    require_int64,
    require_positive,
    require_same_length,
    require_sorted,
    require_sum_fits,
)

# Trades that one thread joins and signs at a time.
_RANGE_TRADES = 2**16
_N_PARTS = 8  # of the ranges, for threads to share
_FEW_TRADES = 100_000  # below this one thread is done before others have begun


def quote_rule(price_ticks: ArrayLike, at_trade: QuoteAtTrade) -> Int8:
    """Return the side of the quote's mid on which each trade was made.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, magnitude below 2**62
    at_trade : QuoteAtTrade, n_trades elements
        The quote strictly before each trade (`orderflow_core.alignment.quote_at_trade`).

    Returns
    -------
    ndarray of int8, shape (n_trades,)
        +1 above the mid, -1 below.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or twice a price leaves int64.

    Notes
    -----
    Causal, as the join is. Ties: 0 at the mid exactly, also in a locked market; 0 where the quote
    is crossed (bid above ask) or not known. Twice the price is compared with bid + ask, in
    integers, so that no tolerance is needed. Source: Lee and Ready (1991), the quote test.

    Examples
    --------
    A bid of 10 and an ask of 13 have their mid at 11.5: trades at 11 and 12 sell and buy.
    """
    price = require_int64("price_ticks", price_ticks)
    quotes = _checked_quotes(price, at_trade, 2)
    sign = np.zeros(len(price), np.int8)
    _mid_rule_nb(price, *quotes, sign)
    return sign


def lee_ready(
    price_ticks: ArrayLike,
    at_trade: QuoteAtTrade,
    state: TickState | None = None,
    *,
    session_start_idx: ArrayLike | None = None,
) -> tuple[Int8, TickState]:
    """Return the quote rule's sign, and the tick rule's where the quote rule decides nothing.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, in trade order
    at_trade : QuoteAtTrade, n_trades elements
    state, session_start_idx : optional
        The memory of the tick rule, as in `orderflow_core.tick_rules.tick_rule`.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
    state : TickState
        For the next chunk. Chunks give the signs of the whole, bit for bit.

    Raises
    ------
    TypeError, ValueError
        As `quote_rule`.

    Notes
    -----
    Causal. The tick leg looks at the last different trade *price*, not at the last sign given:
    10.0 after 9.9 at the mid is a buy although the trade at 9.9 may have been signed by its quote.
    Source: Lee and Ready (1991).
    """
    return _over_tick_rule(_mid_rule_nb, 2, price_ticks, at_trade, state, session_start_idx)


def lee_ready_joined(
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    quotes: QuoteArrays,
    state: TickState | None = None,
    *,
    lag_ns: int = 0,
    out: Int8 | None = None,
) -> tuple[Int8, TickState]:
    """Return `lee_ready` by the quote strictly before each trade, join and rule in one pass.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, one session
    quotes : QuoteArrays, n_quotes elements in time order, prices of a magnitude below 2**62
    state : TickState, optional
        The memory that the preceding chunk of the same session returned.
    lag_ns : int, unit ns, >= 0
        As in `orderflow_core.alignment.quote_at_trade`.
    out : ndarray of int8, shape (n_trades,), optional
        As in `orderflow_core.tick_rules.tick_rule`.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
    state : TickState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.alignment.quote_at_trade` and `quote_rule`.

    Notes
    -----
    Causal. Equal to ``lee_ready(price_ticks, quote_at_trade(trade_ts_ns, quotes, lag_ns=lag_ns))``
    without the quotes at the trades ever being written; threads take a range of trades each, and
    look for its first quote by bisection. Source: Lee and Ready (1991).

    Examples
    --------
    >>> at = np.array([5])
    >>> quotes = QuoteArrays(ts_event_ns=at, bid_ticks=at, bid_lots=at, ask_ticks=at + 2, ask_lots=at)
    >>> lee_ready_joined(np.array([4, 5, 6]), np.array([7, 7, 7]), quotes)[0]
    array([0, 0, 1], dtype=int8)
    """
    price = require_int64("price_ticks", price_ticks)
    trade_ts, quote_ts, shift = checked_times(
        trade_ts_ns, quotes.ts_event_ns, lag_ns, is_order_checked=False
    )
    bid = require_int64("quotes.bid_ticks", quotes.bid_ticks)
    ask = require_int64("quotes.ask_ticks", quotes.ask_ticks)
    require_same_length(trade_ts_ns=trade_ts, price_ticks=price)
    require_same_length(ts_event_ns=quote_ts, bid_ticks=bid, ask_ticks=ask)
    if out is not None:
        inputs = {"trade_ts_ns": trade_ts, "quotes.ts_event_ns": quote_ts}
        require_apart({"out": out}, inputs | {"quotes.bid_ticks": bid, "quotes.ask_ticks": ask})
    sign, after = tick_rule(price, state, out=out)
    if _join(trade_ts, price, (quote_ts, bid, ask), shift, sign):  # the checks that name the fault
        require_sorted("trade_ts_ns", trade_ts)
        require_sorted("quote_ts_ns", quote_ts)
        _require_multiple_fits(2, price_ticks=price, bid_ticks=bid, ask_ticks=ask)
    return sign, after


def emo(
    price_ticks: ArrayLike,
    at_trade: QuoteAtTrade,
    state: TickState | None = None,
    *,
    session_start_idx: ArrayLike | None = None,
) -> tuple[Int8, TickState]:
    """Return the side of the touch where a trade was made at it, and the tick rule's sign elsewhere.

    Parameters
    ----------
    price_ticks, at_trade, state, session_start_idx
        As in `lee_ready`.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
        +1 at the ask, -1 at the bid, else the tick rule's.
    state : TickState
        For the next chunk. Chunks give the signs of the whole, bit for bit.

    Raises
    ------
    TypeError, ValueError
        As `quote_rule`.

    Notes
    -----
    Causal. Prices are compared exactly. Ties: a locked quote (at both sides at once), a crossed one
    and an unknown one leave the trade to the tick rule, as does any price inside or outside the
    spread. Source: Ellis, Michaely and O'Hara (2000).
    """
    return _over_tick_rule(_touch_rule_nb, 2, price_ticks, at_trade, state, session_start_idx)


def clnv(
    price_ticks: ArrayLike,
    at_trade: QuoteAtTrade,
    state: TickState | None = None,
    *,
    session_start_idx: ArrayLike | None = None,
) -> tuple[Int8, TickState]:
    """Return +1 in the spread's upper 30 %, -1 in its lower 30 %, and the tick rule's sign elsewhere.

    Parameters
    ----------
    price_ticks, at_trade, state, session_start_idx
        As in `lee_ready`; magnitudes below 2**63 / 20.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
    state : TickState
        For the next chunk. Chunks give the signs of the whole, bit for bit.

    Raises
    ------
    TypeError, ValueError
        As `quote_rule`, or twenty times a price leaves int64.

    Notes
    -----
    Causal. With s = ask - bid: [ask - 0.3 s, ask] buys, [bid, bid + 0.3 s] sells, both ends
    included, in whole tenths of the spread. Outside the quote, and with a locked, crossed or unknown
    one, the tick rule decides. Source: Chakrabarty, Li, Nguyen and Van Ness (2007).
    """
    # Twenty: ten times the distance to the bid.
    return _over_tick_rule(_band_rule_nb, 20, price_ticks, at_trade, state, session_start_idx)


def depth_rule(price_ticks: ArrayLike, at_trade: QuoteAtTrade) -> Int8:
    """Return for trades at the mid the side away from the larger quoted size.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, magnitude below 2**62
    at_trade : QuoteAtTrade, n_trades elements

    Returns
    -------
    ndarray of int8, shape (n_trades,)
        At the mid +1 where more is offered than bid, -1 where less; 0 elsewhere.

    Raises
    ------
    TypeError, ValueError
        As `quote_rule`.

    Notes
    -----
    Causal. Ties: 0 with equal sizes, with a crossed or an unknown quote; a locked quote is its own
    mid. Source: Grauer, Schuster and Uhrig-Homburg (2023), the depth rule.

    Examples
    --------
    Bid 10 with 3 lots, ask 12 with 5 lots: a trade at 11 is a buy.
    """
    price = require_int64("price_ticks", price_ticks)
    bid, ask, is_known = _checked_quotes(price, at_trade, 2)
    sign = np.zeros(len(price), np.int8)
    _depth_rule_nb(price, (bid, ask), _checked_sizes(price, at_trade), is_known, sign)
    return sign


def trade_size_rule(qty_lots: ArrayLike, at_trade: QuoteAtTrade) -> Int8:
    """Return the side of the quote that a trade did not exhaust to the lot.

    Parameters
    ----------
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    at_trade : QuoteAtTrade, n_trades elements

    Returns
    -------
    ndarray of int8, shape (n_trades,)
        +1 where the size equals the bid's, -1 where it equals the ask's; 0 elsewhere.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or a size that is not positive.

    Notes
    -----
    Causal. Made for options: a trade of exactly the size shown filled a customer's limit order whole,
    and the customer is taken for the one who wanted the trade, so the bid's size means a buy. Ties:
    0 where both sides show the size. Prices are not looked at, not even whether they cross. Others
    read the rule the other way round: negate the result for that.
    Source: Grauer, Schuster and Uhrig-Homburg (2023), the trade size rule.

    Examples
    --------
    Bid 3 lots, ask 5 lots: trades of 3, 5 and 4 lots give +1, -1 and 0.
    """
    qty = require_int64("qty_lots", qty_lots)
    require_positive("qty_lots", qty)
    is_known = require_bool("at_trade.is_known", at_trade.is_known)
    bid_size, ask_size = _checked_sizes(qty, at_trade)
    require_same_length(qty_lots=qty, is_known=is_known)
    sign = np.zeros(len(qty), np.int8)
    _size_rule_nb(qty, bid_size, ask_size, is_known, sign)
    return sign


def _over_tick_rule(
    kernel: Callable[..., None],
    multiple: int,
    price_ticks: ArrayLike,
    at_trade: QuoteAtTrade,
    state: TickState | None,
    session_start_idx: ArrayLike | None,
) -> tuple[Int8, TickState]:
    # The tick rule's signs, overwritten where the kernel's rule decides; prices are multiplied.
    price = require_int64("price_ticks", price_ticks)
    quotes = _checked_quotes(price, at_trade, multiple)
    sign, after = tick_rule(price, state, session_start_idx=session_start_idx)
    kernel(price, *quotes, sign)
    return sign, after


def _join(
    trade_ts: Int64, price: Int64, quotes: tuple[Int64, Int64, Int64], shift: int, sign: Int8
) -> bool:
    # Sign the trades that their quotes decide, and tell whether something is wrong with the input.
    n = len(price)
    if n == 0:
        return True  # nobody has looked at the quotes
    if n < _FEW_TRADES:
        ranges = (0, n), (0, len(quotes[0]))
        return _join_range_nb(trade_ts, price, quotes, *ranges, shift, sign) != 0
    edges = np.append(np.arange(0, n, _RANGE_TRADES), n)
    faults = []

    def of_ranges(first: int, end: int) -> None:
        faults.append(_join_ranges_nb(trade_ts, price, quotes, edges, (first, end), shift, sign))

    cuts = np.linspace(0, len(edges) - 1, _N_PARTS + 1).astype(np.int64).tolist()
    side_by_side([partial(of_ranges, *cut) for cut in pairwise(cuts)])
    return any(faults)


def _checked_quotes(
    price: Int64, at_trade: QuoteAtTrade, multiple: int
) -> tuple[Int64, Int64, Bool]:
    bid = require_int64("at_trade.bid_ticks", at_trade.bid_ticks)
    ask = require_int64("at_trade.ask_ticks", at_trade.ask_ticks)
    is_known = require_bool("at_trade.is_known", at_trade.is_known)
    require_same_length(price_ticks=price, bid_ticks=bid, ask_ticks=ask, is_known=is_known)
    _require_multiple_fits(multiple, price_ticks=price, bid_ticks=bid, ask_ticks=ask)
    return bid, ask, is_known


def _checked_sizes(per_trade: Int64, at_trade: QuoteAtTrade) -> tuple[Int64, Int64]:
    bid_size = require_int64("at_trade.bid_lots", at_trade.bid_lots)
    ask_size = require_int64("at_trade.ask_lots", at_trade.ask_lots)
    require_same_length(trades=per_trade, bid_lots=bid_size, ask_lots=ask_size)
    return bid_size, ask_size


def _require_multiple_fits(multiple: int, **columns: Int64) -> None:
    for name, ticks in columns.items():
        # Highest bits first: few columns come near the bound, and are looked at again.
        if int(_magnitude_nb(ticks)) * 2 * multiple >= 2**63:
            require_sum_fits(name, max(-int(ticks.min()), int(ticks.max())), multiple)
