"""What a run came to, as one plain object."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from orchestration.arrays import column
from orchestration.backtest_summary import pooled_backtest
from orchestration.runtime import instrument, settings
from orchestration.storage.store import Store

if TYPE_CHECKING:  # they import the whole asset graph and MLflow
    from orchestration.pipeline import Materialized
    from orchestration.tracking.tracking import Tracking


def run_summary(
    store: Store,
    tracking: "Tracking | None",
    symbol: str,
    days: Sequence[date],
    made: "Sequence[Materialized]",
) -> dict[str, Any]:
    """Return rows and time per stage, the days' key levels, models, champion and backtest.

    Without ``tracking`` models and backtest are None: not asked for.
    """
    return {
        "symbol": symbol,
        "days": [day.isoformat() for day in days],
        "stages": stage_rows(made),
        "notes": [f"{one.table} {one.partition}: {one.note}" for one in made if one.note],
        "classification": [_classification(store, symbol, day) for day in days],
        "levels": [session_levels(store, symbol, day) for day in days],
    } | _judged(store, tracking, symbol, days)


def _judged(
    store: Store, tracking: "Tracking | None", symbol: str, days: Sequence[date]
) -> dict[str, Any]:
    if tracking is None:
        return {"models": None, "backtest": None}
    n_trials = tracking.n_trials_of_symbol(symbol)
    return {
        "models": [m for m in tracking.models() if m["symbol"] == symbol and m["is_newest"]],
        "backtest": pooled_backtest(store, instrument(symbol), days, settings(), n_trials=n_trials),
    }


def stage_rows(made: "Sequence[Materialized]") -> list[dict[str, Any]]:
    """Return rows and seconds per table, summed over the partitions, in the order of the graph."""
    stages: dict[str, dict[str, Any]] = {}
    for one in made:
        entry = stages.setdefault(
            one.table, {"table": one.table, "partitions": 0, "rows": 0, "seconds": 0.0}
        )
        entry["partitions"] += 1
        entry["rows"] += one.rows or 0
        entry["seconds"] = round(entry["seconds"] + one.elapsed_s, 3)
    return list(stages.values())


def _classification(store: Store, symbol: str, day: date) -> dict[str, Any]:
    trades = store.read(
        "flow.classified_trades", symbol, day, columns=["sign", "qty_lots", "sweep"]
    )
    sign, qty = column(trades, "sign"), column(trades, "qty_lots")
    return {
        "day": day.isoformat(),
        "trades": len(sign),
        "sweeps": int(pc.max(trades["sweep"]).as_py()) + 1 if len(sign) else 0,
        "unsigned_share": float(np.mean(sign == 0)) if len(sign) else 0.0,
        "unsigned_volume_share": float(qty[sign == 0].sum() / qty.sum()) if len(sign) else 0.0,
    }


def session_levels(store: Store, symbol: str, day: date) -> dict[str, Any]:
    """Return POC and value area of one day, in quote currency."""
    kinds = ["session_poc", "session_val", "session_vah"]
    rows = store.read("flow.events", symbol, day, where={"kind": kinds})
    known = instrument(symbol)
    prices = known.ticks_to_price(column(rows, "price_tick"))
    named = dict(zip(rows["kind"].to_pylist(), prices.tolist(), strict=True))
    return {"day": day.isoformat()} | {k.removeprefix("session_"): named.get(k) for k in kinds}
