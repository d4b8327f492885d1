"""Classified trades."""

import numpy as np

from orchestration.arrays import column
from orchestration.defs import publishing
from orchestration.defs.classification import tables
from orchestration.defs.day_asset import Made, day_asset
from orchestration.defs.inputs import DayReader
from orchestration.quality.invariants import check_conservation, check_order
from orchestration.runtime import instrument


@day_asset(
    "flow.classified_trades",
    group="classification",
    deps=["raw.trades", "raw.quotes"],
    checks=["order", "volume_conserved"],
)
def classified_trades(day: DayReader) -> Made:
    """Aggressor sign, the rule that decided it, the sweep, and the quote strictly before.

    The venue's own flag decides, else Lee-Ready where there are quotes, else the tick rule.
    """
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
    return Made(table=made, outcomes=(check_order(made), conserved), metadata=metadata)
