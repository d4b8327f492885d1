"""How large an order may be: a quantile of its cost, rising with size, turned round."""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Int64
from orderflow_core.validate import (
    require_float64,
    require_int64,
    require_positive,
    require_sorted,
)


def largest_order(budget: float, size_lots: ArrayLike, cost_quantile: ArrayLike) -> Int64:
    """Return the largest order whose cost stays within a budget with the quantile's probability.

    Parameters
    ----------
    budget : float
        In the unit of the quantile; not NaN.
    size_lots : ndarray of int64, shape (n_sizes,), > 0, strictly increasing
        Sizes at which the quantile is known.
    cost_quantile : ndarray of float64, shape (n_rows, n_sizes)
        The cost that an order of each size does not exceed with the wanted probability: the
        p-quantile of its distribution. Must not fall along a row. A row with a NaN is unknown.

    Returns
    -------
    ndarray of int64, shape (n_rows,), unit lots
        Between two sizes by the straight line in ``log q``, cut to whole lots. 0 where the smallest
        size is too dear, or the row is unknown; never above the largest size given, beyond which
        nothing is known.

    Raises
    ------
    TypeError, ValueError
        Sizes not positive or not increasing, shapes that differ, a budget that is NaN, or a
        quantile that falls with size.

    Notes
    -----
    Does not fall as the budget rises. Source: inverse of a conditional quantile (own definition).

    Examples
    --------
    >>> largest_order(1.5, np.array([1, 100]), np.array([[1.0, 2.0], [2.0, 3.0], [0.0, 1.0]]))
    array([ 10,   0, 100])
    """
    sizes = require_int64("size_lots", size_lots)
    require_positive("size_lots", sizes)
    require_sorted("size_lots", sizes, strict=True)
    cost = np.asarray(cost_quantile)
    if cost.ndim != 2 or cost.shape[1] != len(sizes) or not len(sizes):
        raise ValueError(
            f"cost_quantile must have one column a size ({len(sizes)}), got shape {cost.shape}"
        )
    cost = require_float64("cost_quantile", cost.ravel()).reshape(cost.shape)
    if np.isnan(budget):
        raise ValueError("budget must be a number, got nan")
    falls = (cost[:, 1:] < cost[:, :-1]).any(axis=1)
    if falls.any():
        raise ValueError(
            f"cost_quantile must not fall with size, got {cost[np.argmax(falls)]} in row "
            f"{np.argmax(falls)}"
        )
    is_known = ~np.isnan(cost).any(axis=1)
    n_within = (cost <= budget).sum(axis=1)
    last = len(sizes) - 1
    low, high = np.clip(n_within - 1, 0, last), np.clip(n_within, 0, last)
    rows = np.arange(len(cost))
    below, above = cost[rows, low], cost[rows, high]
    is_between = is_known & (n_within > 0) & (n_within <= last)
    # Costs that are infinite, or equal, leave nothing to draw a line between.
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(is_between, (budget - below) / (above - below), 0.0)
        part = np.where(np.isfinite(part), part, 0.0)
        ratio = np.log(sizes[high] / sizes[low])
        # 1e-9 of a lot: whole lots that the logarithm leaves just below themselves
        lots = np.floor(sizes[low] * np.exp(part * ratio) + 1e-9).astype(np.int64)
    lots = np.clip(lots, sizes[low], sizes[high])
    return np.where(is_known & (n_within > 0), lots, 0).astype(np.int64)
