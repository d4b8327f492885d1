"""Bulk volume: price changes of bars into shares of bought volume; results go into the caller's arrays."""

import math

from numba import njit

from orderflow_core.types import Bool, Float64, Int64


@njit(cache=True, nogil=True)
def _normal_cdf_nb(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@njit(cache=True, nogil=True)
def _beta_fraction_nb(a: float, b: float, x: float) -> float:
    # Continued fraction of the incomplete beta function, by Lentz's method.
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d, c = 1.0 / (1.0 + even * d), 1.0 + even / c
        value *= d * c
        d, c = 1.0 / (1.0 + odd * d), 1.0 + odd / c
        value *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return value


@njit(cache=True, nogil=True)
def _incomplete_beta_nb(a: float, b: float, x: float, rest: float) -> float:
    # ``rest`` is 1 - x, given apart because it may be too small to come out of the difference.
    if x <= 0.0:
        return 0.0
    if rest <= 0.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log(rest))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction_nb(a, b, x) / a
    return 1.0 - front * _beta_fraction_nb(b, a, rest) / b


@njit(cache=True, nogil=True)
def _near_normal_cdf_nb(z: float, df: float) -> float:
    # Student's t of many degrees of freedom: the normal distribution and the first two terms in
    # 1 / df (Fisher 1925). Beyond 40 deviations there is nothing, whatever the power of z.
    z = min(max(z, -40.0), 40.0)
    first = z * (z**2 + 1.0) / (4.0 * df)
    second = z * (3.0 * z**6 - 7.0 * z**4 - 5.0 * z**2 - 3.0) / 96.0 / df / df
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return _normal_cdf_nb(z) - density * (first + second)


@njit(cache=True, nogil=True)
def _student_cdf_nb(z: float, df: float) -> float:
    if df > 1e5:  # the logarithms of gamma functions cancel each other to nothing
        return _near_normal_cdf_nb(z, df)
    # Half the tail on each side; without a square of z that could leave the floats.
    scale = math.hypot(z, math.sqrt(df))
    near, far = math.sqrt(df) / scale, abs(z) / scale
    tail = 0.5 * _incomplete_beta_nb(0.5 * df, 0.5, near * near, far * far)
    return tail if z < 0.0 else 1.0 - tail


@njit(cache=True, nogil=True)
def _bought_share_nb(change: int, sigma: float, df: float) -> float:
    if math.isnan(sigma):
        return sigma
    if change == 0:
        return 0.5
    if sigma == 0.0:  # the limit of ever smaller scales
        return 1.0 if change > 0 else 0.0
    return _student_cdf_nb(change / sigma, df) if df > 0.0 else _normal_cdf_nb(change / sigma)


@njit(cache=True, nogil=True)
def _shares_nb(
    change: Int64,
    is_change: Bool,
    ring: Int64,
    counters: tuple[int, int],
    min_changes: int,
    df: float,
    share: Float64,
    sigma: Float64,
) -> int:
    # Scale of the earlier changes in the ring, then the share, then the change enters the ring.
    # The two sums are exact, so they do not depend on where the chunks were cut.
    n_seen, window = counters
    total = squares = 0
    for k in range(min(n_seen, window)):
        total += ring[k]
        squares += ring[k] * ring[k]
    for i in range(len(change)):
        n = min(n_seen, window)
        sigma[i] = share[i] = float("nan")
        if n >= min_changes:
            sigma[i] = math.sqrt(max(0.0, (squares - total * (total / n)) / (n - 1)))
        if is_change[i]:
            share[i] = _bought_share_nb(change[i], sigma[i], df)
            slot = n_seen % window
            if n_seen >= window:
                total -= ring[slot]
                squares -= ring[slot] * ring[slot]
            ring[slot] = change[i]
            total += change[i]
            squares += change[i] * change[i]
            n_seen += 1
    return n_seen
