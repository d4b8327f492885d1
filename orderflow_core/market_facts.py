"""Figures by which markets resemble each other: spread, tail of sizes, memory of signs, volatility.

They are free of a market's units, so a simulated market can stand beside recorded ones.
"""

import numpy as np

from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.validate import (
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
)


def tail_exponent(sizes: Int64, share: float = 0.05) -> float:
    """Return Hill's estimate of the exponent with which the chance of large sizes falls.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n,), > 0
    share : float, in (0, 1)
        Largest sizes that count as the tail: ``floor(share * n)`` of them, compared with the next.

    Returns
    -------
    float
        NaN with fewer than two sizes in the tail or where all of them are equal.

    Raises
    ------
    TypeError, ValueError
        Sizes are no positive integers, or the share is outside its domain.

    Notes
    -----
    Source: Hill (1975). Ties at the border count as the border: they add zero to the sum.

    Examples
    --------
    >>> round(tail_exponent(np.array([1, 2, 4, 8]), 0.5), 3)
    0.962
    """
    values = require_int64("sizes", sizes)
    require_positive("sizes", values)
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must lie in (0, 1), got {share}")
    n_tail = int(np.floor(share * len(values)))
    if n_tail < 2:
        return float("nan")
    largest = np.sort(values)[-n_tail - 1 :].astype(np.float64)
    total = float(np.log(largest[1:] / largest[0]).sum())
    return n_tail / total if total > 0 else float("nan")


def sign_autocorrelation(sign: Int8, lags: Int64) -> Float64:
    """Return the mean product of signs a lag apart, less their squared mean.

    Parameters
    ----------
    sign : ndarray of int8, shape (n,), in {-1, 0, +1}
        Of market orders (sweeps) rather than fills: the fills of one order share their sign.
    lags : ndarray of int64, shape (n_lags,), > 0

    Returns
    -------
    ndarray of float64, shape (n_lags,)
        Divided by the variance; NaN where a lag leaves no pair or the variance is zero.

    Raises
    ------
    TypeError, ValueError
        A sign or a lag is outside its domain.

    Notes
    -----
    Source: Lillo, Farmer (2004): falls like a power of the lag in every market looked at.

    Examples
    --------
    >>> sign_autocorrelation(np.array([1, -1, 1, -1], np.int8), np.array([1, 2, 9]))
    array([-1.,  1., nan])
    """
    values = require_sign("sign", sign).astype(np.float64)
    lags = require_int64("lags", lags)
    require_positive("lags", lags)
    mean = values.mean() if len(values) else 0.0
    variance = float((values**2).mean() - mean**2) if len(values) else 0.0
    result = np.full(len(lags), np.nan)
    for i, lag in enumerate(lags.tolist()):
        if lag < len(values) and variance > 0:
            result[i] = ((values[:-lag] * values[lag:]).mean() - mean**2) / variance
    return result


def volatility_signature(mid_half_ticks: Int64, lags: Int64) -> Float64:
    """Return the volatility seen at each lag: root mean squared change over root of the lag.

    Parameters
    ----------
    mid_half_ticks : ndarray of int64, shape (n,), unit half ticks
        Bid + ask at equal steps of a clock (time or trades): flat in the lag for a random walk,
        falling where prices bounce, rising where they trend.
    lags : ndarray of int64, shape (n_lags,), > 0

    Returns
    -------
    ndarray of float64, shape (n_lags,), unit ticks per root of a step
        NaN where a lag leaves no pair. Changes overlap.

    Raises
    ------
    TypeError, ValueError
        A value is no integer or a lag is not positive.

    Examples
    --------
    >>> volatility_signature(np.array([0, 2, 0, 2, 0]), np.array([1, 2]))
    array([1., 0.])
    """
    mid = require_int64("mid_half_ticks", mid_half_ticks)
    lags = require_int64("lags", lags)
    require_positive("lags", lags)
    result = np.full(len(lags), np.nan)
    for i, lag in enumerate(lags.tolist()):
        if lag < len(mid):
            change = (mid[lag:] - mid[:-lag]) * 0.5
            result[i] = np.sqrt((change**2).mean() / lag)
    return result


def time_weighted_spread(
    ts_ns: Int64, bid_ticks: Int64, ask_ticks: Int64, tick: int = 1
) -> tuple[float, float]:
    """Return the mean spread and the share of time at one tick, both weighted by time.

    Parameters
    ----------
    ts_ns, bid_ticks, ask_ticks : ndarray of int64, shape (n,)
        Quotes in time order; each stands until the next, the last counts for nothing.
    tick : int, > 0
        Steps of the price grid that make a tick.

    Returns
    -------
    mean : float, unit ticks
    share_at_one : float
        NaN for both where the quotes span no time. Locked and crossed quotes count as they are.

    Raises
    ------
    TypeError, ValueError
        Lengths differ, times run back or a value is no integer.

    Examples
    --------
    >>> time_weighted_spread(np.array([0, 1, 4]), np.array([9, 9, 9]), np.array([10, 12, 10]))
    (2.5, 0.25)
    """
    ts, bid, ask = (
        require_int64(name, values)
        for name, values in (("ts_ns", ts_ns), ("bid_ticks", bid_ticks), ("ask_ticks", ask_ticks))
    )
    require_same_length(ts_ns=ts, bid_ticks=bid, ask_ticks=ask)
    require_sorted("ts_ns", ts)
    tick = require_positive_scalar("tick", tick)
    held = np.diff(ts).astype(np.float64)
    if not held.sum() > 0:
        return float("nan"), float("nan")
    spread = (ask - bid)[:-1]
    share = float(held[spread == tick].sum() / held.sum())
    return float((spread * held).sum() / held.sum() / tick), share
