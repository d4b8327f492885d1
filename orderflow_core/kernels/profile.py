"""Sums of traded size per tick and side over a range of trades."""

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _bounds_nb(price: Int64, qty: Int64, sign: Int8) -> tuple[int, int, int, int, bool]:
    # One quantity a loop: each compiles to vector code. The wrapper proved that there is a trade.
    low = high = price[0]
    for i in range(len(price)):
        low, high = min(low, price[i]), max(high, price[i])
    least = most = qty[0]
    for i in range(len(qty)):
        least, most = min(least, qty[i]), max(most, qty[i])
    below = above = sign[0]
    for i in range(len(sign)):
        below, above = min(below, sign[i]), max(above, sign[i])
    return low, high, least, most, below >= -1 and above <= 1


@njit(cache=True, nogil=True)
def _range_lots_nb(
    price: Int64, qty: Int64, sign: Int8, window: tuple[int, int], ladder: Int64
) -> tuple[int, bool]:
    # Adds to ``ladder``: four cells a tick from the window's first one, sell, unsigned, buy, none,
    # twice, as neighbouring trades at one tick would wait for each other. A stretch of trades is
    # checked before it is added, so short that it stays in the nearest cache. Returns the largest size, and whether
    # all trades are valid and inside of the window: else the ladder is of no use.
    first_tick, end_tick = window
    largest = 0
    stretch = 256
    for start in range(0, len(price), stretch):
        prices, lots = price[start : start + stretch], qty[start : start + stretch]
        sides = sign[start : start + stretch]
        low, high, least, most, is_sign = _bounds_nb(prices, lots, sides)
        if low < first_tick or high >= end_tick or least <= 0 or not is_sign:
            return largest, False
        largest = max(largest, most)
        for i in range(len(prices)):
            cell = ((prices[i] - first_tick) << 2) + sides[i] + 1
            # Unsigned: no test for positions that count from the end.
            ladder[i & 1, np.uint64(cell)] += lots[i]
    return largest, True
