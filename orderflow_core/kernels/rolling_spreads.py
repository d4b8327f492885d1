"""Mean spreads over a moving window; the window's sums are carried, results go into arrays.

A row is a trade: time, price, lots (not looked at), signed lots or only their sign, twice the mid,
whether the mid is known, whether a session starts. Further columns may follow.
"""

import math

from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _has_cost_nb(rows: Int64, i: int) -> bool:
    return bool(rows[i, 3] != 0 and rows[i, 5] != 0)


@njit(cache=True, nogil=True)
def _side_nb(rows: Int64, i: int) -> int:
    return int(rows[i, 3] > 0) - int(rows[i, 3] < 0)


@njit(cache=True, nogil=True)
def _effective_nb(rows: Int64, sums: Int64, i: int, step: int) -> None:
    if _has_cost_nb(rows, i):
        sums[0] += step
        sums[1] += step * _side_nb(rows, i) * (2 * rows[i, 1] - rows[i, 4])


@njit(cache=True, nogil=True)
def _realise_nb(rows: Int64, sums: Int64, now: int, due: int, horizon_ns: int, step: int) -> int:
    # The mid that trade ``now`` met settles every trade that has waited for the horizon; returns
    # the first that has not. Taking the same trade out again (step -1) settles the same ones.
    # Trades without a cost wait for nothing: a stream without quotes must not keep them.
    while due < now and not _has_cost_nb(rows, due):
        due += 1
    if rows[now, 5] == 0:
        return due
    while rows[now, 0] - rows[due, 0] >= horizon_ns:
        if _has_cost_nb(rows, due):
            sign = _side_nb(rows, due)
            sums[2] += step
            sums[3] += step * sign * (2 * rows[due, 1] - rows[now, 4])
            sums[4] += step * sign * (rows[now, 4] - rows[due, 4])
        due += 1
    return due


@njit(cache=True, nogil=True)
def _mean_nb(total: int, n: int) -> float:
    # Of half ticks, in ticks.
    return total / n / 2.0 if n > 0 else math.nan


@njit(cache=True, nogil=True)
def _spreads_nb(
    rows: Int64,
    end_idx: Int64,
    window_ns: int,
    horizon_ns: int,
    held: Int64,
    sums: Int64,
    columns: Float64,
) -> None:
    # Column k: of the rows before ``end_idx[k]``. ``held``: first row to be done, first row of the
    # window, first row not yet settled, first row whose settlement has not left the window.
    done, first, due, gone = held[0], held[1], held[2], held[3]
    for k in range(len(end_idx)):
        for i in range(done, end_idx[k]):
            if rows[i, 6] != 0:
                first, due, gone = i, i, i
                sums[:] = 0
            _effective_nb(rows, sums, i, 1)
            due = _realise_nb(rows, sums, i, due, horizon_ns, 1)
            while rows[i, 0] - rows[first, 0] >= window_ns:
                _effective_nb(rows, sums, first, -1)
                gone = _realise_nb(rows, sums, first, gone, horizon_ns, -1)
                first += 1
        done = max(done, end_idx[k])
        columns[0, k] = _mean_nb(sums[1], sums[0])
        columns[1, k] = _mean_nb(sums[3], sums[2])
        columns[2, k] = _mean_nb(sums[4], sums[2])
    held[0], held[1], held[2], held[3] = done, first, due, gone
