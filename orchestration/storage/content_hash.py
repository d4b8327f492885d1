"""The hash of a table's rows: equal wherever, whenever and in how many pieces they were written."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.storage.schema import DATE, FLOAT64, INT8, INT64, Column, Table

_TEXTS = 1 << 15  # framed at a time
_WIDTHS = {INT64: np.dtype("<i8"), INT8: np.dtype("i1"), DATE: np.dtype("<i4")}


def content_hash(table: Table, rows: pa.Table) -> str:
    """Return the SHA-256 of the rows of one symbol-day as 64 hexadecimal digits.

    Parameters
    ----------
    table : Table
    rows : pyarrow.Table
        All hashed columns of ``table``, in any row order.

    Notes
    -----
    Rows are taken in the table's sort order; rows equal in it are ordered by their remaining hashed
    columns. Then column by column in schema order: integers little-endian in their width, days as
    int32 since 1970-01-01, floats as their 64 bits, text as UTF-8 after its byte length (int64
    little-endian). Columns that say where a row came from are left out. No rows: the SHA-256 of
    nothing.
    """
    order = row_order(table, rows)
    digest = hashlib.sha256()
    for column in table.columns:
        if column.is_hashed:
            for piece in _column_bytes(column, _one_chunk(rows, column.name), order):
                digest.update(piece)
    return digest.hexdigest()


def hash_of_days(hashes: Iterable[str]) -> str:
    """Return the SHA-256 over the digests of several days, given in day order."""
    digest = hashlib.sha256()
    for day_hash in hashes:
        digest.update(bytes.fromhex(day_hash))
    return digest.hexdigest()


def row_order(table: Table, rows: pa.Table) -> np.ndarray | None:
    """Return the permutation that sorts the rows, or None where they are sorted already."""
    keys = [_sort_key(table.column(name), _one_chunk(rows, name)) for name in table.sort]
    if _is_strictly_increasing(keys):
        return None
    rest = [c for c in table.order_columns()[len(table.sort) :] if c.is_hashed]
    keys += [_sort_key(column, _one_chunk(rows, column.name)) for column in rest]
    return np.lexsort(tuple(reversed(keys)))


def n_duplicate_keys(table: Table, rows: pa.Table) -> int:
    """Return how many rows repeat the sort key of another row."""
    keys = [_sort_key(table.column(name), _one_chunk(rows, name)) for name in table.sort]
    if _is_strictly_increasing(keys):
        return 0
    order = np.lexsort(tuple(reversed(keys)))
    is_equal = np.ones(max(len(order) - 1, 0), np.bool_)
    for key in keys:
        is_equal &= key[order[1:]] == key[order[:-1]]
    return int(is_equal.sum())


def _is_strictly_increasing(keys: list[np.ndarray]) -> bool:
    # Lexicographic comparison of each row with the one before, all rows at once.
    is_less = np.zeros(max(len(keys[0]) - 1, 0), np.bool_)
    is_equal = ~is_less
    for key in keys:
        is_less |= is_equal & (key[:-1] < key[1:])
        is_equal &= key[:-1] == key[1:]
    return bool(is_less.all())


def _sort_key(column: Column, values: pa.Array) -> np.ndarray:
    # Floats compare by their bits, text by its bytes, as the store's ORDER BY does.
    if column.type in _WIDTHS:
        return _integers(column, values)
    if column.type == FLOAT64:
        return values.to_numpy(zero_copy_only=False).view(np.uint64)
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    # Dense: a dictionary that lists a text twice still gives both one rank.
    by_bytes = pc.rank(encoded.dictionary.cast(pa.binary()), "ascending", tiebreaker="dense")
    rank = by_bytes.to_numpy(zero_copy_only=False).astype(np.int64)
    return rank[encoded.indices.to_numpy(zero_copy_only=False)]


def _column_bytes(
    column: Column, values: pa.Array, order: np.ndarray | None
) -> Iterator[np.ndarray | memoryview]:
    if column.type in _WIDTHS:
        numbers = _integers(column, values)
    elif column.type == FLOAT64:
        numbers = values.to_numpy(zero_copy_only=False).astype("<f8", copy=False)
    else:
        if order is not None:
            values = values.take(pa.array(order))
        # Framed texts of millions of rows would be written to memory only to be read once.
        for start in range(0, len(values), _TEXTS):
            yield _text_bytes(values.slice(start, _TEXTS))
        return
    yield np.ascontiguousarray(numbers if order is None else numbers[order])


def _integers(column: Column, values: pa.Array) -> np.ndarray:
    if column.type == DATE:
        values = values.cast(pa.int32())
    return values.to_numpy(zero_copy_only=False).astype(_WIDTHS[column.type], copy=False)


def _text_bytes(values: pa.Array) -> memoryview:
    # A repeated text is framed once, in the dictionary, and then only copied.
    if pa.types.is_dictionary(values.type):
        framed = _framed(values.dictionary).take(values.indices)
    else:
        framed = _framed(values)
    return _value_bytes(framed)


def _framed(values: pa.Array) -> pa.Array:
    """Put each text's byte length (int64 little-endian) before it."""
    texts = values.cast(pa.large_binary())
    lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype("<i8")
    offsets = np.arange(len(texts) + 1, dtype=np.int64) * 8
    prefix = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(lengths)]
    )
    return pc.binary_join_element_wise(prefix, texts, pa.scalar(b"", pa.large_binary()))


def _value_bytes(values: pa.Array) -> memoryview:
    if len(values) == 0:
        return memoryview(b"")
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


def _one_chunk(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
