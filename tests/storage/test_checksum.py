"""The checksum: the same here and in the engine, another for any other value, and what hangs on it."""

import numpy as np
import pyarrow as pa
import pytest

from orchestration.storage import connection as connections
from orchestration.storage import publication as publications
from orchestration.storage.checksum import checksum, checksum_sql, xxh64
from orchestration.storage.conform import conform, with_store_columns
from orchestration.storage.content_hash import content_hash
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows
from tests.storage.test_comparison import changed, sent_rows

# Enough to be compared by checksum.
N = 10_001
TRADES = TABLES["raw.trades"]


@pytest.fixture(scope="session", params=["embedded", "http"])
def store(request):
    """ClickHouse, embedded and behind HTTP."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def read_back(monkeypatch):
    """Tables that a publication has read back."""
    names, read = [], publications.read_generations

    def noted(source, table, *args, **kwargs):
        names.append(table.name)
        return read(source, table, *args, **kwargs)

    monkeypatch.setattr(publications, "read_generations", noted)
    return names


# From the tests of the algorithm's author: the first `n` bytes of his generator, seed 0.
@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, 0xEF46DB3751D8E999),
        (1, 0xE934A84ADB052768),
        (4, 0x9136A0DCA57457EE),
        (14, 0x8282DCC4994E35C8),
        (222, 0xB641AE8CB691C174),
    ],
)
def test_xxh64_is_that_of_its_author(n, expected):
    prime, out = 2654435761, bytearray()
    state = prime
    for _ in range(n):
        out.append(state >> 56 & 0xFF)
        state = state * 11400714785074694797 % 2**64
    assert xxh64(bytes(out)) == expected


@pytest.mark.parametrize("name", TABLES)
def test_the_engine_computes_the_same_of_every_table(store, symbol, name):
    # Negative numbers, NaN, empty and long texts, slices, several chunks and dictionaries.
    table = TABLES[name]
    rows = sample_rows(table, 300)
    for column in table.payload:
        at = rows.column_names.index(column.name) if column.name in rows.column_names else -1
        if column.type == "String":
            texts = pa.array(["ä" * (k % 70) for k in range(300)])
            rows = rows.set_column(at, column.name, texts)
        elif column.type == "Float64":
            values = np.r_[[-0.0, np.inf, -1.5], rows[column.name].to_numpy()[3:]]
            rows = rows.set_column(at, column.name, pa.array(values))
    cut = pa.concat_tables([rows.slice(0, 120), rows.slice(120)])
    (row,) = publish(store, symbol, {name: cut}, unit="u" if table.has_units else "")
    sent = with_store_columns(
        table, conform(table, cut, unit="u" if table.has_units else ""), symbol, DAY, 1
    )
    ours = checksum(table, pa.concat_tables([sent.slice(200), sent.slice(0, 200)]))
    found = store.query(
        f"SELECT {checksum_sql(table)} FROM {name} WHERE generation = {{g:Int64}}",  # noqa: S608
        g=row.generation,
    )
    assert tuple(column[0].as_py() for column in found.columns) == tuple(ours)
    assert ours.rows == 300


@pytest.mark.parametrize("name", ["raw.trades", "raw.gaps", "flow.bars", "flow.events"])
def test_one_other_value_in_any_column_makes_it_another(name):
    table = TABLES[name]
    sent = sent_rows(table)
    known = checksum(table, sent)
    assert checksum(table, sent.take(pa.array(np.arange(len(sent))[::-1]))) == known
    for column in table.payload:
        assert checksum(table, changed(sent, column.name, 31)) != known, column.name


def test_values_that_changed_rows_or_columns_make_it_another():
    sent = sent_rows(TRADES)
    known = checksum(TRADES, sent)
    for a, b in (("price_ticks", "qty_lots"), ("ts_event_ns", "ts_recv_ns")):
        assert checksum(TRADES, sent.rename_columns({a: b, b: a})) != known
    prices = sent["price_ticks"].to_numpy().copy()
    prices[[3, 4]] = prices[[4, 3]]
    assert prices[3] != prices[4]
    at = sent.column_names.index("price_ticks")
    assert checksum(TRADES, sent.set_column(at, "price_ticks", pa.array(prices))) != known


def test_many_rows_are_not_read_back(store, symbol, read_back):
    rows = sample_rows(TRADES, N)
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("raw.trades", rows.slice(0, 8_000), unit="u")
        publication.write("raw.trades", rows.slice(8_000), unit="u")
        publication.write("raw.quotes", sample_rows(TABLES["raw.quotes"], 9), unit="u")
        audit = publication.audit()["raw.trades"]
        (row, _) = publication.commit()
    assert read_back == ["raw.quotes"]
    stored = store.read("raw.trades", symbol)
    assert (audit.rows, audit.n_duplicate_keys) == (N, 0)
    assert row.hash == audit.hash == content_hash(TRADES, stored)
    assert publish(store, symbol, {"raw.trades": rows}, unit="u") == []
    assert read_back == ["raw.quotes"]  # rows that are there already are compared so, too


def test_rows_that_are_worth_it_are_written_as_two_blocks(embedded_store, symbol, monkeypatch):
    monkeypatch.setattr(connections, "_ROWS_WORTH_TWO", N)
    n = 150_000
    sent = pa.table(
        {
            name: np.ones(n, np.int8 if TRADES.column(name).type == "Int8" else np.int64)
            for name in TRADES.column_names()[3:]
            if TRADES.column(name).type in ("Int8", "Int64")
        }
        | {"ts_event_ns": np.arange(n) // 3, "trade_id": np.arange(n), "line": np.arange(n) + 1}
        | {name: pa.array(["x"] * n) for name in ("venue_id", "source")}
    )
    sql = "SELECT count(DISTINCT _part) AS n FROM raw.trades WHERE generation = {g:Int64}"
    command = embedded_store._engine.connection.command
    command("SYSTEM STOP MERGES raw.trades")  # which may join the two at any time
    try:
        (row,) = publish(embedded_store, symbol, {"raw.trades": sent}, unit="u")
        assert embedded_store.query(sql, g=row.generation)["n"].to_pylist() == [2]
    finally:
        command("SYSTEM START MERGES raw.trades")
    stored = embedded_store.read("raw.trades", symbol, columns=sent.column_names)
    assert (stored["line"].to_numpy() == np.arange(n) + 1).all()
    assert content_hash(TRADES, embedded_store.read("raw.trades", symbol)) == row.hash


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE WHERE trade_id = 1007 AND",
        "UPDATE qty_lots = qty_lots + 1 WHERE trade_id = 1007 AND",
        "UPDATE line = line + 1 WHERE trade_id = 1007 AND",
    ],
)
def test_many_rows_that_have_changed_are_refused(store, symbol, read_back, damage):
    rows = sample_rows(TRADES, N).sort_by([(name, "ascending") for name in TRADES.sort])
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("raw.trades", rows, unit="u")
        store._engine.connection.delete(
            f"ALTER TABLE raw.trades {damage} symbol = {{s:String}}", {"s": symbol}
        )
        with pytest.raises(StoreCorruptError, match=r"read back 10001|holds 10000"):
            publication.audit()
    assert read_back == ["raw.trades"]
    assert store.published(symbol=symbol) == []
