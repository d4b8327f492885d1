"""Flow and features of one trading day as it grows, by the kernels that make the whole day.

`FlowDay.extend` takes the rows that a segment stored and returns the rows that became known:
classified trades, closed bars with their footprints, features of closed sweeps. All segments of a
day together are the rows of the day's batch run, bit for bit.

That holds because a trade is taken only when the quotes before it are there: rows wait until the
stream is ``settle_ns`` further. What comes later than that, a gap that is known only afterwards, or
quotes on a day that had none, raises `NotInOrder`: then the day is made anew from the store.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from orchestration.arrays import (
    bar_columns,
    column,
    constant,
    gap_positions,
    on_exchange_clock,
    quote_arrays,
    quote_at_trade_arrays,
    table_of,
    trade_arrays,
    without_depth,
)
from orchestration.config import Settings
from orchestration.defs.classification.tables import DEFAULT_RULES, market_trades
from orchestration.defs.features.tables import CLOCK, feature_settings
from orchestration.defs.flow.tables import footprint_cells
from orchestration.live.published import BARS, CLASSIFIED, FEATURES, FOOTPRINT
from orchestration.sources.records import QUOTES, TRADES
from orderflow_core.alignment import QuoteJoinState, continue_quote_at_trade
from orderflow_core.bar_clocks import BarClock
from orderflow_core.classify import RULES, classify
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.feature_state import FeatureState
from orderflow_core.features import continue_decision_features
from orderflow_core.flow_bars import FlowBarState, continue_flow_bars
from orderflow_core.instrument import Instrument
from orderflow_core.ofi import OfiAtTrade, OfiAtTradeState, continue_ofi_at_trade
from orderflow_core.sweeps import SweepState, continue_sweeps
from orderflow_core.tick_rules import TickState
from orderflow_core.types import QuoteAtTrade, TradeArrays

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_QUOTE_COLUMNS = [
    "ts_event_ns", "ts_recv_ns", "ts_source", "quote_id", "bid_ticks", "bid_lots", "ask_ticks",
    "ask_lots",
]  # fmt: skip
_TRADE_COLUMNS = [
    "ts_event_ns", "ts_recv_ns", "trade_id", "price_ticks", "qty_lots", "native_sign", "is_market",
]  # fmt: skip


class NotInOrder(Exception):  # noqa: N818  a finding about the stream, handled by who made the day
    """Rows of the day that were answered already would look different: make the day anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """What the rows of a day are made with: that of the assets.

    Attributes
    ----------
    bar_clock : str
    bar_seconds, row_ticks, min_lots : int
    features : FeatureSettings
    settle_ns : int, unit ns
        How much further the stream must be before a trade is taken.
    """

    bar_clock: str
    bar_seconds: int
    row_ticks: int
    min_lots: int
    features: FeatureSettings
    settle_ns: int

    @classmethod
    def of(cls, config: Settings, instrument: Instrument, settle_ms: float) -> "FlowSettings":
        """Return the settings that the assets use for an instrument."""
        return cls(
            bar_clock=config.bar_clock,
            bar_seconds=config.bar_seconds,
            row_ticks=config.row_ticks(instrument),
            min_lots=config.imbalance_min_lots,
            features=feature_settings(
                row_ticks=config.row_ticks(instrument),
                min_lots=config.imbalance_min_lots,
                bar_seconds=config.bar_seconds,
                bucket_lots=config.bucket_lots(instrument),
            ),
            settle_ns=int(settle_ms * _NS_PER_MS),
        )


