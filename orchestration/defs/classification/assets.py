"""Classified trades."""

import time

import dagster as dg
import numpy as np

from orchestration.arrays import column
from orchestration.defs import publishing
from orchestration.defs.classification import tables
from orchestration.defs.inputs import DayReader
from orchestration.partitions import daily_by_symbol
from orchestration.quality.invariants import check_conservation, check_order
from orchestration.resources.store import StoreResource
from orchestration.runtime import instrument

TABLE = "flow.classified_trades"


@dg.multi_asset(
    name="classified_trades",
    specs=[
        publishing.asset_spec(
            TABLE,
            "classification",
            "Aggressor sign, the rule that decided it, the sweep, and the quote strictly before.",
            deps=[publishing.asset_key("raw.trades"), publishing.asset_key("raw.quotes")],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs(TABLE, "order", "volume_conserved"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def classified_trades(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Classify the day's trades: native flag, else Lee-Ready where there are quotes, else tick."""
    started = time.monotonic()
    day = DayReader.of(context, store.get())
    trades, quotes = day.read("raw.trades"), day.read("raw.quotes")
    made = tables.classified_trades(trades, quotes, instrument(day.symbol))
    sign = column(made, "sign")
    conserved = check_conservation(
        "volume_conserved", tables.market_trades(trades), made, "qty_lots"
    )
    metadata = {
        "unsigned_share": float(np.mean(sign == 0)) if len(sign) else 0.0,
        "sweeps": int(made["sweep"][-1].as_py()) + 1 if len(sign) else 0,
        "rules": tables.rule_counts(made),
    } | publishing.time_range(made, "ts_event_ns")
    yield from publishing.publish(
        context,
        day.store,
        day.draft(
            started,
            "1",
            {TABLE: made},
            outcomes={TABLE: [check_order(made), conserved]},
            metadata={TABLE: metadata},
        ),
    )
