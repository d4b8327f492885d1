"""Features that know the future: found by cutting the data short, and by skill that is too good.

`truncation_leaks` is a proof where it finds one: a feature that changes when later data are taken
away has read them. It cannot see a feature whose source is stamped earlier than it was known, nor a
leak that the cuts tried do not touch. `implausible_features` needs the finished rows only, and sees
those too if they help much; it cannot see a leak that helps little.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.datasets import KEY_COLUMNS, Dataset
from models.metrics import midranks
from models.order_rows import ORDER_COLUMNS
from models.tasks import Task
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.uniqueness import average_uniqueness

# No feature of a market foretells an outcome to this rank correlation (an R^2 of a quarter).
MAX_SKILL = 0.5
# Nor an event to this rank-biserial correlation, which is 2 AUC - 1 whatever the event's share.
MAX_EVENT_SKILL = 0.6
# Chance alone gives few independent outcomes a large skill: it must also exceed so many standard errors.
_ERRORS = 4
# Of its skill a slow, honest feature keeps at least this share one label's length earlier.
MIN_KEPT = 0.5

# A price paid is measured against the mid at once: how far the prices stand from it is most of the answer.
_STANDING_PRICES = ("spread_ticks", "order_mid_dev_ticks")
# The side that the other features of a row are turned to, where it has one.
_SIDES = ("order_sign", "level_side")

# Rows made of the data known before a time: named columns, with ``t0_ns`` and ``decision_id``.
Build = Callable[[int], Mapping[str, ArrayLike]]
_Skill = Callable[[Float64, Float64], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A feature that foretells too much.

    Attributes
    ----------
    name : str
    skill : float
        Absolute rank correlation of the feature with the outcome, or |2 AUC - 1| of an event in it.
    lagged_skill : float
        The same of its value one label's length before the decision, when no outcome of then was
        still open; of rows with a side, at the last such decision of the same side.
    """

    name: str
    skill: float
    lagged_skill: float


def may_foretell(task: Task) -> tuple[str, ...]:
    """Return the columns that no skill makes suspects of, whatever they foretell.

    The side and size of an order are the question and no knowledge. Slippage is also foretold by how far
    the touch and the last price stood from the mid at the decision, of which the order paid most. Of a
    level everything is known at its touch, its kind and side too: it has none.
    """
    if task.subject in ("direction", "barrier", "return", "move", "level"):
        return ()
    return ORDER_COLUMNS + (_STANDING_PRICES if task.subject == "slippage" else ())


def implausible_features(dataset: Dataset, exempt: Collection[str] = ()) -> tuple[Suspect, ...]:
    """Return the features whose skill is too good and gone once they are a label's length old.

    Parameters
    ----------
    dataset : Dataset
    exempt : collection of str
        Features that are not looked at: those that `may_foretell` names.

    Returns
    -------
    tuple of Suspect
        Skill of at least `MAX_SKILL` or `MAX_EVENT_SKILL`, of which less than `MIN_KEPT` is left when
        every row reads the feature of the last decision whose outcome was due before its own decision.
        The largest such skill of each feature.

    Notes
    -----
    Skill is the rank correlation with an outcome of more than three values; and of any outcome
    ``|2 AUC - 1|`` for up among what moved, and for an outcome that is not zero among all, by the
    feature and by its size: a return knows of a two-sided event by its size alone. Unlike a rank
    correlation these reach one however rare the event is. Its standard error counts outcomes that do
    not overlap (average uniqueness): fewer than about five of a kind can convict no feature.

    Both conditions are needed: a slow feature may correlate strongly and stay as good when lagged
    (a level), a fast one loses its skill when lagged but never has so much. Features of an order or a
    touch are turned to its side, and so are not the same ones of a row of the other side. A feature
    that mixes the future with noise so that its skill stays below the bound is not found.
    """
    earlier = _earlier(dataset)
    has_earlier = earlier >= 0
    weight = average_uniqueness(dataset.t0_ns, dataset.t1_ns)
    contrasts = _contrasts(dataset.label)
    found = []
    for name, values in zip(dataset.names, dataset.features.T, strict=True):
        if name in exempt:
            continue
        suspects = [
            Suspect(name=name, skill=skill, lagged_skill=lagged)
            for skill_of, least in contrasts
            if (skill := skill_of(values, dataset.label)) >= least(values, weight)
            and (lagged := skill_of(values[earlier[has_earlier]], dataset.label[has_earlier]))
            < MIN_KEPT * skill
        ]
        if suspects:
            found.append(max(suspects, key=lambda suspect: suspect.skill))
    return tuple(found)


