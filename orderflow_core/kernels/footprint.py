"""Sums of traded size per bar and price row, on a dense ladder that spans one bar at a time."""

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _row_ranges_nb(row: Int64, first_idx: Int64, end_idx: Int64) -> tuple[Int64, Int64]:
    # Lowest and highest row of each bar; the wrapper proved that each bar holds a trade.
    n_bars = len(first_idx)
    low, high = np.empty(n_bars, np.int64), np.empty(n_bars, np.int64)
    for bar in range(n_bars):
        lowest = highest = row[first_idx[bar]]
        for i in range(first_idx[bar] + 1, end_idx[bar]):
            lowest = min(lowest, row[i])
            highest = max(highest, row[i])
        low[bar], high[bar] = lowest, highest
    return low, high


@njit(cache=True, nogil=True)
def _emit_rows_nb(ladder: Int64, n_rows: int, head: Int64, cells: Int64, n_cells: int) -> int:
    # Append the traded rows of one bar and clear the ladder; ``head`` is (bar position, low row).
    for k in range(n_rows):
        if ladder[k, 3] + ladder[k, 4] + ladder[k, 5] > 0:
            cells[n_cells, 0] = head[0]
            cells[n_cells, 1] = head[1] + k
            for column in range(6):
                cells[n_cells, 2 + column] = ladder[k, column]
                ladder[k, column] = 0
            n_cells += 1
    return n_cells


@njit(cache=True, nogil=True)
def _footprint_nb(
    row: Int64,
    qty: Int64,
    sign: Int8,
    first_idx: Int64,
    end_idx: Int64,
    low: Int64,
    high: Int64,
    capacity: int,
) -> Int64:
    # Columns of the result: bar position, row, then lots and counts at (bid, ask, unsigned).
    cells = np.empty((capacity, 8), np.int64)
    ladder = np.zeros((np.max(high - low) + 1, 6), np.int64)
    head = np.empty(2, np.int64)
    n_cells = 0
    for bar in range(len(first_idx)):
        head[0], head[1] = bar, low[bar]
        for i in range(first_idx[bar], end_idx[bar]):
            k = row[i] - low[bar]
            column = 2 if sign[i] == 0 else (1 if sign[i] > 0 else 0)
            ladder[k, column] += qty[i]
            ladder[k, column + 3] += 1
        n_cells = _emit_rows_nb(ladder, high[bar] - low[bar] + 1, head, cells, n_cells)
    return cells[:n_cells]
