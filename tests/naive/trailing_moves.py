"""Obvious loops for orderflow_core.trailing_moves."""

import math


def trailing_move_sigma(t0_ns, ref_ts, ref_mid2, *, horizon_ns, window_ns, restart_idx):
    def price(at):
        found = None
        for ts, mid2 in zip(ref_ts, ref_mid2, strict=True):
            if ts <= at:
                found = mid2
        return found

    sigmas = []
    for i, t0 in enumerate(t0_ns):
        first = max(start for start in restart_idx if start <= i)
        squares = [
            (price(t0_ns[j]) - price(t0_ns[j] - horizon_ns)) ** 2
            for j in range(first, i + 1)
            if t0_ns[j] > t0 - window_ns
            and t0_ns[j] - horizon_ns >= t0_ns[first]
            and price(t0_ns[j] - horizon_ns) is not None
        ]
        is_warm = t0 - t0_ns[first] >= 2 * horizon_ns and squares
        sigmas.append(math.sqrt(sum(squares) / len(squares)) if is_warm else math.nan)
    return sigmas
