"""Moving windows over trades: sums by side, and an exact quantile of the sizes with the lots above it.

The sizes in the window are counted per bucket, with partial counts of 64 buckets, so that the next
bucket that occurs is found in a few steps however sparse they are. Below 65,536 lots
a bucket is one size; above, 512 buckets share each doubling, and the trades of a bucket are linked
in the order of time, to be sorted when the quantile falls among them. The quantile is a pointer
into the buckets: one trade in or out moves it by at most one bucket that occurs.
"""

from typing import TypeAlias

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Float64, Int8, Int64

# Sizes in the window: by bucket (trades; lots sold, unsigned, bought), trades by 64 buckets; first
# and last trade of each wide bucket, and the trade after each in its bucket.
_Counters: TypeAlias = tuple[Int64, Int64, Int64, Int64]


@njit(cache=True, nogil=True)
def _first_fault_nb(ts: Int64, qty: Int64, sign: Int8) -> tuple[int, int, int]:
    # Position of the first trade that breaks a rule, and the rule: 1 times run back, 2 size not
    # positive, 3 sign outside the domain, 0 none. And the largest size, at a position without fault.
    largest, bad = 0, 0
    for i in range(len(qty)):
        largest = max(largest, qty[i])
        bad |= (qty[i] <= 0) | (sign[i] < -1) | (sign[i] > 1)
    earlier, later = ts[:-1], ts[1:]
    for i in range(len(later)):
        bad |= later[i] < earlier[i]
    if bad:
        for i in range(len(ts)):
            if i > 0 and ts[i] < ts[i - 1]:
                return i, 1, largest
            if qty[i] <= 0:
                return i, 2, largest
            if sign[i] < -1 or sign[i] > 1:
                return i, 3, largest
    return 0, 0, largest


@njit(cache=True, nogil=True)
def _rolling_sums_nb(
    trades: tuple[Int64, Int64, Int8],
    rows: tuple[Int64, Int64],
    start_idx: Int64,
    held: Int64,
    out: tuple[Int64 | Float64, ...],
    is_warm: Bool,
) -> None:
    # A row is an end, and the time at or before which trades have left. ``held``: first and end of
    # the window, first trade since the last start; lots and trades bought and sold.
    (ts, qty, sign), (end_idx, left_ns) = trades, rows
    out_buy, out_sell, out_n_buy, out_n_sell, imbalance, mean_buy, mean_sell = out
    first, end, floor = held[0], held[1], held[2]
    buy, sell, n_buy, n_sell = held[3], held[4], held[5], held[6]
    start = 0
    for k in range(len(end_idx)):
        while end < end_idx[k]:
            is_buy, is_sell = sign[end] > 0, sign[end] < 0
            buy += is_buy * qty[end]
            sell += is_sell * qty[end]
            n_buy += is_buy
            n_sell += is_sell
            end += 1
        while start < len(start_idx) and start_idx[start] < end:
            floor = start_idx[start]
            start += 1
        while first < floor or (first < end and ts[first] <= left_ns[k]):
            is_buy, is_sell = sign[first] > 0, sign[first] < 0
            buy -= is_buy * qty[first]
            sell -= is_sell * qty[first]
            n_buy -= is_buy
            n_sell -= is_sell
            first += 1
        out_buy[k], out_sell[k], out_n_buy[k], out_n_sell[k] = buy, sell, n_buy, n_sell
        imbalance[k] = (buy - sell) / (buy + sell) if buy + sell else np.nan
        mean_buy[k] = buy / n_buy if n_buy else np.nan
        mean_sell[k] = sell / n_sell if n_sell else np.nan
        is_warm[k] = first > floor
    held[0], held[1], held[2], held[3], held[4] = first, end, floor, buy, sell
    held[5], held[6] = n_buy, n_sell


@njit(cache=True, nogil=True)
def _wide_bucket_nb(size: int) -> int:
    # Of a size from 65,536 on.
    shift = 7
    while size >> shift >= 1_024:
        shift += 1
    return 65_536 + (shift - 7) * 512 + (size >> shift) - 512


@njit(cache=True, nogil=True)
def _next_bucket_nb(by_bucket: Int64, by_64: Int64, bucket: int) -> int:
    # Smallest bucket above that occurs in the window; the caller knows that there is one.
    bucket += 1
    while bucket & 63 and by_bucket[bucket, 0] == 0:
        bucket += 1
    if bucket & 63 == 0:
        block = bucket >> 6
        while by_64[block] == 0:
            block += 1
        bucket = block << 6
        while by_bucket[bucket, 0] == 0:
            bucket += 1
    return bucket


@njit(cache=True, nogil=True)
def _previous_bucket_nb(by_bucket: Int64, by_64: Int64, bucket: int) -> int:
    # Largest bucket below that occurs in the window; the caller knows that there is one.
    bucket -= 1
    while bucket & 63 != 63 and by_bucket[bucket, 0] == 0:
        bucket -= 1
    if bucket & 63 == 63:
        block = bucket >> 6
        while by_64[block] == 0:
            block -= 1
        bucket = (block << 6) + 63
        while by_bucket[bucket, 0] == 0:
            bucket -= 1
    return bucket


