"""One unit of input into the raw tables: the same way for the command line and the pipeline.

A unit is a file by its SHA-256. Each of its trading days is published whole; the same unit again
replaces its own rows, and a record whose key another unit has published is quarantined.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.errors import IngestRefused
from orchestration.quality.expectations import check_contract
from orchestration.quality.invariants import check_order
from orchestration.quality.outcome import CheckOutcome
from orchestration.sources import SOURCES
from orchestration.sources.records import QUARANTINE, SourceBatch, split_by_day, table
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

CODE_VERSION = "1"
_KEYS = {"raw.trades": ("trade", "trade_id"), "raw.quotes": ("quote", "quote_id")}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTables:
    """The raw tables of one unit and trading day, ready to publish."""

    day: date
    unit: str
    tables: dict[str, pa.Table]

    @property
    def n_stored(self) -> int:
        """Trades and quotes among them."""
        return sum(self.tables[name].num_rows for name in _KEYS)

    @property
    def n_quarantined(self) -> int:
        """Rejected records among them."""
        return int(self.tables["raw.quarantine"].num_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary:
    """What became of the records that were offered: ``offered == stored + quarantined``."""

    offered: int
    stored: int
    quarantined: int
    other: dict[str, int]
    first_ns: int | None
    last_ns: int | None
    days: tuple[date, ...]

    def __post_init__(self) -> None:
        if self.offered != self.stored + self.quarantined:
            raise AssertionError(
                f"records were lost: offered {self.offered}, stored {self.stored}, "
                f"quarantined {self.quarantined}"
            )


def read_source(
    name: str, paths: Sequence[Path] | None, instrument: Instrument, cache: Path
) -> list[SourceBatch]:
    """Return the units of a source: the files named, or those that the source fetches itself."""
    source = SOURCES[name]
    return source.read(paths or source.fetch(instrument, cache), instrument)


def day_tables(store: Store, batch: SourceBatch, instrument: Instrument) -> Iterator[DayTables]:
    """Divide a unit by trading day and move what other units have published to the quarantine."""
    for day, part in sorted(split_by_day(batch, instrument).items()):
        tables = {
            "raw.trades": part.trades,
            "raw.quotes": part.quotes,
            "raw.gaps": part.gaps,
            "raw.quarantine": part.quarantine,
        }
        for name in _KEYS:
            tables |= _without_duplicates(store, instrument.symbol, day, batch.unit, name, tables)
        yield DayTables(day=day, unit=batch.unit, tables=tables)


def _without_duplicates(
    store: Store, symbol: str, day: date, unit: str, name: str, tables: dict[str, pa.Table]
) -> dict[str, pa.Table]:
    kind, key = _KEYS[name]
    known = store.existing_keys(name, symbol, day, [key], exclude_unit=unit)
    if not known.num_rows or not tables[name].num_rows:
        return {}
    is_known = pc.is_in(tables[name][key], value_set=known[key].combine_chunks())
    repeated = tables[name].filter(is_known)
    if not repeated.num_rows:
        return {}
    return {
        name: tables[name].filter(pc.invert(is_known)),
        "raw.quarantine": pa.concat_tables(
            [tables["raw.quarantine"], _rejected(kind, key, repeated)]
        ),
    }


def _rejected(kind: str, key: str, repeated: pa.Table) -> pa.Table:
    # The line of the file finds the original text again; here the key says which record it was.
    n = repeated.num_rows
    columns = {name: repeated[name].combine_chunks() for name in ("ts_recv_ns", "line")}
    text = [f"{key}={value}" for value in repeated[key].to_pylist()]
    return table(
        QUARANTINE,
        columns
        | {
            "kind": kind,
            "reason": ["duplicate"] * n,
            "detail": "another unit has published this key",
            "record": text,
            "source": repeated["source"][0].as_py(),
            "unit": repeated["unit"][0].as_py(),
        },
        n,
    )


def judge(tables: Mapping[str, pa.Table]) -> dict[str, list[CheckOutcome]]:
    """Return what the raw tables' contracts say of a day."""
    outcomes = {name: [check_contract(name, t, blocking=True)] for name, t in tables.items()}
    outcomes["raw.trades"].append(check_order(tables["raw.trades"]))
    return outcomes


def publish_day(store: Store, symbol: str, made: DayTables, *, run_id: str) -> None:
    """Insert, judge and publish the raw tables of one unit and day in one moment.

    Raises
    ------
    IngestRefused
        A contract is broken; nothing was published.
    """
    with store.publish(symbol, made.day, run_id=run_id, code_version=CODE_VERSION) as publication:
        for name, table in made.tables.items():
            publication.write(name, table, unit=made.unit)
        publication.audit()
        failed = [
            f"{name}: {outcome.failures()}"
            for name, judged in judge(made.tables).items()
            for outcome in judged
            if not outcome.passed
        ]
        if failed:
            raise IngestRefused(f"{symbol} {made.day} was not published: {'; '.join(failed)}")
        publication.commit()


def ingest(
    store: Store,
    batches: Iterable[SourceBatch],
    instrument: Instrument,
    *,
    run_id: str,
    on_day: Callable[[DayTables], None] = lambda _: None,
) -> IngestSummary:
    """Publish all days of all units and account for every record.

    ``on_day`` hears of each published day: for a progress bar.

    Raises
    ------
    orchestration.sources.records.SourceError
        A unit cannot be read; nothing of it is published.
    """
    offered = stored = quarantined = 0
    other: dict[str, int] = {}
    days: set[date] = set()
    times: list[int] = []
    for batch in batches:
        offered += batch.offered
        for kind, n in batch.other.items():
            other[kind] = other.get(kind, 0) + n
        for made in day_tables(store, batch, instrument):
            publish_day(store, instrument.symbol, made, run_id=run_id)
            on_day(made)
            stored += made.n_stored
            quarantined += made.n_quarantined
            times += _ends(made)
            if made.n_stored:
                days.add(made.day)
    return IngestSummary(
        offered=offered,
        stored=stored,
        quarantined=quarantined,
        other=other,
        first_ns=min(times, default=None),
        last_ns=max(times, default=None),
        days=tuple(sorted(days)),
    )


def _ends(made: DayTables) -> list[int]:
    times = [made.tables[name]["ts_event_ns"] for name in _KEYS]
    return [int(value.as_py()) for t in times if len(t) for value in pc.min_max(t).values()]


def iso_utc(ts_ns: int | None) -> str | None:
    """Return a time as ISO-8601 UTC text, with nanoseconds only where there are any."""
    if ts_ns is None:
        return None
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{ns:09d}" if ns % 1000 else f"{ns // 1000:06d}"
    return f"{whole}.{fraction}Z"


def summary_json(summary: IngestSummary, store: Store, symbol: str) -> dict[str, Any]:
    """Return the summary as the object that ``orderflow ingest --json`` prints."""
    hashes = {name: store.content_hash_days(name, symbol, summary.days) for name in _KEYS}
    return {
        "offered": summary.offered,
        "stored": summary.stored,
        "quarantined": summary.quarantined,
        "first": iso_utc(summary.first_ns),
        "last": iso_utc(summary.last_ns),
        "hash": hashes["raw.trades"],
        "hashes": hashes,
        "days": [day.isoformat() for day in summary.days],
        "other": summary.other,
    }
