"""Moving windows over trades: sums of lots and trades by side, and what follows from them."""

import numpy as np
from numba import njit, uintp

from orderflow_core.types import Bool, Float64, Int8, Int64


@njit(cache=True, nogil=True)
def _window_sums_nb(
    trades: tuple[Int64, Int64, Int8],
    rows: tuple[Int64, Int64],
    start_idx: Int64,
    held: Int64,
    sums: Int64,
    is_warm: Bool,
) -> None:
    # Unsigned positions need no test for counting from the end.
    (ts, qty, sign), (end_idx, left_ns) = trades, rows
    first, end, floor = held[0], held[1], held[2]
    buy, sell, n_buy, n_sell = held[3], held[4], held[5], held[6]
    sum_buy, sum_sell, sum_n_buy, sum_n_sell = sums[0], sums[1], sums[2], sums[3]
    start = held[7]
    for k in range(len(end_idx)):
        while end < end_idx[k]:
            i = uintp(end)
            is_buy, is_sell = sign[i] > 0, sign[i] < 0
            buy += is_buy * qty[i]
            sell += is_sell * qty[i]
            n_buy += is_buy
            n_sell += is_sell
            end += 1
        while start < len(start_idx) and start_idx[start] < end:
            floor = start_idx[start]
            start += 1
        while first < floor or (first < end and ts[uintp(first)] <= left_ns[k]):
            i = uintp(first)
            is_buy, is_sell = sign[i] > 0, sign[i] < 0
            buy -= is_buy * qty[i]
            sell -= is_sell * qty[i]
            n_buy -= is_buy
            n_sell -= is_sell
            first += 1
        sum_buy[k], sum_sell[k], sum_n_buy[k], sum_n_sell[k] = buy, sell, n_buy, n_sell
        is_warm[k] = first > floor
    held[0], held[1], held[2], held[3], held[4] = first, end, floor, buy, sell
    held[5], held[6], held[7] = n_buy, n_sell, start


@njit(cache=True, nogil=True)
def _ratios_nb(
    sums: Int64,
    imbalance: Int64 | Float64,
    mean_buy: Int64 | Float64,
    mean_sell: Int64 | Float64,
) -> None:
    # NaN over 0. Overwrites the sums: whole numbers below 2**52 become floats by their bits, for
    # which processors have vectors, unlike for the conversion; each division has a loop.
    rows, bits = range(len(imbalance)), 0
    for k in rows:
        bits |= sums[0, k] | sums[1, k] | sums[2, k] | sums[3, k]
    if bits >= 1 << 51:
        for k in rows:
            buy, sell, n_buy, n_sell = sums[0, k], sums[1, k], sums[2, k], sums[3, k]
            imbalance[k] = (buy - sell) / (buy + sell) if buy + sell else np.nan
            mean_buy[k] = buy / n_buy if n_buy else np.nan
            mean_sell[k] = sell / n_sell if n_sell else np.nan
        return
    for column in range(4):
        for k in rows:
            sums[column, k] |= 0x4330000000000000
    raised, two_52 = sums.view(np.float64), 4503599627370496.0
    for k in rows:
        bought, sold = raised[0, k] - two_52, raised[1, k] - two_52
        lots = bought + sold
        ratio = (bought - sold) / (lots if lots != 0.0 else 1.0)
        imbalance[k] = ratio if lots != 0.0 else np.nan
    for k in rows:
        n = raised[2, k] - two_52
        mean = (raised[0, k] - two_52) / (n if n != 0.0 else 1.0)
        mean_buy[k] = mean if n != 0.0 else np.nan
    for k in rows:
        n = raised[3, k] - two_52
        mean = (raised[1, k] - two_52) / (n if n != 0.0 else 1.0)
        mean_sell[k] = mean if n != 0.0 else np.nan


@njit(cache=True, nogil=True)
def _copied_nb(values: Int64, out: Int64 | Float64) -> None:
    for k in range(len(out)):
        out[k] = values[k]


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
    # the window, first trade since the last start; lots and trades bought and sold. In blocks of
    # rows that stay in the nearest cache, so that each column of results has a loop of its own.
    end_idx, left_ns = rows
    buy, sell, n_buy, n_sell, imbalance, mean_buy, mean_sell = out
    sums = np.empty((4, min(len(end_idx), 256)), np.int64)
    passed = np.zeros(8, np.int64)
    passed[:7] = held
    for a in range(0, len(end_idx), 256):
        z = min(a + 256, len(end_idx))
        block = (end_idx[a:z], left_ns[a:z])
        _window_sums_nb(trades, block, start_idx, passed, sums, is_warm[a:z])
        _copied_nb(sums[0], buy[a:z])
        _copied_nb(sums[1], sell[a:z])
        _copied_nb(sums[2], n_buy[a:z])
        _copied_nb(sums[3], n_sell[a:z])
        _ratios_nb(sums, imbalance[a:z], mean_buy[a:z], mean_sell[a:z])
    held[:] = passed[:7]


@njit(cache=True, nogil=True)
def _sums_at_ends_nb(
    trades: tuple[Int64, Int64, Int8],
    end_idx: Int64,
    window_ns: int,
    start_idx: Int64,
    held: Int64,
    out: tuple[Int64 | Float64, ...],
    is_warm: Bool,
) -> None:
    # The same for rows whose own time is that of their last trade.
    buy, sell, n_buy, n_sell, imbalance, mean_buy, mean_sell = out
    left_ns = np.empty(min(len(end_idx), 8_192), np.int64)
    for a in range(0, len(end_idx), 8_192):
        z = min(a + 8_192, len(end_idx))
        for k in range(a, z):
            left_ns[k - a] = trades[0][end_idx[k] - 1] - window_ns
        columns = (
            buy[a:z], sell[a:z], n_buy[a:z], n_sell[a:z], imbalance[a:z], mean_buy[a:z], mean_sell[a:z],
        )  # fmt: skip
        later = start_idx[np.searchsorted(start_idx, held[1]) :]
        rows = (end_idx[a:z], left_ns[: z - a])
        _rolling_sums_nb(trades, rows, later, held, columns, is_warm[a:z])


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
