"""Exported days come back with equal hashes; damaged or foreign files publish nothing."""

import json
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.storage.errors import StoreCorruptError, StoreError
from orchestration.storage.parquet import export_tables, import_tables
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, NEXT_DAY, in_own_process, publish
from tests.storage.rows import sample_rows


@pytest.fixture(scope="session")
def store(each_database):
    """Every test here runs on the embedded store and on PostgreSQL; one imports into another store."""
    return each_database


def _publish_live_day(store, symbol):
    """Tables as a live session leaves them: made whole, then segments beside them."""
    bars = TABLES["flow.bars"]
    publish(store, symbol, {"flow.bars": sample_rows(bars, 20)}, day=LIVE_DAY)
    for name in ("a", "b"):
        with store.publish(symbol, LIVE_DAY, run_id="live", code_version="1") as publication:
            publication.write("flow.bars", sample_rows(bars, 3, ord(name)), segment=name)
            publication.commit()


def _publish_everything(store, symbol):
    for unit in ("a", "b"):
        raw = {n: sample_rows(t, 40, ord(unit)) for n, t in TABLES.items() if t.has_units}
        publish(store, symbol, raw, unit=unit)
    rest = {n: sample_rows(t, 60) for n, t in TABLES.items() if not t.has_units}
    publish(store, symbol, rest, inputs=tuple(store.published("raw.trades", symbol, DAY)))
    publish(store, symbol, {"flow.bars": sample_rows(TABLES["flow.bars"], 5)}, day=NEXT_DAY)


LIVE_DAY = date(2013, 9, 5)


def _hashes(store, symbol):
    return [store.content_hash_days(name, symbol, store.days(name, symbol)) for name in TABLES]


def _take_back(folder: Path, exported: Path, symbol: str):
    with Store.open(path=folder) as other:
        new = import_tables(other, exported, run_id="import")
        again = import_tables(other, exported, run_id="import")
        inputs = [row.inputs for row in other.published("flow.bars", symbol, DAY)]
        assert other.verify(deep=True) == []
        return len(new), len(again), _hashes(other, symbol), inputs


# From one database to the other and back: test_postgres.py.
def test_what_was_exported_comes_back_in_another_store_with_equal_hashes(embedded_store, tmp_path):
    symbol = "ES/..\\ ütf 50%"  # a path must not follow it
    _publish_everything(embedded_store, symbol)
    _publish_live_day(embedded_store, symbol)
    files = export_tables(embedded_store, tmp_path / "out", symbol)
    assert {file.path.parent.parent.parent.parent for file in files} == {tmp_path / "out"}
    n_new, n_again, hashes, inputs = in_own_process(
        _take_back, tmp_path / "store", tmp_path / "out", symbol
    )
    assert (n_new, n_again) == (len(files), 0)
    assert hashes == _hashes(embedded_store, symbol)
    assert inputs == [row.inputs for row in embedded_store.published("flow.bars", symbol, DAY)]
    assert import_tables(embedded_store, tmp_path / "out", run_id="home again") == []


def test_other_tools_read_the_folder_as_one_dataset(store, symbol, tmp_path):
    _publish_everything(store, symbol)
    export_tables(store, tmp_path, symbol, tables=["raw.trades"])
    found = pl.scan_parquet(tmp_path / "raw.trades" / "**" / "*.parquet").collect()
    assert len(found) == 2 * 40
    expected = store.read("raw.trades", symbol)
    assert found["price_ticks"].sum() == pa.compute.sum(expected["price_ticks"]).as_py()


