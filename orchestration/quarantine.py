"""Rejected records: looked at, handed out as a file, and tried again after a repair.

A replay reads quarantined records anew, with the instrument, column map and readers of now. What
passes is published as the unit's correction (:func:`~orchestration.ingest.replay_unit`) and leaves
the quarantine in the same publication; what still fails stays as it is. A second replay finds
nothing to do, and the unit's file, ingested again, takes the correction's place.

A record is read from the text that the quarantine kept where that says all: a line of a format
without header. Other units need their file. Records without ids of the venue have their place from
their file, so that such a unit is read whole and published anew.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from orchestration import across_units, ingest, sources
from orchestration.across_units import KEYS
from orchestration.day_gaps import DAY_UNIT, gaps_of_day
from orchestration.errors import IngestRefused, writing
from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import MAX_RECORD_CHARS, SourceBatch, SourceError
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

EXPORTED = (
    "symbol", "trading_day", "source", "unit", "line", "kind", "reason", "detail", "record",
    "ts_recv_ns",
)  # fmt: skip
FORMATS = (".csv", ".jsonl", ".parquet")
# Prices of another grid are off by a factor of two at least; no day moves that far from its trades.
_FAR = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which records are meant; what is None or empty chooses all."""

    day: date | None = None
    reasons: Sequence[str] = ()
    source: str | None = None


def quarantined(store: Store, symbol: str, chosen: Chosen) -> pa.Table:
    """Return the chosen records of a symbol in the order of day, line and reason."""
    where: dict[str, Any] = {}
    if chosen.reasons:
        where["reason"] = list(chosen.reasons)
    if chosen.source is not None:
        where["source"] = chosen.source
    rows = store.read("raw.quarantine", symbol, chosen.day, where=where or None)
    return rows.select(list(EXPORTED))


