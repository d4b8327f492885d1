"""Bars: where each begins in the trades, and what its trades amount to.

Every bar is gone through once while it lies in the cache, one short loop a column: loops over a slice
compile to vector code, loops over first..end do not. Results go into the caller's arrays.
"""

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Float64, Int8, Int64


@njit(cache=True, nogil=True)
def _time_bars_nb(ts: Int64, interval_ns: int) -> tuple[Int64, Int64]:
    # Sorted times need a division only where a bar begins. Untouched pages of the room cost nothing.
    bar_id, first_idx = np.empty(len(ts), np.int64), np.empty(len(ts), np.int64)
    n_bars = 0
    first = 0
    while first < len(ts):
        bar_id[n_bars] = ts[first] // interval_ns
        first_idx[n_bars] = first
        end_ns = (bar_id[n_bars] + 1) * interval_ns
        first = _first_at_nb(ts, first, end_ns)
        n_bars += 1
    return bar_id[:n_bars].copy(), first_idx[:n_bars].copy()


@njit(cache=True, nogil=True)
def _n_back_nb(ts: Int64) -> int:
    # How often times run back.
    before, now = ts[:-1], ts[1:]
    n_bad = 0
    for i in range(len(now)):
        n_bad += now[i] < before[i]
    return n_bad


@njit(cache=True, nogil=True)
def _first_at_nb(ts: Int64, start: int, bound_ns: int) -> int:
    # First position past ``start`` whose time reaches the bound: steps that double, then halving.
    low, step = start, 1
    while low + step < len(ts) and ts[low + step] < bound_ns:
        low += step
        step *= 2
    high = min(low + step, len(ts))
    while high - low > 1:
        middle = (low + high) // 2
        if ts[middle] < bound_ns:
            low = middle
        else:
            high = middle
    return high


@njit(cache=True, nogil=True)
def _price_sums_nb(price: Int64, row: Int64) -> None:
    top = bottom = price[0]
    for i in range(len(price)):
        top, bottom = max(top, price[i]), min(bottom, price[i])
    row[0], row[1], row[2], row[3] = price[0], top, bottom, price[-1]


@njit(cache=True, nogil=True)
def _sign_sums_nb(sign: Int8, row: Int64) -> None:
    buys = sells = 0
    lowest, highest = sign[0], sign[0]
    for i in range(len(sign)):
        buys += sign[i] > 0
        sells += sign[i] < 0
        lowest, highest = min(lowest, sign[i]), max(highest, sign[i])
    row[7], row[8], row[9] = len(sign), buys, sells
    row[14] = max(-np.int64(lowest), np.int64(highest))


@njit(cache=True, nogil=True)
def _block_lots_nb(qty: Int64, sign: Int8) -> tuple[int, int, int, int, int]:
    total = bought = sold = 0
    smallest = largest = qty[0]
    for i in range(len(qty)):
        total += qty[i]
        smallest, largest = min(smallest, qty[i]), max(largest, qty[i])
        bought += qty[i] if sign[i] > 0 else 0
        sold += qty[i] if sign[i] < 0 else 0
    return total, bought, sold, smallest, largest


@njit(cache=True, nogil=True)
def _lot_sums_nb(qty: Int64, sign: Int8, include_zero_start: bool, row: Int64) -> None:
    # The running delta cannot leave what a block's buys alone and sells alone would make of it: only
    # blocks that might set an extreme are gone through trade by trade.
    volume = bought = sold = running = 0
    smallest = largest = qty[0]
    bottom = top = 0 if include_zero_start else sign[0] * qty[0]
    for start in range(0, len(qty), 128):
        lots, signs = qty[start : start + 128], sign[start : start + 128]
        total, buys, sells, low, high = _block_lots_nb(lots, signs)
        if running + buys > top or running - sells < bottom:
            here = running
            for i in range(len(lots)):
                here += signs[i] * lots[i]
                top, bottom = max(top, here), min(bottom, here)
        running += buys - sells
        volume, bought, sold = volume + total, bought + buys, sold + sells
        smallest, largest = min(smallest, low), max(largest, high)
    row[4], row[5], row[6] = volume, bought, sold
    row[10], row[11] = bottom, top
    row[12], row[13] = smallest, largest


@njit(cache=True, nogil=True)
def _moments_nb(price: Int64, qty: Int64, anchor: int, row: Int64) -> None:
    first = second = 0
    for i in range(len(price)):
        distance = price[i] - anchor
        weighted = qty[i] * distance
        first += weighted
        second += weighted * distance
    row[15], row[16] = first, second


@njit(cache=True, nogil=True)
def _bar_sums_nb(
    price: Int64,
    qty: Int64,
    sign: Int8,
    bounds: tuple[Int64, Int64],
    anchor: Int64,
    include_zero_start: bool,
    part: tuple[int, int],
    sums: Int64,
) -> None:
    # Columns of ``sums``: open, high, low, close; lots in all, bought, sold; trades in all, bought,
    # sold; extremes of the running delta; smallest and largest size, largest magnitude of a sign;
    # with an anchor, sums of q d and of q d^2. ``part``: first bar and the one past the last.
    first_idx, end_idx = bounds
    for bar in range(part[0], part[1]):
        a, b = first_idx[bar], end_idx[bar]
        _price_sums_nb(price[a:b], sums[bar])
        _sign_sums_nb(sign[a:b], sums[bar])
        _lot_sums_nb(qty[a:b], sign[a:b], include_zero_start, sums[bar])
        if len(anchor) > 0:
            _moments_nb(price[a:b], qty[a:b], anchor[bar], sums[bar])


@njit(cache=True, nogil=True)
def _second_moments_nb(
    price: Int64,
    qty: Int64,
    bounds: tuple[Int64, Int64],
    anchor: Int64,
    is_start: Bool,
    carried: float,
    total: Float64,
) -> None:
    # The sum of q d^2 since the last start, a float added in trade order, at the end of each bar.
    first_idx, end_idx = bounds
    running = carried
    for bar in range(len(first_idx)):
        if is_start[bar]:
            running = 0.0
        for i in range(first_idx[bar], end_idx[bar]):
            distance = price[i] - anchor[bar]
            running += float(qty[i] * distance) * float(distance)
        total[bar] = running


@njit(cache=True, nogil=True)
def _delta_since_extremes_nb(
    price: Int64,
    qty: Int64,
    sign: Int8,
    bounds: tuple[Int64, Int64],
    since_high: Int64,
    since_low: Int64,
) -> None:
    first_idx, end_idx = bounds
    for bar in range(len(first_idx)):
        high = low = price[first_idx[bar]]
        after_high = after_low = 0
        for i in range(first_idx[bar], end_idx[bar]):
            high, low = max(high, price[i]), min(low, price[i])
            after_high = 0 if price[i] == high else after_high + sign[i] * qty[i]
            after_low = 0 if price[i] == low else after_low + sign[i] * qty[i]
        since_high[bar], since_low[bar] = after_high, after_low