def test_days_tables_and_an_earlier_state_can_be_chosen(store, symbol, tmp_path):
    one, two = (sample_rows(TABLES["flow.bars"], n) for n in (5, 6))
    (first,) = publish(store, symbol, {"flow.bars": one}, code_version="1")
    publish(store, symbol, {"flow.bars": two}, code_version="2")
    publish(store, symbol, {"flow.bars": two}, day=NEXT_DAY, code_version="2")
    (file,) = export_tables(
        store, tmp_path, symbol, tables=["flow.bars"], days=[DAY], snapshot=first.seq
    )
    assert (file.rows, file.hash, file.trading_day) == (5, first.hash, DAY)
    with pytest.raises(StoreError, match=r"none of raw.trades is published in that range"):
        export_tables(store, tmp_path, symbol, tables=["raw.trades"])
    with pytest.raises(StoreError, match=r"none of flow\.bars"):
        export_tables(store, tmp_path, symbol, tables=["flow.bars"], days=[date(2000, 1, 1)])


def test_an_import_brings_back_what_the_store_has_lost(store, symbol, tmp_path):
    _publish_live_day(store, symbol)
    files = export_tables(store, tmp_path, symbol, tables=["flow.bars"])
    whole = store.content_hash("flow.bars", symbol, LIVE_DAY)
    (lost,) = (r for r in store.published("flow.bars", symbol, LIVE_DAY) if r.unit == "b")
    store._engine.delete_generations(TABLES["flow.bars"], LIVE_DAY, [lost.generation])
    assert import_tables(store, tmp_path, run_id="import")
    assert len(store.read("flow.bars", symbol, LIVE_DAY)) == sum(file.rows for file in files)
    assert store.content_hash("flow.bars", symbol, LIVE_DAY) == whole
    assert import_tables(store, tmp_path, run_id="import") == []
    assert [p for p in store.verify(deep=True) if p.symbol == symbol] == []


def test_a_folder_holds_one_state_of_what_is_exported_into_it(store, symbol, tmp_path):
    trades = TABLES["raw.trades"]
    publish(store, symbol, {"raw.trades": sample_rows(trades, 5)}, unit="live")
    (old,) = export_tables(store, tmp_path, symbol, tables=["raw.trades"])
    kept = old.path.read_bytes()
    with store.publish(symbol, DAY, run_id="r", code_version="1") as publication:
        publication.write("raw.trades", sample_rows(trades, 7), unit="file", replaces_all=True)
        publication.commit()
    (tmp_path / "raw.trades" / "mine.csv").write_text("a user's own")
    (new,) = export_tables(store, tmp_path, symbol, tables=["raw.trades"])
    assert list(tmp_path.rglob("*.parquet")) == [new.path]
    assert (tmp_path / "raw.trades" / "mine.csv").exists()
    assert import_tables(store, tmp_path, run_id="import") == []
    # As a copy that was put into the folder afterwards, or an export that was killed.
    old.path.write_bytes(kept)
    with pytest.raises(StoreCorruptError, match=r"was exported as one of .*there are \[.*, .*\]"):
        import_tables(store, tmp_path, run_id="import")


def test_a_missing_and_a_doubled_file_of_a_day_are_noticed(store, symbol, tmp_path):
    for unit in ("a", "b"):
        rows = {"raw.trades": sample_rows(TABLES["raw.trades"], 5, ord(unit))}
        publish(store, symbol, rows, unit=unit)
    one, two = export_tables(store, tmp_path, symbol, tables=["raw.trades"])
    (tmp_path / "copy").mkdir()
    doubled = tmp_path / "copy" / one.path.name
    doubled.write_bytes(one.path.read_bytes())
    with pytest.raises(StoreCorruptError, match="export that day again"):
        import_tables(store, tmp_path, run_id="import")
    doubled.unlink()
    two.path.unlink()
    with pytest.raises(StoreCorruptError, match="export that day again"):
        import_tables(store, tmp_path, run_id="import")


def test_an_export_is_of_one_state_while_others_publish(store, symbol, tmp_path):
    names = ["flow.bars", "flow.footprint"]
    publish(store, symbol, {n: sample_rows(TABLES[n], 5) for n in names})

    def publish_anew(file):
        if file.table == "flow.bars":
            publish(store, symbol, {n: sample_rows(TABLES[n], 6) for n in names})

    files = export_tables(store, tmp_path, symbol, tables=names, on_file=publish_anew)
    assert [file.rows for file in files] == [5, 5]


