"""Shares of cases that hold, with Wilson's interval: equal, weighted or clustered cases."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    require_bool,
    require_count,
    require_float64,
    require_int64,
    require_same_length,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """A share of ``n`` cases with its Wilson interval; NaN of all where ``n`` is 0."""

    value: float
    low: float
    high: float
    n: int


_NOTHING = Proportion(value=math.nan, low=math.nan, high=math.nan, n=0)


def wilson_interval(n_hits: int, n: int, *, level: float = 0.95) -> Proportion:
    """Return ``n_hits / n`` with its Wilson score interval.

    Parameters
    ----------
    n_hits, n : int, 0 <= n_hits <= n
    level : float in (0, 1)

    Returns
    -------
    Proportion

    Raises
    ------
    TypeError, ValueError
        Not integers, out of order, or a level outside (0, 1).

    Notes
    -----
    The cases count as independent. Source: Wilson (1927); no continuity correction.

    Examples
    --------
    >>> hits = wilson_interval(8, 10)
    >>> round(hits.low, 4), round(hits.high, 4)
    (0.4902, 0.9433)
    """
    require_count("n", n)
    require_count("n_hits", n_hits)
    if n_hits > n:
        raise ValueError(f"n_hits must not exceed n = {n}, got {n_hits}")
    z = _normal_quantile(level)
    if n == 0:
        return _NOTHING
    low, high = _wilson_bounds(n_hits / n, float(n), z)
    return Proportion(value=n_hits / n, low=low, high=high, n=n)


def share_interval(
    is_hit: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Proportion:
    """Return the weighted share of hits with an interval that knows about weights and clusters.

    Parameters
    ----------
    is_hit : ndarray of bool, shape (n,)
    weight : ndarray of float64 or integers, shape (n,), finite and not negative, optional
        1 without it; a case of weight 0 is left out.
    cluster : ndarray of int64, shape (n,), optional
        What is drawn as one, in any order: the sweep of each fill. Without it every case counts
        as independent, which is far too narrow for fills.
    level : float in (0, 1)

    Returns
    -------
    Proportion
        ``n`` counts the cases of a weight above 0.

    Raises
    ------
    TypeError, ValueError
        Lengths differ, ``is_hit`` not boolean, a weight negative or not finite, or a level outside
        (0, 1).

    Notes
    -----
    Wilson's interval with the effective sample size n_e in place of n: (sum w)^2 / sum w^2 without
    clusters, so n for equal weights; with clusters p (1 - p) / v, where v is the variance of the
    ratio estimator over clusters, never more than the former (Korn and Graubard 1998), and the
    effective number of clusters where v is 0 (up to rounding), as when every case is a hit. Source: Wilson (1927).

    Examples
    --------
    Ten fills of two sweeps tell what two cases tell:

    >>> is_hit, sweep = np.arange(10) < 5, np.repeat([0, 1], 5)
    >>> round(share_interval(is_hit).low, 3), round(share_interval(is_hit, cluster=sweep).low, 3)
    (0.237, 0.055)
    """
    hit = require_bool("is_hit", is_hit)
    weights = _checked_weight(weight, len(hit))
    groups = None if cluster is None else require_int64("cluster", cluster)
    require_same_length(is_hit=hit, weight=weights, cluster=hit if groups is None else groups)
    z = _normal_quantile(level)
    counted = weights > 0
    hit, weights = hit[counted], weights[counted]
    if len(hit) == 0:
        return _NOTHING
    # A power of two more or less changes no share: the squares of the weights stay within the floats.
    weights = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    share = float((weights * hit).sum() / weights.sum())
    n_effective = _effective_size(weights)
    if groups is not None:
        n_effective = min(n_effective, _effective_clusters(hit, weights, groups[counted], share))
    low, high = _wilson_bounds(share, n_effective, z)
    return Proportion(value=share, low=low, high=high, n=len(hit))


def _checked_weight(weight: ArrayLike | None, n: int) -> Float64:
    if weight is None:
        return np.ones(n)
    weights = np.asarray(weight)
    weights = require_float64("weight", weights if weights.dtype.kind == "f" else weights * 1.0)
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(
            f"weight must be finite and not negative, got {weights[i]} at position {i}"
        )
    return weights


def _normal_quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def _effective_size(weights: Float64) -> float:
    # Kish: as many equal weights would tell as much.
    return float(weights.sum() ** 2 / (weights**2).sum())


def _effective_clusters(hit: Bool, weights: Float64, groups: Int64, share: float) -> float:
    # Ratio estimator: each cluster's weight of hits against its share of the whole.
    _, ordinal = np.unique(groups, return_inverse=True)
    total = np.bincount(ordinal, weights).astype(np.float64)
    n_clusters = len(total)
    residual = np.bincount(ordinal, weights * hit) - share * total
    squares = float((residual**2).sum())
    # Clusters of one and the same share differ by rounding only: that is no variance.
    if n_clusters == 1 or squares <= (1e-12 * total.sum()) ** 2:
        return _effective_size(total)
    variance = squares * n_clusters / (n_clusters - 1) / total.sum() ** 2
    return float(share * (1 - share) / variance)


def _wilson_bounds(share: float, n: float, z: float) -> tuple[float, float]:
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At a share of 0 or 1 the bound is that share; rounding would put it a hair away.
    low = 0.0 if share == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if share == 1 else min(1.0, (centre + half) / scale)
    return min(share, low), max(share, high)
