"""An exact quantile of the sizes in a moving window of trades, and the lots above it by side.

The sizes in the window are counted per bucket, with partial counts of 64 buckets, so that the next
bucket that occurs is found in a few steps however sparse they are. Below 65,536 lots
a bucket is one size; above, 512 buckets share each doubling, and the trades of a bucket are linked
in the order of time, to be sorted when the quantile falls among them. The quantile is a pointer
into the buckets: one trade in or out moves it by at most one bucket that occurs.
"""

from typing import TypeAlias

import numpy as np
from numba import njit, uintp

from orderflow_core.types import Float64, Int8, Int64

# Sizes in the window: by bucket (trades; lots sold, unsigned, bought), trades by 64 buckets; first
# and last trade of each wide bucket, and the trade after each in its bucket.
_Counters: TypeAlias = tuple[Int64, Int64, Int64, Int64]


@njit(cache=True, nogil=True)
def _wide_bucket_nb(size: int) -> int:
    # Of a size from 65,536 on.
    shift = 7
    while size >> shift >= 1_024:
        shift += 1
    return 65_536 + (shift - 7) * 512 + (size >> shift) - 512


@njit(cache=True, nogil=True)
def _trades_at_nb(by_bucket: Int64, bucket: int) -> int:
    return int(by_bucket[bucket, 0] + by_bucket[bucket, 1] + by_bucket[bucket, 2])


@njit(cache=True, nogil=True)
def _lots_at_nb(by_bucket: Int64, bucket: int, side: int) -> int:
    # Of trades with one sign. Below 65,536 a bucket is a size; the lots of wide buckets have rows
    # behind those of all counts.
    if bucket < 65_536:
        return int(by_bucket[bucket, 1 + side] * bucket)
    n_wide = (len(by_bucket) - 65_536) // 2
    return int(by_bucket[bucket + n_wide, 1 + side])


@njit(cache=True, nogil=True)
def _next_bucket_nb(by_bucket: Int64, by_64: Int64, bucket: int) -> int:
    # Smallest bucket above that occurs in the window; the caller knows that there is one.
    bucket += 1
    while bucket & 63 and _trades_at_nb(by_bucket, bucket) == 0:
        bucket += 1
    if bucket & 63 == 0:
        block = bucket >> 6
        while by_64[block] == 0:
            block += 1
        bucket = block << 6
        while _trades_at_nb(by_bucket, bucket) == 0:
            bucket += 1
    return bucket


@njit(cache=True, nogil=True)
def _previous_bucket_nb(by_bucket: Int64, by_64: Int64, bucket: int) -> int:
    # Largest bucket below that occurs in the window; the caller knows that there is one.
    bucket -= 1
    while bucket & 63 != 63 and _trades_at_nb(by_bucket, bucket) == 0:
        bucket -= 1
    if bucket & 63 == 63:
        block = bucket >> 6
        while block > 0 and by_64[block] == 0:  # sizes below 64 have no count together
            block -= 1
        bucket = (block << 6) + 63
        while _trades_at_nb(by_bucket, bucket) == 0:
            bucket -= 1
    return bucket


