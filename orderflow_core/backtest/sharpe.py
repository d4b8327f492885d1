"""The Sharpe ratio, its sampling interval, and the odds that it is luck."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.backtest import _block_sharpe_nb
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_amount, require_count, require_float64


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpeEstimate:
    """A Sharpe ratio per observation with a moving-block bootstrap percentile interval."""

    value: float
    low: float
    high: float
    n: int
    block_len: int
    n_boot: int


def _require_returns(values: ArrayLike) -> Float64:
    returns = require_float64("returns", values)
    if not np.isfinite(returns).all():
        i = int(np.argmin(np.isfinite(returns)))
        raise ValueError(f"returns must be finite, got {returns[i]} at position {i}")
    return returns


def sharpe_ratio(returns: ArrayLike, *, ddof: int = 1) -> float:
    """Return the mean over the standard deviation, per observation.

    Parameters
    ----------
    returns : ndarray of float64, shape (n,)
        Returns or gains on a fixed capital: the ratio is the same.
    ddof : int, >= 0
        Divisor of the variance is ``n - ddof``: 1 (default) the sample's, 0 the population's.

    Returns
    -------
    float
        NaN with no more than ``ddof`` observations, or fewer than 2, or all of them equal.

    Raises
    ------
    TypeError, ValueError
        Not a vector of finite floats, or ``ddof`` negative.
    """
    x = _require_returns(returns)
    require_count("ddof", ddof)
    if len(x) < 2 or len(x) <= ddof or x.min() == x.max():
        return math.nan
    return float(x.mean() / x.std(ddof=ddof))


def default_block_len(n: int) -> int:
    """Return ``ceil(n ** (1/3))``: blocks that grow with the sample, slower than it does."""
    return max(1, math.ceil(round(math.cbrt(require_count("n", n)), 9)))


def block_starts(n: int, block_len: int, *, n_boot: int, seed: int) -> Int64:
    """Return where the blocks of each bootstrap resample begin.

    Parameters
    ----------
    n, block_len : int, 1 <= block_len <= n
    n_boot : int, >= 1
    seed : int

    Returns
    -------
    ndarray of int64, shape (n_boot, ceil(n / block_len)), uniform in [0, n - block_len]
    """
    require_count("block_len", block_len, least=1)
    if block_len > n:
        raise ValueError(f"block_len must not exceed the {n} observations, got {block_len}")
    n_blocks = -(-n // block_len)
    size = (require_count("n_boot", n_boot, least=1), n_blocks)
    return np.random.default_rng(seed).integers(0, n - block_len + 1, size=size, dtype=np.int64)


def sharpe_interval(
    returns: ArrayLike,
    *,
    block_len: int | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    ddof: int = 1,
) -> SharpeEstimate:
    """Return the Sharpe ratio with a moving-block bootstrap percentile interval.

    Parameters
    ----------
    returns : ndarray of float64, shape (n,)
    block_len : int or None
        Length of the overlapping blocks, which keep the dependence within them. None:
        ``ceil(n ** (1/3))``; give a larger one where returns depend over longer stretches.
    n_boot : int, >= 1
    seed : int
    level : float in (0, 1)
    ddof : int, >= 0

    Returns
    -------
    SharpeEstimate
        NaN of value and bounds where ``sharpe_ratio`` is NaN.

    Raises
    ------
    TypeError, ValueError
        Not a vector of finite floats, or a parameter out of its range.

    Notes
    -----
    The last block of a resample is cut to the sample's length. A resample whose values are all
    equal has no ratio and counts as 0. Source: Kuensch (1989), moving blocks.
    """
    x = _require_returns(returns)
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    value = sharpe_ratio(x, ddof=ddof)
    length = default_block_len(len(x)) if block_len is None else block_len
    if math.isnan(value):
        low = high = math.nan
    else:
        starts = block_starts(len(x), length, n_boot=n_boot, seed=seed)
        ratios = _block_sharpe_nb(x, starts, length, ddof)
        low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return SharpeEstimate(
        value=value, low=low, high=high, n=len(x), block_len=length, n_boot=n_boot
    )


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _skew_kurtosis(x: Float64) -> tuple[float, float]:
    # Bias-corrected (Fisher-Pearson G1 and G2 + 3), as the oracle has them; kurtosis not in excess.
    n = len(x)
    centred = x - x.mean()
    m2 = float((centred**2).mean())
    g1 = float((centred**3).mean()) / m2**1.5
    g2 = float((centred**4).mean()) / m2**2 - 3
    skew = g1 * math.sqrt(n * (n - 1)) / (n - 2)
    excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g2 + 6)
    return skew, excess + 3


def probabilistic_sharpe_ratio(
    returns: ArrayLike, *, benchmark: float = 0.0, ddof: int = 1
) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark.

    Parameters
    ----------
    returns : ndarray of float64, shape (n,)
    benchmark : float
        Sharpe ratio per observation.
    ddof : int
        Of the ratio's standard deviation; skew and kurtosis are bias-corrected either way.

    Returns
    -------
    float
        NaN with fewer than 4 observations, all of them equal, or moments too extreme for the
        normal approximation (radicand not positive).

    Raises
    ------
    TypeError, ValueError
        Not a vector of finite floats, or a benchmark that is not finite.

    Notes
    -----
    ``Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))``, g4 not in excess; it
    takes the returns as independent. Source: Bailey and Lopez de Prado (2012).
    """
    x = _require_returns(returns)
    if not math.isfinite(benchmark):
        raise ValueError(f"benchmark must be finite, got {benchmark}")
    ratio = sharpe_ratio(x, ddof=ddof)
    if math.isnan(ratio) or len(x) < 4:
        return math.nan
    skew, kurtosis = _skew_kurtosis(x)
    radicand = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if not radicand > 0:
        return math.nan
    return _normal_cdf((ratio - benchmark) * math.sqrt(len(x) - 1) / math.sqrt(radicand))


