"""Figures by trade that go on from the first trade of a session: costs, tape, and what is made of columns.

A table has a column a trade and one more. Its rows: 0 time, 1 lots before the trade; 2 sign of a trade
whose cost is known, 3 twice its price; before the trade 4 costs, 5 their sum, 6 settled costs, 7 their
sum; with the trade 10 lots of the last seconds, 11 their sum over the last trades (-1: too few yet), 12
time since the start, at most the window, 13 position of the first trade since the start; 8, 9 and 14 to
17 belong to the large sweeps. Totals never start anew: a window holds one session, and what came before
it cancels.
"""

import math
from typing import TypeAlias

import numpy as np
from numba import njit, uintp

from orderflow_core.types import Bool, Float64, Int8, Int64

_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int8, Int64]


@njit(cache=True, nogil=True)
def _take_costs_nb(
    trades: _Trades,
    quotes: tuple[Int64, Int64, Bool],
    start_idx: Int64,
    horizon_ns: int,
    held: Int64,
    table: Int64,
) -> None:
    # ``held[2]``: first trade not yet settled; ``held[8]``: first since the start. The mid that a trade
    # met settles every trade that has waited for the horizon. Trades without a cost wait for nothing:
    # a stream without quotes must not keep them.
    (ts, price, _, sign, _), (bid, ask, is_known) = trades, quotes
    first, due, floor, start = held[0], held[2], held[8], 0
    n_costs, costs = table[4, first], table[5, first]
    n_settled, settled = table[6, first], table[7, first]
    times, cost_sign, twice_price = table[0], table[2], table[3]
    for i in range(len(ts)):
        j = first + i
        if start < len(start_idx) and start_idx[start] == i:
            due, floor, start = j, j, start + 1
        knows = len(bid) > 0 and is_known[i] and ask[i] >= bid[i]
        mid2 = bid[i] + ask[i] if knows else 0
        times[j], cost_sign[j], twice_price[j] = ts[i], sign[i] if knows else 0, 2 * price[i]
        n_costs += cost_sign[j] != 0
        costs += cost_sign[j] * (twice_price[j] - mid2)
        while due < j and cost_sign[due] == 0:
            due += 1
        while knows and ts[i] - times[due] >= horizon_ns:
            n_settled += cost_sign[due] != 0
            settled += cost_sign[due] * (twice_price[due] - mid2)
            due += 1
        table[4, j + 1], table[5, j + 1] = n_costs, costs
        table[6, j + 1], table[7, j + 1], table[13, j] = n_settled, settled, floor
    held[2], held[8] = due, floor


@njit(cache=True, nogil=True)
def _take_paces_nb(
    trades: _Trades, start_idx: Int64, window_ns: int, held: Int64, ring: Int64, table: Int64
) -> None:
    # ``held[3:8]``: first trade of the window; time of the start; paces averaged since then, sum of the
    # ring, place of the next pace in it.
    (ts, _, qty, _, _), times, lots_before = trades, table[0], table[1]
    first, inside, start_ns, start = held[0], held[3], held[4], 0
    n_paces, total, slot, lots = held[5], held[6], held[7], lots_before[first]
    for i in range(len(ts)):
        j = first + i
        if start < len(start_idx) and start_idx[start] == i:
            inside, start_ns, n_paces, total, slot, start = j, ts[i], 0, 0, 0, start + 1
        lots += qty[i]
        lots_before[j + 1] = lots
        while ts[i] - times[inside] >= window_ns:
            inside += 1
        pace = lots - lots_before[inside]
        if ts[i] - start_ns >= window_ns:
            total += pace - (ring[slot] if n_paces >= len(ring) else 0)
            ring[slot] = pace
            n_paces += 1
            slot = slot + 1 if slot + 1 < len(ring) else 0
        table[10, j], table[11, j] = pace, total if n_paces >= len(ring) else -1
        table[12, j] = min(ts[i] - start_ns, window_ns)
    held[3], held[4], held[5], held[6], held[7] = inside, start_ns, n_paces, total, slot


@njit(cache=True, nogil=True)
def _advanced_nb(times: Int64, first: int, end: int, n: int, left_ns: int) -> int:
    # As in feature_windows: the first trade from ``first`` on, of those before ``end``, that has not left.
    while first + 4 <= n:
        step = int(times[uintp(first)] <= left_ns) + int(times[uintp(first + 1)] <= left_ns)
        step += int(times[uintp(first + 2)] <= left_ns) + int(times[uintp(first + 3)] <= left_ns)
        first += step
        if step < 4:
            return min(first, end)
    while first < end and times[uintp(first)] <= left_ns:
        first += 1
    return first


@njit(cache=True, nogil=True)
def _mean_nb(total: int, n: int) -> float:
    # Of half ticks, in ticks.
    return total / n / 2.0 if n > 0 else math.nan


