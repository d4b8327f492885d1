"""Features and labels: one row a decision time."""

import numpy as np
import pyarrow as pa

from orchestration.arrays import column
from orchestration.defs import publishing
from orchestration.defs.day_asset import Made, day_asset
from orchestration.defs.features import label_rows, level_tables, order_tables, tables
from orchestration.defs.inputs import DayReader
from orchestration.runtime import instrument, settings

TRADES, QUOTES, GAPS = "flow.classified_trades", "raw.quotes", "raw.gaps"
EVENTS = "flow.events"
_NS_PER_MS = 1_000_000


@day_asset("research.features", group="features", deps=[TRADES, GAPS, QUOTES], code_version="4")
def features(day: DayReader) -> Made:
    """What was known after each sweep: flow, CVD, VWAP, returns, quote, costs, bars, levels, VPIN."""
    config, known = settings(), instrument(day.symbol)
    made = tables.features(
        day.read(TRADES),
        day.read(GAPS),
        day.read(QUOTES),
        settings=tables.feature_settings(
            row_ticks=config.row_ticks(known),
            min_lots=config.imbalance_min_lots,
            bar_seconds=config.bar_seconds,
            bucket_lots=config.bucket_lots(known),
        ),
    )
    return Made(table=made, metadata=publishing.time_range(made, "t0_ns"))


@day_asset(
    "research.labels",
    group="features",
    deps=["research.features", TRADES, QUOTES, GAPS, EVENTS],
    code_version="7",
    terms=lambda config: config.label_terms,
)
def labels(day: DayReader) -> Made:
    """What happened after: direction, return, moves, outcomes of orders, whether touched levels held."""
    config, known = settings(), instrument(day.symbol)
    read = [day.read(name) for name in ("research.features", TRADES, QUOTES, GAPS)]
    session_end_ns = known.trading_day_window(day.day)[1]
    made = label_rows.labels(
        *read,
        session_end_ns=session_end_ns,
        instrument=known,
        terms=label_rows.LabelTerms(
            tasks=config.label_tasks,
            n_sigmas=config.move_sigmas,
            sigma_window_s=config.sigma_window_seconds,
            without_quotes=config.mid_without_quotes,
            direction_costs=config.direction_costs,
        ),
    )
    of_orders = order_tables.order_labels(
        *read,
        tasks=config.order_tasks,
        session_end_ns=session_end_ns,
        latency_ns=round(config.latency_ms * _NS_PER_MS),
        tick_steps=known.tick_steps,
    )
    of_levels = level_tables.level_labels(
        *(day.read(name) for name in (TRADES, GAPS, EVENTS)),
        tasks=config.level_tasks,
        terms=level_tables.level_terms(config, known),
    )
    made = pa.concat_tables([made, of_orders, of_levels]).unify_dictionaries()
    is_null = np.isnan(column(made, "label"))
    metadata = {
        "null_share": float(is_null.mean()) if len(is_null) else 0.0,
        "mid_proxy": made["mid_proxy"][0].as_py() if len(is_null) else "",
    }
    return Made(table=made, metadata=metadata)
