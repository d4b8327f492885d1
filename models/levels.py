"""Does this price level hold at its next touch: lift over random levels, rows to learn from, naive rung.

A row is one touch of one level; the decision is the close of the sweep that touched. Linear rung and
trees are those of every other event (`models.events`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.bootstrap import MIN_BLOCKS, Blocks, Estimate, estimate
from models.calibrate import event_share
from models.rung import Fitted, Rung, RungTable, Training
from models.sides import turned, turned_names
from orderflow_core.level_features import KIND_NAMES, LEVEL_NAMES
from orderflow_core.types import Float64, Int64

_TURNED = "{}_x_side"  # name of a feature that was turned to the side that price came from


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchLift:
    """How much more often touched levels held than random ones.

    Attributes
    ----------
    n, n_random : int
        Touches with a known outcome.
    rate, random_rate : float
        Shares of them that held; NaN without a touch.
    lift : Estimate
        ``rate - random_rate`` with its 95 % interval.
    n_cells, n_blocks : int
        Stretches of time that hold a touch, and blocks of them that the interval rests on.
    """

    n: int
    n_random: int
    rate: float
    random_rate: float
    lift: Estimate
    n_cells: int
    n_blocks: int

    @property
    def beats(self) -> bool:
        """Whether the whole interval lies above zero, and at least `MIN_BLOCKS` blocks support it."""
        return bool(self.lift.low > 0 and self.n_blocks >= MIN_BLOCKS)


def touch_lift(
    touches: tuple[Int64, Float64],
    random: tuple[Int64, Float64],
    *,
    cell_ns: int,
    n_boot: int = 2000,
    seed: int = 0,
) -> TouchLift:
    """Compare the hold rate of touches with that of random levels' touches, resampled in time.

    Parameters
    ----------
    touches, random : (t0_ns, label)
        int64 times and float64 labels of shape (n,), in {0, 1}; NaN ones are left out.
    cell_ns : int, unit ns, > 0
        Touches of one stretch ``[k, k + 1) * cell_ns`` stay together; at least the label's time.
    n_boot, seed : int

    Returns
    -------
    TouchLift
        Bounds are NaN with fewer than two blocks.

    Notes
    -----
    Levels that are touched together turn together, and touches of real and random levels share the
    same moves of price. Both are therefore drawn by the same blocks of time: circular blocks of
    ``max(2, sqrt(cells))`` neighbouring cells that hold a touch (`models.bootstrap`).
    """
    (at, held), (random_at, random_held) = (_known(*side) for side in (touches, random))
    cell, row = np.unique(np.concatenate([at, random_at]) // cell_ns, return_inverse=True)
    columns = np.zeros((len(cell), 4))
    for offset, rows, label in ((0, row[: len(at)], held), (2, row[len(at) :], random_held)):
        columns[:, offset] = np.bincount(rows, label, minlength=len(cell))
        columns[:, offset + 1] = np.bincount(rows, minlength=len(cell))
    block_len = min(len(cell), max(2, int(np.ceil(np.sqrt(len(cell))))))
    n_blocks = len(cell) // block_len if block_len else 0
    blocks = Blocks(
        n_rows=len(cell), label_overlap=2, block_len=block_len, n_blocks=n_blocks,
        n_boot=n_boot, seed=seed,
    )  # fmt: skip
    is_there = min(len(at), len(random_at)) > 0
    nothing = Estimate(value=np.nan, low=np.nan, high=np.nan, p_value=np.nan)
    return TouchLift(
        n=len(at),
        n_random=len(random_at),
        rate=float(held.mean()) if len(held) else np.nan,
        random_rate=float(random_held.mean()) if len(random_held) else np.nan,
        lift=estimate(columns, _difference_of_rates, blocks) if is_there else nothing,
        n_cells=len(cell),
        n_blocks=n_blocks,
    )


def _known(t0_ns: Int64, label: Float64) -> tuple[Int64, Float64]:
    is_known = ~np.isnan(label)
    return t0_ns[is_known], label[is_known]


def _difference_of_rates(totals: Float64) -> Float64:
    return np.asarray(totals[..., 0] / totals[..., 1] - totals[..., 2] / totals[..., 3])


def touch_columns(
    level_values: Float64, decision_values: Float64, decision_names: Sequence[str]
) -> tuple[tuple[str, ...], Float64]:
    """Return names and columns of the rows that a model learns from.

    Parameters
    ----------
    level_values : ndarray of float64, shape (n, len(LEVEL_NAMES))
        From `orderflow_core.level_features.level_features`.
    decision_values : ndarray of float64, shape (n, k)
        Features of the sweep that touched; NaN rows where it has none.
    decision_names : sequence of str, length k

    Returns
    -------
    names : tuple of str
        Those of the level, then those of the decision, turned to the side that price came from
        (`models.sides.turned`) so that one model does for levels above and below: ``name_x_side``.
    values : ndarray of float64, shape (n, len(names))
    """
    side = level_values[:, LEVEL_NAMES.index("level_side")]
    found = turned(dict(zip(decision_names, decision_values.T, strict=True)), side, _TURNED)
    return level_names(decision_names), np.column_stack([level_values, *found.values()])


def level_names(decision_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns that `touch_columns` makes."""
    return LEVEL_NAMES + turned_names(decision_names, _TURNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveLevel:
    """The share of training touches that held, kind by kind.

    Attributes
    ----------
    columns : tuple of int
        Positions of the flags of the kinds among the features.
    shares : tuple of float
        Hold rate of each kind; two touches of the overall rate added.
    overall : float
        Of rows without a flag.
    """

    columns: tuple[int, ...]
    shares: tuple[float, ...]
    overall: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the probability (n,) that the level holds."""
        is_kind = features[:, list(self.columns)] > 0
        rate = np.array(self.shares)[np.argmax(is_kind, axis=1)]
        return np.where(is_kind.any(axis=1), rate, self.overall)

    def settings(self) -> dict[str, float]:
        """Return the hold rates that the training rows had."""
        names = (name.removeprefix("level_is_") for name in KIND_NAMES.values())
        return {f"hold_rate_{n}": s for n, s in zip(names, self.shares, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "columns": list(self.columns),
            "shares": list(self.shares),
            "overall": self.overall,
        }

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NaiveLevel":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            columns=tuple(int(x) for x in data["columns"]),
            shares=tuple(float(x) for x in data["shares"]),
            overall=float(data["overall"]),
        )


def fit_naive(training: Training) -> Fitted:
    """Count the training touches that held, kind by kind.

    Raises
    ------
    ValueError
        The features lack the flags of the kinds.
    """
    rows = training.rows
    missing = [name for name in KIND_NAMES.values() if name not in rows.names]
    if missing:
        raise ValueError(f"features must include {missing} for the naive rung, got {rows.names}")
    columns = tuple(rows.names.index(name) for name in KIND_NAMES.values())
    overall = event_share(rows.label)
    is_kind = rows.features[:, list(columns)] > 0
    held = is_kind.T @ rows.label
    shares = (held + 2 * overall) / (is_kind.sum(axis=0) + 2)
    return Fitted(
        predictor=NaiveLevel(
            columns=columns, shares=tuple(float(x) for x in shares), overall=overall
        )
    )


RUNGS_OF_LEVEL: RungTable = {
    ("level", "naive"): Rung(
        fit=fit_naive,
        load=NaiveLevel.from_json,
        settings=lambda config: {"by": "kind"},  # noqa: ARG005
    )
}
