"""Intervals for averages over rows that overlap: the circular block bootstrap.

Labels of neighbouring decisions share most of their future, so rows are far from independent: a
block must be at least as long as the stretch of rows that one label overlaps, or the interval lies.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orderflow_core.types import Float64, Int64

MIN_BLOCKS = 10  # with fewer blocks no interval is trusted: nothing is said to beat anything
CONFIDENCE = 0.95
_CHUNK_ROWS = 2_000_000  # block totals gathered at a time; bounds the memory

# A statistic is a function of column totals: (..., m) -> (...). The full sample and each resample
# go through the same function, so ratios and correlations are bootstrapped without approximation.
OfTotals = Callable[[Float64], Float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """How rows are resampled; the same plan gives the same draws, hence paired comparisons.

    Attributes
    ----------
    n_rows : int
    label_overlap : int
        Most rows whose labels overlap one label, that label's row included.
    block_len : int, rows
        ``max(label_overlap, ceil(sqrt(n_rows)))``, at most ``n_rows``.
    n_blocks : int
        Whole blocks in the sample: the number of independent pieces that the interval rests on.
    n_boot, seed : int
    """

    n_rows: int
    label_overlap: int
    block_len: int
    n_blocks: int
    n_boot: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval and two-sided p-value against zero (NaN: not estimable)."""

    value: float
    low: float
    high: float
    p_value: float


def label_overlap(t0_ns: Int64, t1_ns: Int64) -> int:
    """Return the largest number of rows whose label overlaps one row's label, itself included.

    Parameters
    ----------
    t0_ns, t1_ns : ndarray of int64, shape (n,), ``t0_ns`` sorted
        Label intervals, half-open ``[t0, t1)``; an empty one counts as one nanosecond.

    Returns
    -------
    int
        0 for no rows.

    Examples
    --------
    >>> label_overlap(np.array([0, 5, 10]), np.array([6, 11, 16]))  # the middle one meets both
    3
    """
    if len(t0_ns) == 0:
        return 0
    end_ns = np.maximum(t1_ns, t0_ns + 1)
    started = np.searchsorted(t0_ns, end_ns, side="left")
    ended = np.searchsorted(np.sort(end_ns), t0_ns, side="right")
    return int((started - ended).max())


def plan_blocks(t0_ns: Int64, t1_ns: Int64, *, n_boot: int = 2000, seed: int = 0) -> Blocks:
    """Choose the block length from the labels' overlap.

    The square root of the row count is the floor: losses are autocorrelated beyond the overlap of
    the labels (volatility comes in spells), and it bounds the work.

    Raises
    ------
    ValueError
        There are no rows.
    """
    n_rows = len(t0_ns)
    if n_rows == 0:
        raise ValueError("t0_ns must not be empty: nothing to resample")
    overlap = label_overlap(t0_ns, t1_ns)
    block_len = min(n_rows, max(overlap, int(np.ceil(np.sqrt(n_rows)))))
    return Blocks(
        n_rows=n_rows,
        label_overlap=overlap,
        block_len=block_len,
        n_blocks=n_rows // block_len,
        n_boot=n_boot,
        seed=seed,
    )


def resampled_totals(columns: Float64, blocks: Blocks) -> Float64:
    """Return the column totals of each bootstrap resample.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_rows, m)
    blocks : Blocks

    Returns
    -------
    ndarray of float64, shape (n_boot, m)

    Notes
    -----
    Circular block bootstrap: a resample joins ``ceil(n_rows / block_len)`` blocks whose starts are
    uniform over the rows; the last row is followed by the first. Source: Politis and Romano (1992).

    Raises
    ------
    ValueError
        The number of rows is not the plan's.
    """
    if len(columns) != blocks.n_rows:
        raise ValueError(f"columns must have the plan's {blocks.n_rows} rows, got {len(columns)}")
    running = np.zeros((blocks.n_rows + blocks.block_len, columns.shape[1]))
    np.cumsum(np.concatenate([columns, columns[: blocks.block_len - 1]]), axis=0, out=running[1:])
    n_draws = -(-blocks.n_rows // blocks.block_len)
    starts = np.random.default_rng(blocks.seed).integers(0, blocks.n_rows, (blocks.n_boot, n_draws))
    totals = np.empty((blocks.n_boot, columns.shape[1]))
    chunk = max(1, _CHUNK_ROWS // (n_draws * columns.shape[1]))
    for first in range(0, blocks.n_boot, chunk):
        drawn = starts[first : first + chunk]
        totals[first : first + chunk] = (running[drawn + blocks.block_len] - running[drawn]).sum(
            axis=1
        )
    return totals


def estimate(columns: Float64, statistic: OfTotals, blocks: Blocks) -> Estimate:
    """Return a statistic of column totals with its interval.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_rows, m)
    statistic : callable
        Maps totals ``(..., m)`` to values ``(...)``.
    blocks : Blocks

    Returns
    -------
    Estimate
        Deviations of the resamples from their own mean, put round the full-sample value (so a
        statistic whose resamples are biased upward, like a calibration error, keeps its centre),
        and widened by ``t / z * sqrt(m / (m - 1))`` for m blocks, since with few blocks the plain
        percentile interval is too narrow, and by what blocks cut of the labels' overlap (Notes). NaN
        bounds with fewer than two blocks or where the statistic is undefined.

    Notes
    -----
    Blocks of b rows see the covariance at lag k with the weight ``1 - k / b``. Where neighbouring
    labels share ``1 - k / l`` of their time, l rows long, the resamples' variance is therefore only
    ``1 - (l * l - 1) / (3 * l * b)`` of the true one: 5/6 at ``b = 2 l``. Deviations are divided by
    its root, with l the half of the overlap. Source: Kunsch (1989), section 3, bias of the variance.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(columns.sum(axis=0)))
        replicates = np.asarray(statistic(resampled_totals(columns, blocks)))
    replicates = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or blocks.n_blocks < 2 or len(replicates) < blocks.n_boot // 2:
        return Estimate(value=value, low=np.nan, high=np.nan, p_value=np.nan)
    around = value + _widening(blocks) * (replicates - replicates.mean())
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(around, [tail, 1 - tail])
    above, below = int((around >= 0).sum()), int((around <= 0).sum())
    p_value = min(1.0, 2 * (1 + min(above, below)) / (1 + len(around)))
    return Estimate(value=value, low=float(low), high=float(high), p_value=p_value)


def _widening(blocks: Blocks) -> float:
    from scipy import special

    tail = (1 - CONFIDENCE) / 2
    student = -special.stdtrit(blocks.n_blocks - 1, tail)
    few = student / -special.ndtri(tail) * np.sqrt(blocks.n_blocks / (blocks.n_blocks - 1))
    return float(few / np.sqrt(_kept_variance(blocks.label_overlap, blocks.block_len)))


# A label of l rows overlaps l - 1 rows on either side, hence 2 l - 1 in all. In a sample of one block
# (no interval is given there) the overlap may exceed the block; it is never more than the rows.
def _kept_variance(overlap: int, block_len: int) -> float:
    label_len = (overlap + 1) / 2
    return 1 - (label_len**2 - 1) / (3 * label_len * block_len)


def mean_columns(rows: NDArray[np.generic]) -> Float64:
    """Return the columns ``[row, 1]``, whose totals `ratio` divides: the mean."""
    values = np.asarray(rows, dtype=np.float64)
    return np.column_stack([values, np.ones(len(values))])


def ratio(totals: Float64) -> Float64:
    """Return the first total over the second."""
    return np.asarray(totals[..., 0] / totals[..., 1])
