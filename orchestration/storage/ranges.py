"""Published rows of any stretch of time as Arrow batches, in memory that does not grow with it.

The embedded engine's Arrow stream holds the whole result. So the rows are counted by time first, and read
in pages of few enough rows: a page is a range of the table's key and costs what its rows cost.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, takewhile
from typing import Any

import pyarrow as pa

from orchestration.storage import retention
from orchestration.storage.engine import Between, Engine, TimeCount
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.readers import read_generations
from orchestration.storage.schema import INT64, LABEL, Table
from orchestration.storage.store import Store
from orchestration.storage.tables import table_named
from orderflow_core.instrument import Instrument

BATCH_ROWS = 2**17
_TIMES = ("ts_event_ns", "t0_ns")
_STRETCHES = 1_024
EARLIEST_NS, LATEST_NS = -(2**62), 2**62


def read_batches(
    store: Store,
    table: str,
    instrument: Instrument,
    start_ns: int = EARLIEST_NS,
    end_ns: int = LATEST_NS,
    *,
    days: Collection[date] | None = None,
    columns: Sequence[str] | None = None,
    where: Mapping[str, str] | None = None,
    batch_rows: int = BATCH_ROWS,
    snapshot: int | None = None,
) -> pa.RecordBatchReader:
    """Return the published rows of a range of time, batch by batch.

    Parameters
    ----------
    table : str
        One whose rows have a time: ``ts_event_ns``, or ``t0_ns`` (when a bar or a label begins, when a
        decision was made); or ``flow.volume_profile``, whose days are taken when they touch the range.
    instrument : Instrument
        Its trading days say which days the range lies in.
    start_ns, end_ns : int, unit ns UTC
        Half-open; all that is published when left out.
    days : collection of date, optional
        Of these trading days only.
    columns : sequence of str, optional
        All but ``generation`` when left out.
    where : mapping of str to str, optional
        Label -> the text that it must have, as ``{"clock": "time:60s"}``.
    batch_rows : int, > 0
        Most rows of a batch. Rows of one time are never parted: where more than this share one
        nanosecond, they are one batch.
    snapshot : int, optional
        Read as of this publication; as of the call when left out, also if days are published meanwhile.

    Returns
    -------
    pyarrow.RecordBatchReader
        By trading day, then in the table's order. Read it, or hand it to whatever takes Arrow.

    Raises
    ------
    ValueError
        No such table or column, or the table's rows have no time.
    SnapshotExpiredError
        Retention has removed rows that the snapshot shows.
    StoreCorruptError
        While it is read: a day does not hold the rows that the manifest states.
    """
    definition = table_named(table)
    if batch_rows < 1:
        raise ValueError(f"batch_rows must be positive, got {batch_rows}")
    names = list(columns or [n for n in definition.column_names() if n != "generation"])
    fields = [pa.field(n, definition.column(n).arrow_type, nullable=False) for n in names]
    for name in where or {}:
        if definition.column(name).type != LABEL:
            raise ValueError(f"where takes labels, {table} holds {name} as numbers or times")
    time = _time_of(definition)
    bound = store.snapshot() if snapshot is None else snapshot
    published = store.published(table, instrument.symbol, snapshot=bound)
    published = [row for row in published if days is None or row.trading_day in days]
    retention.require_kept(store._engine, published, bound)
    reading = _Days(
        engine=store._engine, table=definition, time=time, names=names, where=dict(where or {}),
        within=(start_ns, end_ns), batch_rows=batch_rows,
    )  # fmt: skip
    chosen = _days_touched(published, instrument, start_ns, end_ns, is_exact=time is None)
    batches = (batch for day in chosen for batch in reading.batches(day))
    return pa.RecordBatchReader.from_batches(pa.schema(fields), batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """One trading day's rows, and the times that they can have."""

    rows: list[ManifestRow]
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Days:
    """What is read of each day."""

    engine: Engine
    table: Table
    time: str | None
    names: list[str]
    where: dict[str, str]
    within: tuple[int, int]
    batch_rows: int

    def batches(self, day: _Day) -> Iterator[pa.RecordBatch]:
        """Yield a day's rows in the range, a batch a page."""
        if self.time is None:
            yield from self._read(day, self.where, None).to_batches(max_chunksize=self.batch_rows)
            return
        low, high = max(day.low, self.within[0]), min(day.high, self.within[1])
        if low >= high:
            return
        counted = self._counts(day, self.where, low, high)
        self._require_whole(day, counted, is_whole=(low, high) == (day.low, day.high))
        for page in self._pages(day, counted):
            rows = self._read(day, self._where(page), Between(page.low, page.high))
            if len(rows) != page.rows:
                raise StoreCorruptError(
                    f"{self.table.name} {day.rows[0].symbol} {day.rows[0].trading_day}: counted "
                    f"{page.rows} rows, read {len(rows)}; see orderflow doctor"
                )
            yield from rows.to_batches()

    def _read(self, day: _Day, where: Mapping[str, Any], time: Between | None) -> pa.Table:
        if time is not None:
            where = dict(where) | {str(self.time): time}
        return read_generations(self.engine, self.table, day.rows, columns=self.names, where=where)

    def _where(self, page: TimeCount) -> dict[str, Any]:
        return self.where | dict(zip(_leading_labels(self.table), page.labels, strict=True))

    def _pages(self, day: _Day, counted: Sequence[TimeCount]) -> Iterator[TimeCount]:
        # Neighbours together up to a batch; what is more alone is counted by finer times.
        waiting: TimeCount | None = None
        for part in counted:
            if waiting is not None and self._fit(waiting, part):
                waiting = TimeCount(part.labels, waiting.low, part.high, waiting.rows + part.rows)
                continue
            if waiting is not None:
                yield waiting
            waiting = part
            if part.rows > self.batch_rows and part.high - part.low > 1:
                waiting = None
                finer = self._counts(day, self._where(part), part.low, part.high)
                yield from self._pages(day, finer)
        if waiting is not None:
            yield waiting

    def _fit(self, first: TimeCount, second: TimeCount) -> bool:
        return first.labels == second.labels and first.rows + second.rows <= self.batch_rows

    def _counts(self, day: _Day, where: Mapping[str, Any], low: int, high: int) -> list[TimeCount]:
        time = str(self.time)
        chosen = dict(where) | {time: Between(low, high)}
        labels = _leading_labels(self.table)
        return self.engine.count_by_time(self.table, labels, day.rows, chosen, time, _STRETCHES)

    def _require_whole(self, day: _Day, counted: Sequence[TimeCount], *, is_whole: bool) -> None:
        stated, found = sum(row.rows for row in day.rows), sum(part.rows for part in counted)
        if is_whole and not self.where and found != stated:
            raise StoreCorruptError(
                f"{self.table.name} {day.rows[0].symbol} {day.rows[0].trading_day}: the manifest "
                f"states {stated} rows, the table holds {found}; see orderflow doctor"
            )


