"""How fast the tape runs: sums over a moving time window and their average over the last trades."""

import numpy as np
from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _pace_nb(
    ts: Int64,
    amount: Int64,
    n_tail: int,
    start_idx: Int64,
    memory: tuple[int, int, int, int],
    rule: tuple[int, int],
    ring: Int64,
    columns: Float64,
) -> tuple[int, tuple[int, int, int, int]]:
    # The first ``n_tail`` trades are those of the window before the chunk. ``memory``: time of the
    # session's first trade, sum over the window, paces averaged so far, sum of the ring. ``rule``:
    # window, threshold as a percentage of the average.
    window, percentage = rule
    start_ns, running, n_paces, total = memory
    first, session = 0, 0
    for i in range(n_tail, len(ts)):
        if session < len(start_idx) and start_idx[session] == i - n_tail:
            session += 1
            start_ns, running, n_paces, total = ts[i], 0, 0, 0
            first = i
        running += amount[i]
        while ts[i] - ts[first] >= window:
            running -= amount[first]
            first += 1
        span = min(ts[i] - start_ns, window)
        columns[0, i - n_tail] = running * (window / span) if span > 0 else np.nan
        columns[1, i - n_tail] = np.nan
        if span == window:
            slot = n_paces % len(ring)
            total += abs(running) - (ring[slot] if n_paces >= len(ring) else 0)
            ring[slot] = abs(running)
            n_paces += 1
            if n_paces >= len(ring):
                # One rounding, at the division: a pace at its threshold exactly must not pass it.
                columns[1, i - n_tail] = float(total) * percentage / (100.0 * len(ring))
    return first, (start_ns, running, n_paces, total)
