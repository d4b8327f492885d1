"""How often a classification rule is right, with honest intervals."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    require_float64,
    require_int64,
    require_same_length,
    require_sign,
)

_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How often a rule finds the true sign, with a 95 % interval; NaN where nothing is scored.

    Attributes
    ----------
    n : int
        Trades whose true sign is known.
    n_decided : int
        Those of them to which the rule gave a sign.
    accuracy, low, high : float
        Right ones over ``n``, by weight where weights were given.
    """

    n: int
    n_decided: int
    accuracy: float
    low: float
    high: float


def score_signs(
    rule_sign: ArrayLike,
    true_sign: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    cluster: ArrayLike | None = None,
) -> Score:
    """Return the share of right signs with its 95 % interval.

    Parameters
    ----------
    rule_sign, true_sign : ndarray of int8, shape (n,), in {-1, 0, +1}
        A trade whose true sign is 0 is left out; one that the rule leaves at 0 counts as wrong.
    weight : ndarray of float64 or integers, shape (n,), finite and not negative, optional
        For example the size; 1 without it.
    cluster : ndarray of int64, shape (n,), optional
        What is drawn as one: the sweep of each fill. Without it every trade counts as independent,
        which is far too narrow for fills.

    Returns
    -------
    Score

    Raises
    ------
    TypeError, ValueError
        Lengths differ, signs outside the domain, or a weight negative or not finite.

    Notes
    -----
    The interval is Wilson's with the effective sample size n_e in place of n: (sum w)^2 / sum w^2
    without clusters, so n for equal weights; with clusters p (1 - p) / v, where v is the variance of
    the ratio estimator over clusters, never more than the former (Korn and Graubard 1998), and the
    effective number of clusters where v is 0, as when every sign is right. Source: Wilson (1927).

    Examples
    --------
    >>> score_signs(np.array([1, -1, 0]), np.array([1, 1, 1])).accuracy
    0.3333333333333333
    """
    guess, truth = require_sign("rule_sign", rule_sign), require_sign("true_sign", true_sign)
    weights = _checked_weight(weight, len(truth))
    groups = None if cluster is None else require_int64("cluster", cluster)
    require_same_length(
        rule_sign=guess,
        true_sign=truth,
        weight=weights,
        cluster=truth if groups is None else groups,
    )
    scored = (truth != 0) & (weights > 0)
    n, n_decided = int(scored.sum()), int((guess[scored] != 0).sum())
    if n == 0:
        return Score(n=0, n_decided=0, accuracy=math.nan, low=math.nan, high=math.nan)
    is_right, weights = guess[scored] == truth[scored], weights[scored]
    accuracy = float((weights * is_right).sum() / weights.sum())
    n_effective = _effective_size(weights)
    if groups is not None:
        n_effective = min(
            n_effective, _effective_clusters(is_right, weights, groups[scored], accuracy)
        )
    low, high = _wilson(accuracy, n_effective)
    return Score(n=n, n_decided=n_decided, accuracy=accuracy, low=low, high=high)


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


def _effective_size(weights: Float64) -> float:
    # Kish: as many equal weights would tell as much.
    return float(weights.sum() ** 2 / (weights**2).sum())


def _effective_clusters(is_right: Bool, weights: Float64, groups: Int64, accuracy: float) -> float:
    # Ratio estimator: each cluster's right weight against its share of the whole.
    _, ordinal = np.unique(groups, return_inverse=True)
    total = np.bincount(ordinal, weights).astype(np.float64)
    n_clusters = len(total)
    residual = np.bincount(ordinal, weights * is_right) - accuracy * total
    squares = float((residual**2).sum())
    if n_clusters == 1 or squares == 0.0:
        return _effective_size(total)
    variance = squares * n_clusters / (n_clusters - 1) / total.sum() ** 2
    return float(accuracy * (1 - accuracy) / variance)


def _wilson(share: float, n: float) -> tuple[float, float]:
    centre = share + _Z95**2 / (2 * n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n * n))
    scale = 1 + _Z95**2 / n
    # Wilson's interval always holds the share; rounding must not lose it at 0 and 1.
    low, high = (centre - half) / scale, (centre + half) / scale
    return min(share, max(0.0, low)), max(share, min(1.0, high))
