"""Trade the out-of-fold direction signal of one symbol-day, against buy-and-hold and a null."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.economics import target_lots
from models.tasks import Task
from orchestration.arrays import column, on_exchange_clock, quote_arrays, trade_arrays
from orchestration.config import Settings
from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import BacktestResult, Rules, run_signal
from orderflow_core.backtest.fills import MarketPath, market_from_quotes, market_from_trades
from orderflow_core.backtest.metrics import round_trips, summarise
from orderflow_core.backtest.nulls import NullComparison, buy_and_hold, shuffled_signal_null
from orderflow_core.instrument import Instrument

MARK_INTERVAL_NS = 60_000_000_000
RUNG_METRIC = "rung:"
_NS_PER_MS = 1_000_000
_SIGNAL_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("ts_event_ns", pa.int64()),
        ("seq", pa.int64()),
        ("sign", pa.int8()),
        ("qty_lots", pa.int64()),
        ("price_ticks", pa.int64()),
        ("position_lots", pa.int64()),
        ("fee", pa.float64()),
        ("equity", pa.float64()),
        ("benchmark_equity", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A strategy's run of one day, its benchmark and its null, and the settings of all three."""

    strategy: BacktestResult
    benchmark: BacktestResult
    null: NullComparison
    terms: Mapping[str, float]


def market_path(classified: pa.Table, quotes: pa.Table, instrument: Instrument) -> MarketPath:
    """Return the prices to trade at: the quotes, or a full tick worse than the next trade.

    Quotes on our receive clock are not traded at: orders are decided on the exchange's clock.
    """
    if quotes.num_rows and on_exchange_clock(quotes):
        return market_from_quotes(quote_arrays(quotes))
    return market_from_trades(trade_arrays(classified), instrument.tick_steps)


def rules(instrument: Instrument, session: tuple[int, int], config: Settings) -> Rules:
    """Return what a strategy, its benchmark and its null have in common.

    Raises
    ------
    ValueError
        The instrument is inverse: its profit is not linear in the price.
    """
    if instrument.kind.startswith("inverse"):
        raise ValueError(f"{instrument.symbol} is inverse: the engine trades linear contracts")
    costs = Costs(
        taker_fee=float(instrument.taker_fee),
        fee_per_contract=float(instrument.fee_per_contract),
        slippage_ticks=config.slippage_ticks * instrument.tick_steps,
    )
    return Rules(
        latency_ns=int(config.latency_ms * _NS_PER_MS),
        costs=costs,
        tick_value=instrument.tick_value,
        contracts_per_lot=float(instrument.lot_step),
        session_start_ns=session[0],
        session_end_ns=session[1],
        mark_interval_ns=MARK_INTERVAL_NS,
    )


def judge(market: MarketPath, predictions: pa.Table, common: Rules, config: Settings) -> Judged:
    """Run the strategy, buy-and-hold from the first prediction on, and the shuffled signal."""
    decided = column(predictions, "t0_ns")
    task = Task(config.direction_task)
    target = target_lots(
        task,
        np.column_stack([column(predictions, name) for name in task.prediction_columns]),
        min_edge=config.signal_threshold,
        min_return_bp=0.0,
    )
    seen = _from_first_prediction(market, decided)
    return Judged(
        strategy=run_signal(seen, decided, target, common),
        benchmark=buy_and_hold(seen, common),
        null=shuffled_signal_null(
            seen, decided, target, common, n_null=config.n_null_runs, seed=config.seed
        ),
        terms=terms(config),
    )


def terms(config: Settings) -> dict[str, float]:
    """Return the settings that a backtest's result depends on, as metrics of its summary.

    They are stored with the result, since settings change and a result does not. The rung is in
    the metric's name: values are numbers.
    """
    return {
        "latency_ms": config.latency_ms,
        "slippage_ticks": float(config.slippage_ticks),
        "signal_threshold": config.signal_threshold,
        "n_null_runs": float(config.n_null_runs),
        f"{RUNG_METRIC}{config.signal_rung}": 1.0,
    }


def _from_first_prediction(market: MarketPath, decided: np.ndarray) -> MarketPath:
    # The benchmark must not profit from hours in which the strategy had no model yet.
    start = int(np.searchsorted(market.ts_ns, decided[0])) if len(decided) else len(market)
    return MarketPath(
        ts_ns=market.ts_ns[start:],
        bid_ticks=market.bid_ticks[start:],
        ask_ticks=market.ask_ticks[start:],
        is_quoted=market.is_quoted,
    )


def signal_rows(judged: Judged) -> pa.Table:
    """Return ``backtest.direction_signal``: every fill, and both equities on the mark grid."""
    return pa.concat_tables([_fills(judged.strategy), _marks(judged)]).sort_by(
        [("ts_event_ns", "ascending"), ("kind", "ascending"), ("seq", "ascending")]
    )


def _fills(run: BacktestResult) -> pa.Table:
    n = len(run.fill_ts_ns)
    unknown = np.full(n, np.nan)
    return pa.table(
        {
            "kind": pa.array(["fill"] * n, pa.string()),
            "ts_event_ns": run.fill_ts_ns,
            "seq": np.arange(n),
            "sign": run.fill_sign,
            "qty_lots": run.fill_lots,
            "price_ticks": run.fill_price_ticks,
            "position_lots": run.fill_position_lots,
            "fee": run.fill_fee,
            "equity": unknown,
            "benchmark_equity": unknown,
        },
        schema=_SIGNAL_SCHEMA,
    )


def _marks(judged: Judged) -> pa.Table:
    run, n = judged.strategy, len(judged.strategy.mark_ts_ns)
    none = np.zeros(n, np.int64)
    return pa.table(
        {
            "kind": pa.array(["mark"] * n, pa.string()),
            "ts_event_ns": run.mark_ts_ns,
            "seq": np.arange(n),
            "sign": none.astype(np.int8),
            "qty_lots": none,
            "price_ticks": none,
            "position_lots": run.mark_position_lots,
            "fee": np.zeros(n),
            "equity": run.equity,
            "benchmark_equity": judged.benchmark.equity,
        },
        schema=_SIGNAL_SCHEMA,
    )


def summary_rows(judged: Judged) -> pa.Table:
    """Return ``backtest.direction_summary``: totals of the day and each null run, and the terms."""
    strategy, day = judged.strategy, summarise(judged.strategy)
    totals = {
        "gross_pnl": day.gross_pnl,
        "crossing_cost": day.crossing_cost,
        "fees": day.fees,
        "net_pnl": day.net_pnl,
        "mark_pnl": strategy.mark_pnl,
        "buy_and_hold_net_pnl": judged.benchmark.net_pnl,
        "turnover": day.turnover,
        "n_fills": float(day.n_fills),
        "n_round_trips": float(day.n_round_trips),
        "n_won": float(np.count_nonzero(round_trips(strategy).net_pnl > 0)),
        "n_superseded": float(day.n_superseded),
        "n_cancelled": float(day.n_cancelled),
        "sharpe": day.sharpe.value,
        "psr": day.psr,
    }
    null = {"null_net_pnl": judged.null.null_pnl, "null_mark_pnl": judged.null.null_mark_pnl}
    rows = [(name, 0, value) for name, value in (totals | dict(judged.terms)).items()]
    rows += [(name, i, value) for name, runs in null.items() for i, value in enumerate(runs)]
    names, seq, values = zip(*rows, strict=True)
    return pa.table(
        {
            "metric": pa.array(names, pa.string()),
            "seq": pa.array(seq, pa.int64()),
            "value": pa.array(values, pa.float64()),
        }
    )
