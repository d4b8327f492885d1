"""Arrivals of a self-exciting process by thinning; the caller draws the random numbers."""

import math

import numpy as np
from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _thin_nb(
    base: Float64,
    branching: Float64,
    scales: Float64,
    draws: Float64,
    horizon_s: float,
    state: Float64,
    out: tuple[Float64, Int64, Float64],
) -> int:
    # state: the time, then one excitation a (component, decay). Between arrivals intensities only
    # fall, so the one just after the last candidate bounds the next: accepted with their ratio.
    times, component, intensity = out
    n_kinds, n_decays = len(base), scales.shape[1]
    rate = np.empty(n_kinds)
    n_found = 0
    for row in range(len(draws)):
        bound = 0.0
        for k in range(n_kinds):
            bound += base[k]
            for j in range(n_decays):
                bound += state[1 + k * n_decays + j]
        wait = draws[row, 0] / bound
        state[0] += wait
        if state[0] >= horizon_s:
            break
        total = 0.0
        for k in range(n_kinds):
            rate[k] = base[k]
            for j in range(n_decays):
                state[1 + k * n_decays + j] *= math.exp(-scales[0, j] * wait)
                rate[k] += state[1 + k * n_decays + j]
            total += rate[k]
        level = draws[row, 1] * bound
        if level >= total:
            continue
        kind = 0
        while kind < n_kinds - 1 and level >= rate[kind]:
            level -= rate[kind]
            kind += 1
        for k in range(n_kinds):
            intensity[n_found, k] = rate[k]
            for j in range(n_decays):
                state[1 + k * n_decays + j] += branching[kind, k] * scales[1, j] * scales[0, j]
        times[n_found], component[n_found] = state[0], kind
        n_found += 1
    return n_found
