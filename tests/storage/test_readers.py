"""Reading: order, columns, filters, several days, keys of other units."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from orchestration.storage import readers
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, NEXT_DAY, forget, publish
from tests.storage.rows import sample_rows

TRADES, EVENTS = TABLES["raw.trades"], TABLES["flow.events"]
CONTENT = [c.name for c in TRADES.columns if c.is_hashed and c.name != "symbol"]


@pytest.fixture(scope="session")
def store(each_store):
    """Every test here runs on the embedded store, on one behind HTTP, and on PostgreSQL."""
    return each_store


def _shuffled(rows, seed):
    return rows.take(pa.array(np.random.default_rng(seed).permutation(len(rows))))


def test_order_and_hash_do_not_depend_on_insertion_chunks_or_units(store, symbol):
    rows = sample_rows(TRADES, 60)
    cuts = {"whole": [60], "two files": [25, 35], "many": [1, 2, 3, 4, 50]}
    reads, hashes = [], set()
    for variant, sizes in cuts.items():
        name, start = f"{symbol} {variant}", 0
        shuffled = _shuffled(rows, len(sizes))
        for k, size in enumerate(sizes):
            piece = {"raw.trades": shuffled.slice(start, size)}
            publish(store, name, piece, unit=f"unit {k}")
            start += size
        reads.append(store.read("raw.trades", name, columns=CONTENT))
        table = store.read("raw.trades", name)
        renamed = table.set_column(0, "symbol", pa.array(["one name"] * 60).dictionary_encode())
        hashes.add(readers_hash(renamed))
    assert reads[0].column("ts_event_ns").to_pylist() == sorted(
        rows.column("ts_event_ns").to_pylist()
    )
    assert all(read.to_pylist() == reads[0].to_pylist() for read in reads)
    assert len(hashes) == 1


def readers_hash(rows):
    from orchestration.storage.content_hash import content_hash

    return content_hash(TRADES, rows)


def test_rows_with_equal_keys_have_an_order_too(store, symbol):
    n = 40
    rng = np.random.default_rng(1)
    rows = sample_rows(EVENTS, n).drop_columns(["ts_event_ns", "price_tick"])
    rows = rows.append_column("ts_event_ns", pa.array(rng.integers(0, 2, n)))
    rows = rows.append_column("price_tick", pa.array(rng.integers(0, 2, n)))
    publish(store, symbol, {"flow.events": rows})
    first = store.read("flow.events", symbol)
    publish(store, symbol, {"flow.events": _shuffled(rows, 3)}, code_version="2")
    second = store.read("flow.events", symbol)
    # As values: the order of a dictionary's texts is the engine's affair.
    rest = [t.drop_columns(["value"]).to_pylist() for t in (first, second)]
    assert rest[0] == rest[1]
    bits = [t.column("value").to_numpy().view(np.int64).tolist() for t in (first, second)]
    assert bits[0] == bits[1]


def test_columns_in_the_order_asked_for_and_generation_on_demand(store, symbol):
    (row,) = publish(store, symbol, {"flow.events": sample_rows(EVENTS, 3)})
    found = store.read("flow.events", symbol, columns=["kind", "generation", "ts_event_ns"])
    assert found.column_names == ["kind", "generation", "ts_event_ns"]
    assert set(found.column("generation").to_pylist()) == {row.generation}
    assert found.schema.field("kind").type == pa.dictionary(pa.int32(), pa.string())
    with pytest.raises(ValueError, match=r"flow.events has no column 'price'"):
        store.read("flow.events", symbol, columns=["price"])


def test_where_binds_values_and_lists(store, symbol):
    rows = sample_rows(EVENTS, 50)
    publish(store, symbol, {"flow.events": rows})
    kinds = rows.column("kind").to_pylist()
    for wanted in (["alpha"], ["alpha", "größe"], ["no'; such"]):
        found = store.read("flow.events", symbol, where={"kind": wanted})
        assert len(found) == sum(kind in wanted for kind in kinds)
    both = store.read("flow.events", symbol, where={"kind": "beta", "sign": 1})
    signs = rows.column("sign").to_pylist()
    expected = sum(k == "beta" and s == 1 for k, s in zip(kinds, signs, strict=True))
    assert len(both) == expected
    with pytest.raises(ValueError, match="has no column"):
        store.read("flow.events", symbol, where={"kind = 'x' OR 1": 1})


def test_several_days_come_in_day_order_also_in_batches(store, symbol, monkeypatch):
    monkeypatch.setattr(readers, "_GENERATIONS_PER_QUERY", 2)
    days = [DAY + timedelta(days=k) for k in (4, 0, 2, 1, 3)]
    for k, day in enumerate(days):
        for unit in ("a", "b"):
            rows = {"raw.trades": sample_rows(TRADES, 3, seed=k)}
            publish(store, symbol, rows, day=day, unit=unit)
    found = store.read("raw.trades", symbol)
    assert found.column("trading_day").to_pylist() == sorted(days * 6)
    assert found.column("ts_event_ns").num_chunks == 1
    some = store.read("raw.trades", symbol, [days[0], days[1], date(1999, 1, 1)])
    assert set(some.column("trading_day").to_pylist()) == {days[0], days[1]}
    assert store.days("raw.trades", symbol) == sorted(days)
    assert store.read("raw.trades", symbol, NEXT_DAY).num_rows == 6


def test_days_hash_follows_the_days(store, symbol):
    for k, day in enumerate((DAY, NEXT_DAY)):
        publish(store, symbol, {"flow.events": sample_rows(EVENTS, 3, seed=k)}, day=day)
    forward = store.content_hash_days("flow.events", symbol, [DAY, NEXT_DAY])
    assert forward == store.content_hash_days("flow.events", symbol, [NEXT_DAY, DAY])
    assert forward != store.content_hash_days("flow.events", symbol, [DAY])


def test_existing_keys_are_those_of_other_units(store, symbol):
    rows = sample_rows(TRADES, 10)
    publish(store, symbol, {"raw.trades": rows.slice(0, 6)}, unit="a")
    publish(store, symbol, {"raw.trades": rows.slice(6)}, unit="b")

    def ids(**kwargs):
        keys = store.existing_keys("raw.trades", symbol, DAY, ["trade_id"], **kwargs)
        return sorted(keys.column("trade_id").to_pylist())

    everything = rows.column("trade_id").to_pylist()
    assert ids() == sorted(everything)
    assert ids(exclude_unit="a") == sorted(everything[6:])
    assert ids(exclude_unit="b") == sorted(everything[:6])
    empty = store.existing_keys("raw.trades", symbol, NEXT_DAY, ["trade_id", "venue_id"])
    assert (len(empty), empty.column_names) == (0, ["trade_id", "venue_id"])


def test_reading_notices_rows_that_went_missing(store, symbol):
    (row,) = publish(store, symbol, {"flow.events": sample_rows(EVENTS, 3)}, day=date(1990, 1, 2))
    store._engine.delete_generations(EVENTS, row.trading_day, [row.generation])
    message = r"flow.events .* the manifest states 3 rows, the table holds 0; see orderflow doctor"
    with pytest.raises(StoreCorruptError, match=message):
        store.read("flow.events", symbol)
    # Mend it for the tests that verify the whole store.
    publish(store, symbol, {"flow.events": sample_rows(EVENTS, 0)}, day=row.trading_day)
    forget(store, row)


@pytest.mark.parametrize("names", [["ts_event_ns"], ["kind"], ["price_tick", "symbol"], ["symbol"]])
def test_columns_of_the_sort_key_alone_come_in_the_order_of_all(store, symbol, names):
    # Equal keys, and two units: the rows of both lie between each other.
    rng = np.random.default_rng(3)
    for segment in ("", "later"):
        rows = sample_rows(EVENTS, 30)
        times = pa.array(rng.integers(1, 5, 30))
        rows = rows.set_column(rows.column_names.index("ts_event_ns"), "ts_event_ns", times)
        with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
            publication.write("flow.events", rows, segment=segment)
            publication.commit()
    whole = store.read("flow.events", symbol)
    found = store.read("flow.events", symbol, columns=names)
    assert len(found) == 60
    assert found.to_pylist() == whole.select(names).to_pylist()
