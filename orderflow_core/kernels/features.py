"""Columns of the feature matrix that a few running figures give; results go into the caller's rows.

``held`` arrays carry those figures from chunk to chunk and are changed in place. Positions count in
the arrays given and come first, so that the caller can move the arrays. A row is an end, which says
what is known, and a time.
"""

import math

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Float64, Int8, Int64


@njit(cache=True, nogil=True)
def _first_fault_nb(
    trades: tuple[Int64, Int64, Int8, Int64], start_idx: Int64, last: Int64, latest: int
) -> tuple[bool, float]:
    # Whether any rule of the trades is broken, also against the last trade before them, and the
    # sum of the sizes. Fills of a sweep share one time unless a start lies between; no time lies
    # beyond ``latest``.
    ts, qty, sign, sweep = trades
    last_ts, last_sweep, is_open = last[0], last[2], last[3] > 0
    is_bad, total, start = False, 0.0, 0
    for i in range(len(ts)):
        is_start = start < len(start_idx) and start_idx[start] == i
        start += is_start
        is_bad |= is_open & ((ts[i] < last_ts) | (sweep[i] < last_sweep))
        is_bad |= is_open & (not is_start) & (sweep[i] == last_sweep) & (ts[i] != last_ts)
        is_bad |= (qty[i] <= 0) | (sign[i] < -1) | (sign[i] > 1)
        is_bad |= (ts[i] < -latest) | (ts[i] > latest)
        total += qty[i]
        last_ts, last_sweep, is_open = ts[i], sweep[i], True
    return is_bad, total


@njit(cache=True, nogil=True)
def _running_nb(
    trades: tuple[Int64, Int64, Int8, Int64],
    end_idx: Int64,
    start_idx: Int64,
    held: Int64,
    sums: Float64,
    values: Float64,
) -> None:
    # ``held``: end; then since the last start the first price, lots, sum of q d, delta, sign of the
    # last price change, signs of the last three sweeps (2: none), lots and fills of the last one.
    # ``sums``: q d^2, and the magnitude of q d for the caller to see whether integers could
    # overflow. Rows of ``values``: 0 delta, 1 deviation from the VWAP, 6 last tick, 7.. the sweep.
    price, qty, sign, sweep = trades
    end, anchor, volume, first_moment = held[0], held[1], held[2], held[3]
    delta, tick = held[4], held[5]
    sweep_sign, lag1, lag2, lots, n_fills = held[6], held[7], held[8], held[9], held[10]
    second_moment, reach, largest_reach, start = sums[0], sums[1], sums[2], 0
    for k in range(len(end_idx)):
        for i in range(end, end_idx[k]):
            is_new = i > 0 and sweep[i] != sweep[i - 1]
            if start < len(start_idx) and start_idx[start] == i:
                anchor, volume, first_moment, delta, tick = price[i], 0, 0, 0, 0
                second_moment, reach, sweep_sign, lag1 = 0.0, 0.0, 2, 2
                is_new, start = True, start + 1
            elif price[i] != price[i - 1]:
                tick = 1 if price[i] > price[i - 1] else -1
            if is_new:
                lag2, lag1, sweep_sign, lots, n_fills = lag1, sweep_sign, sign[i], 0, 0
            lots, n_fills, volume = lots + qty[i], n_fills + 1, volume + qty[i]
            delta += sign[i] * qty[i]
            weighted = qty[i] * (price[i] - anchor)
            first_moment += weighted
            second_moment += float(weighted) * float(price[i] - anchor)
            reach += float(qty[i]) * abs(float(price[i]) - float(anchor))
            largest_reach = max(reach, largest_reach)
        end = max(end, end_idx[k])
        mean = first_moment / volume
        sd = math.sqrt(max(0.0, second_moment / volume - mean * mean))
        values[0, k] = delta
        values[1, k] = (price[end - 1] - (anchor + mean)) / sd if sd != 0 else np.nan
        values[6, k] = tick if tick != 0 else np.nan
        values[7, k], values[8, k], values[9, k] = sweep_sign, lots, n_fills
        values[10, k] = lag1 if lag1 != 2 else np.nan
        values[11, k] = lag2 if lag2 != 2 else np.nan
    held[0], held[1], held[2], held[3] = end, anchor, volume, first_moment
    held[4], held[5] = delta, tick
    held[6], held[7], held[8], held[9], held[10] = sweep_sign, lag1, lag2, lots, n_fills
    sums[0], sums[1], sums[2] = second_moment, reach, largest_reach


