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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.coded import CodedTexts
from orchestration.sources.members import Member, must_be_named, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import decimal_units, quote_records, trade_records, with_venue_ids
from orchestration.sources.text_columns import TextColumns, coded, judged, text_columns
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
    names = [str(i) for i in range(7)]
    rows = text_columns(
        member, instrument, kind="trade", names=names, wanted=names[:6], n_fields=(6, 7),
        n_header=0,
    )  # fmt: skip
    is_event = np.zeros(len(rows.number), np.bool_)
    for event, what in _EVENTS.items():
        is_one = pc.equal(rows.fields["1"], event).to_numpy(zero_copy_only=False)
        is_event |= is_one
        if is_one.any():
            rows.other[what] = int(is_one.sum())
    rows.keep(~is_event)
    ts, sign, is_market = _executions(rows, _midnight_ns(member, instrument))
    records = trade_records(
        line=rows.number, ts_event_ns=ts, price=_scaled(rows.fields["4"]),
        qty=coded(rows.fields["3"]), native_sign=sign, is_market=is_market,
    )  # fmt: skip
    trades, gaps = rows.gate.pass_trades(records, source=NAME, unit=member.file.unit, id_step=0)
    order_ids = zip(rows.number.tolist(), rows.fields["2"].to_pylist(), strict=True)
    known_ids = {number: text for number, text in order_ids if text != "0"}
    return make_batch(
        path=member.file.path, instrument=instrument, source=NAME, unit=member.file.unit,
        n_lines=rows.n_lines, trades=with_venue_ids(trades, known_ids), gaps=gaps,
        rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip


def _executions(rows: TextColumns, midnight: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # Time, sign and whether an order made it, of the executions; what is none is refused and goes.
    after, is_time = judged(rows.fields["0"], _clock_ns)
    is_market, is_execution = judged(
        rows.fields["1"], lambda text: int(text != "6") if text in _EXECUTIONS else None
    )
    sign, is_side = judged(rows.fields["5"], _RESTING.get)
    _, is_order = judged(rows.fields["2"], lambda text: 1 if text.isdigit() else None)
    ts = np.where(is_time, midnight + after, 0)
    is_readable, is_good = is_execution & is_time, is_side & is_order
    for is_bad, detail in (
        (~is_readable, "needs seconds after midnight and a type of 1 to 7"),
        (is_readable & ~is_good, "needs an order id and a direction of 1 or -1"),
    ):
        for i in np.flatnonzero(is_bad).tolist():
            rows.gate.refuse_damaged("trade", int(rows.number[i]), detail, ts_ns=int(ts[i]))
    kept = is_readable & is_good
    rows.keep(kept)
    return ts[kept], (sign * is_market)[kept], is_market[kept]


def _scaled(texts: pa.Array) -> CodedTexts:
    found = coded(texts)
    return CodedTexts([text + _SCALE for text in found.distinct], found.code)


def parse_books(member: Member, messages: Member, instrument: Instrument) -> SourceBatch:
    """Read the changes of the best prices and their sizes; see the module's text for the rules.

    Raises
    ------
    SourceError
        Messages and books do not have the same number of lines: nothing says which belong together.
    """
    match = _NAME.fullmatch(member.name)
    n_fields = 4 * int(match[6]) if match else 0
    if not n_fields:
        raise SourceError(member.file.path, "does not say in its name how many levels it has")
    names = [str(i) for i in range(n_fields)]
    rows = text_columns(member, instrument, kind="quote", names=names, wanted=names[:4], n_header=0)
    times = [line.split(b",", 1)[0] for line in messages.file.data.split(b"\n")]
    n_messages = len(times) - (times[-1] == b"")
    if n_messages != rows.n_lines:
        raise SourceError(
            member.file.path,
            f"has {rows.n_lines} lines, its messages have {n_messages}: they are not of one book",
        )
    ts = _keep_changes(rows, times, _midnight_ns(messages, instrument))
    ask, ask_qty, bid, bid_qty = (rows.fields[name] for name in names[:4])
    records = quote_records(
        line=rows.number, ts_event_ns=ts, ask=_scaled(ask), ask_qty=coded(ask_qty),
        bid=_scaled(bid), bid_qty=coded(bid_qty),
    )  # fmt: skip
    quotes = rows.gate.pass_quotes(records, source=NAME, unit=member.file.unit)
    return make_batch(
        path=member.file.path, instrument=instrument, source=NAME, unit=member.file.unit,
        n_lines=rows.n_lines, quotes=quotes, rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip


def _keep_changes(rows: TextColumns, times: Sequence[bytes], midnight: int) -> np.ndarray:
    # Keeps the rows whose best prices or sizes differ from the row before, and returns their times.
    is_changed = np.zeros(len(rows.number), np.bool_)
    is_changed[:1] = True
    is_empty = np.zeros(len(rows.number), np.bool_)
    for texts in map(coded, rows.fields.values()):
        is_changed[1:] |= texts.code[1:] != texts.code[:-1]
        is_empty |= np.array([text in _EMPTY for text in texts.distinct], np.bool_)[texts.code]
    if n_same := int((~is_changed).sum()):
        rows.other["unchanged"] = n_same
    if n_one_sided := int((is_changed & is_empty).sum()):
        rows.other["one_sided"] = n_one_sided
    rows.keep(is_changed & ~is_empty)
    found = [_clock_ns(times[number - 1].decode("latin-1")) for number in rows.number.tolist()]
    is_time = np.array([after is not None for after in found], np.bool_)
    for number in rows.number[~is_time].tolist():
        rows.gate.refuse("quote", number, "malformed", "its message has no readable time")
    rows.keep(is_time)
    return midnight + np.array([after for after in found if after is not None], np.int64)


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
