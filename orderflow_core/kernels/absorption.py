"""Absorption by bar: a bar's volume against the earlier bars that moved the price as far."""

import math

import numpy as np
from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _conditional_z_nb(
    volume: Int64,
    moved: Int64,
    since: Int64,
    n_tail: int,
    n_windows: int,
    least_windows: int,
    z: Float64,
) -> None:
    # Two passes over the window keep the squares about the mean: no running sum that drifts.
    for i in range(n_tail, len(volume)):
        first = max(since[i], i - n_windows)
        bins, lots = moved[first:i], volume[first:i]
        n = total = 0
        for j in range(len(bins)):
            is_like = bins[j] == moved[i]
            n += is_like
            total += is_like * lots[j]
        z[i - n_tail] = np.nan
        if n < least_windows:
            continue
        # About a whole number next to the mean: lots that no float can tell apart still differ.
        near = total // n
        rest, squares = (total - near * n) / n, 0.0
        for j in range(len(bins)):
            if bins[j] == moved[i]:
                squares += (lots[j] - near - rest) ** 2
        if squares > 0.0:
            z[i - n_tail] = (volume[i] - near - rest) / math.sqrt(squares / (n - 1))
