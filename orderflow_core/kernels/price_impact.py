"""Price impact over a moving window; the window's sums are carried, results go into arrays.

A row is a trade: time, price, lots, signed lots, twice the mid, whether the mid is known, whether a
session starts. Squares of lots leave int64, so lots enter products in two parts of 16 low bits and
the rest: sums of those stay exact, and what leaves a window leaves nothing behind.
"""

import math

from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _observe_nb(sums: Int64, reach: Float64, lots: int, move: int, step: int) -> None:
    # One signed volume with the move of the mid that followed comes in (step 1) or leaves (-1).
    high, low = lots >> 16, lots & 65535
    sums[0] += step
    sums[1] += step * lots
    sums[2] += step * move
    sums[3] += step * high * move
    sums[4] += step * low * move
    sums[5] += step * high * high
    sums[6] += step * high * low
    sums[7] += step * low * low
    size = abs(float(high)) + 65536.0 + abs(float(move))
    reach[0] += step * size * size


@njit(cache=True, nogil=True)
def _group_end_nb(rows: Int64, first: int, end: int) -> int:
    # Trades of one time are one observation; the window holds one session only.
    i = first + 1
    while i < end and rows[i, 0] == rows[first, 0]:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _observe_group_nb(
    rows: Int64, sums: Int64, reach: Float64, first: int, after: int, step: int
) -> None:
    # ``after`` is the first trade of the next time: its mid shows what the group moved.
    if rows[first, 5] == 0 or rows[after, 5] == 0:
        return
    lots = 0
    for i in range(first, after):
        lots += rows[i, 3]
    _observe_nb(sums, reach, lots, rows[after, 4] - rows[first, 4], step)


@njit(cache=True, nogil=True)
def _turnover_nb(rows: Int64, sums: Int64, reach: Float64, i: int, step: int) -> None:
    price, lots = abs(rows[i, 1]), rows[i, 2]
    sums[8] += step * price * (lots >> 16)
    sums[9] += step * price * (lots & 65535)
    reach[0] += step * float(price) * (float(lots) / 65536.0 + 65536.0)


@njit(cache=True, nogil=True)
def _pair_nb(rows: Int64, sums: Int64, reach: Float64, i: int, step: int) -> None:
    # The price change into trade i + 1 times the one into trade i + 2.
    change, next_change = rows[i + 1, 1] - rows[i, 1], rows[i + 2, 1] - rows[i + 1, 1]
    sums[10] += step * change * next_change
    reach[0] += step * abs(float(change) * float(next_change))


@njit(cache=True, nogil=True)
def _kyle_nb(sums: Int64) -> float:
    # Slope in half ticks a lot; none without two different volumes. Sums are taken about a whole
    # number next to the mean volume: about zero, volumes that are nearly alike would cancel. Terms
    # may wrap past int64 on the way; what they come to is exact where the floats say that it fits.
    n, lots, moves = int(sums[0]), int(sums[1]), int(sums[2])
    if n < 2:
        return math.nan
    near = lots // n
    rest = float(lots - near * n)
    products = float(sums[3]) * 65536.0 + float(sums[4]) - float(near) * moves
    if abs(products) < 2.0**61:
        products = float(int(sums[3]) * 65536 + int(sums[4]) - near * moves)
    squares = float(sums[5]) * 4294967296.0 + float(sums[6]) * 131072.0 + float(sums[7])
    squares -= float(near) * (2.0 * lots - float(n) * near)
    if abs(squares) < 2.0**61:
        squares = float(
            int(sums[5]) * 4294967296
            + int(sums[6]) * 131072
            + int(sums[7])
            - near * (2 * lots - n * near)
        )
    spread = n * squares - rest * rest
    return (n * products - rest * moves) / spread if spread > 0.0 else math.nan


@njit(cache=True, nogil=True)
def _roll_nb(rows: Int64, sums: Int64, first: int, last: int) -> float:
    n_changes = last - first
    if n_changes < 2:
        return math.nan
    total = rows[last, 1] - rows[first, 1]
    ends = (rows[first + 1, 1] - rows[first, 1]) + (rows[last, 1] - rows[last - 1, 1])
    n, change = float(n_changes), float(total)
    # The sum of products about the mean change, times n^2: whole numbers until the root.
    products = n * n * sums[10] - n * change * (2 * change - ends) + (n - 1) * change * change
    return 2.0 * math.sqrt(max(0.0, -products / (n * n * (n - 1))))


@njit(cache=True, nogil=True)
def _amihud_nb(rows: Int64, sums: Int64, first: int, last: int) -> float:
    turnover = float(sums[8]) * 65536.0 + float(sums[9])
    # No turnover: the sum left int64, which the caller finds.
    if rows[first, 1] <= 0 or turnover == 0.0:
        return math.nan
    change = abs(float(rows[last, 1] - rows[first, 1]))
    return change / float(rows[first, 1]) / turnover


@njit(cache=True, nogil=True)
def _impact_nb(
    rows: Int64,
    end_idx: Int64,
    window_ns: int,
    held: Int64,
    sums: Int64,
    reach: Float64,
    columns: Float64,
) -> float:
    # Column k: of the rows before ``end_idx[k]``. ``held``: first row to be done, first row of the
    # window, first row of the newest time. Returns the largest reach of any sum.
    done, first, group = held[0], held[1], held[2]
    largest = reach[0]
    for k in range(len(end_idx)):
        for i in range(done, end_idx[k]):
            if rows[i, 6] != 0:
                first, group = i, i
                sums[:] = 0
                reach[0] = 0.0
            elif rows[i, 0] != rows[group, 0]:
                _observe_group_nb(rows, sums, reach, group, i, 1)
                group = i
            _turnover_nb(rows, sums, reach, i, 1)
            if i - first >= 2:
                _pair_nb(rows, sums, reach, i - 2, 1)
            while rows[i, 0] - rows[first, 0] >= window_ns:
                after = _group_end_nb(rows, first, i)
                _observe_group_nb(rows, sums, reach, first, after, -1)
                for j in range(first, after):
                    _turnover_nb(rows, sums, reach, j, -1)
                    if j + 2 <= i:
                        _pair_nb(rows, sums, reach, j, -1)
                first = after
            largest = max(largest, reach[0])
        done = max(done, end_idx[k])
        columns[0, k] = _kyle_nb(sums) / 2.0
        columns[1, k] = _roll_nb(rows, sums, first, done - 1)
        columns[2, k] = _amihud_nb(rows, sums, first, done - 1)
    held[0], held[1], held[2] = done, first, group
    return float(largest)
