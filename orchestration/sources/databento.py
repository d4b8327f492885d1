"""Databento's DBN files, plain or Zstandard: the schemas ``trades``, ``tbbo``, ``mbp-1``, ``mbo``.

A file's metadata says which instrument id its symbol had on which days; the instrument's
``venue_symbol`` is that symbol (``ESH4``, not ``ES``). Event time is ``ts_event``, receive time
``ts_recv``; prices are whole numbers of 1e-9 and stay exact. ``side`` of a trade is the
aggressor's, N becomes 0. Sequence numbers count packets and repeat, so ``trade_id`` is the number
of the record (the first after the metadata is 1), which also stands for the line, and the sequence
becomes ``venue_id``.

Quotes make a second batch of every file but ``trades``:

``tbbo``
    The best prices that each trade met (see :func:`~orchestration.sources.rows.met_quote_times`).
``mbp-1``
    The best prices after each record that is no trade, where they changed.
``mbo``
    The best prices after the last record of each event, where they changed, of a book put together
    from all orders. It is a book only after the snapshot (or the clear) that a file begins with:
    records before it are counted as ``before_snapshot``. The order times of a snapshot lie far
    back, so the quote at its end has no exchange time. Fills change no book, the cancels and
    changes after them do.

Both batches count every record of the file. One that cannot be read is refused in both, one that is
cut at the file's end as ``truncated``. Records of other instruments of the metadata and of other
types (status, definition, system messages) are counted under ``other``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestration.sources.dbn_records import (
    BESIDE,
    IS_LAST,
    IS_SNAPSHOT,
    LAYOUTS,
    UNDEFINED_PRICE,
    DbnRecord,
    Frames,
    Layout,
    split_records,
)
from orchestration.sources.files import MAX_UNPACKED_BYTES, SourceFile, read_file
from orchestration.sources.gate import END_NS, MAX_ID, Gate
from orchestration.sources.members import must_be_named, part_unit
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.resting_orders import RestingOrders
from orchestration.sources.rows import (
    columns_of,
    met_quote_times,
    quote_records,
    trade_records,
    with_venue_ids,
)
from orderflow_core.instrument import Instrument

NAME = "databento"

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 24
_SIGNS = {b"B": 1, b"A": -1, b"N": 0}
_SCALE = "e-9"
_TRADE, _FILL, _ADD, _MODIFY, _CANCEL, _CLEAR = b"T", b"F", b"A", b"M", b"C", b"R"
# None (N) has no meaning of its own: it may carry flags.
_ACTIONS = frozenset((_TRADE, _FILL, _ADD, _MODIFY, _CANCEL, _CLEAR, b"N"))


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read files: a batch of trades each and, where the schema has them, one of quotes.

    Raises
    ------
    SourceError
        A file cannot be read or unpacked, has another schema, or does not hold the symbol.
    """
    return [batch for path in paths for batch in parse_dbn(_unpacked(path), instrument)]