def _time_of(table: Table) -> str | None:
    # None: a day's rows have no time of their own, and are read together.
    names = {column.name for column in table.payload if column.type == INT64}
    found = next((name for name in _TIMES if name in names), None)
    if found is None and table.name != "flow.volume_profile":
        raise ValueError(f"rows of {table.name} have no time: read them by day")
    return found


def _leading_labels(table: Table) -> list[str]:
    # Labels that lead the table's order; behind the first number they part no page.
    return list(takewhile(lambda name: table.column(name).type == LABEL, table.sort))


def _days_touched(
    published: Sequence[ManifestRow],
    instrument: Instrument,
    start_ns: int,
    end_ns: int,
    *,
    is_exact: bool,
) -> Iterator[_Day]:
    # A day's first bar may begin before the day, and an event be known after it: neighbours count.
    ordered = sorted((row for row in published if row.rows), key=lambda row: row.trading_day)
    for day, rows in groupby(ordered, key=lambda row: row.trading_day):
        opened, closed = instrument.trading_day_window(day)
        slack = 0 if is_exact else closed - opened
        if opened - slack < end_ns and closed + slack > start_ns:
            yield _Day(rows=list(rows), low=opened - slack, high=closed + slack)


def days_in(
    store: Store, table: str, instrument: Instrument, start_ns: int, end_ns: int, *, snapshot: int
) -> list[date]:
    """Return the published trading days whose time overlaps ``start_ns <= t < end_ns``."""
    days = store.days(table, instrument.symbol, snapshot=snapshot)
    windows = ((day, instrument.trading_day_window(day)) for day in days)
    return [day for day, (opened, closed) in windows if opened < end_ns and closed > start_ns]
