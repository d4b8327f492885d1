"""Obvious loop for orderflow_core.bulk_volume."""

import math
from statistics import NormalDist, stdev


def bulk_volume(closes, volumes, *, window, min_changes, session_starts=(0,)):
    """Bought volume (None where unknown), and the scale before each bar (None where unknown)."""
    bought, scales, changes = [], [], []
    for i, (close, volume) in enumerate(zip(closes, volumes, strict=True)):
        recent = changes[-window:]
        scale = stdev(recent) if len(recent) >= min_changes else None
        scales.append(scale)
        change = None if i in session_starts else close - closes[i - 1]
        if change is None or scale is None:
            bought.append(None)
        else:
            bought.append(volume * share(change, scale))
        if change is not None:
            changes.append(change)
    return bought, scales


def share(change, scale):
    if scale == 0 and change != 0:
        return 1.0 if change > 0 else 0.0
    return 0.5 if change == 0 else NormalDist().cdf(change / scale)


def lag_sweep(accuracies):
    """Position of the best, the first of equals; None where nothing is known."""
    known = [value for value in accuracies if not math.isnan(value)]
    return accuracies.index(max(known)) if known else None
