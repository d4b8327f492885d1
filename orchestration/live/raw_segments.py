"""Batches of a live log into ``raw/*``: one unit a segment, beside what other units published.

The first batch of a day, and one whose ids reach back among those published (a repaired gap, a
segment read again after a crash), goes the way of any file: compared with all that the day holds.
Every other batch follows the last record of the day, which is all that it has to be compared with;
the cost of a segment does not grow with the day. Batches are judged by the store's constraints and
by numpy; the table contracts are judged when the day's batch run reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration import across_units
from orchestration.across_units import KEYS
from orchestration.day_gaps import DAY_UNIT, gaps_between
from orchestration.errors import IngestRefused
from orchestration.ingest import CODE_VERSION, beside_others, publish_day, replay_unit
from orchestration.live.segment_reader import UNIT_PREFIX
from orchestration.quality.invariants import check_order
from orchestration.quality.outcome import CheckOutcome
from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import DEPTH_KIND, GAPS, SourceBatch, count_kind
from orchestration.storage.publication import Publication
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What one segment added to one day.

    Attributes
    ----------
    day : date
    trades, quotes : pyarrow.Table
        The rows that were stored.
    n_quarantined : int
        Refused trades and quotes; updates of the book have an account of their own.
    gaps : pyarrow.Table
        All gaps of the day, as published.
    follows : bool
        Whether the rows come after all rows of the day before them, and old gaps still stand.
    """

    day: date
    trades: pa.Table
    quotes: pa.Table
    n_quarantined: int
    gaps: pa.Table
    follows: bool


@dataclass(slots=True, kw_only=True)
class _DayEnd:
    # The last record of each table that is published of a day, and the day's gaps.
    last: dict[str, pa.Table]
    last_ns: dict[str, int]
    gaps: pa.Table
    tables: set[str]


