"""PostgreSQL's own numbered SQL files; all that are missing are applied in one transaction, or none.

Where the extension ``timescaledb`` has been created in the database, the tables become hypertables
with a columnstore, and a file ``NNNN_name.timescale.sql`` stands in for ``NNNN_name.sql``.
"""

import re
import time
from collections.abc import Sequence
from importlib import resources

import psycopg

from orchestration.storage.engine import AppliedMigration
from orchestration.storage.migrations import Migration, packaged_migrations, require_compatible

PACKAGE = "orchestration.storage.postgres"
# Transactions of all processes meet at these numbers: migrations, partitions, publications.
MIGRATING, PARTITIONING, COMMITTING = 7_305_001, 7_305_002, 7_305_003
_RECORDS = """
CREATE TABLE IF NOT EXISTS meta.migrations
(version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at bigint NOT NULL)
"""
_BY_MONTH = re.compile(r"@by_month\(([^)]*)\)")
_PARTITIONS = "PARTITION BY RANGE (trading_day)"
_HYPERTABLE = (
    "WITH (tsdb.hypertable, tsdb.partition_column = 'trading_day', "
    "tsdb.chunk_interval = '30 days', tsdb.create_default_indexes = false, "
    "tsdb.segmentby = 'symbol, generation', tsdb.orderby = '{order}')"
)


def migrate(
    connection: psycopg.Connection, migrations: Sequence[Migration] | None = None
) -> list[int]:
    """Bring the database to the newest schema; return the versions applied now.

    Raises
    ------
    SchemaError
        It was migrated by a newer version of the program, or an applied file has changed.
    """
    with connection.transaction():
        if _is_current(connection, migrations):
            return []
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATING])
        connection.execute("CREATE SCHEMA IF NOT EXISTS meta")
        connection.execute(_RECORDS)
        has_timescale = uses_timescale(connection)
        known = _known(has_timescale, migrations)
        applied = applied_migrations(connection)
        require_compatible(applied, known)
        pending = [migration for migration in known if migration.version not in applied]
        for migration in pending:
            for statement in statements(migration, has_timescale=has_timescale):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO meta.migrations VALUES (%s, %s, %s, %s)",
                [migration.version, migration.name, migration.checksum, time.time_ns()],
            )
    return [migration.version for migration in pending]


def statements(migration: Migration, *, has_timescale: bool) -> list[str]:
    """Return a migration's statements for a database with the extension or without it."""
    return [
        _BY_MONTH.sub(
            lambda found: _HYPERTABLE.format(order=found[1]) if has_timescale else _PARTITIONS, text
        )
        for text in migration.statements()
    ]


def uses_timescale(connection: psycopg.Connection) -> bool:
    """Tell whether the tables are hypertables, or will be: what was made one way stays so."""
    made = connection.execute(
        "SELECT relkind FROM pg_class WHERE oid = to_regclass('raw.trades')"
    ).fetchone()
    if made is not None:
        return made[0] != "p"
    found = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
    return found.fetchone() is not None


def list_applied(connection: psycopg.Connection) -> list[AppliedMigration]:
    """Return what has been applied, oldest first."""
    found = connection.execute(
        "SELECT version, name, applied_at FROM meta.migrations ORDER BY version"
    )
    return [AppliedMigration(version=v, name=name, applied_at=at) for v, name, at in found]


def applied_migrations(connection: psycopg.Connection) -> dict[int, tuple[str, str]]:
    """Return version -> (name, checksum) of what has been applied."""
    found = connection.execute("SELECT version, name, checksum FROM meta.migrations")
    return {version: (name, checksum) for version, name, checksum in found}


def _is_current(connection: psycopg.Connection, migrations: Sequence[Migration] | None) -> bool:
    # So that a user who may only read can open the store.
    (table,) = connection.execute("SELECT to_regclass('meta.migrations')::text").fetchone()
    if table is None:
        return False
    known = _known(uses_timescale(connection), migrations)
    applied = applied_migrations(connection)
    return applied == {m.version: (m.name, m.checksum) for m in known}


def _known(has_timescale: bool, migrations: Sequence[Migration] | None) -> list[Migration]:
    known = packaged_migrations(PACKAGE) if migrations is None else list(migrations)
    if not has_timescale:
        return known
    return [_for_timescale(migration) for migration in known]


def _for_timescale(migration: Migration) -> Migration:
    name = f"{migration.version:04d}_{migration.name}.timescale.sql"
    file = resources.files(PACKAGE).joinpath("sql", name)
    if not file.is_file():
        return migration
    text = file.read_text(encoding="utf-8")
    return Migration(version=migration.version, name=migration.name, sql=text)
