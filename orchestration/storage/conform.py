"""What a writer hands over, made exactly what the table holds, or refused.

The engine's Arrow insert casts without asking: 300 into Int8 becomes 44, null becomes 0. So every
column is checked here, and the error names table, column, value and row.
"""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.storage.schema import (
    FLOAT64,
    INT8,
    INT64,
    LABEL,
    STORE_COLUMNS,
    STRING,
    Column,
    Table,
)

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2149, 6, 6)  # the range of ClickHouse's Date


def conform(table: Table, data: pa.Table, *, unit: str) -> pa.Table:
    """Return the payload in schema order and type; floats' nulls become NaN.

    Parameters
    ----------
    table : Table
    data : pyarrow.Table
        The payload columns by name, in any order. ``unit`` may be left out: the store fills it in.
    unit : str
        The unit that a table with units is written under; empty for the others.

    Raises
    ------
    ValueError
        A column is missing or unknown, holds a null, or a value does not fit; ``unit`` is not what
        the table needs.
    TypeError
        A column's type cannot hold such values (floats for integers, numbers for text).
    """
    data = _with_unit(table, data, unit)
    _require_names(table, data)
    columns = [_cast(table, column, data.column(column.name)) for column in table.payload]
    return pa.Table.from_arrays(columns, schema=table.arrow_schema())


def with_store_columns(
    table: Table, payload: pa.Table, symbol: str, day: date, generation: int
) -> pa.Table:
    """Put symbol, trading day and generation before the payload."""
    n = len(payload)
    zeros = pa.array(np.zeros(n, np.int32))
    own = [
        pa.DictionaryArray.from_arrays(zeros, pa.array([symbol])),
        pa.array(np.full(n, (day - _FIRST_DAY).days, np.int32)).cast(pa.date32()),
        pa.array(np.full(n, generation, np.int64)),
    ]
    fields = [pa.field(c.name, c.arrow_type, nullable=False) for c in STORE_COLUMNS]
    schema = pa.schema([*fields, *table.arrow_schema()])
    return pa.Table.from_arrays([*own, *payload.columns], schema=schema)


def require_key(symbol: str, day: date) -> None:
    """Demand a symbol that is not empty and a day that the store can hold."""
    if not isinstance(symbol, str) or not symbol:
        raise ValueError(f"symbol must be a text that is not empty, got {symbol!r}")
    # A datetime is a date to isinstance; its time of day would be dropped without a word.
    if type(day) is not date:
        raise TypeError(f"trading day must be a datetime.date, got {type(day).__name__} {day!r}")
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError(f"trading day must be in {_FIRST_DAY}..{_LAST_DAY}, got {day}")


def _with_unit(table: Table, data: pa.Table, unit: str) -> pa.Table:
    if bool(unit) != table.has_units:
        needs = "needs a unit" if table.has_units else "is not written by unit"
        raise ValueError(f"{table.name} {needs}, got unit={unit!r}")
    if not table.has_units:
        return data
    if "unit" in data.column_names:
        found = set(data.column("unit").unique().to_pylist())
        if found - {unit}:
            raise ValueError(f"{table.name}.unit must be {unit!r} in every row, got {found}")
        return data
    indices = pa.array(np.zeros(len(data), np.int32))
    return data.append_column("unit", pa.DictionaryArray.from_arrays(indices, pa.array([unit])))


def _require_names(table: Table, data: pa.Table) -> None:
    expected = [column.name for column in table.payload]
    missing = [name for name in expected if name not in data.column_names]
    unknown = [name for name in data.column_names if name not in expected]
    if missing or unknown or len(data.column_names) != len(expected):
        raise ValueError(f"{table.name}: columns missing {missing}, unknown or repeated {unknown}")


def _cast(table: Table, column: Column, values: pa.ChunkedArray) -> pa.Array:
    where = f"{table.name}.{column.name}"
    if pa.types.is_dictionary(values.type):
        values = values.unify_dictionaries()
    array = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if column.type == FLOAT64:
        return _cast_float(where, array)
    if array.null_count:
        row = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(f"{where} must not be null, got a null at row {row}")
    if column.type in (INT64, INT8):
        return _cast_integer(where, column, array)
    if column.type in (STRING, LABEL):
        return _cast_text(where, column, array)
    raise TypeError(f"{where}: no rule to store {column.type}")


def _cast_integer(where: str, column: Column, array: pa.Array) -> pa.Array:
    if pa.types.is_null(array.type) and len(array) == 0:
        return pa.array([], column.arrow_type)
    if pa.types.is_boolean(array.type):
        return array.cast(column.arrow_type)
    # A float that happens to be whole is still a price or size that never was an integer.
    if not pa.types.is_integer(array.type):
        raise TypeError(f"{where} must hold integers, got {array.type}")
    try:
        return array.cast(column.arrow_type, safe=True)
    except pa.ArrowInvalid:
        info = np.iinfo(np.int8 if column.type == INT8 else np.int64)
        numbers = array.to_numpy(zero_copy_only=False)
        outside = (numbers < info.min) | (numbers > info.max)
        row = int(np.argmax(outside))
        raise ValueError(
            f"{where} must fit {column.type}, got {numbers[row]} at row {row}"
        ) from None


def _cast_float(where: str, array: pa.Array) -> pa.Array:
    if not (
        pa.types.is_floating(array.type)
        or pa.types.is_integer(array.type)
        or pa.types.is_null(array.type)
    ):
        raise TypeError(f"{where} must hold floats, got {array.type}")
    try:
        wide = array.cast(pa.float64(), safe=True)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{where} must fit Float64 exactly: {error}") from None
    # One null, one bit pattern: 0/0 gives another NaN than numpy's, and the hash reads bits.
    numbers = wide.fill_null(np.nan).to_numpy(zero_copy_only=False)
    is_nan = np.isnan(numbers)
    return pa.array(np.where(is_nan, np.nan, numbers) if is_nan.any() else numbers)


def _cast_text(where: str, column: Column, array: pa.Array) -> pa.Array:
    value_type = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    is_text = (
        pa.types.is_string(value_type)
        or pa.types.is_large_string(value_type)
        or pa.types.is_string_view(value_type)
    )
    if not is_text and not (pa.types.is_null(value_type) and len(array) == 0):
        raise TypeError(f"{where} must hold text, got {array.type}")
    if column.type == STRING or not pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    if column.type == STRING:
        return array
    encoded = array if pa.types.is_dictionary(array.type) else pc.dictionary_encode(array)
    if encoded.dictionary.null_count:
        raise ValueError(f"{where} must not be null, got a null in its dictionary")
    return encoded.cast(column.arrow_type)
