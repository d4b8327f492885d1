"""The dataset of one symbol and task, and exactly which published rows it was made of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from models.auxiliary import auxiliary_at
from models.datasets import KEY_COLUMNS, Dataset, assemble
from models.tasks import Task
from orchestration.arrays import column
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.store import Store
from orderflow_core.features import ALL_FEATURES

FEATURE_TABLE, LABEL_TABLE = "research.features", "research.labels"


def training_days(
    store: Store,
    symbol: str,
    snapshot: int,
    tables: Sequence[str] = (FEATURE_TABLE, LABEL_TABLE),
) -> list[date]:
    """Return the days on which all the tables are published."""
    each = [set(store.days(table, symbol, snapshot=snapshot)) for table in tables]
    return sorted(set.intersection(*each))


def load_dataset(
    store: Store, symbol: str, days: Sequence[date], task: Task, snapshot: int
) -> Dataset:
    """Return the labelled rows of a task over the given days."""
    features = store.read(FEATURE_TABLE, symbol, days, snapshot=snapshot)
    labels = store.read(LABEL_TABLE, symbol, days, snapshot=snapshot, where={"task": task.name})
    names = [feature.name for feature in ALL_FEATURES]
    wanted = [name for name in features.column_names if name in KEY_COLUMNS or name in names]
    return assemble(arrays_of(features.select(wanted)), arrays_of(labels), names=names)


def with_auxiliary(
    dataset: Dataset,
    store: Store,
    symbol: str,
    days: Sequence[date],
    tasks: Mapping[str, str],
    snapshot: int,
) -> Dataset:
    """Return the rows with the outcomes of other tasks at their times, by the head that learns them.

    ``tasks`` names one of each head, of any clock; a head whose task has no labels stays without.
    """
    names = ("t0_ns", "t1_ns", "label")
    outcomes = {}
    for head, task in tasks.items():
        read = store.read(
            LABEL_TABLE, symbol, days, snapshot=snapshot, columns=names, where={"task": task}
        ).sort_by("t0_ns")
        outcomes[head] = tuple(column(read, name) for name in names)
    return replace(dataset, auxiliary=auxiliary_at(dataset.t0_ns, outcomes))


def arrays_of(table: pa.Table) -> dict[str, object]:
    """Return the numeric columns, days as numbers; text columns are keys that no model needs."""
    arrays: dict[str, object] = {}
    for name in table.column_names:
        kind = table[name].type
        if pa.types.is_date32(kind):
            arrays[name] = pc.cast(table[name], pa.int32()).to_numpy().astype("int64")
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            arrays[name] = column(table, name)
    return arrays


def manifest_rows(
    store: Store,
    symbol: str,
    days: Sequence[date],
    snapshot: int,
    tables: Sequence[str] = (FEATURE_TABLE, LABEL_TABLE),
) -> list[dict[str, object]]:
    """Return the manifest rows that a model of these days was trained on."""
    rows: list[ManifestRow] = []
    for table in tables:
        published = store.published(table, symbol, snapshot=snapshot)
        rows += [row for row in published if row.trading_day in set(days)]
    return [
        {
            "table": row.table,
            "symbol": row.symbol,
            "trading_day": row.trading_day.isoformat(),
            "generation": row.generation,
            "rows": row.rows,
            "hash": row.hash,
        }
        for row in rows
    ]
