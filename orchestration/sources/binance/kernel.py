"""Rows of decimal text into integers, in one pass over the bytes of a file.

The kernel takes a row only where nothing about it is unusual; every other row is left, flagged,
to :mod:`orchestration.sources.binance.rows`, which says what is wrong with it. So it must never
accept what the plain reading refuses, and where it accepts, both must say the same.
"""

from collections.abc import Iterable

import numpy as np
from numba import njit

# What a field is; a kernel sees them as literals.
SKIP, WHOLE, PRICE, QTY, TIME, FLAG = range(6)


@njit(cache=True, nogil=True)
def _rows_nb(data, base, kinds, grid, row, columns, starts, is_good):
    """Read lines while there is room: where each starts, whether it is plain, and its numbers.

    ``data`` ends with a newline, which stops every loop over digits. ``kinds`` says what each field
    is; it goes to the row of its number in ``columns``. ``grid`` has the decimals and the mantissa
    of the price step, then of the lot step. ``row`` is the first one to fill, ``base`` what lies
    before ``data``. Returns the row after the last, and the bytes read.
    """
    at, n, n_fields = 0, len(data), len(kinds)
    while at < n and row < len(is_good):
        start = at
        starts[row] = base + start
        good = True
        for field in range(n_fields):
            kind = kinds[field]
            if kind == 1 or kind == 4:
                value, at, good = _whole_nb(data, at)
                if kind == 4 and good:
                    value, good = _time_nb(value)
            elif kind == 2 or kind == 3:
                value, at, good = _steps_nb(data, at, grid[2 * kind - 4], grid[2 * kind - 3])
            elif kind == 5:
                value, at, good = _flag_nb(data, at)
            else:
                value = 0
                while data[at] != 44 and data[at] != 10 and data[at] != 13:
                    at += 1
            is_last = field == n_fields - 1
            if good and is_last and data[at] == 13:
                at += 1
            good = good and at < n and data[at] == (10 if is_last else 44)
            if not good:
                break
            at += 1
            columns[field, row] = value
        is_good[row] = good
        if not good:  # the line may have ended within the field: look for its end from the start
            at = start
            while data[at] != 10:
                at += 1
            at += 1
        row += 1
    return row, at


@njit(cache=True, nogil=True)
def _whole_nb(data, at):
    # Eighteen digits fit in int64 whatever they are; a number of more wraps around and is refused.
    value, start = 0, at
    digit = np.int64(data[at]) - 48
    while 0 <= digit <= 9:
        value = value * 10 + digit
        at += 1
        digit = np.int64(data[at]) - 48
    return value, at, 0 < at - start < 19


@njit(cache=True, nogil=True)
def _steps_nb(data, at, decimals, mantissa):
    # A decimal as a number of steps of mantissa / 10**decimals; zeros beyond the grid say nothing.
    value, start, kept = 0, at, 0
    digit = np.int64(data[at]) - 48
    while 0 <= digit <= 9:
        value = value * 10 + digit
        at += 1
        digit = np.int64(data[at]) - 48
    n_digits = at - start
    good = 0 < n_digits <= 18 - decimals
    if digit == -2:  # the point
        at += 1
        digit = np.int64(data[at]) - 48
        while 0 <= digit <= 9 and kept < decimals:
            value = value * 10 + digit
            kept += 1
            at += 1
            digit = np.int64(data[at]) - 48
        while digit == 0:
            at += 1
            digit = np.int64(data[at]) - 48
        good = good and not 0 < digit <= 9
    for _ in range(decimals - kept):
        value *= 10
    good = good and at - start < 64
    if mantissa == 1:
        return value, at, good
    return value // mantissa, at, good and value % mantissa == 0


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
    pieces: Iterable[bytes], kinds: np.ndarray, grid: np.ndarray, *, n_bytes: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Read every line of a file.

    Parameters
    ----------
    pieces : iterable of bytes
        The file from first to last, at least one piece; all but the last end with a newline.
    kinds : ndarray of int64, shape (n_fields,)
        What each field is (:data:`SKIP` and the others).
    grid : ndarray of int64, shape (4,)
        Decimals and mantissa of the price step, decimals and mantissa of the lot step.
    n_bytes : int
        Length of the file; 0 where there is one piece.

    Returns
    -------
    columns : ndarray of int64, shape (n_fields, n_lines)
        Numbers of the plain lines: ids as they are, prices and sizes in steps, times in ns UTC,
        flags as 0 and 1. Undefined where ``is_good`` is False.
    starts : ndarray of int64, shape (n_lines + 1,)
        First byte of each line, and one past the last line's end.
    is_good : ndarray of bool, shape (n_lines,)
        The line is plain and whole: it ends with a newline.
    is_cut : bool
        The last line has no end.
    """
    space = [np.empty((len(kinds), 0), np.int64), np.empty(0, np.int64), np.empty(0, np.bool_)]
    row, at, is_cut = 0, 0, False
    for data in pieces:
        n_whole = data.rfind(b"\n") + 1
        text, done = np.frombuffer(data, np.uint8, n_whole), 0
        while done < n_whole:
            if row == len(space[2]):
                # What was read so far says about how many lines the rest has.
                n_lines, n_read = (row, at + done) if row else (data.count(b"\n"), n_whole)
                left = max(n_bytes, at + n_whole) - at - done
                space = _grown(space, row, row + n_lines * left // n_read * 51 // 50 + 1000)
            row, used = _rows_nb(text[done:], at + done, kinds, grid, row, *space)
            done += used
        is_cut = n_whole < len(data)
        if is_cut:
            if row == len(space[2]):
                space = _grown(space, row, row + 1)
            space[1][row], space[2][row] = at + n_whole, False
            row += 1
        at += len(data)
    columns, starts, is_good = space
    ends = np.append(starts[:row], at + is_cut)
    return columns[:, :row], ends, is_good[:row], is_cut


def _grown(space: list[np.ndarray], n_used: int, n_rows: int) -> list[np.ndarray]:
    grown = [np.empty((*array.shape[:-1], n_rows), array.dtype) for array in space]
    for old, new in zip(space, grown, strict=True):
        new[..., :n_used] = old[..., :n_used]
    return grown
