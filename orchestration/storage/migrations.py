"""Numbered SQL files, each applied once and recorded with its checksum.

Every statement of a migration can be run again (IF NOT EXISTS, IF EXISTS): a run that was killed in
the middle of a file is finished by the next open, which finds the file not recorded.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import pyarrow as pa

from orchestration.storage.cluster import statements_on
from orchestration.storage.connection import Connection
from orchestration.storage.engine import AppliedMigration
from orchestration.storage.errors import SchemaError

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_RECORDS = """
CREATE TABLE IF NOT EXISTS meta.migrations
(`version` Int64, `name` String, `checksum` String, `applied_at` Int64)
ENGINE = MergeTree ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One SQL file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, so that a file changed after it was applied is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> list[str]:
        """Return the statements: each ends with a semicolon at the end of its line."""
        lines = [line for line in self.sql.splitlines() if not line.lstrip().startswith("--")]
        parts = re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE)
        return [part.strip() for part in parts if part.strip()]


def packaged_migrations(package: str = "orchestration.storage") -> list[Migration]:
    """Return the migrations that this version of the program carries, in order."""
    found = []
    for entry in resources.files(package).joinpath("sql").iterdir():
        match = _FILE.fullmatch(entry.name)
        if match:
            sql = entry.read_text(encoding="utf-8")
            found.append(Migration(version=int(match[1]), name=match[2], sql=sql))
    return sorted(found, key=lambda migration: migration.version)


def migrate(connection: Connection, migrations: Sequence[Migration] | None = None) -> list[int]:
    """Bring the store to the newest schema; return the versions applied now.

    Raises
    ------
    SchemaError
        The store was migrated by a newer version of the program, or an applied file has changed.
    """
    known = packaged_migrations() if migrations is None else list(migrations)
    _apply(connection, "CREATE DATABASE IF NOT EXISTS meta")
    _apply(connection, _RECORDS.strip())
    applied = applied_migrations(connection)
    require_compatible(applied, known)
    pending = [migration for migration in known if migration.version not in applied]
    for migration in pending:
        for statement in migration.statements():
            _apply(connection, statement)
        _record(connection, migration)
    return [migration.version for migration in pending]


def make_missing(connection: Connection) -> None:
    """Run every statement again, which makes what a new node of a cluster lacks and nothing else."""
    _apply(connection, "CREATE DATABASE IF NOT EXISTS meta")
    _apply(connection, _RECORDS.strip())
    for migration in packaged_migrations():
        for statement in migration.statements():
            _apply(connection, statement)


def list_applied(connection: Connection) -> list[AppliedMigration]:
    """Return what has been applied, oldest first."""
    found = connection.select(
        "SELECT version, name, min(applied_at) AS first FROM meta.migrations "
        "GROUP BY version, name ORDER BY version"
    )
    columns = (column.to_pylist() for column in found.columns)
    return [
        AppliedMigration(version=v, name=name, applied_at=at)
        for v, name, at in zip(*columns, strict=True)
    ]


def applied_migrations(connection: Connection) -> dict[int, tuple[str, str]]:
    """Return version -> (name, checksum) of what has been applied."""
    found = connection.select("SELECT version, name, checksum FROM meta.migrations")
    return {row["version"]: (row["name"], row["checksum"]) for row in found.to_pylist()}


def _apply(connection: Connection, statement: str) -> None:
    cluster = connection.cluster
    for sql in statements_on(cluster, statement) if cluster else [statement]:
        connection.command(sql)


def require_compatible(applied: dict[int, tuple[str, str]], known: Sequence[Migration]) -> None:
    """Demand that this version of the program knows what has been applied (name, checksum).

    Raises
    ------
    SchemaError
        The store was migrated by a newer version, or an applied file has changed.
    """
    by_version = {migration.version: migration for migration in known}
    for version, (name, checksum) in sorted(applied.items()):
        if version not in by_version:
            raise SchemaError(
                f"the store has migration {version:04d}_{name}, which this version of the program "
                f"does not know (it knows up to {max(by_version, default=0):04d}): use a newer one"
            )
        if by_version[version].checksum != checksum:
            raise SchemaError(
                f"migration {version:04d}_{name} was applied with checksum {checksum[:12]}..., but "
                f"the file now has {by_version[version].checksum[:12]}...: applied files never change"
            )


def _record(connection: Connection, migration: Migration) -> None:
    row = {
        "version": [migration.version],
        "name": [migration.name],
        "checksum": [migration.checksum],
        "applied_at": [time.time_ns()],
    }
    token = f"migration-{migration.version}"
    connection.insert("meta.migrations", pa.table(row), token=token)
