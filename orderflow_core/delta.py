"""Cumulative volume delta: the running sum of signed aggressor volume."""

from operator import index

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.bars import BarArrays
from orderflow_core.kernels.delta import _cumulative_delta_nb, _session_sum_nb
from orderflow_core.types import Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positive,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sum_fits,
)


def cumulative_delta(sign: ArrayLike, qty_lots: ArrayLike, session_start_idx: ArrayLike) -> Int64:
    """Return the running signed volume, reset at each session start.

    Parameters
    ----------
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
        Aggressor sign; zero adds nothing.
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0

    Returns
    -------
    ndarray of int64, shape (n_trades,), unit lots

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a sign outside the domain, a quantity that is not positive,
        or sums that could leave int64.

    Notes
    -----
    Causal: element i uses trades 0..i of its session. No trades: an empty result.
    Source: docs/glossary.md.

    Examples
    --------
    >>> cumulative_delta(np.array([1, -1, 0, 1]), np.array([3, 1, 5, 2]), np.array([0, 3]))
    array([3, 2, 2, 2])
    """
    return continue_cumulative_delta(0, sign, qty_lots, session_start_idx)[0]


def continue_cumulative_delta(
    carried_lots: int, sign: ArrayLike, qty_lots: ArrayLike, session_start_idx: ArrayLike
) -> tuple[Int64, int]:
    """Do as `cumulative_delta` for the next chunk of trades.

    Parameters
    ----------
    carried_lots : int, unit lots
        What the preceding chunk returned; 0 where the chunk's first trade opens a session.
    sign, qty_lots, session_start_idx
        As in `cumulative_delta`; position 0 is the chunk's first trade.

    Returns
    -------
    cvd_lots : ndarray of int64, shape (n_trades,), unit lots
        Chunks together give the result of the whole.
    carried_lots : int, unit lots
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `cumulative_delta`.
    """
    signs, qty = require_sign("sign", sign), require_int64("qty_lots", qty_lots)
    n = require_same_length(sign=signs, qty_lots=qty)
    require_positive("qty_lots", qty)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    if n == 0:
        return np.empty(0, np.int64), carried_lots
    longest = int(np.diff(starts, append=n).max())
    carried = index(carried_lots)
    if abs(carried) + int(qty.max()) * longest > INT64_MAX:
        raise ValueError(
            f"qty_lots may overflow int64: {carried} carried and {longest} terms "
            f"of up to {qty.max()}"
        )
    cvd = np.empty(n, np.int64)
    _cumulative_delta_nb(signs, qty, starts, carried, cvd)
    return cvd, int(cvd[-1])


def cvd_candles(bars: BarArrays, session_start_bar: ArrayLike) -> tuple[Int64, Int64, Int64, Int64]:
    """Return open, high, low and close of the running delta in each bar.

    Parameters
    ----------
    bars : BarArrays, n_bars elements
        Its extremes of the running delta say whether the bar's start at 0 counts.
    session_start_bar : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Positions of the bars that open a session, where the running delta starts from 0.

    Returns
    -------
    open, high, low, close : ndarray of int64, shape (n_bars,), unit lots

    Raises
    ------
    TypeError, ValueError
        As `cumulative_delta`, of bars.

    Notes
    -----
    Causal: a candle is known when its bar closes. open = C[t-1], high = C[t-1] + max delta,
    low = C[t-1] + min delta, close = C[t]. With bars made without the zero start the open may lie
    outside of [low, high]. No bars: four empty arrays. Source: docs/glossary.md (ATAS).

    Examples
    --------
    A first bar with +3, -1 and a second with -4: candles (0, 3, 0, 2) and (2, 2, -2, -2).
    """
    delta = require_int64("bars.delta_lots", bars.delta_lots)
    starts = require_session_starts("session_start_bar", session_start_bar, len(delta))
    lowest = require_int64("bars.min_delta_lots", bars.min_delta_lots)
    highest = require_int64("bars.max_delta_lots", bars.max_delta_lots)
    require_same_length(delta_lots=delta, min_delta_lots=lowest, max_delta_lots=highest)
    if len(delta):  # the close before a bar and an extreme within it
        columns = (delta, lowest, highest)
        largest = max(max(-int(lots.min()), int(lots.max())) for lots in columns)
        require_sum_fits("bars.delta_lots", largest, len(delta) + 1)
    close = np.empty(len(delta), np.int64)
    _session_sum_nb(delta, starts, 0, close)
    opened = close - delta
    return opened, opened + highest, opened + lowest, close
