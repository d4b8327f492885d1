"""Publishing: one visible moment, idempotency, units, conflicts, snapshots."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.storage.errors import (
    NotPublishedError,
    PublicationConflictError,
    SnapshotExpiredError,
    StoreCorruptError,
    StoreError,
)
from orchestration.storage.generation_clock import GenerationClock
from orchestration.storage.manifest import Input
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, NEXT_DAY, publish
from tests.storage.rows import sample_rows

BARS, FOOTPRINT, TRADES = TABLES["flow.bars"], TABLES["flow.footprint"], TABLES["raw.trades"]


@pytest.fixture(scope="session")
def store(each_store):
    """Every test here runs on the embedded store, on one behind HTTP, and on PostgreSQL."""
    return each_store


def test_nothing_is_visible_before_commit_and_everything_after(store, symbol):
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 5))
        publication.write("flow.footprint", sample_rows(FOOTPRINT, 7))
        assert store.published(symbol=symbol) == []
        assert len(store.read("flow.bars", symbol)) == 0
        published = publication.commit()
    assert [(row.table, row.rows) for row in published] == [("flow.bars", 5), ("flow.footprint", 7)]
    assert len({row.seq for row in published}) == 1
    assert store.snapshot() == published[0].seq
    assert store.published(symbol=symbol) == published
    assert len(store.read("flow.bars", symbol)) == 5
    assert len(store.read("flow.footprint", symbol, DAY)) == 7


def test_the_same_again_publishes_nothing(store, symbol):
    tables = {"flow.bars": sample_rows(BARS, 5), "flow.footprint": sample_rows(FOOTPRINT, 7)}
    first = publish(store, symbol, tables)
    before = store.query("SELECT count(*) AS n FROM meta.manifest").to_pylist()
    assert publish(store, symbol, tables, run_id="another run") == []
    assert store.query("SELECT count(*) AS n FROM meta.manifest").to_pylist() == before
    assert store.published(symbol=symbol) == first
    stored = store.query(
        "SELECT count(*) AS n FROM flow.bars WHERE symbol = {s:String}", s=symbol
    ).to_pylist()
    assert stored == [{"n": 5}]


@pytest.mark.parametrize("n_pieces", [1, 2])
def test_the_same_again_replaces_what_the_store_has_lost(store, symbol, n_pieces):
    rows = sample_rows(BARS, 6)
    (lost,) = publish(store, symbol, {"flow.bars": rows})
    store._engine.delete_generations(BARS, DAY, [lost.generation])
    assert [problem.symbol for problem in store.verify() if problem.symbol == symbol]
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        for piece in range(n_pieces):
            publication.write("flow.bars", rows.slice(piece * 3, 6 // n_pieces))
        (row,) = publication.commit()
    assert (row.hash, row.replaces) == (lost.hash, (lost.generation,))
    assert len(store.read("flow.bars", symbol)) == 6
    assert [p for p in store.verify(deep=True) if p.symbol == symbol] == []
    assert publish(store, symbol, {"flow.bars": rows}) == []
    with pytest.raises(SnapshotExpiredError):
        store.read("flow.bars", symbol, snapshot=lost.seq)


def test_the_same_in_two_pieces_publishes_nothing_and_leaves_nothing(store, symbol):
    rows = sample_rows(BARS, 6)
    publish(store, symbol, {"flow.bars": rows})
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", rows.slice(2))
        publication.write("flow.bars", rows.slice(0, 2))
        assert publication.commit() == []
    # The first piece here equals what is published; the second one makes it another table.
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", rows)
        publication.write("flow.bars", sample_rows(BARS, 2, seed=5))
        assert [row.rows for row in publication.commit()] == [8]
    assert len(store.read("flow.bars", symbol)) == 8
    stored = store.query("SELECT count(*) AS n FROM flow.bars WHERE symbol = {s:String}", s=symbol)
    assert stored.to_pylist() == [{"n": 6 + 8}]


def test_only_what_changed_is_published(store, symbol):
    publish(
        store,
        symbol,
        {"flow.bars": sample_rows(BARS, 5), "flow.footprint": sample_rows(FOOTPRINT, 7)},
    )
    second = publish(
        store,
        symbol,
        {"flow.bars": sample_rows(BARS, 5), "flow.footprint": sample_rows(FOOTPRINT, 7, seed=1)},
    )
    assert [row.table for row in second] == ["flow.footprint"]


@pytest.mark.parametrize(
    "change", [{"code_version": "2"}, {"inputs": (Input("raw.trades", DAY, "ab" * 32),)}]
)
def test_other_code_or_inputs_publish_the_same_content_anew(store, symbol, change):
    rows = {"flow.bars": sample_rows(BARS, 5)}
    (first,) = publish(store, symbol, rows)
    (second,) = publish(store, symbol, rows, **change)
    assert second.replaces == (first.generation,)
    assert second.hash == first.hash
    assert second.generation > first.generation
    assert store.published(symbol=symbol) == [second]
    assert publish(store, symbol, rows, **change) == []


def test_inputs_are_recorded_once_and_in_order(store, symbol):
    raw = publish(store, symbol, {"raw.trades": sample_rows(TRADES, 3)}, unit="u")
    (row,) = publish(
        store,
        symbol,
        {"flow.bars": sample_rows(BARS, 2)},
        inputs=(Input("raw.trades", NEXT_DAY, "cd" * 32), *raw, *raw),
    )
    expected = (Input("raw.trades", DAY, raw[0].hash), Input("raw.trades", NEXT_DAY, "cd" * 32))
    assert row.inputs == expected
    assert store.published("flow.bars", symbol)[0].inputs == expected


def test_units_live_side_by_side_and_replace_their_own(store, symbol):
    rows = sample_rows(TRADES, 30, seed=2)
    a = publish(store, symbol, {"raw.trades": rows.slice(0, 10)}, unit="a")
    b = publish(store, symbol, {"raw.trades": rows.slice(10, 10)}, unit="b")
    assert (a[0].replaces, b[0].replaces) == ((), ())
    again = publish(store, symbol, {"raw.trades": rows.slice(20)}, unit="a")
    assert again[0].replaces == (a[0].generation,)
    assert {row.unit for row in store.published("raw.trades", symbol)} == {"a", "b"}
    found = store.read("raw.trades", symbol).column("trade_id").to_pylist()
    assert sorted(found) == sorted(rows.slice(10).column("trade_id").to_pylist())


def test_segments_stand_side_by_side_until_the_whole_day_takes_their_place(store, symbol):
    rows = sample_rows(BARS, 30)

    def publish_part(part, segment, version="live"):
        with store.publish(symbol, DAY, run_id="r", code_version=version) as publication:
            publication.write("flow.bars", part, segment=segment)
            return publication.commit()

    (first,) = publish_part(rows.slice(0, 10), "1")
    publish_part(rows.slice(10, 5), "2")
    assert publish_part(rows.slice(0, 10), "1") == []
    (again,) = publish_part(rows.slice(10), "2")
    assert len(again.replaces) == 1
    assert store.published("flow.bars", symbol) == [first, again]
    parts_hash = store.content_hash("flow.bars", symbol, DAY)
    (whole,) = publish_part(rows, "", version="batch")
    assert whole.replaces == (first.generation, again.generation)
    assert whole.hash == parts_hash
    assert store.published("flow.bars", symbol) == [whole]


@pytest.mark.parametrize("segments", [("", "live"), ("live", "")])
def test_a_segment_stays_beside_what_is_written_whole_in_the_same_publication(
    store, symbol, segments
):
    parts = {"": sample_rows(BARS, 9, seed=1), "live": sample_rows(BARS, 4, seed=2)}
    for _ in range(2):
        with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
            for segment in segments:
                publication.write("flow.bars", parts[segment], segment=segment)
            publication.commit()
        assert sorted(row.rows for row in store.published("flow.bars", symbol)) == [4, 9]
        assert len(store.read("flow.bars", symbol)) == 13
    assert [p for p in store.verify(deep=True) if p.symbol == symbol] == []


def test_compaction_replaces_all_units_and_keeps_the_day_hash(store, symbol):
    rows = sample_rows(TRADES, 30, seed=2)
    for unit, start in (("a", 0), ("b", 10), ("c", 20)):
        publish(store, symbol, {"raw.trades": rows.slice(start, 10)}, unit=unit)
    before = store.content_hash("raw.trades", symbol, DAY)
    with store.publish(symbol, DAY, run_id="compact", code_version="1") as publication:
        publication.write("raw.trades", rows, unit="whole", replaces_all=True)
        (row,) = publication.commit()
    assert len(row.replaces) == 3
    assert store.published("raw.trades", symbol) == [row]
    assert store.content_hash("raw.trades", symbol, DAY) == before == row.hash


def test_published_and_empty_is_not_never_run(store, symbol):
    with pytest.raises(NotPublishedError, match=f"flow.events {symbol} {DAY} is not published"):
        store.content_hash("flow.events", symbol, DAY)
    (row,) = publish(store, symbol, {"flow.events": sample_rows(TABLES["flow.events"], 0)})
    assert (row.rows, len(store.read("flow.events", symbol))) == (0, 0)
    assert store.days("flow.events", symbol) == [DAY]
    assert store.content_hash("flow.events", symbol, DAY) == row.hash
    assert publish(store, symbol, {"flow.events": sample_rows(TABLES["flow.events"], 0)}) == []


def test_audit_reads_back_what_is_staged(store, symbol):
    rows = sample_rows(TABLES["flow.events"], 6)
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.events", pa.concat_tables([rows, rows.slice(0, 2)]))
        publication.write("raw.trades", sample_rows(TRADES, 4, seed=1), unit="a")
        publication.write("raw.trades", sample_rows(TRADES, 4, seed=2), unit="b")
        audits = publication.audit()
        assert (audits["flow.events"].rows, audits["flow.events"].n_duplicate_keys) == (8, 2)
        assert audits["raw.trades"].rows == 8
        assert len(publication.read("raw.trades", columns=["trade_id"])) == 8
        with pytest.raises(StoreError, match=r"flow.events  was audited already"):
            publication.write("flow.events", rows)
        published = {row.table: row for row in publication.commit()}
    assert published["flow.events"].hash == audits["flow.events"].hash
    assert store.content_hash("raw.trades", symbol, DAY) == audits["raw.trades"].hash


def test_audit_notices_rows_that_are_not_those_written(store, symbol):
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 3))
        (staged,) = publication._staged.values()
        publication._staging.insert(BARS, staged.chunks[0], token="twice")  # noqa: S106
        message = r"flow.bars .* manifest states 3 rows, .* holds 6"
        with pytest.raises(StoreCorruptError, match=message):
            publication.commit()
    assert store.published(symbol=symbol) == []


@pytest.mark.parametrize("is_error", [False, True])
def test_without_commit_nothing_is_published_and_nothing_stays(store, symbol, is_error):
    try:
        with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
            publication.write("flow.bars", sample_rows(BARS, 5))
            if is_error:
                raise ArithmeticError
    except ArithmeticError:
        assert is_error
    assert store.published(symbol=symbol) == []
    stored = store.query("SELECT count(*) AS n FROM flow.bars WHERE symbol = {s:String}", s=symbol)
    assert stored.to_pylist() == [{"n": 0}]
    with pytest.raises(StoreError, match="this publication is over"):
        publication.commit()


@pytest.mark.parametrize(
    ("table", "column", "value", "constraint"),
    [
        ("raw.trades", "qty_lots", 0, "qty_positive"),
        ("raw.trades", "price_ticks", 0, "price_positive"),
        ("raw.trades", "native_sign", 2, "sign_domain"),
        ("raw.quotes", "bid_lots", -1, "lots_not_negative"),
        ("raw.quotes", "ask_lots", -1, "lots_not_negative"),
        ("flow.classified_trades", "sign", -2, "sign_domain"),
        ("flow.bars", "volume_lots", 1, "volume_conserved"),
        ("flow.footprint", "unsigned_lots", -1, "lots_not_negative"),
        ("research.predictions", "train_end_ns", 2**62, "trained_before_decision"),
    ],
)
def test_row_off_an_invariant_is_refused_by_the_store(
    store, symbol, table, column, value, constraint
):
    rows = sample_rows(TABLES[table], 4)
    values = rows.column(column).to_numpy().copy()
    values[2] = value
    rows = rows.set_column(rows.column_names.index(column), column, pa.array(values))
    unit = "u" if table.startswith("raw.") else ""
    with pytest.raises(StoreError, match=rf"{table} refused the rows: .*[`\"]{constraint}[`\"]"):
        publish(store, symbol, {table: rows}, unit=unit)
    assert store.published(symbol=symbol) == []


def test_of_two_writers_of_one_day_the_later_commit_fails(store, symbol):
    with store.publish(symbol, DAY, run_id="slow", code_version="1") as slow:
        slow.write("flow.bars", sample_rows(BARS, 3, seed=1))
        publish(store, symbol, {"flow.bars": sample_rows(BARS, 3, seed=2)}, run_id="quick")
        with pytest.raises(
            PublicationConflictError, match=r"published by \['quick'\] while run slow"
        ):
            slow.commit()
    assert [row.run_id for row in store.published(symbol=symbol)] == ["quick"]


@pytest.mark.parametrize("call", ["retired", "stored_generations", "rows"])
def test_what_is_published_while_orphans_are_sought_is_none(store, symbol, monkeypatch, call):
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("flow.bars", sample_rows(BARS, 3))
        publication.audit()
        owner = store._engine.manifest if call == "rows" else store._engine
        original = getattr(owner, call)

        def publishing(*args, **kwargs):
            found = original(*args, **kwargs)
            # Another thread's commit, once.
            monkeypatch.setattr(owner, call, original)
            publication.commit()
            publication.__exit__(None, None, None)
            return found

        monkeypatch.setattr(owner, call, publishing)
        orphans = store.orphans(min_age_s=0)
    assert [stored for stored in orphans if stored.symbol == symbol] == []
    assert len(store.published(symbol=symbol)) == 1


def test_writers_of_other_days_and_units_do_not_disturb(store, symbol):
    with store.publish(symbol, DAY, run_id="slow", code_version="1") as slow:
        slow.write("raw.trades", sample_rows(TRADES, 3, seed=1), unit="a")
        rows = {"raw.trades": sample_rows(TRADES, 3, seed=2)}
        publish(store, symbol, rows, unit="b")
        publish(store, symbol, rows, unit="a", day=NEXT_DAY)
        assert len(slow.commit()) == 1
    assert len(store.published("raw.trades", symbol)) == 3


# PostgreSQL's writers wait for each other, so no number is taken twice there.
@pytest.mark.parametrize("name", ["embedded_store", "http_store"])
def test_a_taken_sequence_number_is_noticed_and_the_next_one_used(
    request, name, symbol, monkeypatch
):
    store = request.getfixturevalue(name)
    last = store._manifest.last_seq
    publish(store, symbol, {"flow.bars": sample_rows(BARS, 1)}, day=NEXT_DAY)
    stale = iter([last() - 1])
    monkeypatch.setattr(store._manifest, "last_seq", lambda: next(stale, None) or last())
    before = store.query("SELECT count(*) AS n FROM meta.manifest").to_pylist()[0]["n"]
    (row,) = publish(store, symbol, {"flow.bars": sample_rows(BARS, 3)})
    after = store.query("SELECT count(*) AS n FROM meta.manifest").to_pylist()[0]["n"]
    assert row.seq == store.snapshot()
    assert after == before + 1


def test_snapshot_reads_the_day_as_it_was(store, symbol):
    before = store.snapshot()
    publish(store, symbol, {"flow.bars": sample_rows(BARS, 3, seed=1)})
    old = store.snapshot()
    old_rows, old_hash = (
        store.read("flow.bars", symbol),
        store.content_hash("flow.bars", symbol, DAY),
    )
    publish(store, symbol, {"flow.bars": sample_rows(BARS, 9, seed=2)})
    assert len(store.read("flow.bars", symbol)) == 9
    as_of = store.read("flow.bars", symbol, snapshot=old)
    # As values: the order of a dictionary's texts is the engine's affair.
    then, now = (t.drop_columns(["vwap_ticks", "vwap_sd_ticks"]) for t in (old_rows, as_of))
    assert then.to_pylist() == now.to_pylist()
    assert store.content_hash("flow.bars", symbol, DAY, snapshot=old) == old_hash
    assert store.published(symbol=symbol, snapshot=before) == []
    assert len(store.read("flow.bars", symbol, snapshot=before)) == 0
    assert [row.rows for row in store.history("flow.bars", symbol, DAY)] == [3, 9]


def test_generations_rise_also_when_the_clock_stands_still_or_runs_back(monkeypatch):
    clock = GenerationClock()
    times = iter([100, 100, 50, 10**9, 10**9])
    monkeypatch.setattr("orchestration.storage.generation_clock.time.time_ns", lambda: next(times))
    found = [clock.next() for _ in range(3)]
    clock.advance_to(10**8)
    found += [clock.next(), clock.next()]
    assert found[0] == 100
    assert (np.diff(found) > 0).all()


floats = st.floats(allow_nan=True, allow_infinity=True)
int64s = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=25)
@given(
    values=st.lists(
        st.tuples(int64s, st.text(st.characters(codec="utf-8"), max_size=4), int64s, floats),
        max_size=8,
    ),
    cut=st.integers(0, 8),
    case=st.integers(0, 10**9),
)
def test_round_trip_of_any_values(store, values, cut, case):
    ts, kinds, lots, found = (
        (list(column) for column in zip(*values, strict=True)) if values else ([[]] * 4)
    )
    rows = pa.table(
        {
            "ts_event_ns": pa.array(ts, pa.int64()),
            "kind": pa.array(kinds, pa.string()),
            "bar_id": pa.array(lots, pa.int64()),
            "price_tick": pa.array(ts, pa.int64()),
            "sign": pa.array([0] * len(ts), pa.int8()),
            "qty_lots": pa.array(lots, pa.int64()),
            "value": pa.array(found, pa.float64()),
        }
    )
    symbol, day = f"round trip {case}", date(2020, 2, 29)
    with store.publish(symbol, day, run_id="r", code_version=f"{values!r}") as publication:
        publication.write("flow.events", rows.slice(0, cut))
        publication.write("flow.events", rows.slice(cut))
        publication.commit()
    stored = store.read("flow.events", symbol, day)
    assert sorted(map(_bits, stored.select(rows.column_names).to_pylist())) == sorted(
        map(_bits, rows.to_pylist())
    )
    assert stored.column("ts_event_ns").to_pylist() == sorted(ts)


def _bits(row):
    # NaN is not equal to itself; its one bit pattern is.
    value = np.float64(np.nan if np.isnan(row["value"]) else row["value"])
    return (*(row[name] for name in row if name != "value"), int(value.view(np.int64)))
