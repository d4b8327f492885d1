"""The commands on PostgreSQL publish, byte for byte, what they publish on the embedded store."""

import pytest

from orchestration.storage.store import Store
from tests.e2e.command import orderflow
from tests.e2e.conftest import DAYS
from tests.e2e.inspect_store import contents
from tests.e2e.instrument import SYMBOL, add_instrument
from tests.e2e.test_whole_way import DAY_TABLES


# Two processes of half a minute; tests/orchestration/test_postgres_day.py asks the same in this one.
@pytest.mark.soak
def test_ingest_and_the_day_job_give_the_hashes_of_the_embedded_store(
    whole_way, capture, postgres_databases, tmp_path
):
    home, url = add_instrument(tmp_path), postgres_databases()
    take = ("ingest", "capture", "--path", str(capture), "--symbol", SYMBOL, "--json")
    told = orderflow(home, *take, ORDERFLOW_POSTGRES_URL=url)
    assert told.json["hash"] == whole_way.ingest.json["hash"]
    day = ("run", "--symbol", SYMBOL, "--to", DAYS[0], "--job", "day", "--json")
    orderflow(home, *day, ORDERFLOW_POSTGRES_URL=url)
    with Store.open(url=url) as store:
        held = contents(store)
    keys = [f"{table} {SYMBOL} {DAYS[0]}" for table in DAY_TABLES]
    keys += [f"{table} {SYMBOL} {DAYS[1]}" for table in DAY_TABLES if table.startswith("raw.")]
    assert held["hashes"] == {key: whole_way.first["hashes"][key] for key in keys}
    assert (held["problems"], held["orphans"]) == ([], 0)
    assert not (home / "store").exists()
