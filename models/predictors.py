"""Every rung that there is. A module that brings new ones is added to `_TABLES`."""

from models import (
    baselines,
    direction,
    events,
    impact,
    impact_quantiles,
    levels,
    network_rung,
    quantiles,
    returns,
    significant_move,
)
from models.rung import Rung, RungTable
from models.tasks import Task

_TABLES: tuple[RungTable, ...] = (
    baselines.NAIVE,
    direction.RUNGS_OF_CLASSES,
    events.RUNGS_OF_EVENTS,
    returns.RUNGS_OF_VALUE,
    levels.RUNGS_OF_LEVEL,
    quantiles.RUNGS_OF_QUANTILES,
    significant_move.RUNGS_OF_MOVE,
    network_rung.RUNGS_OF_WINDOWS,
    impact.RUNGS_OF_IMPACT,
    impact_quantiles.RUNGS_OF_SIZING,
)


def _merged(tables: tuple[RungTable, ...]) -> dict[tuple[str, str], Rung]:
    merged: dict[tuple[str, str], Rung] = {}
    for table in tables:
        twice = merged.keys() & table.keys()
        if twice:
            raise ValueError(f"a rung must be defined once, got {sorted(twice)} twice")
        merged |= table
    return merged


PREDICTORS = _merged(_TABLES)


def rung_key(task: Task, rung: str) -> tuple[str, str]:
    """Return where a task's rung stands in `PREDICTORS`: under its subject, else under its family.

    Raises
    ------
    ValueError
        The task has no such rung.
    """
    for group in (task.subject, task.family):
        if (group, rung) in PREDICTORS:
            return group, rung
    known = sorted({name for group, name in PREDICTORS if group in (task.subject, task.family)})
    raise ValueError(f"rung must be one of {known} for {task.name}, got {rung!r}")


def find_rung(task: Task, rung: str) -> Rung:
    """Return the rung of a task; see `rung_key`."""
    return PREDICTORS[rung_key(task, rung)]
