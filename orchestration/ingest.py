"""One unit of input into the raw tables: the same way for the command line and the pipeline.

A unit is a file by its SHA-256. Each of its trading days is published whole; the same unit again
replaces its own rows, and a record that another unit has published is quarantined. Holes in the
trade ids are found over all units of a day (:mod:`orchestration.day_gaps`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from orchestration import across_units, day_gaps, sources, without_ids
from orchestration.across_units import KEYS
from orchestration.day_gaps import DAY_UNIT
from orchestration.errors import IngestRefused
from orchestration.ingest_summary import IngestSummary
from orchestration.quality.expectations import check_contract
from orchestration.quality.invariants import check_order
from orchestration.quality.outcome import CheckOutcome
from orchestration.sources.day_split import split_by_day
from orchestration.sources.depth_gate import of_updates
from orchestration.sources.members import part_unit
from orchestration.sources.records import (
    DEPTH,
    DEPTH_KIND,
    GAPS,
    QUARANTINE,
    QUOTES,
    TRADES,
    SourceBatch,
    SourceError,
    count_kind,
    gaps_table,
)
from orchestration.storage.publication import Publication
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

Judge = Callable[[Mapping[str, pa.Table]], dict[str, list[CheckOutcome]]]
CODE_VERSION = "1"
_EMPTY = {
    "raw.trades": TRADES.empty_table(),
    "raw.quotes": QUOTES.empty_table(),
    "raw.gaps": GAPS.empty_table(),
    "raw.quarantine": QUARANTINE.empty_table(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTables:
    """The raw tables of one unit and trading day, ready to publish.

    ``raw.gaps`` holds what the unit tells of missing quotes, the day's holes in the trade ids, and the stretches in
    which its book is not known. ``raw.depth`` is among them where there is or was any.
    ``supersedes`` are units of the day whose rows go when these come, ``renumbered`` the rows of
    others (table, unit) whose positions in the day these change.
    """

    instrument: Instrument
    day: date
    unit: str
    tables: dict[str, pa.Table]
    supersedes: tuple[str, ...] = ()
    renumbered: dict[str, dict[str, pa.Table]] = field(default_factory=dict)

    @property
    def n_stored(self) -> int:
        """Trades and quotes among them."""
        return sum(self.tables[name].num_rows for name in KEYS)

    @property
    def n_quarantined(self) -> int:
        """Rejected trades and quotes among them."""
        return self.tables["raw.quarantine"].num_rows - self.n_depth_quarantined

    @property
    def n_depth_stored(self) -> int:
        """Updates of the book among them."""
        depth = self.tables.get("raw.depth")
        return 0 if depth is None else len(of_updates(depth))

    @property
    def n_depth_quarantined(self) -> int:
        """Rejected updates of the book among them."""
        return count_kind(self.tables["raw.quarantine"], DEPTH_KIND)


def read_units(name: str, paths: Sequence[Path], instrument: Instrument) -> Iterator[SourceBatch]:
    """Yield the units of files, one after the other: one is in memory at a time.

    The same content named twice, under one path or two, is one unit and handed over once.

    Raises
    ------
    SourceError
        A file cannot be read, or it holds no record of the symbol: the message says what it holds.
        Units before it have been handed over.
    """
    seen: set[str] = set()
    for path, batch in sources.read_units(name, paths, instrument):
        if not batch.offered and not batch.depth_offered:
            held = ", ".join(f"{n} {kind}" for kind, n in sorted(batch.other.items()))
            raise SourceError(
                path,
                f"holds no record of {instrument.symbol} ({instrument.venue_symbol} at the "
                f"venue), only: {held or 'nothing'}",
            )
        if batch.unit not in seen:
            seen.add(batch.unit)
            yield batch


def read_source(
    name: str, paths: Sequence[Path] | None, instrument: Instrument, cache: Path
) -> list[SourceBatch]:
    """Return the units of a source: the files named, or those that the source fetches itself.

    Raises
    ------
    SourceError
        As :func:`read_units`.
    """
    found = paths or sources.SOURCES[name].fetch(instrument, cache)
    return list(read_units(name, found, instrument))


def day_tables(store: Store, batch: SourceBatch, instrument: Instrument) -> Iterator[DayTables]:
    """Divide a unit by trading day and move what other units have published to the quarantine.

    Raises
    ------
    IngestRefused
        Another unit has published a day of it, and nothing can tell the records of the two apart.
    """
    days = split_by_day(batch, instrument)
    gone = {batch.unit, replay_unit(batch.unit), *batch.supersedes}
    for day in days:  # asked of all tables at once: the store remembers it
        store.published(symbol=instrument.symbol, day=day)
    across_units.require_one_kind(store, batch, days, instrument, gone)
    if not instrument.max_id_step:
        # All days are judged before the first is published: a file is refused whole.
        yield from [_without_ids(store, p, instrument, d, gone) for d, p in sorted(days.items())]
    else:
        for day, part in sorted(days.items()):
            yield beside_others(store, part, instrument, day, gone)
    for day in _left_behind(store, instrument, batch, days):
        yield DayTables(
            instrument=instrument,
            day=day,
            unit=batch.unit,
            tables=_EMPTY | {"raw.gaps": _gaps(store, instrument, day, gone)},
            supersedes=_published_units(store, instrument, day, gone - {batch.unit}),
        )


def replay_unit(unit: str) -> str:
    """Return the unit of those records of a unit that passed the gate later, by a replay."""
    return part_unit(unit, "replay")


def _left_behind(
    store: Store, instrument: Instrument, batch: SourceBatch, days: Iterable[date]
) -> list[date]:
    # Days that only earlier versions of the unit touched: they must not keep their rows there.
    if not batch.supersedes:
        return []
    rows = store.published(None, instrument.symbol)
    return sorted({row.trading_day for row in rows if row.unit in batch.supersedes} - set(days))


def _published_units(
    store: Store, instrument: Instrument, day: date, units: set[str]
) -> tuple[str, ...]:
    rows = store.published(None, instrument.symbol, day)
    return tuple(sorted({row.unit for row in rows if row.unit in units and row.rows}))


def beside_others(
    store: Store, part: SourceBatch, instrument: Instrument, day: date, gone: set[str]
) -> DayTables:
    """Return a unit's tables of one day, what units not in ``gone`` published in the quarantine."""
    tables = {"raw.trades": part.trades, "raw.quotes": part.quotes}
    refused = [part.quarantine]
    others = {
        name: across_units.published_by_others(store, instrument, name, day, gone) for name in KEYS
    }
    if part.takes_over:
        taken = across_units.taken_over(store, part, instrument, day, others)
        gone = gone | taken
        others = {name: across_units.without_units(rows, taken) for name, rows in others.items()}
    for name in KEYS:
        tables[name], rejected = across_units.set_aside(name, tables[name], others[name])
        refused.append(rejected)
    trades = [tables["raw.trades"], others["raw.trades"]]
    book, rejected, updates = _book(store, part, instrument, day, gone)
    tables |= book
    refused.append(rejected)
    is_derived = pc.is_in(part.gaps["kind"].cast(pa.string()), pa.array(["trade", DEPTH_KIND]))
    own_gaps = part.gaps.filter(pc.invert(is_derived))
    gaps = [own_gaps, day_gaps.gaps_of_day(store, instrument, day, trades, updates)]
    tables |= {
        "raw.gaps": pa.concat_tables(gaps).unify_dictionaries(),
        "raw.quarantine": pa.concat_tables(refused),
    }
    return DayTables(
        instrument=instrument,
        day=day,
        unit=part.unit,
        tables=tables,
        supersedes=_published_units(store, instrument, day, gone - {part.unit}),
    )


