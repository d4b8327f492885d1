"""One definition of each table: SQL files, Arrow schema, hash columns and sort order agree."""

import re

import pyarrow as pa
import pytest

from orchestration.storage.schema import ARROW_TYPES
from orchestration.storage.tables import TABLES, table_named


def _described(store, database, name):
    found = store.query(
        "SELECT create_table_query AS ddl, sorting_key, partition_key FROM system.tables "
        "WHERE database = {d:String} AND name = {t:String}",
        d=database,
        t=name,
    ).to_pylist()[0]
    # The one setting that only the embedded store adds, and the name, may differ.
    ddl = found["ddl"].replace(", old_parts_lifetime = 10", "")
    return re.sub(r"^CREATE TABLE \S+", "", ddl), found["sorting_key"], found["partition_key"]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_migrations_and_definition_make_the_same_table(store, name):
    table = TABLES[name]
    database, short = name.split(".")
    scratch = f"scratch_{database}_{short}"
    store._engine.connection.command(
        table.create_statement().replace(table.quoted, f"`{database}`.`{scratch}`")
    )
    try:
        assert _described(store, database, short) == _described(store, database, scratch)
    finally:
        store._engine.connection.command(f"DROP TABLE `{database}`.`{scratch}` SYNC")


@pytest.mark.parametrize("name", sorted(TABLES))
def test_primary_key_is_symbol_day_generation_and_the_sort_order(store, name):
    table = TABLES[name]
    _, sorting_key, partition_key = _described(store, *name.split("."))
    assert sorting_key == ", ".join(("symbol", "trading_day", "generation", *table.sort))
    assert partition_key == "toYYYYMM(trading_day)"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_empty_read_has_the_arrow_schema_of_the_definition(store, name):
    table = TABLES[name]
    empty = store.read(name, "no such symbol")
    expected = [(c.name, ARROW_TYPES[c.type]) for c in table.columns if c.name != "generation"]
    assert [(f.name, f.type) for f in empty.schema] == expected
    assert len(empty) == 0


def test_every_stored_table_has_a_definition(store):
    found = store.query(
        "SELECT concat(database, '.', name) AS tab FROM system.tables "
        "WHERE database IN ('raw', 'flow', 'research', 'backtest') ORDER BY tab"
    )
    assert found.column("tab").to_pylist() == sorted(TABLES)


def test_columns_left_out_of_the_hash_are_those_that_say_where_a_row_came_from():
    left_out = {
        name: {c.name for c in table.columns if not c.is_hashed} for name, table in TABLES.items()
    }
    origin = {"generation", "source", "unit"}
    assert left_out["raw.trades"] == left_out["raw.quotes"] == origin | {"line"}
    assert left_out["raw.gaps"] == left_out["raw.quarantine"] == origin
    assert left_out["research.predictions"] == {"generation", "model_version"}
    computed = {n for n in TABLES if not n.startswith("raw.")} - {"research.predictions"}
    assert all(left_out[name] == {"generation"} for name in computed)


def test_units_belong_to_the_raw_tables_only():
    assert {name for name, table in TABLES.items() if table.has_units} == {
        name for name in TABLES if name.startswith("raw.")
    }


def test_feature_columns_are_the_registry_of_the_core():
    features = pytest.importorskip("orderflow_core.features").ALL_FEATURES
    columns = table_named("research.features").payload
    assert [c.name for c in columns if c.type == "Float64"] == [f.name for f in features]


def test_no_dates_enums_or_floats_for_money():
    assert {c.type for table in TABLES.values() for c in table.columns} == set(ARROW_TYPES)
    for table in TABLES.values():
        for column in table.payload:
            if column.name.endswith(("_ns", "_ticks", "_lots")) and table.name[:4] in ("raw.",):
                assert column.arrow_type == pa.int64(), column


def test_unknown_table_is_named():
    with pytest.raises(ValueError, match=r"no table 'raw.candles'; there are \['backtest"):
        table_named("raw.candles")
