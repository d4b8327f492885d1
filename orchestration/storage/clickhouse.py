"""The store's engine on ClickHouse, embedded or a server."""

# ruff: noqa: S608  identifiers come from the tables' own definitions; values are bound

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from typing import Any

import pyarrow as pa

from orchestration.storage.cluster import stored_in
from orchestration.storage.connection import Connection
from orchestration.storage.engine import (
    AppliedMigration,
    Between,
    Checksum,
    Size,
    Stored,
    TimeCount,
)
from orchestration.storage.errors import StoreCorruptError, StoreError
from orchestration.storage.manifest import Manifest, ManifestRow
from orchestration.storage.migrations import list_applied, make_missing, migrate
from orchestration.storage.schema import FLOAT64, LABEL, Column, Table
from orchestration.storage.tables import TABLES

# On a server other processes may be staging: only what is a day old counts as abandoned.
_SERVER_ORPHAN_AGE_S = 86_400.0
# Files that are cut, changed or gone: cannot read all data, checksum does not match, cannot open, no file
# in a part, no such file, corrupted data, cannot decompress.
_DAMAGE = frozenset({33, 40, 76, 107, 226, 246, 271})
# Settings of tables: seconds, number of inserts.
_OLD_PARTS, _INSERT_WINDOW = (
    ("old_parts_lifetime", 10),
    ("non_replicated_deduplication_window", 1000),
)


