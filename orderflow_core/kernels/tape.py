"""How fast the tape runs: sums over a moving time window and their average over the last trades."""

import numpy as np
from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _pace_nb(
    trades: tuple[Int64, Int64, Int64],
    end_idx: Int64,
    held: Int64,
    rule: tuple[int, int],
    ring: Int64,
    columns: Float64,
) -> None:
    # ``trades``: time, amount, whether a session starts. Column k, of the trades before
    # ``end_idx[k]``: threshold, pace, whether it is above. ``held``: first trade to be done, first
    # of the window; time of the session's first trade, sum over the window, paces averaged so far,
    # sum of the ring. ``rule``: window, threshold as a percentage of the average.
    (ts, amount, is_start), (window, percentage) = trades, rule
    done, first, start_ns, running = held[0], held[1], held[2], held[3]
    n_paces, total = held[4], held[5]
    for k in range(len(end_idx)):
        for i in range(done, end_idx[k]):
            if is_start[i] != 0:
                first, start_ns, running, n_paces, total = i, ts[i], 0, 0, 0
            running += amount[i]
            while ts[i] - ts[first] >= window:
                running -= amount[first]
                first += 1
            if ts[i] - start_ns >= window:
                slot = n_paces % len(ring)
                total += abs(running) - (ring[slot] if n_paces >= len(ring) else 0)
                ring[slot] = abs(running)
                n_paces += 1
        done = max(done, end_idx[k])
        span = min(ts[done - 1] - start_ns, window)
        pace = running * (window / span) if span > 0 else np.nan
        threshold = np.nan
        if span == window and n_paces >= len(ring):
            # One rounding, at the division: a pace at its threshold exactly must not pass it.
            threshold = float(total) * percentage / (100.0 * len(ring))
        columns[0, k], columns[1, k], columns[2, k] = threshold, pace, abs(pace) > threshold
    held[0], held[1], held[2], held[3], held[4] = done, first, start_ns, running, n_paces
    held[5] = total
