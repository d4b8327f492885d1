"""Arrow rows as PostgreSQL's binary COPY: whole columns at a time, no Python object a value.

Format: PostgreSQL documentation, COPY, "Binary Format": a signature, then a row as its number of fields
(int16) and each field as its length (int32) and its bytes, everything big-endian, then -1.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.storage.postgres.texts import stored_texts
from orchestration.storage.schema import DATE, FLOAT64, INT8, INT64, Column

# The smallest integer of PostgreSQL has two bytes.
WIRE_TYPES = {INT64: ">i8", INT8: ">i2", FLOAT64: ">f8", DATE: ">i4"}
EPOCH_DAYS = 10_957  # PostgreSQL counts days from 2000-01-01, Arrow from 1970-01-01
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_ROWS_PER_BLOCK = 65_536


def copy_columns(columns: tuple[Column, ...]) -> list[Column]:
    """Return the columns in the order in which `copy_blocks` writes them: texts come last."""
    return sorted(columns, key=lambda column: column.type not in WIRE_TYPES)


def copy_blocks(columns: list[Column], rows: pa.Table) -> Iterator[bytes | memoryview]:
    """Write rows as binary COPY.

    Parameters
    ----------
    columns : list of Column
        As `copy_columns` orders them.
    rows : pyarrow.Table
        These columns, in the types of the definition and without nulls.

    Yields
    ------
    bytes or memoryview
        One after another they are what COPY ... FROM STDIN (FORMAT BINARY) reads.
    """
    yield _SIGNATURE
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        yield _block(columns, rows.slice(start, _ROWS_PER_BLOCK))
    yield _TRAILER


def _block(columns: list[Column], rows: pa.Table) -> memoryview:
    fixed = [column for column in columns if column.type in WIRE_TYPES]
    layout = [("n_fields", ">i2")]
    for column in fixed:
        layout += [(f"length of {column.name}", ">i4"), (column.name, WIRE_TYPES[column.type])]
    heads = np.empty(len(rows), np.dtype(layout))
    heads["n_fields"] = len(columns)
    for column in fixed:
        numbers = _one_chunk(rows, column.name)
        if column.type == DATE:
            numbers = pc.subtract(numbers.cast(pa.int32()), EPOCH_DAYS)
        heads[f"length of {column.name}"] = heads.dtype[column.name].itemsize
        heads[column.name] = numbers.to_numpy(zero_copy_only=False)
    width = heads.dtype.itemsize
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * width
    texts = columns[len(fixed) :]
    parts = [_binary(offsets, heads), *(_framed(_one_chunk(rows, c.name)) for c in texts)]
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))
    _, ends, data = joined.buffers()
    return memoryview(data)[: np.frombuffer(ends, np.int64)[len(rows)]]


def _framed(texts: pa.Array) -> pa.Array:
    """Put each text's byte length (int32, big-endian) before it; a repeated text is framed once."""
    if pa.types.is_dictionary(texts.type):
        return _framed(texts.dictionary).take(texts.indices)
    held = stored_texts(texts).cast(pa.large_binary())
    lengths = pc.binary_length(held).to_numpy(zero_copy_only=False).astype(">i4")
    prefix = _binary(np.arange(len(held) + 1, dtype=np.int64) * 4, lengths)
    return pc.binary_join_element_wise(prefix, held, pa.scalar(b"", pa.large_binary()))


def _binary(offsets: np.ndarray, data: np.ndarray) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.tobytes())]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _one_chunk(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
