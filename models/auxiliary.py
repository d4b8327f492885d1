"""What other tasks found out about the same decisions, for the heads of a network beside its own.

A window is of a time, so outcomes are joined by time. Each is known at a time of its own, which may be
later than the row's own label: where a border is drawn, it is forgotten and the row stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.footprint_batch import HEADS, Float32
from orderflow_core.types import Bool, Int64
from orderflow_core.validate import require_int64, require_same_length, require_sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Auxiliary:
    """Outcomes of other tasks, a row each decision.

    Attributes
    ----------
    target : ndarray of float32, shape (n, 4)
        By `models.footprint_batch.HEADS`; NaN where no outcome is known.
    t1_ns : ndarray of int64, shape (n, 4)
        When each was known; 0 where there is none.

    Raises
    ------
    ValueError
        Shapes disagree.
    """

    target: Float32
    t1_ns: Int64

    def __post_init__(self) -> None:
        if self.target.shape != self.t1_ns.shape or self.target.shape[1:] != (len(HEADS),):
            raise ValueError(
                f"target and t1_ns must have the shape (n, {len(HEADS)}), got {self.target.shape} and "
                f"{self.t1_ns.shape}"
            )

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Int64 | Bool | slice) -> "Auxiliary":
        """Return the chosen rows."""
        return Auxiliary(target=self.target[rows], t1_ns=self.t1_ns[rows])

    def forgotten(self, where: Bool) -> "Auxiliary":
        """Return the same without the outcomes that are marked, ``where`` of shape (n, 4)."""
        return Auxiliary(
            target=np.where(where, np.float32(np.nan), self.target),
            t1_ns=np.where(where, 0, self.t1_ns),
        )


def auxiliary_at(
    decision_ns: ArrayLike, outcomes: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]
) -> Auxiliary:
    """Return what each head's outcomes say of decisions at the same time.

    Parameters
    ----------
    decision_ns : ndarray of int64, shape (n,), unit ns
    outcomes : mapping of head to (t0_ns, t1_ns, label), each of shape (m,), by ``t0_ns``
        Labels of one task a head, of any clock; NaN ones are left out.

    Returns
    -------
    Auxiliary
        Several outcomes at one time (sweeps with one time stamp, levels that one sweep touched) are one
        where they agree, known when the last of them is, and none where they do not.

    Raises
    ------
    ValueError
        No such head, lengths differ, or times run back.
    """
    times = require_int64("decision_ns", decision_ns)
    target = np.full((len(times), len(HEADS)), np.nan, np.float32)
    t1_ns = np.zeros((len(times), len(HEADS)), np.int64)
    for head, (t0, t1, label) in outcomes.items():
        if head not in HEADS:
            raise ValueError(f"head must be one of {HEADS}, got {head!r}")
        start, known_ns, found = _agreed(head, t0, t1, np.asarray(label, np.float64))
        if len(start) == 0:
            continue
        at = np.minimum(np.searchsorted(start, times), len(start) - 1)
        is_there = start[at] == times
        target[is_there, HEADS.index(head)] = found[at[is_there]]
        t1_ns[is_there, HEADS.index(head)] = known_ns[at[is_there]]
    return Auxiliary(target=target, t1_ns=t1_ns).forgotten(np.isnan(target))


# Each time with what all its outcomes say and when the last was known; NaN where they differ.
def _agreed(
    head: str, t0_ns: ArrayLike, t1_ns: ArrayLike, label: np.ndarray
) -> tuple[Int64, Int64, np.ndarray]:
    t0, t1 = require_int64(f"t0_ns of {head}", t0_ns), require_int64(f"t1_ns of {head}", t1_ns)
    require_same_length(t0_ns=t0, t1_ns=t1, label=label)
    require_sorted(f"t0_ns of {head}", t0)
    known = ~np.isnan(label)
    t0, t1, label = t0[known], t1[known], label[known]
    times, first = np.unique(t0, return_index=True)
    if len(times) == 0:
        return times, times, label
    least, most = np.minimum.reduceat(label, first), np.maximum.reduceat(label, first)
    return times, np.maximum.reduceat(t1, first), np.where(least == most, least, np.nan)
