"""One figure for the order flow of all levels: the first principal component of the past."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_count, require_float64

_ROUNDING = 1e-9  # of loadings whose magnitudes sum to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegratedOfi:
    """The integrated imbalance and what it was made with.

    Attributes
    ----------
    value : ndarray of float64, shape (n_intervals,), unit mean size of a level
        NaN until enough intervals have passed and where nothing rested in the book.
    loadings : ndarray of float64, shape (n_intervals, n_levels)
        Of each interval, fitted on the ones before it; magnitudes sum to 1, the sum is not negative
        (but for rounding).
    """

    value: Float64
    loadings: Float64

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegratedOfiState:
    """Moments of the scaled imbalances so far.

    Attributes
    ----------
    n : int
    mean : ndarray of float64, shape (n_levels,)
    scatter : ndarray of float64, shape (n_levels, n_levels)
        Sum of outer products about the mean.
    """

    n: int
    mean: Float64
    scatter: Float64


def integrated_ofi(ofi_lots: ArrayLike, mean_lots: ArrayLike, *, n_least: int) -> IntegratedOfi:
    """Return the imbalances of all levels as one figure.

    Parameters
    ----------
    ofi_lots : ndarray of int64, shape (n_intervals, n_levels), unit lots
    mean_lots : ndarray of float64, shape (n_intervals,), unit lots, >= 0
        Mean size of a level in the interval, as in `orderflow_core.depth.OfiIntervals`.
    n_least : int, >= 2
        How many earlier intervals the first fit needs.

    Returns
    -------
    IntegratedOfi

    Raises
    ------
    TypeError, ValueError
        Not integers or floats, shapes that do not fit, a size that is negative or NaN, or a number
        below 2.

    Notes
    -----
    Row k is scaled, ``x_k = ofi_k / mean_lots_k``, and weighted, ``w . x_k / sum |w|``, with w the
    first principal component of the covariance of rows 0..k-1 only: causal, where the papers fit
    the whole sample. Its sign is the one whose sum is positive, so that buying pressure is
    positive; of a sum of 0, the one whose first level not 0 is. NaN where the earlier rows do not
    vary. A row without any size in the book is no observation. Refitted at each row, at the cost of
    an eigenproblem of n_levels. Source: Cont, Cucuringu, Zhang (2023), *Quantitative Finance* 23.

    Examples
    --------
    Two levels that always move together weigh 1/2 each; their scaled imbalances 3 and 1 make 2.
    """
    return continue_integrated_ofi(None, ofi_lots, mean_lots, n_least=n_least)[0]


def continue_integrated_ofi(
    state: IntegratedOfiState | None,
    ofi_lots: ArrayLike,
    mean_lots: ArrayLike,
    *,
    n_least: int,
) -> tuple[IntegratedOfi, IntegratedOfiState]:
    """Do as `integrated_ofi` for the next intervals.

    Parameters
    ----------
    state : IntegratedOfiState or None
        What the preceding call returned; None before the first.
    ofi_lots, mean_lots, n_least
        As in `integrated_ofi`.

    Returns
    -------
    integrated : IntegratedOfi
        Chunks together give the result of the whole, bit for bit.
    state : IntegratedOfiState

    Raises
    ------
    TypeError, ValueError
        As `integrated_ofi`, or another number of levels than the state's.
    """
    ofi, lots = _checked(ofi_lots, mean_lots)
    least = require_count("n_least", n_least, least=2)
    n_levels = ofi.shape[1]
    moments = state or IntegratedOfiState(
        n=0, mean=np.zeros(n_levels), scatter=np.zeros((n_levels, n_levels))
    )
    if len(moments.mean) != n_levels:
        raise ValueError(f"ofi_lots must keep its {len(moments.mean)} levels, got {n_levels}")
    value, loadings = np.full(len(ofi), np.nan), np.full(ofi.shape, np.nan)
    for k in range(len(ofi)):
        if moments.n >= least:
            loadings[k] = _first_component(moments.scatter)
        if lots[k] > 0:
            scaled = ofi[k] / lots[k]
            value[k] = (loadings[k] * scaled).sum()
            moments = _with_row(moments, scaled)
    return IntegratedOfi(value=value, loadings=loadings), moments


def _with_row(moments: IntegratedOfiState, row: Float64) -> IntegratedOfiState:
    # Welford's update: sums of squares about a running mean do not cancel.
    n = moments.n + 1
    deviation = row - moments.mean
    mean = moments.mean + deviation / n
    scatter = moments.scatter + np.outer(deviation, row - mean)
    return IntegratedOfiState(n=n, mean=mean, scatter=scatter)


def _first_component(scatter: Float64) -> Float64:
    if not np.trace(scatter) > 0:
        return np.full(len(scatter), np.nan)
    component: Float64 = np.linalg.eigh((scatter + scatter.T) / 2)[1][:, -1]
    component = component / np.abs(component).sum()
    # Of levels that cancel the sum is rounding: then the first level that counts is positive.
    total = component.sum()
    lead = total if abs(total) > _ROUNDING else component[np.abs(component) > _ROUNDING][0]
    return -component if lead < 0 else component


def _checked(ofi_lots: ArrayLike, mean_lots: ArrayLike) -> tuple[Int64, Float64]:
    ofi = np.asarray(ofi_lots)
    if ofi.ndim != 2 or ofi.shape[1] == 0:
        raise ValueError(
            f"ofi_lots must have a row an interval and a column a level, got {ofi.shape}"
        )
    if ofi.dtype.kind != "i":
        raise TypeError(f"ofi_lots must hold integers, got dtype {ofi.dtype}")
    lots = require_float64("mean_lots", mean_lots)
    if len(lots) != len(ofi):
        raise ValueError(f"mean_lots must have {len(ofi)} elements, got {len(lots)}")
    bad = ~((lots >= 0) & (lots < np.inf))
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(
            f"mean_lots must not be negative and be finite, got {lots[i]} at position {i}"
        )
    return ofi.astype(np.int64), lots