def export(rows: pa.Table, target: Path) -> None:
    """Write records as CSV, JSON lines or Parquet, as the name's ending says.

    Raises
    ------
    ValueError
        The name ends otherwise.
    NotWritable
        The file cannot be written; one that was there is untouched.
    """
    if target.suffix not in FORMATS:
        raise ValueError(f"{target.name} must end in one of {', '.join(FORMATS)}")
    labels = {"symbol", "source", "unit", "kind", "reason"}
    plain = pa.table({n: rows[n].cast(pa.string()) if n in labels else rows[n] for n in EXPORTED})
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".part-", delete=False) as part:
            try:
                if target.suffix == ".csv":
                    csv.write_csv(plain, part)
                elif target.suffix == ".parquet":
                    parquet.write_table(plain, part)
                else:
                    part.write(
                        plain.to_pandas()
                        .to_json(orient="records", lines=True, date_format="iso")
                        .encode()
                    )
            except OSError:
                Path(part.name).unlink()
                raise
        os.replace(part.name, target)


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What became of the records that were tried: ``tried == stored + still``."""

    tried: int = 0
    stored: int = 0
    days: set[date] = field(default_factory=set)
    needs_file: Counter[str] = field(default_factory=Counter)

    @property
    def still(self) -> int:
        """Records that stay in quarantine."""
        return self.tried - self.stored

    def as_json(self) -> dict[str, Any]:
        """Return it as ``orderflow quarantine replay --json`` prints it."""
        return {
            "tried": self.tried, "stored": self.stored, "still": self.still,
            "days": [day.isoformat() for day in sorted(self.days)],
            "needs_file": dict(sorted(self.needs_file.items())),
        }  # fmt: skip


def replay(
    store: Store, instrument: Instrument, chosen: Chosen, *, paths: Sequence[Path] = (), run_id: str
) -> Replayed:
    """Try the chosen records again and publish those that pass now.

    Parameters
    ----------
    paths : sequence of Path
        Files of the units, where the kept text does not suffice.

    Raises
    ------
    SourceError
        A file named cannot be read.
    IngestRefused
        The records that pass lie on another grid of prices than those that are stored.
    """
    rows = quarantined(store, instrument.symbol, chosen)
    done = Replayed(tried=len(rows))
    units = _by_unit(rows)
    from_files = _read_files(units, instrument, paths)
    for (source, unit), refused in units.items():
        wanted = set(refused["line"].to_pylist())
        batch = from_files.get(unit)
        if batch is not None and not instrument.max_id_step:
            _publish_whole(store, instrument, batch, refused, done, run_id)
            continue
        if batch is None and instrument.max_id_step:
            batch = _read_texts(source, unit, refused, instrument)
        if batch is None:
            done.needs_file[unit] += len(refused)
            continue
        passing = _of_lines(batch, wanted)
        for day, part in split_by_day(passing, instrument).items():
            _publish_part(store, instrument, unit, day, part, done, run_id)
    return done


def _by_unit(rows: pa.Table) -> dict[tuple[str, str], pa.Table]:
    found = {}
    pairs = zip(rows["source"].to_pylist(), rows["unit"].to_pylist(), strict=True)
    for source, unit in dict.fromkeys(pairs):
        mask = pc.and_(pc.equal(rows["source"], source), pc.equal(rows["unit"], unit))
        found[source, unit] = rows.filter(mask)
    return found


def _read_files(
    units: dict[tuple[str, str], pa.Table], instrument: Instrument, paths: Sequence[Path]
) -> dict[str, SourceBatch]:
    found: dict[str, SourceBatch] = {}
    failure: SourceError | None = None
    for source in sorted({source for source, _ in units} & sources.SOURCES.keys()):
        try:
            for _, batch in sources.read_units(source, paths, instrument):
                found[batch.unit] = batch
        except SourceError as error:
            failure = error  # perhaps another source's file
    if failure is not None and not found:
        raise failure
    return found


def _read_texts(
    source: str, unit: str, refused: pa.Table, instrument: Instrument
) -> SourceBatch | None:
    """Read the kept texts as a file of their source; None where they do not say all."""
    texts, lines = refused["record"].to_pylist(), refused["line"].to_pylist()
    if source not in sources.SOURCES or any(len(text) >= MAX_RECORD_CHARS for text in texts):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        path.write_text("".join(text + "\n" for text in texts), encoding="utf-8", newline="")
        try:
            batches = list(sources.SOURCES[source].read([path], instrument))
        except SourceError:
            return None
    if len(batches) != 1 or batches[0].n_lines != len(texts) or batches[0].other:
        return None
    (batch,) = batches
    if (batch.trades["trade_id"].to_numpy() == batch.trades["line"].to_numpy()).any():
        return None  # it gave the records their numbers, as their file would give others
    at = np.array(lines, np.int64)
    tables = {name: _with_lines(getattr(batch, name), at) for name in ("trades", "quotes")}
    return replace(batch, unit=unit, **tables)


def _with_lines(rows: pa.Table, lines: np.ndarray) -> pa.Table:
    numbers = pa.array(lines[rows["line"].to_numpy() - 1])
    index = rows.schema.get_field_index("line")
    return rows.set_column(index, rows.schema.field("line"), numbers)


def _of_lines(batch: SourceBatch, lines: set[int]) -> SourceBatch:
    """Return the stored records of a batch that stand on some lines, and nothing else of it."""
    wanted = pa.array(sorted(lines), pa.int64())
    tables = {
        name: getattr(batch, name).filter(pc.is_in(getattr(batch, name)["line"], wanted))
        for name in ("trades", "quotes")
    }
    return replace(
        batch, **tables, gaps=batch.gaps.slice(0, 0), quarantine=batch.quarantine.slice(0, 0),
        quarantine_ns=np.zeros(0, np.int64), offered=sum(map(len, tables.values())),
        depth=batch.depth.slice(0, 0), depth_offered=0,
    )  # fmt: skip


def _publish_whole(
    store: Store, instrument: Instrument, batch: SourceBatch, refused: pa.Table, done: Replayed,
    run_id: str,
) -> None:  # fmt: skip
    before = len(refused)
    summary = ingest.ingest(store, [batch], instrument, run_id=run_id)
    left = store.read("raw.quarantine", instrument.symbol, where={"unit": batch.unit})
    same = pc.is_in(refused["line"], left["line"].combine_chunks())
    n_left = int(pc.sum(same).as_py() or 0)
    done.stored += before - n_left
    if before > n_left:
        done.days.update(summary.days)


def _publish_part(
    store: Store, instrument: Instrument, unit: str, day: date, part: SourceBatch, done: Replayed,
    run_id: str,
) -> None:  # fmt: skip
    """Publish what passes on one day beside what is stored, and take it out of the quarantine."""
    symbol, correction = instrument.symbol, ingest.replay_unit(unit)
    tables: dict[str, pa.Table] = {}
    passed: set[int] = set()
    for name, rows in (("raw.trades", part.trades), ("raw.quotes", part.quotes)):
        others = across_units.published_by_others(store, instrument, name, day, {correction})
        kept, _ = across_units.set_aside(name, rows, others)
        _require_same_grid(store, instrument, name, day, kept)
        passed.update(kept["line"].to_pylist())
        tables[name] = _beside_earlier(store, symbol, name, day, correction, kept)
    if not passed:
        return
    trades = [
        tables["raw.trades"],
        across_units.published_by_others(store, instrument, "raw.trades", day, {correction}),
    ]
    tables["raw.gaps"] = gaps_of_day(store, instrument, day, trades)
    made = ingest.DayTables(instrument=instrument, day=day, unit=correction, tables=tables)
    left = _left_in_quarantine(store, symbol, unit, passed)
    with store.publish(symbol, day, run_id=run_id, code_version=ingest.CODE_VERSION) as publication:
        for name in KEYS:
            publication.write(name, tables[name], unit=correction)
        publication.write("raw.gaps", tables["raw.gaps"], unit=DAY_UNIT)
        if day in left:
            publication.write("raw.quarantine", left.pop(day), unit=unit)
        publication.audit()
        ingest.refuse_broken(symbol, made)
        publication.commit()
    # A record without a readable time waited on the day of its neighbours.
    for other, rows in left.items():
        with store.publish(
            symbol, other, run_id=run_id, code_version=ingest.CODE_VERSION
        ) as publication:
            publication.write("raw.quarantine", rows, unit=unit)
            publication.commit()
    ingest.renew_gaps_beside(store, made, run_id)
    done.stored += len(passed)
    done.days.add(day)


def _beside_earlier(
    store: Store, symbol: str, name: str, day: date, correction: str, kept: pa.Table
) -> pa.Table:
    index = kept.schema.get_field_index("unit")
    codes = pa.array(np.zeros(len(kept), np.int32))
    named = pa.DictionaryArray.from_arrays(codes, pa.array([correction]))
    kept = kept.set_column(index, kept.schema.field("unit"), named)
    earlier = store.read(name, symbol, day, columns=kept.column_names, where={"unit": correction})
    if not len(earlier):
        return kept
    fresh = kept.filter(pc.invert(pc.is_in(kept["line"], earlier["line"].combine_chunks())))
    both = pa.concat_tables([earlier.cast(kept.schema), fresh]).unify_dictionaries()
    return both.sort_by([("ts_event_ns", "ascending"), (KEYS[name][1], "ascending")])


def _left_in_quarantine(
    store: Store, symbol: str, unit: str, passed: set[int]
) -> dict[date, pa.Table]:
    rows = store.read("raw.quarantine", symbol, where={"unit": unit})
    lines = pa.array(sorted(passed), pa.int64())
    gone = pc.is_in(rows["line"], lines)
    found = {}
    for day in sorted(set(rows.filter(gone)["trading_day"].to_pylist())):
        mine = pc.equal(rows["trading_day"], pa.scalar(day))
        kept = rows.filter(pc.and_(mine, pc.invert(gone)))
        found[day] = kept.drop_columns(["symbol", "trading_day"])
    return found


def _require_same_grid(
    store: Store, instrument: Instrument, name: str, day: date, rows: pa.Table
) -> None:
    """Refuse prices that are far from all stored ones: they count other steps than those do."""
    column = "price_ticks" if name == "raw.trades" else "bid_ticks"
    if not len(rows):
        return
    days = store.days(name, instrument.symbol)
    for near in sorted(days, key=lambda other: abs((other - day).days)):
        stored = store.read(name, instrument.symbol, near, columns=[column])
        if len(stored):
            break
    else:
        return
    low, high = (value.as_py() for value in pc.min_max(stored[column]).values())
    mine = pc.min_max(rows[column])
    least, most = mine["min"].as_py(), mine["max"].as_py()
    if most > _FAR * high or least * _FAR < low:
        raise IngestRefused(
            f"{instrument.symbol} {day}: {column} {least} to {most} would stand beside {low} to "
            f"{high} of {near}: if price_step was changed, stored rows count other steps, and "
            "every file must be ingested again"
        )
