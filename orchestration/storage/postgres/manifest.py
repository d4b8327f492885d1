"""The manifest in PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeAlias, TypeVar

import psycopg
from psycopg.types.json import Json

from orchestration.storage.manifest import MANIFEST_SCHEMA, Input, ManifestRow
from orchestration.storage.postgres.texts import original_text, stored_text

T = TypeVar("T")
Run: TypeAlias = Callable[[str, Callable[[psycopg.Connection], T]], T]
_COLUMNS = ", ".join(f'"{name}"' for name in MANIFEST_SCHEMA.names)
_PLACES = ", ".join(["%s"] * len(MANIFEST_SCHEMA))
_ORDER = 'ORDER BY seq, "table", generation'
_TEXTS = ("table", "symbol", "unit", "hash", "code_version", "run_id")


class PostgresManifest:
    """Reads manifest rows; see ``ManifestLog``.

    Parameters
    ----------
    run : callable
        ``run(what, call)`` calls with a connection, in a transaction or not.
    """

    # A publication appends in its own transaction, and nobody counts.
    n_appended = 0

    def __init__(self, run: Run) -> None:
        self._run = run

    def last_seq(self) -> int:
        """Number of the latest publication; 0 before the first."""
        return self._number("SELECT coalesce(max(seq), 0) FROM meta.manifest")

    def last_seq_at(self, at_ns: int) -> int:
        """Number of the last publication at or before a time; 0 before the first."""
        sql = "SELECT coalesce(max(seq), 0) FROM meta.manifest WHERE published_at <= %s"
        return self._number(sql, at_ns)

    def last_generation(self) -> int:
        """Highest published generation; 0 before the first publication."""
        return self._number("SELECT coalesce(max(generation), 0) FROM meta.manifest")

    def rows(
        self,
        *,
        table: str | None = None,
        symbol: str | None = None,
        days: Sequence[date] | None = None,
        snapshot: int | None = None,
        after: int | None = None,
    ) -> list[ManifestRow]:
        """Return every row after one publication up to another, replaced ones included, oldest first."""
        conditions, values = ["true"], []
        for condition, value in (
            ('"table" = %s', table),
            ("symbol = %s", symbol if symbol is None else stored_text(symbol)),
            ("trading_day = ANY(%s::date[])", None if days is None else list(days)),
            ("seq <= %s", snapshot),
            ("seq > %s", after),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        return self._rows(" AND ".join(conditions), values)

    def current_of_unit(self, symbol: str, day: date, unit: str) -> list[ManifestRow]:
        """Return what is current of one unit or segment, in all tables."""
        mine = "symbol = %s AND trading_day = %s"
        key = [stored_text(symbol), day]
        return self._rows(
            f"{mine} AND unit = %s AND NOT EXISTS (SELECT FROM meta.manifest AS later "
            f"WHERE {mine} AND manifest.generation = ANY(later.replaces))",
            [*key, stored_text(unit), *key],
        )

    def _number(self, sql: str, *values: int) -> int:
        def read(connection: psycopg.Connection) -> int:
            return int(connection.execute(sql, values).fetchone()[0])

        return self._run("reading the manifest", read)

    def _rows(self, condition: str, values: list[object]) -> list[ManifestRow]:
        sql = f"SELECT {_COLUMNS} FROM meta.manifest WHERE {condition} {_ORDER}"  # noqa: S608

        def read(connection: psycopg.Connection) -> list[ManifestRow]:
            return [_row(found) for found in connection.execute(sql, values)]

        return self._run("reading the manifest", read)


def insert_rows(connection: psycopg.Connection, rows: Sequence[ManifestRow]) -> None:
    """Insert manifest rows within a transaction."""
    sql = f"INSERT INTO meta.manifest ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(sql, [_values(row) for row in rows])


def are_published(connection: psycopg.Connection, rows: Sequence[ManifestRow]) -> bool:
    """Tell whether the manifest has these rows, whoever asks."""
    sql = "SELECT count(*) FROM meta.manifest WHERE generation = ANY(%s)"
    (n,) = connection.execute(sql, [[row.generation for row in rows]]).fetchone()
    return n == len(rows)


def _values(row: ManifestRow) -> list[object]:
    values = {name: getattr(row, name) for name in MANIFEST_SCHEMA.names}
    values |= {name: stored_text(values[name]) for name in _TEXTS}
    values["replaces"] = list(row.replaces)
    values["inputs"] = Json([[i.table, i.trading_day.isoformat(), i.hash] for i in row.inputs])
    return list(values.values())


def _row(found: tuple) -> ManifestRow:
    values = dict(zip(MANIFEST_SCHEMA.names, found, strict=True))
    values |= {name: original_text(values[name]) for name in _TEXTS}
    values["replaces"] = tuple(values["replaces"])
    values["inputs"] = tuple(
        Input(table, date.fromisoformat(day), hash_) for table, day, hash_ in values["inputs"]
    )
    return ManifestRow(**values)
