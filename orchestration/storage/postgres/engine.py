"""The store's engine on PostgreSQL, with TimescaleDB where that is there."""

# ruff: noqa: S608  identifiers come from the tables' own definitions; values are bound

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import psycopg
import pyarrow as pa

from orchestration.storage.engine import AppliedMigration, Size, Stored, TimeCount
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.postgres.manifest import PostgresManifest
from orchestration.storage.postgres.migrations import (
    PARTITIONING,
    list_applied,
    migrate,
    uses_timescale,
)
from orchestration.storage.postgres.reading import count_by_time, read_rows
from orchestration.storage.postgres.schema import TYPES, quoted
from orchestration.storage.postgres.sessions import Sessions
from orchestration.storage.postgres.staging import PostgresStaging
from orchestration.storage.postgres.texts import original_text, original_texts, stored_text
from orchestration.storage.schema import Column, Table
from orchestration.storage.tables import TABLES

_PARAMETER = re.compile(r"\{(\w+):(Array\((\w+)\)|\w+(?:\(\w+\))?)\}")


class Postgres:
    """The tables on PostgreSQL; see ``Engine``.

    A publication is one transaction: what a killed or failed writer had inserted, the server undoes.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database``.
    memory_bytes, timeout_s : int
    retry_s : float
        See ``Sessions``.

    Raises
    ------
    StoreUrlError, StoreError, SchemaError
        The url is none, nobody answers there, the schema is another version's.
    """

    # Rows of a killed writer never come to be, so what no manifest row names, retention left.
    orphan_age_s = 0.0

    def __init__(self, url: str, *, memory_bytes: int, timeout_s: int, retry_s: float) -> None:
        self.sessions = Sessions(
            url, memory_bytes=memory_bytes, timeout_s=timeout_s, retry_s=retry_s
        )
        self.manifest = PostgresManifest(self.sessions.run)
        self._partitions: set[str] = set()
        try:
            self.sessions.run("bringing the schema up to date", migrate)
            self.has_timescale = self.sessions.run("reading the schema", uses_timescale)
        except BaseException:
            self.sessions.close()
            raise

    def query(self, sql: str, params: Mapping[str, Any]) -> pa.Table:
        """Run one reading query, in PostgreSQL's SQL; parameters stand as ``{name:Type}`` here too."""
        bound = {name: _bindable(value) for name, value in params.items()}

        def read(connection: psycopg.Connection) -> pa.Table:
            with connection.transaction():
                connection.execute("SET TRANSACTION READ ONLY")
                cursor = connection.execute(_with_casts(sql), bound)
                names = [column.name for column in cursor.description or ()]
                columns = zip(*cursor.fetchall(), strict=True)
            values = [pa.array(column) for column in columns] or [pa.array([])] * len(names)
            texts = [original_texts(v) if pa.types.is_string(v.type) else v for v in values]
            return pa.table(texts, names=names)

        return self.sessions.run("a query", read)

    def select_rows(
        self,
        table: Table,
        columns: Sequence[Column],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
    ) -> pa.Table:
        """Return the columns of some generations of one symbol, in order."""
        return self.sessions.run(
            f"reading {table.name}", lambda c: read_rows(c, table, columns, batch, where)
        )

    def count_by_time(
        self,
        table: Table,
        labels: Sequence[str],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
        time: str,
        n_stretches: int,
    ) -> list[TimeCount]:
        """Return how many rows have a time of each stretch, by labels and time."""
        return self.sessions.run(
            f"counting {table.name}",
            lambda c: count_by_time(c, table, labels, batch, where, time, n_stretches),
        )

    def stored_generations(self, table: Table) -> list[Stored]:
        """Return what a table holds by generation; nobody sees what is not published."""
        sql = (
            f"SELECT symbol, trading_day, generation, count(*) FROM {quoted(table)} "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        found = self.sessions.run(f"counting {table.name}", lambda c: c.execute(sql).fetchall())
        return [
            Stored(
                table=table.name,
                symbol=original_text(symbol),
                trading_day=day,
                generation=generation,
                rows=rows,
            )
            for symbol, day, generation, rows in found
        ]

    def delete_generations(self, table: Table, day: date, generations: Collection[int]) -> None:
        """Remove generations whose trading days share the month of ``day``."""
        self.sessions.run(
            f"removing rows of {table.name}", lambda c: delete_rows(c, table, day, generations)
        )

    def retired(self) -> set[int]:
        """Return the generations whose rows retention has removed."""
        sql = "SELECT generation FROM meta.retired"
        found = self.sessions.run("reading meta.retired", lambda c: c.execute(sql).fetchall())
        return {generation for (generation,) in found}

    def record_retired(self, generations: Sequence[int], at_ns: int) -> None:
        """Record that the rows of these generations are being removed."""
        sql = "INSERT INTO meta.retired SELECT unnest(%s::bigint[]), %s ON CONFLICT DO NOTHING"
        values = [list(generations), at_ns]
        self.sessions.run("writing meta.retired", lambda c: c.execute(sql, values))

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Return what is stored, by table: its columns' names and types in order."""
        sql = (
            "SELECT table_schema || '.' || table_name, column_name, data_type "
            "FROM information_schema.columns WHERE table_schema = ANY(%s) ORDER BY ordinal_position"
        )
        schemas = [sorted({name.split(".")[0] for name in TABLES})]
        columns: dict[str, list[tuple[str, str]]] = {}
        found = self.sessions.run(
            "reading the schema", lambda c: c.execute(sql, schemas).fetchall()
        )
        for table, name, kind in found:
            columns.setdefault(table, []).append((name, kind))
        return columns

    def type_of(self, column: Column) -> str:
        """Return the type that PostgreSQL gives a column."""
        return TYPES[column.type]

    def sizes(self) -> dict[str, Size]:
        """Return what the tables take of the disk, indexes included, by table."""
        sql = (
            "SELECT count(*), coalesce(sum(pg_total_relation_size(relid)), 0)::bigint "
            "FROM pg_partition_tree(%s) WHERE isleaf"
        )
        if self.has_timescale:
            sql = (
                "SELECT count(*), coalesce(sum(total_bytes), 0)::bigint "
                "FROM chunks_detailed_size(%s)"
            )

        def read(connection: psycopg.Connection) -> dict[str, Size]:
            names = {name: quoted(table) for name, table in TABLES.items()}
            return {
                name: Size(*connection.execute(sql, [as_sql]).fetchone())
                for name, as_sql in names.items()
            }

        return self.sessions.run("reading the sizes of the tables", read)

    def migrations(self) -> list[AppliedMigration]:
        """Return the migrations that were applied, oldest first."""
        return self.sessions.run("reading meta.migrations", list_applied)

    def make_missing(self) -> None:
        """Do nothing: there are no nodes."""

    def staging(self) -> PostgresStaging:
        """Start to write the rows of one publication."""
        return PostgresStaging(self.sessions, self._require_partition)

    def close(self) -> None:
        """Close the connections."""
        self.sessions.close()

    def _require_partition(self, table: Table, day: date) -> None:
        """Make the partition of a day's month where there is none; a hypertable makes its own."""
        name = f'{quoted(table)[:-1]}_{day:%Y_%m}"'
        if self.has_timescale or name in self._partitions:
            return
        first, last = month_of(day)

        # A transaction of its own: one that goes on would keep others from making theirs. Attaching
        # a table, unlike creating it as a partition, lets everybody read and write meanwhile.
        def make(connection: psycopg.Connection) -> None:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITIONING])
                if connection.execute("SELECT to_regclass(%s)::text", [name]).fetchone()[0]:
                    return
                connection.execute(f"CREATE TABLE {name} (LIKE {quoted(table)} INCLUDING ALL)")
                connection.execute(
                    f"ALTER TABLE {quoted(table)} ATTACH PARTITION {name} "
                    f"FOR VALUES FROM ('{first}') TO ('{last}')"
                )

        self.sessions.run(f"making a partition of {table.name}", make)
        self._partitions.add(name)


def delete_rows(
    connection: psycopg.Connection, table: Table, day: date, generations: Collection[int]
) -> None:
    """Remove generations whose trading days share the month of ``day``."""
    connection.execute(
        f"DELETE FROM {quoted(table)} WHERE trading_day >= %s AND trading_day < %s "
        "AND generation = ANY(%s)",
        [*month_of(day), sorted(generations)],
    )


def month_of(day: date) -> tuple[date, date]:
    """Return the first day of a day's month and of the next one."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _bindable(value: Any) -> Any:
    if isinstance(value, str):
        return stored_text(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_bindable(one) for one in value]
    return value


def _with_casts(sql: str) -> str:
    # {name:Array(Int64)} -> %(name)s::bigint[]
    def bound(found: re.Match[str]) -> str:
        name, kind, of_array = found.groups()
        return f"%({name})s::{TYPES[of_array]}[]" if of_array else f"%({name})s::{TYPES[kind]}"

    return _PARAMETER.sub(bound, sql.replace("%", "%%"))
