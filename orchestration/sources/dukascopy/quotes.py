"""Rows of quotes as both of Dukascopy's services give them, and their way through the gate.

The rows are quotes of a dealer, not trades: whatever is computed from them as if they were order
flow is a proxy (:data:`RECORD_TYPE`). They have no ids. Their order in the file is the feed's; a
stored quote's id is ``milliseconds since 1970 * 1000 + position among equal milliseconds``, so
that an hour has the same ids in a file, an answer of the API and a live log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa

from orchestration.sources.coded import CodedTexts, distinct_values, joined
from orchestration.sources.dukascopy.codes import Listing
from orchestration.sources.files import SourceFile
from orchestration.sources.gate import Gate, QuoteRecords
from orchestration.sources.records import (
    QUOTE_PROXY,
    QUOTES,
    SourceBatch,
    SourceError,
    make_batch,
)
from orderflow_core.instrument import Instrument

NAME = "dukascopy"
RECORD_TYPE = QUOTE_PROXY
MS = 1_000_000
IDS_PER_MS = 1000
# Sums of deltas stay far inside int64; a larger number is damage in any case.
MAX_MS = 4_102_444_800_000
# Sizes with more digits before or after the point are damage.
_MOST_DIGITS = 20
_MILLION = Decimal(1_000_000)


@dataclass(slots=True, kw_only=True)
class QuoteRows:
    """Quotes as a decoder read them; one element a record, in the order of the file.

    Attributes
    ----------
    line : ndarray of int64, shape (n,)
        Number of the record, counted from 1; records that could not be decoded leave holes.
    ts_ms, recv_ns : ndarray of int64, shape (n,)
        Event time in ms, receive time in ns.
    bid, ask, bid_qty, ask_qty : sequence of str
        Decimal texts in the quote currency and in units of the base currency.
    """

    line: np.ndarray
    ts_ms: np.ndarray
    recv_ns: np.ndarray
    bid: CodedTexts
    ask: CodedTexts
    bid_qty: CodedTexts
    ask_qty: CodedTexts

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecoded:
    """A record of which no quote could be made."""

    line: int
    reason: str
    detail: str
    ts_ns: int = 0
    recv_ns: int = 0


@dataclass(frozen=True, slots=True)
class Records(Sequence[bytes]):
    """The records of a file as text, made when the quarantine asks for one."""

    n: int
    text_of: Callable[[int], bytes] = field(repr=False)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> bytes:  # type: ignore[override]
        """Return the text of record ``i``, counted from 0."""
        return self.text_of(range(self.n)[i])


def price_texts(points: np.ndarray, point: Decimal) -> CodedTexts:
    """Return whole points as exact decimal texts; each distinct price is written once."""
    sign, digits, exponent = point.normalize().as_tuple()
    if sign or not isinstance(exponent, int):
        raise ValueError(f"a point must be a positive number, got {point}")
    factor = int("".join(map(str, digits)))
    found, code = distinct_values(points)
    return CodedTexts([f"{p * factor}e{exponent}" for p in found.tolist()], code)


def size_texts(millions: np.ndarray) -> list[str]:
    """Return sizes in millions as texts in units of the base currency.

    Notes
    -----
    The shortest text of a single-precision number gives the vendor's decimal back: 2.06.
    """
    is_number = np.isfinite(millions)
    return [
        str(Decimal(str(value)) * _MILLION) if good else str(value)
        for value, good in zip(millions, is_number, strict=True)
    ]


@dataclass(slots=True)
class Sizes:
    """Converts sizes to texts on the grid of an instrument's lots, and counts what it rounds.

    The files hold single-precision numbers and the API prints doubles, so a size off the grid
    says how it was stored, not what was offered. It goes to the nearest lot, half to even, a
    positive one to one lot at least: the price of a quote is not lost for its size.
    """

    lot_step: Decimal
    n_rounded: int = 0

    def texts(self, distinct: Sequence[str], which: np.ndarray) -> CodedTexts:
        """Return sizes in units of the base currency as texts on the grid.

        Parameters
        ----------
        distinct : sequence of str
            Each size that occurs, once.
        which : ndarray of int64, shape (n,)
            Which of them each record has.
        """
        found = [self._on_grid(value) for value in distinct]
        moved = np.array([is_moved for _, is_moved in found], np.bool_)
        self.n_rounded += int(np.count_nonzero(moved[which]))
        return CodedTexts([text for text, _ in found], which)

    def _on_grid(self, value: str) -> tuple[str, bool]:
        try:
            size = Decimal(value)
        except InvalidOperation:
            return value, False  # no number: the gate says so
        if not size.is_finite() or (size and abs(size.adjusted()) > _MOST_DIGITS):
            return value, False
        lots = (size / self.lot_step).to_integral_value(ROUND_HALF_EVEN)
        if size > 0:
            lots = max(lots, Decimal(1))
        rounded = lots * self.lot_step
        return (value, False) if rounded == size else (f"{rounded:f}", True)


def concatenate(parts: Sequence[QuoteRows]) -> QuoteRows:
    """Return the rows of several parts as one."""
    empty = np.empty(0, np.int64)
    columns = {
        name: np.concatenate([empty, *(getattr(part, name) for part in parts)])
        for name in ("line", "ts_ms", "recv_ns")
    }
    texts = {
        name: joined([getattr(part, name) for part in parts])
        for name in ("bid", "ask", "bid_qty", "ask_qty")
    }
    return QuoteRows(**columns, **texts)


def require_plausible(path: object, rows: QuoteRows, low: Decimal, high: Decimal) -> None:
    """Refuse a file whose median bid lies outside the prices that its instrument ever had.

    Raises
    ------
    SourceError
        The file is of another instrument, or the point of its prices is wrong.
    """
    if not len(rows):
        return
    # A hundred rows over the whole file say it as well as all.
    prices = sorted(Decimal(text) for text in rows.bid[:: len(rows) // 100 + 1])
    _require_between(path, prices[len(prices) // 2], low, high)


def require_plausible_points(path: object, bid: np.ndarray, listing: Listing) -> None:
    """Do what :func:`require_plausible` does, with bids in whole points."""
    points = np.sort(bid[:: len(bid) // 100 + 1])
    median = int(points[len(points) // 2]) * listing.point
    _require_between(path, median, listing.low, listing.high)


def _require_between(path: object, median: Decimal, low: Decimal, high: Decimal) -> None:
    if not low <= median <= high:
        raise SourceError(
            str(path),
            f"its median bid {median:f} lies outside [{low}, {high}]: it is of another instrument, "
            "or the point of its prices is another",
        )


def quote_batch(
    file: SourceFile,
    instrument: Instrument,
    rows: QuoteRows,
    lines: Sequence[bytes],
    undecoded: Sequence[Undecoded] = (),
    *,
    n_rounded: int = 0,
    other: dict[str, int] | None = None,
) -> SourceBatch:
    """Pass decoded rows through the gate and give them their ids.

    Parameters
    ----------
    lines : sequence of bytes
        All records of the file: one a row and one an undecoded record.
    n_rounded : int
        Sizes that were moved onto the grid of lots.
    other : dict of str to int
        What the file holds beside records.
    """
    gate = Gate(instrument=instrument, lines=lines)
    for bad in undecoded:
        gate.refuse(
            "quote", bad.line, bad.reason, bad.detail, ts_ns=bad.ts_ns, ts_recv_ns=bad.recv_ns
        )
    is_new = np.ones(len(rows), np.bool_)
    for i in repeated(rows):
        is_new[i] = False
        gate.refuse(
            "quote", int(rows.line[i]), "duplicate",
            f"the same quote of {rows.ts_ms[i]} ms is there already",
            ts_ns=_ns(int(rows.ts_ms[i])), ts_recv_ns=int(rows.recv_ns[i]),
        )  # fmt: skip
    quotes = gate.pass_quotes(_records(rows, is_new), source=NAME, unit=file.unit)
    quotes = _with_ids(gate, quotes)
    counts = {RECORD_TYPE: len(quotes), "rounded_sizes": n_rounded}
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit,
        n_lines=len(lines) + sum((other or {}).values()), quotes=quotes, rejects=gate.rejects,
        other=other, counts={name: n for name, n in counts.items() if n},
    )  # fmt: skip


def repeated(rows: QuoteRows) -> list[int]:
    """Return the positions of rows that say what an earlier row of the same millisecond said."""
    ts = rows.ts_ms
    if len(ts) < 2 or (ts[1:] > ts[:-1]).all():
        return []
    times, n_same = np.unique(ts, return_counts=True)
    shared = np.flatnonzero(np.isin(ts, times[n_same > 1]))
    seen: set[tuple[int, str, str, str, str]] = set()
    found = []
    for i in shared.tolist():
        content = (int(ts[i]), rows.bid[i], rows.bid_qty[i], rows.ask[i], rows.ask_qty[i])
        if content in seen:
            found.append(i)
        seen.add(content)
    return found


def _ns(ms: int) -> int:
    return ms * MS if 0 <= ms < MAX_MS else 0


def _records(rows: QuoteRows, is_new: np.ndarray) -> QuoteRecords:
    at = np.flatnonzero(is_new)
    # Damaged times would wrap around in ns; the gate refuses 0.
    ts = np.where((rows.ts_ms >= 0) & (rows.ts_ms < MAX_MS), rows.ts_ms, 0)[at] * MS
    texts = {
        name: getattr(rows, name) if len(at) == len(rows) else getattr(rows, name).take(at)
        for name in ("bid", "ask", "bid_qty", "ask_qty")
    }
    return QuoteRecords(
        line=rows.line[at],
        quote_id=at,  # the feed's order, by which the gate finds times that run back
        ts_event_ns=ts,
        ts_recv_ns=rows.recv_ns[at],
        ts_source=np.zeros(len(at), np.int64),
        **texts,
    )


def _with_ids(gate: Gate, quotes: pa.Table) -> pa.Table:
    ts = quotes["ts_event_ns"].to_numpy()
    position = np.arange(len(ts)) - np.searchsorted(ts, ts)
    for i in np.flatnonzero(position >= IDS_PER_MS).tolist():
        detail = f"more than {IDS_PER_MS} quotes in one millisecond"
        gate.refuse("quote", quotes["line"][i].as_py(), "malformed", detail, ts_ns=int(ts[i]))
    ids = pa.array(ts // MS * IDS_PER_MS + position)
    quotes = quotes.set_column(
        quotes.schema.get_field_index("quote_id"), QUOTES.field("quote_id"), ids
    )
    return quotes.filter(pa.array(position < IDS_PER_MS))
