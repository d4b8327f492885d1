"""The two samples as arrays: a day of the E-mini, and half an hour of Bitstamp with its quotes."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from orchestration.arrays import column, quote_arrays
from orchestration.instruments import load_instruments
from orchestration.sources.bitstamp import read_bitstamp
from orchestration.sources.emini import read_emini
from orderflow_core.bars import time_bar_index
from orderflow_core.flow_bars import FlowBars, flow_bars
from orderflow_core.footprint import FootprintCells, footprint
from orderflow_core.instrument import Instrument
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import BarIndex, Int8, Int64, QuoteArrays, TradeArrays

EMINI_DAY = date(2013, 9, 3)
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What pictures are drawn from: one stretch of one market."""

    instrument: Instrument
    rows: pa.Table  # of raw.trades, as they are published
    trades: TradeArrays
    sweep: Int64
    bars: BarIndex
    flow: FlowBars
    cells: FootprintCells
    row_ticks: int
    quotes: QuoteArrays | None = None

    def price(self, ticks: object) -> object:
        """Return ticks as prices."""
        return self.instrument.ticks_to_price(ticks)


def emini(csv_path: Path) -> Picture:
    """Return the E-mini's session of 2013-09-03, signed by the tick rule, in minute bars."""
    known = load_instruments()["ES"]
    rows = read_emini(csv_path, known).trades
    start, end = known.trading_day_window(EMINI_DAY)
    ts = column(rows, "ts_event_ns")
    rows = rows.filter(pa.array((ts >= start) & (ts < end)))
    return _picture(known, rows, None, bar_seconds=60, row_ticks=1)


def bitstamp(orders: Path, trades: Path) -> Picture:
    """Return the half hour of BTC/USD with the venue's own sides, in bars of ten seconds."""
    known = load_instruments()["BTCUSD.BITSTAMP"]
    batches = read_bitstamp(orders, trades, known)
    rows = next(batch.trades for batch in batches if len(batch.trades))
    quotes = next(batch.quotes for batch in batches if len(batch.quotes))
    return _picture(known, rows, quote_arrays(quotes), bar_seconds=10, row_ticks=500)


def _picture(
    known: Instrument,
    rows: pa.Table,
    quotes: QuoteArrays | None,
    *,
    bar_seconds: int,
    row_ticks: int,
) -> Picture:
    ts, ids, price, lots = (
        column(rows, name) for name in ("ts_event_ns", "trade_id", "price_ticks", "qty_lots")
    )
    sign: Int8 = column(rows, "native_sign") if quotes is not None else tick_rule(price)[0]
    bars = time_bar_index(ts, bar_seconds * _NS_PER_S)
    return Picture(
        instrument=known,
        rows=rows,
        trades=TradeArrays(
            ts_event_ns=ts, trade_id=ids, price_ticks=price, qty_lots=lots, sign=sign
        ),
        sweep=assign_sweeps(ts, ids, price, sign, max_id_step=0),
        bars=bars,
        flow=flow_bars(price, lots, sign, bars, session_start_idx=[0]),
        cells=footprint(price, lots, sign, bars, ticks_per_row=row_ticks),
        row_ticks=row_ticks,
        quotes=quotes,
    )
