"""Opening, querying, limits, maintenance."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from orchestration.storage.connection import server_target
from orchestration.storage.errors import StoreCorruptError, StoreError
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, in_own_process, publish
from tests.storage.rows import sample_rows

EVENTS = TABLES["flow.events"]


def test_query_binds_parameters(store):
    text = "it's {x:Int8} \\ %(y)s"
    found = store.query("SELECT {a:String} AS a, {b:Int64} AS b", a=text, b=-(2**63))
    assert found.to_pylist() == [{"a": text, "b": -(2**63)}]
    days = store.query("SELECT arrayJoin({d:Array(Date)}) AS d", d=[DAY, date(2149, 6, 6)])
    assert days.column("d").to_pylist() == [DAY, date(2149, 6, 6)]


@pytest.mark.parametrize(
    ("sql", "params", "message"),
    [
        ("DROP TABLE raw.trades", {}, "query only reads"),
        ("", {}, "query only reads"),
        ("SELECT 1; DROP TABLE raw.trades", {}, "one statement"),
        ("SELECT {a:Int8}", {"a": 1, "b": 2}, r"parameters \['b'\] do not occur"),
    ],
)
def test_query_refuses_what_is_not_one_bound_reading_statement(store, sql, params, message):
    with pytest.raises(ValueError, match=message):
        store.query(sql, **params)


def test_every_query_has_limits(store):
    names = ("max_memory_usage", "max_execution_time", "async_insert")
    found = store.query(
        "SELECT name, value FROM system.settings WHERE name IN {names:Array(String)}", names=names
    )
    assert dict(zip(*found.to_pydict().values(), strict=True)) == {
        "max_memory_usage": str(4 * 2**30),
        "max_execution_time": "300",
        "async_insert": "0",
    }


@pytest.mark.parametrize("rows_before_the_error", [10, 2_000_000])
def test_failed_query_leaves_nothing_in_the_next_result(store, rows_before_the_error):
    # Without care the engine puts what the failed query had written before the next result.
    with pytest.raises(DatabaseError, match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"):
        store.query(
            "SELECT number, throwIf(number = {n:Int64}) FROM numbers({n:Int64} + 1)",
            n=rows_before_the_error,
        )
    assert store.query("SELECT 7 AS seven").to_pylist() == [{"seven": 7}]


def test_threads_share_the_store(store, symbol):
    publish(store, symbol, {"flow.events": sample_rows(EVENTS, 300)})

    def work(k):
        if k % 3 == 0:
            with pytest.raises(DatabaseError):
                store.query("SELECT throwIf(number = 90000) FROM numbers(100000)")
        elif k % 3 == 1:
            rows = {"flow.events": sample_rows(EVENTS, 20, seed=k)}
            publish(store, f"{symbol} {k}", rows)
            return len(store.read("flow.events", f"{symbol} {k}"))
        return len(store.read("flow.events", symbol))

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(work, range(24)))
    assert found == [300, 20, 300] * 8
    seqs = [row.seq for row in store.published() if row.symbol.startswith(symbol)]
    assert len(set(seqs)) == len(seqs) == 9


def test_same_folder_again_is_the_same_store_and_another_is_refused(store, tmp_path):
    with Store.open(path=store.path) as again:
        assert again is store
    assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    with pytest.raises(StoreError, match=r"has store .* open; .* needs a process of its own"):
        Store.open(path=tmp_path)


def test_path_or_url_not_both_not_none(tmp_path):
    with pytest.raises(ValueError, match="path of an embedded store, or a server's url"):
        Store.open()
    with pytest.raises(ValueError, match="not both"):
        Store.open(path=tmp_path, url="http://localhost")


def test_forked_child_is_refused_before_it_hangs(store, monkeypatch):
    monkeypatch.setattr(store._engine.connection, "_pid", os.getpid() + 1)
    with pytest.raises(StoreError, match="cannot be used by its forked child"):
        store.query("SELECT 1")


def test_second_process_waits_then_fails_naming_the_holder(store):
    script = (
        "import sys; from pathlib import Path; from orchestration.storage.store import Store\n"
        "Store.open(path=Path(sys.argv[1]), lock_timeout_s=0.2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"StoreLockedError: store {store.path} is in use by pid {os.getpid()} on " in last
    assert " since 20" in last
    assert sys.orig_argv[-1][:20] in last
    assert last.endswith("; waited 0.2 s")


def test_server_url():
    assert server_target("https://me:p%40ss@db.example:9443/x") == {
        "interface": "https",
        "host": "db.example",
        "port": 9443,
        "username": "me",
        "password": "p@ss",
        "database": "x",
        "autogenerate_session_id": False,
    }
    assert server_target("http://h")["port"] == 8123
    for wrong in ("clickhouse://h", "h:8123", "http://", "https://h?verify=false", "https://h/x#y"):
        with pytest.raises(ValueError, match="url must be http"):
            server_target(wrong)


def test_insert_files_stay_under_the_store(store, symbol, monkeypatch):
    seen = []
    insert = store._engine.connection._client.insert_arrow

    def spy(*args, **kwargs):
        import tempfile

        seen.append(tempfile.gettempdir())
        return insert(*args, **kwargs)

    monkeypatch.setattr(store._engine.connection._client, "insert_arrow", spy)
    publish(store, symbol, {"flow.events": sample_rows(EVENTS, 2)})
    assert set(seen) == {str(store.path / "tmp")}
    assert list((store.path / "tmp").iterdir()) == []


def test_vacuum_removes_what_was_never_published_and_nothing_else(store, symbol):
    publish(store, symbol, {"flow.events": sample_rows(EVENTS, 3)})
    publish(store, symbol, {"flow.events": sample_rows(EVENTS, 4)}, code_version="2")
    killed = store.publish(symbol, DAY, run_id="killed", code_version="3")
    killed.write("flow.events", sample_rows(EVENTS, 5, seed=1))
    assert [o.rows for o in store.orphans() if o.symbol == symbol] == []
    store._in_progress.clear()  # as after a kill: nobody is writing it any more
    assert [o.rows for o in store.orphans() if o.symbol == symbol] == [5]
    assert store.vacuum()["flow.events"] >= 5
    assert store.orphans() == []
    assert store.vacuum() == {}
    held = store.query("SELECT count() AS n FROM flow.events WHERE symbol = {s:String}", s=symbol)
    assert held.to_pylist() == [{"n": 3 + 4}]
    assert [p for p in store.verify(deep=True) if p.symbol == symbol] == []


def _break_a_store(folder):

    def publish_three(store, symbol, version="1"):
        publish(store, symbol, {"flow.events": sample_rows(EVENTS, 3)}, code_version=version)
        return store.published("flow.events", symbol)[0]

    with Store.open(path=folder, memory_gb=1) as store:
        lost, changed, doubled = (publish_three(store, s) for s in ("lost", "changed", "doubled"))
        assert store.verify(deep=True) == []
        store._engine.delete_generations(EVENTS, DAY, [lost.generation])
        rows = store.query("SELECT * FROM flow.events WHERE symbol = 'changed'")
        store._engine.delete_generations(EVENTS, DAY, [changed.generation])
        lots = pa.array(rows.column("qty_lots").to_numpy() + 1)
        at = rows.column_names.index("qty_lots")
        store._engine.connection.insert(
            "flow.events",
            rows.set_column(at, "qty_lots", lots),
            token="changed",  # noqa: S106
        )
        second = publish_three(store, "doubled", version="2")
        store._engine.connection.delete(
            "ALTER TABLE meta.manifest UPDATE replaces = [] WHERE generation = {g:Int64}",
            {"g": second.generation},
        )
        store._engine.connection.command("ALTER TABLE flow.events ADD COLUMN extra Int64")
        shallow, deep = store.verify(), store.verify(deep=True)
        return doubled.generation, [
            [(p.symbol, p.what) for p in found] for found in (shallow, deep)
        ]


def test_verify_names_what_does_not_agree(tmp_path):
    doubled, (shallow, deep) = in_own_process(_break_a_store, tmp_path)
    by_symbol = dict(shallow)
    assert by_symbol["lost"] == "manifest states 3 rows, table holds 0"
    assert by_symbol["doubled"] == f"published beside generation {doubled}"
    assert "columns are" in by_symbol[""]
    assert "changed" not in by_symbol
    assert dict(deep)["changed"].startswith("manifest states hash ")


def _flip_a_byte(folder):
    rows = {"flow.events": sample_rows(EVENTS, 5_000)}
    with Store.open(path=folder) as store:
        publish(store, "s", rows)
        (part,) = store.query(
            "SELECT path FROM system.parts WHERE table = 'events' AND active"
        ).to_pylist()
        # The largest file of the part: data, all columns' or one column's.
        file = max(Path(part["path"]).glob("*.bin"), key=lambda path: path.stat().st_size)
        body = bytearray(file.read_bytes())
        body[len(body) // 2] ^= 0xFF
        file.write_bytes(body)
        shallow, deep = store.verify(), store.verify(deep=True)
        with pytest.raises(StoreCorruptError, match=r"flow\.events s 2013-09-03.*cannot be read: "):
            store.read("flow.events", "s")
        (again,) = publish(store, "s", rows)
        return shallow, [str(problem) for problem in deep], again.rows, store.verify(deep=True)


def test_a_damaged_file_is_found_by_reading_and_the_same_rows_take_its_place(tmp_path):
    shallow, deep, n_again, after = in_own_process(_flip_a_byte, tmp_path)
    assert shallow == []  # rows are counted without reading them
    assert len(deep) == 1
    assert deep[0].startswith(
        "flow.events s 2013-09-03: flow.events s 2013-09-03..2013-09-03: what"
    )
    assert (n_again, after) == (5_000, [])


def _use_in_two_openings(folder):
    with Store.open(path=folder) as store:
        publish(store, "s", {"flow.events": sample_rows(EVENTS, 3)})
        first = store.content_hash("flow.events", "s", DAY)
    (folder / "tmp" / "left.parquet").write_text("left by a killed process")
    with Store.open(path=folder, memory_gb=0.1, query_timeout_s=60) as store:
        with pytest.raises(
            StoreError, match=r"needs more memory than ORDERFLOW_STORE_MEMORY_GB.* 241"
        ):
            store.query("SELECT length(groupArray(number)) FROM numbers(100000000)")
        assert list((folder / "tmp").iterdir()) == []
        assert publish(store, "s", {"flow.events": sample_rows(EVENTS, 3)}) == []
        return first, store.content_hash("flow.events", "s", DAY), store.verify(deep=True)


def test_store_survives_closing_and_another_store_has_the_same_hash(store, tmp_path):
    first, second, problems = in_own_process(_use_in_two_openings, tmp_path)
    publish(store, "s", {"flow.events": sample_rows(EVENTS, 3)})
    assert first == second == store.content_hash("flow.events", "s", DAY)
    assert problems == []
