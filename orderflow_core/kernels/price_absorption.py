"""Absorption by price: one side's lots at one price in a moving window, against what is usual.

A cell is a price and a side; -1 stands for a trade without a sign. What is usual comes from the
closed buckets of the look back: a ring, one slot a bucket, of counts, sums and squares about their
mean (about zero they would swallow a deviation that is small beside the lots).
"""

import math
from typing import TypeAlias

from numba import njit

from orderflow_core.types import Bool, Float64, Int64

# Trades: time, cell, lots.
_Trades: TypeAlias = tuple[Int64, Int64, Int64]
# Ring of buckets: cells, their lots, squares about the bucket's mean; and [bucket now, first].
_Memory: TypeAlias = tuple[Int64, Int64, Float64, Int64]
# By cell: lots in the window, lots in a bucket (all 0 between calls), last trade above the size.
_Ladder: TypeAlias = tuple[Int64, Int64, Int64]


@njit(cache=True, nogil=True)
def _close_bucket_nb(
    trades: _Trades, first: int, end: int, bucket_lots: Int64, memory: _Memory, bucket: int
) -> None:
    # Enter the trades first..end - 1 as the bucket that ends, then go on to ``bucket``.
    _, cell, qty = trades
    n_cells, lots, squares, clock = memory
    n_slots = len(n_cells)
    for j in range(first, end):
        if cell[j] >= 0:
            bucket_lots[cell[j]] += qty[j]
    count, total, mean, square = 0, 0, 0.0, 0.0
    for j in range(first, end):
        at_cell = bucket_lots[cell[j]] if cell[j] >= 0 else 0
        if at_cell > 0:  # the first trade of its cell: the others find 0
            count += 1
            total += at_cell
            deviation = at_cell - mean
            mean += deviation / count
            square += deviation * (at_cell - mean)
            bucket_lots[cell[j]] = 0
    slot = clock[0] % n_slots
    n_cells[slot], lots[slot], squares[slot] = count, total, square
    for k in range(1, min(bucket - clock[0], n_slots + 1)):  # buckets without a trade
        slot = (clock[0] + k) % n_slots
        n_cells[slot], lots[slot], squares[slot] = 0, 0, 0.0
    clock[0] = bucket


@njit(cache=True, nogil=True)
def _usual_size_nb(memory: _Memory, multiplier: float, least_cells: int) -> float:
    # Mean and sample deviation over the ring, summed anew: nothing drifts as buckets leave.
    n_cells, lots, squares, clock = memory
    n, total, square = 0, 0, 0.0
    for slot in range(len(n_cells)):
        n += n_cells[slot]
        total += lots[slot]
    if n < least_cells or clock[0] - clock[1] < len(n_cells):
        return math.nan
    near = total // n  # a whole number next to the mean keeps the differences exact
    rest = (total - near * n) / n
    for slot in range(len(n_cells)):
        if n_cells[slot] > 0:
            apart = (lots[slot] - near * n_cells[slot]) / n_cells[slot] - rest
            square += squares[slot] + n_cells[slot] * apart * apart
    return near + (rest + multiplier * math.sqrt(square / (n - 1)))


@njit(cache=True, nogil=True)
def _price_absorption_nb(
    trades: _Trades,
    opens: Bool,
    n_tail: int,
    ladder: _Ladder,
    memory: _Memory,
    rule: tuple[int, float, int],
    is_above: Bool,
    out: tuple[Int64, Float64, Bool],
) -> None:
    ts, cell, qty = trades
    window_lots, bucket_lots, last_above = ladder
    (window_ns, multiplier, least_cells), clock = rule, memory[3]
    oldest = session = bucket_first = 0
    for i in range(n_tail):  # what the chunk before left in the window
        if cell[i] >= 0:
            window_lots[cell[i]] += qty[i]
            last_above[cell[i]] = i if is_above[i] else last_above[cell[i]]
        bucket_first += ts[i] // window_ns < clock[0]
    size = _usual_size_nb(memory, multiplier, least_cells)
    for i in range(n_tail, len(ts)):
        bucket, c = ts[i] // window_ns, cell[i]
        if opens[i]:
            session, bucket_first, size = i, i, math.nan
            memory[0][:], memory[1][:], memory[2][:], clock[:] = 0, 0, 0.0, bucket
        elif bucket != clock[0]:
            _close_bucket_nb(trades, bucket_first, i, bucket_lots, memory, bucket)
            bucket_first, size = i, _usual_size_nb(memory, multiplier, least_cells)
        while oldest < session or ts[oldest] <= ts[i] - window_ns:
            if cell[oldest] >= 0:
                window_lots[cell[oldest]] -= qty[oldest]
            oldest += 1
        if c >= 0:
            window_lots[c] += qty[i]
        k = i - n_tail
        out[0][k], out[1][k] = window_lots[c] if c >= 0 else 0, size
        is_above[i] = out[0][k] > size
        out[2][k] = False
        if is_above[i]:
            out[2][k] = last_above[c] < session or ts[last_above[c]] <= ts[i] - window_ns
            last_above[c] = i
