"""What a source hands over: checked records as Arrow tables, and all that was refused.

A :class:`SourceBatch` holds one unit (one file, named by its SHA-256) of one symbol. Its tables
have the columns of ``raw.trades``, ``raw.quotes``, ``raw.depth``, ``raw.gaps`` and ``raw.quarantine`` but for
``symbol``, ``trading_day`` and ``generation``, which the store adds. Nothing is dropped silently:
``offered == trades + quotes + what was refused of them``, the same for updates of the book, whose account
is kept apart, and every other line of the file is counted in ``other`` under what it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.jumps import jumps
from orderflow_core.instrument import Instrument

REASONS = (
    "malformed",  # not what the format says: damaged text, wrong type, unknown token
    "truncated",  # the last line of a file, cut
    "off_grid",  # a price or size between two steps of the storage grid
    "out_of_range",  # price or size not positive, number beyond int64, time outside 2000..2100
    "duplicate",  # same id, same content as a record that is kept
    "conflict",  # same id, different content: none of them is kept
    "time_inversion",  # its time runs back in the order of the ids
)
MAX_RECORD_CHARS = 4096
# What figures are that were made of quotes where nobody reports trades.
QUOTE_PROXY = "quote_proxy"
DEPTH_KIND = "depth"

_LABEL = pa.dictionary(pa.int32(), pa.string())


def _schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


TRADES = _schema(
    ts_event_ns=pa.int64(), ts_recv_ns=pa.int64(), trade_id=pa.int64(), venue_id=pa.string(),
    price_ticks=pa.int64(), qty_lots=pa.int64(), native_sign=pa.int8(), is_market=pa.int8(),
    is_outside_session=pa.int8(), source=_LABEL, unit=_LABEL, line=pa.int64(),
)  # fmt: skip
QUOTES = _schema(
    ts_event_ns=pa.int64(), ts_recv_ns=pa.int64(), ts_source=pa.int8(), quote_id=pa.int64(),
    bid_ticks=pa.int64(), bid_lots=pa.int64(), ask_ticks=pa.int64(), ask_lots=pa.int64(),
    source=_LABEL, unit=_LABEL, line=pa.int64(),
)  # fmt: skip
DEPTH = _schema(
    ts_event_ns=pa.int64(), ts_recv_ns=pa.int64(), ts_source=pa.int8(), first_id=pa.int64(),
    last_id=pa.int64(), previous_id=pa.int64(), is_snapshot=pa.int8(), change_idx=pa.int64(),
    side=pa.int8(), price_ticks=pa.int64(), qty_lots=pa.int64(),
    source=_LABEL, unit=_LABEL, line=pa.int64(),
)  # fmt: skip
GAPS = _schema(
    kind=_LABEL, start_ns=pa.int64(), end_ns=pa.int64(), first_missing_id=pa.int64(),
    n_missing=pa.int64(), reason=_LABEL, source=_LABEL, unit=_LABEL,
)  # fmt: skip
QUARANTINE = _schema(
    kind=_LABEL, ts_recv_ns=pa.int64(), reason=_LABEL, detail=pa.string(),
    record=pa.string(), source=_LABEL, unit=_LABEL, line=pa.int64(),
)  # fmt: skip


class SourceError(Exception):
    """A file that cannot be read as what it should be; nothing of it is published."""

    def __init__(self, path: Path | str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = str(path)
        self.detail = detail


# Making an empty table takes as long as reading a thousand quotes; tables do not change.
_NO_TRADES, _NO_QUOTES, _NO_DEPTH = (kind.empty_table() for kind in (TRADES, QUOTES, DEPTH))
_NO_GAPS, _NONE_REFUSED = GAPS.empty_table(), QUARANTINE.empty_table()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch in which records are known to be missing; see the columns of ``raw.gaps``."""

    kind: str
    start_ns: int
    end_ns: int
    first_missing_id: int
    n_missing: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One refused record: where it stood, what it said, why it is not stored.

    ``ts_ns`` is its event time where that could be read, else 0; it only helps to find its day.
    """

    kind: str
    line: int
    reason: str
    detail: str
    record: bytes
    ts_ns: int = 0
    ts_recv_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBatch:
    """One unit of one symbol, all its days.

    Attributes
    ----------
    symbol, source, unit : str
    trades, quotes, depth, gaps, quarantine : pyarrow.Table
        In the sort order of their tables.
    offered : int
        Trades and quotes of this symbol in the file, readable or not: stored + quarantined.
    depth_offered : int
        The same of updates of the book.
    other : dict of str to int
        Lines that are no trade, quote or update of this symbol, by what they are.
    n_lines : int
        Lines of the file: ``offered + depth_offered + sum(other.values())``.
    counts : dict of str to int
        Findings about stored records: crossed and locked quotes, gaps, prints without an order.
    first_ns, last_ns : int
        Range of the stored event times; 0 and 0 when nothing is stored.
    quarantine_ns : ndarray of int64, shape (n_quarantined,)
        Event time of each refused record, 0 where it could not be read.
    supersedes : tuple of str
        Units whose place it takes: earlier versions of the same file.
    takes_over : bool
        It is a vendor's whole day: units of which it holds every record give way to it.
    """

    symbol: str
    source: str
    unit: str
    trades: pa.Table
    quotes: pa.Table
    gaps: pa.Table
    quarantine: pa.Table
    quarantine_ns: np.ndarray
    offered: int
    n_lines: int
    first_ns: int
    last_ns: int
    other: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    supersedes: tuple[str, ...] = ()
    takes_over: bool = False
    depth: pa.Table = field(default_factory=DEPTH.empty_table)
    depth_offered: int = 0

    @property
    def stored(self) -> int:
        """Number of trades and quotes that passed."""
        return len(self.trades) + len(self.quotes)

    @property
    def quarantined(self) -> int:
        """Number of refused trades and quotes."""
        return len(self.quarantine) - self.depth_quarantined

    @property
    def depth_stored(self) -> int:
        """Number of updates of the book that passed."""
        return int(np.count_nonzero(self.depth["change_idx"].to_numpy() == 0))

    @property
    def depth_quarantined(self) -> int:
        """Number of refused updates of the book."""
        return count_kind(self.quarantine, DEPTH_KIND)


def count_kind(quarantine: pa.Table, kind: str) -> int:
    """Return how many refused records are of a kind."""
    return int(pc.sum(pc.equal(quarantine["kind"], kind)).as_py() or 0)


def table(schema: pa.Schema, columns: dict[str, object], n_rows: int) -> pa.Table:
    """Build a table of ``schema``; a plain text value fills its whole column."""
    arrays = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        value = columns[name]
        if isinstance(value, str):
            value = _constant(value, n_rows, kind)
        elif isinstance(value, pa.Array):
            value = value.cast(kind)
        elif pa.types.is_dictionary(kind):
            value = pa.array(value, pa.string()).dictionary_encode()
        else:
            value = pa.array(value, kind)
        arrays.append(value)
    return pa.Table.from_arrays(arrays, schema=schema)


def _constant(value: str, n_rows: int, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        codes = pa.array(np.zeros(n_rows, np.int32))
        return pa.DictionaryArray.from_arrays(codes, pa.array([value], pa.string()))
    return pa.repeat(pa.scalar(value, kind), n_rows)


def gaps_table(gaps: Sequence[Gap], source: str, unit: str) -> pa.Table:
    """Return the gaps as a table in the order (kind, start)."""
    ordered = sorted(gaps, key=lambda g: (g.kind, g.start_ns, g.first_missing_id))
    names = ("kind", "start_ns", "end_ns", "first_missing_id", "n_missing", "reason")
    columns: dict[str, object] = {name: [getattr(g, name) for g in ordered] for name in names}
    return table(GAPS, {**columns, "source": source, "unit": unit}, len(ordered))


def quarantine_table(rejects: Sequence[Reject], source: str, unit: str) -> pa.Table:
    """Return the refused records as a table; bytes that are no UTF-8 appear as escapes."""
    columns: dict[str, object] = {
        name: [getattr(r, name) for r in rejects]
        for name in ("kind", "ts_recv_ns", "reason", "detail", "line")
    }
    columns["record"] = [readable(r.record) for r in rejects]
    return table(QUARANTINE, {**columns, "source": source, "unit": unit}, len(rejects))


def readable(record: bytes) -> str:
    """Return the raw text of a record, cut to what the quarantine keeps."""
    return record[:MAX_RECORD_CHARS].decode("utf-8", "backslashreplace")[:MAX_RECORD_CHARS]


def make_batch(
    *,
    path: Path,
    instrument: Instrument,
    source: str,
    unit: str,
    n_lines: int,
    trades: pa.Table | None = None,
    quotes: pa.Table | None = None,
    depth: pa.Table | None = None,
    gaps: Sequence[Gap] = (),
    rejects: Sequence[Reject] = (),
    other: dict[str, int] | None = None,
    counts: dict[str, int] | None = None,
) -> SourceBatch:
    """Put the parts of a unit together and derive its figures from them.

    Raises
    ------
    SourceError
        Records were refused, none was stored and no time could be read: nothing says which
        day they belong to, and nothing says that this is the right kind of file.
    """
    trades = _NO_TRADES if trades is None else trades
    quotes = _NO_QUOTES if quotes is None else quotes
    depth = _NO_DEPTH if depth is None else depth
    ordered = sorted(rejects, key=lambda r: (r.line, r.reason))
    n_stored = len(trades) + len(quotes)
    # A receive time says the day only where no neighbour does: two clocks may differ.
    has_stored = bool(n_stored or len(depth))
    times = [r.ts_ns or (0 if has_stored else r.ts_recv_ns) for r in ordered]
    if ordered and not has_stored and not any(times):
        first = ordered[0]
        raise SourceError(
            path,
            f"holds no readable record of {instrument.symbol}: all {len(ordered)} are damaged, "
            f"first line {first.line}: {first.reason}, {first.detail}",
        )
    gap_rows = gaps_table(gaps, source, unit) if gaps else _NO_GAPS
    n_depth_refused = sum(r.kind == DEPTH_KIND for r in ordered)
    batch = SourceBatch(
        symbol=instrument.symbol,
        source=source,
        unit=unit,
        trades=trades,
        quotes=quotes,
        gaps=gap_rows,
        quarantine=quarantine_table(ordered, source, unit) if ordered else _NONE_REFUSED,
        quarantine_ns=np.array(times, np.int64),
        offered=n_stored + len(ordered) - n_depth_refused,
        depth=depth,
        depth_offered=0,
        n_lines=n_lines,
        first_ns=0,
        last_ns=0,
        other=dict(sorted((other or {}).items())),
        counts=counts or {},
    )
    whole = replace(batch, depth_offered=batch.depth_stored + n_depth_refused)
    return with_figures(whole, instrument.tick_steps)


def with_figures(batch: SourceBatch, tick_steps: int) -> SourceBatch:
    """Return a batch with the range of its times and the counts that follow from its tables."""
    timed = [t for t in (batch.trades, batch.quotes) if len(t)] or [batch.depth]
    times = [t["ts_event_ns"].to_numpy() for t in timed if len(t)]
    bid, ask = batch.quotes["bid_ticks"].to_numpy(), batch.quotes["ask_ticks"].to_numpy()
    found: dict[str, int] = {
        "crossed_quotes": int((bid > ask).sum()),
        "locked_quotes": int((bid == ask).sum()),
        "trades_without_order": int((batch.trades["is_market"].to_numpy() == 0).sum()),
        "trades_outside_session": int((batch.trades["is_outside_session"].to_numpy() != 0).sum()),
        "price_jumps": len(jumps(batch.trades["price_ticks"].to_numpy(), tick_steps)),
        "quote_jumps": len(jumps(bid // 2 + ask // 2, tick_steps)),
        "id_leaps": int(pc.sum(pc.equal(batch.gaps["reason"], "id_leap")).as_py() or 0),
        "gaps": len(batch.gaps),
        "missing_ids": int(batch.gaps["n_missing"].to_numpy().sum()),
    }
    return replace(
        batch,
        first_ns=int(min((t.min() for t in times), default=0)),
        last_ns=int(max((t.max() for t in times), default=0)),
        counts={**batch.counts, **{name: n for name, n in found.items() if n}},
    )
