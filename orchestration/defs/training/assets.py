"""Models of one symbol: trained on its published days, judged out of fold, registered."""

import time
from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from models.config import LadderConfig, NetworkConfig
from models.datasets import Dataset
from models.footprint_batch import head_of
from models.leaks import implausible_features, may_foretell
from models.results import WalkForward
from models.tasks import ALL_RUNGS, RUNGS, Task
from models.train import walk_forward
from orchestration.config import Settings
from orchestration.defs import publishing
from orchestration.defs.training.datasets import (
    FEATURE_TABLE,
    LABEL_TABLE,
    load_dataset,
    manifest_rows,
    training_days,
    with_auxiliary,
)
from orchestration.defs.training.judging import (
    N_GROUPS,
    N_TEST_GROUPS,
    Market,
    judged,
    mid_proxy,
)
from orchestration.defs.training.level_rows import LEVEL_TABLES, load_level_dataset
from orchestration.footprint_batches import FOOTPRINT_TABLES, with_windows
from orchestration.partitions import symbols
from orchestration.resources.store import StoreResource
from orchestration.resources.tracking import TrackingResource
from orchestration.runtime import instrument, settings
from orchestration.storage.store import Store
from orchestration.tracking.fingerprint import fingerprint
from orchestration.tracking.tracking import Registered, Tracking
from orderflow_core.splits import TooFewRowsError

# Below this a fold holds too few independent outcomes for an interval to mean anything.
MIN_ROWS = 500
# With the network every rung is judged on the rows that have a footprint window: at least this share.
MIN_WINDOW_SHARE = 0.5
# What the signal earns is told by these; what is learnt from, by each model's own tables.
MARKET = ("flow.classified_trades", "raw.quotes")
_CODE_VERSION = "5"
_LEAK_ROWS = 20_000  # newest rows, among which features that peek are sought
_NS_PER_S = 1_000_000_000

Metadata = dict[str, object]


def _model(
    name: str,
    tasks_setting: str,
    description: str,
    *,
    load: Callable[..., Dataset] = load_dataset,
    tables: Sequence[str] = (FEATURE_TABLE, LABEL_TABLE),
) -> dg.AssetsDefinition:
    @dg.asset(
        key=["models", name],
        group_name="training",
        description=description,
        kinds={"mlflow", "lightgbm"},
        owners=publishing.OWNERS,
        code_version=_CODE_VERSION,
        partitions_def=symbols,
        deps=[publishing.asset_key(table) for table in dict.fromkeys((*tables, *MARKET))],
        pool="training",
    )
    def model(
        context: dg.AssetExecutionContext, store: StoreResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        started = time.monotonic()
        config, opened, symbol = settings(), store.get(), context.partition_key
        snapshot = opened.snapshot()
        days = training_days(opened, symbol, snapshot, tables)
        market = Market(
            store=opened, instrument=instrument(symbol), days=days, snapshot=snapshot, config=config
        )
        n_rows, n_windows, n_without, found = 0, 0, 0, {}
        for task in map(Task, getattr(config, tasks_setting)):
            dataset = load(opened, symbol, days, task, snapshot)
            if config.network:
                dataset = _windowed(dataset, opened, symbol, config, snapshot)
            if dataset.windows is not None:
                heads = auxiliary_tasks(task, config)
                dataset = with_auxiliary(dataset, opened, symbol, days, heads, snapshot)
            windows_of = () if dataset.windows is None else FOOTPRINT_TABLES
            read = manifest_rows(
                opened, symbol, days, snapshot, tuple(dict.fromkeys((*tables, *windows_of)))
            )
            n_rows += len(dataset)
            n_windows += 0 if dataset.windows is None else len(dataset.windows)
            n_without += dataset.n_without_window
            found[task.name] = register(context, tracking.get(), market, task, dataset, read)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": n_rows,
                "elapsed_s": round(time.monotonic() - started, 3),
                "days": ", ".join(map(str, days)),
                "rows_with_windows": n_windows,
                "rows_left_out_without_window": n_without,
            }
            | of_tasks(found)
        )

    return model


def _windowed(
    dataset: Dataset, store: Store, symbol: str, config: Settings, snapshot: int
) -> Dataset:
    # The rows with a footprint window, if they are enough to judge by and most of all; else all, without
    # the network: no rung's champion is chosen by the few rows that have one.
    found = with_windows(
        dataset, store, instrument(symbol), bar_clock=config.bar_clock, snapshot=snapshot
    )
    is_enough = len(found) >= max(MIN_ROWS, MIN_WINDOW_SHARE * len(dataset))
    return found if is_enough else dataset


def auxiliary_tasks(task: Task, config: Settings) -> dict[str, str]:
    """Return which tasks the network's other heads learn from: the first of each kind in the settings."""
    first = {
        "direction": config.direction_tasks[0],
        "move": config.move_tasks[0],
        "level": config.level_tasks[0],
    }
    own = head_of(task.subject, task.family)
    return {head: name for head, name in first.items() if head != own}


def of_tasks(found: Mapping[str, Metadata]) -> Metadata:
    """Return one task's own keys; of several each key with its task before it, and all reasons in a line."""
    if not found:
        return {"registered": "none", "reason": "the settings name no task"}
    if len(found) == 1:
        return next(iter(found.values()))
    told = {f"{task}: {key}": value for task, each in found.items() for key, value in each.items()}
    return told | {"reason": "; ".join(f"{task}: {each['reason']}" for task, each in found.items())}


