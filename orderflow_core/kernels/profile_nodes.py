"""A profile smoothed along its ladder, its extrema, and how far each stands out."""

import numpy as np
from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _smooth_nb(volume: Float64, weights: Float64, smoothed: Float64) -> None:
    # ``smoothed`` reaches half of the weights past both ends. Empty rows add nothing and are passed.
    smoothed[:] = 0.0
    for row in range(len(volume)):
        if volume[row] != 0.0:
            for j in range(len(weights)):
                smoothed[row + j] += volume[row] * weights[j]


@njit(cache=True, nogil=True)
def _peaks_nb(values: Float64) -> Int64:
    # Positions of the maxima; of a flat top its middle, rounded down. The ends are none.
    peaks, n_peaks, i = np.empty(len(values), np.int64), 0, 1
    while i < len(values) - 1:
        end = i
        while end < len(values) - 1 and values[end + 1] == values[i]:
            end += 1
        if values[i - 1] < values[i] and end < len(values) - 1 and values[end + 1] < values[i]:
            peaks[n_peaks] = (i + end) // 2
            n_peaks += 1
        i = end + 1
    return peaks[:n_peaks].copy()


@njit(cache=True, nogil=True)
def _lowest_since_higher_nb(values: Float64, lowest: Float64) -> None:
    # Lowest value since the last higher one, or the start, at each position. ``open_at``: positions
    # that nothing as high has followed; each is passed once, however far apart the peaks are.
    open_at, n_open = np.empty(len(values), np.int64), 0
    for i in range(len(values)):
        lowest[i] = values[i]
        while n_open > 0 and values[open_at[n_open - 1]] <= values[i]:
            n_open -= 1
            lowest[i] = min(lowest[i], lowest[open_at[n_open]])
        open_at[n_open] = i
        n_open += 1


@njit(cache=True, nogil=True)
def _prominence_nb(values: Float64, peaks: Int64) -> Float64:
    left, right = np.empty(len(values)), np.empty(len(values))
    _lowest_since_higher_nb(values, left)
    _lowest_since_higher_nb(values[::-1], right[::-1])
    prominence = np.empty(len(peaks))
    for k in range(len(peaks)):
        at = peaks[k]
        prominence[k] = values[at] - max(left[at], right[at])
    return prominence
