"""PostgreSQL's migrations: as the definitions say, all or none, refused when newer or changed."""

import psycopg
import pytest

from orchestration.storage.errors import SchemaError
from orchestration.storage.migrations import Migration, packaged_migrations
from orchestration.storage.postgres.migrations import (
    PACKAGE,
    applied_migrations,
    migrate,
    statements,
    uses_timescale,
)
from orchestration.storage.postgres.schema import create_statement, quoted
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES


@pytest.fixture(scope="module")
def run(postgres_store):
    """Run a function with a connection to a migrated database."""
    return lambda call: postgres_store._engine.sessions.run("a test", call)


def _described(connection, table):
    columns = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attcollation::text, "
        "pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef "
        "ON adrelid = attrelid AND adnum = attnum "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum",
        [table],
    ).fetchall()
    checks = connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = to_regclass(%s) AND contype = 'c' ORDER BY conname",
        [table],
    ).fetchall()
    return columns, checks


@pytest.mark.parametrize("name", sorted(TABLES))
def test_migrations_and_definition_make_the_same_table(run, name):
    table = TABLES[name]
    scratch = f'"scratch"."{name}"'
    migration = Migration(version=0, name="", sql=create_statement(table) + ";")
    (created,) = statements(migration, has_timescale=False)

    def both(connection):
        connection.execute("CREATE SCHEMA IF NOT EXISTS scratch")
        connection.execute(created.replace(quoted(table), scratch))
        try:
            return [_described(connection, each) for each in (quoted(table), scratch)]
        finally:
            connection.execute("DROP SCHEMA scratch CASCADE")

    stored, defined = run(both)
    assert stored == defined
    assert len(stored[0]) == len(table.columns)
    assert len(stored[1]) == len(table.checks)


def test_packaged_files_are_numbered_without_holes_and_recorded(run):
    known = packaged_migrations(PACKAGE)
    assert [migration.version for migration in known] == list(range(1, len(known) + 1))
    if run(uses_timescale):
        pytest.skip("the files of TimescaleDB have other checksums")
    assert run(applied_migrations) == {m.version: (m.name, m.checksum) for m in known}
    assert run(migrate) == []


def test_newer_and_changed_schemas_are_refused(run):
    first, *rest = packaged_migrations(PACKAGE)
    with pytest.raises(SchemaError, match=r"does not know .* use a newer one"):
        run(lambda c: migrate(c, [first, *rest][:-1]))
    changed = Migration(version=first.version, name=first.name, sql=first.sql + "-- later\n")
    with pytest.raises(SchemaError, match=r"0001_tables was applied with checksum .* never change"):
        run(lambda c: migrate(c, [changed, *rest]))


def test_a_migration_that_fails_leaves_nothing(postgres_databases):
    known = packaged_migrations(PACKAGE)
    broken = Migration(
        version=9001,
        name="broken",
        sql="CREATE TABLE meta.scratch (a bigint);\nSELECT 1 / 0;\n",
    )
    with psycopg.connect(postgres_databases(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection, [*known, broken])
        (left,) = connection.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname IN ('meta', 'raw')"
        ).fetchone()
        assert left == 0
        assert migrate(connection, known) == [m.version for m in known]


def test_a_user_who_may_only_read_can_open_and_read(postgres_databases, symbol):
    url = postgres_databases()
    with Store.open(url=url):
        pass
    with psycopg.connect(url, autocommit=True) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone()
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with Store.open(url=url) as opened:
        assert opened.published() == []
        assert len(opened.read("flow.bars", symbol)) == 0


def test_the_hypertables_clause_names_the_order_of_the_rows():
    (tables, *_) = packaged_migrations(PACKAGE)
    made = [s for s in statements(tables, has_timescale=True) if "tsdb.hypertable" in s]
    assert len(made) == len(TABLES)
    (trades,) = (s for s in made if s.startswith('CREATE TABLE "raw"."trades"'))
    assert "tsdb.orderby = 'ts_event_ns, trade_id')" in trades
    assert "PARTITION BY" not in trades
