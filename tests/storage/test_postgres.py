"""What is PostgreSQL's own: transactions, partitions, limits, lost connections, secrets."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from orchestration.storage.errors import StoreCorruptError, StoreError, StoreUrlError
from orchestration.storage.parquet import export_tables, import_tables
from orchestration.storage.postgres import sessions
from orchestration.storage.postgres.sessions import postgres_target
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

TRADES, BARS, EVENTS = TABLES["raw.trades"], TABLES["flow.bars"], TABLES["flow.events"]
MONTHS = (date(1999, 12, 31), date(2000, 1, 1))


@pytest.fixture(scope="module")
def store(postgres_store):
    """The store of every test here."""
    return postgres_store


def _rows_of(store, table, symbol):
    (found,) = store.query(
        f"SELECT count(*) AS n FROM {table} WHERE symbol = {{s:String}}",  # noqa: S608
        s=symbol,
    ).to_pylist()
    return found["n"]


@pytest.mark.parametrize("name", TABLES)
def test_it_stores_what_the_embedded_store_stores(store, embedded_store, symbol, name):
    # More than one block of a copy; slices, several chunks, NaN, empty texts.
    rows = sample_rows(TABLES[name], 70_000 if name == "raw.trades" else 300)
    cut = pa.concat_tables([rows.slice(5, 10), rows.slice(15)])
    for each in (store, embedded_store):
        assert len(publish(each, symbol, {name: cut}, unit="u")) == 1
        assert publish(each, symbol, {name: cut}, unit="u") == []
    found, expected = store.read(name, symbol), embedded_store.read(name, symbol)
    assert found.schema == expected.schema
    for column in found.column_names:
        one, other = (t[column].combine_chunks() for t in (found, expected))
        if pa.types.is_floating(one.type):  # by their bits: NaN equals itself
            one, other = one.view(pa.int64()), other.view(pa.int64())
        if pa.types.is_dictionary(one.type):
            one, other = one.cast(pa.string()), other.cast(pa.string())
        assert one.equals(other), column
    assert store.content_hash(name, symbol, DAY) == embedded_store.content_hash(name, symbol, DAY)


def test_texts_with_every_character_come_back_in_order(store, symbol):
    symbol = f"{symbol}\x00\x01'\\"
    texts = ["\x01\x01", "\x00\x00", "", "\x00", "\x01", "\x01\x02", "\x00\x01", "\x02", "é\x00"]
    rows = sample_rows(EVENTS, len(texts))
    ties = {"kind": pa.array(texts), "ts_event_ns": pa.array([7] * len(texts))}
    for name, values in ties.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    publish(store, symbol, {"flow.events": rows}, run_id="a\x00b")
    found = store.read("flow.events", symbol)
    assert found.column("kind").to_pylist() == sorted(texts, key=str.encode)
    assert set(found.column("symbol").to_pylist()) == {symbol}
    (one,) = store.read("flow.events", symbol, where={"kind": "\x00\x01"}).to_pylist()
    assert one["kind"] == "\x00\x01"
    (row,) = store.published(symbol=symbol)
    assert (row.symbol, row.run_id) == (symbol, "a\x00b")
    assert [p for p in store.verify(deep=True) if p.symbol == symbol] == []


def test_exported_days_move_between_the_databases(store, embedded_store, symbol, tmp_path):
    tables = {name: sample_rows(table, 40) for name, table in TABLES.items()}
    publish(embedded_store, symbol, tables, unit="u")
    files = export_tables(embedded_store, tmp_path / "there", symbol)
    assert len(import_tables(store, tmp_path / "there", run_id="import")) == len(TABLES)
    export_tables(store, tmp_path / "back", symbol)
    assert import_tables(embedded_store, tmp_path / "back", run_id="back") == []
    hashes = {file.table: file.hash for file in files}
    assert {name: store.content_hash(name, symbol, DAY) for name in TABLES} == hashes


def test_days_of_one_month_share_a_partition(store, symbol):
    if store._engine.has_timescale:
        pytest.skip("a hypertable has chunks")
    for day in MONTHS:
        publish(store, symbol, {"raw.trades": sample_rows(TRADES, 3)}, day=day, unit="u")
    found = store.query(
        "SELECT relid::regclass::text AS name FROM pg_partition_tree('raw.trades') WHERE isleaf"
    )
    names = set(found["name"].to_pylist())
    assert {"raw.trades_1999_12", "raw.trades_2000_01"} <= names
    assert {"raw.trades_1999_11", "raw.trades_2000_02"} & names == set()
    # A reader of one day opens its month alone.
    plan = store.query(
        "EXPLAIN SELECT 1 FROM raw.trades WHERE trading_day = ANY({d:Array(Date)})", d=[MONTHS[0]]
    )
    assert "trades_1999_12" in str(plan)
    assert "trades_2000_01" not in str(plan)


def test_two_first_writers_of_a_month_make_its_partition_once(postgres_databases):
    url = postgres_databases()
    both = threading.Barrier(2)

    def write(symbol):
        with Store.open(url=url) as own:  # at once: migrations, then partitions
            both.wait()
            return len(publish(own, symbol, {"flow.bars": sample_rows(BARS, 5)}))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, ["a", "b"])) == [1, 1]
    with Store.open(url=url) as opened:
        assert opened.verify(deep=True) == []
        assert [row.seq for row in opened.published()] == [1, 2]


def test_of_two_writers_that_commit_at_once_one_wins(postgres_databases):
    url, both = postgres_databases(), threading.Barrier(2)

    def write(run):
        with (
            Store.open(url=url) as own,
            own.publish("ES", DAY, run_id=run, code_version=run) as publication,
        ):
            publication.write("flow.bars", sample_rows(BARS, 5))
            publication.audit()
            both.wait()
            try:
                return "published", publication.commit()[0].run_id
            except StoreError as error:
                return "refused", str(error)

    with ThreadPoolExecutor(2) as pool:
        (_, winner), (kind, why) = sorted(pool.map(write, ["a", "b"]))
    assert kind == "refused"
    assert f"was published by ['{winner}']" in why
    with Store.open(url=url) as opened:
        assert [row.run_id for row in opened.published()] == [winner]
        assert _rows_of(opened, "flow.bars", "ES") == 5  # the loser's rows never came to be


def test_threads_share_the_store(store, symbol):
    def work(k):
        publish(store, f"{symbol} {k}", {"flow.events": sample_rows(EVENTS, 20 + k)})
        return len(store.read("flow.events", f"{symbol} {k}"))

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(work, range(8))) == [20 + k for k in range(8)]
    seqs = [row.seq for row in store.published() if row.symbol.startswith(symbol)]
    assert len(set(seqs)) == len(seqs) == 8


def test_a_refused_write_leaves_what_was_written_before(store, symbol):
    wrong = sample_rows(BARS, 4)
    at = wrong.column_names.index("volume_lots")
    wrong = wrong.set_column(at, "volume_lots", pa.array([1] * 4))
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.events", sample_rows(EVENTS, 6))
        with pytest.raises(StoreError, match=r'flow.bars refused the rows: .*"volume_conserved"'):
            publication.write("flow.bars", wrong)
        assert len(publication.read("flow.events")) == 6
    assert _rows_of(store, "flow.events", symbol) == 0


def _kill_sessions(store, condition="pid <> pg_backend_pid()"):
    whose = f"datname = current_database() AND {condition}"
    sql = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {whose}"  # noqa: S608
    store._engine.sessions.run("a test", lambda c: c.execute(sql).fetchall())


def test_a_publication_whose_connection_is_lost_says_so_and_stores_nothing(store, symbol):
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 5))
        _kill_sessions(store, "state = 'idle in transaction'")
        with pytest.raises(StoreError, match=r"\(nothing of this publication was stored\)"):
            publication.commit()
    assert store.published(symbol=symbol) == []
    assert _rows_of(store, "flow.bars", symbol) == 0
    assert len(publish(store, symbol, {"flow.bars": sample_rows(BARS, 5)})) == 1


@pytest.mark.parametrize("is_done", [True, False])
def test_a_commit_whose_answer_is_lost_is_looked_up(store, symbol, monkeypatch, is_done):
    commit = psycopg.Connection.commit

    def lost(connection):
        if is_done:
            commit(connection)
        connection.close()
        raise psycopg.OperationalError("the connection is lost")

    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 5))
        publication.audit()
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "commit", lost)
            if is_done:
                assert [row.rows for row in publication.commit()] == [5]
            else:
                with pytest.raises(StoreError, match=r"the commit failed .*nothing of this"):
                    publication.commit()
    assert len(store.published(symbol=symbol)) == is_done
    assert _rows_of(store, "flow.bars", symbol) == 5 * is_done


def test_a_publication_begins_on_a_connection_that_answers(store, symbol):
    _kill_sessions(store)
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 5))
        assert len(publication.commit()) == 1


def test_a_read_is_repeated_on_another_connection(store, symbol):
    publish(store, symbol, {"flow.bars": sample_rows(BARS, 5)})
    _kill_sessions(store)
    store._engine.sessions.run("a test", lambda c: c.execute("SELECT 1"))
    killed = iter([True])

    def read(connection):
        if next(killed, False):
            connection.close()
        return connection.execute("SELECT 7").fetchone()

    assert store._engine.sessions.run("a test", read) == (7,)
    assert len(store.read("flow.bars", symbol)) == 5


def test_a_server_that_goes_away_is_named_after_the_stated_time(postgres_databases):
    def lost(connection):
        connection.close()
        connection.execute("SELECT 1")

    with (
        Store.open(url=postgres_databases(), retry_s=0.3) as opened,
        pytest.raises(StoreError, match=r"a query failed \d times in 0.3 s, at last with: "),
    ):
        opened._engine.sessions.run("a query", lost)


def test_queries_bind_parameters_and_only_read(store, symbol):
    text = "it's {x:Int8} \\ %(y)s \x00"
    found = store.query("SELECT {a:String} AS a, {b:Int64} AS b, '%' AS c", a=text, b=-(2**63))
    assert found.to_pylist() == [{"a": text, "b": -(2**63), "c": "%"}]
    assert store.query("SELECT 1 AS a WHERE false").to_pydict() == {"a": []}
    changing = "WITH x AS (DELETE FROM meta.manifest RETURNING 1) SELECT * FROM x"
    for sql, message in ((changing, "read-only"), ("SELECT 1 FROM nowhere", "a query failed: rel")):
        with pytest.raises(StoreError, match=message):
            store.query(sql)


def test_every_query_has_limits(store, postgres_databases):
    found = store.query(
        "SELECT current_setting('statement_timeout') AS s, current_setting('work_mem') AS m"
    )
    assert found.to_pylist() == [{"s": "5min", "m": "4GB"}]
    with (
        Store.open(url=postgres_databases(), query_timeout_s=1) as opened,
        pytest.raises(StoreError, match=r"a query failed: .*statement timeout"),
    ):
        opened.query("SELECT pg_sleep(20)")


def test_an_older_server_is_refused(postgres_databases, monkeypatch):
    monkeypatch.setattr(sessions, "OLDEST", 99)
    with pytest.raises(StoreError, match=r"PostgreSQL 99 or newer is needed, .* runs \d\d\.\d"):
        Store.open(url=postgres_databases())


def test_a_forked_child_is_refused(store, monkeypatch):
    monkeypatch.setattr(store._engine.sessions, "_pid", os.getpid() + 1)
    with pytest.raises(StoreError, match="cannot be used by its forked child"):
        store.query("SELECT 1")


def test_verify_names_what_does_not_agree(postgres_databases):
    with Store.open(url=postgres_databases()) as opened:
        rows = {"flow.events": sample_rows(EVENTS, 3)}
        for symbol in ("lost", "changed", "doubled"):
            publish(opened, symbol, rows)
        assert opened.verify(deep=True) == []
        publish(opened, "doubled", rows, code_version="2")
        for sql in (
            "DELETE FROM flow.events WHERE symbol = 'lost'",
            "UPDATE flow.events SET qty_lots = qty_lots + 1 WHERE symbol = 'changed'",
            "UPDATE meta.manifest SET replaces = '{}'",
            "ALTER TABLE flow.events ADD COLUMN extra bigint",
        ):
            opened._engine.sessions.run("a test", lambda c, sql=sql: c.execute(sql))
        shallow, deep = (
            {p.symbol: p.what for p in opened.verify(deep=is_deep)} for is_deep in (False, True)
        )
        with pytest.raises(
            StoreCorruptError, match="the manifest states 3 rows, the table holds 0"
        ):
            opened.read("flow.events", "lost")
    assert shallow["lost"] == "manifest states 3 rows, table holds 0"
    assert shallow["doubled"].startswith("published beside generation ")
    assert "columns are" in shallow[""]
    assert "changed" not in shallow
    assert deep["changed"].startswith("manifest states hash ")


def test_minutes_are_those_of_the_published_trades(store, symbol):
    classified = TABLES["flow.classified_trades"]
    for version, n in (("1", 50), ("2", 200)):  # what is replaced counts no more
        rows = sample_rows(classified, n, seed=n)
        times = np.sort(np.random.default_rng(n).integers(0, 5 * 60 * 10**9, n))
        rows = rows.set_column(0, "ts_event_ns", pa.array(times))
        ids = rows.column_names.index("trade_id")
        rows = rows.set_column(ids, "trade_id", pa.array(np.arange(n)))
        publish(store, symbol, {"flow.classified_trades": rows}, code_version=version)
    found = store.query(
        "SELECT * FROM flow.minutes WHERE symbol = {s:String} ORDER BY start_ns", s=symbol
    ).to_pylist()
    frame = rows.to_pandas()
    frame["signed"] = frame["sign"] * frame["qty_lots"]
    by_minute = frame.groupby(frame["ts_event_ns"] // (60 * 10**9) * 60 * 10**9)
    assert [row["start_ns"] for row in found] == list(by_minute.groups)
    for name, values in {
        "open_ticks": by_minute["price_ticks"].first(),
        "high_ticks": by_minute["price_ticks"].max(),
        "low_ticks": by_minute["price_ticks"].min(),
        "close_ticks": by_minute["price_ticks"].last(),
        "volume_lots": by_minute["qty_lots"].sum(),
        "delta_lots": by_minute["signed"].sum(),
        "n_trades": by_minute.size(),
    }.items():
        assert [row[name] for row in found] == values.tolist(), name


def test_urls():
    assert postgres_target("postgresql://me:p%40ss@db.example:9443/x?sslmode=require") == {
        "connect_timeout": 10,
        "application_name": "orderflow",
        "sslmode": "require",
        "host": "db.example",
        "port": 9443,
        "user": "me",
        "password": "p@ss",
        "dbname": "x",
    }
    assert postgres_target("postgres:///x?host=/run/postgresql")["host"] == "/run/postgresql"
    for wrong in (
        "http://h/x",
        "postgresql://h",
        "postgresql:///x",
        "postgresql://me:s3cr3t",
        "postgresql://me:s3cr3t/x",
    ):
        with pytest.raises(StoreUrlError, match="url must be postgresql") as refused:
            postgres_target(wrong)
        assert "s3cr3t" not in str(refused.value)


def test_no_error_holds_a_password(store, postgres_databases):
    url = postgres_databases()
    user, _, rest = url.removeprefix("postgresql://").partition(":")
    password, _, host = rest.partition("@")
    for wrong, message in (
        (f"postgresql://{user}:s3cr3t@{host}", "password authentication failed"),
        ("postgresql://me:s3cr3t@127.0.0.1:1/x", r"no PostgreSQL answers at 127\.0\.0\.1:1"),
        (f"{url}?s3cr3t_option=1", "must be postgresql"),
        (f"postgresql://{user}:{password}@{host}_missing", "does not exist"),
    ):
        with pytest.raises(StoreError, match=message) as refused:
            Store.open(url=wrong)
        chain = f"{refused.value} {refused.value.__cause__}"
        assert password not in chain
        assert "s3cr3t" not in chain.replace("s3cr3t_option", "")


def test_publications_of_other_days_do_not_wait(store, symbol):
    days = [date(1998, 1, 31), date(1998, 2, 1)]  # each makes a partition of its own
    with store.publish(symbol, days[0], run_id="slow", code_version="1") as slow:
        slow.write("flow.bars", sample_rows(BARS, 3))
        publish(store, symbol, {"flow.bars": sample_rows(BARS, 4)}, day=days[1])
        assert len(store.read("flow.bars", symbol)) == 4
        slow.commit()
    assert store.days("flow.bars", symbol) == days
