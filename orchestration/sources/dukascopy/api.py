"""Answers of Dukascopy's tick API, as files and as the log of a live client.

``GET /v1/ticks/EUR-USD/2026/7/13/12`` (the month counts from 1) answers with one JSON object: the
bases ``timestamp`` (ms), ``ask`` and ``bid``, the ``multiplier`` of prices, and five columns. A
time is the base plus the sum of ``times`` so far, a price the base plus the sum of ``asks`` or
``bids`` times the multiplier; ``askVolumes`` and ``bidVolumes`` are units of the base currency.
An hour without quotes has empty columns and null bases. Numbers are read as text, so decimals
stay exact.

A log has one answer a line, behind the time at which it was received::

    1783944062410512345 {"timestamp":1783944000000,...}

Answers of one log overlap; the gate drops what an earlier line brought.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from orchestration.sources.dukascopy.bi5 import HOUR_MS, Hour
from orchestration.sources.dukascopy.codes import LISTINGS, api_code, require_venue
from orchestration.sources.dukascopy.quotes import (
    MAX_MS,
    MS,
    QuoteRows,
    Records,
    Sizes,
    Undecoded,
    concatenate,
    price_texts,
    quote_batch,
    require_plausible,
)
from orchestration.sources.files import SourceFile, split_lines
from orchestration.sources.gate import epoch_text_ns
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

COLUMNS = ("times", "asks", "bids", "askVolumes", "bidVolumes")
_BASES = ("timestamp", "multiplier", "ask", "bid")
# A step larger than this is no step of a price or a time, and sums of it would wrap around.
_MAX_STEP = 10**12
_MAX_ROWS = 4_000_000
_DAY_MS = 24 * HOUR_MS
# How far a base may lie from a whole number of points: doubles are printed in full.
_BASE_TOLERANCE = Decimal("0.001")
_LOG_LINE = re.compile(rb"([0-9]{9,20}(?:\.[0-9]{1,9})?):? +(.*)", re.DOTALL)
_PATH = re.compile(
    r"(?:^|/)([A-Z0-9.]+-[A-Z]{3})/([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})/([0-9]{1,2})\.json$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One decoded answer: columns of equal length, sizes still as the vendor wrote them."""

    ts_ms: np.ndarray
    ask_points: np.ndarray
    bid_points: np.ndarray
    point: Decimal
    ask_size: list[Any]
    bid_size: list[Any]

    def __len__(self) -> int:
        return len(self.ts_ms)

    def text(self, i: int) -> bytes:
        """Return record ``i`` as text: ms, ask, bid, ask size, bid size."""
        ask, bid = (f"{int(p[i]) * self.point:f}" for p in (self.ask_points, self.bid_points))
        return f"{self.ts_ms[i]},{ask},{bid},{self.ask_size[i]},{self.bid_size[i]}".encode()


_NOTHING = Answer(
    ts_ms=np.empty(0, np.int64), ask_points=np.empty(0, np.int64),
    bid_points=np.empty(0, np.int64), point=Decimal(1), ask_size=[], bid_size=[],
)  # fmt: skip


