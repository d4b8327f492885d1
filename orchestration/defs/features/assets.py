"""Features and labels: one row a decision time."""

import numpy as np

from orchestration.arrays import column
from orchestration.defs import publishing
from orchestration.defs.day_asset import Made, day_asset
from orchestration.defs.features import tables
from orchestration.defs.inputs import DayReader
from orchestration.runtime import instrument, settings

TRADES, QUOTES, GAPS = "flow.classified_trades", "raw.quotes", "raw.gaps"


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
    deps=["research.features", TRADES, QUOTES, GAPS],
    code_version="3",
)
def labels(day: DayReader) -> Made:
    """Direction over the next sweeps and return over the next seconds: what happened after."""
    config = settings()
    made = tables.labels(
        day.read("research.features"),
        day.read(TRADES),
        day.read(QUOTES),
        day.read(GAPS),
        session_end_ns=instrument(day.symbol).trading_day_window(day.day)[1],
        direction_task=(config.direction_task, config.direction_sweeps),
        return_task=(config.return_task, config.return_seconds),
    )
    is_null = np.isnan(column(made, "label"))
    metadata = {
        "null_share": float(is_null.mean()) if len(is_null) else 0.0,
        "mid_proxy": made["mid_proxy"][0].as_py() if len(is_null) else "",
    }
    return Made(table=made, metadata=metadata)
