"""Whether rows come back as they were: by value, and by the hash where their order says nothing."""

import numpy as np
import pyarrow as pa
import pytest

from orchestration.storage.comparison import has_rows_of
from orchestration.storage.conform import conform, with_store_columns
from orchestration.storage.content_hash import content_hash, row_order
from orchestration.storage.errors import StoreError
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

# Enough to go to the engine from memory.
N = 10_001


def sent_rows(table, n=50):
    unit = "u" if table.has_units else ""
    rows = with_store_columns(table, conform(table, sample_rows(table, n), unit=unit), "S", DAY, 7)
    order = row_order(table, rows)
    return rows if order is None else rows.take(pa.array(order)).unify_dictionaries()


def changed(rows, name, row):
    column = rows.column(name)
    values = column.to_pylist()
    is_text = isinstance(values[row], str)
    values[row] = (
        f"{values[row]}x" if is_text else 1 if values[row] != values[row] else 77 - values[row]
    )
    new = pa.array(
        values, column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    )
    new = new.dictionary_encode() if pa.types.is_dictionary(column.type) else new
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), new)


@pytest.mark.parametrize("name", ["raw.trades", "raw.gaps", "flow.bars", "flow.events"])
def test_one_other_value_in_any_column_is_noticed(name):
    table = TABLES[name]
    sent = sent_rows(table)
    digest = content_hash(table, sent)
    stored = pa.concat_tables([sent.slice(0, 20), sent.slice(20)])
    assert has_rows_of(table, stored, sent, digest)
    assert not has_rows_of(table, sent.slice(1), sent, digest)
    for column in table.payload:
        assert not has_rows_of(table, changed(sent, column.name, 31), sent, digest), column.name


def test_rows_in_another_order_are_compared_by_their_hash():
    table = TABLES["raw.trades"]
    sent = sent_rows(table)
    shuffled = sent.take(pa.array(np.random.default_rng(1).permutation(len(sent))))
    digest = content_hash(table, shuffled)
    assert has_rows_of(table, sent, shuffled, digest)
    assert not has_rows_of(table, changed(sent, "qty_lots", 3), shuffled, digest)


def test_a_dictionary_in_another_order_says_the_same():
    table = TABLES["raw.gaps"]
    sent = sent_rows(table)
    texts = sent["kind"].to_pylist()
    other = pa.array([*reversed(texts), *texts]).dictionary_encode()[len(texts) :]
    at = sent.column_names.index("kind")
    stored = sent.set_column(at, sent.schema.field("kind"), other)
    assert has_rows_of(table, stored, sent, content_hash(table, sent))


@pytest.mark.parametrize("name", TABLES)
def test_many_rows_come_back_as_few_do(store, symbol, name):
    # Slices, several chunks, NaN, empty texts, a label for every row: all from memory.
    table = TABLES[name]
    rows = sample_rows(table, N + 5)
    cut = pa.concat_tables([rows.slice(5, 10), rows.slice(15)])
    (row,) = publish(store, symbol, {name: cut}, unit="u")
    found = store.read(name, symbol)
    assert content_hash(table, found) == row.hash
    publish(store, symbol, {name: cut.slice(0, 9_000)}, unit="u", code_version="2")
    pieces = [cut.slice(0, 9_000), cut.slice(9_000)]
    with store.publish(symbol, DAY, run_id="r", code_version="3") as publication:
        for piece in pieces:  # fewer each: by the other way
            publication.write(name, piece, unit="u" if table.has_units else "")
        (again,) = publication.commit()
    assert again.hash == row.hash


def test_of_many_rows_one_that_breaks_a_constraint_refuses_all(store, symbol):
    rows = sample_rows(TABLES["raw.trades"], N)
    lots = rows["qty_lots"].to_numpy().copy()
    lots[N // 2] = 0
    rows = rows.set_column(rows.column_names.index("qty_lots"), "qty_lots", pa.array(lots))
    with pytest.raises(StoreError, match=r"raw.trades refused the rows: .*`qty_positive`"):
        publish(store, symbol, {"raw.trades": rows}, unit="u")
    assert store.published(symbol=symbol) == []
    assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]