def hour_path(code: str, start_ms: int) -> str:
    """Return the path of an hour in the API, without a leading slash.

    Examples
    --------
    >>> hour_path("EUR-USD", 1_783_944_000_000)  # 2026-07-13 12:00 UTC
    'EUR-USD/2026/7/13/12'
    """
    at = datetime.fromtimestamp(start_ms // 1000, UTC)
    return f"{code}/{at.year}/{at.month}/{at.day}/{at.hour}"


def hour_of(path: Path) -> Hour | None:
    """Return instrument and hour that a path names; None when it has another layout.

    Raises
    ------
    SourceError
        It has the layout and names an hour that does not exist.
    """
    match = _PATH.search(path.absolute().as_posix())
    if match is None:
        return None
    year, month, day, hour = map(int, match.groups()[1:])
    try:
        start = datetime(year, month, day, hour, tzinfo=UTC)
    except ValueError as error:
        raise SourceError(path, f"its path names no hour: {error}") from error
    return Hour(code=match.group(1), start_ms=int(start.timestamp()) * 1000)


def decode_answer(path: Path | str, data: bytes) -> Answer:
    """Decode one answer; what cannot be decoded is refused whole, because later rows hang on it.

    Raises
    ------
    SourceError
        It is no JSON object of this kind, its columns have different lengths, or a step or base
        is no number of the right kind.
    """
    body = _load(path, data)
    columns = [body.get(name) for name in COLUMNS]
    for name, column in zip(COLUMNS, columns, strict=True):
        if not isinstance(column, list):
            raise SourceError(path, f"has no list {name!r}: it is no answer with ticks")
    lengths = {name: len(column or ()) for name, column in zip(COLUMNS, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        raise SourceError(path, f"its columns must have one length, got {lengths}")
    times, asks, bids, ask_size, bid_size = (column or [] for column in columns)
    if not times:
        return _NOTHING
    if len(times) > _MAX_ROWS:
        raise SourceError(path, f"has {len(times)} rows, more than {_MAX_ROWS}")
    start, point, ask, bid = (_number(path, body, name) for name in _BASES)
    if point <= 0:
        raise SourceError(path, f"multiplier must be positive, got {point}")
    return Answer(
        ts_ms=_whole(path, "timestamp", start) + _sums(path, "times", times),
        ask_points=_whole(path, "ask", ask / point) + _sums(path, "asks", asks),
        bid_points=_whole(path, "bid", bid / point) + _sums(path, "bids", bids),
        point=point.normalize(),
        ask_size=ask_size,
        bid_size=bid_size,
    )


def _load(path: Path | str, data: bytes) -> dict[str, Any]:
    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        body = json.loads(data, parse_float=str, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"is no JSON ({str(error)[:120]}); none is published") from error
    if not isinstance(body, dict):
        raise SourceError(path, f"must hold one JSON object, holds a {type(body).__name__}")
    return body


def _number(path: Path | str, body: dict[str, Any], name: str) -> Decimal:
    value = body.get(name)
    if type(value) is not int and not isinstance(value, str):
        raise SourceError(path, f"{name} must be a number, got {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    # By its exponent, which no arithmetic can overflow on.
    if not number.is_finite() or (number and not -12 <= number.adjusted() <= 12):
        raise SourceError(path, f"{name} must be a number in range, got {str(value)[:40]!r}")
    return number or Decimal(0)


def _whole(path: Path | str, name: str, value: Decimal) -> int:
    nearest = value.to_integral_value()
    if abs(nearest - value) > _BASE_TOLERANCE or abs(nearest) > MAX_MS:
        raise SourceError(path, f"{name} must be a whole number of points or ms, got {value}")
    return int(nearest)


def _sums(path: Path | str, name: str, steps: list[Any]) -> np.ndarray:
    for i, step in enumerate(steps):
        if type(step) is not int or not -_MAX_STEP < step < _MAX_STEP:
            raise SourceError(
                path, f"{name}[{i}] must be a whole number, got {str(step)[:40]!r}; all rows after "
                "it hang on it",
            )  # fmt: skip
    return np.cumsum(np.array(steps, np.int64))


def parse_answer(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read one answer of the API that is in memory: an hour of quotes.

    Raises
    ------
    SourceError
        It is damaged, of another instrument, or its path names another instrument.
    """
    require_venue(instrument)
    hour = hour_of(file.path)
    if hour is not None and hour.code != _code(instrument):
        raise SourceError(file.path, f"is of {hour.code}, not of {_code(instrument)}")
    answer = decode_answer(file.path, file.data)
    sizes = Sizes(instrument.lot_step)
    rows, undecoded = _rows(answer, sizes, hour, first_line=1, recv_ns=None)
    _require_plausible(file, instrument, rows)
    lines = Records(len(answer), answer.text)
    return quote_batch(file, instrument, rows, lines, undecoded, n_rounded=sizes.n_rounded)


def parse_log(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read the log of a live client that is in memory; a damaged line is one refused record.

    Raises
    ------
    SourceError
        No line of it can be read, or it is of another instrument.
    """
    require_venue(instrument)
    lines, is_cut = split_lines(file.data)
    sizes = Sizes(instrument.lot_step)
    parts: list[QuoteRows] = []
    undecoded: list[Undecoded] = []
    records: list[bytes] = []
    n_empty = 0
    for number, line in enumerate(lines, 1):
        answer, recv_ns = None, 0
        try:
            answer, recv_ns = _log_line(line)
        except SourceError as error:
            reason = "truncated" if is_cut and number == len(lines) else "malformed"
            detail = f"line {number} {error.detail}"
            records.append(line)
            bad = Undecoded(
                line=len(records), reason=reason, detail=detail, recv_ns=_received(line)
            )
            undecoded.append(bad)
            continue
        n_empty += not len(answer)
        rows, refused = _rows(answer, sizes, None, first_line=len(records) + 1, recv_ns=recv_ns)
        records += [answer.text(i) for i in range(len(answer))]
        parts.append(rows)
        undecoded += refused
    rows = concatenate(parts)
    _require_plausible(file, instrument, rows)
    other = {"empty_answer": n_empty} if n_empty else {}
    return quote_batch(
        file, instrument, rows, records, undecoded, n_rounded=sizes.n_rounded, other=other
    )


def _log_line(line: bytes) -> tuple[Answer, int]:
    match = _LOG_LINE.fullmatch(line)
    recv_ns = _received(line)
    if match is None or not recv_ns:
        raise SourceError("", "must be a receive time and an answer")
    return decode_answer("", match[2]), recv_ns


def _received(line: bytes) -> int:
    match = _LOG_LINE.fullmatch(line)
    return (match and epoch_text_ns(match[1].decode())) or 0


def _code(instrument: Instrument) -> str:
    try:
        return api_code(instrument.venue_symbol)
    except ValueError as error:
        raise SourceError(instrument.symbol, str(error)) from error


def _require_plausible(file: SourceFile, instrument: Instrument, rows: QuoteRows) -> None:
    # An answer brings its multiplier, so that an instrument without an entry can be read too.
    listing = LISTINGS.get(instrument.venue_symbol)
    if listing is not None:
        require_plausible(file.path, rows, listing.low, listing.high)


def _rows(
    answer: Answer, sizes: Sizes, hour: Hour | None, *, first_line: int, recv_ns: int | None
) -> tuple[QuoteRows, list[Undecoded]]:
    undecoded = []
    is_good = np.ones(len(answer), np.bool_)
    for i, pair in enumerate(zip(answer.ask_size, answer.bid_size, strict=True)):
        if not all(type(size) is int or isinstance(size, str) for size in pair):
            is_good[i] = False
            detail = f"sizes must be numbers, got {pair!r}"
            undecoded.append((i, detail[:200]))
    for i in np.flatnonzero(_is_outside(answer.ts_ms, hour) & is_good).tolist():
        is_good[i] = False
        undecoded.append((i, f"its time {answer.ts_ms[i]} ms is outside what the answer covers"))
    kept = np.flatnonzero(is_good)
    ts = answer.ts_ms[kept]
    known = np.where((ts >= 0) & (ts < MAX_MS), ts, 0) * MS
    rows = QuoteRows(
        line=kept + first_line,
        ts_ms=ts,
        recv_ns=known if recv_ns is None else np.full(len(ts), recv_ns, np.int64),
        bid=price_texts(answer.bid_points[kept], answer.point),
        ask=price_texts(answer.ask_points[kept], answer.point),
        bid_qty=sizes.texts(*_distinct(answer.bid_size, kept)),
        ask_qty=sizes.texts(*_distinct(answer.ask_size, kept)),
    )
    start = hour.start_ms * MS if hour else 0
    refused = [
        Undecoded(line=first_line + i, reason="malformed", detail=detail,
                  ts_ns=start, recv_ns=recv_ns or 0)
        for i, detail in sorted(undecoded)
    ]  # fmt: skip
    return rows, refused


def _is_outside(ts_ms: np.ndarray, hour: Hour | None) -> np.ndarray:
    # An answer covers an hour; where nothing says which one, a day after its first quote is
    # damage in any case.
    if hour is None:
        first = ts_ms[:1]
        outside: np.ndarray = (ts_ms < first) | (ts_ms >= first + _DAY_MS)
        return outside
    return (ts_ms < hour.start_ms) | (ts_ms >= hour.start_ms + HOUR_MS)


def _distinct(sizes: Sequence[Any], kept: np.ndarray) -> tuple[list[str], np.ndarray]:
    position: dict[str, int] = {}
    texts = (str(sizes[i]) for i in kept.tolist())
    which = [position.setdefault(text, len(position)) for text in texts]
    return list(position), np.array(which, np.int64)