@njit(cache=True, nogil=True)
def _linked_bucket_nb(counters: _Counters, size: int, position: int, step: int) -> int:
    # The wide bucket of a trade, which joins the end of its chain (the order of time) or, with step
    # -1, leaves its front.
    by_bucket, ends, follower = counters[0], counters[2], counters[3]
    bucket = _wide_bucket_nb(size)
    wide = bucket - 65_536
    if step < 0:
        ends[wide, 0] = follower[position]
    elif by_bucket[bucket, 0] == 0:
        ends[wide, 0] = ends[wide, 1] = position
    else:
        follower[ends[wide, 1]] = position
        ends[wide, 1] = position
    return bucket


@njit(cache=True, nogil=True)
def _settle_nb(
    counts: tuple[Int64, Int64],
    pointer: int,
    n_low: int,
    wanted: int,
    share_den: int,
    above: tuple[int, int],
) -> tuple[int, int, int, int]:
    # Move the pointer to the smallest bucket with the wanted share (its trades times the share's
    # denominator) at or below it.
    by_bucket, by_64 = counts
    sold, bought = above
    if wanted == 0:  # the window is empty
        return 0, 0, 0, 0
    while n_low * share_den < wanted:
        pointer = _next_bucket_nb(by_bucket, by_64, pointer)
        n_low += by_bucket[pointer, 0]
        sold -= by_bucket[pointer, 1]
        bought -= by_bucket[pointer, 3]
    while (n_low - by_bucket[pointer, 0]) * share_den >= wanted:
        n_low -= by_bucket[pointer, 0]
        sold += by_bucket[pointer, 1]
        bought += by_bucket[pointer, 3]
        pointer = _previous_bucket_nb(by_bucket, by_64, pointer)
    return pointer, n_low, sold, bought


@njit(cache=True, nogil=True)
def _within_bucket_nb(
    counters: _Counters, qty: Int64, sign: Int8, bucket: int, n_above: int
) -> tuple[int, int, int]:
    # The size with ``n_above`` of the wide bucket's trades after it in order of size, and the lots
    # sold and bought above it within the bucket.
    ends, follower = counters[2], counters[3]
    n = counters[0][bucket, 0]
    sizes = np.empty(n, np.int64)
    position = ends[bucket - 65_536, 0]
    for j in range(n):
        sizes[j] = qty[position]
        position = follower[position]
    sizes.sort()
    size = sizes[n - 1 - n_above]
    sold = bought = 0
    position = ends[bucket - 65_536, 0]
    for _ in range(n):
        if qty[position] > size:
            sold += (sign[position] < 0) * qty[position]
            bought += (sign[position] > 0) * qty[position]
        position = follower[position]
    return size, sold, bought


@njit(cache=True, nogil=True)
def _rolling_quantile_nb(
    trades: tuple[Int64, Int64, Int8],
    rows: tuple[Int64, Int64],
    start_idx: Int64,
    share: tuple[int, int],
    counters: _Counters,
    held: Int64,
    out: tuple[Int64 | Float64, ...],
) -> None:
    # Rows as in _rolling_sums_nb. ``held``: first and end of the window, first trade since the last
    # start, pointer; trades at or below it, all lots, lots sold and bought above it. ``out``: the
    # quantile, and the lots bought and sold above it over all lots. Helpers are called in rare
    # cases only: to hand over an array costs more than to count a trade.
    (ts, qty, sign), (end_idx, left_ns), (quantile, buy_ratio, sell_ratio) = trades, rows, out
    by_bucket, by_64, _, _ = counters
    first, end, floor, pointer = held[0], held[1], held[2], held[3]
    n_low, lots, sold, bought = held[4], held[5], held[6], held[7]
    (share_num, share_den), start = share, 0
    for k in range(len(end_idx)):
        while start < len(start_idx) and start_idx[start] < end_idx[k]:
            floor = start_idx[start]
            start += 1
        while True:
            if end < end_idx[k]:
                i, step, end = end, 1, end + 1
            elif first < floor or (first < end and ts[first] <= left_ns[k]):
                i, step, first = first, -1, first + 1
            else:
                break
            bucket = qty[i]
            if bucket >= 65_536:
                bucket = _linked_bucket_nb(counters, qty[i], i, step)
            by_bucket[bucket, 0] += step
            by_bucket[bucket, 2 + sign[i]] += step * qty[i]
            by_64[bucket >> 6] += step
            lots, n_low = lots + step * qty[i], n_low + step * (bucket <= pointer)
            above = (bucket > pointer) * step * qty[i]
            sold, bought = sold + (sign[i] < 0) * above, bought + (sign[i] > 0) * above
        wanted = share_num * (end - first)
        if n_low * share_den < wanted or (n_low - by_bucket[pointer, 0]) * share_den >= wanted:
            pointer, n_low, sold, bought = _settle_nb(
                (by_bucket, by_64), pointer, n_low, wanted, share_den, (sold, bought)
            )
        size, more_sold, more_bought = pointer, 0, 0
        if pointer >= 65_536:
            size, more_sold, more_bought = _within_bucket_nb(
                counters, qty, sign, pointer, n_low - -(-wanted // share_den)
            )
        quantile[k] = size
        buy_ratio[k] = (bought + more_bought) / lots if lots else np.nan
        sell_ratio[k] = (sold + more_sold) / lots if lots else np.nan
    held[0], held[1], held[2], held[3] = first, end, floor, pointer
    held[4], held[5], held[6], held[7] = n_low, lots, sold, bought


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
