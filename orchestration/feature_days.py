"""Features of any number of stored days in constant memory: batches of the store through the core's states."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from orchestration.arrays import (
    column,
    gap_positions,
    on_exchange_clock,
    quote_arrays,
    quote_at_trade_arrays,
    trade_arrays,
    without_depth,
)
from orchestration.storage.ranges import BATCH_ROWS, days_in, read_batches
from orchestration.storage.store import Store
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.feature_state import FeatureState
from orderflow_core.features import FeatureMatrix, continue_decision_features
from orderflow_core.instrument import Instrument
from orderflow_core.ofi import OfiAtTrade, OfiAtTradeState, continue_ofi_at_trade
from orderflow_core.types import QuoteArrays

TRADES, QUOTES, GAPS = "flow.classified_trades", "raw.quotes", "raw.gaps"
_COLUMNS = [
    "ts_event_ns",
    "trade_id",
    "price_ticks",
    "qty_lots",
    "sign",
    "sweep",
    "bid_ticks",
    "bid_lots",
    "ask_ticks",
    "ask_lots",
    "has_quote",
    "rule",
]
_NOTHING = np.empty(0, np.int64)
_NO_QUOTES = QuoteArrays(
    ts_event_ns=_NOTHING,
    bid_ticks=_NOTHING,
    bid_lots=_NOTHING,
    ask_ticks=_NOTHING,
    ask_lots=_NOTHING,
)
_QUOTE_COLUMNS = ["ts_event_ns", "ts_source", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"]


def feature_batches(
    store: Store,
    instrument: Instrument,
    start_ns: int,
    end_ns: int,
    *,
    settings: FeatureSettings,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[FeatureMatrix]:
    """Yield the rows that ``research.features`` holds of whole trading days, made from the stored trades.

    Parameters
    ----------
    start_ns, end_ns : int, unit ns UTC
        Trading days that overlap ``start_ns <= t < end_ns`` are taken whole: each is a session, whose
        sums begin at its first trade.
    settings : FeatureSettings
    batch_rows : int, > 0
        Trades that are in memory at a time, and as many quotes.

    Yields
    ------
    FeatureMatrix
        Of a batch of trades; perhaps no row. ``last_idx`` counts in the batch.

    Raises
    ------
    StoreCorruptError, QuoteProxyRefused, TypeError, ValueError
        As the reader, `orchestration.arrays.trade_arrays` and the core say.

    Notes
    -----
    Bit for bit the rows of the day in one piece. Memory: the batch, the windows' trades, a day's gaps.
    """
    bound = store.snapshot()
    for day in days_in(store, TRADES, instrument, start_ns, end_ns, snapshot=bound):
        yield from _Day(store, instrument, day, bound, batch_rows).features(settings)


@dataclass(frozen=True, slots=True)
class _Day:
    store: Store
    instrument: Instrument
    day: date
    snapshot: int
    batch_rows: int

    def features(self, settings: FeatureSettings) -> Iterator[FeatureMatrix]:
        gaps = self.store.read(GAPS, self.instrument.symbol, self.day, snapshot=self.snapshot)
        has_quotes = self._any("has_quote")
        book = _Book(self._batches(QUOTES, _QUOTE_COLUMNS), gaps) if self._has_clock() else None
        state: FeatureState | None = None
        before: pa.Table | None = None
        for rows, is_last in _with_last(self._batches(TRADES, _COLUMNS)):
            trades = trade_arrays(rows)
            matrix, state = continue_decision_features(
                state,
                trades,
                column(rows, "sweep"),
                quote_at_trade_arrays(rows) if has_quotes else None,
                session_start_idx=np.zeros(int(before is None), np.int64),
                gap_idx=_gaps_in(rows, before, gaps),
                session_ended=is_last,
                settings=settings,
                ofi=None if book is None else book.at(trades.ts_event_ns),
            )
            before = rows.slice(len(rows) - 1)
            yield matrix

    def _batches(self, table: str, columns: list[str]) -> Iterator[pa.Table]:
        reader = read_batches(
            self.store, table, self.instrument, days=[self.day],
            columns=columns, batch_rows=self.batch_rows, snapshot=self.snapshot,
        )  # fmt: skip
        for batch in reader:
            yield pa.Table.from_batches([batch])

    def _any(self, flag: str) -> bool:
        return any(bool(column(rows, flag).any()) for rows in self._batches(TRADES, [flag]))

    def _has_clock(self) -> bool:
        # Quotes on the exchange's clock, all of them; no quotes have none.
        found = [
            on_exchange_clock(rows) for rows in self._batches(QUOTES, ["ts_source"]) if len(rows)
        ]
        if len(set(found)) > 1:
            raise ValueError(
                f"{self.day}: quotes must be on one clock, got some with an exchange time and some "
                "with our receive time only"
            )
        return found[:1] == [True]


class _Book:
    """Order-flow imbalance at the trades of one batch after another."""

    def __init__(self, batches: Iterator[pa.Table], gaps: pa.Table) -> None:
        self._batches = batches
        self._gap_ends = np.unique(column(without_depth(gaps), "end_ns"))
        self._starts: np.ndarray | None = None
        self._state: OfiAtTradeState | None = None
        self._known_until: int | None = None

    def at(self, trade_ts: np.ndarray) -> OfiAtTrade:
        """Return what the book had done strictly before each trade; quotes run ahead by a batch at most."""
        read: list[QuoteArrays] = []
        while self._known_until is None or self._known_until < trade_ts[-1]:
            batch = next(self._batches, None)
            if batch is None:
                break
            read.append(quote_arrays(batch))
            self._known_until = int(read[-1].ts_event_ns[-1])
        if self._starts is None:
            first = min(int(trade_ts[0]), *(int(quotes.ts_event_ns[0]) for quotes in read[:1]))
            self._starts = np.concatenate([[first], self._gap_ends[self._gap_ends > first]])
        for quotes in read:
            # Without trades: the quotes are taken, and nothing is asked.
            _, self._state = continue_ofi_at_trade(self._state, trade_ts[:0], quotes, self._starts)
        found, self._state = continue_ofi_at_trade(self._state, trade_ts, _NO_QUOTES, self._starts)
        return found


def _with_last(batches: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
    before = next(batches, None)
    while before is not None:
        after = next(batches, None)
        yield before, after is None
        before = after


def _gaps_in(rows: pa.Table, before: pa.Table | None, gaps: pa.Table) -> np.ndarray:
    # The trade before the batch tells a gap that ends at its first trade from one before the day.
    # Trades of one time are never parted, so no gap within one time is seen twice.
    if before is None:
        return gap_positions(trade_arrays(rows), gaps)
    joined = pa.concat_tables([before, rows]).unify_dictionaries()
    return gap_positions(trade_arrays(joined), gaps) - 1
