"""Tables of the user's own: delimited text (plain, gzip, zip), Parquet and Feather.

What the columns are is told by a :class:`~orchestration.sources.column_map.ColumnMap`, which stands
in ``$ORDERFLOW_HOME/instruments.toml`` under the instrument. Numbers are taken as the text that the
file has; floating-point columns of Parquet as the decimal that was written
(:func:`~orchestration.sources.whole_tables.decimal_texts`). Text in quotation marks must not hold the
delimiter.

Ids that are whole numbers (also as ``17.0`` or ``1.7E1``) order the records. Where most are not,
or there are none, the id is the line of a text, or the row of a table, and other ids become
``venue_id``.
A row that has a trade and the quote that it met gives two batches
(:func:`~orchestration.sources.rows.met_quote_times` says what time such a quote has).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from orchestration.sources.column_map import ColumnMap, column_maps, fitting
from orchestration.sources.files import SourceFile, read_file
from orchestration.sources.gate import MAX_ID, Gate, TradeRecords, epoch_text_ns
from orchestration.sources.mapped_texts import TextTable, arrow_table, text_map, text_table
from orchestration.sources.members import Member, must_be_named, part_unit, read_members
from orchestration.sources.records import SourceBatch, make_batch
from orchestration.sources.rows import (
    local_second,
    met_quote_times,
    quote_records,
    trade_records,
    whole_number,
    with_venue_ids,
)
from orchestration.sources.text_columns import plain_digits, text_columns
from orchestration.sources.whole_tables import (
    FEATHER_MAGIC,
    PARQUET_MAGIC,
    RowTexts,
    plain_trades,
    read_arrow,
)
from orderflow_core.instrument import Instrument

NAME = "generic"

_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?"
)
_NUMBER = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}(?:[eE]\+?[0-9]{1,2})?")
_MAKER = {"true": -1, "false": 1, "1": -1, "0": 1}


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(
    paths: Sequence[Path], instrument: Instrument, *, maps: Sequence[ColumnMap] = ()
) -> list[SourceBatch]:
    """Read files: a batch of trades, one of quotes, or both, each.

    Parameters
    ----------
    paths : sequence of Path
    instrument : Instrument
    maps : sequence of ColumnMap
        What a file's columns may be, the first that fits counts; without any those of the
        installation's ``instruments.toml``.

    Raises
    ------
    SourceError
        A file cannot be read, or has not the columns of any map.
    """
    if not maps:
        from orchestration.config import Settings

        maps = column_maps(instrument.symbol, Settings().root / "instruments.toml")
    return [
        batch
        for path in paths
        for member in _members(path)
        for batch in parse_table(member, instrument, maps)
    ]


def _members(path: Path) -> list[Member]:
    file = read_file(path)
    if file.data.startswith((PARQUET_MAGIC, FEATHER_MAGIC)):
        return [Member(name=path.name, file=file, is_sealed=True)]
    return read_members(path)


def parse_table(
    member: Member, instrument: Instrument, maps: Sequence[ColumnMap]
) -> list[SourceBatch]:
    """Read one text or table; see :func:`read`."""
    is_binary = member.file.data.startswith((PARQUET_MAGIC, FEATHER_MAGIC))
    plain = (_plain_trades if is_binary else _plain_text_trades)(member, instrument, maps)
    if plain is not None:
        return [plain]
    load = arrow_table if is_binary else text_table
    batches = []
    chosen: ColumnMap | None = None
    for kind in ("trade", "quote"):
        if chosen is not None and not getattr(chosen, f"has_{kind}s"):
            continue
        chosen, table = load(member, instrument, maps, kind)
        if not getattr(chosen, f"has_{kind}s"):
            continue
        _own_symbol(table, kind, instrument)
        is_trade = kind == "trade"
        batches.append(_trades(table, chosen) if is_trade else _quotes(table, instrument, chosen))
    return [batch for batch in batches if batch.offered] or batches[:1]


# -- from texts to records ------------------------------------------------------------------------


def _own_symbol(table: TextTable, kind: str, instrument: Instrument) -> None:
    symbols = table.columns.get("symbol")
    if symbols is None:
        return
    for line, symbol in zip(table.line, symbols, strict=True):
        if not symbol or not symbol.isprintable() or not symbol.isascii():
            table.gate.refuse_damaged(kind, line, f"{symbol[:40]!r} is no symbol")
        elif symbol != instrument.venue_symbol:
            table.other["other_symbol"] += 1
    table.keep([symbol == instrument.venue_symbol for symbol in symbols])


def _timed(table: TextTable, kind: str, zone: tzinfo) -> tuple[list[int], list[int]]:
    # Event and receive times of the rows that have both; the others are refused and dropped.
    seconds: dict[tuple[str, ...], int | None] = {}
    ts = [_time_ns(text, zone, seconds) for text in table.columns["time"]]
    texts = table.columns.get("recv_time")
    received = ts if texts is None else [_time_ns(text, zone, seconds) for text in texts]
    is_timed = [a is not None and b is not None for a, b in zip(ts, received, strict=True)]
    for i in np.flatnonzero(~np.array(is_timed, np.bool_)).tolist():
        detail = f"time {table.columns['time'][i][:40]!r} is no epoch and no ISO 8601"
        table.gate.refuse_damaged(kind, table.line[i], detail, ts_ns=ts[i] or 0)
    table.keep(is_timed)
    return [t for t, ok in zip(ts, is_timed, strict=True) if ok and t is not None], [
        t for t, ok in zip(received, is_timed, strict=True) if ok and t is not None
    ]


def _time_ns(text: str, zone: tzinfo, seconds: dict[tuple[str, ...], int | None]) -> int | None:
    ns = epoch_text_ns(text)
    if ns is not None:
        return ns
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, is_utc, sign, hours, minutes = match.groups()
    key = (day, clock, is_utc or "", sign or "", hours or "", minutes or "")
    if key not in seconds:
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            if offset >= timedelta(hours=24) or int(minutes) > 59:
                return None
            zone = timezone(offset if sign == "+" else -offset)
        seconds[key] = local_second(day, clock, UTC if is_utc else zone)
    second = seconds[key]
    return None if second is None else second * 10**9 + int((fraction or "").ljust(9, "0"))


def _ids(table: TextTable, kind: str) -> tuple[list[int], dict[int, str]]:
    # Ids that order the rows, and the venue's own where those do not; a lone odd id is refused.
    texts = table.columns.get("id")
    if texts is None:
        return table.line, {}
    ids = [_whole_id(text) for text in texts]
    n_odd = ids.count(None)
    if 2 * n_odd >= len(ids):
        return table.line, dict(zip(table.line, texts, strict=True))
    if n_odd:
        for i, value in enumerate(ids):
            if value is None:
                detail = f"id {texts[i][:40]!r} is no whole number"
                table.gate.refuse_damaged(kind, table.line[i], detail)
        table.keep([value is not None for value in ids])
    return [value for value in ids if value is not None], {}


def _whole_id(text: str) -> int | None:
    if text.isdigit():
        return whole_number(text)
    # A program that took ids for floating-point numbers wrote them as such.
    if _NUMBER.fullmatch(text) is None:
        return None
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() and value <= MAX_ID else None


def _signs(table: TextTable, one: ColumnMap) -> list[int]:
    # Rows without a known side are refused and dropped.
    name = "side" if one.side is not None else "maker"
    texts = table.columns.get(name)
    if texts is None:
        return [0] * len(table.line)
    words = _words(one)
    known = {text: words.get(text.lower()) for text in set(texts)}
    signs = [known[text] for text in texts]
    if None in signs:
        for i, sign in enumerate(signs):
            if sign is None:
                detail = f"{name} {texts[i][:40]!r} is no known word"
                table.gate.refuse_damaged("trade", table.line[i], detail)
        table.keep([sign is not None for sign in signs])
    return [sign for sign in signs if sign is not None]


def _words(one: ColumnMap) -> Mapping[str, int]:
    if one.side is None:
        return _MAKER
    return {
        word.lower(): sign
        for sign, given in ((0, one.unknown), (-1, one.sell), (1, one.buy))
        for word in given
    }


def _plain_trades(
    member: Member, instrument: Instrument, maps: Sequence[ColumnMap]
) -> SourceBatch | None:
    # A table of trades without anything unusual, as nearly all are; None for any other.
    rows = read_arrow(member.file)
    one = fitting(
        [m for m in maps if m.has_header], {n: i for i, n in enumerate(rows.schema.names)}
    )
    if one is None or one.has_quotes:
        return None
    records = plain_trades(rows, one, instrument.venue_symbol, _words(one))
    if records is None:
        return None
    return _gated(member.file, Gate(instrument=instrument, lines=RowTexts(rows)), records, one)


def _plain_text_trades(
    member: Member, instrument: Instrument, maps: Sequence[ColumnMap]
) -> SourceBatch | None:
    # The same of a text.
    one, width, at = text_map(member, instrument, maps)
    if one.has_quotes or b'"' in member.file.data:
        return None
    fields = [str(i) for i in range(width)]
    text = text_columns(
        member, instrument, kind="trade", names=fields, wanted=[fields[i] for i in at.values()],
        delimiter=one.delimiter, n_header=int(one.has_header),
        is_last_field_used=width - 1 in at.values(),
    )  # fmt: skip
    if text.gate.rejects or text.other["blank"]:
        return None
    columns = {name: text.fields[fields[i]] for name, i in at.items()}
    for name in {"time", "recv_time", "id"} & columns.keys():
        numbers, is_plain = plain_digits(columns[name])
        if not is_plain.all():
            return None
        columns[name] = pa.array(numbers)
    rows = pa.table({str(one.columns()[name]): values for name, values in columns.items()})
    records = plain_trades(
        rows, one, instrument.venue_symbol, _words(one), first_line=1 + int(one.has_header)
    )
    return (
        None if records is None else _gated(member.file, text.gate, records, one, None, +text.other)
    )


def _trades(table: TextTable, one: ColumnMap) -> SourceBatch:
    signs = _signs(table, one)
    # Each step may drop rows, so the columns before it are carried beside the others.
    table.columns["sign"] = [str(sign) for sign in signs]
    _, venue_ids = ids = _ids(table, "trade")
    table.columns["own_id"] = [str(value) for value in ids[0]]
    ts, received = _timed(table, "trade", ZoneInfo(one.timezone))
    records = trade_records(
        line=table.line, trade_id=[int(text) for text in table.columns["own_id"]],
        ts_event_ns=ts, ts_recv_ns=received,
        native_sign=[int(text) for text in table.columns["sign"]],
        price=table.columns["price"], qty=table.columns["qty"],
    )  # fmt: skip
    return _gated(table.file, table.gate, records, one, venue_ids, table.other)


def _gated(
    file: SourceFile,
    gate: Gate,
    records: TradeRecords,
    one: ColumnMap,
    venue_ids: Mapping[int, str] | None = None,
    other: Mapping[str, int] | None = None,
) -> SourceBatch:
    has_ids = one.id is not None and not venue_ids
    trades, gaps = gate.pass_trades(
        records, source=NAME, unit=file.unit,
        id_step=gate.instrument.max_id_step if has_ids else 0,
    )  # fmt: skip
    return make_batch(
        path=file.path, instrument=gate.instrument, source=NAME, unit=file.unit,
        n_lines=len(gate.lines), gaps=gaps, rejects=gate.rejects,
        trades=with_venue_ids(trades, dict(venue_ids)) if venue_ids else trades,
        other=dict(other or {}),
    )  # fmt: skip


def _quotes(table: TextTable, instrument: Instrument, one: ColumnMap) -> SourceBatch:
    ids, _ = _ids(table, "quote")
    table.columns["own_id"] = [str(value) for value in ids]
    ts, received = _timed(table, "quote", ZoneInfo(one.timezone))
    ids = [int(text) for text in table.columns["own_id"]]
    times, unit = np.array(ts, np.int64), table.file.unit
    if one.has_trades:
        order = np.argsort(ids, kind="stable")
        times[order], unit = met_quote_times(times[order]), part_unit(unit, "quotes")
    sizes = [format(instrument.lot_step, "f")] * len(ids)
    records = quote_records(
        line=table.line, quote_id=ids, ts_event_ns=times, ts_recv_ns=received,
        bid=table.columns["bid"], bid_qty=table.columns.get("bid_qty", sizes),
        ask=table.columns["ask"], ask_qty=table.columns.get("ask_qty", sizes),
    )  # fmt: skip
    quotes = table.gate.pass_quotes(records, source=NAME, unit=unit)
    counts = {"quotes_without_size": len(quotes)} if one.bid_qty is None and len(quotes) else {}
    return make_batch(
        path=table.file.path, instrument=instrument, source=NAME, unit=unit,
        n_lines=len(table.gate.lines), quotes=quotes, rejects=table.gate.rejects,
        other=dict(table.other), counts=counts,
    )  # fmt: skip
