"""The schema on a cluster: as text, made by an engine with a Keeper within its process, and at work.

At work is one node, whose local tables are plain ones (`tests.storage.clickhouse_http` says why). What
needs a second node (a lost replica, a shard that is away) is not run here: docs/operations.md.
"""

import multiprocessing
import os
import re

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from orchestration.storage.cluster import statements_on
from orchestration.storage.errors import PublicationConflictError, SchemaError
from orchestration.storage.migrations import _RECORDS, packaged_migrations
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.clickhouse_http import without_cluster
from tests.storage.conftest import DAY, NEXT_DAY, cluster_config, publish
from tests.storage.rows import sample_rows

BARS, TRADES = TABLES["flow.bars"], TABLES["raw.trades"]
N_META = 4  # manifest, migrations, retired, answer_pages
OURS = [
    _RECORDS.strip(),
    *(statement for migration in packaged_migrations() for statement in migration.statements()),
]


OURS_FIRST = ["CREATE DATABASE IF NOT EXISTS meta", *OURS]


def on_cluster(statements):
    return [made for statement in statements for made in statements_on("orderflow", statement)]


def test_every_statement_of_the_migrations_has_its_like_on_a_cluster(store):
    made = on_cluster(OURS)
    assert len(made) > len(OURS)
    for sql in made:
        assert " ON CLUSTER 'orderflow'" in sql
        assert re.search(r" IF (NOT )?EXISTS ", sql)  # each node may find a part of it done
        assert not re.search(r"ENGINE = MergeTree", sql)
        # The engine's own parser reads it.
        store.query("SELECT formatQuery({text:String}) AS read", text=sql)


def test_rows_lie_in_replicated_tables_and_are_spread_by_symbol():
    made = on_cluster(OURS)
    for name in TABLES:
        database, table = name.split(".")
        local = [
            sql for sql in made if f"CREATE TABLE IF NOT EXISTS `{database}`.`{table}_local`" in sql
        ]
        over = [sql for sql in made if f"CREATE TABLE IF NOT EXISTS `{database}`.`{table}` " in sql]
        assert len(local) == len(over) == 1, name
        path = f"'/clickhouse/tables/{{shard}}/{database}/{table}', '{{replica}}'"
        assert f"ENGINE = ReplicatedMergeTree({path})" in local[0]
        assert over[0].endswith(
            f"AS `{database}`.`{table}_local`\n"
            f"ENGINE = Distributed('orderflow', '{database}', '{table}_local', cityHash64(symbol))"
        )


def test_the_manifest_is_whole_on_every_node_and_its_tokens_last_a_week():
    whole = [sql for sql in on_cluster(OURS) if "EXISTS `meta`." in sql]
    assert len(whole) == N_META
    for sql in whole:
        assert "('/clickhouse/tables/all/meta/" in sql
        assert "'{shard}-{replica}')" in sql
        assert "replicated_deduplication_window_seconds = 604800" in sql
        assert "non_replicated" not in sql
        assert "Distributed" not in sql


def test_a_new_column_goes_into_both_tables_the_local_one_first():
    (alter,) = (s for s in OURS if s.startswith("ALTER") and "`research`.`features`" in s)
    local, over = on_cluster([alter])
    assert local.startswith("ALTER TABLE `research`.`features_local` ON CLUSTER 'orderflow' ADD")
    assert over == local.replace("features_local", "features")


@pytest.mark.parametrize(
    "statement", ["DROP TABLE raw.trades", "CREATE MATERIALIZED VIEW a.b AS SELECT 1", "SELECT 1"]
)
def test_a_statement_without_a_rule_is_refused(statement):
    with pytest.raises(SchemaError, match="no rule for a cluster"):
        statements_on("orderflow", statement)


@pytest.mark.parametrize("name", ["", "a b", "c' SETTINGS x = 1 --", "c\n", "größe", "1st"])
def test_a_cluster_whose_name_would_be_sql_is_refused(name):
    with pytest.raises(ValueError, match="a cluster's name has letters"):
        Store.open(url="http://127.0.0.1:1", cluster=name)


def test_a_cluster_needs_a_server(tmp_path):
    with pytest.raises(ValueError, match="or a server's url"):
        Store.open(path=tmp_path, cluster="orderflow")


