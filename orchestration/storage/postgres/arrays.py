"""Whole columns out of PostgreSQL: one array a column, read as bytes, no Python object a value.

A driver hands over row by row; so the query puts each column of a block of rows into one array, texts
into one text and their byte lengths. Server and client hold a block or two beside what is sorted.
"""

import numpy as np
import psycopg
import pyarrow as pa
from psycopg.adapt import Loader
from psycopg.pq import Format

from orchestration.storage.postgres.copying import EPOCH_DAYS, WIRE_TYPES
from orchestration.storage.postgres.texts import original_texts
from orchestration.storage.schema import DATE, LABEL, Column

ROWS_PER_BLOCK = 65_536
_ARRAY_TYPES = ("int8", "int4", "int2", "float8", "date")
_HEADER_BYTES = 20  # dimensions, null flag, type, length, lower bound
_LENGTH = ">i4"


class _RawLoader(Loader):
    # Arrays are read by numpy.
    format = Format.BINARY

    def load(self, data: bytes | bytearray | memoryview) -> bytes:
        return bytes(data)


def column_cursor(connection: psycopg.Connection) -> psycopg.Cursor:
    """Return a cursor whose arrays come as bytes, for `columns_of`."""
    cursor = connection.cursor(binary=True)
    for name in _ARRAY_TYPES:
        oid = psycopg.adapters.types[name].array_oid
        cursor.adapters.register_loader(oid, _RawLoader)
    return cursor


def aggregates(columns: list[Column]) -> str:
    """Return the select list that `columns_of` reads: the number of rows, then each column.

    The rows have a ``position``, which is their order.
    """
    terms = ["count(*)"]
    for column in columns:
        name = f'"{column.name}"'
        if column.type in WIRE_TYPES:
            terms.append(f"array_agg({name} ORDER BY position)")
        else:
            terms.append(f"convert_to(string_agg({name}, '' ORDER BY position), 'UTF8')")
            terms.append(f"array_agg(octet_length({name}) ORDER BY position)")
    return ", ".join(terms)


def columns_of(columns: list[Column], found: tuple) -> list[pa.Array]:
    """Return what one row of a query with `aggregates` holds, in Arrow.

    Parameters
    ----------
    columns : list of Column
    found : tuple
        That row, read by `column_cursor`: one block.
    """
    n, *values = found
    fields = iter(values)
    return [
        _numbers(column, next(fields), n)
        if column.type in WIRE_TYPES
        else _texts(column, next(fields), next(fields), n)
        for column in columns
    ]


def _numbers(column: Column, raw: bytes, n: int) -> pa.Array:
    numbers = _values(raw, WIRE_TYPES[column.type], n)
    if column.type == DATE:
        return pa.array(numbers.astype(np.int32) + EPOCH_DAYS).cast(pa.date32())
    return pa.array(numbers.astype(column.arrow_type.to_pandas_dtype()))


def _texts(column: Column, joined: bytes, raw_lengths: bytes, n: int) -> pa.Array:
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(_values(raw_lengths, _LENGTH, n), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined)]
    texts = pa.LargeStringArray.from_buffers(n, buffers[1], buffers[2])
    if column.type == LABEL:
        encoded = texts.dictionary_encode()
        names = original_texts(encoded.dictionary.cast(pa.string()))
        return pa.DictionaryArray.from_arrays(encoded.indices, names)
    return original_texts(texts.cast(pa.string()))


def _values(raw: bytes, kind: str, n: int) -> np.ndarray:
    layout = np.dtype([("length", ">i4"), ("value", kind)])
    return np.frombuffer(raw, layout, count=n, offset=_HEADER_BYTES)["value"]
