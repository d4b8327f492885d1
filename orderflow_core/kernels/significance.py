"""Exact binomial tails at one half, and the step-up rule of Benjamini and Hochberg per group."""

import math

from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _upper_tail_nb(k: int, n: int) -> float:
    # P(X >= k) for k above n / 2: terms fall at least geometrically from the first one on.
    log_term = (
        math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0) - n * math.log(2.0)
    )
    term = total = math.exp(log_term)
    for j in range(k, n):
        term *= (n - j) / (j + 1.0)
        total += term
        if term < 1e-18 * total:
            break
    return total


@njit(cache=True, nogil=True)
def _binomial_tails_nb(k: Int64, n: Int64, tails: Float64) -> None:
    # Below the middle the tail is one less the mirrored one, which is the smaller of the two.
    for i in range(len(k)):
        if n[i] == 0:
            tails[i] = math.nan
        elif k[i] <= 0:
            tails[i] = 1.0
        elif 2 * k[i] > n[i]:
            tails[i] = _upper_tail_nb(k[i], n[i])
        else:
            tails[i] = 1.0 - _upper_tail_nb(n[i] - k[i] + 1, n[i])


@njit(cache=True, nogil=True)
def _step_up_nb(p_sorted: Float64, group_end: Int64, q: Float64) -> None:
    # q of the j-th smallest of m: the least of m p / i over i >= j; groups lie one after another.
    first = 0
    for group in range(len(group_end)):
        m = group_end[group] - first
        least = 1.0
        for j in range(m - 1, -1, -1):
            least = min(least, m * p_sorted[first + j] / (j + 1))
            q[first + j] = least
        first = group_end[group]
