"""Looking after the store: removing what was never published, comparing it with its manifest."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from orchestration.storage.content_hash import content_hash
from orchestration.storage.engine import Engine, Stored
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.manifest import ManifestRow, current
from orchestration.storage.readers import read_generations
from orchestration.storage.schema import Table
from orchestration.storage.tables import TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One difference between the manifest and the tables."""

    table: str
    symbol: str
    trading_day: date | None
    generation: int
    what: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        day = "" if self.trading_day is None else f" {self.symbol} {self.trading_day}"
        return f"{self.table}{day}: {self.what}"


def orphans(engine: Engine, *, in_progress: Collection[int], min_age_s: float) -> list[Stored]:
    """Return generations that no manifest row names, or that retention retired, and that nobody writes.

    A generation is the time of its making in nanoseconds: one younger than ``min_age_s`` may belong
    to another process's publication and is left alone.
    """
    newest = time.time_ns() - int(min_age_s * 1e9)
    # In this order: a publication that ends meanwhile is among those in progress or in the manifest.
    found = [stored for table in TABLES.values() for stored in engine.stored_generations(table)]
    known = set(in_progress)
    gone = engine.retired()
    known |= {row.generation for row in engine.manifest.rows() if row.generation not in gone}
    return [
        stored
        for stored in found
        if stored.generation not in known and (min_age_s == 0 or stored.generation <= newest)
    ]


def remove(engine: Engine, unwanted: Sequence[Stored]) -> dict[str, int]:
    """Delete the given generations; return the number of rows removed by table."""
    counts: dict[str, int] = {}
    by_partition: dict[tuple[str, int, int], list[Stored]] = {}
    for stored in unwanted:
        key = (stored.table, stored.trading_day.year, stored.trading_day.month)
        by_partition.setdefault(key, []).append(stored)
    for (name, _, _), mine in sorted(by_partition.items(), key=lambda item: item[0]):
        generations = [stored.generation for stored in mine]
        engine.delete_generations(TABLES[name], mine[0].trading_day, generations)
        counts[name] = counts.get(name, 0) + sum(stored.rows for stored in mine)
    return counts


def find_problems(
    engine: Engine,
    published: Sequence[ManifestRow],
    *,
    retired: Collection[int],
    is_deep: bool,
) -> list[Problem]:
    """Compare the manifest with the tables: columns, row counts, single owners, and hashes if deep.

    ``retired`` are the generations whose rows retention has removed.
    """
    problems = _column_problems(engine)
    for table in TABLES.values():
        mine = [row for row in published if row.table == table.name]
        visible = current(mine)
        visible_generations = {row.generation for row in visible}
        held = {s.generation: s.rows for s in engine.stored_generations(table)}
        for row in mine:
            if row.generation in retired:
                continue
            found = held.get(row.generation, 0)
            if found != row.rows:
                what = f"manifest states {row.rows} rows, table holds {found}"
                problems.append(_problem(row, what))
            elif is_deep and row.generation in visible_generations:
                problems += _hash_problems(engine, table, row)
        problems += _ownership_problems(visible)
    return problems


def _problem(row: ManifestRow, what: str) -> Problem:
    return Problem(
        table=row.table,
        symbol=row.symbol,
        trading_day=row.trading_day,
        generation=row.generation,
        what=what,
    )


def _hash_problems(engine: Engine, table: Table, row: ManifestRow) -> list[Problem]:
    try:
        found = content_hash(table, read_generations(engine, table, [row]))
    except StoreCorruptError as error:
        return [_problem(row, str(error))]
    if found == row.hash:
        return []
    return [_problem(row, f"manifest states hash {row.hash}, rows have {found}")]


def _ownership_problems(rows: Sequence[ManifestRow]) -> list[Problem]:
    # Two generations at once of one unit, or of a table that is written whole, would double rows.
    seen: dict[tuple[str, date, str], int] = {}
    problems = []
    for row in rows:
        key = (row.symbol, row.trading_day, row.unit)  # of a table without units: its segment
        if key in seen:
            problems.append(_problem(row, f"published beside generation {seen[key]}"))
        seen[key] = row.generation
    return problems


def _column_problems(engine: Engine) -> list[Problem]:
    found = engine.columns()
    problems = []
    for table in TABLES.values():
        stored = found.get(table.name, [])
        expected = [(column.name, engine.type_of(column)) for column in table.columns]
        if stored != expected:
            what = f"columns are {stored}, the program expects {expected}"
            problems.append(
                Problem(table=table.name, symbol="", trading_day=None, generation=0, what=what)
            )
    return problems
