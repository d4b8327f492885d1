"""The code location: every asset, check, job and schedule, from explicit modules."""

import warnings
from datetime import timedelta

import dagster as dg

from orchestration.defs import publishing
from orchestration.defs.backtest import assets as backtest
from orchestration.defs.classification import assets as classification
from orchestration.defs.features import assets as features
from orchestration.defs.flow import assets as flow
from orchestration.defs.inference import assets as inference
from orchestration.defs.ingest import assets as ingest
from orchestration.defs.training import assets as training
from orchestration.defs.training import orders as training_of_orders
from orchestration.partitions import daily_by_symbol
from orchestration.resources.store import StoreResource
from orchestration.resources.tracking import TrackingResource

DAY_STAGES = ("ingest", "classification", "flow", "features")
TRAINING_STAGES = ("training",)
JUDGING_STAGES = ("inference", "backtest")

# One process, one step after another: the embedded store admits one process.
_IN_PROCESS = dg.in_process_executor

day_job = dg.define_asset_job(
    "day",
    dg.AssetSelection.groups(*DAY_STAGES),
    executor_def=_IN_PROCESS,
    description="Ticks of one symbol-day to classified trades, flow tables, features and labels.",
)
training_job = dg.define_asset_job(
    "training",
    dg.AssetSelection.groups(*TRAINING_STAGES),
    executor_def=_IN_PROCESS,
    description="Train, judge and register the models of one symbol; promote or say why not.",
)
judging_job = dg.define_asset_job(
    "judging",
    dg.AssetSelection.groups(*JUDGING_STAGES),
    executor_def=_IN_PROCESS,
    description="Publish out-of-fold predictions of one symbol-day and trade them in a backtest.",
)


@dg.schedule(
    job=training_job,
    cron_schedule="0 3 * * 0",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Sunday: a challenger for each symbol that has features.",
)
def weekly_retraining(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for one training run a symbol whose features were materialized.

    Reads Dagster's own record and never the store: the daemon must not hold the embedded store
    while a run needs it.
    """
    key = publishing.asset_key("research.features")
    days = context.instance.get_materialized_partitions(key)
    trained = sorted(
        {
            daily_by_symbol.get_partition_key_from_str(day).keys_by_dimension["symbol"]
            for day in days
        }
    )
    if not trained:
        return dg.SkipReason("no symbol has features yet")
    week = context.scheduled_execution_time.strftime("%G-W%V")
    return [dg.RunRequest(run_key=f"{s}:{week}", partition_key=s) for s in trained]


_FRESH = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=8), warn_window=timedelta(days=2)
)


def _with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
    return spec.replace_attributes(freshness_policy=_FRESH)


def _definitions() -> dg.Definitions:
    bare = dg.Definitions(
        assets=dg.load_assets_from_modules(
            [
                ingest,
                classification,
                flow,
                features,
                training,
                training_of_orders,
                inference,
                backtest,
            ]
        ),
        jobs=[day_job, training_job, judging_job],
        schedules=[weekly_retraining],
        executor=_IN_PROCESS,  # also for what is started from an asset's page
        resources={"store": StoreResource(), "tracking": TrackingResource()},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # the lock file pins what was tested
        return bare.map_resolved_asset_specs(func=_with_policy)


defs = _definitions()
