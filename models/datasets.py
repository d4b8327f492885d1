"""Features and labels put together: one row a decision time, in time order."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.auxiliary import Auxiliary
from models.footprint_windows import FootprintWindows
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import require_int64, require_same_length, require_sorted

# Columns of research.features that are not features.
KEY_COLUMNS = frozenset({"symbol", "trading_day", "generation", "clock", "t0_ns", "decision_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The rows that a task learns from, sorted by ``(t0_ns, decision_id)``.

    Attributes
    ----------
    features : ndarray of float64, shape (n, k)
        NaN = not warm yet, or undefined. Infinities are refused.
    names : tuple of str, length k
    label : ndarray of float64, shape (n,)
        No NaN: rows without an outcome are left out (and counted).
    t0_ns, t1_ns : ndarray of int64, shape (n,)
        Decision time, and the time at which the outcome is known; ``t1 >= t0``.
    decision_id : ndarray of int64, shape (n,)
    trading_day : ndarray of int64, shape (n,), days since 1970-01-01
    n_null_labels, n_unlabelled, n_orphan_labels : int
        Rows left out: outcome unknown (session end, gap, end of data); features without a label
        row; labels without a feature row.
    n_thinned : int
        Labelled rows left out because they were more than a training takes.
    n_without_window : int
        Labelled rows left out because the stored footprint gives them no window.
    windows : FootprintWindows, optional
        What a network reads of each row; None where rows were not chosen by having it.
    auxiliary : Auxiliary, optional
        Outcomes of other tasks, which a network's other heads learn from. No rung is judged by them.

    Raises
    ------
    ValueError
        Shapes disagree, a name repeats, a value is infinite, a label is NaN, ``t0_ns`` runs back
        or an outcome is known before its decision.
    """

    features: Float64
    names: tuple[str, ...]
    label: Float64
    t0_ns: Int64
    t1_ns: Int64
    decision_id: Int64
    trading_day: Int64
    n_null_labels: int = 0
    n_unlabelled: int = 0
    n_orphan_labels: int = 0
    n_thinned: int = 0
    n_without_window: int = 0
    windows: FootprintWindows | None = None
    auxiliary: Auxiliary | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape[1] != len(self.names):
            raise ValueError(
                f"features must have one column a name, got shape {self.features.shape} "
                f"for {len(self.names)} names"
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names must be unique, got {self.names}")
        require_same_length(
            features=self.features,
            label=self.label,
            t0_ns=self.t0_ns,
            t1_ns=self.t1_ns,
            decision_id=self.decision_id,
            trading_day=self.trading_day,
        )
        if self.windows is not None and len(self.windows) != len(self):
            raise ValueError(f"windows must be one a row, got {len(self.windows)} for {len(self)}")
        if self.auxiliary is not None and len(self.auxiliary) != len(self):
            raise ValueError(
                f"auxiliary must be one a row, got {len(self.auxiliary)} for {len(self)}"
            )
        require_sorted("t0_ns", self.t0_ns)
        _require_values(self)

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Int64 | Bool | slice) -> "Dataset":
        """Return the chosen rows; they must keep the time order."""
        return replace(
            self,
            features=self.features[rows],
            label=self.label[rows],
            t0_ns=self.t0_ns[rows],
            t1_ns=self.t1_ns[rows],
            decision_id=self.decision_id[rows],
            trading_day=self.trading_day[rows],
            windows=None if self.windows is None else self.windows.take(rows),
            auxiliary=None if self.auxiliary is None else self.auxiliary.take(rows),
        )

    def heard_by(self, border_ns: int) -> "Dataset":
        """Return the rows without auxiliary outcomes that reach over a border.

        Of decisions up to ``border_ns`` those are forgotten that were known after it; the rows stay, and
        so do outcomes of later decisions.
        """
        if self.auxiliary is None:
            return self
        is_late = (self.t0_ns[:, None] <= border_ns) & (self.auxiliary.t1_ns > border_ns)
        return replace(self, auxiliary=self.auxiliary.forgotten(is_late))

    def digest(self) -> str:
        """Return the SHA-256 of names, features, labels, times, ids, windows and auxiliary outcomes.

        NaN counts as its bits.
        """
        total = hashlib.sha256("\x00".join(self.names).encode())
        windows = () if self.windows is None else (self.windows.day, self.windows.bar)
        beside = () if self.auxiliary is None else (self.auxiliary.target, self.auxiliary.t1_ns)
        own = (self.features, self.label, self.t0_ns, self.t1_ns, self.decision_id)
        for part in (*own, *windows, *beside):
            total.update(np.ascontiguousarray(part).tobytes())
        return total.hexdigest()


