"""What there is to learn: a task's name says its label, its horizon and so its loss."""

import re
from dataclasses import dataclass
from typing import Literal

RUNGS = ("naive", "linear", "lightgbm")
BASE_RATE = "base_rate"  # not a rung: what the training fold's averages alone would score
CLASSES = (-1, 0, 1)  # column order of every probability matrix: down, flat, up

_PATTERNS = {
    "direction": re.compile(r"direction_[1-9]\d*"),
    "return": re.compile(r"return_[1-9]\d*s"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One supervised task on the rows of ``research.features``.

    Parameters
    ----------
    name : str
        ``direction_N``: sign of the mid's change over the next N sweeps, label in {-1, 0, +1},
        judged by log loss. ``return_Xs``: the mid's return over the next X seconds in basis
        points, judged by squared error.

    Raises
    ------
    ValueError
        The name follows neither pattern.
    """

    name: str

    def __post_init__(self) -> None:
        if not any(pattern.fullmatch(self.name) for pattern in _PATTERNS.values()):
            raise ValueError(
                f"task must be direction_<sweeps> or return_<seconds>s, got {self.name!r}"
            )

    @property
    def kind(self) -> Literal["direction", "return"]:
        """Family of the task."""
        return "direction" if self.name.startswith("direction") else "return"

    @property
    def loss(self) -> str:
        """Name of the metric that decides: the smaller the better."""
        return "log_loss" if self.kind == "direction" else "mse"

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """Names of the columns of a prediction, in order."""
        return ("p_down", "p_flat", "p_up") if self.kind == "direction" else ("value",)
