"""The dataset of a level task: touches made again from the stored day, with their stored labels."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from models.datasets import Dataset, assemble
from models.levels import level_names
from models.tasks import Task
from orchestration.arrays import column
from orchestration.defs.features.level_tables import level_features, level_terms
from orchestration.defs.training.datasets import FEATURE_TABLE, LABEL_TABLE
from orchestration.runtime import instrument, settings
from orchestration.storage.store import Store
from orderflow_core.features import ALL_FEATURES

LEVEL_TABLES = (
    "flow.classified_trades",
    "raw.gaps",
    "flow.events",
    FEATURE_TABLE,
    LABEL_TABLE,
)
_EPOCH = date(1970, 1, 1)


class StaleLabelsError(ValueError):
    """Labels of levels were made of other rows, or by other settings, than stand in the store now."""


def load_level_dataset(
    store: Store, symbol: str, days: Sequence[date], task: Task, snapshot: int
) -> Dataset:
    """Return the labelled touches of a level task over the given days.

    Raises
    ------
    StaleLabelsError
        A label belongs to no touch that the stored trades and events give.
    """
    terms = level_terms(settings(), instrument(symbol))
    names = level_names([feature.name for feature in ALL_FEATURES])
    parts = []
    for day in days:
        read = [store.read(name, symbol, day, snapshot=snapshot) for name in LEVEL_TABLES[:-1]]
        table = level_features(*read, task=task.name, terms=terms)
        of_day = np.full(len(table["t0_ns"]), (day - _EPOCH).days)
        labels = store.read(LABEL_TABLE, symbol, day, snapshot=snapshot, where={"task": task.name})
        keys = {n: column(labels, n) for n in ("t0_ns", "t1_ns", "decision_id", "label")}
        made = assemble(table | {"trading_day": of_day}, keys, names=names)
        if made.n_orphan_labels:
            raise StaleLabelsError(
                f"{made.n_orphan_labels} labels of {task.name} on {day} belong to no touch of the "
                f"stored day: materialize research.labels of {symbol} again"
            )
        parts.append(made)
    return joined(parts, names)


def joined(parts: Sequence[Dataset], names: tuple[str, ...]) -> Dataset:
    """Return the rows of several days, which do not overlap, in the order of time."""
    if not parts:
        nothing = np.empty(0, np.int64)
        return Dataset(
            features=np.empty((0, len(names))), names=names, label=np.empty(0), t0_ns=nothing,
            t1_ns=nothing, decision_id=nothing, trading_day=nothing,
        )  # fmt: skip
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("features", "label", "t0_ns", "t1_ns", "decision_id", "trading_day")
    }
    counts = {
        name: sum(getattr(part, name) for part in parts)
        for name in ("n_null_labels", "n_unlabelled", "n_orphan_labels")
    }
    return Dataset(names=names, **arrays, **counts)
