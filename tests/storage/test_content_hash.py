"""The content hash: golden bytes, the naive twin, and what it must not depend on."""

import hashlib
import struct
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.storage.conform import conform, with_store_columns
from orchestration.storage.content_hash import content_hash, hash_of_days, n_duplicate_keys
from orchestration.storage.tables import TABLES
from tests.naive.content_hash import content_hash as naive_content_hash
from tests.storage.conftest import DAY
from tests.storage.rows import sample_rows


def _stored(name, rows, *, generation=1, symbol="ES", day=DAY, unit="u"):
    table = TABLES[name]
    payload = conform(table, rows, unit=unit if table.has_units else "")
    return with_store_columns(table, payload, symbol, day, generation)


def _naive(name, rows):
    table = TABLES[name]
    columns = [(c.name, c.type) for c in table.columns if c.is_hashed]
    return naive_content_hash(rows.to_pylist(), columns, table.sort)


def test_golden_bytes_of_one_volume_profile():
    rows = pa.table(
        {
            "ticks_per_row": [4, 4],
            "price_tick": [8, 4],
            "bid_lots": [1, 2],
            "ask_lots": [0, 5],
            "unsigned_lots": [0, 0],
        }
    )
    # Sorted by price_tick: the row at 4 comes first. Column by column: symbol (length, bytes) twice,
    # trading day (15951 days since 1970-01-01) twice, then each int64 column.
    expected = hashlib.sha256(
        (struct.pack("<q", 2) + b"ES") * 2
        + struct.pack("<2i", 15951, 15951)
        + struct.pack("<2q", 4, 4)
        + struct.pack("<2q", 4, 8)
        + struct.pack("<2q", 2, 1)
        + struct.pack("<2q", 5, 0)
        + struct.pack("<2q", 0, 0)
    ).hexdigest()
    stored = _stored("flow.volume_profile", rows)
    assert content_hash(TABLES["flow.volume_profile"], stored) == expected


@pytest.mark.parametrize("name", sorted(TABLES))
def test_equals_the_naive_twin(name):
    rows = _stored(name, sample_rows(TABLES[name], 57, seed=3))
    assert content_hash(TABLES[name], rows) == _naive(name, rows)


texts = st.text(st.characters(codec="utf-8"), max_size=6)


@st.composite
def quarantine_rows(draw):
    n = draw(st.integers(0, 12))
    ints = st.integers(-3, 3)
    return pa.table(
        {
            "kind": pa.array(draw(st.lists(texts, min_size=n, max_size=n)), pa.string()),
            "ts_recv_ns": pa.array(draw(st.lists(ints, min_size=n, max_size=n)), pa.int64()),
            "reason": pa.array(draw(st.lists(texts, min_size=n, max_size=n)), pa.string()),
            "detail": pa.array(draw(st.lists(texts, min_size=n, max_size=n)), pa.string()),
            "record": pa.array(draw(st.lists(texts, min_size=n, max_size=n)), pa.string()),
            "source": pa.array(draw(st.lists(texts, min_size=n, max_size=n)), pa.string()),
            "line": pa.array(draw(st.lists(ints, min_size=n, max_size=n)), pa.int64()),
        }
    )


@given(rows=quarantine_rows(), data=st.data())
def test_ties_unicode_and_row_order(rows, data):
    table = TABLES["raw.quarantine"]
    stored = _stored("raw.quarantine", rows)
    expected = _naive("raw.quarantine", stored)
    order = data.draw(st.permutations(range(len(stored))))
    shuffled = stored.take(pa.array(order, pa.int64()))
    cut = data.draw(st.integers(0, len(stored)))
    chunked = pa.concat_tables([shuffled.slice(0, cut), shuffled.slice(cut)])
    assert content_hash(table, stored) == expected
    assert content_hash(table, shuffled) == expected
    assert content_hash(table, chunked) == expected


def test_origin_is_left_out_and_content_is_not():
    table = TABLES["raw.trades"]
    rows = sample_rows(table, 20)
    base = content_hash(table, _stored("raw.trades", rows))
    moved = rows.set_column(rows.column_names.index("line"), "line", pa.array(np.arange(20)))
    assert content_hash(table, _stored("raw.trades", moved, generation=9, unit="v")) == base
    assert content_hash(table, _stored("raw.trades", rows, symbol="NQ")) != base
    assert content_hash(table, _stored("raw.trades", rows, day=date(2013, 9, 5))) != base
    for column in ("ts_recv_ns", "trade_id", "qty_lots", "native_sign"):
        values = rows.column(column).to_numpy().copy()
        values[7] += 1
        changed = rows.set_column(rows.column_names.index(column), column, pa.array(values))
        assert content_hash(table, _stored("raw.trades", changed)) != base, column


def test_texts_are_hashed_in_pieces(monkeypatch):
    monkeypatch.setattr("orchestration.storage.content_hash._TEXTS", 7)
    rows = _stored("raw.trades", sample_rows(TABLES["raw.trades"], 50))
    assert content_hash(TABLES["raw.trades"], rows) == _naive("raw.trades", rows)


def test_text_boundaries_count():
    table = TABLES["raw.quarantine"]
    base = sample_rows(table, 1)

    def hashed(detail, record):
        rows = base
        for name, text in (("detail", detail), ("record", record)):
            rows = rows.set_column(rows.column_names.index(name), name, pa.array([text]))
        return content_hash(table, _stored("raw.quarantine", rows))

    assert hashed("ab", "c") != hashed("a", "bc")


def test_a_dictionary_that_lists_a_text_twice_changes_nothing():
    table = TABLES["flow.events"]
    rows = sample_rows(table, 4)
    at = rows.column_names.index("kind")
    once = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1]), pa.array(["a", "b"]))
    twice = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0, 1]), pa.array(["a", "b", "a"]))
    for ties in (rows, rows.set_column(0, "ts_event_ns", pa.array([5, 5, 5, 5]))):
        hashes = {
            content_hash(table, _stored("flow.events", ties.set_column(at, "kind", kind)))
            for kind in (once, twice)
        }
        assert len(hashes) == 1


def test_no_rows_is_the_hash_of_nothing():
    rows = _stored("flow.events", sample_rows(TABLES["flow.events"], 0))
    assert content_hash(TABLES["flow.events"], rows) == hashlib.sha256().hexdigest()


def test_days_hash_is_over_the_days_digests():
    a, b = hashlib.sha256(b"a"), hashlib.sha256(b"b")
    expected = hashlib.sha256(a.digest() + b.digest()).hexdigest()
    assert hash_of_days([a.hexdigest(), b.hexdigest()]) == expected


def test_repeated_keys_are_counted():
    table = TABLES["flow.events"]
    rows = _stored("flow.events", sample_rows(table, 5))
    assert n_duplicate_keys(table, rows) == 0
    assert n_duplicate_keys(table, pa.concat_tables([rows, rows.slice(1, 2)])) == 2
