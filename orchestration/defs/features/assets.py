"""Features and labels: one row a decision time."""

import time

import dagster as dg

from orchestration.arrays import column
from orchestration.defs import publishing
from orchestration.defs.features import tables
from orchestration.defs.inputs import DayReader
from orchestration.partitions import daily_by_symbol
from orchestration.resources.store import StoreResource
from orchestration.runtime import instrument, settings


@dg.multi_asset(
    name="features",
    specs=[
        publishing.asset_spec(
            "research.features",
            "features",
            "What was known after each sweep: flow of the last 60 s, CVD, VWAP, returns, quote.",
            deps=[
                publishing.asset_key("flow.classified_trades"),
                publishing.asset_key("raw.gaps"),
            ],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs("research.features"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def features(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Compute the causal feature matrix of the day."""
    started = time.monotonic()
    day = DayReader.of(context, store.get())
    trades, gaps = day.read("flow.classified_trades"), day.read("raw.gaps")
    # Trades that were published after the day's end are all that the day will ever have.
    end_ns = instrument(day.symbol).trading_day_window(day.day)[1]
    is_over = all(row.published_at >= end_ns for row in day.used)
    made = tables.features(trades, gaps, session_ended=is_over)
    metadata = publishing.time_range(made, "t0_ns")
    draft = day.draft(
        started, "1", {"research.features": made}, metadata={"research.features": metadata}
    )
    yield from publishing.publish(context, day.store, draft)


@dg.multi_asset(
    name="labels",
    specs=[
        publishing.asset_spec(
            "research.labels",
            "features",
            "Direction over the next sweeps and return over the next seconds; looks ahead.",
            deps=[
                publishing.asset_key("research.features"),
                publishing.asset_key("flow.classified_trades"),
                publishing.asset_key("raw.quotes"),
                publishing.asset_key("raw.gaps"),
            ],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs("research.labels"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def labels(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Look up what happened after each decision time."""
    started = time.monotonic()
    day, config = DayReader.of(context, store.get()), settings()
    made = tables.labels(
        day.read("research.features"),
        day.read("flow.classified_trades"),
        day.read("raw.quotes"),
        day.read("raw.gaps"),
        session_end_ns=instrument(day.symbol).trading_day_window(day.day)[1],
        direction_task=(config.direction_task, config.direction_sweeps),
        return_task=(config.return_task, config.return_seconds),
    )
    metadata = {
        "null_share": float((column(made, "label") != column(made, "label")).mean())
        if made.num_rows
        else 0.0,
        "mid_proxy": made["mid_proxy"][0].as_py() if made.num_rows else "",
    }
    draft = day.draft(
        started, "1", {"research.labels": made}, metadata={"research.labels": metadata}
    )
    yield from publishing.publish(context, day.store, draft)
