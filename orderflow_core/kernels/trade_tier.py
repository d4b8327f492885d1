"""The table of trades that the features beyond the core are made from, and the columns that need no more.

A row of the table is a trade: time, price, lots, signed lots, twice the mid that it met, whether that
is known, whether a session starts or a gap ends, running imbalance of the book, whether it is known,
ordinal of the sweep, lots of a large sweep (0 until one is over). ``known`` says what a column of the
results knows: the rows before an end, and times up to another.
"""

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Float64, Int8, Int64


@njit(cache=True, nogil=True)
def _take_rows_nb(
    trades: tuple[Int64, Int64, Int64, Int8, Int64],
    quotes: tuple[Int64, Int64, Bool],
    book: tuple[Int64, Bool],
    start_idx: Int64,
    first: int,
    rows: Int64,
) -> bool:
    # Writes trades from row ``first`` on; quotes and book may be empty. Whether a number is too large.
    (ts, price, qty, sign, sweep), (bid, ask, has_quote), (ofi, has_ofi) = trades, quotes, book
    is_bad, start, far, high = False, 0, 1 << 62, 1 << 40
    for i in range(len(ts)):
        row = rows[first + i]
        row[0], row[1], row[2], row[3] = ts[i], price[i], qty[i], sign[i] * qty[i]
        row[4], row[5], row[6], row[7], row[8] = 0, 0, 0, 0, 0
        row[9], row[10] = sweep[i], 0
        if len(bid) > 0:
            is_bad |= (min(bid[i], ask[i]) < -high) | (max(bid[i], ask[i]) > high)
            if has_quote[i] and ask[i] >= bid[i]:
                row[4], row[5] = bid[i] + ask[i], 1
        if len(ofi) > 0:
            row[7], row[8] = ofi[i], has_ofi[i]
        if start < len(start_idx) and start_idx[start] == i:
            row[6], start = 1, start + 1
        is_bad |= (ts[i] <= -far) | (ts[i] >= far) | (qty[i] > high)
        is_bad |= (price[i] < -high) | (price[i] > high)
    return is_bad


@njit(cache=True, nogil=True)
def _book_flow_nb(rows: Int64, known: tuple[Int64, Int64], held: Int64, columns: Float64) -> None:
    # Columns: signs added up; then the book's imbalance of the last 10 s and 60 s, two rows from
    # the end. ``held``: first row to be done, first since the start, first of either window, count.
    end_idx, known_ns = known
    done, floor, p10, p60, count = held[0], held[1], held[2], held[3], held[4]
    for k in range(len(end_idx)):
        for i in range(done, end_idx[k]):
            if rows[i, 6] != 0:
                floor, p10, p60, count = i, i, i, 0
            count += int(rows[i, 3] > 0) - int(rows[i, 3] < 0)
        done = max(done, end_idx[k])
        while p10 < done and rows[p10, 0] <= known_ns[k] - 10_000_000_000:
            p10 += 1
        while p60 < done and rows[p60, 0] <= known_ns[k] - 60_000_000_000:
            p60 += 1
        columns[0, k], columns[13, k], columns[14, k] = count, np.nan, np.nan
        if p10 > floor and rows[p10 - 1, 8] != 0 and rows[done - 1, 8] != 0:
            columns[13, k] = rows[done - 1, 7] - rows[p10 - 1, 7]
        if p60 > floor and rows[p60 - 1, 8] != 0 and rows[done - 1, 8] != 0:
            columns[14, k] = rows[done - 1, 7] - rows[p60 - 1, 7]
    held[0], held[1], held[2], held[3], held[4] = done, floor, p10, p60, count


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
def _book_and_signals_nb(
    rows: Int64,
    known: tuple[Int64, Int64],
    held: Int64,
    values: Float64,
    of_core: Int64,
    first: int,
    min_imbalance: float,
) -> None:
    # Both of the above in one call, as a live stream has a row or two at a time.
    _book_flow_nb(rows, known, held, values[first:])
    _signals_nb(values, of_core, first, min_imbalance)


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
