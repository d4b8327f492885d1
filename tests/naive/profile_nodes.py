"""Obvious loops for nodes: the kernel summed at each row, prominence by looking at each way."""

import math


def smoothed(volume, bandwidth, reach):
    """Smoothed value of each row from ``reach`` below the lowest to ``reach`` above the highest."""
    offsets = range(-math.ceil(4 * bandwidth), math.ceil(4 * bandwidth) + 1)
    weights = {j: math.exp(-0.5 * (j / bandwidth) ** 2) for j in offsets if abs(j / bandwidth) <= 4}
    scale = sum(weights.values())
    rows = range(min(volume) - reach, max(volume) + reach + 1)
    return {r: sum(volume.get(r - j, 0) * w for j, w in weights.items()) / scale for r in rows}


def prominence(values, row):
    """How far row stands out above the way to anything higher, on the better side of the two."""
    lowest = []
    for step in (-1, 1):
        way, at = [], row
        while at in values and values[at] <= values[row]:
            way.append(values[at])
            at += step
        lowest.append(min(way))
    return values[row] - max(lowest)