@dataclass(slots=True, kw_only=True)
class RawSegments:
    """Publishes the batches of one symbol's log, in order. Nobody else publishes its days meanwhile.

    Attributes
    ----------
    store : Store
    instrument : Instrument
    run_id : str
    derive : callable
        Makes of what a segment adds to a day the rows of other tables, published with it.
    """

    store: Store
    instrument: Instrument
    run_id: str
    derive: Callable[[Stored], Mapping[str, pa.Table]] = lambda _: {}
    _ends: dict[date, _DayEnd] = field(default_factory=dict)

    def publish(self, batches: Sequence[SourceBatch]) -> list[Stored]:
        """Publish the batches of a segment; each record of them is stored or quarantined then.

        Raises
        ------
        IngestRefused
            A file that is no segment of a log has published the day, and records have no ids that
            could tell the two apart; or rows break an invariant. Nothing was published.
        """
        by_day: dict[date, list[SourceBatch]] = {}
        for batch in batches:
            for day, part in split_by_day(batch, self.instrument).items():
                by_day.setdefault(day, []).append(part)
        return [self._publish_day(day, parts) for day, parts in sorted(by_day.items())]

    def _publish_day(self, day: date, parts: Sequence[SourceBatch]) -> Stored:
        end = self._ends.get(day)
        if end is not None and all(self._follows(part, end) for part in parts):
            return self._append(day, parts, end)
        for part in parts:
            self._require_log(day, part)
        return self._beside_all(day, parts)

    def _follows(self, part: SourceBatch, end: _DayEnd) -> bool:
        if part.depth_offered:  # whether the book is known is judged over the whole day
            return False
        for name, rows in (("raw.trades", part.trades), ("raw.quotes", part.quotes)):
            last, key = end.last[name], KEYS[name][1]
            if not len(rows) or not len(last):
                continue
            if rows[key][0].as_py() < last[key][0].as_py():
                return False
            if rows["ts_event_ns"][0].as_py() < end.last_ns[name]:
                return False
        # Trades and aggregates count their ids separately: the last one of each would be needed.
        kinds = pa.chunked_array(
            [t["venue_id"].combine_chunks() for t in (end.last["raw.trades"], part.trades)]
        )
        return len(pc.unique(pc.equal(kinds, ""))) <= 1 or not self.instrument.max_id_step

    def _require_log(self, day: date, part: SourceBatch) -> None:
        # Segments of one log can be told apart: their ids count through it.
        if self.instrument.max_id_step:
            return
        for name, rows in (("raw.trades", part.trades), ("raw.quotes", part.quotes)):
            for row in self.store.published(name, self.instrument.symbol, day):
                if len(rows) and row.rows and not row.unit.startswith(UNIT_PREFIX):
                    raise IngestRefused(
                        f"{self.instrument.symbol} {day} is already published from file {row.unit}; "
                        "this market's records have no ids of the venue, so a file and a live log "
                        "of one day cannot be told apart. The log keeps what comes: ingest it in "
                        "place of the file, or use another ORDERFLOW_HOME"
                    )

    def _beside_all(self, day: date, parts: Sequence[SourceBatch]) -> Stored:
        made = []
        for part in parts:
            gone = {part.unit, replay_unit(part.unit)}
            found = beside_others(self.store, part, self.instrument, day, gone)
            publish_day(
                self.store, self.instrument.symbol, found, run_id=self.run_id, judged_by=_order
            )
            made.append(found.tables)
        self._ends[day] = self._read_end(day)
        return _stored(day, made, self._ends[day].gaps, follows=False)

    def _append(self, day: date, parts: Sequence[SourceBatch], end: _DayEnd) -> Stored:
        made = [self._tables_of(day, part, end) for part in parts]
        end.gaps = _together(end.gaps, *(t["raw.gaps"] for t in made))
        stored = _stored(day, made, end.gaps, follows=True)
        with self.store.publish(
            self.instrument.symbol, day, run_id=self.run_id, code_version=CODE_VERSION
        ) as publication:
            for part, tables in zip(parts, made, strict=True):
                _write(publication, part.unit, tables, end)
            # In the same moment: whoever sees the trades sees what was made of them.
            for name, rows in self.derive(stored).items():
                if len(rows):
                    publication.write(name, rows, segment=parts[0].unit)
            publication.commit()
        for tables in made:
            end.tables |= {name for name in tables if name != "raw.gaps"}
            for name in KEYS:
                if len(tables[name]):
                    last = tables[name].slice(len(tables[name]) - 1)
                    end.last[name] = last.select(across_units.columns_of(name))
                    end.last_ns[name] = last["ts_event_ns"][0].as_py()
        return stored

    def _tables_of(self, day: date, part: SourceBatch, end: _DayEnd) -> dict[str, pa.Table]:
        tables: dict[str, pa.Table] = {}
        refused = [part.quarantine]
        for name, rows in (("raw.trades", part.trades), ("raw.quotes", part.quotes)):
            tables[name], rejected = across_units.set_aside(name, rows, end.last[name])
            refused.append(rejected)
        tables["raw.quarantine"] = pa.concat_tables(refused).unify_dictionaries()
        tables["raw.gaps"] = _together(*self._new_gaps(part, tables["raw.trades"], end))
        for outcome in _order(tables)["raw.trades"]:
            if not outcome.passed:
                raise IngestRefused(
                    f"{self.instrument.symbol} {day} was not published: {outcome.failures()}"
                )
        return tables

    def _new_gaps(
        self, part: SourceBatch, trades: pa.Table, end: _DayEnd
    ) -> tuple[pa.Table, pa.Table]:
        # New gaps between the day's trades, and those that the segment itself tells.
        known = self.instrument
        if not known.max_id_step:  # only the source itself can tell that trades are missing
            return part.gaps.slice(0, 0), part.gaps
        own = part.gaps.filter(pc.not_equal(part.gaps["kind"], "trade"))
        return gaps_between([end.last["raw.trades"], trades], known.max_id_step), own

    def _read_end(self, day: date) -> _DayEnd:
        symbol = self.instrument.symbol
        last, last_ns = {}, {}
        for name, (_, key) in KEYS.items():
            rows = across_units.published_by_others(self.store, self.instrument, name, day, ())
            at = int(np.argmax(rows[key].to_numpy())) if len(rows) else 0
            last[name] = rows.slice(at, 1)
            last_ns[name] = int(rows["ts_event_ns"].to_numpy().max(initial=0))
        names = (*KEYS, "raw.quarantine")
        return _DayEnd(
            last=last,
            last_ns=last_ns,
            gaps=self.store.read("raw.gaps", symbol, day).select(GAPS.names),
            tables={name for name in names if self.store.published(name, symbol, day)},
        )


def _order(tables: Mapping[str, pa.Table]) -> dict[str, list[CheckOutcome]]:
    # What numpy can tell at once; the tables' contracts are judged by the day's batch run.
    return {"raw.trades": [check_order(tables["raw.trades"])]}


def _together(*parts: pa.Table) -> pa.Table:
    return pa.concat_tables([part.cast(GAPS) for part in parts]).unify_dictionaries()


def _write(
    publication: Publication, unit: str, tables: Mapping[str, pa.Table], end: _DayEnd
) -> None:
    for name in (*KEYS, "raw.quarantine"):
        if len(tables[name]) or name not in end.tables:
            publication.write(name, tables[name], unit=unit)
    is_of_day = pc.equal(tables["raw.gaps"]["unit"], DAY_UNIT)
    if pc.any(is_of_day).as_py():  # the day's part of them is written whole
        of_day = end.gaps.filter(pc.equal(end.gaps["unit"], DAY_UNIT))
        publication.write("raw.gaps", of_day, unit=DAY_UNIT)
    own = tables["raw.gaps"].filter(pc.invert(is_of_day))
    if len(own):
        publication.write("raw.gaps", own, unit=unit)


def _stored(
    day: date, made: Sequence[Mapping[str, pa.Table]], gaps: pa.Table, *, follows: bool
) -> Stored:
    trades, quotes = (
        pa.concat_tables([tables[name] for tables in made]).unify_dictionaries() for name in KEYS
    )
    return Stored(
        day=day, trades=trades, quotes=quotes, gaps=gaps, follows=follows,
        n_quarantined=sum(
            len(refused) - count_kind(refused, DEPTH_KIND)
            for refused in (tables["raw.quarantine"] for tables in made)
        ),
    )  # fmt: skip
