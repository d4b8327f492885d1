"""Obvious loops for orderflow_core.footprint_tensor."""

import math
from fractions import Fraction


def bar_runs(t0_ns, t1_ns, gaps=(), session_start_ns=()):
    """``gaps`` are pairs (start, end)."""
    runs = []
    for t0, t1 in zip(t0_ns, t1_ns, strict=True):
        if any(start < t1 and end >= t0 for start, end in gaps):
            runs.append(-1)
        else:
            over = sum(end < t0 for _, end in gaps)
            runs.append(over + sum(start <= t0 for start in session_start_ns))
    return runs


def last_ended_bar(t1_ns, run, decision_ns, decision_run):
    found = []
    for t, own in zip(decision_ns, decision_run, strict=True):
        ended = [i for i, t1 in enumerate(t1_ns) if t1 <= t]
        is_same = bool(ended) and run[ended[-1]] == own != -1
        found.append(ended[-1] if is_same else -1)
    return found


def footprint_tensors(bars, closes, run, decisions, *, ticks_per_row, cell_ticks, n_bars, n_rows):
    """``bars`` are lists of (price, bid, ask, unsigned).

    Each decision that has a window gives (its position, lots as a dict of (bar, row, side), overflow
    as a dict of (bar, beyond, side), unsigned as a list, median level); side 0 buys, 1 sells.
    """
    found = []
    for position, last in enumerate(decisions):
        first = last - n_bars + 1
        if last < 0 or first < 0 or -1 in run[first : last + 1]:
            continue
        if len(set(run[first : last + 1])) > 1:
            continue
        centre = math.floor(Fraction(closes[last], cell_ticks)) * cell_ticks
        lots, overflow, unsigned, volumes = {}, {}, [0] * n_bars, []
        for b, cells in enumerate(bars[first : last + 1]):
            for price, bid, ask, unknown in cells:
                row = math.floor(Fraction(price - centre, ticks_per_row)) + n_rows // 2
                unsigned[b] += unknown
                volumes.append(bid + ask + unknown)
                for side, amount in enumerate((ask, bid)):
                    if 0 <= row < n_rows:
                        key = (b, row, side)
                        lots[key] = lots.get(key, 0) + amount
                    else:
                        key = (b, int(row >= n_rows), side)
                        overflow[key] = overflow.get(key, 0) + amount
        volumes.sort()
        half = len(volumes) // 2
        middle = volumes[half] if len(volumes) % 2 else (volumes[half - 1] + volumes[half]) / 2
        found.append((position, lots, overflow, unsigned, middle))
    return found


def normalised_tensors(lots, level):
    """One number: how much of a median level's volume a row held."""
    return math.log1p(lots / level)
