"""Columns of the feature matrix that a few running figures give; results go into the caller's rows.

``held`` arrays carry those figures from chunk to chunk and are changed in place. ``trades``: time,
price, lots, sign, ordinal of the sweep.
"""

import math
from typing import TypeAlias

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Float64, Int8, Int64

_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int8, Int64]


@njit(cache=True, nogil=True)
def _first_fault_nb(
    trades: _Trades,
    quotes: tuple[Int64, Int64],
    start_idx: Int64,
    last: Int64,
    rule: tuple[int, int],
) -> tuple[bool, float]:
    # Whether any rule of the trades is broken, also against the last trade before them, and the
    # sum of the sizes. Fills of a sweep share one time unless a start lies between. ``rule``: no time
    # and no price lies beyond these.
    (ts, price, qty, sign, sweep), (bid, ask), (latest, highest) = trades, quotes, rule
    last_ts, last_sweep, is_open = last[0], last[2], last[3] > 0
    is_bad, total, start = False, 0.0, 0
    for i in range(len(ts)):
        is_start = start < len(start_idx) and start_idx[start] == i
        start += is_start
        is_bad |= is_open & ((ts[i] < last_ts) | (sweep[i] < last_sweep))
        is_bad |= is_open & (not is_start) & (sweep[i] == last_sweep) & (ts[i] != last_ts)
        is_bad |= (qty[i] <= 0) | (sign[i] < -1) | (sign[i] > 1)
        is_bad |= (ts[i] < -latest) | (ts[i] > latest)
        is_bad |= (price[i] < -highest) | (price[i] > highest)
        total += qty[i]
        last_ts, last_sweep, is_open = ts[i], sweep[i], True
    for side in (bid, ask):
        for i in range(len(side)):
            is_bad |= (side[i] < -highest) | (side[i] > highest)
    return is_bad, total


@njit(cache=True, nogil=True)
def _session_rows_nb(
    trades: _Trades,
    end_idx: Int64,
    start_idx: Int64,
    held: Int64,
    sums: Float64,
    values: Float64,
) -> None:
    # ``held``: price of the last trade; then since the last start the first price, lots, sum of q d,
    # delta, sign of the last price change. ``sums``: q d^2, and the magnitude of q d for the caller to
    # see whether integers could overflow. Rows of ``values``: 0 delta, 1 deviation from the VWAP, 6
    # last tick.
    _, price, qty, sign, _ = trades
    last_price, anchor, volume, first_moment = held[0], held[1], held[2], held[3]
    delta, tick, start, done = held[4], held[5], 0, 0
    second_moment, reach, largest_reach = sums[0], sums[1], sums[2]
    for k in range(len(end_idx) + 1):
        for i in range(done, end_idx[k] if k < len(end_idx) else len(price)):
            change, last_price = price[i] - last_price, price[i]
            if start < len(start_idx) and start_idx[start] == i:
                anchor, volume, first_moment, delta, tick, change = last_price, 0, 0, 0, 0, 0
                second_moment, reach, start = 0.0, 0.0, start + 1
            tick = tick if change == 0 else (1 if change > 0 else -1)
            volume += qty[i]
            delta += sign[i] * qty[i]
            weighted = qty[i] * (last_price - anchor)
            first_moment += weighted
            second_moment += float(weighted) * float(last_price - anchor)
            reach += float(qty[i]) * abs(float(last_price) - float(anchor))
            largest_reach = max(reach, largest_reach)
        if k < len(end_idx):
            done = max(done, end_idx[k])
            mean = first_moment / volume
            sd = math.sqrt(max(0.0, second_moment / volume - mean * mean))
            values[0, k] = delta
            values[1, k] = (last_price - (anchor + mean)) / sd if sd != 0 else np.nan
            values[6, k] = tick if tick != 0 else np.nan
    held[0], held[1], held[2], held[3] = last_price, anchor, volume, first_moment
    held[4], held[5] = delta, tick
    sums[0], sums[1], sums[2] = second_moment, reach, largest_reach


@njit(cache=True, nogil=True)
def _sweep_rows_nb(
    trades: _Trades, end_idx: Int64, start_idx: Int64, held: Int64, values: Float64
) -> None:
    # ``held[6:12]``: ordinal of the last sweep, signs of the last three (2: none), lots and fills of
    # the last one. Rows of ``values``: sign, lots, fills, signs of the two sweeps before.
    _, _, qty, sign, sweep = trades
    last_sweep, sweep_sign, lag1, lag2 = held[6], held[7], held[8], held[9]
    lots, n_fills, start, done = held[10], held[11], 0, 0
    for k in range(len(end_idx) + 1):
        for i in range(done, end_idx[k] if k < len(end_idx) else len(qty)):
            is_new, last_sweep = sweep[i] != last_sweep, sweep[i]
            if start < len(start_idx) and start_idx[start] == i:
                sweep_sign, lag1, is_new, start = 2, 2, True, start + 1
            if is_new:
                lag2, lag1, sweep_sign, lots, n_fills = lag1, sweep_sign, sign[i], 0, 0
            lots, n_fills = lots + qty[i], n_fills + 1
        if k < len(end_idx):
            done = max(done, end_idx[k])
            values[0, k], values[1, k], values[2, k] = sweep_sign, lots, n_fills
            values[3, k] = lag1 if lag1 != 2 else np.nan
            values[4, k] = lag2 if lag2 != 2 else np.nan
    held[6], held[7], held[8], held[9] = last_sweep, sweep_sign, lag1, lag2
    held[10], held[11] = lots, n_fills


@njit(cache=True, nogil=True)
def _touch_rows_nb(
    price: Int64,
    quotes: tuple[Int64, Int64, Int64, Int64, Bool],
    end_idx: Int64,
    last: Int64,
    values: Float64,
) -> None:
    # The quote that the last known trade met; ``last``: that of the trade before these, whether it is
    # known, and that trade's price. Rows of ``values``: spread, queue imbalance, microprice, mid
    # deviation.
    bids, bid_sizes, asks, ask_sizes, is_known = quotes
    bid, bid_lots, ask, ask_lots, known = last[0], last[1], last[2], last[3], last[4] > 0
    now = last[5]
    for k in range(len(end_idx)):
        i = end_idx[k] - 1
        if i >= 0:
            bid, bid_lots, ask, ask_lots = bids[i], bid_sizes[i], asks[i], ask_sizes[i]
            known, now = is_known[i], price[i]
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
            values[3, k] = now - (bid + ask) / 2
    if len(bids):
        last[0], last[1], last[2], last[3] = bids[-1], bid_sizes[-1], asks[-1], ask_sizes[-1]
        last[4], last[5] = is_known[-1], price[-1]


@njit(cache=True, nogil=True)
def _running_nb(
    trades: _Trades,
    quotes: tuple[Int64, Int64, Int64, Int64, Bool],
    end_idx: Int64,
    start_idx: Int64,
    held: tuple[Int64, Int64],
    sums: Float64,
    values: Float64,
) -> None:
    # Takes the next trades and fills the rows due in them: each knows the trades before a position.
    # ``held``: what the session's and the sweeps' figures hold, and the touch; no quotes: nothing known.
    _session_rows_nb(trades, end_idx, start_idx, held[0], sums, values[9:21])
    _sweep_rows_nb(trades, end_idx, start_idx, held[0], values[16:21])
    if len(trades[0]) > 0 and len(quotes[0]) == 0:
        values[22:26] = np.nan
    else:
        _touch_rows_nb(trades[1], quotes, end_idx, held[1], values[22:26])
