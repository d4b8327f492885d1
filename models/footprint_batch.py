"""What footprint networks take: the tensors of some decisions and what is known of their outcomes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.tasks import Family
from orderflow_core.types import Bool, Int64
from orderflow_core.uniqueness import average_uniqueness
from orderflow_core.validate import require_same_length

Float32 = NDArray[np.float32]
# Columns of a target: NaN where the outcome is not known or not asked for.
HEADS = ("direction", "move", "level", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintBatch:
    """Decisions in time order.

    Attributes
    ----------
    rows : ndarray of float32, shape (n, n_bars, n_rows, 2)
        As `orderflow_core.footprint_tensor.normalised_tensors` makes them.
    beside : ndarray of float32, shape (n, n_bars, 5)
    target : ndarray of float32, shape (n, 4)
        Outcomes by `HEADS`: direction in {-1, 0, +1}, move and level in {0, 1}, value a number; NaN
        where there is none.
    weight : ndarray of float32, shape (n, 4)
        How much each outcome counts in a fit; held-out ones count once each, whatever stands here.
    t0_ns, t1_ns : ndarray of int64, shape (n,)
        Decision, and when all its outcomes are known.

    Raises
    ------
    ValueError
        Lengths or shapes disagree.
    """

    rows: Float32
    beside: Float32
    target: Float32
    weight: Float32
    t0_ns: Int64
    t1_ns: Int64

    def __post_init__(self) -> None:
        require_same_length(
            rows=self.rows,
            beside=self.beside,
            target=self.target,
            weight=self.weight,
            t0_ns=self.t0_ns,
            t1_ns=self.t1_ns,
        )
        if self.rows.ndim != 4 or self.rows.shape[3] != 2 or self.target.shape[1:] != (len(HEADS),):
            raise ValueError(
                f"rows and target must have the shapes (n, bars, rows, 2) and (n, {len(HEADS)}), "
                f"got {self.rows.shape} and {self.target.shape}"
            )
        if self.weight.shape != self.target.shape:
            raise ValueError(
                f"weight must have the shape of target, got {self.weight.shape} and {self.target.shape}"
            )

    def __len__(self) -> int:
        return len(self.t0_ns)

    def take(self, rows: Int64 | Bool | slice) -> "FootprintBatch":
        """Return the chosen decisions."""
        return replace(
            self,
            rows=self.rows[rows],
            beside=self.beside[rows],
            target=self.target[rows],
            weight=self.weight[rows],
            t0_ns=self.t0_ns[rows],
            t1_ns=self.t1_ns[rows],
        )


def joined(parts: Iterable[FootprintBatch]) -> FootprintBatch:
    """Return batches one after the other, as one.

    Raises
    ------
    ValueError
        There are none.
    """
    every = list(parts)
    if not every:
        raise ValueError("parts must hold a batch, got none")
    columns = {
        name: np.concatenate([getattr(part, name) for part in every])
        for name in FootprintBatch.__dataclass_fields__
    }
    return FootprintBatch(**columns)


def head_of(subject: str, family: Family) -> str:
    """Return the head that answers a task.

    Raises
    ------
    ValueError
        No head does.
    """
    if family == "quantiles":
        raise ValueError("the network has no head for quantiles")
    if family == "binary":
        return "level" if subject == "level" else "move"
    return {"classes": "direction", "value": "value"}[family]


def target_of(head: str, label: NDArray[np.generic]) -> Float32:
    """Return targets that know one head's outcome, shape (n, 4).

    Raises
    ------
    ValueError
        No such head.
    """
    if head not in HEADS:
        raise ValueError(f"head must be one of {HEADS}, got {head!r}")
    target = np.full((len(label), len(HEADS)), np.nan, np.float32)
    target[:, HEADS.index(head)] = label
    return target


def uniqueness_weights(t0_ns: Int64, t1_ns: Int64, target: Float32) -> Float32:
    """Return the average uniqueness of each head's known outcomes over its mean, shape (n, 4).

    Parameters
    ----------
    t0_ns : ndarray of int64, shape (n,)
    t1_ns : ndarray of int64, shape (n, 4)
        When each outcome was known; not looked at where there is none.
    target : ndarray of float32, shape (n, 4)
        NaN where there is no outcome; its weight is then one, and counts nothing.
    """
    weight = np.ones(target.shape, np.float32)
    for column in range(target.shape[1]):
        known = ~np.isnan(target[:, column])
        if known.any():
            unique = average_uniqueness(t0_ns[known], t1_ns[known, column])
            weight[known, column] = unique / unique.mean()
    return weight


def joined_targets(
    outcomes: Mapping[str, tuple[Int64, Int64, Int64, NDArray[np.generic]]],
) -> tuple[Int64, Int64, Float32, Float32]:
    """Return the outcomes of several heads, joined by decision.

    Parameters
    ----------
    outcomes : mapping of head to (t0_ns, t1_ns, decision_id, label)
        Each of shape (n,), a decision at most once; NaN labels are left out.

    Returns
    -------
    t0_ns, t1_ns : ndarray of int64, shape (m,)
        Every decision with an outcome, in time order, and when all its outcomes are known.
    target : ndarray of float32, shape (m, 4)
        NaN where a head's outcome is not known.
    weight : ndarray of float32, shape (m, 4)
        `uniqueness_weights` among these outcomes.

    Raises
    ------
    ValueError
        No such head, or a decision comes twice for one.
    """
    parts = []
    for head, (t0_ns, t1_ns, decision_id, label) in outcomes.items():
        if head not in HEADS:
            raise ValueError(f"head must be one of {HEADS}, got {head!r}")
        known = ~np.isnan(np.asarray(label, np.float64))
        keys = np.column_stack([t0_ns, decision_id])[known]
        if len(np.unique(keys, axis=0)) != len(keys):
            raise ValueError(f"a decision must come once a head, {head} has one twice")
        parts.append((HEADS.index(head), keys, t1_ns[known], label[known]))
    every = np.concatenate([keys for _, keys, _, _ in parts] or [np.empty((0, 2), np.int64)])
    decisions, row = np.unique(every, axis=0, return_inverse=True)
    row = row.reshape(-1)
    t1 = np.full((len(decisions), len(HEADS)), np.iinfo(np.int64).min)
    target, start = np.full((len(decisions), len(HEADS)), np.nan, np.float32), 0
    for column, keys, t1_ns, label in parts:
        own = row[start : start + len(keys)]
        start += len(keys)
        t1[own, column] = t1_ns
        target[own, column] = label
    weight = uniqueness_weights(decisions[:, 0], t1, target)
    return decisions[:, 0], t1.max(axis=1), target, weight


def cut(batch: FootprintBatch, size: int) -> Iterator[FootprintBatch]:
    """Yield a batch in pieces of at most ``size`` decisions."""
    for start in range(0, len(batch), size):
        yield batch.take(slice(start, start + size))
