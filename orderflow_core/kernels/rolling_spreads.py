"""Mean spreads over a moving window; the window's sums are carried, results go into arrays.

A row is a trade: time, price, sign, twice the mid, whether the mid is known, whether a session
starts.
"""

import math

from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _has_cost_nb(rows: Int64, i: int) -> bool:
    return bool(rows[i, 2] != 0 and rows[i, 4] != 0)


@njit(cache=True, nogil=True)
def _effective_nb(rows: Int64, sums: Int64, i: int, step: int) -> None:
    if _has_cost_nb(rows, i):
        sums[0] += step
        sums[1] += step * rows[i, 2] * (2 * rows[i, 1] - rows[i, 3])


@njit(cache=True, nogil=True)
def _realise_nb(rows: Int64, sums: Int64, now: int, due: int, horizon_ns: int, step: int) -> int:
    # The mid that trade ``now`` met settles every trade that has waited for the horizon; returns
    # the first that has not. Taking the same trade out again (step -1) settles the same ones.
    # Trades without a cost wait for nothing: a stream without quotes must not keep them.
    while due < now and not _has_cost_nb(rows, due):
        due += 1
    if rows[now, 4] == 0:
        return due
    while rows[now, 0] - rows[due, 0] >= horizon_ns:
        if _has_cost_nb(rows, due):
            sign = rows[due, 2]
            sums[2] += step
            sums[3] += step * sign * (2 * rows[due, 1] - rows[now, 3])
            sums[4] += step * sign * (rows[now, 3] - rows[due, 3])
        due += 1
    return due


@njit(cache=True, nogil=True)
def _mean_nb(total: int, n: int) -> float:
    # Of half ticks, in ticks.
    return total / n / 2.0 if n > 0 else math.nan


@njit(cache=True, nogil=True)
def _spreads_nb(
    rows: Int64,
    position: tuple[int, int, int, int],
    window_ns: int,
    horizon_ns: int,
    sums: Int64,
    columns: Float64,
) -> tuple[int, int, int]:
    # ``position``: first row of the window, first row not yet settled, first row whose settlement
    # has not left the window, first row to be done. Returns the first three for the next call.
    first, due, gone, done = position
    for i in range(done, len(rows)):
        if rows[i, 5] != 0:
            first, due, gone = i, i, i
            sums[:] = 0
        _effective_nb(rows, sums, i, 1)
        due = _realise_nb(rows, sums, i, due, horizon_ns, 1)
        while rows[i, 0] - rows[first, 0] >= window_ns:
            _effective_nb(rows, sums, first, -1)
            gone = _realise_nb(rows, sums, first, gone, horizon_ns, -1)
            first += 1
        columns[0, i - done] = _mean_nb(sums[1], sums[0])
        columns[1, i - done] = _mean_nb(sums[3], sums[2])
        columns[2, i - done] = _mean_nb(sums[4], sums[2])
    return first, due, gone
