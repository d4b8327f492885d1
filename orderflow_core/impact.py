"""The law of impact: how far an order of a given size moves the price, and how sure the exponent is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import require_count, require_float64, require_same_length

_GRID_STEP = 0.02
MIN_BLOCKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactLaw:
    """A fitted ``I(q) = Y sigma (q / V) ** delta`` with 95 % intervals over blocks of time.

    Attributes
    ----------
    prefactor, prefactor_low, prefactor_high : float
        ``Y``; below zero where larger orders were followed by moves against them.
    exponent, exponent_low, exponent_high : float
        ``delta``, within the range that was searched: an interval that ends at the range's edge is
        open there.
    n_rows, n_blocks : int
    is_identified : bool
        Whether the prefactor's interval lies above zero. Where it does not, there is no impact to
        have an exponent, and the exponent's interval is the whole range.
    """

    prefactor: float
    prefactor_low: float
    prefactor_high: float
    exponent: float
    exponent_low: float
    exponent_high: float
    n_rows: int
    n_blocks: int
    is_identified: bool


def fit_impact_law(
    impact: ArrayLike,
    volatility: ArrayLike,
    size_share: ArrayLike,
    *,
    exponent_range: tuple[float, float] = (0.0, 1.5),
    n_blocks: int = 50,
    n_boot: int = 1000,
    seed: int = 0,
    weight: ArrayLike | None = None,
) -> ImpactLaw:
    """Fit the law to single orders, in levels.

    Parameters
    ----------
    impact : ndarray of float64, shape (n_orders,)
        Order's sign times the move that followed it, in time order. Zero and negative ones belong in.
    volatility : ndarray of float64, shape (n_orders,), > 0, unit of ``impact``
        ``sigma`` as known before each order.
    size_share : ndarray of float64, shape (n_orders,), > 0
        ``q / V``: the order's lots over the market's lots in the time that ``sigma`` refers to.
    exponent_range : (float, float)
        Where ``delta`` is looked for.
    n_blocks : int, >= 10
        Stretches of neighbouring orders that are resampled whole; each must last longer than the
        time over which impact is measured, or its orders share their moves with the next block's.
    n_boot : int, > 0
    seed : int, >= 0
    weight : ndarray of float64, shape (n_orders,), > 0, optional
        How much each order's squared error counts; alike when left out. Only ratios matter.

    Returns
    -------
    ImpactLaw

    Raises
    ------
    TypeError, ValueError
        Not floats, lengths differ, a value that is not finite, a volatility, size or weight that is
        not positive, fewer orders than blocks, or an empty range.

    Notes
    -----
    Least squares of ``impact / volatility`` on ``Y x ** delta``. Logarithms of single impacts would
    drop every order that the price went against, and so bend the law: what is left of small orders
    is noise of one sign. The prefactor is in closed form, so that only the exponent is searched; sums
    over blocks make each resample a sum of sums. Resamples are centred on the estimate and widened by
    ``sqrt(m / (m - 1))`` for m blocks. Source: Toth et al. (2011), *Physical Review X* 1, equation 1;
    least squares in levels as Almgren et al. (2005); block bootstrap: Carlstein (1986).

    Examples
    --------
    >>> share = np.linspace(0.01, 1, 100)
    >>> law = fit_impact_law(0.8 * np.sqrt(share), np.ones(100), share, n_blocks=10)
    >>> round(law.prefactor, 3), round(law.exponent, 3)
    (0.8, 0.5)
    """
    y, sigma, x, w = _checked(impact, volatility, size_share, weight)
    low, high = exponent_range
    if not low < high:
        raise ValueError(f"exponent_range must not be empty, got {exponent_range}")
    require_count("n_blocks", n_blocks, least=MIN_BLOCKS)
    require_count("n_boot", n_boot, least=1)
    if len(y) < n_blocks:
        raise ValueError(f"impact must have at least n_blocks={n_blocks} orders, got {len(y)}")
    grid = np.linspace(low, high, round((high - low) / _GRID_STEP) + 1)
    return _law_of_sums(
        _block_sums(y / sigma, x, w, grid, n_blocks), grid, len(y), n_boot=n_boot, seed=seed
    )


def law_impact(
    prefactor: float, exponent: float, volatility: ArrayLike, size_share: ArrayLike
) -> Float64:
    """Return the move that the law expects of orders, in the unit of the volatility.

    Parameters
    ----------
    prefactor, exponent : float
    volatility : ndarray of float64, shape (n_orders,)
        NaN gives NaN.
    size_share : ndarray of float64, shape (n_orders,), >= 0

    Returns
    -------
    ndarray of float64, shape (n_orders,)

    Raises
    ------
    TypeError, ValueError
        Not floats, or lengths differ.

    Notes
    -----
    Source: Toth et al. (2011), *Physical Review X* 1, equation 1.

    Examples
    --------
    >>> law_impact(1.0, 0.5, np.array([2.0]), np.array([0.25]))
    array([1.])
    """
    sigma = require_float64("volatility", volatility)
    x = require_float64("size_share", size_share)
    require_same_length(volatility=sigma, size_share=x)
    return np.asarray(prefactor * sigma * x**exponent)


def _checked(
    impact: ArrayLike, volatility: ArrayLike, size_share: ArrayLike, weight: ArrayLike | None
) -> tuple[Float64, Float64, Float64, Float64]:
    y = require_float64("impact", impact)
    sigma = require_float64("volatility", volatility)
    x = require_float64("size_share", size_share)
    w = np.ones(len(y)) if weight is None else require_float64("weight", weight)
    require_same_length(impact=y, volatility=sigma, size_share=x, weight=w)
    _require_all("impact", y, np.isfinite(y), "finite")
    for name, values in (("volatility", sigma), ("size_share", x), ("weight", w)):
        _require_all(name, values, np.isfinite(values) & (values > 0), "positive and finite")
    return y, sigma, x, w


def _require_all(name: str, values: Float64, is_good: Bool, rule: str) -> None:
    if not is_good.all():
        i = int(np.argmin(is_good))
        raise ValueError(f"{name} must be {rule}, got {values[i]} at position {i}")


# Weighted sums of g * g and y * g, g = x ** delta, by block of neighbouring orders: (n_blocks, n_grid, 2).
def _block_sums(y: Float64, x: Float64, w: Float64, grid: Float64, n_blocks: int) -> Float64:
    first: Int64 = (np.arange(n_blocks) * len(y)) // n_blocks
    log_x = np.log(x)
    sums = np.empty((n_blocks, len(grid), 2))
    for d, exponent in enumerate(grid.tolist()):
        g = np.exp(exponent * log_x)
        sums[:, d, 0] = np.add.reduceat(w * g * g, first)
        sums[:, d, 1] = np.add.reduceat(w * y * g, first)
    return sums


# The law of all blocks, and its intervals from resampled ones.
def _law_of_sums(
    of_blocks: Float64, grid: Float64, n_rows: int, *, n_boot: int, seed: int
) -> ImpactLaw:
    n_blocks = len(of_blocks)
    exponent, prefactor = _best(of_blocks.sum(axis=0)[None], grid)
    drawn = np.random.default_rng(seed).multinomial(
        n_blocks, np.full(n_blocks, 1 / n_blocks), n_boot
    )
    resampled = np.einsum("rb,bdk->rdk", drawn.astype(np.float64), of_blocks)
    exponents, prefactors = _best(resampled, grid)
    prefactor_low, prefactor_high = _interval(prefactor[0], prefactors, n_blocks)
    exponent_low, exponent_high = grid[0], grid[-1]
    if prefactor_low > 0:
        exponent_low, exponent_high = np.clip(
            _interval(exponent[0], exponents, n_blocks), grid[0], grid[-1]
        )
    return ImpactLaw(
        prefactor=float(prefactor[0]),
        prefactor_low=float(prefactor_low),
        prefactor_high=float(prefactor_high),
        exponent=float(exponent[0]),
        exponent_low=float(exponent_low),
        exponent_high=float(exponent_high),
        n_rows=n_rows,
        n_blocks=n_blocks,
        is_identified=bool(prefactor_low > 0),
    )


# Exponent of the least squares of each row of totals, and its prefactor. The parabola through the
# best point of the grid and its neighbours says where between them the best one lies.
def _best(totals: Float64, grid: Float64) -> tuple[Float64, Float64]:
    slope = totals[..., 1] / totals[..., 0]
    gain = slope * totals[..., 1]
    found = gain.argmax(axis=1)
    middle = np.clip(found, 1, len(grid) - 2)
    before, at, after = (_taken(gain, middle + k) for k in (-1, 0, 1))
    bend = before - 2 * at + after
    is_inside = (found == middle) & (bend < 0)
    shift = np.where(is_inside, 0.5 * (before - after) / np.where(is_inside, bend, 1.0), 0.0)
    shift = np.where(is_inside, shift, found - middle)
    low, mid, high = (_taken(slope, middle + k) for k in (-1, 0, 1))
    prefactor = mid + shift * (high - low) / 2 + shift**2 * (high - 2 * mid + low) / 2
    return grid[middle] + shift * (grid[1] - grid[0]), prefactor


def _taken(table: Float64, column: Int64) -> Float64:
    return np.asarray(table[np.arange(len(table)), column], np.float64)


def _interval(value: float, replicates: Float64, n_blocks: int) -> Float64:
    widening = np.sqrt(n_blocks / (n_blocks - 1))
    around = value + widening * (replicates - replicates.mean())
    return np.asarray(np.quantile(around, [0.025, 0.975]), np.float64)
