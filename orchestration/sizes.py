"""How large an order may be now: registered models of sizes, asked about the latest published state."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc

from models.datasets import KEY_COLUMNS, Dataset
from models.ladder import Model
from models.order_rows import order_dataset
from models.sizing import order_sizes
from models.tasks import Task
from orchestration.arrays import column
from orchestration.defs.training.datasets import FEATURE_TABLE, LABEL_TABLE, arrays_of
from orchestration.defs.training.order_datasets import label_task
from orchestration.errors import NothingToAsk
from orchestration.storage.store import Store
from orchestration.tracking.tracking import Tracking
from orderflow_core.features import ALL_FEATURES
from orderflow_core.types import Int64

SIDES = (1, -1)  # buy, sell
_N_SIZES = 41
_NO_END_NS = 2**62


def largest_sizes(
    store: Store,
    tracker: Tracking,
    symbol: str,
    *,
    budget_bp: float,
    probability: float,
    at_ns: int | None = None,
) -> list[dict[str, Any]]:
    """Return the largest buy and sell order whose impact stays within a budget with a probability.

    Parameters
    ----------
    store : Store
    tracker : Tracking
    symbol : str
    budget_bp : float, basis points
    probability : float
        One of `models.tasks.LEVELS`.
    at_ns : int, optional
        The state is that of the last published decision at or before this time; the latest of all
        when left out.

    Returns
    -------
    list of dict
        One a sizing model (the champion, or else the newest version) and side: ``task``,
        ``model_version``, ``is_champion``, ``side`` (+1 buy, -1 sell), ``state_ns``, ``lots``, ``most_lots``
        (the largest order before the state; larger ones are not asked about), and ``is_after_training``:
        whether the model had not seen the state.

    Raises
    ------
    NothingToAsk
        No sizing model is registered, no state is published by then, no order is known before it,
        or the model reads what the state does not have.
    ValueError
        The probability is none of the levels, or the budget is NaN.
    """
    versions = sizing_versions(tracker.models(), symbol)
    if not versions:
        raise NothingToAsk(
            f"no sizing model of {symbol} is registered: order_tasks must name an impact, and "
            "orderflow run trains one"
        )
    day, states = latest_states(store, symbol, _NO_END_NS if at_ns is None else at_ns)
    found = []
    for version in versions:
        model = tracker.load(version["name"], version["version"]).model
        sizes = asked_sizes(store, symbol, model.task, day, int(states[1].t0_ns[0]))
        for side, state in states.items():
            lots = order_sizes(
                model,
                _features(model, state),
                budget=budget_bp,
                probability=probability,
                size_lots=sizes,
            )
            found.append(
                {
                    "task": model.task.name,
                    "model_version": version["model_version"],
                    "is_champion": "champion" in version["aliases"],
                    "side": side,
                    "state_ns": int(state.t0_ns[0]),
                    "lots": int(lots[0]),
                    "most_lots": int(sizes[-1]),
                    "is_after_training": bool(
                        state.t0_ns[0] > model.train_end_ns + model.embargo_ns
                    ),
                }
            )
    return found


def sizing_versions(models: list[dict[str, Any]], symbol: str) -> list[dict[str, Any]]:
    """Return of each sizing task of a symbol the champion, or else the newest version."""
    found: dict[str, dict[str, Any]] = {}
    for model in models:
        if model["symbol"] != symbol or Task(model["task"]).subject != "sizing":
            continue
        if "champion" in model["aliases"] or (model["is_newest"] and model["task"] not in found):
            found[model["task"]] = model
    return list(found.values())


def latest_states(store: Store, symbol: str, at_ns: int) -> tuple[date, Mapping[int, Dataset]]:
    """Return the day of the last decision at or before a time, and its state as each side sees it.

    Raises
    ------
    NothingToAsk
        There is none.
    """
    for day in reversed(store.days(FEATURE_TABLE, symbol)):
        features = store.read(FEATURE_TABLE, symbol, day)
        features = features.filter(pc.less_equal(features["t0_ns"], at_ns))
        if features.num_rows:
            known = {feature.name for feature in ALL_FEATURES}
            names = [name for name in features.column_names if name in known]
            wanted = [
                name for name in features.column_names if name in KEY_COLUMNS or name in known
            ]
            table = arrays_of(features.select(wanted))
            t0_ns, ids = column(features, "t0_ns"), column(features, "decision_id")
            last = np.lexsort((ids, t0_ns))[-1:]
            key = {"t0_ns": t0_ns[last], "t1_ns": t0_ns[last], "decision_id": ids[last]}
            one = np.ones(1)
            return day, {
                side: order_dataset(
                    table,
                    key | {"label": 0 * one, "order_sign": side * one, "order_lots": one},
                    names=names,
                )
                for side in SIDES
            }
    raise NothingToAsk(f"{symbol} has no published decision by then: orderflow run --job day")


def asked_sizes(store: Store, symbol: str, task: Task, day: date, before_ns: int) -> Int64:
    """Return sizes from one lot to the largest order of a task's labels before a time, in equal steps of log.

    Raises
    ------
    NothingToAsk
        No order is known.
    """
    days = [each for each in store.days(LABEL_TABLE, symbol) if each <= day]
    orders = store.read(
        LABEL_TABLE, symbol, days, columns=["t0_ns", "order_lots"], where={"task": label_task(task)}
    )
    lots = column(orders, "order_lots")[column(orders, "t0_ns") < before_ns]
    if not len(lots) or lots.max() < 1:
        raise NothingToAsk(f"{symbol} has no order of {label_task(task)} before that time")
    return np.unique(np.round(np.geomspace(1, lots.max(), _N_SIZES)).astype(np.int64))


def _features(model: Model, state: Dataset) -> np.ndarray:
    missing = [name for name in model.names if name not in state.names]
    if missing:
        raise NothingToAsk(
            f"the model reads {', '.join(missing[:3])}, which the state does not have"
        )
    return state.features[:, [state.names.index(name) for name in model.names]]