@njit(cache=True, nogil=True)
def _past_nb(
    trades: tuple[Int64, Int64, Int64],
    rows: tuple[Int64, Int64],
    start_idx: Int64,
    held: Int64,
    reach: Float64,
    values: Float64,
) -> None:
    # ``held``: end, first trade since the last start, first trades of the last 60 s, 10 s and 1 s;
    # sum of squared price changes from sweep to sweep up to the last sweep but one, and that sweep's
    # price; the same before the 60 s; sweeps of the last 10 s. ``reach``: magnitudes for the caller to
    # see whether integers could overflow. Rows of ``values``: 0 to 2 returns, 3 volatility, 10 sweeps.
    (ts, price, sweep), (end_idx, known_ns) = trades, rows
    end, floor, p60, p10, p1 = held[0], held[1], held[2], held[3], held[4]
    squares, close, left_squares, left_close, n_sweeps = held[5], held[6], held[7], held[8], held[9]
    start = 0
    for k in range(len(end_idx)):
        for i in range(end, end_idx[k]):
            if start < len(start_idx) and start_idx[start] == i:
                floor, p60, p10, p1, n_sweeps, start = i, i, i, i, 1, start + 1
                squares, close, left_squares, left_close = 0, price[i], 0, price[i]
            elif sweep[i] != sweep[i - 1]:
                squares += (price[i - 1] - close) ** 2
                reach[0] += (float(price[i - 1]) - float(close)) ** 2
                close, n_sweeps = price[i - 1], n_sweeps + 1
        end, t = max(end, end_idx[k]), known_ns[k]
        while p1 < end and ts[p1] <= t - 1_000_000_000:
            p1 += 1
        while p10 < end and ts[p10] <= t - 10_000_000_000:
            n_sweeps -= p10 == floor or sweep[p10] != sweep[p10 - 1]
            p10 += 1
        while p60 < end and ts[p60] <= t - 60_000_000_000:
            if p60 > floor and sweep[p60] != sweep[p60 - 1]:
                left_squares += (price[p60 - 1] - left_close) ** 2
                left_close = price[p60 - 1]
            p60 += 1
        now = price[end - 1]
        reach[1] = max(reach[1], abs(float(now) - float(close)))
        values[0, k] = now - price[p1 - 1] if p1 > floor else np.nan
        values[1, k] = now - price[p10 - 1] if p10 > floor else np.nan
        values[2, k], values[3, k] = np.nan, np.nan
        if p60 > floor:
            values[2, k] = now - price[p60 - 1]
            left = left_squares + (price[p60 - 1] - left_close) ** 2
            values[3, k] = math.sqrt(squares + (now - close) ** 2 - left)
        values[10, k] = n_sweeps if p10 > floor else np.nan
    held[0], held[1], held[2], held[3], held[4] = end, floor, p60, p10, p1
    held[5], held[6], held[7], held[8], held[9] = squares, close, left_squares, left_close, n_sweeps


@njit(cache=True, nogil=True)
def _touch_nb(
    price: Int64,
    quotes: tuple[Int64, Int64, Int64, Int64, Bool],
    end_idx: Int64,
    n_before: int,
    last: Int64,
    values: Float64,
) -> None:
    # The quote that the last known trade met; ``last``: that of the trade before the chunk, and
    # whether it is known. Rows of ``values``: spread, queue imbalance, microprice, mid deviation.
    bids, bid_sizes, asks, ask_sizes, is_known = quotes
    bid, bid_lots, ask, ask_lots, known = last[0], last[1], last[2], last[3], last[4] > 0
    for k in range(len(end_idx)):
        i = end_idx[k] - 1 - n_before
        if i >= 0:
            bid, bid_lots, ask, ask_lots = bids[i], bid_sizes[i], asks[i], ask_sizes[i]
            known = is_known[i]
        for row in range(4):
            values[row, k] = np.nan
        if known and ask >= bid:
            spread, total = float(ask - bid), bid_lots + ask_lots
            values[0, k] = spread
            if total != 0:
                queue = (bid_lots - ask_lots) / total
                values[1, k] = queue
                # (aB + bA) / (A + B) - (a + b) / 2 = (a - b) / 2 * (B - A) / (A + B). The sum with
                # zero turns the -0.0 of a locked quote into 0.0.
                values[2, k] = spread / 2 * queue + 0.0
            values[3, k] = price[end_idx[k] - 1] - (bid + ask) / 2
    if len(bids):
        last[0], last[1], last[2], last[3] = bids[-1], bid_sizes[-1], asks[-1], ask_sizes[-1]
        last[4] = is_known[-1]


@njit(cache=True, nogil=True)
def _core_rows_nb(
    trades: tuple[Int64, Int64, Int64, Int8, Int64],
    rows: tuple[Int64, Int64],
    start_idx: Int64,
    held: tuple[Int64, Int64, Int64],
    sums: tuple[Float64, Float64],
    quotes: tuple[Int64, Int64, Int64, Int64, Bool],
    place: tuple[int, bool],
    values: Float64,
) -> None:
    # All of the above in one call, as a live stream has a row or two at a time. ``held``: past,
    # running, quote; ``sums``: reach, moments; ``place``: trades before the chunk, whether it has
    # quotes.
    (ts, price, qty, sign, sweep), end_idx = trades, rows[0]
    _past_nb((ts, price, sweep), rows, start_idx, held[0], sums[0], values[11:22])
    trades_by_size = (price, qty, sign, sweep)
    _running_nb(trades_by_size, end_idx, start_idx, held[1], sums[1], values[9:21])
    if place[1]:
        _touch_nb(price, quotes, end_idx, place[0], held[2], values[22:26])
    else:
        values[22:26] = np.nan
