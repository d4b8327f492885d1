"""Exported days come back with equal hashes; damaged or foreign files publish nothing."""

import json
from datetime import date
from pathlib import Path

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


def _publish_everything(store, symbol):
    for unit in ("a", "b"):
        raw = {n: sample_rows(t, 40, ord(unit)) for n, t in TABLES.items() if t.has_units}
        publish(store, symbol, raw, unit=unit)
    rest = {n: sample_rows(t, 60) for n, t in TABLES.items() if not t.has_units}
    publish(store, symbol, rest, inputs=tuple(store.published("raw.trades", symbol, DAY)))
    publish(store, symbol, {"flow.bars": sample_rows(TABLES["flow.bars"], 5)}, day=NEXT_DAY)


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


@pytest.fixture
def exported(store, symbol, tmp_path):
    """Two tables of one day as files, of a symbol that is then renamed: the store has none of it."""
    names = ("flow.bars", "flow.footprint")
    publish(store, symbol, {name: sample_rows(TABLES[name], 9) for name in names})
    return {file.table: file.path for file in export_tables(store, tmp_path, symbol, tables=names)}


def _rewrite(path, rows, **told):
    metadata = json.loads(pq.read_schema(path).metadata[b"orderflow"]) | told
    pq.write_table(rows.replace_schema_metadata({b"orderflow": json.dumps(metadata)}), path)


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
    _rewrite(path, rows, format=2)
    with pytest.raises(StoreError, match="has format 2, this version reads 1"):
        import_tables(store, path.parents[3], run_id="import")
    _rewrite(path, rows.drop_columns(["open_ticks"]), format=1)
    with pytest.raises(StoreError, match=r"does not hold the columns of flow\.bars"):
        import_tables(store, path.parents[3], run_id="import")


def test_a_folder_that_cannot_be_written_is_named_and_leaves_no_half_file(store, symbol, tmp_path):
    publish(store, symbol, {"flow.bars": sample_rows(TABLES["flow.bars"], 9)})
    (tmp_path / "flow.bars").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be written: (Not a directory|File exists)"):
        export_tables(store, tmp_path, symbol, tables=["flow.bars"])
    assert list(tmp_path.rglob("*.partial")) == []
