"""Obvious loops for orderflow_core.null_tests."""

import random
from itertools import pairwise


def future_moves(highs, lows, closes, starts, *, n_bars, target, stop):
    """Rows of (up hit, down hit, bar that knows the first, bar that knows the second)."""
    rows = []
    for first, end in pairwise([*starts, len(highs)]):
        for i in range(first, end):
            if i + n_bars >= end:
                rows.append((False, False, -1, -1))
                continue
            up = (False, i + n_bars)
            down = (False, i + n_bars)
            for k in range(i + n_bars, i, -1):  # backwards: the first bar has the last word
                if lows[k] <= closes[i] - stop:
                    up = (False, k)
                elif highs[k] >= closes[i] + target:
                    up = (True, k)
                if highs[k] >= closes[i] + stop:
                    down = (False, k)
                elif lows[k] <= closes[i] - target:
                    down = (True, k)
            rows.append((up[0], down[0], up[1], down[1]))
    return rows


def scored_signals(signs, known, n_bars):
    """Positions of the signals that count."""
    kept = []
    for i, sign in enumerate(signs):
        if sign != 0 and known[i] >= 0 and (not kept or i - kept[-1] >= n_bars):
            kept.append(i)
    return kept


def shuffled_hits(up, down, n_buys, n_null, seed):
    """Hits of really shuffled signs."""
    rng = random.Random(seed)
    signs = [1] * n_buys + [-1] * (len(up) - n_buys)
    hits = []
    for _ in range(n_null):
        rng.shuffle(signs)
        hits.append(sum(u if s > 0 else d for s, u, d in zip(signs, up, down, strict=True)))
    return hits
