"""The store behind HTTP: lost connections, refusals, secrets. Nothing is doubled, nothing half there."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from orchestration.storage.errors import StoreError
from orchestration.storage.migrations import packaged_migrations
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.clickhouse_http import PASSWORD
from tests.storage.conftest import DAY, NEXT_DAY, publish, serving
from tests.storage.rows import sample_rows

# ruff: noqa: S106  passwords of a server that lives as long as the test

TRADES, BARS = TABLES["raw.trades"], TABLES["flow.bars"]
N = 20_000  # more than one packet


@pytest.fixture(autouse=True)
def _every_fault_strikes(http_server):
    yield
    assert http_server.n_waiting() == 0


def _stored(store, symbol):
    found = store.query(
        "SELECT toInt64(count()) AS n FROM raw.trades WHERE symbol = {s:String}", s=symbol
    )
    return found["n"][0].as_py()


@pytest.mark.parametrize("kind", ["refuse", "cut_body", "cut_reply", "busy"])
@pytest.mark.parametrize("n_faults", [1, 3])
def test_an_insert_whose_connection_was_lost_is_stored_once(
    http_store, http_server, store, symbol, kind, n_faults
):
    rows = {"raw.trades": sample_rows(TRADES, N)}
    http_server.fail_once(*[(kind, "INSERT INTO `raw`.`trades`")] * n_faults)
    (row,) = publish(http_store, symbol, rows, unit="u")
    assert row.rows == _stored(http_store, symbol) == N
    publish(store, symbol, rows, unit="u")
    assert http_store.content_hash("raw.trades", symbol, DAY) == row.hash
    assert store.content_hash("raw.trades", symbol, DAY) == row.hash


@pytest.mark.parametrize("kind", ["refuse", "cut_reply"])
def test_a_commit_whose_answer_was_lost_is_one_publication(http_store, http_server, symbol, kind):
    http_server.fail_once((kind, "INSERT INTO `meta`.`manifest`"))
    (row,) = publish(http_store, symbol, {"flow.bars": sample_rows(BARS, 5)})
    assert http_store.history("flow.bars", symbol, DAY) == [row]
    assert len(http_store.read("flow.bars", symbol)) == 5


def test_rows_stay_where_a_commit_whose_answer_was_lost_is_not_repeated(http_server, symbol):
    rows = {"flow.bars": sample_rows(BARS, 5)}
    with Store.open(url=http_server.url(), retry_s=0) as impatient:
        http_server.fail_once(("cut_reply", "INSERT INTO `meta`.`manifest`"))
        with pytest.raises(StoreError, match=r"an insert into meta\.manifest failed"):
            publish(impatient, symbol, rows)
        assert impatient.days("flow.bars", symbol) == [DAY]  # it was done
        assert len(impatient.read("flow.bars", symbol)) == 5
        assert publish(impatient, symbol, rows) == []  # and is not done again
        assert [p for p in impatient.verify(deep=True) if symbol in str(p)] == []


def test_rows_of_a_commit_that_never_came_are_left_for_vacuum(http_server, symbol):
    with Store.open(url=http_server.url(), retry_s=0) as impatient:
        http_server.fail_once(("refuse", "INSERT INTO `meta`.`manifest`"))
        with pytest.raises(StoreError, match=r"an insert into meta\.manifest failed"):
            publish(impatient, symbol, {"flow.bars": sample_rows(BARS, 5)})
        assert impatient.published(symbol=symbol) == []
        (orphan,) = (o for o in impatient.orphans(min_age_s=0) if o.symbol == symbol)
        assert (orphan.table, orphan.rows) == ("flow.bars", 5)


@pytest.mark.parametrize("kind", ["refuse", "cut_reply", "cut_stream", "busy"])
def test_a_read_that_was_cut_is_read_again_whole(http_store, http_server, symbol, kind):
    publish(http_store, symbol, {"raw.trades": sample_rows(TRADES, N)}, unit="u")
    http_server.fail_once((kind, "FROM `raw`.`trades`"))
    assert len(http_store.read("raw.trades", symbol)) == N


def test_a_statement_and_a_removal_are_repeated(http_store, http_server, symbol):
    publish(http_store, symbol, {"flow.bars": sample_rows(BARS, 5)})
    http_server.fail_once(("cut_reply", "ALTER TABLE `flow`.`bars` DELETE"))
    with http_store.publish(symbol, NEXT_DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 7))  # and no commit
    assert [o for o in http_store.orphans() if o.symbol == symbol] == []
    found = http_store.query(
        "SELECT count() AS n FROM flow.bars WHERE symbol = {s:String}", s=symbol
    )
    assert found["n"][0].as_py() == 5


def test_what_the_server_refuses_is_not_repeated(http_store, http_server, symbol):
    before = http_server.seen("throwIf(number = 3)")
    with pytest.raises(DatabaseError, match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"):
        http_store.query("SELECT throwIf(number = 3) FROM numbers(10)")
    assert http_server.seen("throwIf(number = 3)") == before + 1


def test_a_server_that_stays_away_is_named_after_the_stated_time(http_server, symbol):
    with Store.open(url=http_server.url(), retry_s=0.5) as impatient:
        http_server.fail_once(*[("refuse", "INSERT INTO `flow`.`bars`")] * 30)
        with pytest.raises(
            StoreError, match=r"an insert into flow\.bars failed \d times in 0\.5 s"
        ):
            publish(impatient, symbol, {"flow.bars": sample_rows(BARS, 5)})
        http_server.forget_faults()
        assert impatient.published(symbol=symbol) == []
    with pytest.raises(StoreError, match=r"no ClickHouse answers at 127\.0\.0\.1:1: "):
        Store.open(url="http://127.0.0.1:1", retry_s=0.2)


def test_a_wrong_password_fails_at_once_and_stands_in_no_message(http_server):
    with pytest.raises(StoreError, match="AUTHENTICATION_FAILED") as refused:
        Store.open(url=http_server.url(password="s3cr3t word"))
    shown = str(refused.value) + str(refused.value.__cause__)
    assert "s3cr3t" not in shown
    assert PASSWORD not in shown


def test_two_writers_on_one_server_and_one_day_one_wins(http_server, symbol):
    with Store.open(url=http_server.url()) as one, Store.open(url=http_server.url()) as other:
        both_staged, outcomes = threading.Barrier(2), []

        def write(store, version):
            with store.publish(symbol, DAY, run_id=version, code_version=version) as publication:
                publication.write("flow.bars", sample_rows(BARS, 5))
                publication.audit()
                both_staged.wait()
                try:
                    outcomes.append(("published", publication.commit()[0].run_id))
                except StoreError as error:
                    outcomes.append(("refused", str(error)))

        writers = [threading.Thread(target=write, args=pair) for pair in ((one, "a"), (other, "b"))]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        (_, winner), (_, why) = sorted(outcomes)
        assert sorted(kind for kind, _ in outcomes) == ["published", "refused"]
        assert f"was published by ['{winner}']" in why
        assert [row.run_id for row in one.published(symbol=symbol)] == [winner]
        # Other days and other symbols do not wait for each other.
        publish(one, symbol, {"flow.bars": sample_rows(BARS, 3)}, day=NEXT_DAY)
        publish(other, f"{symbol} 2", {"flow.bars": sample_rows(BARS, 3)})
        assert len(one.published(symbol=symbol)) == 2


def test_processes_that_open_a_new_server_at_once_migrate_it_once(tmp_path):
    with serving(tmp_path) as server:
        with ThreadPoolExecutor(4) as pool:
            stores = list(pool.map(lambda _: Store.open(url=server.url()), range(4)))
        applied = stores[0].migrations()
        assert [m.version for m in applied] == [m.version for m in packaged_migrations()]
        count = stores[1].query("SELECT toInt64(count()) AS n FROM meta.migrations")
        assert count["n"].to_pylist() == [len(applied)]
        for store in stores:
            assert store.verify() == []
            store.close()


def test_insert_tokens_are_heeded_by_every_table(http_store):
    found = http_store.query(
        "SELECT concat(database, '.', name) AS name FROM system.tables WHERE "
        "database IN ('raw', 'flow', 'research', 'backtest', 'meta') AND "
        "position(engine_full, 'non_replicated_deduplication_window = 1000') > 0"
    )
    assert set(TABLES) | {"meta.manifest", "meta.migrations", "meta.retired"} <= set(
        found["name"].to_pylist()
    )
