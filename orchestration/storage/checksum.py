"""One number for many rows: the same from what was handed in, here, and from what a table holds, there.

A row is a sum modulo 2**64 of its columns, each times an odd number of its own; texts stand as their
XXH64. That number is mixed (the finisher of MurmurHash3, as the engine's ``intHash64``), and the rows
are added up, and joined by exclusive or. So the order of rows does not matter, while one other
number in one row is noticed for certain, and other texts or several faults but for a chance of about one in 2**64. It is no
safeguard against who wants to deceive: the content hash is.

Source of XXH64: Collet, "xxHash fast digest algorithm", version 0.1.1.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from orchestration.storage.engine import Checksum
from orchestration.storage.schema import FLOAT64, LABEL, STRING, Column, Table

# So many rows are summed up at a time: the sums stay in the processor's cache.
_BLOCK = 16_384
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


def checksum(table: Table, rows: pa.Table) -> Checksum:
    """Return the checksum of the payload of rows, in any order.

    Parameters
    ----------
    table : Table
    rows : pyarrow.Table
        With all payload columns, as `orchestration.storage.conform.conform` makes them.
    """
    row = np.zeros(len(rows), np.uint64)
    columns = [(_numbers(c, _one_chunk(rows, c.name)), _factor(c)) for c in table.payload]
    for start in range(0, len(rows), _BLOCK):
        part = row[start : start + _BLOCK]
        for numbers, factor in columns:
            _add_nb(part, numbers[start : start + _BLOCK], np.uint64(factor))
    total, joined = _mixed_nb(row)
    return Checksum(len(rows), int(total), int(joined))


def checksum_sql(table: Table) -> str:
    """Return the three numbers as ClickHouse computes them: what to put after SELECT."""
    terms = " + ".join(f"{_term(column)} * toUInt64({_factor(column)})" for column in table.payload)
    # Products of signed and unsigned numbers have the same bits: only the result is made unsigned.
    mixed = f"reinterpretAsUInt64(intHash64({terms})) AS mixed"
    return f"count() AS n, sum({mixed}) AS total, groupBitXor(mixed) AS joined"


def _term(column: Column) -> str:
    name = f"`{column.name}`"
    if column.type in (STRING, LABEL):
        return f"xxHash64({name})"
    return f"reinterpretAsUInt64({name})" if column.type == FLOAT64 else name


def _factor(column: Column) -> int:
    # Of the name alone, and odd: no other value of one column can give the same product.
    return int(xxh64(column.name.encode())) | 1


def xxh64(text: bytes) -> int:
    """Return the XXH64 of a text, seed 0.

    Examples
    --------
    >>> hex(xxh64(b""))
    '0xef46db3751d8e999'
    """
    out = np.empty(1, np.uint64)
    _texts_nb(np.frombuffer(text + b"\0", np.uint8), np.array([0, len(text)], np.int32), out)
    return int(out[0])


def _numbers(column: Column, values: pa.Array) -> np.ndarray:
    if column.type == STRING:
        return _hashes(values)
    if column.type == LABEL:
        codes = values.indices.to_numpy(zero_copy_only=False)
        return _hashes(values.dictionary)[codes]
    numbers = values.to_numpy(zero_copy_only=False)
    return numbers.view(np.int64) if column.type == FLOAT64 else numbers


def _hashes(texts: pa.Array) -> np.ndarray:
    out = np.empty(len(texts), np.uint64)
    if len(texts):
        _, offsets, data = texts.buffers()
        ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
        held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        _texts_nb(held, ends, out)
    return out


def _one_chunk(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


@njit(cache=True, nogil=True)
def _add_nb(row, numbers, factor):
    for i in range(len(row)):
        row[i] += np.uint64(np.int64(numbers[i])) * factor


@njit(cache=True, nogil=True)
def _mixed_nb(row):
    total, joined = np.uint64(0), np.uint64(0)
    for i in range(len(row)):
        value = row[i] ^ np.uint64(0x4CF2D2BAAE6DA887)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        value ^= value >> np.uint64(33)
        total += value
        joined ^= value
    return total, joined


@njit(cache=True, nogil=True)
def _rotl_nb(value, n):
    return (value << np.uint64(n)) | (value >> np.uint64(64 - n))


@njit(cache=True, nogil=True)
def _load_nb(data, at, n_bytes):
    value = np.uint64(0)
    for i in range(n_bytes):
        value |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return value


@njit(cache=True, nogil=True)
def _round_nb(lane, word):
    return _rotl_nb(lane + word * _P2, 31) * _P1


@njit(cache=True, nogil=True)
def _texts_nb(data, ends, out):
    for i in range(len(out)):
        at, end = ends[i], ends[i + 1]
        length = np.uint64(end - at)
        if end - at >= 32:
            value, at = _stripes_nb(data, at, end)
        else:
            value = _P5
        value += length
        while at + 8 <= end:
            value = _rotl_nb(value ^ _round_nb(np.uint64(0), _load_nb(data, at, 8)), 27) * _P1 + _P4
            at += 8
        if at + 4 <= end:
            value = _rotl_nb(value ^ (_load_nb(data, at, 4) * _P1), 23) * _P2 + _P3
            at += 4
        while at < end:
            value = _rotl_nb(value ^ (np.uint64(data[at]) * _P5), 11) * _P1
            at += 1
        value = (value ^ (value >> np.uint64(33))) * _P2
        value = (value ^ (value >> np.uint64(29))) * _P3
        out[i] = value ^ (value >> np.uint64(32))


@njit(cache=True, nogil=True)
def _stripes_nb(data, at, end):
    # Stripes of 32 bytes in four lanes, merged at the end.
    a, b, c, d = _P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1
    while at + 32 <= end:
        a = _round_nb(a, _load_nb(data, at, 8))
        b = _round_nb(b, _load_nb(data, at + 8, 8))
        c = _round_nb(c, _load_nb(data, at + 16, 8))
        d = _round_nb(d, _load_nb(data, at + 24, 8))
        at += 32
    value = _rotl_nb(a, 1) + _rotl_nb(b, 7) + _rotl_nb(c, 12) + _rotl_nb(d, 18)
    for lane in (a, b, c, d):
        value = (value ^ _round_nb(np.uint64(0), lane)) * _P1 + _P4
    return value, at