# The last row of the same side whose outcome would have been due by each decision; -1 where none is.
def _earlier(dataset: Dataset) -> Int64:
    lag_ns = dataset.t1_ns - dataset.t0_ns
    due_ns = dataset.t0_ns - lag_ns
    found = np.full(len(dataset), -1, np.int64)
    side = next((dataset.names.index(name) for name in _SIDES if name in dataset.names), None)
    sides = np.zeros(len(dataset)) if side is None else dataset.features[:, side]
    for one in np.unique(sides):
        rows = np.flatnonzero(sides == one)
        last = np.searchsorted(dataset.t0_ns[rows], due_ns[rows], side="right") - 1
        found[rows] = np.where((last >= 0) & (lag_ns[rows] > 0), rows[last], -1)
    return found


# Pairs of a skill of (values, label), and what it must reach at (values, weight of each row).
def _contrasts(label: Float64) -> list[tuple[_Skill, _Skill]]:
    def up_among_moved(values: Float64, label: Float64) -> float:
        return _auc_skill(values, label > 0, label < 0)

    def moved(values: Float64, label: Float64) -> float:
        return _auc_skill(values, label != 0, label == 0)

    def moved_by_size(values: Float64, label: Float64) -> float:
        return moved(np.abs(values), label)

    def bound(one: Bool, other: Bool) -> _Skill:
        return lambda values, weight: _least(values, weight, one, other)

    sides, event = bound(label > 0, label < 0), bound(label != 0, label == 0)
    found: list[tuple[_Skill, _Skill]] = [
        (up_among_moved, sides),
        (moved, event),
        (moved_by_size, event),
    ]
    if len(np.unique(label)) > 3:
        found.append((_rank_correlation, lambda values, weight: MAX_SKILL))  # noqa: ARG005
    return found


def _least(values: Float64, weight: Float64, one: Bool, other: Bool) -> float:
    known = ~np.isnan(values)
    n_one, n_other = weight[known & one].sum(), weight[known & other].sum()
    if n_one == 0 or n_other == 0:
        return np.inf
    # The standard error of 2 AUC - 1 without skill: Mann and Whitney (1947).
    error = 2 * np.sqrt((n_one + n_other + 1) / (12 * n_one * n_other))
    return float(max(MAX_EVENT_SKILL, _ERRORS * error))


# |2 AUC - 1| of one kind of rows against another, where the feature is known; 0 where undefined.
def _auc_skill(values: Float64, one: Bool, other: Bool) -> float:
    chosen = (one | other) & ~np.isnan(values)
    is_one = one[chosen]
    n_one, n = int(is_one.sum()), len(is_one)
    if n_one in (0, n):
        return 0.0
    mean_rank = midranks(values[chosen])[is_one].mean()
    return float(abs(2 * (mean_rank - (n_one + 1) / 2) / (n - n_one) - 1))


# Absolute Spearman correlation over the rows where the feature is known; 0 where undefined.
def _rank_correlation(values: Float64, label: Float64) -> float:
    known = ~np.isnan(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0 or np.ptp(label[known]) == 0:
        return 0.0
    return float(abs(np.corrcoef(midranks(values[known]), midranks(label[known]))[0, 1]))


def truncation_leaks(build: Build, end_ns: int, cuts_ns: Sequence[int]) -> tuple[str, ...]:
    """Return the columns that change for a decision when later data are taken away.

    Parameters
    ----------
    build : callable
        Makes the rows from the data known before the time that it is given. Its columns ``t0_ns``
        and ``decision_id`` say which decision a row is.
    end_ns : int
        After all data.
    cuts_ns : sequence of int
        Where the data are cut.

    Returns
    -------
    tuple of str
        Columns that differ in any decision made before a cut, NaN being equal to NaN; also
        ``decision_id`` where the decisions themselves differ.

    Raises
    ------
    ValueError
        A cut leaves no decision, so that nothing would be tested.
    """
    whole = {name: np.asarray(values) for name, values in build(end_ns).items()}
    leaking: set[str] = set()
    for cut_ns in cuts_ns:
        part = {name: np.asarray(values) for name, values in build(cut_ns).items()}
        rows, cut_rows = whole["t0_ns"] < cut_ns, part["t0_ns"] < cut_ns
        if not cut_rows.any():
            raise ValueError(f"cuts_ns must leave decisions before them, got none before {cut_ns}")
        if not np.array_equal(whole["decision_id"][rows], part["decision_id"][cut_rows]):
            leaking.add("decision_id")
            continue
        leaking |= {
            name
            for name in whole.keys() - KEY_COLUMNS
            if not np.array_equal(
                whole[name][rows].astype(np.float64),
                part[name][cut_rows].astype(np.float64),
                equal_nan=True,
            )
        }
    return tuple(sorted(leaking))