def _unpacked(path: Path) -> SourceFile:
    file = read_file(path)
    if not file.data.startswith(_ZSTD_MAGIC):
        return file
    parts: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(file.data), "zstd") as stream:
            while part := stream.read(_CHUNK):
                parts.append(part)
                size += len(part)
                if size > MAX_UNPACKED_BYTES:
                    raise SourceError(path, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    except OSError as error:
        raise SourceError(path, f"is a damaged Zstandard file: {error}") from error
    return replace(file, data=b"".join(parts))


@dataclass(slots=True, kw_only=True)
class _Pass:
    # One pass over a file, for its trades or for its quotes.
    file: SourceFile
    instrument: Instrument
    schema: str
    gate: Gate
    records: list[DbnRecord] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


def parse_dbn(file: SourceFile, instrument: Instrument) -> list[SourceBatch]:
    """Read a file that is in memory and unpacked; see :func:`read`."""
    metadata, start = _metadata(file)
    schema = str(metadata.schema)
    if schema not in LAYOUTS:
        raise SourceError(file.path, f"has schema {schema!r}, can be read: {', '.join(LAYOUTS)}")
    periods = _periods(file, metadata, instrument)
    frames, is_cut = split_records(file, start)
    layout = Layout(schema, bool(metadata.ts_out))
    batches = []
    for kind in ("trade",) if schema == "trades" else ("trade", "quote"):
        gate = Gate(instrument=instrument, lines=frames, cut_line=len(frames) if is_cut else 0)
        one = _Pass(file=file, instrument=instrument, schema=schema, gate=gate)
        _sort(one, kind, frames, layout, periods)
        batches.append(_trades(one) if kind == "trade" else _quotes(one))
    # A file of nothing but a snapshot has no trades, and a book that never changes no quotes.
    return [batch for batch in batches if batch.offered] or batches[:1]


def _metadata(file: SourceFile) -> tuple[Any, int]:
    # Importing the package takes a while that other sources need not pay.
    import databento_dbn as dbn

    data = file.data
    start = 8 + int.from_bytes(data[4:8], "little")
    if data[:3] != b"DBN" or len(data) < start:
        raise SourceError(file.path, "is no DBN file: it does not begin with whole metadata")
    try:
        return dbn.Metadata.decode(data[:start]), start
    except (dbn.DBNError, ValueError) as error:
        raise SourceError(file.path, f"has damaged DBN metadata: {error}") from error


_Periods = dict[int, list[tuple[int, int, bool]]]


def _periods(file: SourceFile, metadata: Any, instrument: Instrument) -> _Periods:
    # Instrument id -> [start, end) in ns of each mapping, and whether it is the instrument's.
    if (
        str(metadata.stype_out) != "instrument_id"
        or instrument.venue_symbol not in metadata.mappings
    ):
        held = ", ".join(sorted(metadata.mappings)) or "nothing by instrument id"
        hint = _contracts_hint(instrument, metadata.mappings)
        raise SourceError(file.path, f"does not hold {instrument.venue_symbol}, only: {held}{hint}")
    found: _Periods = {}
    for symbol, intervals in metadata.mappings.items():
        for interval in intervals:
            if not interval["symbol"].isdigit():
                continue
            span = _day_ns(interval["start_date"]), _day_ns(interval["end_date"])
            own = symbol == instrument.venue_symbol
            found.setdefault(int(interval["symbol"]), []).append((*span, own))
    return found


def _contracts_hint(instrument: Instrument, held: Iterable[str]) -> str:
    # Month's letter and last digits of the year: what a root's contracts are called.
    root = re.escape(instrument.venue_symbol)
    contracts = sorted(s for s in held if re.fullmatch(rf"{root}[FGHJKMNQUVXZ][0-9]{{1,2}}", s))
    if not contracts:
        return ""
    return (
        f"; {', '.join(contracts)}: contracts of {instrument.venue_symbol}. A file is read by "
        f'contract: an instrument with venue_symbol = "{contracts[0]}" reads this one'
    )


def _day_ns(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 10**9


def _sort(one: _Pass, kind: str, frames: Frames, layout: Layout, periods: _Periods) -> None:
    for number, frame in enumerate(frames, 1):
        record = layout.unpack(number, frame)
        if record is None:
            if number != one.gate.cut_line and frame[1] in BESIDE:
                one.other[BESIDE[frame[1]]] += 1
            else:
                one.gate.refuse_damaged(kind, number, f"is no whole record of {one.schema}")
            continue
        received = min(record.fields["ts_recv"], MAX_ID)
        owners = [
            own
            for start, end, own in periods.get(record.instrument_id, ())
            if start <= received < end
        ]
        if not owners:
            detail = f"instrument {record.instrument_id} has no symbol at its receive time"
            one.gate.refuse(kind, number, "malformed", detail, ts_ns=_known(record.ts_event))
        elif not any(owners):
            one.other["other_symbol"] += 1
        elif record.fields["action"] not in _ACTIONS or record.fields["side"] not in _SIGNS:
            detail = f"has action {record.fields['action']!r} and side {record.fields['side']!r}"
            one.gate.refuse(kind, number, "malformed", detail, ts_ns=_known(record.ts_event))
        else:
            one.records.append(record)


def _known(ns: int) -> int:
    # An undefined time is the largest number of 64 bits, which no column takes.
    return ns if ns < END_NS else 0


def _trades(one: _Pass) -> SourceBatch:
    kept = [record for record in one.records if record.fields["action"] == _TRADE]
    others = Counter(record.fields["action"] for record in one.records)
    one.other["fill"] += others[_FILL]
    one.other["book_event"] += len(one.records) - len(kept) - others[_FILL]
    records = trade_records(
        line=[record.number for record in kept],
        ts_event_ns=[_known(record.ts_event) for record in kept],
        ts_recv_ns=[_known(record.fields["ts_recv"]) for record in kept],
        price=[f"{record.fields['price']}{_SCALE}" for record in kept],
        qty=[str(record.fields["size"]) for record in kept],
        native_sign=[_SIGNS[record.fields["side"]] for record in kept],
    )
    unit = one.file.unit
    trades, gaps = one.gate.pass_trades(records, source=NAME, unit=unit, id_step=0)
    sequences = {record.number: str(record.fields["sequence"]) for record in kept}
    return make_batch(
        path=one.file.path, instrument=one.instrument, source=NAME, unit=unit,
        n_lines=len(one.gate.lines), trades=with_venue_ids(trades, sequences), gaps=gaps,
        rejects=one.gate.rejects, other={kind: n for kind, n in one.other.items() if n},
    )  # fmt: skip


_Quote = tuple[int, int, int, int, tuple[int, int, int, int]]  # line, event, receipt, source, top


def _quotes(one: _Pass) -> SourceBatch:
    found = {"tbbo": _met, "mbp-1": _after_updates, "mbo": _after_events}[one.schema](one)
    line, ts, received, ts_source, tops = columns_of(found, 5)
    bid, bid_size, ask, ask_size = columns_of(tops, 4)
    records = quote_records(
        line=line, ts_event_ns=ts, ts_recv_ns=received, ts_source=ts_source,
        bid=[f"{price}{_SCALE}" for price in bid], bid_qty=list(map(str, bid_size)),
        ask=[f"{price}{_SCALE}" for price in ask], ask_qty=list(map(str, ask_size)),
    )  # fmt: skip
    unit = part_unit(one.file.unit, "quotes")
    quotes = one.gate.pass_quotes(records, source=NAME, unit=unit)
    return make_batch(
        path=one.file.path, instrument=one.instrument, source=NAME, unit=unit,
        n_lines=len(one.gate.lines), quotes=quotes, rejects=one.gate.rejects,
        other={kind: n for kind, n in one.other.items() if n},
        counts={kind: n for kind, n in one.counts.items() if n},
    )  # fmt: skip


def _top(record: DbnRecord) -> tuple[int, int, int, int] | None:
    names = ("bid", "bid_size", "ask", "ask_size")
    bid, bid_size, ask, ask_size = (record.fields[name] for name in names)
    if UNDEFINED_PRICE in (bid, ask):
        return None
    return bid, bid_size, ask, ask_size


def _quote(record: DbnRecord, top: tuple[int, int, int, int], ts_source: int = 0) -> _Quote:
    received = _known(record.fields["ts_recv"])
    ts = received if ts_source else _known(record.ts_event)
    return record.number, ts, received, ts_source, top


def _met(one: _Pass) -> list[_Quote]:
    found = []
    for record in one.records:
        top = _top(record)
        if top is None:
            one.other["one_sided"] += 1
        else:
            found.append(_quote(record, top))
    times = met_quote_times([ts for _, ts, _, _, _ in found]).tolist()
    return [
        (number, met, received, source, top)
        for (number, _, received, source, top), met in zip(found, times, strict=True)
    ]


def _after_updates(one: _Pass) -> list[_Quote]:
    found: list[_Quote] = []
    last = None
    for record in one.records:
        top = _top(record)
        if record.fields["action"] == _TRADE:
            one.other["trade"] += 1
        elif top is None:
            one.other["one_sided"] += 1
        elif top == last:
            one.other["unchanged"] += 1
        else:
            found.append(_quote(record, top))
        last = last if record.fields["action"] == _TRADE else top
    return found


def _after_events(one: _Pass) -> list[_Quote]:
    found: list[_Quote] = []
    book, last = RestingOrders(), None
    is_book = was_snapshot = False
    for record in one.records:
        flags, action = record.fields["flags"], record.fields["action"]
        is_snapshot = bool(flags & IS_SNAPSHOT)
        if action == _CLEAR or (is_snapshot and not was_snapshot):
            book.clear()
            is_book = True
        was_snapshot = is_snapshot
        _apply(book, action, record.fields)
        top = book.best() if flags & IS_LAST and is_book else last
        if not is_book:
            one.other["before_snapshot"] += 1
        elif action in (_TRADE, _FILL) and top == last:
            one.other["trade" if action == _TRADE else "fill"] += 1
        elif top is None or top == last:
            one.other["book_event"] += 1
        else:
            found.append(_quote(record, top, int(is_snapshot)))
        last = top
    one.counts.update(book.counts)
    return found


def _apply(book: RestingOrders, action: bytes, fields: dict[str, Any]) -> None:
    order_id, price, size = fields["order_id"], fields["price"], fields["size"]
    if action == _CANCEL:
        book.cancel(order_id, size)
    elif action in (_ADD, _MODIFY) and fields["side"] in (b"A", b"B") and price != UNDEFINED_PRICE:
        put = book.add if action == _ADD else book.change
        put(order_id, fields["side"] == b"B", price, size)
