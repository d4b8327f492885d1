"""Price ladders of the bars before a decision, filled from footprint cells about one centre."""

import numpy as np
from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _fill_window_nb(
    cells: tuple[Int64, Int64, Int64, Int64],
    cell_first: Int64,
    low_tick: int,
    ticks_per_row: int,
    lots: Int64,
    overflow: Int64,
    unsigned: Int64,
) -> None:
    # One decision. ``cell_first`` holds where the cells of each bar begin, and where the last one's end.
    price, buy, sell, unknown = cells
    n_rows = lots.shape[1]
    for bar in range(len(cell_first) - 1):
        for i in range(cell_first[bar], cell_first[bar + 1]):
            row = (price[i] - low_tick) // ticks_per_row  # floored, below the ladder too
            unsigned[bar] += unknown[i]
            if 0 <= row < n_rows:
                lots[bar, row, 0] += buy[i]
                lots[bar, row, 1] += sell[i]
            else:
                beyond = 0 if row < 0 else 1
                overflow[bar, beyond, 0] += buy[i]
                overflow[bar, beyond, 1] += sell[i]


@njit(cache=True, nogil=True)
def _windows_nb(
    cells: tuple[Int64, Int64, Int64, Int64],
    cell_first: Int64,
    last_bar: Int64,
    low_tick: Int64,
    ticks_per_row: int,
    out: tuple[Int64, Int64, Int64, Float64],
) -> None:
    # ``last_bar`` holds the last bar of each window, which the wrapper found to have enough before it.
    lots, overflow, unsigned, scale = out
    n_bars = lots.shape[1]
    for w in range(len(last_bar)):
        first, end = last_bar[w] - n_bars + 1, last_bar[w] + 1
        own = cell_first[first : end + 1]
        _fill_window_nb(cells, own, low_tick[w], ticks_per_row, lots[w], overflow[w], unsigned[w])
        a, b = own[0], own[n_bars]
        volume = np.empty(b - a, np.float64)
        for i in range(a, b):
            volume[i - a] = cells[1][i] + cells[2][i] + cells[3][i]
        scale[w] = np.median(volume)
