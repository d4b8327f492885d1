"""The direction signal, traded."""

import time

import dagster as dg
import pyarrow as pa

from orchestration.defs import publishing
from orchestration.defs.backtest import tables
from orchestration.defs.inference.tables import rung_unseen
from orchestration.defs.inputs import DayReader
from orchestration.partitions import daily_by_symbol
from orchestration.quality.invariants import check_out_of_fold
from orchestration.resources.store import StoreResource
from orchestration.runtime import instrument, settings
from orchestration.storage.tables import TABLES
from orderflow_core.instrument import Instrument

SIGNAL, SUMMARY = "backtest.direction_signal", "backtest.direction_summary"
CODE_VERSION = "3"


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
            code_version=CODE_VERSION,
        ),
        publishing.asset_spec(
            SUMMARY,
            "backtest",
            "Totals of the day, and the result of every shuffled-signal run.",
            deps=[
                publishing.asset_key("research.predictions"),
                publishing.asset_key("flow.classified_trades"),
                publishing.asset_key("raw.quotes"),
            ],
            code_version=CODE_VERSION,
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
    """Trade predictions of rows that the model had not seen, with latency, fees and adverse fills."""
    started = time.monotonic()
    day, config = DayReader.of(context, store.get()), settings()
    known = instrument(day.symbol)
    predictions = rung_unseen(
        day.read("research.predictions"), config.direction_task, config.signal_rung
    )
    why_not = _untradable(known, predictions)
    made, metadata = (_empty(), {"not traded": why_not}) if why_not else _traded(day, predictions)
    draft = day.draft(
        started,
        CODE_VERSION,
        made,
        outcomes={SIGNAL: [check_out_of_fold(predictions)]},
        metadata={SIGNAL: metadata},
    )
    yield from publishing.publish(context, day.store, draft)


def _untradable(known: Instrument, predictions: pa.Table) -> str:
    if not predictions.num_rows:
        return f"{settings().signal_rung} said nothing of this day's rows without having seen them"
    if known.kind.startswith("inverse"):
        return "an inverse contract's profit is not linear in the price, which the engine needs"
    return ""


def _empty() -> dict[str, pa.Table]:
    return {name: TABLES[name].arrow_schema().empty_table() for name in (SIGNAL, SUMMARY)}


def _traded(day: DayReader, predictions: pa.Table) -> tuple[dict[str, pa.Table], dict[str, object]]:
    known, config = instrument(day.symbol), settings()
    market = tables.market_path(day.read("flow.classified_trades"), day.read("raw.quotes"), known)
    common = tables.rules(known, known.trading_day_window(day.day), config)
    judged = tables.judge(market, predictions, common, config)
    metadata = {
        "net_pnl": judged.strategy.net_pnl,
        "buy_and_hold_net_pnl": judged.benchmark.net_pnl,
        "p_value_against_shuffled": judged.null.p_pnl,
        "fills": len(judged.strategy.fill_ts_ns),
    }
    return {SIGNAL: tables.signal_rows(judged), SUMMARY: tables.summary_rows(judged)}, metadata
