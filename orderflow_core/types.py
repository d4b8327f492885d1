"""Typed bundles of arrays that travel between the functions of the core.

Prices are integer ticks, sizes integer lots, times int64 nanoseconds UTC (docs/glossary.md).
The bundles hold arrays and check nothing: the public functions check what they are given.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Int64: TypeAlias = NDArray[np.int64]
Int8: TypeAlias = NDArray[np.int8]
Float64: TypeAlias = NDArray[np.float64]
Bool: TypeAlias = NDArray[np.bool_]


class Sign(IntEnum):
    """Side of the marketable order that made a trade."""

    SELL = -1
    UNKNOWN = 0
    BUY = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeArrays:
    """Trades in the order ``(ts_event_ns, trade_id)``, one element a print.

    Attributes
    ----------
    ts_event_ns, trade_id, price_ticks, qty_lots : ndarray of int64, shape (n_trades,)
    sign : ndarray of int8, shape (n_trades,)
        Aggressor sign in {-1, 0, +1}; 0 where it is not known.
    """

    ts_event_ns: Int64
    trade_id: Int64
    price_ticks: Int64
    qty_lots: Int64
    sign: Int8

    def __len__(self) -> int:
        return len(self.ts_event_ns)

    def slice(self, start: int, stop: int) -> "TradeArrays":
        """Return the trades ``start <= i < stop`` as views."""
        return TradeArrays(
            ts_event_ns=self.ts_event_ns[start:stop],
            trade_id=self.trade_id[start:stop],
            price_ticks=self.price_ticks[start:stop],
            qty_lots=self.qty_lots[start:stop],
            sign=self.sign[start:stop],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteArrays:
    """Best bid and ask after each change, in time order; int64 arrays of shape (n_quotes,)."""

    ts_event_ns: Int64
    bid_ticks: Int64
    bid_lots: Int64
    ask_ticks: Int64
    ask_lots: Int64

    def __len__(self) -> int:
        return len(self.ts_event_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteAtTrade:
    """The quote that each trade met: the last one strictly before it.

    Attributes
    ----------
    bid_ticks, bid_lots, ask_ticks, ask_lots : ndarray of int64, shape (n_trades,)
        0 where ``is_known`` is false.
    is_known : ndarray of bool, shape (n_trades,)
    """

    bid_ticks: Int64
    bid_lots: Int64
    ask_ticks: Int64
    ask_lots: Int64
    is_known: Bool

    def __len__(self) -> int:
        return len(self.is_known)

    def slice(self, start: int, stop: int) -> "QuoteAtTrade":
        """Return the quotes of the trades ``start <= i < stop`` as views."""
        return QuoteAtTrade(
            bid_ticks=self.bid_ticks[start:stop],
            bid_lots=self.bid_lots[start:stop],
            ask_ticks=self.ask_ticks[start:stop],
            ask_lots=self.ask_lots[start:stop],
            is_known=self.is_known[start:stop],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BarIndex:
    """Which trades make which bar; int64 arrays of shape (n_bars,), only bars that hold a trade.

    Attributes
    ----------
    bar_id
        Strictly increasing.
    t0_ns, t1_ns
        Half-open time range ``[t0, t1)``.
    first_idx, end_idx
        Half-open range of trade positions.
    """

    bar_id: Int64
    t0_ns: Int64
    t1_ns: Int64
    first_idx: Int64
    end_idx: Int64

    def __len__(self) -> int:
        return len(self.bar_id)
