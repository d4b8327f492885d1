"""The same rows on a real ClickHouse server; the tests of `each_store` run on it, too.

Where ORDERFLOW_TEST_CLICKHOUSE_URL names one: ``pytest -m server tests/storage``.
"""

import uuid

import pytest

from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

pytestmark = pytest.mark.server


def test_a_real_stores_what_the_embedded_store_stores(store, real_store):
    symbol = f"server test {uuid.uuid4()}"
    for name, table in TABLES.items():
        rows = {name: sample_rows(table, 100)}
        for each in (store, real_store):
            assert len(publish(each, symbol, rows, unit="u")) == 1
            assert publish(each, symbol, rows, unit="u") == []
        expected = store.content_hash(name, symbol, DAY)
        assert real_store.content_hash(name, symbol, DAY) == expected
    problems = real_store.verify(deep=True)
    assert [problem for problem in problems if problem.symbol == symbol] == []
