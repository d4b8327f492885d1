"""What the same engine and costs give to no skill: a held position, and the signal mistimed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.backtest.engine import BacktestResult, Rules, prepare, run
from orderflow_core.backtest.fills import (
    MarketPath,
    require_market,
    require_sessions,
    session_events,
)
from orderflow_core.backtest.sharpe import sharpe_ratio
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_count, require_int64


@dataclass(frozen=True, slots=True, kw_only=True)
class NullComparison:
    """A run beside the same signal mistimed.

    Attributes
    ----------
    pnl, mark_pnl, sharpe : float
        Net result, result at the marks before all cost, and Sharpe ratio per mark interval of the
        run itself.
    traded_lots : int
    null_pnl, null_mark_pnl, null_sharpe : ndarray of float64, shape (n_null,)
        Of the mistimed runs; a ratio is NaN where a run has no variance.
    null_traded_lots : ndarray of int64, shape (n_null,)
        Beside ``traded_lots`` it says how far the two sides paid different costs.
    p_pnl, p_mark_pnl, p_sharpe : float
        One-sided: ``(1 + number of null >= actual) / (1 + n_null)``. A null without a ratio counts
        as one that is reached; without an actual ratio the p-value is NaN.
    """

    pnl: float
    mark_pnl: float
    sharpe: float
    traded_lots: int
    null_pnl: Float64
    null_mark_pnl: Float64
    null_sharpe: Float64
    null_traded_lots: Int64
    p_pnl: float
    p_mark_pnl: float
    p_sharpe: float

    def pnl_quantiles(self, levels: ArrayLike = (0.05, 0.5, 0.95)) -> Float64:
        """Return quantiles of the mistimed runs' net result, quote currency."""
        return np.quantile(self.null_pnl, np.asarray(levels, np.float64))


def one_sided_p(actual: float, null: Float64) -> float:
    """Return ``(1 + number of null >= actual) / (1 + n)``; a NaN in the null counts as reached."""
    if np.isnan(actual):
        return float("nan")
    return (1 + int(np.count_nonzero(~(null < actual)))) / (1 + len(null))


def buy_and_hold(market: MarketPath, rules: Rules, *, lots: int = 1) -> BacktestResult:
    """Return the run that is long from each session's first event to its last.

    Parameters
    ----------
    market : MarketPath
    rules : Rules
        As for the strategy: latency, costs, sessions and marks are the same.
    lots : int, > 0

    Returns
    -------
    BacktestResult

    Raises
    ------
    TypeError, ValueError
        See ``prepare``; or ``lots`` not positive.

    Notes
    -----
    It decides at the first event, so it buys at the first one strictly after the latency.
    """
    size = require_count("lots", lots, least=1)
    start, end = require_sessions(rules.session_start_ns, rules.session_end_ns)
    checked = require_market(market)
    first, last = session_events(checked, start, end)
    signal_ts_ns = checked.ts_ns[first[first <= last]]
    return run(prepare(checked, signal_ts_ns, rules), np.full(len(signal_ts_ns), size, np.int64))


def shuffled_signal_null(
    market: MarketPath,
    signal_ts_ns: ArrayLike,
    target_lots: ArrayLike,
    rules: Rules,
    *,
    n_null: int = 200,
    seed: int = 0,
) -> NullComparison:
    """Compare a signal with itself at wrong times, by the same engine and at the same costs.

    Parameters
    ----------
    market : MarketPath
    signal_ts_ns, target_lots : ndarray of int64, shape (n_signals,)
    rules : Rules
    n_null : int, >= 1
    seed : int

    Returns
    -------
    NullComparison

    Raises
    ------
    TypeError, ValueError
        See ``run_signal``; or ``n_null`` out of its range.

    Notes
    -----
    Each null run rotates the sequence of targets by a uniform number of places in
    ``1 .. n_signals - 1`` against unchanged decision times. So it keeps the distribution of the
    targets, each holding time in signals and their order (but for one seam); the timing is lost.
    The number of fills is not kept: latency merges the signals of a burst, so a signal that turns
    in quiet times trades more than its rotation, and one that turns in bursts less. Hence read
    ``p_pnl`` beside ``p_mark_pnl``, which no difference in costs can move.
    What no rotation changes (a constant position, a drift that a bias towards one side earns)
    gives no small p-value. Fewer than two signals have no other order: every null run then equals
    the actual one, and p is 1.
    """
    require_count("n_null", n_null, least=1)
    schedule = prepare(market, signal_ts_ns, rules)
    target = require_int64("target_lots", target_lots)
    actual = run(schedule, target)
    shifts = np.random.default_rng(seed).integers(1, max(2, schedule.n_signals), size=n_null)
    pnl, mark_pnl, sharpe = np.empty(n_null), np.empty(n_null), np.empty(n_null)
    traded_lots = np.empty(n_null, np.int64)
    for i, shift in enumerate(shifts.tolist()):
        null = run(schedule, np.roll(target, shift))
        pnl[i], mark_pnl[i], sharpe[i] = (
            null.net_pnl,
            null.mark_pnl,
            sharpe_ratio(null.interval_pnl),
        )
        traded_lots[i] = null.fill_lots.sum()
    actual_sharpe = sharpe_ratio(actual.interval_pnl)
    return NullComparison(
        pnl=actual.net_pnl,
        mark_pnl=actual.mark_pnl,
        sharpe=actual_sharpe,
        traded_lots=int(actual.fill_lots.sum()),
        null_pnl=pnl,
        null_mark_pnl=mark_pnl,
        null_sharpe=sharpe,
        null_traded_lots=traded_lots,
        p_pnl=one_sided_p(actual.net_pnl, pnl),
        p_mark_pnl=one_sided_p(actual.mark_pnl, mark_pnl),
        p_sharpe=one_sided_p(actual_sharpe, sharpe),
    )
