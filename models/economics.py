"""What a forecast is worth after costs: its out-of-fold signal traded by the backtest's engine."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.results import WalkForward
from models.tasks import Task
from models.verdict import Verdict
from orderflow_core.backtest.engine import BacktestResult, Rules, run_signal
from orderflow_core.backtest.fills import MarketPath
from orderflow_core.backtest.metrics import summarise
from orderflow_core.backtest.nulls import buy_and_hold, one_sided_p, shuffled_signal_null
from orderflow_core.backtest.sharpe import (
    deflated_sharpe_ratio,
    probabilistic_sharpe_ratio,
    sharpe_interval,
)
from orderflow_core.types import Float64, Int64

_SIGNED = ("direction_", "barrier_", "return_")
MIN_INTERVALS = 30  # with fewer mark intervals no verdict on the result is given


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """The market of one day and the terms to trade on; ``trading_day`` counts from 1970-01-01."""

    trading_day: int
    market: MarketPath
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """A rung's out-of-fold signal, traded one lot at a time; money in quote currency.

    Attributes
    ----------
    rung : str
    min_edge, min_return_bp : float
        A position is taken where the forecast reaches this (``p_up - p_down``, or basis points).
    n_days, n_signals, n_fills, n_round_trips : int
    gross_pnl, crossing_cost, fees, net_pnl, turnover, net_bp_of_turnover : float
        ``net = gross - fees``; the crossing cost is within gross.
    buy_and_hold_net_pnl : float
        From each day's first prediction on.
    p_shuffled, p_shuffled_before_costs : float
        Share of shuffled-signal runs that earned as much, one-sided.
    sharpe, sharpe_low, sharpe_high : float
        Per mark interval, with its 95 % interval.
    p_above_zero, p_above_best_of_trials : float
        Probabilistic and deflated Sharpe ratio; NaN where undefined.
    n_trials : int
        Configurations judged for the symbol so far, which the deflated ratio discounts.
    earns : str
        yes, no or not shown: where the Sharpe ratio's interval lies.
    is_quoted : bool
        False: prices are a tick beside the trades, no spread was observed.
    """

    rung: str
    min_edge: float
    min_return_bp: float
    n_days: int
    n_signals: int
    n_fills: int
    n_round_trips: int
    gross_pnl: float
    crossing_cost: float
    fees: float
    net_pnl: float
    turnover: float
    net_bp_of_turnover: float
    buy_and_hold_net_pnl: float
    p_shuffled: float
    p_shuffled_before_costs: float
    sharpe: float
    sharpe_low: float
    sharpe_high: float
    p_above_zero: float
    p_above_best_of_trials: float
    n_trials: int
    earns: Verdict
    is_quoted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Untraded:
    """Why a forecast has no economic value of its own."""

    reason: str


def why_untradable(task: Task) -> str:
    """Return why no position follows from the task's forecast alone, or nothing where one does."""
    if task.name.startswith(_SIGNED):
        return ""
    return f"{task.name} forecasts no direction, so no position follows from it alone"


def target_lots(task: Task, prediction: Float64, *, min_edge: float, min_return_bp: float) -> Int64:
    """Return the position wanted after each forecast: one lot up, one lot down, or none.

    Parameters
    ----------
    task : Task
        Of classes down, flat, up; or a return.
    prediction : ndarray of float64, shape (n, 3) or (n,)
    min_edge : float
        Least ``|p_up - p_down|`` that is traded.
    min_return_bp : float
        Least forecast return that is traded; a forecast of zero never is.

    Returns
    -------
    ndarray of int64, shape (n,), in {-1, 0, 1}

    Raises
    ------
    ValueError
        The task forecasts no direction.
    """
    reason = why_untradable(task)
    if reason:
        raise ValueError(reason)
    if prediction.ndim == 2:
        edge, least = prediction[:, 2] - prediction[:, 0], min_edge
    else:
        edge, least = prediction, min_return_bp
    return np.where(np.abs(edge) >= least, np.sign(edge), 0).astype(np.int64)


