"""Binance's public archive of trades and best quotes: ZIP, gzip or plain CSV, of a day or a month.

What the files are known to do, and what becomes of it:

- a header or none; times in milliseconds or microseconds, told by magnitude; ``True`` or ``true``;
- rows out of order, or of two months interleaved: records are sorted by their ids;
- the same CSV twice in one ZIP: read once, its lines counted as ``repeated_member``;
- aggregates that the venue declared invalid (no fills: first and last id -1, price and size 0),
  and rows without size: quarantined as ``out_of_range``;
- a file that ends early with a right checksum: ``counts`` says how many seconds the named day or
  month has before the first and after the last record, where that is more than an hour;
- a file of another symbol or market: refused whole.

Aggregates and trades have ids of their own; ``venue_id`` of an aggregate names its fills. There
is no receive time: ``ts_recv_ns`` repeats the event time. Best quotes have two times: the
transaction's is the event time, and ``ts_recv_ns`` is when the venue sent the quote.
"""

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np

from orchestration.sources.binance.layouts import (
    ArchiveName,
    Layout,
    is_header,
    layout_of,
    market_of_header,
    parse_name,
)
from orchestration.sources.binance.packed import Unpacked, unpack
from orchestration.sources.binance.rows import (
    Lines,
    RowRefusedError,
    SteppedGate,
    id_steps,
    read_row,
    refuse_row,
)
from orchestration.sources.gate import QuoteRecords, TradeRecords
from orchestration.sources.markets import COIN_M, FUTURES, USD_M, require_market
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orderflow_core.instrument import EPOCH, Instrument

SOURCE = "binance"
# A layout is told from the first lines: that many may be damaged.
_SNIFFED_LINES = 20
_SNIFFED_BYTES = 1 << 14
_COVER_NS = 3_600_000_000_000
_DAY_NS = 86_400_000_000_000
_SECOND_NS = 1_000_000_000


def read_archive(path: Path, instrument: Instrument) -> SourceBatch:
    """Read one file of the archive.

    Raises
    ------
    SourceError
        The file is damaged, of another symbol or market, or no layout fits its first lines.
    ChecksumMismatchError
        A ``.CHECKSUM`` lies beside it and says something else.
    """
    return parse_archive(unpack(path), instrument)


def parse_archive(unpacked: Unpacked, instrument: Instrument) -> SourceBatch:
    """Read the rows of a file that is unpacked, or being so; see :func:`read_archive`."""
    file = unpacked.file
    head = file.data[:_SNIFFED_BYTES].split(b"\n")[:_SNIFFED_LINES]
    layout = layout_of(head)
    if layout is None:
        raise SourceError(
            file.path,
            f"line 1: no layout of aggTrades, trades or bookTicker fits, got {head[0][:80]!r}",
        )
    name = _require_named(unpacked, layout, instrument)
    header = head[0] if is_header(head[0]) else b""
    require_market(file.path, instrument, {_market(layout, header, name): 1})
    columns, is_good, lines, is_cut = _fast_pass(unpacked, layout, instrument)
    cut_line = len(lines) if is_cut else 0
    gate = SteppedGate(instrument=instrument, lines=lines, cut_line=cut_line)
    other = _slow_pass(gate, layout, columns, is_good)
    kept = np.flatnonzero(is_good)
    rows = {n: columns[i] for i, n in enumerate(layout.fields) if n}
    if len(kept) < len(lines):
        rows = {n: values[kept] for n, values in rows.items()}
    other["repeated_member"] = unpacked.n_repeated_lines
    trades, quotes, gaps = None, None, []
    if layout.kind == "bookTicker":
        quotes = gate.pass_quotes(_quotes(rows, kept), source=SOURCE, unit=file.unit)
    else:
        steps = id_steps(layout.kind, instrument)
        trades, gaps = gate.pass_trades(_trades(rows, kept), source=SOURCE, unit=file.unit, **steps)
    batch = make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit,
        n_lines=len(lines) + unpacked.n_repeated_lines, trades=trades, quotes=quotes, gaps=gaps,
        rejects=gate.rejects, other={k: n for k, n in other.items() if n},
    )  # fmt: skip
    batch.counts.update(_uncovered(batch, name))
    return batch


def _require_named(
    unpacked: Unpacked, layout: Layout, instrument: Instrument
) -> ArchiveName | None:
    # A name in the archive's form must agree with what is in the file and what is asked for.
    path = unpacked.file.path
    found = None
    for text in (path.name, *unpacked.members):
        name = parse_name(text)
        if name is None:
            continue
        found = found or name
        if name.symbol != instrument.venue_symbol.upper():
            raise SourceError(
                path,
                f"{text} is of {name.symbol}, but {instrument.symbol} is "
                f"{instrument.venue_symbol} at the venue: nothing of the file is taken",
            )
        if name.kind != layout.kind:
            raise SourceError(path, f"{text} is named {name.kind}, but its rows are {layout.kind}")
    return found