@dataclass(slots=True, kw_only=True)
class FlowDay:
    """The state of one symbol-day; it grows with what is open, not with the day.

    Attributes
    ----------
    instrument : Instrument
    settings : FlowSettings
    cvd_lots : int
        Running delta of the trades taken, since the day's start or its last gap.
    n_trades : int
        Trades taken.
    """

    instrument: Instrument
    settings: FlowSettings
    cvd_lots: int = 0
    n_trades: int = 0
    newest: dict[str, float] = field(default_factory=dict)
    is_over: bool = False
    _trades: pa.Table = field(default_factory=lambda: TRADES.empty_table().select(_TRADE_COLUMNS))
    _quotes: pa.Table = field(default_factory=lambda: QUOTES.empty_table().select(_QUOTE_COLUMNS))
    _newest_ns: int = 0
    _has_quotes: bool = False
    _is_stamped: bool = True
    _first_ns: int = 0
    _last_quote_ns: int = 0
    _latest_clock_ns: int = 0
    _last: TradeArrays | None = None
    _gaps: set[tuple[int, int, int, str]] = field(default_factory=set)
    _tick: TickState | None = None
    _sweep: SweepState | None = None
    _join: QuoteJoinState | None = None
    _ofi: OfiAtTradeState | None = None
    _feature_state: FeatureState | None = None
    _bar_state: FlowBarState | None = None
    _open_bar: pa.Table | None = None

    def extend(
        self, trades: pa.Table, quotes: pa.Table, gaps: pa.Table, *, ended: bool = False
    ) -> dict[str, pa.Table]:
        """Take rows of ``raw.trades`` and ``raw.quotes``; return the rows that became known.

        Parameters
        ----------
        trades, quotes : pyarrow.Table
            What was stored since the last call.
        gaps : pyarrow.Table
            All gaps of the day, as they are published now.
        ended : bool
            Nothing follows: takes everything, closes the open sweep and the open bar.

        Raises
        ------
        NotInOrder
            This object is of no use any more.
        ValueError
            Quotes of two clocks on one day, or sums beyond int64.
        """
        if self.is_over:
            raise NotInOrder("the day was closed")
        gaps = without_depth(gaps)
        trades, quotes = self._ready(trades, quotes, ended=ended)
        self._note_gaps(gaps)
        classified = self._classified(trades, quotes)
        chunk = trade_arrays(classified)
        starts = self._gap_positions(chunk, gaps)
        made = {
            CLASSIFIED: classified,
            FEATURES: self._features(classified, chunk, quotes, gaps, starts, ended=ended),
        } | self._bars(classified, chunk, starts, ended=ended)
        self._remember(chunk, starts)
        self.is_over = ended
        return made

    def _ready(
        self, trades: pa.Table, quotes: pa.Table, *, ended: bool
    ) -> tuple[pa.Table, pa.Table]:
        # Puts the rows behind those that wait and returns what is settled.
        trades = market_trades(trades).select(_TRADE_COLUMNS).cast(self._trades.schema)
        quotes = quotes.select(_QUOTE_COLUMNS).cast(self._quotes.schema)
        if len(quotes) and not self._has_quotes and self.n_trades:
            raise NotInOrder("the day had no quotes so far")
        times = [t["ts_event_ns"].to_numpy().max() for t in (trades, quotes) if len(t)]
        self._newest_ns = max([self._newest_ns, *map(int, times)])
        limit = np.iinfo(np.int64).max if ended else self._newest_ns - self.settings.settle_ns
        settled = []
        for name, rows, keys in (
            ("_trades", trades, ("ts_event_ns", "trade_id")),
            ("_quotes", quotes, ("ts_event_ns", "quote_id")),
        ):
            waiting = pa.concat_tables([getattr(self, name), rows])
            order = np.lexsort([waiting[key].to_numpy() for key in reversed(keys)])
            waiting = waiting.take(pa.array(order))
            n = int(np.searchsorted(waiting["ts_event_ns"].to_numpy(), limit, side="right"))
            settled.append(waiting.slice(0, n))
            setattr(self, name, waiting.slice(n).combine_chunks())
        self._require_order(*settled)
        return settled[0], settled[1]

    def _require_order(self, trades: pa.Table, quotes: pa.Table) -> None:
        if len(trades) and self._last is not None:
            first = (trades["ts_event_ns"][0].as_py(), trades["trade_id"][0].as_py())
            if first <= (int(self._last.ts_event_ns[0]), int(self._last.trade_id[0])):
                raise NotInOrder(f"trade {first[1]} came after a later one was taken")
        if len(quotes):
            first_ns = quotes["ts_event_ns"][0].as_py()
            answered = int(self._last.ts_event_ns[0]) if self._last is not None else 0
            if first_ns < max(self._last_quote_ns, answered if self._is_stamped else 0):
                raise NotInOrder(f"a quote of {first_ns} came after it was needed")
            self._last_quote_ns = int(quotes["ts_event_ns"][len(quotes) - 1].as_py())

    def _note_gaps(self, gaps: pa.Table) -> None:
        names = ("start_ns", "end_ns", "first_missing_id", "reason")
        now = set(zip(*(gaps[name].to_pylist() for name in names), strict=True))
        if self._last is not None:
            last = int(self._last.ts_event_ns[0])
            if self._gaps - now or any(gap[1] <= last for gap in now - self._gaps):
                raise NotInOrder("gaps of the past have changed")
        self._gaps = now

    def _classified(self, trades: pa.Table, quotes: pa.Table) -> pa.Table:
        at_trade = self._met_quotes(trades, quotes)
        usable = tuple(
            r for r in DEFAULT_RULES if self._has_quotes or r not in {"lee_ready", "quote"}
        )
        price = column(trades, "price_ticks")
        found = classify(
            price,
            rules=usable,
            native_sign=column(trades, "native_sign"),
            at_trade=at_trade,
            state=self._tick,
        )
        sweep, after = continue_sweeps(
            self._sweep,
            column(trades, "ts_event_ns"),
            column(trades, "trade_id"),
            price,
            found.sign,
            max_id_step=self.instrument.max_id_step,
        )
        self._tick, self._sweep = found.state, after or self._sweep
        rule = pa.DictionaryArray.from_arrays(
            found.rule.astype(np.int32) + 1, pa.array(["", *RULES])
        )
        return pa.table(
            {
                "ts_event_ns": trades["ts_event_ns"],
                "trade_id": trades["trade_id"],
                "price_ticks": price,
                "qty_lots": trades["qty_lots"],
                "sign": found.sign,
                "rule": rule,
                "sweep": sweep,
                "bid_ticks": at_trade.bid_ticks,
                "ask_ticks": at_trade.ask_ticks,
                "bid_lots": at_trade.bid_lots,
                "ask_lots": at_trade.ask_lots,
                "has_quote": at_trade.is_known.astype(np.int8),
            }
        )

    def _met_quotes(self, trades: pa.Table, quotes: pa.Table) -> QuoteAtTrade:
        if len(quotes):
            is_stamped = on_exchange_clock(quotes)
            if self._has_quotes and is_stamped != self._is_stamped:
                raise ValueError("quotes of the day must be on one clock, got both")
            self._is_stamped, self._has_quotes = is_stamped, True
        clock = "ts_event_ns" if self._is_stamped else "ts_recv_ns"
        time = np.maximum.accumulate(
            np.maximum(column(trades, clock), self._latest_clock_ns)
        ).astype(np.int64)
        if len(time):
            self._latest_clock_ns = int(time[-1])
        lag_ns = 0 if self._is_stamped else self.instrument.quote_lag_ms * _NS_PER_MS
        try:
            met, self._join = continue_quote_at_trade(
                self._join, time, quote_arrays(quotes), lag_ns=lag_ns
            )
        except ValueError as error:  # a quote came too late for a trade that should have met it
            raise NotInOrder(str(error)) from error
        return met

    def _gap_positions(self, chunk: TradeArrays, gaps: pa.Table) -> np.ndarray:
        # The last trade taken stands in front, so that a gap before the chunk's first has a place.
        if self._last is None:
            return gap_positions(chunk, gaps)
        ahead = gaps.filter(pa.array(column(gaps, "end_ns") >= self._last.ts_event_ns[0]))
        return gap_positions(_joined(self._last, chunk), ahead) - 1

    def _features(
        self,
        classified: pa.Table,
        chunk: TradeArrays,
        quotes: pa.Table,
        gaps: pa.Table,
        starts: np.ndarray,
        *,
        ended: bool,
    ) -> pa.Table:
        is_first = self._feature_state is None
        matrix, self._feature_state = continue_decision_features(
            self._feature_state,
            chunk,
            column(classified, "sweep"),
            quote_at_trade_arrays(classified) if self._has_quotes else None,
            session_start_idx=np.zeros(int(is_first and len(chunk) > 0), np.int64),
            gap_idx=starts,
            session_ended=ended,
            settings=self.settings.features,
            ofi=self._order_flow_imbalance(chunk, quotes, gaps),
        )
        if len(matrix):
            self.newest = dict(zip(matrix.names, matrix.values[-1].tolist(), strict=True))
        keys = {
            "clock": constant(CLOCK, len(matrix.t0_ns)),
            "t0_ns": matrix.t0_ns,
            "decision_id": matrix.decision_id,
        }
        return pa.table(keys | dict(zip(matrix.names, matrix.values.T, strict=True)))

    def _order_flow_imbalance(
        self, chunk: TradeArrays, quotes: pa.Table, gaps: pa.Table
    ) -> OfiAtTrade | None:
        if not self._has_quotes or not self._is_stamped:
            return None
        book = quote_arrays(quotes)
        known = [int(ts[0]) for ts in (chunk.ts_event_ns, book.ts_event_ns) if len(ts)]
        self._first_ns = self._first_ns or min(known, default=0)
        ends = column(gaps, "end_ns")
        starts = np.unique(np.concatenate([[self._first_ns], ends[ends > self._first_ns]]))
        try:
            ofi, self._ofi = continue_ofi_at_trade(self._ofi, chunk.ts_event_ns, book, starts)
        except ValueError as error:
            raise NotInOrder(str(error)) from error
        return ofi

    def _bars(
        self, classified: pa.Table, chunk: TradeArrays, starts: np.ndarray, *, ended: bool
    ) -> dict[str, pa.Table]:
        config = self.settings
        index, made, self._bar_state = continue_flow_bars(
            self._bar_state,
            BarClock(kind="time", size=config.bar_seconds * _NS_PER_S),
            chunk,
            session_start_idx=starts,
            ended=ended,
        )
        held = classified if self._open_bar is None else _stacked(self._open_bar, classified)
        n_before = self.n_trades + len(chunk) - len(held)
        n_closed = int(index.end_idx[-1]) - n_before if len(index) else 0
        self._open_bar = held.slice(n_closed).combine_chunks()
        closed = replace(
            index, first_idx=index.first_idx - n_before, end_idx=index.end_idx - n_before
        )
        flows = {name: array for name, array in table_of(made).items() if name != "bars"}
        bars = {"clock": constant(config.bar_clock, len(index))} | bar_columns(closed)
        cells = footprint_cells(
            held.slice(0, n_closed),
            clock=config.bar_clock,
            bar_seconds=config.bar_seconds,
            ticks_per_row=config.row_ticks,
            min_lots=config.min_lots,
        )
        return {BARS: pa.table(bars | table_of(made.bars) | flows), FOOTPRINT: cells}

    def _remember(self, chunk: TradeArrays, starts: np.ndarray) -> None:
        if not len(chunk):
            return
        self.n_trades += len(chunk)
        delta = chunk.qty_lots * chunk.sign
        if len(starts):
            self.cvd_lots = int(delta[starts[-1] :].sum())
        else:
            self.cvd_lots += int(delta.sum())
        self._last = TradeArrays(
            **{name: getattr(chunk, name)[-1:] for name in TradeArrays.__dataclass_fields__}
        )


def _joined(one: TradeArrays, more: TradeArrays) -> TradeArrays:
    names = TradeArrays.__dataclass_fields__
    return TradeArrays(**{n: np.concatenate([getattr(one, n), getattr(more, n)]) for n in names})


def _stacked(one: pa.Table, more: pa.Table) -> pa.Table:
    return pa.concat_tables([one, more]).unify_dictionaries().combine_chunks()


__all__ = ["FlowDay", "FlowSettings", "NotInOrder"]
