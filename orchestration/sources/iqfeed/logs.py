"""Recorded Level 1 streams as batches: the messages of one symbol through the gate.

As with ticks a log yields two batches, one of the trades and one of the quotes. Where the
connection was lost, the quotes have a gap; missing trades show in the total volume.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestration.sources.capture import reconnect_gaps
from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.gate import Gate, QuoteRecords
from orchestration.sources.iqfeed.eastern import eastern_ns, nearest
from orchestration.sources.iqfeed.history import (
    SOURCE,
    check_totals,
    day_ids,
    quote_unit,
    refuse_inversions,
    refuse_repeats,
    select,
    trade_records,
    with_venue_ids,
)
from orchestration.sources.iqfeed.level1 import Best, Messages, columns_of
from orchestration.sources.records import SourceBatch, make_batch
from orderflow_core.instrument import Instrument


def read_log(path: Path, instrument: Instrument) -> list[SourceBatch]:
    """Read one recorded Level 1 stream for one symbol.

    Raises
    ------
    SourceError
        The file cannot be read, or nothing of it is readable.
    """
    return parse_log(read_file(path), instrument)


def parse_log(file: SourceFile, instrument: Instrument) -> list[SourceBatch]:
    """Read the messages of a file that is in memory; see :func:`read_log`."""
    lines, is_cut = split_lines(file.data)
    gate = Gate(instrument=instrument, lines=lines)
    messages = Messages(symbol=instrument.venue_symbol)
    for number, line in enumerate(lines, 1):
        if is_cut and number == len(lines):
            gate.refuse("unknown", number, "truncated", "the last line has no end")
        else:
            messages.take(number, line)
    for number, detail, recv_ns in messages.damaged:
        gate.refuse("unknown", number, "malformed", detail, ts_recv_ns=recv_ns)
    n_damaged = len(gate.rejects)
    trades = _trade_batch(file, instrument, gate, messages)
    quotes = _quote_batch(file, instrument, lines, messages, n_damaged)
    return [trades, quotes] if quotes.offered else [trades]


def _trade_batch(
    file: SourceFile, instrument: Instrument, gate: Gate, messages: Messages
) -> SourceBatch:
    counts: Counter[str] = Counter()
    rows = columns_of(messages.trades)
    told = select(rows, _refuse_timeless(gate, rows))
    stands = _refuse_withdrawn(gate, told, messages, counts)
    rows = select(told, stands)
    rows = select(rows, refuse_repeats(gate, rows))
    rows = select(rows, refuse_inversions(gate, rows))
    rows["id"] = day_ids(rows["date"])
    # What the venue withdrew is in its total volume all the same: it is not missing.
    is_counted = np.isin(told["line"], rows["line"]) | ~stands
    gaps = check_totals(instrument, select(told, is_counted), counts)
    trades, _ = gate.pass_trades(trade_records(rows), source=SOURCE, unit=file.unit, id_step=0)
    trade_lines = {trade.line for trade in messages.trades}
    n_quotes = sum(quote.line not in trade_lines for quote in messages.quotes)
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit,
        n_lines=len(gate.lines), trades=with_venue_ids(trades, rows), gaps=gaps,
        rejects=gate.rejects, other=_told(messages.other, quote=n_quotes), counts=dict(+counts),
    )  # fmt: skip


def _quote_batch(
    file: SourceFile,
    instrument: Instrument,
    lines: Sequence[bytes],
    messages: Messages,
    n_damaged: int,
) -> SourceBatch:
    gate = Gate(instrument=instrument, lines=lines)
    unit = quote_unit(file.unit)
    records = _quote_records(gate, messages.quotes)
    quotes = gate.pass_quotes(records, source=SOURCE, unit=unit)
    told = {quote.line for quote in messages.quotes}
    n_trades = sum(trade.line not in told for trade in messages.trades)
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=unit, n_lines=len(lines),
        quotes=quotes, gaps=reconnect_gaps(quotes, messages.breaks), rejects=gate.rejects,
        other=_told(messages.other, trade=n_trades, damaged=n_damaged),
    )  # fmt: skip


def _told(other: Counter[str], **more: int) -> dict[str, int]:
    return {**other, **{name: n for name, n in more.items() if n}}


def _refuse_timeless(gate: Gate, rows: dict[str, Any]) -> np.ndarray:
    exists = rows["ts"] >= 0
    for i in np.flatnonzero(~exists).tolist():
        detail = f"{rows['time'][i]} is no US Eastern time"
        line, recv = int(rows["line"][i]), int(rows["recv"][i])
        gate.refuse("trade", line, "malformed", detail, ts_recv_ns=recv)
    return exists


def _refuse_withdrawn(
    gate: Gate, rows: dict[str, Any], messages: Messages, counts: Counter[str]
) -> np.ndarray:
    # A withdrawal means the copies told before it; one inserted later under its id stands.
    is_kept = np.ones(len(rows["line"]), np.bool_)
    day = [time[:10] for time in rows["time"]]
    for number, date, center, tick_id in messages.withdrawn:
        same = (rows["center"] == center) & (rows["tick_id"] == tick_id) & (tick_id > 0)
        same &= np.array([d == date for d in day], np.bool_) & (rows["line"] < number) & is_kept
        counts["withdrawals_of_unknown_trades"] += int(not same.any())
        for i in np.flatnonzero(same).tolist():
            detail = f"the venue withdrew it on line {number}"
            line, ts = int(rows["line"][i]), int(rows["ts"][i])
            gate.refuse("trade", line, "conflict", detail, ts_ns=ts)
        is_kept &= ~same
    return is_kept


def _quote_records(gate: Gate, quotes: Sequence[Best]) -> QuoteRecords:
    recv = np.array([quote.recv_ns for quote in quotes], np.int64)
    ts = recv.copy()
    timed = np.array([bool(quote.time) for quote in quotes], np.bool_)
    first, second = eastern_ns([quote.time for quote in quotes if quote.time])
    ts[timed] = nearest(first, second, recv[timed])
    exists = ts >= 0
    for i in np.flatnonzero(~exists).tolist():
        detail = f"{quotes[i].time} is no US Eastern time"
        gate.refuse("quote", quotes[i].line, "malformed", detail, ts_recv_ns=int(recv[i]))
    kept = np.flatnonzero(exists)
    texts = [[quotes[i].texts[k] for i in kept] for k in range(4)]
    line = np.array([quote.line for quote in quotes], np.int64)[kept]
    return QuoteRecords(
        line=line, quote_id=line, ts_event_ns=ts[kept], ts_recv_ns=recv[kept],
        ts_source=(~timed).astype(np.int64)[kept],
        bid=texts[0], bid_qty=texts[1], ask=texts[2], ask_qty=texts[3],
    )  # fmt: skip
