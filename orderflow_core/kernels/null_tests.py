"""What follows a bar: whether price reaches a target on one side before a stop on the other."""

from numba import njit

from orderflow_core.types import Bool, Int8, Int64


@njit(cache=True, nogil=True)
def _first_reached_nb(
    high: Int64,
    low: Int64,
    close: Int64,
    last_bar: Int64,
    limits: tuple[int, int, int],
    is_hit: Bool,
    known_bar: Int64,
) -> None:
    n_bars, target, stop = limits
    for i in range(len(close)):
        is_hit[i], known_bar[i] = False, -1
        if i + n_bars > last_bar[i]:
            continue
        known_bar[i] = i + n_bars
        for k in range(i + 1, i + n_bars + 1):
            # Both in one bar: which came first is not known, and counts as the stop.
            if low[k] <= close[i] - stop:
                known_bar[i] = k
                break
            if high[k] >= close[i] + target:
                is_hit[i], known_bar[i] = True, k
                break


@njit(cache=True, nogil=True)
def _apart_nb(sign: Int8, is_scored: Bool, n_bars: int, is_kept: Bool) -> None:
    # Each signal at least ``n_bars`` after the one kept before it: no outcome counts twice.
    free = 0
    for i in range(len(sign)):
        is_kept[i] = sign[i] != 0 and is_scored[i] and i >= free
        if is_kept[i]:
            free = i + n_bars
