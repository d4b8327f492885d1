"""What the feature matrix is made of, checked in one pass: trades, sweeps, starts, quotes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.features import _first_fault_nb
from orderflow_core.ofi import OfiAtTrade
from orderflow_core.sessions import starts_within
from orderflow_core.spreads import MAX_PRICE, require_price
from orderflow_core.types import Bool, Int8, Int64, QuoteAtTrade, TradeArrays
from orderflow_core.validate import (
    narrow_sign,
    read_only,
    require_int64,
    require_positive,
    require_same_length,
    require_sign,
    require_sorted,
)

_INT64, _INT8 = np.dtype(np.int64), np.dtype(np.int8)
_LATEST_NS = 2**62 - 3600 * 10**9  # differences fit int64, the longest look back included
BOUNDS = (_LATEST_NS, MAX_PRICE)
_TIGHT = (8,)
_TRADE_COLUMNS = (
    "trades.ts_event_ns", "trades.trade_id", "trades.price_ticks", "trades.qty_lots", "sweep",
)  # fmt: skip
_QUOTE_COLUMNS = (
    "at_trade.bid_ticks",
    "at_trade.bid_lots",
    "at_trade.ask_ticks",
    "at_trade.ask_lots",
)
_NOTHING = read_only(np.empty(0, np.int64))
_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int8, Int64]
Book: TypeAlias = tuple[Int64, Bool]  # running imbalance of the book at each trade, whether known


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Checked arrays of the trades of a chunk. Not frozen, as a live stream makes one a trade.

    Attributes
    ----------
    ts, trade_id, price, qty, sign, sweep : ndarray, shape (n_trades,)
    sessions, gaps, starts : ndarray of int64
        Positions of the first trades of sessions and after gaps, and of either.
    quotes : tuple of ndarray or None
        Bid, its size, ask, its size, whether known.
    book : tuple of ndarray or None
        Running imbalance of the book, whether it is known.
    total_lots : float
        Sum of the sizes.
    """

    ts: Int64
    trade_id: Int64
    price: Int64
    qty: Int64
    sign: Int8
    sweep: Int64
    sessions: Int64
    gaps: Int64
    starts: Int64
    quotes: tuple[Int64, Int64, Int64, Int64, Bool] | None
    book: Book | None
    total_lots: float

    def part(self, first: int, end: int) -> "Chunk":
        """Return the trades ``first <= i < end`` as views, without the sum of their sizes."""
        cut = slice(first, end)
        idxs = (self.sessions, self.gaps, self.starts)
        inside = [read_only(starts_within(idx, first, end)) for idx in idxs]
        quotes = self.quotes
        if quotes is not None:
            bid, bid_lots, ask, ask_lots, is_known = quotes
            quotes = (bid[cut], bid_lots[cut], ask[cut], ask_lots[cut], is_known[cut])
        return Chunk(
            ts=self.ts[cut],
            trade_id=self.trade_id[cut],
            price=self.price[cut],
            qty=self.qty[cut],
            sign=self.sign[cut],
            sweep=self.sweep[cut],
            sessions=inside[0],
            gaps=inside[1],
            starts=inside[2],
            quotes=quotes,
            book=None if self.book is None else (self.book[0][cut], self.book[1][cut]),
            total_lots=0.0,
        )


def checked_chunk(
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    ofi: OfiAtTrade | None,
    last: Int64,
) -> Chunk:
    """Return the arrays of a chunk, whose first trade opens a session if none came before.

    Parameters
    ----------
    trades, sweep, at_trade, session_start_idx, gap_idx, ofi
        As in `orderflow_core.features.continue_decision_features`.
    last : ndarray of int64, shape (4,)
        Time, id and sweep of the trade before the chunk, and whether there is one.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.features.continue_decision_features`.
    """
    columns = (
        trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.qty_lots, sweep,
    )  # fmt: skip
    ts, trade_id, price, qty, ordinal = _int64_columns(_TRADE_COLUMNS, columns)
    sign = narrow_sign("trades.sign", trades.sign)
    n = len(ts)
    if not len(trade_id) == len(price) == len(qty) == len(sign) == len(ordinal) == n:
        require_same_length(
            ts_event_ns=ts, trade_id=trade_id, price_ticks=price, qty_lots=qty, sign=sign, sweep=ordinal
        )  # fmt: skip
    sessions = _positions("session_start_idx", session_start_idx, n)
    gaps = _positions("gap_idx", gap_idx, n)
    starts = np.union1d(sessions, gaps) if len(gaps) else sessions
    if n and not last[3] and not (len(starts) and starts[0] == 0):
        starts = np.concatenate((np.zeros(1, np.int64), starts))
    quotes = None if at_trade is None else _quotes(at_trade, price)
    prices = (quotes[0], quotes[2]) if quotes else (_NOTHING, _NOTHING)
    is_bad, total = _first_fault_nb(
        (ts, price, qty, sign, ordinal), prices, read_only(starts), last, BOUNDS
    )
    if is_bad:
        _raise_fault((ts, price, qty, sign, ordinal), prices, last)
    return Chunk(
        ts=ts,
        trade_id=trade_id,
        price=price,
        qty=qty,
        sign=sign,
        sweep=ordinal,
        sessions=sessions,
        gaps=gaps,
        starts=read_only(starts),
        quotes=quotes,
        book=None if ofi is None else _book(ofi, n),
        total_lots=total,
    )


