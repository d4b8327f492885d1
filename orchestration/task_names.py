"""Lists of tasks in the settings, and what the name of a task says of its horizon."""

import json
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from models.tasks import Task

Unit = Literal["sweeps", "trades", "seconds"]
_UNITS: dict[str, Unit] = {"t": "trades", "s": "seconds"}


def horizon(name: str) -> tuple[int, Unit]:
    """Return how far a task with a horizon looks ahead, and in what it counts.

    Raises
    ------
    ValueError
        The name is no task's, or the task has no horizon.
    """
    task = Task(name)
    said = task.name.removeprefix(f"{task.subject}_")
    number = said.rstrip("ts")
    if not number.isdecimal():
        raise ValueError(f"{name} has no horizon")
    return int(number), _UNITS.get(said[len(number) :], "sweeps")


def split_names(value: object) -> object:
    """Return the names in a text: a JSON list, or names parted by commas; all else as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"is no JSON list: {error}") from error
    return [name.strip() for name in value.split(",") if name.strip()]


def _of(*subjects: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def require(names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError(f"must name at least one task of {' or '.join(subjects)}")
        for name in names:
            if Task(name).subject not in subjects:
                raise ValueError(f"takes tasks of {' or '.join(subjects)}, got {name}")
        if len(set(names)) < len(names):
            raise ValueError(f"names a task twice: {', '.join(names)}")
        return names

    return require


_Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
DirectionTasks = Annotated[_Names, AfterValidator(_of("direction", "barrier"))]
ReturnTasks = Annotated[_Names, AfterValidator(_of("return"))]
MoveTasks = Annotated[_Names, AfterValidator(_of("move"))]
LevelTasks = Annotated[_Names, AfterValidator(_of("level"))]
OrderTasks = Annotated[
    _Names, AfterValidator(_of("impact", "slippage", "markout", "fill", "adverse"))
]
