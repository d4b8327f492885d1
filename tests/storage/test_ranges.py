"""Ranges of time: every row once, in order, in bounded batches, at one state of the store."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from orchestration.instruments import load_instruments
from orchestration.storage import ranges
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.ranges import read_batches
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, NEXT_DAY, forget, publish
from tests.storage.rows import sample_rows
from tests.storage.test_answers import DAY_NS, MINUTE_NS, day_tables, start_of

N = 900


@pytest.fixture(scope="session")
def store(each_store):
    """Every test here runs on the embedded store and on one behind HTTP."""
    return each_store


@pytest.fixture
def instrument(symbol):
    return replace(load_instruments()["BTCUSDT"], symbol=symbol)


def timed_rows(name: str, day, seed: int) -> pa.Table:
    """Rows at random times of a day, many of them at one; bars' ids in the order of their times."""
    table, rng = TABLES[name], np.random.default_rng(seed)
    rows = sample_rows(table, N, seed)
    time = "ts_event_ns" if "ts_event_ns" in rows.column_names else "t0_ns"
    ts = start_of(day) + np.sort(rng.choice(rng.integers(0, DAY_NS, N // 2), N))
    ts[N // 3 : N // 2] = ts[N // 3]
    ts.sort()
    values = {time: ts}
    if "t1_ns" in rows.column_names:
        values["t1_ns"] = ts + 60
    if "bar_id" in table.sort:
        values["bar_id"] = (
            np.unique(ts, return_inverse=True)[1] if name == "flow.footprint" else np.arange(N)
        )
    for column, found in values.items():
        rows = rows.set_column(rows.column_names.index(column), column, pa.array(found))
    return rows


@pytest.mark.parametrize(
    "name",
    [
        "raw.trades",
        "flow.footprint",
        "research.features",
        *(
            pytest.param(name, marks=pytest.mark.soak)
            for name in ("raw.quotes", "flow.bars", "flow.events", "research.labels")
        ),
    ],
)
def test_batches_are_the_rows_of_the_days_in_order(store, symbol, instrument, name):
    units = ("a", "b") if name.startswith("raw.") else ("",)
    for day in (DAY, NEXT_DAY):
        rows = timed_rows(name, day, day.toordinal())
        for k, unit in enumerate(units):
            part = rows.take(pa.array(np.arange(k, N, len(units))))
            publish(store, symbol, {name: part}, day=day, unit=unit)
    whole = store.read(name, symbol)
    time = "ts_event_ns" if "ts_event_ns" in whole.column_names else "t0_ns"
    batches = list(read_batches(store, name, instrument, batch_rows=100))
    assert len(batches) > 12
    # Only rows of one time may be more than asked for.
    assert all(len(b) <= 100 or len(b[time].unique()) == 1 for b in batches)
    assert pa.Table.from_batches(batches).to_pydict() == whole.to_pydict() or _equal(batches, whole)
    ts = whole[time].to_numpy()
    for start, end in (
        (start_of(DAY) + DAY_NS // 3, start_of(NEXT_DAY) + DAY_NS // 2),
        (int(ts[N // 2]), int(ts[N // 2]) + 1),
        (0, 5),
    ):
        found = read_batches(store, name, instrument, start, end, batch_rows=100).read_all()
        assert _equal(found.to_batches(), whole.filter(pa.array((ts >= start) & (ts < end))))
    some = read_batches(store, name, instrument, days=[NEXT_DAY], columns=[time]).read_all()
    assert some.column_names == [time]
    assert len(some) == N


def _equal(batches: list[pa.RecordBatch], whole: pa.Table) -> bool:
    found = pa.Table.from_batches(batches, whole.schema)
    assert len(found) == len(whole)
    for name in whole.column_names:
        np.testing.assert_array_equal(found[name].to_numpy(), whole[name].to_numpy(), name)
    return True


def test_profiles_come_by_day_and_labels_are_bound(store, symbol, instrument):
    for k, day in enumerate((DAY, NEXT_DAY)):
        publish(store, symbol, day_tables(day, k), day=day)
    opened = start_of(NEXT_DAY)
    profile = read_batches(store, "flow.volume_profile", instrument, opened - 1, opened).read_all()
    assert set(profile["trading_day"].to_pylist()) == {DAY}
    for clock, n in (("time:60s", store.read("flow.bars", symbol).num_rows), ("x' OR 1 = 1", 0)):
        assert (
            read_batches(store, "flow.bars", instrument, where={"clock": clock}).read_all().num_rows
            == n
        )
    with pytest.raises(ValueError, match="where takes labels"):
        read_batches(store, "flow.bars", instrument, where={"bar_id": "1"})
    with pytest.raises(ValueError, match="has no column"):
        read_batches(store, "flow.bars", instrument, where={"1 OR clock": "1"})
    with pytest.raises(ValueError, match=r"rows of raw\.gaps have no time"):
        read_batches(store, "raw.gaps", instrument)
    with pytest.raises(ValueError, match="batch_rows must be positive"):
        read_batches(store, "flow.bars", instrument, batch_rows=0)


def test_a_reader_stays_at_its_state(store, symbol, instrument):
    first = day_tables(DAY, 1)["flow.bars"]
    publish(store, symbol, {"flow.bars": first})
    reader = read_batches(store, "flow.bars", instrument, batch_rows=50)
    early = reader.read_next_batch()
    publish(store, symbol, {"flow.bars": day_tables(DAY, 2)["flow.bars"]}, code_version="2")
    rest = pa.Table.from_batches([early, *reader])
    assert rest["volume_lots"].to_pylist() == first["volume_lots"].to_pylist()


def test_missing_rows_are_noticed(store, symbol, instrument):
    (row,) = publish(store, symbol, {"flow.bars": day_tables(DAY, 1)["flow.bars"]})
    store._engine.delete_generations(TABLES["flow.bars"], DAY, [row.generation])
    with pytest.raises(StoreCorruptError, match=r"the manifest states \d+ rows, the table holds 0"):
        read_batches(store, "flow.bars", instrument).read_all()
    # Mend it for the tests that verify the whole store.
    publish(
        store, symbol, {"flow.bars": day_tables(DAY, 1)["flow.bars"].slice(0, 0)}, code_version="2"
    )
    forget(store, row)


def test_a_crowded_minute_is_parted(store, symbol, instrument, monkeypatch):
    monkeypatch.setattr(ranges, "_STRETCHES", 4)
    rows = timed_rows("flow.events", DAY, 5)
    crowd = start_of(DAY) + 600 * MINUTE_NS + np.arange(N)
    crowd[N // 2 :] = start_of(DAY) + np.linspace(700 * MINUTE_NS, 1400 * MINUTE_NS, N - N // 2)
    at = rows.column_names.index("ts_event_ns")
    publish(store, symbol, {"flow.events": rows.set_column(at, "ts_event_ns", pa.array(crowd))})
    sizes = [len(b) for b in read_batches(store, "flow.events", instrument, batch_rows=60)]
    assert sum(sizes) == N
    assert max(sizes) <= 60
    assert len(sizes) < 40