def _book(
    store: Store, part: SourceBatch, instrument: Instrument, day: date, gone: set[str]
) -> tuple[dict[str, pa.Table], pa.Table, list[pa.Table]]:
    # The unit's updates of the book, where there are or were any; those refused; all of the day.
    others = across_units.published_updates(store, instrument, day, gone=gone)
    kept, rejected = across_units.set_aside_updates(part.depth, others)
    has_book = len(kept) or store.published("raw.depth", instrument.symbol, day)
    return {"raw.depth": kept} if has_book else {}, rejected, [of_updates(kept), others]


def _without_ids(
    store: Store, part: SourceBatch, instrument: Instrument, day: date, gone: set[str]
) -> DayTables:
    joined = without_ids.join_day(store, part, instrument, day, gone)
    book, rejected, updates = _book(store, part, instrument, day, gone)
    # Only the source itself can tell that trades are missing, and what lies between two files.
    own_gaps = part.gaps.filter(pc.not_equal(part.gaps["kind"], DEPTH_KIND))
    found = without_ids.day_gaps(joined) + day_gaps.gaps_of_book(updates)
    gaps = [own_gaps, gaps_table(found, DAY_UNIT, DAY_UNIT)]
    refused = [part.quarantine, *(made.rejected for made in joined.values()), rejected]
    return DayTables(
        instrument=instrument,
        day=day,
        unit=part.unit,
        tables={name: made.rows for name, made in joined.items()}
        | book
        | {
            "raw.gaps": pa.concat_tables(gaps).unify_dictionaries(),
            "raw.quarantine": pa.concat_tables(refused).unify_dictionaries(),
        },
        supersedes=_published_units(store, instrument, day, gone - {part.unit}),
        renumbered={name: made.renumbered for name, made in joined.items()},
    )


def _gaps(store: Store, instrument: Instrument, day: date, gone: set[str]) -> pa.Table:
    trades = across_units.published_by_others(store, instrument, "raw.trades", day, gone)
    updates = across_units.published_updates(store, instrument, day, gone=gone)
    return day_gaps.gaps_of_day(store, instrument, day, [trades], [updates])