def register(
    context: dg.AssetExecutionContext,
    tracker: Tracking,
    market: Market,
    task: Task,
    dataset: Dataset,
    read: list[Mapping[str, object]],
    *,
    label_name: str | None = None,
    further: Callable[[WalkForward], Metadata] = lambda found: {},  # noqa: ARG005
) -> Metadata:
    """Train and register, unless this very training stands in the registry or the data are too few.

    ``label_name`` is the task whose labels were read, where it is not this one; ``further`` says more of a
    training for the metadata.
    """
    symbol, config = context.partition_key, market.config
    code_version = training_terms(config)
    digest = fingerprint(dataset, read).digest
    for model in tracker.models():
        origin = (model["code_version"], model["data_fingerprint"], model["symbol"], model["task"])
        if model["is_newest"] and origin == (code_version, digest, symbol, task.name):
            return {
                "registered": model["model_version"],
                "reason": "same data and terms: unchanged",
            }
    try:
        found = _train(context, config, task, dataset)
    except TooFewRowsError as error:
        return {"registered": "none", "reason": f"too little data to judge a model by: {error}"}
    n_trials = found.n_trials + tracker.n_trials_of_symbol(symbol)
    registered = tracker.log_training(
        found,
        read,
        symbol=symbol,
        code_version=code_version,
        dagster_run_id=context.run.run_id,
        judging=judged(found, market, n_trials=n_trials, log=context.log.info),
        mid_proxy=mid_proxy(market, label_name or task.name),
        checks=leak_checks(task, dataset),
    )
    return _registered_metadata(tracker, registered, config) | further(found)


def leak_checks(task: Task, dataset: Dataset) -> dict[str, bool]:
    """Return the leak tests of a training by name, and whether it passed: one that failed bars promotion."""
    rows = dataset.take(slice(-_LEAK_ROWS, None))
    exempt = [name for name in may_foretell(task) if name in rows.names]
    suspects = implausible_features(rows, exempt)
    but = f" but {', '.join(exempt)}" if exempt else ""
    does = "does" if len(suspects) == 1 else "do"
    named = f" ({', '.join(suspect.name for suspect in suspects)} {does})" if suspects else ""
    among = f"among the newest {len(rows):,} decisions"
    return {f"no feature{but} foretells too much {among}{named}": not suspects}


def training_terms(config: Settings) -> str:
    """Return what besides the data decides a training and its card: a change trains again."""
    tuned = ", tuned" if config.n_tuning_trials else ""
    network = f"; with the network, {config.network_epochs} epochs{tuned}"
    paths = f"; combinatorial paths of {N_GROUPS} groups, {N_TEST_GROUPS} judged at a time"
    return (
        f"{_CODE_VERSION}; {config.n_blocks} blocks, embargo {config.embargo_seconds} s, "
        f"seed {config.seed}, {config.n_tuning_trials} tuning trials"
        f"{network if config.network else ''}{paths if config.combinatorial else ''}"
        f"{'; learning curve' if config.learning_curve else ''}"
    )


def _train(
    context: dg.AssetExecutionContext, config: Settings, task: Task, dataset: Dataset
) -> WalkForward:
    if len(dataset) < MIN_ROWS:
        raise TooFewRowsError(f"{len(dataset)} labelled rows, at least {MIN_ROWS} are needed")
    return walk_forward(
        dataset,
        task,
        n_folds=config.n_blocks - 1,
        embargo_ns=config.embargo_seconds * _NS_PER_S,
        seed=config.seed,
        rungs=RUNGS if dataset.windows is None else ALL_RUNGS,
        config=LadderConfig(
            n_trials=config.n_tuning_trials, network=NetworkConfig(max_epochs=config.network_epochs)
        ),
        on_fold=lambda done, of: context.log.info(f"fold {done} of {of}"),
    )


def _registered_metadata(tracker: Tracking, registered: Registered, config: Settings) -> Metadata:
    champion = tracker.champion(registered.name)
    page = f"http://127.0.0.1:{config.mlflow_port}/{tracker.run_path(registered.run_id)}"
    return {
        "registered": registered.model_version,
        "rung": registered.rung,
        "champion": champion.model_version if champion else "none",
        "reason": registered.reason,
        "mlflow_run": dg.MetadataValue.url(page),
        "model_card": dg.MetadataValue.path(registered.card_path),
        "trials_of_this_model": registered.n_trials_total,
    }


direction = _model(
    "direction",
    "direction_tasks",
    "Direction of the mid, one model a horizon: naive, logit, LightGBM, judged out of fold.",
)
returns = _model(
    "return",
    "return_tasks",
    "Return of the mid, one model a horizon: zero, ridge, LightGBM, judged out of fold.",
)
move = _model(
    "move",
    "move_tasks",
    "Probability of a significant move, one model a horizon: share by volatility, logit, LightGBM, "
    "judged out of fold.",
)
levels = _model(
    "levels",
    "level_tasks",
    "Whether a touched price level holds: hold rate by kind, logit, LightGBM, judged out of fold.",
    load=load_level_dataset,
    tables=LEVEL_TABLES,
)
