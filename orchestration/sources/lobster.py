"""LOBSTER: messages and order books of a NASDAQ symbol, as the zip it comes in or unpacked.

Files are named ``TICKER_date_start_end_message_LEVELS.csv`` and ``..._orderbook_...``; line n of
the book is the book after message n. Times are seconds after the exchange's midnight (the
instrument's ``timezone``), prices are dollars x 10,000.

Trades are the executions of visible (4) and hidden (5) orders; ``native_sign`` is the reverse of
the direction, which is that of the resting order. A cross (6) had no aggressor: its sign is 0 and
no market order made it. The order's id, or nothing for a hidden one, becomes ``venue_id``;
``trade_id`` is the line. Halts (7) and changes of orders (1, 2, 3) are counted under ``other``.

Quotes are the books whose best price or size differs from the book before. An empty side, which
LOBSTER fills with +-9999999999, gives no quote.

A file of messages and one of books are two batches. A file of books alone finds the messages, which
have the times, beside itself under the name that LOBSTER gave them.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestration.sources.members import Member, must_be_named, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import (
    decimal_units,
    quote_records,
    text_rows,
    trade_records,
    with_venue_ids,
)
from orderflow_core.instrument import DAY_NS, Instrument

NAME = "lobster"

_NAME = re.compile(
    r"(.+)_([0-9]{4}-[0-9]{2}-[0-9]{2})_([0-9]+)_([0-9]+)_(message|orderbook)_([0-9]+)\.csv"
)
_EVENTS = {"1": "submission", "2": "cancellation", "3": "deletion", "7": "halt"}
_EXECUTIONS = frozenset("456")
_RESTING = {"-1": 1, "1": -1}
_EMPTY = frozenset(("9999999999", "-9999999999"))
_SCALE = "e-4"


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read files: a batch of trades for each text of messages, one of quotes for each of books."""
    return [batch for path in paths for batch in read_lobster(path, instrument)]


def read_lobster(path: Path, instrument: Instrument) -> list[SourceBatch]:
    """Read one zip, one file of messages, or one of books.

    Raises
    ------
    SourceError
        The file cannot be read or unpacked, holds nothing of the symbol, or messages and books do
        not have the same number of lines.
    """
    members = {member.name: member for member in read_members(path)}
    if len(members) == 1:
        members |= _messages_beside(path, next(iter(members)))
    batches = []
    for name, member in members.items():
        match = _NAME.fullmatch(name)
        if match is None or match[1] != instrument.venue_symbol:
            continue
        if match[5] == "message":
            if member.file.path == path or member.is_sealed:
                batches.append(parse_messages(member, instrument))
            continue
        messages = members.get(_message_name(name))
        if messages is None:
            raise SourceError(
                member.file.path, f"has no times without {_message_name(name)}, which is not there"
            )
        batches.append(parse_books(member, messages, instrument))
    if not batches:
        held = ", ".join(sorted(members))
        raise SourceError(path, f"holds no file of {instrument.venue_symbol}, only: {held}")
    return [batch for batch in batches if batch.offered] or batches[:1]


def _message_name(name: str) -> str:
    return name.replace("_orderbook_", "_message_")


def _messages_beside(path: Path, name: str) -> dict[str, Member]:
    beside = path.with_name(_message_name(path.name))
    if "_orderbook_" not in name or not beside.is_file():
        return {}
    return {member.name: member for member in read_members(beside)}