def test_no_byte_of_a_file_can_change_unnoticed(store, symbol, tmp_path):
    # Also of the columns that the content hash leaves out: line, source.
    publish(store, symbol, {"raw.trades": sample_rows(TABLES["raw.trades"], 200)}, unit="u")
    (file,) = export_tables(store, tmp_path, symbol, tables=["raw.trades"])
    whole = file.path.read_bytes()
    names = TABLES["raw.trades"].arrow_schema().names
    expected = pq.ParquetFile(file.path).read().select(names).to_pylist()
    n_refused = 0
    for at in np.random.default_rng(5).integers(4, len(whole), 400):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        file.path.write_bytes(damaged)
        try:
            new = import_tables(store, tmp_path, run_id="import")
        except StoreError:
            n_refused += 1
        else:  # nothing that is read
            assert new == []
            found = pq.ParquetFile(file.path).read()
            assert found.select(names).to_pylist() == expected
    assert n_refused > 200


@pytest.fixture
def exported(store, symbol, tmp_path):
    """Two tables of one day as files, of a symbol that is then renamed: the store has none of it."""
    names = ("flow.bars", "flow.footprint")
    publish(store, symbol, {name: sample_rows(TABLES[name], 9) for name in names})
    return {file.table: file.path for file in export_tables(store, tmp_path, symbol, tables=names)}


def _rewrite(path, rows, **told):
    text = json.dumps(json.loads(pq.read_schema(path).metadata[b"orderflow"]) | told).encode()
    metadata = {b"orderflow": text, b"orderflow.sha256": sha256(text).hexdigest()}
    pq.write_table(rows.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize("damage", ["value", "row", "hash"])
def test_rows_that_are_not_those_exported_publish_nothing_of_their_day(store, exported, damage):
    path = exported["flow.footprint"]
    rows = pq.ParquetFile(path).read()
    target = f"elsewhere {path.parent.parent.name}"
    for other in exported.values():
        _rewrite(other, pq.ParquetFile(other).read(), symbol=target)
    if damage == "value":
        at = rows.column_names.index("bid_lots")
        rows = rows.set_column(at, "bid_lots", pa.compute.add(rows["bid_lots"], 1))
    elif damage == "row":
        rows = rows.slice(1)
    _rewrite(path, rows, symbol=target, **({"hash": "0" * 64} if damage == "hash" else {}))
    with pytest.raises(StoreCorruptError, match=r"footprint.*states 9 rows with hash"):
        import_tables(store, path.parents[3], run_id="import")
    assert store.published(symbol=target) == []


def test_foreign_and_broken_files_are_named(store, tmp_path):
    with pytest.raises(StoreError, match="no Parquet file is there"):
        import_tables(store, tmp_path, run_id="import")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(StoreError, match=r"x\.parquet was not written by orderflow export"):
        import_tables(store, tmp_path, run_id="import")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(StoreError, match=r"x\.parquet cannot be read as Parquet"):
        import_tables(store, tmp_path, run_id="import")


def test_a_later_format_and_missing_columns_are_refused(store, exported):
    path = exported["flow.bars"]
    rows = pq.ParquetFile(path).read()
    _rewrite(path, rows, format=3)
    with pytest.raises(StoreError, match="has format 3, this version reads 2"):
        import_tables(store, path.parents[3], run_id="import")
    _rewrite(path, rows.drop_columns(["open_ticks"]), format=2)
    with pytest.raises(StoreError, match=r"does not hold the columns of flow\.bars"):
        import_tables(store, path.parents[3], run_id="import")


def test_a_folder_that_cannot_be_written_is_named_and_leaves_no_half_file(store, symbol, tmp_path):
    publish(store, symbol, {"flow.bars": sample_rows(TABLES["flow.bars"], 9)})
    (tmp_path / "flow.bars").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be written: (Not a directory|File exists)"):
        export_tables(store, tmp_path, symbol, tables=["flow.bars"])
    assert list(tmp_path.rglob("*.partial")) == []
