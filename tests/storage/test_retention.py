"""What was replaced stays readable until retention removes it; then a reader is told so."""

import pytest

from orchestration.storage import retention
from orchestration.storage.errors import SnapshotExpiredError
from orchestration.storage.maintenance import Stored
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

NAME = "flow.volume_profile"


@pytest.fixture(scope="session")
def store(each_store):
    """Every test here runs on the embedded store, on one behind HTTP, and on PostgreSQL."""
    return each_store


def _version(store, symbol, version):
    rows = sample_rows(TABLES[NAME], 50 + version, seed=version)
    (row,) = publish(store, symbol, {NAME: rows}, code_version=str(version))
    return row


def _problems(store, symbol):
    return [problem for problem in store.verify(deep=True) if problem.symbol == symbol]


def test_an_earlier_state_is_read_by_its_publication_or_by_its_time(store, symbol):
    first, second = _version(store, symbol, 1), _version(store, symbol, 2)
    assert store.snapshot_at(first.published_at) == first.seq
    assert store.snapshot_at(second.published_at - 1) == first.seq
    assert len(store.read(NAME, symbol, DAY, snapshot=first.seq)) == 51
    assert len(store.read(NAME, symbol, DAY)) == 52
    assert store.content_hash(NAME, symbol, DAY, snapshot=first.seq) == first.hash


def test_before_the_first_publication_there_is_nothing(store, symbol):
    _version(store, symbol, 1)
    assert store.snapshot_at(0) == 0
    assert len(store.read(NAME, symbol, DAY, snapshot=0)) == 0


def test_retention_removes_what_was_replaced_before_the_time_and_nothing_else(store, symbol):
    rows = [_version(store, symbol, version) for version in (1, 2, 3)]
    # The second was replaced at the third's publication, which is not before it.
    removed = store.retain(rows[2].published_at)
    assert removed[NAME] >= 51
    assert len(store.read(NAME, symbol, DAY, snapshot=rows[1].seq)) == 52
    assert len(store.read(NAME, symbol, DAY)) == 53
    with pytest.raises(SnapshotExpiredError, match=f"publication {rows[0].seq} shows {NAME} .*"):
        store.read(NAME, symbol, DAY, snapshot=rows[0].seq)
    with pytest.raises(SnapshotExpiredError, match="retention has removed"):
        store.read_generation(rows[0])
    assert [row.generation for row in store.history(NAME, symbol, DAY)] == [
        row.generation for row in rows
    ]
    assert _problems(store, symbol) == []
    assert NAME not in store.retain(rows[2].published_at)  # a repetition finds nothing


def test_generations_that_a_model_was_trained_on_are_kept(store, symbol):
    rows = [_version(store, symbol, version) for version in (1, 2, 3)]
    store.retain(rows[2].published_at + 1, kept={rows[0].generation})
    assert len(store.read(NAME, symbol, DAY, snapshot=rows[0].seq)) == 51
    assert len(store.read_generation(rows[0])) == 51
    with pytest.raises(SnapshotExpiredError):
        store.read(NAME, symbol, DAY, snapshot=rows[1].seq)
    assert _problems(store, symbol) == []  # the first is not taken for published


def test_a_kill_between_record_and_removal_leaves_what_vacuum_removes(
    each_database, symbol, monkeypatch
):
    store = each_database
    rows = [_version(store, symbol, version) for version in (1, 2)]

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(retention.maintenance, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            store.retain(rows[1].published_at + 1)
    left = Stored(
        table=NAME, symbol=symbol, trading_day=DAY, generation=rows[0].generation, rows=51
    )
    assert left in store.orphans()
    with pytest.raises(SnapshotExpiredError):
        store.read(NAME, symbol, DAY, snapshot=rows[0].seq)
    store.vacuum()
    assert left not in store.orphans()
    assert len(store.read(NAME, symbol, DAY)) == 52


def test_status_counts_published_replaced_and_unpublished_rows(embedded_store, symbol):
    before = {table.table: table for table in embedded_store.status()}[NAME]
    _version(embedded_store, symbol, 1)
    _version(embedded_store, symbol, 2)
    staged = embedded_store.publish(symbol, DAY, run_id="open", code_version="3")
    staged.write(NAME, sample_rows(TABLES[NAME], 7, seed=9))
    during = {table.table: table for table in embedded_store.status()}[NAME]
    assert during.unpublished_rows == before.unpublished_rows  # somebody is still writing them
    staged.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    after = {table.table: table for table in embedded_store.status()}[NAME]
    assert after.symbol_days == before.symbol_days + 1
    assert after.rows == before.rows + 52
    assert after.replaced_rows == before.replaced_rows + 51
    assert after.unpublished_rows == before.unpublished_rows + 7
    assert after.disk_bytes > 0
    embedded_store.vacuum()