@njit(cache=True, nogil=True)
def _linked_bucket_nb(counters: _Counters, size: int, position: int, step: int, side: int) -> int:
    # The wide bucket of a trade, which joins the end of its chain (the order of time) or, with step
    # -1, leaves its front. Its lots are counted here.
    by_bucket, ends, follower = counters[0], counters[2], counters[3]
    bucket = _wide_bucket_nb(size)
    wide = bucket - 65_536
    if step < 0:
        ends[wide, 0] = follower[position]
    elif _trades_at_nb(by_bucket, bucket) == 0:
        ends[wide, 0] = ends[wide, 1] = position
    else:
        follower[ends[wide, 1]] = position
        ends[wide, 1] = position
    by_bucket[bucket + (len(by_bucket) - 65_536) // 2, 1 + side] += step * size
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
        n_low += _trades_at_nb(by_bucket, pointer)
        sold -= _lots_at_nb(by_bucket, pointer, -1)
        bought -= _lots_at_nb(by_bucket, pointer, 1)
    while (n_low - _trades_at_nb(by_bucket, pointer)) * share_den >= wanted:
        n_low -= _trades_at_nb(by_bucket, pointer)
        sold += _lots_at_nb(by_bucket, pointer, -1)
        bought += _lots_at_nb(by_bucket, pointer, 1)
        pointer = _previous_bucket_nb(by_bucket, by_64, pointer)
    return pointer, n_low, sold, bought


@njit(cache=True, nogil=True)
def _within_bucket_nb(
    counters: _Counters, qty: Int64, sign: Int8, bucket: int, n_above: int
) -> tuple[int, int, int]:
    # The size with ``n_above`` of the wide bucket's trades after it in order of size, and the lots
    # sold and bought above it within the bucket.
    ends, follower = counters[2], counters[3]
    n = _trades_at_nb(counters[0], bucket)
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
def _window_sizes_nb(
    trades: tuple[Int64, Int64, Int8],
    rows: tuple[Int64, Int64],
    start_idx: Int64,
    share: tuple[int, int],
    counters: _Counters,
    held: Int64,
    quantile: Int64 | Float64,
    lots_of: tuple[Int64, Int64, Int64],
) -> None:
    # ``lots_of``: bought and sold above the quantile, and all. Functions are called in rare cases
    # only: to hand over an array costs more than to count a trade.
    (ts, qty, sign), (end_idx, left_ns), (share_num, share_den) = trades, rows, share
    by_bucket, by_64, above_buy, above_sell, in_all = counters[0], counters[1], *lots_of
    first, end, floor, pointer, start = held[0], held[1], held[2], held[3], held[8]
    n_low, lots, sold, bought = held[4], held[5], held[6], held[7]
    n_at = _trades_at_nb(by_bucket, pointer)
    for k in range(len(end_idx)):
        while start < len(start_idx) and start_idx[start] < end_idx[k]:
            floor, start = start_idx[start], start + 1
        while True:
            if end < end_idx[k]:
                i, step, end = end, 1, end + 1
            elif first < floor or (first < end and ts[uintp(first)] <= left_ns[k]):
                i, step, first = first, -1, first + 1
            else:
                break
            size, side = qty[uintp(i)], sign[uintp(i)]
            bucket, moved = size, step * size
            if size >= 65_536:
                bucket = _linked_bucket_nb(counters, size, i, step, side)
            by_bucket[uintp(bucket), uintp(1 + side)] += step
            # Most sizes are small: one count for all of them would wait for itself at each trade.
            by_64[uintp(bucket >> 6 if bucket >= 64 else len(by_64) - 64 + bucket)] += step
            lots, n_low = lots + moved, n_low + (step if bucket <= pointer else 0)
            n_at += step if bucket == pointer else 0
            above = moved if bucket > pointer else 0
            sold, bought = sold + (above if side < 0 else 0), bought + (above if side > 0 else 0)
        wanted = share_num * (end - first)
        if n_low * share_den < wanted or (n_low - n_at) * share_den >= wanted:
            pointer, n_low, sold, bought = _settle_nb(
                (by_bucket, by_64), pointer, n_low, wanted, share_den, (sold, bought)
            )
            n_at = _trades_at_nb(by_bucket, pointer)
        quantile[k], above_buy[k], above_sell[k], in_all[k] = pointer, bought, sold, lots
        if pointer >= 65_536:
            quantile[k], more_sold, more_bought = _within_bucket_nb(
                counters, qty, sign, pointer, n_low - -(-wanted // share_den)
            )
            above_buy[k], above_sell[k] = bought + more_bought, sold + more_sold
    held[0], held[1], held[2], held[3], held[8] = first, end, floor, pointer, start
    held[4], held[5], held[6], held[7] = n_low, lots, sold, bought


@njit(cache=True, nogil=True)
def _shares_nb(lots_of: Int64, buy_ratio: Int64 | Float64, sell_ratio: Int64 | Float64) -> None:
    # Lots bought and sold above over all lots, NaN without any; floats by their bits, for
    # which processors have vectors.
    rows, bits = range(len(buy_ratio)), 0
    for k in rows:
        bits |= lots_of[2, k]
    if bits >= 1 << 51:
        for k in rows:
            lots = lots_of[2, k]
            buy_ratio[k] = lots_of[0, k] / lots if lots else np.nan
            sell_ratio[k] = lots_of[1, k] / lots if lots else np.nan
        return
    for column in range(3):
        for k in rows:
            lots_of[column, k] |= 0x4330000000000000
    raised, two_52 = lots_of.view(np.float64), 4503599627370496.0
    for k in rows:
        lots = raised[2, k] - two_52
        share = (raised[0, k] - two_52) / (lots if lots != 0.0 else 1.0)
        buy_ratio[k] = share if lots != 0.0 else np.nan
    for k in rows:
        lots = raised[2, k] - two_52
        share = (raised[1, k] - two_52) / (lots if lots != 0.0 else 1.0)
        sell_ratio[k] = share if lots != 0.0 else np.nan


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
    # quantile, and the lots bought and sold above it over all lots.
    (end_idx, left_ns), (quantile, buy_ratio, sell_ratio) = rows, out
    lots_of = np.empty((3, min(len(end_idx), 256)), np.int64)
    passed = np.zeros(9, np.int64)
    passed[:8] = held
    for a in range(0, len(end_idx), 256):
        z = min(a + 256, len(end_idx))
        block = (end_idx[a:z], left_ns[a:z])
        above = (lots_of[0], lots_of[1], lots_of[2])
        _window_sizes_nb(trades, block, start_idx, share, counters, passed, quantile[a:z], above)
        _shares_nb(lots_of, buy_ratio[a:z], sell_ratio[a:z])
    held[:] = passed[:8]


@njit(cache=True, nogil=True)
def _quantile_at_ends_nb(
    trades: tuple[Int64, Int64, Int8],
    end_idx: Int64,
    window_ns: int,
    start_idx: Int64,
    share: tuple[int, int],
    counters: _Counters,
    held: Int64,
    out: tuple[Int64 | Float64, ...],
) -> None:
    # The same for rows whose own time is that of their last trade.
    quantile, buy_ratio, sell_ratio = out
    left_ns = np.empty(min(len(end_idx), 8_192), np.int64)
    for a in range(0, len(end_idx), 8_192):
        z = min(a + 8_192, len(end_idx))
        for k in range(a, z):
            left_ns[k - a] = trades[0][end_idx[k] - 1] - window_ns
        columns = (quantile[a:z], buy_ratio[a:z], sell_ratio[a:z])
        later = start_idx[np.searchsorted(start_idx, held[1]) :]
        rows = (end_idx[a:z], left_ns[: z - a])
        _rolling_quantile_nb(trades, rows, later, share, counters, held, columns)
