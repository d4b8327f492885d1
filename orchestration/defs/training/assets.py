"""Models of one symbol: trained on its published days, judged out of fold, registered."""

import time

import dagster as dg

from models.tasks import Task
from models.train import walk_forward
from orchestration.defs import publishing
from orchestration.defs.training.datasets import fingerprint, load_dataset, training_days
from orchestration.partitions import symbols
from orchestration.resources.store import StoreResource
from orchestration.resources.tracking import TrackingResource
from orchestration.runtime import settings

CODE_VERSION = "1"
# Below this a fold holds too few independent outcomes for an interval to mean anything.
MIN_ROWS = 500
_NS_PER_S = 1_000_000_000


def _model(name: str, task_setting: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["models", name],
        group_name="training",
        description=description,
        kinds={"mlflow", "lightgbm"},
        owners=publishing.OWNERS,
        code_version=CODE_VERSION,
        partitions_def=symbols,
        deps=[publishing.asset_key("research.features"), publishing.asset_key("research.labels")],
        pool="training",
    )
    def model(
        context: dg.AssetExecutionContext, store: StoreResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        started = time.monotonic()
        config, opened, symbol = settings(), store.get(), context.partition_key
        task, snapshot = Task(getattr(config, task_setting)), opened.snapshot()
        days = training_days(opened, symbol, snapshot)
        dataset = load_dataset(opened, symbol, days, task, snapshot)
        if len(dataset) < MIN_ROWS:
            raise dg.Failure(
                f"{symbol} {task.name}: {len(dataset)} labelled rows on {len(days)} days are too few "
                f"to judge a model by, at least {MIN_ROWS} are needed",
                allow_retries=False,
            )
        found = walk_forward(
            dataset,
            task,
            n_folds=config.n_blocks - 1,
            embargo_ns=config.embargo_seconds * _NS_PER_S,
            seed=config.seed,
            on_fold=lambda done, of: context.log.info(f"fold {done} of {of}"),
        )
        tracker = tracking.get()
        registered = tracker.log_training(
            found,
            fingerprint(opened, symbol, days, snapshot),
            symbol=symbol,
            code_version=CODE_VERSION,
            dagster_run_id=context.run.run_id,
        )
        champion = tracker.champion(registered.name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(dataset),
                "elapsed_s": round(time.monotonic() - started, 3),
                "days": ", ".join(map(str, days)),
                "registered": registered.model_version,
                "rung": registered.rung,
                "champion": champion.model_version if champion else "none",
                "reason": registered.reason,
                "mlflow_run": dg.MetadataValue.url(
                    f"http://127.0.0.1:{config.mlflow_port}/{tracker.run_path(registered.run_id)}"
                ),
                "trials_of_this_model": registered.n_trials_total,
            }
        )

    return model


direction = _model(
    "direction",
    "direction_task",
    "Direction of the mid over the next sweeps: naive, logit, LightGBM, judged out of fold.",
)
returns = _model(
    "return",
    "return_task",
    "Return of the mid over the next seconds: zero, ridge, LightGBM, judged out of fold.",
)
