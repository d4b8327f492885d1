"""Rows of decimal text into integers, in one pass over the bytes of a file.

The kernel takes a row only where nothing about it is unusual; every other row is left, flagged,
to :mod:`orchestration.sources.binance.rows`, which says what is wrong with it. So it must never
accept what the plain reading refuses, and where it accepts, both must say the same.
"""

import numpy as np
from numba import njit

# What a field is; a kernel sees them as literals.
SKIP, WHOLE, PRICE, QTY, TIME, FLAG = range(6)


@njit(cache=True, nogil=True)
def _rows_nb(data, kinds, places, grid, columns, starts, is_good):
    """Read all lines: where each starts, whether it is plain, and the numbers of its fields.

    ``kinds`` and ``places`` have one element a field: what it is and which row of ``columns``
    takes it. ``grid`` has the decimals and the mantissa of the price step, then of the lot step.
    Returns the number of lines.
    """
    at, row, n = 0, 0, len(data)
    while at < n:
        starts[row] = at
        good = True
        for field in range(len(kinds)):
            kind, last = kinds[field], field == len(kinds) - 1
            if kind == 0:
                while at < n and data[at] != 44 and data[at] != 10 and data[at] != 13:
                    at += 1
                value = 0
            elif kind == 5:
                value, at, good = _flag_nb(data, at)
            elif kind == 2 or kind == 3:
                first = 2 * (kind - 2)
                value, at, good = _steps_nb(data, at, grid[first], grid[first + 1])
            else:
                value, at, good = _whole_nb(data, at)
                if kind == 4 and good:
                    value, good = _time_nb(value)
            if last and at < n and data[at] == 13:
                at += 1
            if not good or at >= n or data[at] != (10 if last else 44):
                good = False
                break
            at += 1
            columns[places[field], row] = value
        is_good[row] = good
        if not good:  # the line may have ended within the field: look for its end from the start
            at = starts[row]
            while at < n and data[at] != 10:
                at += 1
            at += 1
        row += 1
    return row


@njit(cache=True, nogil=True)
def _whole_nb(data, at):
    # Eighteen digits fit in int64 whatever they are.
    value, start = 0, at
    while at < len(data) and 48 <= data[at] <= 57 and at - start < 19:
        value = value * 10 + (data[at] - 48)
        at += 1
    return value, at, 0 < at - start < 19


@njit(cache=True, nogil=True)
def _steps_nb(data, at, decimals, mantissa):
    # A decimal as a number of steps of mantissa / 10**decimals; zeros beyond the grid say nothing.
    value, start, kept, n = 0, at, 0, len(data)
    while at < n and 48 <= data[at] <= 57 and at - start < 19:
        value = value * 10 + (data[at] - 48)
        at += 1
    digits = at - start
    good = 0 < digits < 19
    if good and at < n and data[at] == 46:
        at += 1
        while at < n and 48 <= data[at] <= 57:
            if kept < decimals:
                value = value * 10 + (data[at] - 48)
                digits += 1
                kept += 1
            elif data[at] != 48:
                good = False
            at += 1
            if digits > 18:
                return value, at, False
    while good and kept < decimals:
        value *= 10
        digits += 1
        kept += 1
        if digits > 18:
            return value, at, False
    return value // mantissa, at, good and at - start < 64 and value % mantissa == 0


@njit(cache=True, nogil=True)
def _flag_nb(data, at):
    # true or false in any case: 1 and 0.
    n = len(data)
    if at + 4 <= n and _is_word_nb(data, at, 116, 114, 117) and data[at + 3] | 32 == 101:
        return 1, at + 4, True
    is_false = at + 5 <= n and _is_word_nb(data, at, 102, 97, 108)
    is_false = is_false and data[at + 3] | 32 == 115 and data[at + 4] | 32 == 101
    return 0, at + 5 * is_false, is_false


@njit(cache=True, nogil=True)
def _is_word_nb(data, at, a, b, c):
    return data[at] | 32 == a and data[at + 1] | 32 == b and data[at + 2] | 32 == c


@njit(cache=True, nogil=True)
def _time_nb(value):
    # The unit of an epoch time follows from its magnitude; only the years 2000 to 2099 are taken.
    if value < 100_000_000_000:
        factor = 1_000_000_000
    elif value < 100_000_000_000_000:
        factor = 1_000_000
    elif value < 100_000_000_000_000_000:
        factor = 1_000
    else:
        factor = 1
    limit = 4_102_444_800_000_000_000 // factor
    if value >= limit:
        return 0, False
    ns = value * factor
    return ns, ns >= 946_684_800_000_000_000


def read_rows(
    data: bytes, kinds: np.ndarray, places: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read every line of ``data``.

    Parameters
    ----------
    data : bytes
    kinds, places : ndarray of int64, shape (n_fields,)
        What each field is (:data:`SKIP` and the others) and its row in ``columns``.
    grid : ndarray of int64, shape (4,)
        Decimals and mantissa of the price step, decimals and mantissa of the lot step.

    Returns
    -------
    columns : ndarray of int64, shape (max(places) + 1, n_lines)
        Numbers of the plain lines: ids as they are, prices and sizes in steps, times in ns UTC,
        flags as 0 and 1. Undefined where ``is_good`` is False.
    starts : ndarray of int64, shape (n_lines + 1,)
        First byte of each line, and one past the last line's end.
    is_good : ndarray of bool, shape (n_lines,)
        The line is plain and whole: it ends with a newline.
    """
    n_lines = data.count(b"\n") + (not data.endswith(b"\n") and len(data) > 0)
    columns = np.zeros((int(places.max()) + 1, n_lines), np.int64)
    starts = np.zeros(n_lines + 1, np.int64)
    is_good = np.zeros(n_lines, np.bool_)
    _rows_nb(np.frombuffer(data, np.uint8), kinds, places, grid, columns, starts, is_good)
    starts[n_lines] = len(data) if data.endswith(b"\n") else len(data) + 1
    return columns, starts, is_good
