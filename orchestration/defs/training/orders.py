"""Models of orders of one symbol: impact, slippage, markout, largest size, fills and their worth."""

import time

import dagster as dg

from models.results import WalkForward
from models.sizing import judge_sizing
from models.tasks import Task
from orchestration.config import Settings
from orchestration.defs import publishing
from orchestration.defs.training import assets as training
from orchestration.defs.training.datasets import (
    FEATURE_TABLE,
    LABEL_TABLE,
    manifest_rows,
    training_days,
)
from orchestration.defs.training.judging import Market
from orchestration.defs.training.order_datasets import label_task, load_order_dataset
from orchestration.partitions import symbols
from orchestration.resources.store import StoreResource
from orchestration.resources.tracking import TrackingResource
from orchestration.runtime import instrument, settings

TABLES = (FEATURE_TABLE, LABEL_TABLE)


def order_tasks(config: Settings, subject: str) -> list[Task]:
    """Return the tasks of a subject that the settings name, one a horizon; sizes go with impacts."""
    named = "impact" if subject == "sizing" else subject
    found = [name for name in config.order_tasks if Task(name).subject == named]
    return [Task(name.replace(named, subject, 1)) for name in found]


def sizing_metadata(found: WalkForward, config: Settings) -> training.Metadata:
    """Return what each rung of a sizing ladder allowed of the real orders, as lines of text."""
    if found.task.subject != "sizing":
        return {}
    scores = judge_sizing(
        found, budget=config.sizing_budget_bp, probability=config.sizing_probability
    )
    return {
        f"allowed_by_{score.rung}": (
            f"{score.share_allowed:.1%} of orders, {score.lots_allowed:.1%} of lots, "
            f"mean {score.mean_lots:.0f} lots; within {score.budget:g} bp {score.coverage:.3f} "
            f"({score.coverage_low:.3f} to {score.coverage_high:.3f}), asked {score.probability:g}"
        )
        for score in scores
    }


def _model(subject: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["models", subject],
        group_name="training",
        description=description,
        kinds={"mlflow", "lightgbm"},
        owners=publishing.OWNERS,
        code_version="4",
        partitions_def=symbols,
        deps=[publishing.asset_key(table) for table in (*TABLES, *training.MARKET)],
        pool="training",
    )
    def model(
        context: dg.AssetExecutionContext, store: StoreResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        started = time.monotonic()
        config, opened, symbol = settings(), store.get(), context.partition_key
        snapshot = opened.snapshot()
        days = training_days(opened, symbol, snapshot, TABLES)
        market = Market(
            store=opened, instrument=instrument(symbol), days=days, snapshot=snapshot, config=config
        )
        read = manifest_rows(opened, symbol, days, snapshot, TABLES)
        n_rows, found = 0, {}
        for task in order_tasks(config, subject):
            dataset = load_order_dataset(
                opened, symbol, days, task, snapshot, max_rows=config.order_max_rows
            )
            n_rows += len(dataset)
            found[task.name] = training.register(
                context,
                tracking.get(),
                market,
                task,
                dataset,
                read,
                label_name=label_task(task),
                further=lambda walked: sizing_metadata(walked, config),
            )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": n_rows,
                "elapsed_s": round(time.monotonic() - started, 3),
                "days": ", ".join(map(str, days)),
            }
            | training.of_tasks(found)
        )

    return model


impact = _model(
    "impact",
    "Move of the mid with an order: mean by side, law of impact and propagator, trees on the rest.",
)
slippage = _model(
    "slippage",
    "Quantiles of what an order pays beyond the arrival mid, conformal on held-out rows.",
)
markout = _model(
    "markout",
    "What the fills of an order are worth a while later: mean, ridge, trees.",
)
sizing = _model(
    "sizing",
    "Quantiles of impact that rise with size, and what they would have allowed of real orders.",
)
fill = _model("fill", "Whether an order left at the touch is filled in time.")
adverse = _model("adverse", "What an order left at the touch is worth a while after its fill.")