@njit(cache=True, nogil=True)
def _cost_rows_nb(
    table: Int64, end_idx: Int64, window_ns: int, held: Int64, columns: Float64
) -> None:
    # Mean effective and realised half-spread of the window that ends with the last known trade, whose
    # first trade is ``held[1]``.
    times, n_costs, costs, n_settled, settled = table[0], table[4], table[5], table[6], table[7]
    floor, a, n = table[13], held[1], held[0]
    for k in range(len(end_idx)):
        b = end_idx[k]
        left_ns = times[b - 1] - window_ns
        a = _advanced_nb(times, max(a, floor[b - 1]), b, n, left_ns)
        columns[0, k] = _mean_nb(costs[b] - costs[a], n_costs[b] - n_costs[a])
        columns[1, k] = _mean_nb(settled[b] - settled[a], n_settled[b] - n_settled[a])
    held[1] = a


@njit(cache=True, nogil=True)
def _pace_rows_nb(
    table: Int64, end_idx: Int64, rule: tuple[int, int], n_averaged: int, columns: Float64
) -> None:
    # Pace, and whether it is above the threshold. ``rule``: window, threshold as a percentage of the
    # average.
    paces, totals, elapsed, (window, percentage) = table[10], table[11], table[12], rule
    for k in range(len(end_idx)):
        last = end_idx[k] - 1
        # One rounding, at the division: a pace at its threshold exactly must not pass it.
        threshold = float(totals[last]) * percentage / (100.0 * n_averaged)
        columns[0, k], columns[1, k] = np.nan, 0.0
        if elapsed[last] > 0:
            columns[0, k] = pace = paces[last] * (window / elapsed[last])
            columns[1, k] = totals[last] >= 0 and pace > threshold


@njit(cache=True, nogil=True)
def _trade_rows_nb(
    trades: _Trades,
    quotes: tuple[Int64, Int64, Bool],
    start_idx: Int64,
    rule: tuple[int, int, int, int],
    end_idx: Int64,
    held: tuple[Int64, Int64],
    table: Int64,
    columns: Float64,
) -> None:
    # Takes the next trades and fills the rows due in them: tape in columns 1 and 2, costs in 3 and 4.
    # ``rule``: window of the costs, horizon, window of the tape, threshold; ``held``: trades in the
    # table and figures of the last one, last paces.
    (window, horizon, tape_window, percentage), (figures, ring) = rule, held
    _take_costs_nb(trades, quotes, start_idx, horizon, figures, table)
    _take_paces_nb(trades, start_idx, tape_window, figures, ring, table)
    n_before = figures[0]
    figures[0] = n_before + len(trades[0])
    if len(end_idx) == 0:
        return
    ends = end_idx + n_before
    _pace_rows_nb(table, ends, (tape_window, percentage), len(ring), columns[1:3])
    _cost_rows_nb(table, ends, window, figures, columns[3:5])


@njit(cache=True, nogil=True)
def _sign_nb(value: float) -> int:
    return int(value > 0) - int(value < 0)


@njit(cache=True, nogil=True)
def _signals_nb(values: Float64, of_core: Int64, first: int, min_imbalance: float) -> None:
    # Columns made from core ones, whose rows ``of_core`` tells: lots bought, sold, imbalance,
    # deviation from the VWAP, return. ``first``: the row of the first column beyond the core.
    for k in range(values.shape[1]):
        bought, sold, flow = values[of_core[0], k], values[of_core[1], k], values[of_core[2], k]
        deviation, move = values[of_core[3], k], values[of_core[4], k]
        if np.isnan(bought):
            values[first + 11, k], values[first + 12, k] = np.nan, np.nan
        values[first + 15, k], values[first + 16, k] = np.nan, np.nan
        if not (np.isnan(deviation) or np.isnan(flow)):
            side, strong = _sign_nb(deviation), int(flow >= min_imbalance)
            strong -= flow <= -min_imbalance
            values[first + 15, k] = side if side == strong else 0
            values[first + 16, k] = strong if side == -strong else 0
        values[first + 17, k] = np.nan
        if not (np.isnan(move) or np.isnan(bought)):
            toward = _sign_nb(bought - sold)
            values[first + 17, k] = toward if _sign_nb(move) * toward < 0 else 0


@njit(cache=True, nogil=True)
def _carry_bars_nb(
    known: tuple[Int64, Int64],
    price: Int64,
    bars: Float64,
    since: tuple[Int64, Int64],
    is_level: Bool,
    values: Float64,
) -> None:
    # What the last closed bar was, of a level how far the price is. Column j + 1 of ``bars`` counts
    # for what knows the trade at ``since[0][j]`` and a time of ``since[1][j]``; column 0 before.
    (end_idx, t0_ns), (first_idx, t1_ns) = known, since
    j, k = 0, 0
    while k < len(end_idx):
        while j < len(t1_ns) and first_idx[j] < end_idx[k] and t1_ns[j] <= t0_ns[k]:
            j += 1
        stop = k + 1
        while stop < len(end_idx) and not (
            j < len(t1_ns) and first_idx[j] < end_idx[stop] and t1_ns[j] <= t0_ns[stop]
        ):
            stop += 1
        for row in range(len(bars)):
            if is_level[row]:
                for i in range(k, stop):
                    values[row, i] = price[end_idx[i] - 1] - bars[row, j]
            else:
                values[row, k:stop] = bars[row, j]
        k = stop
