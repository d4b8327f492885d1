"""Running sums of signed volume and of other amounts, reset at each session; results go into the caller's array."""

from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _cumulative_delta_nb(
    sign: Int8, qty_lots: Int64, start_idx: Int64, carried: int, cvd: Int64
) -> None:
    for session in range(len(start_idx)):
        first = start_idx[session]
        end = start_idx[session + 1] if session + 1 < len(start_idx) else len(sign)
        running = carried if session == 0 else 0
        for i in range(first, end):
            running += sign[i] * qty_lots[i]
            cvd[i] = running


@njit(cache=True, nogil=True)
def _session_sum_nb(amount: Int64, start_idx: Int64, carried: int, total: Int64) -> None:
    for session in range(len(start_idx)):
        first = start_idx[session]
        end = start_idx[session + 1] if session + 1 < len(start_idx) else len(amount)
        running = carried if session == 0 else 0
        for i in range(first, end):
            running += amount[i]
            total[i] = running