class ClickHouse:
    """The tables on ClickHouse; see ``Engine``. It owns the connection.

    Parameters
    ----------
    connection : Connection
    is_embedded : bool
        One process alone has the store, for as long as it lives.
    """

    def __init__(self, connection: Connection, *, is_embedded: bool) -> None:
        self.connection = connection
        self.manifest = Manifest(connection, is_only_writer=is_embedded)
        self.orphan_age_s = 0.0 if is_embedded else _SERVER_ORPHAN_AGE_S
        self._commit_lock = threading.RLock()
        try:
            migrate(connection)
            # Embedded: replaced parts stay 480 s by default, which a short run never lives to see.
            # On a server: inserts whose answer was lost are sent again.
            # A cluster's tables are made with what they need.
            if not connection.cluster:
                self._require_setting(*(_OLD_PARTS if is_embedded else _INSERT_WINDOW))
        except BaseException:
            connection.close()
            raise

    def query(self, sql: str, params: Mapping[str, Any]) -> pa.Table:
        """Run one reading query."""
        return self.connection.select(sql, params)

    def select_rows(
        self,
        table: Table,
        columns: Sequence[Column],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
    ) -> pa.Table:
        """Return the columns of some generations of one symbol, in order."""
        conditions, params = _conditions(table, batch, where)
        # One generation a day: the primary key has the rows in order, and nothing is left to sort.
        is_single = len({row.trading_day for row in batch}) == len(batch)
        order = ["symbol", "trading_day", *(["generation"] if is_single else [])]
        order += [_order_term(c) for c in table.order_of([column.name for column in columns])]
        chosen = ", ".join(f"`{column.name}`" for column in columns)
        sql = f"SELECT {chosen} FROM {table.quoted} WHERE {conditions} ORDER BY {', '.join(order)}"
        with _damage_named(table, batch):
            return self.connection.select(sql, params)

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
        low, high = where[time]
        width = max(-(-(high - low) // n_stretches), 1)
        conditions, params = _conditions(table, batch, where)
        keys = ", ".join([*(f"`{name}`" for name in labels), "stretch"])
        chosen = "".join(f"toString(`{name}`), " for name in labels)
        found = self.connection.select(
            f"SELECT {chosen}intDiv(`{time}` - {{start:Int64}}, {{width:Int64}}) AS stretch, "
            f"toInt64(count()) FROM {table.quoted} WHERE {conditions} GROUP BY {keys} ORDER BY {keys}",
            params | {"start": low, "width": width},
        )
        columns = [column.to_pylist() for column in found.columns]
        return [
            TimeCount(tuple(names), low + k * width, min(low + (k + 1) * width, high), rows)
            for *names, k, rows in zip(*columns, strict=True)
        ]

    def stored_generations(self, table: Table) -> list[Stored]:
        """Return what a table holds, published or not, by generation."""
        found = self.connection.select(
            "SELECT toString(symbol) AS symbol, trading_day, generation, toInt64(count()) AS rows "
            f"FROM {table.quoted} GROUP BY ALL ORDER BY symbol, trading_day, generation"
        )
        return [Stored(table=table.name, **values) for values in found.to_pylist()]

    def delete_generations(self, table: Table, day: date, generations: Collection[int]) -> None:
        """Remove generations whose trading days share the month of ``day``."""
        # Within one partition: a mutation of the table would make a new version of every part it has.
        partition = day.year * 100 + day.month
        cluster = self.connection.cluster
        holds_rows = stored_in(cluster, *table.name.split(".")) if cluster else table.quoted
        self.connection.delete(
            f"ALTER TABLE {holds_rows} DELETE IN PARTITION {partition} "
            "WHERE generation IN {generations:Array(Int64)}",
            {"generations": sorted(generations)},
        )

    def retired(self) -> set[int]:
        """Return the generations whose rows retention has removed."""
        found = self.connection.select("SELECT DISTINCT generation FROM meta.retired")
        return set(found.column("generation").to_pylist())

    def record_retired(self, generations: Sequence[int], at_ns: int) -> None:
        """Record that the rows of these generations are being removed."""
        block = {"generation": list(generations), "retired_at": [at_ns] * len(generations)}
        self.connection.insert("meta.retired", pa.table(block), token=f"retired-{at_ns}")

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Return what is stored, by table: its columns' names and types in order."""
        found = self.connection.select(
            "SELECT concat(database, '.', `table`) AS tab, name, type FROM system.columns "
            "WHERE database IN ('raw', 'flow', 'research', 'backtest') ORDER BY tab, position"
        )
        columns: dict[str, list[tuple[str, str]]] = {}
        for row in found.to_pylist():
            columns.setdefault(row["tab"], []).append((row["name"], row["type"]))
        return columns

    def type_of(self, column: Column) -> str:
        """Return the type of a column: the definitions use ClickHouse's names."""
        return column.type

    def sizes(self) -> dict[str, Size]:
        """Return what the tables take of the disk, by table."""
        # Of a cluster: one copy of each shard.
        cluster = self.connection.cluster
        parts = f"cluster('{cluster}', system.parts)" if cluster else "system.parts"
        found = self.connection.select(
            "SELECT replaceRegexpOne(concat(database, '.', `table`), '_local$', '') AS name, "
            "toInt64(count()) AS parts, toInt64(sum(bytes_on_disk)) AS disk_bytes "
            f"FROM {parts} WHERE active GROUP BY name"
        )
        return {row["name"]: Size(row["parts"], row["disk_bytes"]) for row in found.to_pylist()}

    def migrations(self) -> list[AppliedMigration]:
        """Return the migrations that were applied, oldest first."""
        return list_applied(self.connection)

    def make_missing(self) -> None:
        """Make the databases and tables that a new node of the cluster lacks."""
        make_missing(self.connection)

    def staging(self) -> "ClickHouseStaging":
        """Start to write the rows of one publication."""
        return ClickHouseStaging(self, self._commit_lock)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _require_setting(self, name: str, value: int) -> None:
        """Give every table of ours that has none of its own a MergeTree setting."""
        found = self.connection.select(
            "SELECT database, name FROM system.tables WHERE engine LIKE {engine:String} AND "
            "database IN {databases:Array(String)} AND position(engine_full, {setting:String}) = 0",
            {
                "engine": "%MergeTree",
                "databases": sorted({"meta", *(table.split(".")[0] for table in TABLES)}),
                "setting": name,
            },
        )
        for row in found.to_pylist():
            self.connection.command(
                f"ALTER TABLE `{row['database']}`.`{row['name']}` MODIFY SETTING {name} = {value}"
            )


class ClickHouseStaging:
    """Rows under a generation that no manifest row names yet; see ``Staging``."""

    def __init__(self, engine: ClickHouse, commit_lock: AbstractContextManager[object]) -> None:
        self._engine = engine
        self._commit_lock = commit_lock
        self.manifest = engine.manifest
        self.remove = engine.delete_generations
        self._is_in_doubt = False

    def select_rows(
        self,
        table: Table,
        columns: Sequence[Column],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
    ) -> pa.Table:
        """Return what was inserted, as ``ClickHouse.select_rows`` does."""
        with _unreadable_named(table, batch):
            return self._engine.select_rows(table, columns, batch, where)

    def checksum(self, table: Table, row: ManifestRow) -> Checksum:
        """Return the checksum of one generation's rows, decoded from the parts that hold them."""
        # Imported here: the compiler takes a while to load, and few rows are read back.
        from orchestration.storage.checksum import checksum_sql

        conditions, params = _conditions(table, [row], {})
        sql = f"SELECT {checksum_sql(table)} FROM {table.quoted} WHERE {conditions}"
        with _unreadable_named(table, [row]):
            found = self._engine.connection.select(sql, params)
        return Checksum(*(column[0].as_py() for column in found.columns))

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """Insert rows."""
        from clickhouse_connect.driver.exceptions import DatabaseError

        try:
            self._engine.connection.insert(table.name, rows, token=token)
        except DatabaseError as error:
            raise StoreError(f"{table.name} refused the rows: {error}") from error

    def append(self, rows: Sequence[ManifestRow]) -> bool:
        """Insert the manifest rows; an insert whose answer is lost may be done, at once or later."""
        self._is_in_doubt = True
        is_mine = self.manifest.append(rows)
        self._is_in_doubt = False
        return is_mine

    def committing(self) -> AbstractContextManager[object]:
        """Keep the committers of this process apart; those of others meet at the manifest's token."""
        return self._commit_lock

    def close(self, unpublished: Iterable[tuple[Table, date, int]]) -> None:
        """Remove what was inserted and is not published; what may be published stays for vacuum."""
        from clickhouse_connect.driver.exceptions import Error

        if self._is_in_doubt:
            return
        try:
            for table, day, generation in unpublished:
                self._engine.delete_generations(table, day, [generation])
        except Error as error:
            first = str(error).splitlines()[0][:300]
            raise StoreError(f"staged rows were left for vacuum: {first}") from error


@contextmanager
def _damage_named(table: Table, batch: Sequence[ManifestRow]) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import DatabaseError

    try:
        yield
    except DatabaseError as error:
        if error.code not in _DAMAGE:
            raise
        days = f"{batch[0].trading_day}..{batch[-1].trading_day}"
        raise StoreCorruptError(
            f"{table.name} {batch[0].symbol} {days}: what is stored cannot be read: "
            f"{str(error).splitlines()[0][:300]}"
        ) from error


@contextmanager
def _unreadable_named(table: Table, batch: Sequence[ManifestRow]) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import DatabaseError

    try:
        yield
    except DatabaseError as error:
        n = sum(row.rows for row in batch)
        raise StoreCorruptError(
            f"{table.name} {batch[0].symbol} {batch[0].trading_day}: wrote {n} rows that cannot "
            f"be read back: {str(error).splitlines()[0][:300]}"
        ) from error


def _conditions(
    table: Table, batch: Sequence[ManifestRow], where: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {
        "symbol": batch[0].symbol,
        "days": sorted({row.trading_day for row in batch}),
        "generations": [row.generation for row in batch],
    }
    conditions = [
        "symbol = {symbol:String}",
        "trading_day IN {days:Array(Date)}",
        "generation IN {generations:Array(Int64)}",
    ]
    for position, (name, value) in enumerate(where.items()):
        column, bound = table.column(name), f"where_{position}"
        kind = "String" if column.type == LABEL else column.type
        if isinstance(value, Between):
            params |= {f"{bound}_low": value.low, f"{bound}_high": value.high}
            conditions += [
                f"`{name}` >= {{{bound}_low:{kind}}}",
                f"`{name}` < {{{bound}_high:{kind}}}",
            ]
            continue
        is_list = isinstance(value, (list, tuple, set, frozenset))
        params[bound] = list(value) if is_list else value
        operator, bound_type = ("IN", f"Array({kind})") if is_list else ("=", kind)
        conditions.append(f"`{name}` {operator} {{{bound}:{bound_type}}}")
    return " AND ".join(conditions), params


def _order_term(column: Column) -> str:
    # Floats by their bits, as the content hash orders them: NaN and -0.0 have a place too.
    return f"reinterpretAsUInt64(`{column.name}`)" if column.type == FLOAT64 else f"`{column.name}`"
