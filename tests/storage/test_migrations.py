"""Migrations: in order, once, recorded; refused when newer or changed; finished after a kill."""

import math

import pytest

from orchestration.storage.connection import Connection
from orchestration.storage.errors import SchemaError
from orchestration.storage.migrations import (
    Migration,
    applied_migrations,
    migrate,
    packaged_migrations,
)
from tests.storage.conftest import in_own_process

SECOND = Migration(
    version=9001,
    name="scratch",
    sql="-- a comment; with a semicolon;\nCREATE DATABASE IF NOT EXISTS scratch;\n\n"
    "CREATE TABLE IF NOT EXISTS scratch.t (a Int64, b String DEFAULT ';')\n"
    "ENGINE = MergeTree ORDER BY a;\n"
    "ALTER TABLE scratch.t ADD COLUMN IF NOT EXISTS c Int64;\n",
)


def test_packaged_files_are_numbered_without_holes():
    versions = [migration.version for migration in packaged_migrations()]
    assert versions == list(range(1, len(versions) + 1))


def test_statements_end_at_a_semicolon_that_ends_a_line():
    assert [s.split("(")[0].strip() for s in SECOND.statements()] == [
        "CREATE DATABASE IF NOT EXISTS scratch",
        "CREATE TABLE IF NOT EXISTS scratch.t",
        "ALTER TABLE scratch.t ADD COLUMN IF NOT EXISTS c Int64",
    ]


def test_every_packaged_statement_can_be_run_again():
    for migration in packaged_migrations():
        for statement in migration.statements():
            assert " IF NOT EXISTS " in statement or " IF EXISTS " in statement, statement


def test_store_is_migrated_with_the_checksums_of_the_files(store):
    applied = applied_migrations(store._engine.connection)
    assert applied == {m.version: (m.name, m.checksum) for m in packaged_migrations()}
    assert migrate(store._engine.connection) == []


def test_store_of_a_newer_version_is_refused(store):
    older = packaged_migrations()[:-1]
    with pytest.raises(
        SchemaError,
        match=rf"does not know \(it knows up to {older[-1].version:04d}\): use a newer one",
    ):
        migrate(store._engine.connection, older)


def test_changed_file_is_refused(store):
    first, *rest = packaged_migrations()
    changed = Migration(version=first.version, name=first.name, sql=first.sql + "-- later\n")
    with pytest.raises(SchemaError, match=r"0001_tables was applied with checksum .* never change"):
        migrate(store._engine.connection, [changed, *rest])


class _KilledError(Exception):
    pass


class _KilledConnection:
    """Passes ``n`` commands on, then stops, as a process killed there would."""

    def __init__(self, connection, n):
        self._connection, self._left = connection, n
        self.select, self.insert = connection.select, self._insert
        self.cluster = connection.cluster

    def command(self, sql):
        if self._left == 0:
            raise _KilledError
        self._left -= 1
        self._connection.command(sql)

    def _insert(self, *args, **kwargs):
        if self._left == 0:
            raise _KilledError
        self._connection.insert(*args, **kwargs)


def _killed_everywhere(folder):
    connection = Connection(path=folder, url=None, temp_dir=None, memory_bytes=2**30, timeout_s=60)
    known = [*packaged_migrations(), SECOND]
    n_commands = 2 + sum(len(m.statements()) for m in known)
    n_killed = 0
    for n in range(n_commands + 1):
        try:
            migrate(_KilledConnection(connection, n), known)
        except _KilledError:
            n_killed += 1
    assert migrate(connection, known) == []
    columns = connection.select("SELECT name FROM system.columns WHERE database = 'scratch'")
    records = connection.select("SELECT version FROM meta.migrations ORDER BY version")
    connection.close()
    return n_killed, columns.to_pydict(), records.to_pydict()


def test_killed_migration_is_finished_by_the_next_run(tmp_path):
    n_killed, columns, records = in_own_process(_killed_everywhere, tmp_path)
    assert n_killed > 10
    assert columns == {"name": ["a", "b", "c"]}
    assert records == {"version": [*(m.version for m in packaged_migrations()), 9001]}


def test_rows_from_before_the_further_features_are_null_in_them(store):
    first, second, *_ = packaged_migrations()
    (created,) = (s for s in first.statements() if "EXISTS `research`.`features`" in s)
    (altered,) = second.statements()
    scratch, connection = "`research`.`features_of_0001`", store._engine.connection
    connection.command(created.replace("`research`.`features`", scratch))
    try:
        connection.command(f"INSERT INTO {scratch} (symbol, cvd_lots) VALUES ('A', 7)")  # noqa: S608
        for _ in range(2):  # a kill between the two may make it run again
            connection.command(altered.replace("`research`.`features`", scratch))
        columns = "cvd_lots, vpin, cvd_trades"
        found = store.query(f"SELECT {columns} FROM {scratch}").to_pylist()  # noqa: S608
    finally:
        connection.command(f"DROP TABLE {scratch} SYNC")
    assert found[0]["cvd_lots"] == 7.0
    assert math.isnan(found[0]["vpin"])
    assert math.isnan(found[0]["cvd_trades"])
