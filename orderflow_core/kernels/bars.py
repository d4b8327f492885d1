"""Bars: where each begins in the trades, and what its trades amount to."""

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _time_bars_nb(ts: Int64, interval_ns: int) -> tuple[Int64, Int64]:
    # Sorted times need a division only where a bar begins. Untouched pages of the room cost nothing.
    bar_id, first_idx = np.empty(len(ts), np.int64), np.empty(len(ts), np.int64)
    n_bars = 0
    end_ns = ts[0] if len(ts) else 0
    for i in range(len(ts)):
        if ts[i] >= end_ns:
            bar_id[n_bars] = ts[i] // interval_ns
            end_ns = (bar_id[n_bars] + 1) * interval_ns
            first_idx[n_bars] = i
            n_bars += 1
    return bar_id[:n_bars].copy(), first_idx[:n_bars].copy()


@njit(cache=True, nogil=True)
def _ohlc_nb(price: Int64, first_idx: Int64, end_idx: Int64) -> tuple[Int64, Int64, Int64, Int64]:
    # Loops over a slice of the bar's own compile to vector code, loops over first..end do not.
    n = len(first_idx)
    opened, high = np.empty(n, np.int64), np.empty(n, np.int64)
    low, closed = np.empty(n, np.int64), np.empty(n, np.int64)
    for bar in range(n):
        prices = price[first_idx[bar] : end_idx[bar]]
        top = bottom = prices[0]
        for i in range(len(prices)):
            top, bottom = max(top, prices[i]), min(bottom, prices[i])
        opened[bar], closed[bar] = prices[0], prices[-1]
        high[bar], low[bar] = top, bottom
    return opened, high, low, closed


@njit(cache=True, nogil=True)
def _sums_by_sign_nb(
    qty_lots: Int64, sign: Int8, first_idx: Int64, end_idx: Int64
) -> tuple[Int64, Int64, Int64, Int64, Int64]:
    n = len(first_idx)
    volume, delta = np.empty(n, np.int64), np.empty(n, np.int64)
    unsigned, n_buy, n_sell = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for bar in range(n):
        lots, signs = qty_lots[first_idx[bar] : end_idx[bar]], sign[first_idx[bar] : end_idx[bar]]
        total = net = unknown = buys = sells = 0
        for i in range(len(lots)):
            total += lots[i]
            net += signs[i] * lots[i]
            unknown += (signs[i] == 0) * lots[i]
            buys += signs[i] > 0
            sells += signs[i] < 0
        volume[bar], delta[bar], unsigned[bar] = total, net, unknown
        n_buy[bar], n_sell[bar] = buys, sells
    return volume, delta, unsigned, n_buy, n_sell


@njit(cache=True, nogil=True)
def _delta_extremes_nb(
    qty_lots: Int64, sign: Int8, first_idx: Int64, end_idx: Int64, include_zero_start: bool
) -> tuple[Int64, Int64]:
    n = len(first_idx)
    lowest, highest = np.empty(n, np.int64), np.empty(n, np.int64)
    for bar in range(n):
        lots, signs = qty_lots[first_idx[bar] : end_idx[bar]], sign[first_idx[bar] : end_idx[bar]]
        running = 0
        bottom = top = 0 if include_zero_start else signs[0] * lots[0]
        for i in range(len(lots)):
            running += signs[i] * lots[i]
            top, bottom = max(top, running), min(bottom, running)
        lowest[bar], highest[bar] = bottom, top
    return lowest, highest