def _market(layout: Layout, header: bytes, name: ArchiveName | None) -> str:
    market = market_of_header(header, layout)
    if market == FUTURES and name is not None:
        # Only COIN-M contracts are quoted in USD.
        return COIN_M if "USD_" in name.symbol else USD_M
    return market


def _fast_pass(
    unpacked: Unpacked, layout: Layout, instrument: Instrument
) -> tuple[np.ndarray, np.ndarray, Lines, bool]:
    # Imported here: the compiler takes a while to load, and most commands read no archive.
    from orchestration.sources.binance import kernel

    special = {
        "": kernel.SKIP, "price": kernel.PRICE, "bid": kernel.PRICE, "ask": kernel.PRICE,
        "qty": kernel.QTY, "bid_qty": kernel.QTY, "ask_qty": kernel.QTY,
        "time": kernel.TIME, "time_sent": kernel.TIME,
    }  # fmt: skip
    kinds = [special.get(name, kernel.WHOLE) for name in layout.fields]
    for i in layout.flags:
        kinds[i] = kernel.FLAG
    grid = []
    for step in (instrument.price_step, instrument.lot_step):
        _, digits, exponent = step.as_tuple()
        mantissa = int("".join(map(str, digits))) * 10 ** max(int(exponent), 0)
        grid += [max(-int(exponent), 0), mantissa]
    columns, starts, is_good, is_cut = kernel.read_rows(
        chain([unpacked.file.data], unpacked.rest), np.array(kinds, np.int64),
        np.array(grid, np.int64), n_bytes=unpacked.size,
    )  # fmt: skip
    if "first_id" in layout.fields:
        first, last = (columns[layout.fields.index(n)] for n in ("first_id", "last_id"))
        is_good &= first <= last
    # Unpacked once more as far as a refused line needs it, in place of keeping all of it.
    lines = Lines(chain([unpacked.file.data], unpacked.again()), starts)
    return columns, is_good, lines, is_cut


def _slow_pass(
    gate: SteppedGate, layout: Layout, columns: np.ndarray, is_good: np.ndarray
) -> Counter[str]:
    # Rows that the fast pass left: read into their place in the columns, or refused.
    other: Counter[str] = Counter()
    kind = "quote" if layout.kind == "bookTicker" else "trade"
    for i in np.flatnonzero(~is_good).tolist():
        line = gate.lines[i]
        if not line:
            other["blank"] += 1
            continue
        if is_header(line):
            other["header"] += 1
            continue
        try:
            if i + 1 == gate.cut_line and layout.fields[-1] == "time_sent":
                # A number that was cut is still a number; true and false are whole or nothing.
                raise RowRefusedError("truncated", "the last line has no end")
            numbers = read_row(line, layout, gate.instrument)
            _require_order(numbers, layout)
        except RowRefusedError as error:
            refuse_row(gate, kind, i + 1, error)
        else:
            columns[:, i] = numbers
            is_good[i] = True
    return other


def _require_order(numbers: list[int], layout: Layout) -> None:
    if "first_id" not in layout.fields:
        return
    first, last = (numbers[layout.fields.index(name)] for name in ("first_id", "last_id"))
    if last < first:
        error = RowRefusedError("malformed", f"its fills run back, from {first} to {last}")
        error.ts_ns = numbers[layout.fields.index("time")]
        raise error


def _trades(rows: dict[str, np.ndarray], kept: np.ndarray) -> TradeRecords:
    fills = [rows.get(name) for name in ("first_id", "last_id")]
    if fills[0] is None:
        fills = [np.full(len(kept), -1, np.int64)] * 2
    return TradeRecords(
        line=kept + 1, trade_id=rows["trade_id"], ts_event_ns=rows["time"],
        ts_recv_ns=rows["time"], price=rows["price"], qty=rows["qty"],
        native_sign=1 - 2 * rows["is_buyer_maker"].astype(np.int8),
        is_market=np.ones(len(kept), np.int8), first_id=fills[0], last_id=fills[1],
    )  # fmt: skip


def _quotes(rows: dict[str, np.ndarray], kept: np.ndarray) -> QuoteRecords:
    return QuoteRecords(
        line=kept + 1, quote_id=rows["quote_id"], ts_event_ns=rows["time"],
        ts_recv_ns=rows["time_sent"], ts_source=np.zeros(len(kept), np.int64),
        bid=rows["bid"], bid_qty=rows["bid_qty"], ask=rows["ask"], ask_qty=rows["ask_qty"],
    )  # fmt: skip


def _uncovered(batch: SourceBatch, name: ArchiveName | None) -> dict[str, int]:
    # A right checksum proves the transfer, not that the day is whole.
    if name is None or not batch.stored:
        return {}
    first, end = ((d - EPOCH).days * _DAY_NS for d in name.first_and_end())
    found = {
        "uncovered_seconds_at_start": batch.first_ns - first,
        "uncovered_seconds_at_end": end - batch.last_ns,
    }
    return {k: ns // _SECOND_NS for k, ns in found.items() if ns > _COVER_NS}