def economic_value(
    found: WalkForward,
    rung: str,
    days: Iterable[TradingDay],
    *,
    min_edge: float,
    min_return_bp: float,
    n_trials: int,
    n_null: int = 200,
) -> Economics | Untraded:
    """Trade a rung's out-of-fold predictions day by day, against buy-and-hold and shuffled signals.

    Parameters
    ----------
    found : WalkForward
    rung : str
    days : iterable of TradingDay
        Read one at a time, so that a long period fits in memory. A day without out-of-fold rows is
        passed over.
    min_edge, min_return_bp : float
        See `target_lots`.
    n_trials : int, >= 1
    n_null : int
        Shuffled runs a day, drawn for each day by itself; run i of each day is summed to run i of the
        period.

    Returns
    -------
    Economics or Untraded
        Untraded where the forecast has no direction, or no day has out-of-fold rows and a market.
    """
    reason = why_untradable(found.task)
    if reason:
        return Untraded(reason=reason)
    rows = found.dataset.take(found.row_idx)
    target = target_lots(
        found.task, found.predictions[rung], min_edge=min_edge, min_return_bp=min_return_bp
    )
    traded = []
    for day in days:
        is_day = rows.trading_day == day.trading_day
        if is_day.any() and len(day.market):
            traded.append(_trade(day, rows.t0_ns[is_day], target[is_day], n_null, found.seed))
    if not traded:
        return Untraded(reason="no day has both out-of-fold predictions and prices to trade at")
    return _pooled(traded, rung, min_edge, min_return_bp, n_trials, found.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traded:
    run: BacktestResult
    benchmark_net_pnl: float
    null_pnl: Float64
    null_mark_pnl: Float64
    n_signals: int


def _trade(day: TradingDay, t0_ns: Int64, target: Int64, n_null: int, seed: int) -> _Traded:
    # Not from hours in which there was no model yet: the benchmark starts with the signal.
    start = int(np.searchsorted(day.market.ts_ns, t0_ns[0]))
    seen = MarketPath(
        ts_ns=day.market.ts_ns[start:],
        bid_ticks=day.market.bid_ticks[start:],
        ask_ticks=day.market.ask_ticks[start:],
        is_quoted=day.market.is_quoted,
    )
    # Each day its own rotations: were all days shifted alike, a period of many days would still hold few.
    of_day = np.random.SeedSequence((seed, day.trading_day)).generate_state(1, np.uint64)
    null = shuffled_signal_null(seen, t0_ns, target, day.rules, n_null=n_null, seed=int(of_day[0]))
    return _Traded(
        run=run_signal(seen, t0_ns, target, day.rules),
        benchmark_net_pnl=buy_and_hold(seen, day.rules).net_pnl,
        null_pnl=null.null_pnl,
        null_mark_pnl=null.null_mark_pnl,
        n_signals=len(t0_ns),
    )


def _pooled(
    days: list[_Traded], rung: str, min_edge: float, min_return_bp: float, n_trials: int, seed: int
) -> Economics:
    of_day = [summarise(day.run) for day in days]
    pnl = np.concatenate([day.run.interval_pnl for day in days])
    sharpe = sharpe_interval(pnl, seed=seed)
    net, turnover = sum(s.net_pnl for s in of_day), sum(s.turnover for s in of_day)
    mark = sum(day.run.mark_pnl for day in days)
    return Economics(
        rung=rung,
        min_edge=min_edge,
        min_return_bp=min_return_bp,
        n_days=len(days),
        n_signals=sum(day.n_signals for day in days),
        n_fills=sum(s.n_fills for s in of_day),
        n_round_trips=sum(s.n_round_trips for s in of_day),
        gross_pnl=sum(s.gross_pnl for s in of_day),
        crossing_cost=sum(s.crossing_cost for s in of_day),
        fees=sum(s.fees for s in of_day),
        net_pnl=net,
        turnover=turnover,
        net_bp_of_turnover=1e4 * net / turnover if turnover else np.nan,
        buy_and_hold_net_pnl=sum(day.benchmark_net_pnl for day in days),
        p_shuffled=one_sided_p(net, np.sum([day.null_pnl for day in days], axis=0)),
        p_shuffled_before_costs=one_sided_p(
            mark, np.sum([day.null_mark_pnl for day in days], axis=0)
        ),
        sharpe=sharpe.value,
        sharpe_low=sharpe.low,
        sharpe_high=sharpe.high,
        p_above_zero=probabilistic_sharpe_ratio(pnl) if len(pnl) > 1 else np.nan,
        p_above_best_of_trials=_deflated(pnl, n_trials),
        n_trials=n_trials,
        earns=_earns(sharpe.low, sharpe.high, len(pnl)),
        is_quoted=all(day.run.is_quoted for day in days),
    )


def _deflated(pnl: Float64, n_trials: int) -> float:
    if len(pnl) < 2:
        return np.nan
    return deflated_sharpe_ratio(pnl, n_trials=max(n_trials, 1), var_sharpe=1 / (len(pnl) - 1))


def _earns(low: float, high: float, n: int) -> Verdict:
    if n < MIN_INTERVALS or not np.isfinite([low, high]).all() or low <= 0 <= high:
        return "not shown"
    return "yes" if low > 0 else "no"
