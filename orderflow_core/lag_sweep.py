"""How far a venue's quotes run behind its trades, told by the trades whose true side is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.quote_rules import lee_ready_joined
from orderflow_core.scoring import score_signs
from orderflow_core.types import Float64, Int64, QuoteArrays
from orderflow_core.validate import require_int64, require_sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class LagSweep:
    """Accuracy of Lee-Ready by the age that a quote must have; arrays of shape (n_lags,).

    Attributes
    ----------
    lag_ns : ndarray of int64, unit ns, strictly increasing
    n : int
        Trades with a true side.
    accuracy, low, high : ndarray of float64
        Share of right signs, with its 95 % interval; NaN where no trade has a true side.
    best_lag_ns : int or None
        The lag of the highest accuracy, of equals the smallest; None where nothing is scored.
    """

    lag_ns: Int64
    n: int
    accuracy: Float64
    low: Float64
    high: Float64
    best_lag_ns: int | None

    def __len__(self) -> int:
        return len(self.lag_ns)


def lag_sweep(
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    quotes: QuoteArrays,
    true_sign: ArrayLike,
    lags_ns: Sequence[int],
    *,
    cluster: ArrayLike | None = None,
) -> LagSweep:
    """Return how often Lee-Ready is right for each lag of the strict-before join.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
        On the clock that the quotes are stamped by.
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, one session
    quotes : QuoteArrays, n_quotes elements in time order
    true_sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
        The venue's flag; trades without one are signed but not scored.
    lags_ns : sequence of int, unit ns, >= 0, strictly increasing, at least one
    cluster : ndarray of int64, shape (n_trades,), optional
        The sweep of each fill, as in `orderflow_core.scoring.score_signs`.

    Returns
    -------
    LagSweep

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.quote_rules.lee_ready_joined` and `score_signs`; lags that are none, not
        in order or negative.

    Notes
    -----
    The signs are causal; the choice of the lag is not: it has seen the day's true sides. Choose it on
    earlier days than those it is used on, and take a lag whose interval overlaps the best for as good.
    Source: the quote delay of Lee and Ready (1991), measured in place of assumed.

    Examples
    --------
    The quote at 10 is what the trade at 10 left behind, stamped 2 ns late:

    >>> ts, ticks = np.array([0, 12]), np.array([9, 10])
    >>> quotes = QuoteArrays(
    ...     ts_event_ns=ts, bid_ticks=ticks, bid_lots=ts, ask_ticks=ticks + 1, ask_lots=ts)
    >>> lag_sweep(np.array([13]), np.array([10]), quotes, np.array([1]), [0, 2]).best_lag_ns
    2
    """
    lags = require_int64("lags_ns", np.asarray(lags_ns))
    if len(lags) == 0:
        raise ValueError("lags_ns must hold at least one lag, got none")
    require_sorted("lags_ns", lags, strict=True)
    scores = [
        score_signs(
            lee_ready_joined(trade_ts_ns, price_ticks, quotes, lag_ns=int(lag))[0],
            true_sign,
            cluster=cluster,
        )
        for lag in lags
    ]
    accuracy = np.array([score.accuracy for score in scores])
    best = None if np.isnan(accuracy).all() else int(lags[np.argmax(accuracy)])
    return LagSweep(
        lag_ns=lags,
        n=scores[0].n,
        accuracy=accuracy,
        low=np.array([score.low for score in scores]),
        high=np.array([score.high for score in scores]),
        best_lag_ns=best,
    )