def judge(tables: Mapping[str, pa.Table]) -> dict[str, list[CheckOutcome]]:
    """Return what the raw tables' contracts say of a day."""
    outcomes = {name: [check_contract(name, t, blocking=True)] for name, t in tables.items()}
    outcomes["raw.trades"].append(check_order(tables["raw.trades"]))
    return outcomes


def publish_day(
    store: Store, symbol: str, made: DayTables, *, run_id: str, judged_by: Judge = judge
) -> None:
    """Insert, judge and publish the raw tables of one unit and day in one moment.

    The gaps of the days beside it are published anew where this day's trades change them.

    Raises
    ------
    IngestRefused
        A contract is broken; nothing was published.
    """
    with (
        ThreadPoolExecutor(1) as beside,
        store.publish(symbol, made.day, run_id=run_id, code_version=CODE_VERSION) as publication,
    ):
        # The contracts are judged while the engine works, which leaves a core free.
        verdict = beside.submit(refuse_broken, symbol, made, judged_by)
        for name, table in made.tables.items():
            if name == "raw.gaps":
                _write_gaps(store, publication, made)
            else:
                publication.write(name, table, unit=made.unit)
        for name, units in made.renumbered.items():
            for unit, table in units.items():
                publication.write(name, table, unit=unit)
        _empty_superseded(store, publication, made)
        publication.audit()
        verdict.result()
        publication.commit()
    day_gaps.remember_ends(store, made.instrument, made.day, made.unit, made.tables["raw.trades"])
    renew_gaps_beside(store, made, run_id)


def refuse_broken(symbol: str, made: DayTables, judged_by: Judge = judge) -> None:
    """Raise IngestRefused where the rows break their tables' contracts."""
    failed = [
        f"{name}: {outcome.failures()}"
        for name, judged in judged_by(made.tables).items()
        for outcome in judged
        if not outcome.passed
    ]
    if failed:
        raise IngestRefused(f"{symbol} {made.day} was not published: {'; '.join(failed)}")


def _empty_superseded(store: Store, publication: Publication, made: DayTables) -> None:
    # An empty generation takes the place of each: what they held stays in the manifest's history.
    if not made.supersedes:
        return
    for name, empty in (_EMPTY | {"raw.depth": DEPTH.empty_table()}).items():
        held = {row.unit for row in store.published(name, made.instrument.symbol, made.day)}
        for unit in sorted(held.intersection(made.supersedes)):
            publication.write(name, empty, unit=unit)


def _write_gaps(store: Store, publication: Publication, made: DayTables) -> None:
    gaps = made.tables["raw.gaps"]
    is_of_day = pc.equal(gaps["unit"], DAY_UNIT)
    publication.write("raw.gaps", gaps.filter(is_of_day), unit=DAY_UNIT)
    own = gaps.filter(pc.invert(is_of_day))
    published = store.published("raw.gaps", made.instrument.symbol, made.day)
    # The day's part says already that gaps were looked for: no rows are no part of their own.
    if len(own) or made.unit in {row.unit for row in published}:
        publication.write("raw.gaps", own, unit=made.unit)


def renew_gaps_beside(store: Store, made: DayTables, run_id: str) -> None:
    """Publish the gaps of the days beside this one anew, where its trades change them."""
    known = made.instrument
    if not known.max_id_step or not len(made.tables["raw.trades"]):
        return
    for day in day_gaps.days_beside(store, known, made.day):
        gaps = day_gaps.renewed_gaps(store, known, day)
        with store.publish(known.symbol, day, run_id=run_id, code_version=CODE_VERSION) as renewed:
            renewed.write("raw.gaps", gaps, unit=DAY_UNIT)
            renewed.commit()


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
    depth_offered = depth_stored = depth_quarantined = 0
    other, counts = Counter[str](), Counter[str]()
    days: set[date] = set()
    times: list[int] = []
    for batch in batches:
        offered += batch.offered
        depth_offered += batch.depth_offered
        other.update(batch.other)
        counts.update(batch.counts)
        for made in day_tables(store, batch, instrument):
            publish_day(store, instrument.symbol, made, run_id=run_id)
            on_day(made)
            stored += made.n_stored
            quarantined += made.n_quarantined
            depth_stored += made.n_depth_stored
            depth_quarantined += made.n_depth_quarantined
            times += _ends(made)
            days.add(made.day)
    return IngestSummary(
        offered=offered,
        stored=stored,
        quarantined=quarantined,
        other=dict(other),
        counts=dict(sorted(counts.items())),
        first_ns=min(times, default=None),
        last_ns=max(times, default=None),
        days=tuple(sorted(days)),
        depth_offered=depth_offered,
        depth_stored=depth_stored,
        depth_quarantined=depth_quarantined,
    )


def _ends(made: DayTables) -> list[int]:
    times = [made.tables[name]["ts_event_ns"] for name in KEYS]
    return [int(value.as_py()) for t in times if len(t) for value in pc.min_max(t).values()]
