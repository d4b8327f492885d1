"""The day job on PostgreSQL publishes, byte for byte, what it publishes on the embedded store."""

from orchestration import runtime
from orchestration.ingest import ingest
from orchestration.pipeline import run_jobs
from orchestration.resources import store as resource
from orchestration.sources import SOURCES
from orchestration.storage.store import Store
from tests.captures import write_capture
from tests.orchestration.conftest import N_TRADES, date_of
from tests.orchestration.test_day_run import DAY_TABLES

# No other test's days lie beside: gaps at midnight would tell of those.
SYMBOL = "NEOUSDT"
DAY = date_of(0)


def test_ingest_and_the_day_job_give_the_hashes_of_the_embedded_store(
    home, store, postgres_databases, tmp_path, monkeypatch
):
    known = runtime.instrument(SYMBOL)
    path = write_capture(tmp_path / "a.gz", n_trades=N_TRADES, symbol=SYMBOL)

    def hashes_in(where):
        ingest(where, SOURCES["capture"].read([path], known), known, run_id="test")
        run_jobs(SYMBOL, [DAY], jobs=("day",))
        assert where.orphans() == []
        return {table: where.content_hash(table, SYMBOL, DAY) for table in DAY_TABLES}

    expected = hashes_in(store)
    with Store.open(url=postgres_databases()) as other:
        monkeypatch.setattr(resource, "open_store", lambda: other)
        assert hashes_in(other) == expected
        assert other.verify(deep=True) == []
