"""Looking after the store: removing what was never published, comparing it with its manifest."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from orchestration.storage.connection import Connection
from orchestration.storage.content_hash import content_hash
from orchestration.storage.manifest import ManifestRow, current
from orchestration.storage.readers import read_generations
from orchestration.storage.schema import Table
from orchestration.storage.tables import TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Rows of one generation that a table holds."""

    table: str
    symbol: str
    trading_day: date
    generation: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One difference between the manifest and the tables."""

    table: str
    symbol: str
    trading_day: date | None
    generation: int
    what: str


def delete_generations(connection: Connection, table: Table, generations: Collection[int]) -> None:
    """Remove the rows of the given generations and wait until they are gone."""
    connection.delete(
        f"ALTER TABLE {table.quoted} DELETE WHERE generation IN {{generations:Array(Int64)}}",
        {"generations": sorted(generations)},
    )


def stored_generations(connection: Connection, table: Table) -> list[Stored]:
    """Return what a table holds, published or not, by generation."""
    found = connection.select(
        "SELECT toString(symbol) AS symbol, trading_day, generation, toInt64(count()) AS rows "
        f"FROM {table.quoted} GROUP BY ALL ORDER BY symbol, trading_day, generation"
    )
    return [Stored(table=table.name, **values) for values in found.to_pylist()]


def orphans(
    connection: Connection,
    published: Iterable[ManifestRow],
    *,
    in_progress: Collection[int],
    min_age_s: float,
) -> list[Stored]:
    """Return generations that no manifest row names, and that nobody is writing.

    A generation is the time of its making in nanoseconds: one younger than ``min_age_s`` may belong
    to another process's publication and is left alone.
    """
    known = {row.generation for row in published} | set(in_progress)
    newest = time.time_ns() - int(min_age_s * 1e9)
    return [
        stored
        for table in TABLES.values()
        for stored in stored_generations(connection, table)
        if stored.generation not in known and (min_age_s == 0 or stored.generation <= newest)
    ]


def remove(connection: Connection, unwanted: Sequence[Stored]) -> dict[str, int]:
    """Delete the given generations; return the number of rows removed by table."""
    counts: dict[str, int] = {}
    for name in sorted({stored.table for stored in unwanted}):
        mine = [stored for stored in unwanted if stored.table == name]
        delete_generations(connection, TABLES[name], [stored.generation for stored in mine])
        counts[name] = sum(stored.rows for stored in mine)
    return counts


def find_problems(
    connection: Connection, published: Sequence[ManifestRow], *, is_deep: bool
) -> list[Problem]:
    """Compare the manifest with the tables: columns, row counts, single owners, and hashes if deep."""
    problems = _column_problems(connection)
    for table in TABLES.values():
        mine = [row for row in published if row.table == table.name]
        held = {s.generation: s.rows for s in stored_generations(connection, table)}
        problems += _each(mine, lambda row, held=held: _count_problem(row, held))
        problems += _ownership_problems(table, current(mine))
        if is_deep:
            problems += _each(
                current(mine), lambda row, table=table: _hash_problem(connection, table, row)
            )
    return problems


def _each(rows: Iterable[ManifestRow], judge: Callable[[ManifestRow], str]) -> list[Problem]:
    return [_problem(row, what) for row in rows if (what := judge(row))]


def _problem(row: ManifestRow, what: str) -> Problem:
    return Problem(
        table=row.table,
        symbol=row.symbol,
        trading_day=row.trading_day,
        generation=row.generation,
        what=what,
    )


def _count_problem(row: ManifestRow, held: dict[int, int]) -> str:
    found = held.get(row.generation, 0)
    return "" if found == row.rows else f"manifest states {row.rows} rows, table holds {found}"


def _hash_problem(connection: Connection, table: Table, row: ManifestRow) -> str:
    if _count_rows(connection, table, row) != row.rows:
        return ""  # told by the count already; reading it would raise
    found = content_hash(table, read_generations(connection, table, [row]))
    return "" if found == row.hash else f"manifest states hash {row.hash}, rows have {found}"


def _count_rows(connection: Connection, table: Table, row: ManifestRow) -> int:
    found = connection.select(
        f"SELECT toInt64(count()) AS rows FROM {table.quoted} WHERE symbol = {{symbol:String}} "
        "AND trading_day = {day:Date} AND generation = {generation:Int64}",
        {"symbol": row.symbol, "day": row.trading_day, "generation": row.generation},
    )
    return int(found.column("rows")[0].as_py())


def _ownership_problems(table: Table, rows: Sequence[ManifestRow]) -> list[Problem]:
    # Two generations at once in a table that is written whole would double the day.
    seen: dict[tuple[str, date, str], int] = {}
    problems = []
    for row in rows:
        key = (row.symbol, row.trading_day, row.unit if table.has_units else "")
        if key in seen:
            problems.append(_problem(row, f"published beside generation {seen[key]}"))
        seen[key] = row.generation
    return problems


def _column_problems(connection: Connection) -> list[Problem]:
    found = connection.select(
        "SELECT concat(database, '.', `table`) AS tab, name, type FROM system.columns "
        "WHERE database IN ('raw', 'flow', 'research', 'backtest') ORDER BY tab, position"
    ).to_pylist()
    problems = []
    for table in TABLES.values():
        stored = [(row["name"], row["type"]) for row in found if row["tab"] == table.name]
        expected = [(column.name, column.type) for column in table.columns]
        if stored != expected:
            what = f"columns are {stored}, the program expects {expected}"
            problems.append(
                Problem(table=table.name, symbol="", trading_day=None, generation=0, what=what)
            )
    return problems
