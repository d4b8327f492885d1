"""Sums of traded size per bar and price row, on a dense ladder that spans one bar at a time."""

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _bounds_nb(row: Int64, qty: Int64, sign: Int8) -> tuple[int, int, int, bool]:
    # Lowest and highest row, all bits of the sizes (at least the largest of them), whether all is
    # valid. One quantity a loop: each compiles to vector code. The wrapper proved there is a trade.
    low = high = row[0]
    for i in range(len(row)):
        low, high = min(low, row[i]), max(high, row[i])
    bits, n_zero = np.int64(0), 0
    for i in range(len(qty)):
        bits |= qty[i]  # negative once a size is
        n_zero += qty[i] == 0
    below = above = sign[0]
    for i in range(len(sign)):
        below, above = min(below, sign[i]), max(above, sign[i])
    is_valid = bits >= 0 and n_zero == 0 and below >= -1 and above <= 1
    return low, high, int(bits), bool(is_valid)


@njit(cache=True, nogil=True)
def _add_packed_nb(row: Int64, qty: Int64, sign: Int8, low: int, shift: int, ladder: Int64) -> None:
    # Lots above ``shift`` bits of count: one addition a trade. Two ladders in turn, as neighbouring
    # trades at one price would wait for each other. Unsigned positions need no test for negatives.
    n_even = len(row) - len(row) % 2
    for i in range(0, n_even, 2):
        first = np.uint64(((row[i] - low) << 2) + sign[i] + 1)
        second = np.uint64(((row[i + 1] - low) << 2) + sign[i + 1] + 1)
        ladder[0, first] += (qty[i] << shift) + 1
        ladder[1, second] += (qty[i + 1] << shift) + 1
    for i in range(n_even, len(row)):
        ladder[0, ((row[i] - low) << 2) + sign[i] + 1] += (qty[i] << shift) + 1


@njit(cache=True, nogil=True)
def _add_apart_nb(row: Int64, qty: Int64, sign: Int8, low: int, ladder: Int64) -> None:
    # Sizes too large to share a word with the count.
    for i in range(len(row)):
        cell = ((row[i] - low) << 2) + sign[i] + 1
        ladder[0, cell] += qty[i]
        ladder[1, cell] += 1


@njit(cache=True, nogil=True)
def _emit_rows_nb(
    ladder: Int64, bar: int, low: int, n_rows: int, shift: int, cells: Int64, n_cells: int
) -> int:
    # Append the traded rows of one bar and clear the ladder. ``shift`` 0: lots and counts apart.
    ones = (1 << shift) - 1
    for k in range(n_rows):
        at = k << 2
        if (
            (ladder[0, at] | ladder[0, at + 1] | ladder[0, at + 2])
            | (ladder[1, at] | ladder[1, at + 1] | ladder[1, at + 2])
        ) == 0:
            continue
        cells[n_cells, 0], cells[n_cells, 1] = bar, low + k
        for side in range(3):
            column = 2 if side == 0 else (4 if side == 1 else 3)  # sell, unsigned, buy
            if shift > 0:
                packed = ladder[0, at + side] + ladder[1, at + side]
                cells[n_cells, column] = packed >> shift
                cells[n_cells, column + 3] = packed & ones
            else:
                cells[n_cells, column] = ladder[0, at + side]
                cells[n_cells, column + 3] = ladder[1, at + side]
            ladder[0, at + side] = ladder[1, at + side] = 0
        n_cells += 1
    return n_cells


@njit(cache=True, nogil=True)
def _block_nb(
    trades: tuple[Int64, Int64, Int8],
    first_idx: Int64,
    end_idx: Int64,
    bars: tuple[int, int],
    limits: tuple[int, int, int, int],
    cells: Int64,
    found: Int64,
) -> None:
    # Bars of one block. A bar is checked while it is in the cache, before it is added. ``found``:
    # cells, lowest and highest row, 1 if a trade may be invalid, 1 if rows are too many.
    rows_a_trade, rows_free, rows_max, most_lots = limits
    ladder = np.zeros((2, 4 * 256), np.int64)
    n_cells, n_rows_left = 0, rows_free
    for bar in range(bars[0], bars[1]):
        row = trades[0][first_idx[bar] : end_idx[bar]]
        qty, sign = (
            trades[1][first_idx[bar] : end_idx[bar]],
            trades[2][first_idx[bar] : end_idx[bar]],
        )
        low, high, bits, is_valid = _bounds_nb(row, qty, sign)
        found[1], found[2] = min(found[1], low), max(found[2], high)
        is_tall = (high >> 1) - (low >> 1) > rows_max  # halved, as the difference may leave int64
        n_rows = rows_max if is_tall else high - low + 1
        n_rows_left += rows_a_trade * len(row) - n_rows
        found[3] = not is_valid or bits > most_lots
        found[4] = is_tall or n_rows_left < 0
        if found[3] or found[4]:
            break
        if 4 * n_rows > ladder.shape[1]:
            ladder = np.zeros((2, 8 * n_rows), np.int64)
        shift = 1
        while len(row) >> shift:
            shift += 1  # bits that the count of a bar needs
        if bits > ((1 << 62) >> (2 * shift)):
            shift = 0
            _add_apart_nb(row, qty, sign, low, ladder)
        else:
            _add_packed_nb(row, qty, sign, low, shift, ladder)
        n_cells = _emit_rows_nb(ladder, bar, low, n_rows, shift, cells, n_cells)
    found[0] = n_cells
