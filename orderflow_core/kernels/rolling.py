"""A moving window over trades: sums by side, and an exact quantile of the sizes with the lots above it.

The sizes in the window are counted per rank, with partial counts of 64 and of 4,096 ranks, so that
the next rank that occurs is found in a few steps however sparse the ranks are. The quantile is a
pointer into the ranks: one trade in or out moves it by at most one rank that occurs.
"""

from typing import TypeAlias

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64

# Sizes in the window: by rank (trades; lots sold, unsigned, bought), by 64 and by 4,096 ranks.
_Counters: TypeAlias = tuple[Int64, Int64, Int64]


@njit(cache=True, nogil=True)
def _next_rank_nb(counters: _Counters, rank: int) -> int:
    # Smallest rank above ``rank`` that occurs in the window; the caller knows that there is one.
    by_rank, by_64, by_4096 = counters
    rank += 1
    while rank & 63 and by_rank[rank, 0] == 0:
        rank += 1
    if rank & 63 == 0:
        block = rank >> 6
        while block & 63 and by_64[block] == 0:
            block += 1
        if block & 63 == 0:
            part = block >> 6
            while by_4096[part] == 0:
                part += 1
            block = part << 6
            while by_64[block] == 0:
                block += 1
        rank = block << 6
        while by_rank[rank, 0] == 0:
            rank += 1
    return rank


@njit(cache=True, nogil=True)
def _previous_rank_nb(counters: _Counters, rank: int) -> int:
    # Largest rank below ``rank`` that occurs in the window; the caller knows that there is one.
    by_rank, by_64, by_4096 = counters
    rank -= 1
    while rank & 63 != 63 and by_rank[rank, 0] == 0:
        rank -= 1
    if rank & 63 == 63:
        block = rank >> 6
        while block & 63 != 63 and by_64[block] == 0:
            block -= 1
        if block & 63 == 63:
            part = block >> 6
            while by_4096[part] == 0:
                part -= 1
            block = (part << 6) + 63
            while by_64[block] == 0:
                block -= 1
        rank = (block << 6) + 63
        while by_rank[rank, 0] == 0:
            rank -= 1
    return rank


@njit(cache=True, nogil=True)
def _settle_nb(counters: _Counters, flow: Int64, share_num: int, share_den: int) -> None:
    # Move the pointer to the smallest rank with the wanted share of the trades at or below it.
    by_rank = counters[0]
    pointer, n_low = flow[6], flow[10]
    n_wanted = -(-share_num * (flow[3] + flow[4] + flow[5]) // share_den)
    while n_low < n_wanted:
        pointer = _next_rank_nb(counters, pointer)
        n_low += by_rank[pointer, 0]
        for side in range(3):
            flow[7 + side] -= by_rank[pointer, 1 + side]
    while n_low - by_rank[pointer, 0] >= n_wanted:
        n_low -= by_rank[pointer, 0]
        for side in range(3):
            flow[7 + side] += by_rank[pointer, 1 + side]
        pointer = _previous_rank_nb(counters, pointer)
    flow[6], flow[10] = pointer, n_low


@njit(cache=True, nogil=True)
def _count_nb(counters: _Counters, flow: Int64, rank: int, side: int, lots: int, step: int) -> None:
    # One trade comes in (step 1) or leaves (step -1, with its lots negative).
    by_rank, by_64, by_4096 = counters
    flow[side] += lots
    flow[3 + side] += step
    by_rank[rank, 0] += step
    by_rank[rank, 1 + side] += lots
    by_64[rank >> 6] += step
    by_4096[rank >> 12] += step
    if rank <= flow[6]:
        flow[10] += step
    else:
        flow[7 + side] += lots


@njit(cache=True, nogil=True)
def _rolling_nb(
    ts: Int64,
    qty: Int64,
    sign: Int8,
    rank: Int64,
    end_idx: Int64,
    floor_idx: Int64,
    rule: tuple[int, int, int, int],
) -> Int64:
    # One column per window: lots sold, unsigned, bought; their trades; rank of the quantile; lots
    # above it sold, unsigned, bought. ``rule``: window, share as a fraction, number of ranks.
    window, share_num, share_den, n_ranks = rule
    n_4096 = (n_ranks >> 12) + 1
    counters = (
        np.zeros((((n_ranks >> 6) + 1) << 6, 4), np.int64),
        np.zeros(n_4096 << 6, np.int64),
        np.zeros(n_4096, np.int64),
    )
    flow = np.zeros(11, np.int64)  # a column, then the number of trades at or below the quantile
    columns = np.empty((10, len(end_idx)), np.int64)
    first, end = 0, 0
    for k in range(len(end_idx)):
        last = end_idx[k] - 1
        for i in range(end, last + 1):
            _count_nb(counters, flow, rank[i], sign[i] + 1, qty[i], 1)
        end = last + 1
        while first < floor_idx[k] or ts[last] - ts[first] >= window:
            _count_nb(counters, flow, rank[first], sign[first] + 1, -qty[first], -1)
            first += 1
        _settle_nb(counters, flow, share_num, share_den)
        for column in range(10):
            columns[column, k] = flow[column]
    return columns


@njit(cache=True, nogil=True)
def _last_at_nb(ts: Int64, bound: Int64) -> Int64:
    # Position of the last element of ``ts`` at or before each bound, -1 for none; both rise.
    idx = np.empty(len(bound), np.int64)
    position = 0
    for k in range(len(bound)):
        while position < len(ts) and ts[position] <= bound[k]:
            position += 1
        idx[k] = position - 1
    return idx
