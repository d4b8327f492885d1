"""What a run earned, how it earned it, and how far that is from chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.backtest.engine import BacktestResult
from orderflow_core.backtest.sharpe import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    probabilistic_sharpe_ratio,
    sharpe_interval,
)
from orderflow_core.intervals import Proportion, wilson_interval
from orderflow_core.kernels.backtest import _round_trips_nb
from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.validate import require_float64


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Trips from flat to flat, in time order; arrays of shape (n_trips,).

    Attributes
    ----------
    open_ts_ns, close_ts_ns : ndarray of int64
        Fills that opened and closed the trip.
    sign : ndarray of int8
        +1 long, -1 short.
    lots : ndarray of int64
        Lots entered, additions included.
    gross_tick_lots : ndarray of int64
        Exact; their sum is the run's ``gross_pnl_tick_lots``.
    fee, net_pnl : ndarray of float64, quote currency
    """

    open_ts_ns: Int64
    close_ts_ns: Int64
    sign: Int8
    lots: Int64
    gross_tick_lots: Int64
    fee: Float64
    net_pnl: Float64

    def __len__(self) -> int:
        return len(self.sign)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """Largest fall of equity from an earlier high; positions of the high and the low, -1 = start."""

    value: float
    peak_idx: int
    trough_idx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run in figures; money in quote currency, NaN where a figure is undefined.

    Attributes
    ----------
    gross_pnl, crossing_cost, fees, net_pnl : float
        ``net = gross - fees``; ``gross + crossing_cost`` is what the marks alone would have earned.
    turnover_lots : int
    turnover, net_bp_of_turnover : float
        Notional traded, and net result for each 10,000 of it.
    n_fills, n_round_trips, n_superseded, n_cancelled, n_intervals, n_sessions : int
    hit_rate : Proportion
        Round trips whose net result is above zero; Wilson interval, which takes trips as
        independent.
    max_drawdown : Drawdown
    sharpe : SharpeEstimate
        Per mark interval.
    sharpe_per_day, sharpe_per_year : float
        The same times the root of the intervals in a session (mean) or a year (given; else NaN):
        it takes intervals as uncorrelated.
    psr, dsr : float
        Probability that the true ratio exceeds 0, and the best of ``n_trials`` without skill.
    n_trials : int
    is_quoted : bool
    """

    gross_pnl: float
    crossing_cost: float
    fees: float
    net_pnl: float
    turnover_lots: int
    turnover: float
    net_bp_of_turnover: float
    n_fills: int
    n_round_trips: int
    n_superseded: int
    n_cancelled: int
    n_intervals: int
    n_sessions: int
    hit_rate: Proportion
    max_drawdown: Drawdown
    sharpe: SharpeEstimate
    sharpe_per_day: float
    sharpe_per_year: float
    psr: float
    dsr: float
    n_trials: int
    is_quoted: bool


def round_trips(result: BacktestResult) -> RoundTrips:
    """Return the trips from flat to flat.

    Parameters
    ----------
    result : BacktestResult

    Returns
    -------
    RoundTrips

    Notes
    -----
    A trip opens when the position leaves zero and closes when it returns to zero or passes it; a
    fill that passes zero closes one trip and opens the next at the same price, and its fee divides
    by lots. Every trip closes, since sessions end flat.
    """
    change = result.fill_sign * result.fill_lots
    opened, closed, lots, gross, fee = _round_trips_nb(
        change, result.fill_price_ticks, result.fill_fee
    )
    return RoundTrips(
        open_ts_ns=result.fill_ts_ns[opened],
        close_ts_ns=result.fill_ts_ns[closed],
        sign=result.fill_sign[opened],
        lots=lots,
        gross_tick_lots=gross,
        fee=fee,
        net_pnl=gross * result.tick_value - fee,
    )


def max_drawdown(equity: ArrayLike) -> Drawdown:
    """Return the largest fall of equity below an earlier high.

    Parameters
    ----------
    equity : ndarray of float64, shape (n_marks,)
        Marked equity that starts from 0 before its first element.

    Returns
    -------
    Drawdown
        ``value >= 0``; of equal falls the first, from the first mark of its high. Without a fall
        value 0 and both positions -1.

    Raises
    ------
    TypeError, ValueError
        Not a vector of floats, or a value that is not finite.
    """
    path = np.concatenate((np.zeros(1), require_float64("equity", equity)))
    if not np.isfinite(path).all():
        raise ValueError("equity must be finite")
    fall = np.maximum.accumulate(path) - path
    trough = int(np.argmax(fall))
    peak = int(np.argmax(path[: trough + 1]))
    return Drawdown(value=float(fall[trough]), peak_idx=peak - 1, trough_idx=trough - 1)


def summarise(
    result: BacktestResult,
    *,
    n_trials: int = 1,
    var_sharpe: float = 0.0,
    periods_per_year: float | None = None,
    block_len: int | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Summary:
    """Return the run's figures with their intervals.

    Parameters
    ----------
    result : BacktestResult
    n_trials : int, >= 1
        Every strategy tried, not the ones kept.
    var_sharpe : float, >= 0
        Variance of the trials' Sharpe ratios per mark interval.
    periods_per_year : float or None
        Mark intervals in a year; None = no annual figure is given.
    block_len, n_boot, seed
        See ``sharpe_interval``.

    Returns
    -------
    Summary

    Raises
    ------
    TypeError, ValueError
        See ``sharpe_interval`` and ``deflated_sharpe_ratio``.
    """
    trips = round_trips(result)
    pnl = result.interval_pnl
    sharpe = sharpe_interval(pnl, block_len=block_len, n_boot=n_boot, seed=seed)
    per_day = len(pnl) / result.n_sessions if result.n_sessions else np.nan
    per_year = np.nan if periods_per_year is None else periods_per_year
    notional = np.abs(result.fill_price_ticks).astype(np.float64) * result.fill_lots
    turnover = float(notional.sum()) * result.tick_value
    return Summary(
        gross_pnl=result.gross_pnl,
        crossing_cost=result.crossing_cost,
        fees=result.fees,
        net_pnl=result.net_pnl,
        turnover_lots=int(result.fill_lots.sum()),
        turnover=turnover,
        net_bp_of_turnover=1e4 * result.net_pnl / turnover if turnover else np.nan,
        n_fills=len(result.fill_lots),
        n_round_trips=len(trips),
        n_superseded=result.n_superseded,
        n_cancelled=result.n_cancelled,
        n_intervals=len(pnl),
        n_sessions=result.n_sessions,
        hit_rate=wilson_interval(int(np.count_nonzero(trips.net_pnl > 0)), len(trips)),
        max_drawdown=max_drawdown(result.equity),
        sharpe=sharpe,
        sharpe_per_day=sharpe.value * float(np.sqrt(per_day)),
        sharpe_per_year=sharpe.value * float(np.sqrt(per_year)),
        psr=probabilistic_sharpe_ratio(pnl),
        dsr=deflated_sharpe_ratio(pnl, n_trials=n_trials, var_sharpe=var_sharpe),
        n_trials=n_trials,
        is_quoted=result.is_quoted,
    )
