"""Refills at a price: what was taken and what came back, summed by price and side in a moving window.

A cell is a price and a side.
"""

from typing import TypeAlias

from numba import njit

from orderflow_core.types import Bool, Int64

# Hits: time, cell, lots taken, lots refilled.
_Hits: TypeAlias = tuple[Int64, Int64, Int64, Int64]
# By cell: refills, lots taken and refilled within the window, last hit with an alarm (-1: none).
_Cells: TypeAlias = tuple[Int64, Int64, Int64, Int64]


@njit(cache=True, nogil=True)
def _refill_windows_nb(
    hits: _Hits,
    opens: Bool,
    n_tail: int,
    cells: _Cells,
    rule: tuple[int, int, int, int],
    is_above: Bool,
    out: tuple[Int64, Int64, Int64, Bool],
) -> None:
    ts, cell, taken, refilled = hits
    n_refills, taken_lots, refilled_lots, last_above = cells
    window_ns, least_refills, share_num, share_den = rule
    oldest = session = 0
    for i in range(len(ts)):
        c = cell[i]
        if opens[i]:
            session = i
        while oldest < session or ts[oldest] <= ts[i] - window_ns:
            n_refills[cell[oldest]] -= refilled[oldest] > 0
            taken_lots[cell[oldest]] -= taken[oldest]
            refilled_lots[cell[oldest]] -= refilled[oldest]
            oldest += 1
        n_refills[c] += refilled[i] > 0
        taken_lots[c] += taken[i]
        refilled_lots[c] += refilled[i]
        k = i - n_tail
        if k >= 0:  # what the chunk before left in the window is summed, and judged already
            out[0][k], out[1][k], out[2][k] = n_refills[c], taken_lots[c], refilled_lots[c]
            is_enough = refilled_lots[c] * share_den >= taken_lots[c] * share_num
            is_above[i] = n_refills[c] >= least_refills and is_enough
            last = last_above[c]
            is_again = last >= session and ts[max(last, 0)] > ts[i] - window_ns
            out[3][k] = is_above[i] and not is_again
        if is_above[i]:
            last_above[c] = i
