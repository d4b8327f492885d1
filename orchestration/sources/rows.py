"""Rows of delimited text, and the records that readers of such text make of them.

A row is one offered record or one counted under ``other``. What a last row without a line end
means depends on where it came from: a container's checksum vouches for it, a field that no record
uses may be cut without harm, and otherwise it is refused as ``truncated`` even if it can be read:
a size that was cut is still a number.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np
import pyarrow as pa

from orchestration.sources.files import split_lines
from orchestration.sources.gate import Gate, Integers, QuoteRecords, Texts, TradeRecords
from orchestration.sources.members import Member
from orchestration.sources.records import TRADES
from orderflow_core.instrument import Instrument

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}")
_DECIMAL = re.compile(r"([0-9]{1,18})(?:\.([0-9]+))?")


@dataclass(slots=True, kw_only=True)
class Rows:
    """The rows of one text that have the right number of fields; the others are refused already.

    Attributes
    ----------
    member : Member
    gate : Gate
        Knows the lines, and collects what is refused.
    number : list of int
        Line of each row, from 1.
    texts : list of list of str
        Fields of each row; each byte that is no ASCII is one odd character, which no format takes.
    other : Counter
        Lines that are no record, by what they are.
    """

    member: Member
    gate: Gate
    number: list[int] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)

    @property
    def n_lines(self) -> int:
        """Lines of the text."""
        return len(self.gate.lines)


def text_rows(
    member: Member,
    instrument: Instrument,
    *,
    kind: str,
    n_fields: Collection[int],
    delimiter: str = ",",
    n_header: int = 0,
    is_last_field_used: bool = True,
) -> Rows:
    """Split a text into rows.

    Parameters
    ----------
    member : Member
    instrument : Instrument
    kind : str
        What a damaged row counts as: trade or quote.
    n_fields : collection of int
        Numbers of fields that a row may have.
    delimiter : str
        One ASCII character.
    n_header : int
        Leading lines that name the columns.
    is_last_field_used : bool
        False where a cut last field harms no record.
    """
    lines, is_cut = split_lines(member.file.data)
    is_cut &= not member.is_sealed
    gate = Gate(instrument=instrument, lines=lines, cut_line=len(lines) if is_cut else 0)
    rows = Rows(member=member, gate=gate)
    if n_header:
        rows.other["header"] = min(n_header, len(lines))
    for number, line in enumerate(lines[n_header:], n_header + 1):
        # latin-1 maps every byte to a character, so damage reaches the parsers as it is.
        texts = line.decode("latin-1").split(delimiter)
        if number == gate.cut_line and is_last_field_used:
            gate.refuse(kind, number, "truncated", "the last line has no end")
        elif len(texts) in n_fields:
            rows.number.append(number)
            rows.texts.append(texts)
        elif line:
            wanted = " or ".join(map(str, sorted(n_fields)))
            gate.refuse_damaged(kind, number, f"must have {wanted} fields, has {len(texts)}")
        else:
            rows.other["blank"] += 1
    return rows


def columns_of(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return rows of equal width as columns, empty ones where there is no row."""
    return [[row[i] for row in rows] for i in range(width)]


def decimal_units(text: str, places: int) -> int | None:
    """Return a decimal number, not negative, in units of ``10 ** -places``; None for other text.

    Examples
    --------
    >>> decimal_units("34200.004241176", 9)
    34200004241176
    >>> decimal_units("1.2345", 3) is None
    True
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > places:
        return None
    return int(match[1]) * 10**places + int(fraction.ljust(places, "0") or "0")


def local_second(day: str, clock: str, zone: tzinfo) -> int | None:
    """Return the epoch second of a local ``YYYY-MM-DD`` and ``HH:MM:SS``; None for other text.

    Notes
    -----
    In the hour that autumn's change of clocks repeats, the first pass is meant; what spring's
    change skips is no time.
    """
    if _DATE.fullmatch(day) is None or _CLOCK.fullmatch(clock) is None:
        return None
    try:
        local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
        utc = local.astimezone(UTC)
        is_real = utc.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    second = int(utc.timestamp())
    return second if is_real and 0 <= second < 9_000_000_000 else None


def whole_number(text: str, limit: int = 1 << 63) -> int | None:
    """Return a whole number from 0 below ``limit``; None for other text."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    value = int(text)
    return value if value < limit else None


def trade_records(
    *,
    line: Integers,
    ts_event_ns: Integers,
    price: Texts,
    qty: Texts,
    native_sign: Integers,
    trade_id: Integers | None = None,
    ts_recv_ns: Integers | None = None,
    is_market: Integers | None = None,
) -> TradeRecords:
    """Put trades together; what a format does not say is filled in.

    Notes
    -----
    Without ids ``trade_id`` is the line, without a receive time it is the event time.
    """
    none = np.full(len(line), -1, np.int64)
    return TradeRecords(
        line=line,
        trade_id=line if trade_id is None else trade_id,
        ts_event_ns=ts_event_ns,
        ts_recv_ns=ts_event_ns if ts_recv_ns is None else ts_recv_ns,
        price=price,
        qty=qty,
        native_sign=native_sign,
        is_market=np.ones(len(line), np.int64) if is_market is None else is_market,
        first_id=none,
        last_id=none,
    )


def quote_records(
    *,
    line: Integers,
    ts_event_ns: Integers,
    bid: Texts,
    bid_qty: Texts,
    ask: Texts,
    ask_qty: Texts,
    quote_id: Integers | None = None,
    ts_recv_ns: Integers | None = None,
    ts_source: Integers | None = None,
) -> QuoteRecords:
    """Put quotes together; without ids ``quote_id`` is the line."""
    return QuoteRecords(
        line=line,
        quote_id=line if quote_id is None else quote_id,
        ts_event_ns=ts_event_ns,
        ts_recv_ns=ts_event_ns if ts_recv_ns is None else ts_recv_ns,
        ts_source=np.zeros(len(line), np.int64) if ts_source is None else ts_source,
        bid=bid,
        bid_qty=bid_qty,
        ask=ask,
        ask_qty=ask_qty,
    )


def with_venue_ids(trades: pa.Table, text_of_line: dict[int, str]) -> pa.Table:
    """Return the trades with the vendor's own ids, which are no numbers in order, beside ours."""
    texts = [text_of_line.get(line, "") for line in trades["line"].to_pylist()]
    at = trades.schema.get_field_index("venue_id")
    return trades.set_column(at, TRADES.field("venue_id"), pa.array(texts, pa.string()))


def met_quote_times(trade_ns: Any) -> np.ndarray:
    """Return the times of quotes that a vendor prints beside the trades that met them.

    Parameters
    ----------
    trade_ns : array_like of int64, shape (n,)
        Times of the trades in the order of trading.

    Returns
    -------
    ndarray of int64, shape (n,), non-decreasing where the trades' times are

    Notes
    -----
    The quote stood before its trade; how long is not known. Quotes are joined strictly before a
    trade, so the quote of the first trade of a time is put one nanosecond earlier. The quote beside
    a later trade of the same time stood between the two, and the earlier must not see it: it
    keeps that time.

    Examples
    --------
    >>> met_quote_times([10, 20, 20, 30])
    array([ 9, 19, 20, 29])
    """
    ts = np.array(trade_ns, np.int64)
    if not len(ts):
        return ts
    latest = np.maximum.accumulate(ts)
    is_first = np.concatenate([[True], ts[1:] > latest[:-1]])
    return ts - is_first