def parse_messages(member: Member, instrument: Instrument) -> SourceBatch:
    """Read the executions among the messages; see the module's text for the rules."""
    rows = text_rows(member, instrument, kind="trade", n_fields=(6, 7))
    gate, midnight = rows.gate, _midnight_ns(member, instrument)
    kept: list[tuple[int, int, list[str], int]] = []
    for number, texts in zip(rows.number, rows.texts, strict=True):
        event, after = texts[1], _clock_ns(texts[0])
        if event in _EVENTS:
            rows.other[_EVENTS[event]] += 1
        elif event not in _EXECUTIONS or after is None:
            detail = "needs seconds after midnight and a type of 1 to 7"
            gate.refuse_damaged(
                "trade", number, detail, ts_ns=0 if after is None else midnight + after
            )
        elif texts[5] not in _RESTING or not texts[2].isdigit():
            detail = "needs an order id and a direction of 1 or -1"
            gate.refuse_damaged("trade", number, detail, ts_ns=midnight + after)
        else:
            sign = 0 if event == "6" else _RESTING[texts[5]]
            kept.append((number, midnight + after, texts, sign))
    records = trade_records(
        line=[number for number, _, _, _ in kept],
        ts_event_ns=[ts for _, ts, _, _ in kept],
        price=[texts[4] + _SCALE for _, _, texts, _ in kept],
        qty=[texts[3] for _, _, texts, _ in kept],
        native_sign=[sign for _, _, _, sign in kept],
        is_market=[int(texts[1] != "6") for _, _, texts, _ in kept],
    )
    trades, gaps = gate.pass_trades(records, source=NAME, unit=member.file.unit, id_step=0)
    order_ids = {number: texts[2] for number, _, texts, _ in kept if texts[2] != "0"}
    return make_batch(
        path=member.file.path, instrument=instrument, source=NAME, unit=member.file.unit,
        n_lines=rows.n_lines, trades=with_venue_ids(trades, order_ids), gaps=gaps,
        rejects=gate.rejects, other=dict(rows.other),
    )  # fmt: skip


def parse_books(member: Member, messages: Member, instrument: Instrument) -> SourceBatch:
    """Read the changes of the best prices and their sizes; see the module's text for the rules.

    Raises
    ------
    SourceError
        Messages and books do not have the same number of lines: nothing says which belong together.
    """
    match = _NAME.fullmatch(member.name)
    n_fields = 4 * int(match[6]) if match else 0
    rows = text_rows(member, instrument, kind="quote", n_fields=(n_fields,))
    times = [line.split(b",", 1)[0] for line in messages.file.data.split(b"\n")]
    n_messages = len(times) - (times[-1] == b"")
    if n_messages != rows.n_lines:
        raise SourceError(
            member.file.path,
            f"has {rows.n_lines} lines, its messages have {n_messages}: they are not of one book",
        )
    kept: list[tuple[int, int, list[str]]] = []
    midnight, last = _midnight_ns(messages, instrument), [""]
    for number, texts in zip(rows.number, rows.texts, strict=True):
        top = texts[:4]
        if top == last:
            rows.other["unchanged"] += 1
            continue
        last = top
        after = _clock_ns(times[number - 1].decode("latin-1"))
        if not _EMPTY.isdisjoint(top):
            rows.other["one_sided"] += 1
        elif after is None:
            rows.gate.refuse("quote", number, "malformed", "its message has no readable time")
        else:
            kept.append((number, midnight + after, top))
    records = quote_records(
        line=[number for number, _, _ in kept],
        ts_event_ns=[ts for _, ts, _ in kept],
        ask=[top[0] + _SCALE for _, _, top in kept],
        ask_qty=[top[1] for _, _, top in kept],
        bid=[top[2] + _SCALE for _, _, top in kept],
        bid_qty=[top[3] for _, _, top in kept],
    )
    quotes = rows.gate.pass_quotes(records, source=NAME, unit=member.file.unit)
    return make_batch(
        path=member.file.path, instrument=instrument, source=NAME, unit=member.file.unit,
        n_lines=rows.n_lines, quotes=quotes, rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip


def _midnight_ns(member: Member, instrument: Instrument) -> int:
    match = _NAME.fullmatch(member.name)
    if match is None:
        raise SourceError(member.file.path, "is not named as LOBSTER names its files")
    try:
        day = date.fromisoformat(match[2])
    except ValueError as error:
        raise SourceError(member.file.path, f"names no day: {error}") from error
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(instrument.timezone))
    return int(local.astimezone(UTC).timestamp()) * 10**9


def _clock_ns(text: str) -> int | None:
    after = decimal_units(text, 9)
    return after if after is not None and after < DAY_NS else None
