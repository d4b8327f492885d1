"""The dataset of one symbol and one task that belongs to an order."""

from collections.abc import Sequence
from datetime import date

from models.datasets import KEY_COLUMNS, Dataset
from models.order_rows import order_dataset
from models.tasks import Task
from orchestration.defs.training.datasets import FEATURE_TABLE, LABEL_TABLE, arrays_of
from orchestration.storage.store import Store
from orderflow_core.features import ALL_FEATURES


def label_task(task: Task) -> str:
    """Return whose labels a task learns from: sizes are found from the impact of real orders."""
    return task.name.replace("sizing_", "impact_")


def load_order_dataset(
    store: Store, symbol: str, days: Sequence[date], task: Task, snapshot: int, *, max_rows: int
) -> Dataset:
    """Return the labelled rows of a task of orders over the given days, about ``max_rows`` at most."""
    features = store.read(FEATURE_TABLE, symbol, days, snapshot=snapshot)
    labels = store.read(
        LABEL_TABLE, symbol, days, snapshot=snapshot, where={"task": label_task(task)}
    )
    names = [feature.name for feature in ALL_FEATURES]
    wanted = [name for name in features.column_names if name in KEY_COLUMNS or name in names]
    return order_dataset(
        arrays_of(features.select(wanted)), arrays_of(labels), names=names, max_rows=max_rows
    )