def expected_best_sharpe(n_trials: int, var_sharpe: float) -> float:
    """Return the Sharpe ratio that the best of several trials without skill is expected to show.

    Parameters
    ----------
    n_trials : int, >= 1
        One trial: 0.
    var_sharpe : float, >= 0
        Variance of the trials' ratios, per observation.

    Returns
    -------
    float, per observation

    Raises
    ------
    TypeError, ValueError
        A parameter out of its range.

    Notes
    -----
    ``sqrt(V) ((1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)))``, g = 0.5772 (Euler-Mascheroni).
    Source: Bailey and Lopez de Prado (2014).
    """
    require_count("n_trials", n_trials, least=1)
    require_amount("var_sharpe", var_sharpe, is_zero_allowed=True)
    if n_trials == 1:
        return 0.0
    normal = NormalDist()
    best = -normal.inv_cdf(1 / n_trials)
    beyond = -normal.inv_cdf(1 / (n_trials * math.e))
    return math.sqrt(var_sharpe) * ((1 - np.euler_gamma) * best + np.euler_gamma * beyond)


def deflated_sharpe_ratio(
    returns: ArrayLike, *, n_trials: int, var_sharpe: float, ddof: int = 1
) -> float:
    """Return the probability that the true Sharpe ratio beats the best of trials without skill.

    Parameters
    ----------
    returns : ndarray of float64, shape (n,)
    n_trials : int, >= 1
        Every trial made, not the ones kept.
    var_sharpe : float, >= 0
        Variance of the trials' ratios, per observation.
    ddof : int

    Returns
    -------
    float
        NaN where ``probabilistic_sharpe_ratio`` is.

    Raises
    ------
    TypeError, ValueError
        A parameter out of its range.

    Notes
    -----
    ``probabilistic_sharpe_ratio`` with ``expected_best_sharpe`` as the benchmark.
    Source: Bailey and Lopez de Prado (2014).
    """
    benchmark = expected_best_sharpe(n_trials, var_sharpe)
    return probabilistic_sharpe_ratio(returns, benchmark=benchmark, ddof=ddof)