def _require_values(dataset: Dataset) -> None:
    infinite = np.isinf(dataset.features).any(axis=0)
    if infinite.any():
        column = dataset.names[int(np.argmax(infinite))]
        raise ValueError(f"features must be finite or NaN, got an infinity in column {column!r}")
    if not np.isfinite(dataset.label).all():
        i = int(np.argmin(np.isfinite(dataset.label)))
        raise ValueError(f"label must be finite, got {dataset.label[i]} at position {i}")
    early = dataset.t1_ns < dataset.t0_ns
    if early.any():
        i = int(np.argmax(early))
        raise ValueError(
            f"t1_ns must not precede t0_ns, got {dataset.t1_ns[i]} < {dataset.t0_ns[i]} at position {i}"
        )


def assemble(
    feature_table: Mapping[str, ArrayLike],
    label_table: Mapping[str, ArrayLike],
    *,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Join features and one task's labels on ``(t0_ns, decision_id)``.

    Parameters
    ----------
    feature_table : mapping of column name to array, shape (n_features,)
        ``t0_ns``, ``decision_id``, ``trading_day`` (dates or days since 1970) and the features,
        in any row order. The other key columns of the table are ignored.
    label_table : mapping of column name to array, shape (n_labels,)
        ``t0_ns``, ``decision_id``, ``t1_ns``, ``label``; one clock and one task only.
    names : sequence of str, optional
        Features to take, in this order; default: every column that is not a key, as they come.

    Returns
    -------
    Dataset
        Rows on both sides with a known outcome. What is left out is counted in it.

    Raises
    ------
    KeyError
        A column is missing.
    ValueError
        A key repeats within a table (two tasks or clocks mixed), or a contract of `Dataset`.
    """
    names = (
        tuple(names)
        if names is not None
        else tuple(c for c in feature_table if c not in KEY_COLUMNS)
    )
    feature_t0, feature_id = _keys("feature_table", feature_table)
    label_t0, label_id = _keys("label_table", label_table)
    feature_row, label_row = _match((feature_t0, feature_id), (label_t0, label_id))
    label = _floats("label", _column("label_table", label_table, "label"))
    is_known = ~np.isnan(label[label_row])
    rows, outcome = feature_row[is_known], label_row[is_known]
    columns = [_floats(name, _column("feature_table", feature_table, name))[rows] for name in names]
    t1_ns = require_int64("t1_ns", _column("label_table", label_table, "t1_ns"))
    days = _days(_column("feature_table", feature_table, "trading_day"))
    return Dataset(
        features=np.column_stack(columns) if columns else np.empty((len(rows), 0)),
        names=names,
        label=label[outcome],
        t0_ns=feature_t0[rows],
        t1_ns=t1_ns[outcome],
        decision_id=feature_id[rows],
        trading_day=days[rows],
        n_null_labels=int(len(is_known) - is_known.sum()),
        n_unlabelled=len(feature_t0) - len(feature_row),
        n_orphan_labels=len(label_t0) - len(label_row),
    )


def _column(table_name: str, table: Mapping[str, ArrayLike], name: str) -> ArrayLike:
    if name not in table:
        raise KeyError(f"{table_name} has no column {name!r}; it has {sorted(table)}")
    return table[name]


def _keys(table_name: str, table: Mapping[str, ArrayLike]) -> tuple[Int64, Int64]:
    t0_ns = require_int64("t0_ns", _column(table_name, table, "t0_ns"))
    decision_id = require_int64("decision_id", _column(table_name, table, "decision_id"))
    require_same_length(t0_ns=t0_ns, decision_id=decision_id)
    return t0_ns, decision_id


def _floats(name: str, values: ArrayLike) -> Float64:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    return np.asarray(array, dtype=np.float64)


def _days(values: ArrayLike) -> Int64:
    array: NDArray[np.generic] = np.asarray(values)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    return array.astype("datetime64[D]").astype(np.int64)


# Positions of the keys found on both sides, in key order. Both sides are sorted together, the
# feature first: a match is then a pair of neighbours, and a repeated key is one of one side.
def _match(features: tuple[Int64, Int64], labels: tuple[Int64, Int64]) -> tuple[Int64, Int64]:
    n_features = len(features[0])
    t0_ns = np.concatenate([features[0], labels[0]])
    decision_id = np.concatenate([features[1], labels[1]])
    is_label = np.arange(len(t0_ns)) >= n_features
    order = np.lexsort((is_label, decision_id, t0_ns))
    t0_ns, decision_id, is_label = t0_ns[order], decision_id[order], is_label[order]
    is_same = (t0_ns[1:] == t0_ns[:-1]) & (decision_id[1:] == decision_id[:-1])
    is_repeat = is_same & (is_label[1:] == is_label[:-1])
    if is_repeat.any():
        i = int(np.argmax(is_repeat))
        table = "label_table" if is_label[i] else "feature_table"
        raise ValueError(
            f"{table} must hold a decision once, got ({t0_ns[i]}, {decision_id[i]}) twice: "
            "select one clock and one task"
        )
    first = np.flatnonzero(is_same)
    return order[first].astype(np.int64), (order[first + 1] - n_features).astype(np.int64)
