"""Rows that one side dominates on much volume, at each bar close, and what became of them."""

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _top_volume_nb(volume: Int64, top: tuple[int, int]) -> int:
    # Least volume of the rows in the top share: that of the k-th heaviest traded row, k rounded up.
    num, den = top
    traded = volume[volume > 0]
    n = len(traded)
    k = (num * n + den - 1) // den
    return int(np.partition(traded, n - k)[n - k])


@njit(cache=True, nogil=True)
def _side_nb(bid: int, ask: int, volume: int, share: tuple[int, int]) -> int:
    # The side that holds more than the share of the volume; shares of a half and more exclude both.
    num, den = share
    if ask * den > volume * num:
        return 1
    return -1 if bid * den > volume * num else 0


@njit(cache=True, nogil=True)
def _is_nearer_nb(distance: int, lots: int, best: Int64) -> bool:
    # Of equally near rows the heavier; rows come from the lowest price up, so the lower one stays.
    if best[1] == 0 or distance < best[3]:
        return True
    return bool(distance == best[3] and lots > best[2])


@njit(cache=True, nogil=True)
def _levels_now_nb(
    tick: Int64,
    ladder: tuple[Int64, Int64, Int64],
    born: Int8,
    rule: tuple[tuple[int, int], tuple[int, int], int],
    at: tuple[int, int],
    level: Int64,
    births: Int64,
    n_births: int,
) -> int:
    # ``level``: nearest tick, its side and lots, its distance, how many at the ask, at the bid.
    bid, ask, volume = ladder
    share, top, height = rule
    bar, close = at
    least = max(_top_volume_nb(volume, top), 1)
    level[:] = 0
    for i in range(len(tick)):
        if volume[i] < least:
            continue
        side = _side_nb(bid[i], ask[i], volume[i], share)
        if side == 0:
            continue
        level[4 if side > 0 else 5] += 1
        distance = max(tick[i] - close, close - tick[i] - height + 1, 0)
        if _is_nearer_nb(distance, volume[i], level):
            level[0], level[1], level[2], level[3] = tick[i], side, volume[i], distance
        flag = 1 if side > 0 else 2
        if not born[i] & flag:
            born[i] |= flag
            births[n_births, 0], births[n_births, 1] = bar, tick[i]
            births[n_births, 2], births[n_births, 3] = side, volume[i]
            n_births += 1
    return n_births


@njit(cache=True, nogil=True)
def _significant_levels_nb(
    tick: Int64,
    ladder: tuple[Int64, Int64, Int64],
    born: Int8,
    cells: tuple[Int64, Int64, Int64, Int64],
    bars: tuple[Int64, Int64],
    rule: tuple[tuple[int, int], tuple[int, int], int],
    levels: Int64,
    births: Int64,
) -> int:
    # Adds the bars' cells (position, bid, ask, all lots) bar by bar to the ladder, the caller's own
    # copy, and writes a row of ``levels`` after each bar. ``bars``: end of the cells, close.
    bid, ask, volume = ladder
    position, bid_lots, ask_lots, lots = cells
    end_cell, close = bars
    first = n_births = 0
    for bar in range(len(end_cell)):
        for cell in range(first, end_cell[bar]):
            row = position[cell]
            bid[row] += bid_lots[cell]
            ask[row] += ask_lots[cell]
            volume[row] += lots[cell]
        first = end_cell[bar]
        n_births = _levels_now_nb(
            tick, ladder, born, rule, (bar, close[bar]), levels[bar], births, n_births
        )
    return n_births
