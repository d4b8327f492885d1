"""The day job on PostgreSQL publishes, byte for byte, what it publishes on the embedded store."""

from orchestration import runtime
from orchestration.ingest import ingest
from orchestration.pipeline import run_jobs
from orchestration.resources import store as resource
from orchestration.sources import SOURCES
from orchestration.storage.store import Store
from tests.captures import write_capture
from tests.orchestration.conftest import N_TRADES, SYMBOL, date_of
from tests.orchestration.test_day_run import DAY_TABLES


def test_ingest_and_the_day_job_give_the_hashes_of_the_embedded_store(
    ran, store, postgres_databases, tmp_path, monkeypatch
):
    known, n = runtime.instrument(SYMBOL), (ran.day - date_of(0)).days
    path = write_capture(tmp_path / "a.gz", n_trades=N_TRADES, day=n)
    with Store.open(url=postgres_databases()) as other:
        monkeypatch.setattr(resource, "open_store", lambda: other)
        ingest(other, SOURCES["capture"].read([path], known), known, run_id="test")
        run_jobs(SYMBOL, [ran.day], jobs=("day",))
        found = {table: other.content_hash(table, SYMBOL, ran.day) for table in DAY_TABLES}
        assert (other.verify(deep=True), other.orphans()) == ([], [])
    # What the first run had published: later tests may have run the day again.
    assert found == {
        table: store.history(table, SYMBOL, ran.day)[0].hash for table in sorted(DAY_TABLES)
    }
