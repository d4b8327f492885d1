"""What is refused before it reaches the engine, which would cast it without a word."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from orchestration.storage.conform import conform, require_key
from orchestration.storage.tables import table_named
from tests.storage.rows import sample_rows

EVENTS = table_named("flow.events")
TRADES = table_named("raw.trades")


def _with(column, values, table=EVENTS, n=3):
    rows = sample_rows(table, n)
    return rows.set_column(rows.column_names.index(column), column, pa.array(values))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("sign", [1, 300, 0], r"flow.events.sign must fit Int8, got 300 at row 1"),
        ("sign", [1, None, 0], r"flow.events.sign must not be null, got a null at row 1"),
        (
            "qty_lots",
            np.array([1, 2, 2**63], np.uint64),
            r"flow.events.qty_lots must fit Int64, got 9223372036854775808 at row 2",
        ),
        ("kind", ["a", "b", None], r"flow.events.kind must not be null, got a null at row 2"),
        ("value", [1, 2, 2**53 + 1], r"flow.events.value must fit Float64 exactly"),
    ],
)
def test_value_that_does_not_fit_is_refused_with_column_value_and_row(column, values, message):
    with pytest.raises(ValueError, match=message):
        conform(EVENTS, _with(column, values), unit="")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("price_tick", [1.0, 2.0, 3.0], r"price_tick must hold integers, got double"),
        ("price_tick", ["1", "2", "3"], r"price_tick must hold integers, got string"),
        ("price_tick", [datetime(2020, 1, 1)] * 3, r"price_tick must hold integers, got timestamp"),  # noqa: DTZ001
        ("kind", [1, 2, 3], r"kind must hold text, got int64"),
        ("value", ["1", "2", "3"], r"value must hold floats, got string"),
    ],
)
def test_type_that_cannot_hold_such_values_is_refused(column, values, message):
    with pytest.raises(TypeError, match=message):
        conform(EVENTS, _with(column, values), unit="")


def test_null_in_a_dictionary_is_refused():
    kind = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
    rows = sample_rows(EVENTS, 3)
    rows = rows.set_column(rows.column_names.index("kind"), "kind", kind)
    with pytest.raises(ValueError, match=r"flow.events.kind must not be null"):
        conform(EVENTS, rows, unit="")


def test_narrow_integers_booleans_and_plain_text_are_widened():
    flags = pa.array([True, False, True])
    rows = sample_rows(TRADES, 3)
    rows = rows.set_column(rows.column_names.index("is_market"), "is_market", flags)
    lots = pa.array([1, 2, 3], pa.uint32())
    rows = rows.set_column(rows.column_names.index("qty_lots"), "qty_lots", lots)
    payload = conform(TRADES, rows, unit="u")
    assert payload.schema == TRADES.arrow_schema()
    assert payload.column("is_market").to_pylist() == [1, 0, 1]
    assert payload.column("qty_lots").to_pylist() == [1, 2, 3]
    assert payload.column("unit").to_pylist() == ["u"] * 3


def test_float_null_becomes_the_one_nan():
    negative_nan = np.array([0xFFF8_0000_0000_0001], np.uint64).view(np.float64)[0]
    payload = conform(EVENTS, _with("value", [None, negative_nan, np.nan]), unit="")
    bits = payload.column("value").to_numpy().view(np.uint64)
    assert set(bits.tolist()) == {0x7FF8_0000_0000_0000}


def test_columns_must_be_exactly_the_payload():
    rows = sample_rows(EVENTS, 3)
    with pytest.raises(ValueError, match=r"missing \['sign'\]"):
        conform(EVENTS, rows.drop_columns(["sign"]), unit="")
    with pytest.raises(ValueError, match=r"unknown or repeated \['extra'\]"):
        conform(EVENTS, rows.append_column("extra", pa.array([1, 2, 3])), unit="")


def test_unit_is_demanded_where_tables_have_units():
    with pytest.raises(ValueError, match=r"raw.trades needs a unit, got unit=''"):
        conform(TRADES, sample_rows(TRADES, 1), unit="")
    with pytest.raises(ValueError, match=r"flow.events is not written by unit, got unit='u'"):
        conform(EVENTS, sample_rows(EVENTS, 1), unit="u")
    rows = sample_rows(TRADES, 2).append_column("unit", pa.array(["u", "v"]))
    with pytest.raises(ValueError, match=r"raw.trades.unit must be 'u' in every row"):
        conform(TRADES, rows, unit="u")


def test_chunked_and_empty_columns_are_taken():
    rows = sample_rows(TRADES, 4)
    chunked = pa.concat_tables([rows.slice(0, 1), rows.slice(1)])
    assert conform(TRADES, chunked, unit="u").equals(conform(TRADES, rows, unit="u"))
    empty = pa.table({name: pa.array([]) for name in rows.column_names})
    assert conform(TRADES, empty, unit="u").schema == TRADES.arrow_schema()


@pytest.mark.parametrize("day", [datetime(2020, 1, 1), "2020-01-01"])  # noqa: DTZ001
def test_trading_day_must_be_a_date(day):
    with pytest.raises(TypeError, match=r"trading day must be a datetime.date"):
        require_key("ES", day)


def test_trading_day_and_symbol_are_in_range():
    with pytest.raises(ValueError, match=r"trading day must be in 1970-01-01"):
        require_key("ES", date(1969, 12, 31))
    with pytest.raises(ValueError, match=r"symbol must be a text that is not empty, got ''"):
        require_key("", date(2020, 1, 1))