def _book(ofi: OfiAtTrade, n_trades: int) -> Book:
    lots = _int64("ofi.ofi_lots", ofi.ofi_lots)
    is_known = _bool(ofi.is_known)
    if not len(lots) == len(is_known) == n_trades:
        raise ValueError(
            f"ofi must have one element a trade, got {len(lots)} and {len(is_known)} for {n_trades}"
        )
    return lots, is_known


def _int64_columns(names: tuple[str, ...], columns: Sequence[ArrayLike]) -> Sequence[Int64]:
    # The usual case first: a live stream brings one trade at a time. The stride tells one dimension,
    # without gaps.
    for values in columns:
        if not (type(values) is np.ndarray and values.dtype is _INT64 and values.strides == _TIGHT):
            return [require_int64(*column) for column in zip(names, columns, strict=True)]
    return [read_only(values) for values in cast(Sequence[Int64], columns)]


def _int64(name: str, values: ArrayLike) -> Int64:
    if type(values) is np.ndarray and values.dtype is _INT64 and values.strides == _TIGHT:
        return read_only(values)
    return require_int64(name, values)


def _bool(values: ArrayLike) -> Bool:
    return read_only(np.asarray(values, dtype=np.bool_))


def _positions(name: str, values: ArrayLike, n: int) -> Int64:
    # An empty array has no strides to be tight.
    if type(values) is np.ndarray and values.dtype is _INT64 and values.size == 0:
        return _NOTHING
    idx = _int64(name, values)
    if idx.size == 0:
        return _NOTHING
    require_sorted(name, idx, strict=True)
    if not (idx[0] >= 0 and idx[-1] < n):
        raise ValueError(f"{name} must lie in 0..{n - 1}, got {idx[0]} to {idx[-1]}")
    return idx


def _quotes(at_trade: QuoteAtTrade, price: Int64) -> tuple[Int64, Int64, Int64, Int64, Bool]:
    columns = (at_trade.bid_ticks, at_trade.bid_lots, at_trade.ask_ticks, at_trade.ask_lots)
    bid, bid_lots, ask, ask_lots = _int64_columns(_QUOTE_COLUMNS, columns)
    is_known = _bool(at_trade.is_known)
    if not len(bid) == len(bid_lots) == len(ask) == len(ask_lots) == len(is_known) == len(price):
        require_same_length(
            price_ticks=price, bid=bid, ask=ask, bid_lots=bid_lots, ask_lots=ask_lots, is_known=is_known
        )  # fmt: skip
    return bid, bid_lots, ask, ask_lots, is_known


def _raise_fault(trades: _Trades, prices: tuple[Int64, Int64], last: Int64) -> None:
    # The kernel only sees that something is wrong; here is what.
    ts, price, qty, sign, sweep = trades
    require_sign("trades.sign", sign)
    require_positive("trades.qty_lots", qty)
    require_price("trades.price_ticks", price)
    require_price("at_trade.bid_ticks", prices[0])
    require_price("at_trade.ask_ticks", prices[1])
    if len(ts) and (int(ts[0]) < -_LATEST_NS or int(ts[-1]) > _LATEST_NS):
        raise ValueError(f"trades.ts_event_ns must leave room for windows, got {ts[0]} to {ts[-1]}")
    before = slice(0, 1 if last[3] else 0)
    times = np.concatenate((last[0:1][before], ts))
    ordinals = np.concatenate((last[2:3][before], sweep))
    require_sorted("trades.ts_event_ns", times)
    require_sorted("sweep", ordinals)
    k = int(np.argmax((ordinals[1:] == ordinals[:-1]) & (times[1:] != times[:-1])))
    raise ValueError(
        f"sweep must hold fills of one time, got {times[k]} and {times[k + 1]} in sweep {ordinals[k]}"
    )
