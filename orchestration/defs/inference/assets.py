"""Predictions of one symbol-day."""

import time

import dagster as dg
import pyarrow as pa

from orchestration.defs import publishing
from orchestration.defs.inference import tables
from orchestration.defs.inference.day_rows import FURTHER_TABLES, Day
from orchestration.defs.inference.registered import check_after_training, notes, score_day
from orchestration.defs.inputs import DayReader
from orchestration.partitions import daily_by_symbol, days_of_symbol
from orchestration.quality.invariants import check_out_of_fold
from orchestration.resources.store import StoreResource
from orchestration.resources.tracking import TrackingResource
from orchestration.runtime import instrument, settings

TABLE = "research.predictions"
CODE_VERSION = "4"
READ = ("research.features", "research.labels")
MODELS = (
    "direction",
    "return",
    "move",
    "levels",
    "impact",
    "slippage",
    "markout",
    "sizing",
    "fill",
    "adverse",
)


@dg.multi_asset(
    name="predictions",
    specs=[
        publishing.asset_spec(
            TABLE,
            "inference",
            "Out-of-fold predictions of every rung by the newest training of each task; those of "
            "champion and challenger on decisions after their training.",
            deps=[
                dg.AssetDep(["models", name], partition_mapping=days_of_symbol) for name in MODELS
            ]
            + [publishing.asset_key(table) for table in (*READ, *FURTHER_TABLES)],
            code_version=CODE_VERSION,
        )
    ],
    check_specs=publishing.check_specs(TABLE, "out_of_fold", "after_training"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def predictions(
    context: dg.AssetExecutionContext, store: StoreResource, tracking: TrackingResource
) -> publishing.Events:
    """Publish what each model said of rows that it had not seen."""
    started = time.monotonic()
    day = DayReader.of(context, store.get())
    for table in READ:
        day.uses(table)
    newest = [m for m in tracking.get().models() if m["symbol"] == day.symbol and m["is_newest"]]
    parts = [
        tables.day_predictions(
            tracking.get().read_oof(model["run_id"]),
            task=model["task"],
            versions=tables.model_versions(model),
            day=day.day,
        )
        for model in newest
    ]
    asked = Day(instrument=instrument(day.symbol), day=day.day, config=settings(), read=day.read)
    scored = score_day(tracking.get(), asked)
    parts += [each.rows for each in scored if each.rows.num_rows]
    made = pa.concat_tables(parts).unify_dictionaries() if parts else tables.no_predictions()
    metadata = {model["task"]: model["model_version"] for model in newest} | notes(scored)
    metadata |= {} if newest else {"models": "none is registered, so nothing is predicted"}
    draft = day.draft(
        started,
        CODE_VERSION,
        {TABLE: made},
        outcomes={TABLE: [check_out_of_fold(made), check_after_training(scored)]},
        metadata={TABLE: metadata},
    )
    yield from publishing.publish(context, day.store, draft)