def _make_twice(folder, connection):
    """Run every statement on an engine with a Keeper; send the engines of the tables."""
    import chdb

    config = folder / "config.xml"
    config.write_text(cluster_config(folder))
    engine = chdb.connect(f"{folder / 'data'}?config-file={config}")
    try:
        # Without its port for replicas the engine alters no replicated table.
        made = [sql for sql in on_cluster(OURS_FIRST) if sql.startswith("CREATE")]
        for sql in made * 2:
            engine.query(without_cluster(sql), "TabSeparated")
        found = engine.query(
            "SELECT concat(database, '.', name), engine FROM system.tables "
            "WHERE database IN ('raw', 'flow', 'research', 'backtest', 'meta')", "TabSeparated",
        )  # fmt: skip
        connection.send(dict(line.split("\t") for line in str(found).splitlines()))
    finally:
        os._exit(0)  # the engine does not close a Keeper within the process


def test_the_engine_makes_every_table(tmp_path):
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_make_twice, args=(tmp_path, theirs))
    process.start()
    theirs.close()
    engines = mine.recv()
    process.join()
    for name in TABLES:
        assert engines[name] == "Distributed"
        assert engines[f"{name}_local"] == "ReplicatedMergeTree"
    assert engines["meta.manifest"] == "ReplicatedMergeTree"
    assert len(engines) == 2 * len(TABLES) + N_META


def test_a_cluster_stores_what_the_embedded_store_stores(store, cluster_store, symbol):
    first = {name: sample_rows(table, 100) for name, table in TABLES.items()}
    second = {"flow.bars": sample_rows(BARS, 50, seed=1)}
    for each in (store, cluster_store):
        assert len(publish(each, symbol, first, unit="u")) == len(TABLES)
        assert publish(each, symbol, first, unit="u") == []
        publish(each, symbol, second, unit="u", code_version="2")
    for name in TABLES:
        expected = store.content_hash(name, symbol, DAY)
        assert cluster_store.content_hash(name, symbol, DAY) == expected
    assert [row.rows for row in cluster_store.history("flow.bars", symbol, DAY)] == [100, 50]
    problems = cluster_store.verify(deep=True)
    assert [problem for problem in problems if problem.symbol in ("", symbol)] == []


@pytest.mark.parametrize("kind", ["refuse", "cut_reply"])
def test_on_a_cluster_a_lost_answer_doubles_nothing(cluster_store, cluster_server, symbol, kind):
    tables = ("`raw`.`trades`", "`meta`.`manifest`")
    cluster_server.fail_once(*((kind, f"INSERT INTO {table}") for table in tables))
    rows = {"raw.trades": sample_rows(TRADES, 20_000)}
    (row,) = publish(cluster_store, symbol, rows, unit="u")
    assert cluster_server.n_waiting() == 0
    assert cluster_store.history("raw.trades", symbol, DAY) == [row]
    assert len(cluster_store.read("raw.trades", symbol)) == 20_000


def test_on_a_cluster_one_of_two_writers_wins_and_nothing_is_left(cluster_store, symbol):
    with cluster_store.publish(symbol, DAY, run_id="slow", code_version="1") as slow:
        slow.write("flow.bars", sample_rows(BARS, 3, seed=1))
        publish(cluster_store, symbol, {"flow.bars": sample_rows(BARS, 4)}, run_id="quick")
        with pytest.raises(PublicationConflictError, match=r"published by \['quick'\]"):
            slow.commit()
    publish(cluster_store, symbol, {"flow.bars": sample_rows(BARS, 2)}, day=NEXT_DAY)
    assert [row.run_id for row in cluster_store.published(symbol=symbol)] == ["quick", "run"]
    # The removal went to the tables that hold the rows.
    assert [o for o in cluster_store.orphans(min_age_s=0) if o.symbol == symbol] == []


def test_what_a_new_node_lacks_is_made_and_the_rest_stays(cluster_store, cluster_server, symbol):
    publish(cluster_store, symbol, {"flow.bars": sample_rows(BARS, 30)})
    for table in ("research.predictions", "research.predictions_local"):
        cluster_server.command(f"DROP TABLE {table} SYNC")
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        cluster_store.query("SELECT * FROM research.predictions")
    cluster_store.make_missing()
    assert len(cluster_store.query("SELECT * FROM research.predictions")) == 0
    assert len(cluster_store.read("flow.bars", symbol)) == 30


def test_status_counts_the_rows_of_the_local_tables(cluster_store, symbol):
    publish(cluster_store, symbol, {"flow.bars": sample_rows(BARS, 30)})
    bars = next(table for table in cluster_store.status() if table.table == "flow.bars")
    assert bars.parts > 0
    assert bars.disk_bytes > 0
