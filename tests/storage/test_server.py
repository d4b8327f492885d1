"""The same store on a real ClickHouse server: run where ORDERFLOW_TEST_CLICKHOUSE_URL names one."""

import os
import uuid

import pytest

from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server_store():
    url = os.environ.get("ORDERFLOW_TEST_CLICKHOUSE_URL")
    if not url:
        pytest.skip("needs a ClickHouse server: ORDERFLOW_TEST_CLICKHOUSE_URL is not set")
    with Store.open(url=url) as opened:
        yield opened


def test_a_server_stores_what_the_embedded_store_stores(store, server_store):
    symbol = f"server test {uuid.uuid4()}"
    for name, table in TABLES.items():
        rows = {name: sample_rows(table, 100)}
        for each in (store, server_store):
            assert len(publish(each, symbol, rows, unit="u")) == 1
            assert publish(each, symbol, rows, unit="u") == []
        expected = store.content_hash(name, symbol, DAY)
        assert server_store.content_hash(name, symbol, DAY) == expected
    problems = server_store.verify(deep=True)
    assert [problem for problem in problems if problem.symbol == symbol] == []
