"""The direction signal, traded."""

import time

import dagster as dg

from orchestration.defs import publishing
from orchestration.defs.backtest import tables
from orchestration.defs.inference.tables import rung_out_of_fold
from orchestration.defs.inputs import DayReader
from orchestration.partitions import daily_by_symbol
from orchestration.quality.invariants import check_out_of_fold
from orchestration.resources.store import StoreResource
from orchestration.runtime import instrument, settings

SIGNAL, SUMMARY = "backtest.direction_signal", "backtest.direction_summary"


@dg.multi_asset(
    name="direction_signal",
    specs=[
        publishing.asset_spec(
            SIGNAL,
            "backtest",
            "Fills of the direction signal, its equity and that of buy-and-hold.",
            deps=[
                publishing.asset_key("research.predictions"),
                publishing.asset_key("flow.classified_trades"),
                publishing.asset_key("raw.quotes"),
            ],
            code_version="1",
        ),
        publishing.asset_spec(
            SUMMARY,
            "backtest",
            "Totals of the day, and the result of every shuffled-signal run.",
            deps=[publishing.asset_key("research.predictions")],
            code_version="1",
        ),
    ],
    check_specs=[
        *publishing.check_specs(SIGNAL, "out_of_fold"),
        *publishing.check_specs(SUMMARY),
    ],
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def direction_signal(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Trade out-of-fold predictions only, with latency, fees and adverse fills."""
    started = time.monotonic()
    day, config = DayReader.of(context, store.get()), settings()
    known = instrument(day.symbol)
    predictions = rung_out_of_fold(
        day.read("research.predictions"), config.direction_task, config.signal_rung
    )
    market = tables.market_path(day.read("flow.classified_trades"), day.read("raw.quotes"), known)
    common = tables.rules(known, known.trading_day_window(day.day), config)
    judged = tables.judge(market, predictions, common, config)
    made = {SIGNAL: tables.signal_rows(judged), SUMMARY: tables.summary_rows(judged)}
    draft = day.draft(
        started,
        "1",
        made,
        outcomes={SIGNAL: [check_out_of_fold(predictions)]},
        metadata={
            SIGNAL: {
                "net_pnl": judged.strategy.net_pnl,
                "buy_and_hold_net_pnl": judged.benchmark.net_pnl,
                "p_value_against_shuffled": judged.null.p_pnl,
                "fills": len(judged.strategy.fill_ts_ns),
            }
        },
    )
    yield from publishing.publish(context, day.store, draft)
