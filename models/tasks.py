"""What there is to learn: a task's name says its label, its horizon and so its loss."""

import re
from dataclasses import dataclass
from typing import Literal

RUNGS = ("naive", "linear", "lightgbm")  # every task has these, from the simplest up
NETWORK = "network"  # a fourth rung, where a task's rows carry what a network reads
ALL_RUNGS = (*RUNGS, NETWORK)
BASE_RATE = "base_rate"  # not a rung: what the training fold's averages alone would score
CLASSES = (-1, 0, 1)  # column order of every probability matrix: down, flat, up
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # column order of every matrix of quantiles

Family = Literal["classes", "binary", "value", "quantiles"]

_NUMBER = r"[1-9]\d*"
# Subject -> (what follows it in a name, family).
_SUBJECTS: dict[str, tuple[str, Family]] = {
    "direction": (rf"_{_NUMBER}[ts]?", "classes"),
    "barrier": (rf"_{_NUMBER}s", "classes"),
    "move": (rf"_{_NUMBER}s", "binary"),
    "return": (rf"_{_NUMBER}s", "value"),
    "impact": (rf"_{_NUMBER}s", "value"),
    "markout": (rf"_{_NUMBER}s", "value"),
    "fill": (rf"_{_NUMBER}s", "binary"),
    "adverse": (rf"_{_NUMBER}s", "value"),
    "slippage": ("", "quantiles"),
    "sizing": (rf"_{_NUMBER}s", "quantiles"),
    "level": (rf"_{_NUMBER}s", "binary"),
}
_LOSS: dict[Family, str] = {
    "classes": "log_loss",
    "binary": "log_loss",
    "value": "mse",
    "quantiles": "pinball",
}
_COLUMNS: dict[Family, tuple[str, ...]] = {
    "classes": ("p_down", "p_flat", "p_up"),
    "binary": ("probability",),
    "value": ("value",),
    "quantiles": tuple(f"q{round(100 * level):02d}" for level in LEVELS),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One supervised task: a label for each decision, and how its prediction is judged.

    Parameters
    ----------
    name : str
        ====================  =========  =================================================
        name                  family     label
        ====================  =========  =================================================
        ``direction_N``       classes    sign of the mid's move over the next N sweeps
        ``direction_Nt``      classes    the same over the next N trades
        ``direction_Xs``      classes    the same over the next X seconds
        ``barrier_Xs``        classes    which of two barriers is touched first within X s
        ``move_Xs``           binary     1 = a significant move within X s
        ``return_Xs``         value      return of the mid over X s, bp
        ``impact_Xs``         value      signed mid move of an order after X s, bp
        ``markout_Xs``        value      what that order's fills are worth X s later, bp
        ``fill_Xs``           binary     1 = an order resting at the touch fills within X s
        ``adverse_Xs``        value      markout of that order X s after its fill, bp
        ``slippage``          quantiles  signed fill price against the arrival mid, bp
        ``sizing_Xs``         quantiles  that of ``impact_Xs``; no quantile falls with size
        ``level_Xs``          binary     1 = the level holds at its next touch within X s
        ====================  =========  =================================================

        N and X are positive whole numbers without leading zeros.

    Raises
    ------
    ValueError
        The name follows none of these patterns.
    """

    name: str

    def __post_init__(self) -> None:
        known = _SUBJECTS.get(self.subject)
        if known is None or not re.fullmatch(known[0], self.name.removeprefix(self.subject)):
            raise ValueError(
                f"task must be one of {', '.join(_SUBJECTS)}, each but slippage with its horizon "
                f"(direction_200, direction_200t, direction_60s, return_60s), got {self.name!r}"
            )

    @property
    def subject(self) -> str:
        """What is predicted: the name without its horizon."""
        return self.name.partition("_")[0]

    @property
    def family(self) -> Family:
        """What a prediction is.

        ``classes``: probabilities of down, flat, up, shape (n, 3), label in {-1, 0, +1}.
        ``binary``: probability of the event, shape (n,), label in {0, 1}. ``value``: expected label,
        shape (n,). ``quantiles``: the label's quantiles at `LEVELS`, shape (n, 5), not decreasing.
        """
        return _SUBJECTS[self.subject][1]

    @property
    def loss(self) -> str:
        """Name of the metric that decides: the smaller the better."""
        return _LOSS[self.family]

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """Names of the columns of a prediction, in order."""
        return _COLUMNS[self.family]

    def prediction_shape(self, n_rows: int) -> tuple[int, ...]:
        """Return the shape of a prediction of so many rows."""
        n_columns = len(self.prediction_columns)
        return (n_rows, n_columns) if n_columns > 1 else (n_rows,)
