"""The fills that an aggregate covers, as ``venue_id`` has them: ``first-last``.

Millions of such texts are written when an archive is read and read again when gaps are looked for,
so both are kernels over Arrow's own buffers.
"""

import numpy as np
import pyarrow as pa
from numba import njit

_MAX_TEXT_BYTES = 2**31 - 1  # what Arrow's 32-bit offsets reach


@njit(cache=True, nogil=True)
def _lengths_nb(first, last, offsets):
    # Returns the length of all texts, or -1 where there is no last fill; offsets are right up to 2 GiB.
    at = 0
    for i in range(len(first)):
        if first[i] >= 0:
            if last[i] < 0:
                return -1
            at += _n_digits_nb(first[i]) + 1 + _n_digits_nb(last[i])
        offsets[i + 1] = at
    return at


@njit(cache=True, nogil=True)
def _n_digits_nb(value):
    n, power = 1, 10
    while value >= power and n < 18:
        n, power = n + 1, power * 10
    return n + (value >= power)


@njit(cache=True, nogil=True)
def _write_nb(first, last, offsets, out):
    for i in range(len(first)):
        if first[i] < 0:
            continue
        at = _write_number_nb(last[i], offsets[i + 1] - 1, out)
        out[at] = 45
        _write_number_nb(first[i], at - 1, out)


@njit(cache=True, nogil=True)
def _write_number_nb(number, at, out):
    # From its last digit back; without a sign a division by ten is a multiplication.
    ten, value = np.uint64(10), np.uint64(number)
    while value >= ten:
        rest = value // ten
        out[at] = 48 + (value - rest * ten)
        value = rest
        at -= 1
    out[at] = 48 + value
    return at - 1


@njit(cache=True, nogil=True)
def _read_nb(offsets, text, first, last):
    for i in range(len(first)):
        first[i], last[i] = -1, -1
        at, end = offsets[i], offsets[i + 1]
        one, at, is_one = _number_nb(text, at, end)
        if not is_one or at >= end or text[at] != 45:
            continue
        other, at, is_other = _number_nb(text, at + 1, end)
        if is_other and at == end:
            first[i], last[i] = one, other


@njit(cache=True, nogil=True)
def _number_nb(text, at, end):
    # Eighteen digits fit in int64 whatever they are; the archive's ids have no more.
    start, value = at, 0
    while at < end and 48 <= text[at] <= 57 and at - start < 19:
        value = value * 10 + (text[at] - 48)
        at += 1
    return value, at, 0 < at - start < 19


def fill_texts(first: np.ndarray, last: np.ndarray) -> pa.Array:
    """Return ``first-last`` of each aggregate, and an empty text where ``first`` is negative.

    Parameters
    ----------
    first, last : ndarray of int64, shape (n,)

    Raises
    ------
    ValueError
        A ``last`` is negative where ``first`` is not, or the texts exceed 2 GiB together.

    Examples
    --------
    >>> fill_texts(np.array([7, -1]), np.array([10, -1])).to_pylist()
    ['7-10', '']
    """
    offsets = np.zeros(len(first) + 1, np.int32)
    n_bytes = _lengths_nb(first, last, offsets)
    if n_bytes < 0:
        raise ValueError("the last fill of an aggregate must not be negative")
    if n_bytes > _MAX_TEXT_BYTES:
        raise ValueError(f"ids of fills take {n_bytes} bytes, more than {_MAX_TEXT_BYTES}")
    out = np.empty(n_bytes, np.uint8)
    _write_nb(first, last, offsets, out)
    return pa.StringArray.from_buffers(len(first), pa.py_buffer(offsets), pa.py_buffer(out))


def fill_ends(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last fill of each text of :func:`fill_texts`; -1 and -1 for any other text.

    Examples
    --------
    >>> [ends.tolist() for ends in fill_ends(pa.array(["7-10", "", "x"]))]
    [[7, -1, -1], [10, -1, -1]]
    """
    first, last = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    at = 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        end = at + len(chunk)
        if end > at:
            _, offsets, text = chunk.buffers()
            ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            held = np.frombuffer(text, np.uint8) if text is not None else np.empty(0, np.uint8)
            _read_nb(ends, held, first[at:end], last[at:end])
        at = end
    return first, last
