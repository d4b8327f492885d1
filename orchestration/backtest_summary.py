"""A symbol's backtest over all its days: totals, Sharpe with its interval, the shuffled null."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.arrays import column
from orchestration.config import Settings
from orchestration.defs.backtest.tables import RUNG_METRIC
from orchestration.frames import utc
from orchestration.storage.store import Store
from orderflow_core.backtest.metrics import max_drawdown
from orderflow_core.backtest.nulls import one_sided_p
from orderflow_core.backtest.sharpe import (
    deflated_sharpe_ratio,
    probabilistic_sharpe_ratio,
    sharpe_interval,
)
from orderflow_core.instrument import Instrument
from orderflow_core.intervals import wilson_interval

SIGNAL, SUMMARY = "backtest.direction_signal", "backtest.direction_summary"


def equity_frame(store: Store, instrument: Instrument, days: Sequence[date]) -> pd.DataFrame:
    """Return equity, buy-and-hold and position on the mark grid, each day carried onto the last.

    Each day starts flat; its equity is added to what the days before it ended with.
    """
    marks = store.read(SIGNAL, instrument.symbol, days, where={"kind": "mark"})
    position = instrument.lots_to_qty(column(marks, "position_lots"))
    columns = {"equity": "equity", "benchmark": "benchmark_equity"}
    return pd.DataFrame(
        {"t": utc(marks, "ts_event_ns"), "position": position}
        | {name: _carried(marks, source) for name, source in columns.items()}
    )


def _carried(marks: pa.Table, name: str) -> np.ndarray:
    values, day = column(marks, name), column(marks, "trading_day")
    starts = np.flatnonzero(np.r_[True, day[1:] != day[:-1]]) if len(day) else np.empty(0, int)
    ends = np.zeros(len(values))
    for start in starts[1:]:
        ends[start] = values[start - 1]
    return values + np.cumsum(ends)


def interval_pnl(store: Store, instrument: Instrument, days: Sequence[date]) -> np.ndarray:
    """Return what was gained in each mark interval of all days."""
    equity = equity_frame(store, instrument, days)["equity"].to_numpy()
    return np.diff(equity, prepend=0.0)


def pooled_backtest(
    store: Store, instrument: Instrument, days: Sequence[date], config: Settings, *, n_trials: int
) -> dict[str, str]:
    """Return the backtest over all days in words and figures, for a person to read.

    ``n_trials`` counts every configuration that was ever judged for the symbol; see
    `Tracking.n_trials_of_symbol`.
    """
    rows = store.read(SUMMARY, instrument.symbol, days)
    if not rows.num_rows:
        return {}
    pnl = interval_pnl(store, instrument, days)
    sharpe = sharpe_interval(pnl, seed=config.seed)
    null, null_mark = null_runs(rows, "null_net_pnl"), null_runs(rows, "null_mark_pnl")
    net = _total(rows, "net_pnl")
    won = wilson_interval(int(_total(rows, "n_won")), int(_total(rows, "n_round_trips")))
    currency = instrument.quote_currency
    return {
        "net result": f"{net:,.2f} {currency}",
        "before fees": f"{_total(rows, 'gross_pnl'):,.2f} {currency}",
        "fees": f"{_total(rows, 'fees'):,.2f} {currency}",
        "spread and slippage paid": f"{_total(rows, 'crossing_cost'):,.2f} {currency}",
        "buy and hold": f"{_total(rows, 'buy_and_hold_net_pnl'):,.2f} {currency}",
        "turnover": f"{_total(rows, 'turnover'):,.0f} {currency} in {_total(rows, 'n_fills'):,.0f} fills",
        "round trips won": f"{won.value:.1%} [{won.low:.1%}, {won.high:.1%}] of {won.n:,}",
        "Sharpe per minute": f"{sharpe.value:.4f} [{sharpe.low:.4f}, {sharpe.high:.4f}]",
        "odds of skill": _odds(pnl, n_trials),
        "largest drawdown": f"{max_drawdown(np.cumsum(pnl)).value:,.2f} {currency}",
        "shuffled signal": (
            f"median {np.median(null):,.2f} {currency}, 90 % in "
            f"[{np.quantile(null, 0.05):,.2f}, {np.quantile(null, 0.95):,.2f}], "
            f"p = {one_sided_p(net, null):.3f}, before all costs "
            f"p = {one_sided_p(_total(rows, 'mark_pnl'), null_mark):.3f} ({len(null)} runs)"
        ),
        "terms": stated_terms(rows),
    }


def _odds(pnl: np.ndarray, n_trials: int) -> str:
    # One rung was traded, so how far the trials' ratios spread is not observed: it is taken to be
    # the sampling variance of a ratio without skill, 1 / (n - 1).
    if len(pnl) < 2:
        return "not defined: too few mark intervals"
    n, var_sharpe = max(n_trials, 1), 1 / (len(pnl) - 1)
    alone = probabilistic_sharpe_ratio(pnl)
    best = deflated_sharpe_ratio(pnl, n_trials=n, var_sharpe=var_sharpe)
    return (
        f"P(Sharpe > 0) = {alone:.3f} (PSR), above the best of {n} trials without skill "
        f"{best:.3f} (deflated)"
    )


def _total(rows: pa.Table, metric: str) -> float:
    values = rows.filter(pc.equal(rows["metric"].cast(pa.string()), metric))["value"]
    return float(np.sum(values.to_numpy()))


def null_runs(rows: pa.Table, metric: str) -> np.ndarray:
    """Return a result of each shuffled run, summed over the days run by run.

    Days may have been run with different numbers of shuffled runs: only those that every day has
    are kept, since a run that misses a day is no result of the whole period.
    """
    null = rows.filter(pc.equal(rows["metric"].cast(pa.string()), metric))
    seq = column(null, "seq")
    n_days = np.bincount(seq)
    sums = np.bincount(seq, weights=column(null, "value"))
    return sums[n_days == n_days.max(initial=0)]


def stated_terms(rows: pa.Table) -> str:
    """Return in words the terms that the days were run on, and whether they differ."""
    found = Counter(_terms_by_day(rows).values())
    if len(found) == 1:
        return next(iter(found))
    parts = [f"{n} {'day' if n == 1 else 'days'} on: {told}" for told, n in found.items()]
    return "days were run on different terms, so their sum describes none of them: " + " | ".join(
        parts
    )


def _terms_by_day(rows: pa.Table) -> dict[date, str]:
    values: dict[date, dict[str, float]] = {}
    for row in rows.select(["trading_day", "metric", "seq", "value"]).to_pylist():
        if row["seq"] == 0:
            values.setdefault(row["trading_day"], {})[row["metric"]] = row["value"]
    return {day: _terms_in_words(of_day) for day, of_day in values.items()}


def _terms_in_words(values: dict[str, float]) -> str:
    rung = [name.removeprefix(RUNG_METRIC) for name in values if name.startswith(RUNG_METRIC)]
    if not rung:
        return "not recorded (made by an earlier version)"
    return (
        f"predictions of {rung[0]} of rows unseen by it; latency {values['latency_ms']:g} ms; "
        f"slippage {values['slippage_ticks']:g} ticks; "
        f"|p_up - p_down| >= {values['signal_threshold']:g}; "
        f"{values['n_null_runs']:g} shuffled runs"
    )
