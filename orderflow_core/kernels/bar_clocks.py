"""Where bars that trades drive end; positions go into the caller's array.

An end is the position after a bar's last trade. A bar that is open before the first trade may end at
position 0, so the caller's array has room for one end more than there are trades.
"""

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _threshold_ends_nb(
    amount: Int64, start_idx: Int64, size: int, running: int, is_open: bool, end_idx: Int64
) -> tuple[int, int, bool]:
    # A bar ends with the trade that brings the magnitude of its sum of amounts to the size.
    n_bars, session = 0, 0
    for i in range(len(amount)):
        if session < len(start_idx) and start_idx[session] == i:
            session += 1
            if is_open:
                end_idx[n_bars] = i
                n_bars += 1
            running = 0
        running += amount[i]
        is_open = abs(running) < size
        if not is_open:
            end_idx[n_bars] = i + 1
            n_bars += 1
            running = 0
    return n_bars, running, is_open


@njit(cache=True, nogil=True)
def _range_ends_nb(
    price: Int64,
    start_idx: Int64,
    size: int,
    extremes: tuple[int, int],
    is_open: bool,
    end_idx: Int64,
) -> tuple[int, tuple[int, int], bool]:
    # A bar ends with the trade that brings the distance of its high from its low to the size.
    n_bars, session = 0, 0
    high, low = extremes
    for i in range(len(price)):
        if session < len(start_idx) and start_idx[session] == i:
            session += 1
            if is_open:
                end_idx[n_bars] = i
                n_bars += 1
            is_open = False
        high = max(high, price[i]) if is_open else price[i]
        low = min(low, price[i]) if is_open else price[i]
        is_open = high - low < size
        if not is_open:
            end_idx[n_bars] = i + 1
            n_bars += 1
    return n_bars, (high, low), is_open
