"""The data-quality gate: what every source's records pass before they are stored.

A source parses its format and appends what it read to :class:`TradeRecords` or
:class:`QuoteRecords`; the gate converts decimal text, puts the records in the order of the
venue's ids and sorts out what must not be stored. Each refused record becomes one
:class:`~orchestration.sources.records.Reject`. Every rule answers a defect that users of public
archives reported; the reasons stand in ``records.REASONS``.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from orchestration.sources.coded import CodedTexts
from orchestration.sources.id_gaps import trade_gaps
from orchestration.sources.records import QUOTES, TRADES, Gap, Reject, table
from orderflow_core.instrument import BeyondRangeError, Instrument, OffGridError

# 2000-01-01 and 2100-01-01: a time outside is damage, not history.
FIRST_NS = 946_684_800_000_000_000
END_NS = 4_102_444_800_000_000_000
MAX_ID = np.iinfo(np.int64).max

# A list that a reader appends to, or an array that it has ready.
Integers: TypeAlias = Any
Texts: TypeAlias = Any

_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
_SECONDS = re.compile(r"([0-9]{1,12})\.([0-9]{1,9})")


def epoch_ns(value: int) -> int | None:
    """Return an epoch time in ns; its unit (s, ms, us, ns) follows from its magnitude.

    Returns None for a time outside the years 2000 to 2099.
    """
    if value < 0:
        return None
    for limit, factor in _UNITS:
        if value < limit:
            ns = value * factor
            return ns if FIRST_NS <= ns < END_NS else None
    return None


def epoch_text_ns(text: str) -> int | None:
    """Return the ns of an epoch time in text: a whole number of any unit, or seconds with a fraction."""
    if text.isascii() and text.isdigit() and len(text) <= 20:
        return epoch_ns(int(text))
    match = _SECONDS.fullmatch(text)
    if match is None:
        return None
    ns = int(match[1]) * 10**9 + int(match[2].ljust(9, "0"))
    return ns if FIRST_NS <= ns < END_NS else None


def fewest_inversions(ts_ns: np.ndarray) -> np.ndarray:
    """Return which records to keep so that time never runs back and the fewest are lost.

    Parameters
    ----------
    ts_ns : ndarray of int64, shape (n,)
        Times in the order of the ids.

    Returns
    -------
    ndarray of bool, shape (n,)

    Notes
    -----
    One record with a time far ahead is itself refused, not the thousands after it. Where several
    choices lose equally many, the earlier records stay, as if each was compared with the latest
    time kept so far.
    """
    if (ts_ns[1:] >= ts_ns[:-1]).all():
        return np.ones(len(ts_ns), np.bool_)
    keep = ts_ns >= np.maximum.accumulate(ts_ns)
    tails: list[int] = []  # the smallest last time of a run of each length
    tail_at: list[int] = []
    before = np.full(len(ts_ns), -1, np.int64)
    for i, ts in enumerate(ts_ns.tolist()):
        length = bisect_right(tails, ts)
        before[i] = tail_at[length - 1] if length else -1
        tails[length : length + 1] = [ts]
        tail_at[length : length + 1] = [i]
    if len(tails) == np.count_nonzero(keep):
        return keep
    keep = np.zeros(len(ts_ns), np.bool_)
    at = tail_at[-1]
    while at >= 0:
        keep[at] = True
        at = before[at]
    return keep


@dataclass(slots=True, kw_only=True)
class TradeRecords:
    """Trades as a source read them, one list element a record; texts are not yet converted.

    ``first_id`` and ``last_id`` are the fills that an aggregated trade covers (-1: none).
    """

    line: Integers = field(default_factory=list)
    trade_id: Integers = field(default_factory=list)
    ts_event_ns: Integers = field(default_factory=list)
    ts_recv_ns: Integers = field(default_factory=list)
    price: Texts = field(default_factory=list)
    qty: Texts = field(default_factory=list)
    native_sign: Integers = field(default_factory=list)
    is_market: Integers = field(default_factory=list)
    first_id: Integers = field(default_factory=list)
    last_id: Integers = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class QuoteRecords:
    """Quotes as a source read them, one list element a record; texts are not yet converted."""

    line: Integers = field(default_factory=list)
    quote_id: Integers = field(default_factory=list)
    ts_event_ns: Integers = field(default_factory=list)
    ts_recv_ns: Integers = field(default_factory=list)
    ts_source: Integers = field(default_factory=list)
    bid: Texts = field(default_factory=list)
    bid_qty: Texts = field(default_factory=list)
    ask: Texts = field(default_factory=list)
    ask_qty: Texts = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Gate:
    """Checks the records of one unit and collects what it refuses.

    Attributes
    ----------
    instrument : Instrument
    lines : sequence of bytes
        The file's lines: what the quarantine shows of a refused record.
    cut_line : int
        Number of a last line without line end; 0 when there is none.
    rejects : list of Reject
        Grows with every call.
    """

    instrument: Instrument
    lines: Sequence[bytes]
    cut_line: int = 0
    rejects: list[Reject] = field(default_factory=list)
    # The positions of all records of a call, as one object: what is it has lost none.
    _everything: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64), init=False)

    def refuse(
        self, kind: str, line: int, reason: str, detail: str, *, ts_ns: int = 0, ts_recv_ns: int = 0
    ) -> None:
        """Quarantine the record on a line (counted from 1)."""
        self.rejects.append(
            Reject(
                kind=kind, line=line, reason=reason, detail=detail,
                record=self.lines[line - 1], ts_ns=ts_ns, ts_recv_ns=ts_recv_ns,
            )
        )  # fmt: skip

    def refuse_damaged(
        self, kind: str, line: int, detail: str, *, ts_ns: int = 0, ts_recv_ns: int = 0
    ) -> None:
        """Quarantine a line that cannot be read: cut if it is the last one, otherwise malformed."""
        reason = "truncated" if line == self.cut_line else "malformed"
        self.refuse(kind, line, reason, detail, ts_ns=ts_ns, ts_recv_ns=ts_recv_ns)

    def knows_time(self, ts_ns: np.ndarray) -> np.ndarray:
        """Return which times some trading day of the instrument can hold."""
        first, end = FIRST_NS, END_NS
        sessions = self.instrument.sessions
        if self.instrument.day_rule == "roll" and sessions is not None:
            first = max(first, int(sessions.open_ns[0]))
            end = min(end, int(sessions.close_ns[-1]))
        return (ts_ns >= first) & (ts_ns < end)

    def pass_trades(
        self, records: TradeRecords, *, source: str, unit: str, id_step: int, fill_step: int = 0
    ) -> tuple[pa.Table, list[Gap]]:
        """Return the trades that may be stored, in id order, and the gaps between them.

        Parameters
        ----------
        records : TradeRecords
        source, unit : str
        id_step : int
            Largest step between ids that is no gap; 0 when ids carry no meaning.
        fill_step : int
            The same for the fills that aggregated trades cover.
        """
        columns = _integers(records, ("price", "qty"))
        columns["price_ticks"], bad_price = self.convert("price", records.price)
        columns["qty_lots"], bad_qty = self.convert("qty", records.qty)
        alive = self._refuse_bad(
            "trade", columns, [bad_price, bad_qty], ("price_ticks", "qty_lots")
        )
        alive = self._unique("trade", columns, "trade_id", alive, _TRADE_CONTENT)
        alive = self._in_time("trade", columns, alive)
        rows = self._rows_at(columns, alive)
        outside = self.instrument.is_outside_session(rows["ts_event_ns"])
        rows["is_outside_session"] = outside.astype(np.int8)
        kept = table(
            TRADES,
            {**rows, "venue_id": _venue_ids(rows), "source": source, "unit": unit},
            len(alive),
        )
        return kept, trade_gaps(rows, id_step, fill_step)

    def pass_quotes(self, records: QuoteRecords, *, source: str, unit: str) -> pa.Table:
        """Return the quotes that may be stored, in id order; crossed and locked ones are."""
        texts = ("bid", "bid_qty", "ask", "ask_qty")
        columns = _integers(records, texts)
        bad = []
        for text, name in zip(texts, _QUOTE_NUMBERS, strict=True):
            which = "qty" if text.endswith("qty") else "price"
            columns[name], rejects = self.convert(which, getattr(records, text))
            bad.append(rejects)
        alive = self._refuse_bad("quote", columns, bad, _QUOTE_NUMBERS)
        # Two copies of one update arrive at two times: without an exchange time that is no conflict.
        columns["venue_ns"] = np.where(columns["ts_source"] == 0, columns["ts_event_ns"], 0)
        alive = self._unique("quote", columns, "quote_id", alive, ("venue_ns", *_QUOTE_NUMBERS))
        alive = self._in_time("quote", columns, alive)
        rows = self._rows_at(columns, alive)
        return table(QUOTES, {**rows, "source": source, "unit": unit}, len(alive))

    def convert(
        self, which: str, texts: Sequence[str]
    ) -> tuple[np.ndarray, dict[int, tuple[str, str]]]:
        """Return decimal texts ("price" or "qty") as steps, and (reason, detail) of bad ones."""
        if isinstance(texts, CodedTexts):
            steps, bad = self.convert(which, texts.distinct)
            if not bad:
                return steps[texts.code], {}
            places = np.flatnonzero(np.isin(texts.code, list(bad))).tolist()
            return steps[texts.code], {i: bad[int(texts.code[i])] for i in places}
        is_price = which == "price"
        vector = self.instrument.prices_to_ticks if is_price else self.instrument.qtys_to_lots
        steps, rejects = vector(texts)
        one = self.instrument.price_to_ticks if is_price else self.instrument.qty_to_lots
        return steps, {i: (_reason(one, texts[i]), detail) for i, detail in rejects}

    def _refuse_bad(
        self,
        kind: str,
        columns: dict[str, np.ndarray],
        conversions: list[dict[int, tuple[str, str]]],
        positive: tuple[str, ...],
    ) -> np.ndarray:
        # Returns the positions that stay; the first finding of a record is the one reported.
        found: dict[int, tuple[str, str]] = {}
        strange = np.flatnonzero(~self.knows_time(columns["ts_event_ns"])).tolist()
        if strange:  # the reader's own array stays as it is
            columns["ts_event_ns"] = columns["ts_event_ns"].copy()
        for i in strange:
            found[i] = ("out_of_range", f"time {columns['ts_event_ns'][i]} is in no trading day")
            columns["ts_event_ns"][i] = 0
        for rejects in conversions:
            for i, finding in rejects.items():
                found.setdefault(i, finding)
        for name in positive:
            for i in np.flatnonzero(columns[name] <= 0).tolist():
                found.setdefault(
                    i, ("out_of_range", f"{name} must be positive, got {columns[name][i]}")
                )
        for i, (reason, detail) in found.items():
            self._refuse_at(kind, columns, i, reason, detail)
        self._everything = np.arange(len(columns["line"]))
        return np.delete(self._everything, list(found)) if found else self._everything

    def _unique(
        self,
        kind: str,
        columns: dict[str, np.ndarray],
        key: str,
        alive: np.ndarray,
        content: tuple[str, ...],
    ) -> np.ndarray:
        # Returns positions in id order, the file's order among equal ids.
        ids = columns[key] if len(alive) == len(columns[key]) else columns[key][alive]
        if (ids[1:] > ids[:-1]).all():  # as nearly every file has them
            return alive
        alive = alive[np.argsort(ids, kind="stable")]
        ids = columns[key][alive]
        repeats = np.flatnonzero(ids[1:] == ids[:-1]) + 1
        if not len(repeats):
            return alive
        group = np.cumsum(np.concatenate([[True], ids[1:] != ids[:-1]])) - 1
        differs = np.zeros(group[-1] + 1, np.bool_)
        for name in content:
            values = columns[name][alive]
            differs[group[repeats[values[repeats] != values[repeats - 1]]]] = True
        conflict = differs[group]
        duplicate = np.zeros(len(alive), np.bool_)
        duplicate[repeats] = True
        duplicate &= ~conflict
        for i in alive[conflict]:
            self._refuse_at(
                kind, columns, i, "conflict", f"{key} {columns[key][i]} has two contents"
            )
        for i in alive[duplicate]:
            self._refuse_at(
                kind, columns, i, "duplicate", f"{key} {columns[key][i]} is there already"
            )
        kept: np.ndarray = alive[~(conflict | duplicate)]
        return kept

    def _in_time(self, kind: str, columns: dict[str, np.ndarray], alive: np.ndarray) -> np.ndarray:
        ts = columns["ts_event_ns"]
        keep = fewest_inversions(self._rows_at({"ts": ts}, alive)["ts"])
        if keep.all():
            return alive
        for i in alive[~keep]:
            detail = f"time {columns['ts_event_ns'][i]} is out of order among its neighbours"
            self._refuse_at(kind, columns, i, "time_inversion", detail)
        kept: np.ndarray = alive[keep]
        return kept

    def _rows_at(self, columns: dict[str, np.ndarray], alive: np.ndarray) -> dict[str, np.ndarray]:
        # Where all stay in their order, as in nearly every file, nothing is copied.
        if alive is self._everything:
            return dict(columns)
        return {name: values[alive] for name, values in columns.items()}

    def _refuse_at(
        self, kind: str, columns: dict[str, np.ndarray], i: int, reason: str, detail: str
    ) -> None:
        self.refuse(
            kind, int(columns["line"][i]), reason, detail,
            ts_ns=int(columns["ts_event_ns"][i]), ts_recv_ns=int(columns["ts_recv_ns"][i]),
        )  # fmt: skip


_TRADE_CONTENT = (
    "ts_event_ns", "price_ticks", "qty_lots", "native_sign", "is_market", "first_id", "last_id",
)  # fmt: skip
_QUOTE_NUMBERS = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


def _integers(
    records: TradeRecords | QuoteRecords, texts: tuple[str, ...]
) -> dict[str, np.ndarray]:
    names = [name for name in type(records).__slots__ if name not in texts]
    return {name: _integer_array(getattr(records, name)) for name in names}


def _integer_array(values: Integers) -> np.ndarray:
    # Signs and flags that come as what they are stored as stay so.
    if isinstance(values, np.ndarray) and values.dtype == np.int8:
        return values
    return np.asarray(values, np.int64)


def _venue_ids(rows: dict[str, np.ndarray]) -> pa.Array:
    # An aggregated trade says which fills it covers, which also tells its ids from trade ids.
    first, last = rows["first_id"], rows["last_id"]
    if not len(first) or first.max() < 0:
        return pa.repeat(pa.scalar(""), len(first))
    # Imported here: the compiler takes a while to load, and most sources have no aggregates.
    from orchestration.sources.fill_ids import fill_texts

    return fill_texts(first, last)


def _reason(convert: Callable[[str], int], text: str) -> str:
    # The vector form gives the message only; the exception says which rule it was.
    try:
        convert(text)
    except OffGridError:
        return "off_grid"
    except BeyondRangeError:
        return "out_of_range"
    except ValueError:
        return "malformed"
    raise AssertionError(f"{text!r} was refused and then accepted")
