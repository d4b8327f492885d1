"""A log, or a stored day, through the same way as a live session, at any speed.

A log's lines are the lines of the session's own log again, so that segments, reader, gate and
publication are those of the live path; what comes out has the hashes of the log taken in as a file.
A stored day has no lines any more: its rows go through the same publication in batches of as much
time as a segment has.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.config import Settings
from orchestration.day_gaps import DAY_UNIT
from orchestration.ingest_summary import IngestSummary, summary_json
from orchestration.live.build import open_line
from orchestration.live.capture_log import segments_of
from orchestration.live.feeds import Feed
from orchestration.live.flow_day import FlowSettings
from orchestration.live.flow_segments import FlowSegments, agreement
from orchestration.live.published import TABLES
from orchestration.live.raw_segments import RawSegments, Stored
from orchestration.live.segment_reader import UNIT_PREFIX
from orchestration.live.session import Line, Record, Records
from orchestration.sources.files import read_file, split_lines
from orchestration.sources.gate import epoch_text_ns
from orchestration.sources.records import (
    GAPS,
    QUARANTINE,
    QUOTES,
    TRADES,
    SourceBatch,
    SourceError,
)
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

_NS_PER_S = 1_000_000_000
# The event loop must get its turn, however fast a log is read.
_LINES_A_TURN = 500


@dataclass(slots=True, kw_only=True)
class Pace:
    """Lets time pass as it did when records were received, so many times faster; 0: at once."""

    speed: float
    _first_ns: int = 0
    _began: float = 0.0

    def due_in(self, recv_ns: int) -> float:
        """Return the seconds until a record is due."""
        if not self.speed:
            return 0.0
        if not self._first_ns:
            self._first_ns, self._began = recv_ns, time.monotonic()
        at = self._began + (recv_ns - self._first_ns) / _NS_PER_S / self.speed
        return max(at - time.monotonic(), 0.0)


def speed_of(text: str) -> float:
    """Return a speed: a positive number, or 0 for ``max``.

    Raises
    ------
    ValueError
        It is neither.
    """
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"speed must be a positive number or max, got {text!r}")
    return speed


async def log_records(paths: Sequence[Path], speed: float) -> Records:
    """Yield the lines of logs, each a file or the folder of a capture log, in their order."""
    pace = Pace(speed=speed)
    last_ns, n = 0, 0
    for path in _files(paths):
        lines, is_cut = split_lines(read_file(path).data)
        for number, line in enumerate(lines, 1):
            last_ns = (
                epoch_text_ns(line.partition(b" ")[0].rstrip(b":").decode("latin-1")) or last_ns
            )
            wait = pace.due_in(last_ns)
            n += 1
            if wait > 0 or n % _LINES_A_TURN == 0:
                await asyncio.sleep(wait)
            yield Record(last_ns or time.time_ns(), line, is_cut and number == len(lines))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [segment.path for segment in segments_of(path)]
        if not found:
            raise SourceError(path, "holds no segment of a log (a folder of days with *.log)")
        yield from found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDay:
    """The raw rows of a symbol-day, read from a store."""

    instrument: Instrument
    day: date
    trades: pa.Table
    quotes: pa.Table
    gaps: pa.Table

    @classmethod
    def read(cls, store: Store, instrument: Instrument, day: date) -> "StoredDay":
        """Read a day.

        Raises
        ------
        SourceError
            Nothing of it is published.
        """
        if not store.published("raw.trades", instrument.symbol, day):
            raise SourceError(instrument.symbol, f"has no published trades on {day}")
        tables = [
            store.read(name, instrument.symbol, day, columns=schema.names).cast(schema)
            for name, schema in (("raw.trades", TRADES), ("raw.quotes", QUOTES), ("raw.gaps", GAPS))
        ]
        return cls(
            instrument=instrument, day=day, trades=tables[0], quotes=tables[1], gaps=tables[2]
        )

    def batches(self, seconds: float) -> Iterator[tuple[int, SourceBatch]]:
        """Yield batches of so much event time each, with the time of the last record of each."""
        step = int(seconds * _NS_PER_S)
        parts = [_cuts(rows, step) for rows in (self.trades, self.quotes)]
        own = self.gaps.filter(pc.not_equal(self.gaps["unit"], DAY_UNIT))
        before = -1
        for slot in np.union1d(parts[0][0], parts[1][0]).tolist():
            trades, quotes = (
                _part(rows, slots, slot)
                for rows, (_, slots) in zip((self.trades, self.quotes), parts, strict=True)
            )
            end = (slot + 1) * step - 1
            ends = own["end_ns"].to_numpy()
            gaps = own.filter(pa.array((ends > before) & (ends <= end)))
            before = end
            yield end, self._batch(trades, quotes, gaps)

    def _batch(self, trades: pa.Table, quotes: pa.Table, gaps: pa.Table) -> SourceBatch:
        digest = hashlib.sha256()
        for rows, names in (
            (trades, ("trade_id", "ts_recv_ns")),
            (quotes, ("quote_id", "ts_recv_ns")),
        ):
            for name in names:
                digest.update(rows[name].to_numpy().tobytes())
        unit = UNIT_PREFIX + digest.hexdigest()
        source = (trades if len(trades) else quotes)["source"][0].as_py()
        tables = {"trades": trades, "quotes": quotes, "gaps": gaps}
        named = {name: _of_unit(rows, unit) for name, rows in tables.items()}
        times = [t["ts_event_ns"].to_numpy() for t in (trades, quotes) if len(t)]
        n = len(trades) + len(quotes)
        return SourceBatch(
            symbol=self.instrument.symbol, source=source, unit=unit, **named,
            quarantine=QUARANTINE.empty_table(), quarantine_ns=np.empty(0, np.int64), offered=n,
            n_lines=n, first_ns=int(min(t.min() for t in times)),
            last_ns=int(max(t.max() for t in times)),
        )  # fmt: skip


def stored_day(config: Settings, instrument: Instrument, day: date) -> StoredDay:
    """Read a day from the store of this home and leave the store: one process, one embedded store."""
    url = config.server_url
    with Store.open(url=url) if url else open_at(config, config.root) as store:
        return StoredDay.read(store, instrument, day)


def open_at(config: Settings, home: Path) -> Store:
    """Open the embedded store of a home. A replay never writes to a server."""
    return Store.open(
        path=home / "store",
        lock_timeout_s=config.store_lock_timeout_s,
        memory_gb=config.store_memory_gb,
        query_timeout_s=config.store_query_timeout_s,
    )


@dataclass(slots=True, kw_only=True)
class Target:
    """The home that takes what is replayed.

    Attributes
    ----------
    config : Settings
        Of this installation: how the rows are made.
    home : Path
    held : ExitStack
        Closes the store.
    """

    config: Settings
    home: Path
    held: ExitStack
    store: Store = field(init=False)
    _n_stored: int = 0
    _n_refused: int = 0
    _times: list[int] = field(default_factory=list)
    _days: set[date] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store = self.held.enter_context(open_at(self.config, self.home))

    def open_log(
        self, feed: Feed, instrument: Instrument, paths: Sequence[Path], speed: float
    ) -> Line:
        """Return the line of a session that takes logs."""
        line = open_line(
            feed, instrument, self.store, self.config, self.home / "live",
            lambda _: log_records(paths, speed), self.held, first_line=1,
        )  # fmt: skip
        line.worker.on_stored = self._note
        return line

    def take_day(self, stored: StoredDay, speed: float) -> dict[str, Any]:
        """Publish a stored day batch by batch; return what `result_of` does."""
        known, run_id = stored.instrument, f"replay-{time.time_ns()}"
        raw = RawSegments(store=self.store, instrument=known, run_id=run_id)
        settings = FlowSettings.of(self.config, known, self.config.live_settle_ms)
        flow = FlowSegments(store=self.store, instrument=known, settings=settings, run_id=run_id)
        raw.derive = flow.rows_of
        pace = Pace(speed=speed)
        for end_ns, batch in stored.batches(self.config.live_segment_s):
            time.sleep(pace.due_in(end_ns))
            for one in raw.publish([batch]):
                self._note(one)
                flow.catch_up(one)
        flow.finish()
        return self._result(known)

    def result_of(self, line: Line) -> dict[str, Any]:
        """Return the counts and hashes of what was replayed, as ``orderflow ingest`` prints them."""
        return self._result(line.worker.instrument)

    def _note(self, stored: Stored) -> None:
        self._days.add(stored.day)
        self._n_refused += stored.n_quarantined
        for rows in (stored.trades, stored.quotes):
            if len(rows):
                self._n_stored += len(rows)
                ends = pc.min_max(rows["ts_event_ns"]).as_py().values()
                self._times = [min(self._times + list(ends)), max(self._times + list(ends))]

    def _result(self, instrument: Instrument) -> dict[str, Any]:
        days = tuple(sorted(self._days))
        summary = IngestSummary(
            offered=self._n_stored + self._n_refused, stored=self._n_stored,
            quarantined=self._n_refused, other={}, first_ns=min(self._times, default=None),
            last_ns=max(self._times, default=None), days=days,
        )  # fmt: skip
        settings = FlowSettings.of(self.config, instrument, self.config.live_settle_ms)
        with_trades = [d for d in days if self.store.published("flow.bars", instrument.symbol, d)]
        agrees = [agreement(self.store, instrument, d, settings) for d in with_trades]
        tables_agree = {name: all(found[name] for found in agrees) for name in TABLES}
        return summary_json(summary, self.store, instrument.symbol) | {"agrees": tables_agree}


def _cuts(rows: pa.Table, step: int) -> tuple[np.ndarray, np.ndarray]:
    slots = rows["ts_event_ns"].to_numpy() // step
    return np.unique(slots), slots


def _part(rows: pa.Table, slots: np.ndarray, slot: int) -> pa.Table:
    first, end = np.searchsorted(slots, [slot, slot + 1])
    return rows.slice(first, end - first)


def _of_unit(rows: pa.Table, unit: str) -> pa.Table:
    codes = pa.array(np.zeros(len(rows), np.int32))
    column = pa.DictionaryArray.from_arrays(codes, pa.array([unit]))
    at = rows.schema.get_field_index("unit")
    return rows.set_column(at, rows.schema.field("unit"), column)
