"""Features that know the future: found by cutting the data short, and by skill that is too good.

`truncation_leaks` is a proof where it finds one: a feature that changes when later data are taken
away has read them. It cannot see a feature whose source is stamped earlier than it was known, nor a
leak that the cuts tried do not touch. `implausible_features` needs the finished rows only, and sees
those too if they help much; it cannot see a leak that helps little.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.datasets import KEY_COLUMNS, Dataset
from models.metrics import midranks
from orderflow_core.types import Float64

# No feature of a market foretells an outcome to this rank correlation (an R^2 of a quarter).
MAX_SKILL = 0.5
# Of its skill a slow, honest feature keeps at least this share one label's length earlier.
MIN_KEPT = 0.5

# Rows made of the data known before a time: named columns, with ``t0_ns`` and ``decision_id``.
Build = Callable[[int], Mapping[str, ArrayLike]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A feature that foretells too much.

    Attributes
    ----------
    name : str
    skill : float
        Absolute rank correlation of the feature with the outcome.
    lagged_skill : float
        The same of its value one label's length before the decision, when no outcome of then was
        still open.
    """

    name: str
    skill: float
    lagged_skill: float


def implausible_features(dataset: Dataset) -> tuple[Suspect, ...]:
    """Return the features whose skill is too good and gone once they are a label's length old.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of Suspect
        Rank correlation of at least `MAX_SKILL`, of which less than `MIN_KEPT` is left when every
        row reads the feature of the last decision whose outcome was due before its own decision.

    Notes
    -----
    Both conditions are needed: a slow feature may correlate strongly and stay as good when lagged
    (a level), a fast one loses its skill when lagged but never has so much. A feature that mixes the
    future with noise so that its rank correlation stays below `MAX_SKILL` is not found.
    """
    lag_ns = dataset.t1_ns - dataset.t0_ns
    earlier = np.searchsorted(dataset.t0_ns, dataset.t0_ns - lag_ns, side="right") - 1
    has_earlier = (earlier >= 0) & (lag_ns > 0)
    found = []
    for k, name in enumerate(dataset.names):
        values = dataset.features[:, k]
        skill = _rank_correlation(values, dataset.label)
        if skill < MAX_SKILL:
            continue
        lagged = _rank_correlation(values[earlier[has_earlier]], dataset.label[has_earlier])
        if lagged < MIN_KEPT * skill:
            found.append(Suspect(name=name, skill=skill, lagged_skill=lagged))
    return tuple(found)


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
