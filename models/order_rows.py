"""Rows of the tasks that belong to an order: the market's state as the order sees it, and the order.

What has a side is turned to the order's (`models.sides`): with it is positive, against it negative.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from models.datasets import Dataset, assemble
from models.sides import turned
from orderflow_core.types import Bool, Float64, Int64

N_PAST = 16
ORDER_COLUMNS = ("order_sign", "order_log_lots")
PAST_COLUMNS = tuple(f"order_past_{lag}" for lag in range(1, N_PAST + 1))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def order_dataset(
    feature_table: Mapping[str, ArrayLike],
    label_table: Mapping[str, ArrayLike],
    *,
    names: Sequence[str],
    max_rows: int | None = None,
) -> Dataset:
    """Join features and the labels of orders, and turn the features to each order's side.

    Parameters
    ----------
    feature_table : mapping of column name to array, shape (n_features,)
        As in `models.datasets.assemble`, with ``sweep_sign`` and ``sweep_sign_lag1``: every decision
        of the days, in any order.
    label_table : mapping of column name to array, shape (n_labels,)
        As in `models.datasets.assemble`, with ``order_sign`` in {-1, +1} wherever there is a label and
        ``order_lots``.
    names : sequence of str
        Features to take.
    max_rows : int, optional
        About how many rows are kept of more: those whose decision's hash is small, so that the
        choice depends on the ids and their number alone.

    Returns
    -------
    Dataset
        The names, with ``order_`` before those that were turned (of a pair "same" stands for the
        order's own side and "other" for the other one), then `ORDER_COLUMNS` and `PAST_COLUMNS`: the
        signs of the sweeps known at the decision, the newest first, times the order's; 0 where there
        was none since the session's start or a gap. What ``max_rows`` left out is counted in it.

    Raises
    ------
    KeyError, ValueError
        As `models.datasets.assemble`, or a labelled order without a side.
    """
    past = _past_signs(feature_table)
    found = assemble({**feature_table, **past}, label_table, names=(*names, *past))
    sign = _aligned(feature_table, label_table, "order_sign")
    lots = _aligned(feature_table, label_table, "order_lots")
    if (np.abs(sign) != 1).any():
        i = int(np.argmax(np.abs(sign) != 1))
        raise ValueError(f"order_sign must be -1 or +1, got {sign[i]} at position {i}")
    columns = dict(zip(found.names, found.features.T, strict=True))
    past_columns = {name: columns.pop(name) * sign for name in PAST_COLUMNS}
    columns = turned(columns, sign, "order_{}")
    columns["order_sign"] = sign
    with np.errstate(divide="ignore"):
        columns["order_log_lots"] = np.where(lots > 0, np.log(np.maximum(lots, 1)), np.nan)
    columns |= past_columns
    rows = Dataset(
        features=np.column_stack(list(columns.values())),
        names=tuple(columns),
        label=found.label,
        t0_ns=found.t0_ns,
        t1_ns=found.t1_ns,
        decision_id=found.decision_id,
        trading_day=found.trading_day,
        n_null_labels=found.n_null_labels,
        n_unlabelled=found.n_unlabelled,
        n_orphan_labels=found.n_orphan_labels,
    )
    if max_rows is None:
        return rows
    is_kept = kept_rows(rows.decision_id, max_rows)
    return replace(rows.take(is_kept), n_thinned=int((~is_kept).sum()))


def require_orders(features: Float64, names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse rows that name no order: a size that is not known, or a side that is neither -1 nor +1.

    Parameters
    ----------
    features : ndarray of float64, shape (n, k)
    names : sequence of str, length k
    columns : sequence of str
        Which of `ORDER_COLUMNS` are looked at; those that are no features are not.

    Raises
    ------
    ValueError
        A column says nothing of an order.
    """
    for name in (name for name in columns if name in names):
        values = features[:, list(names).index(name)]
        is_side = name == "order_sign"
        is_wrong = np.abs(values) != 1 if is_side else np.isnan(values)
        if is_wrong.any():
            i, rule = int(np.argmax(is_wrong)), "be -1 or +1" if is_side else "be known"
            raise ValueError(f"{name} must {rule}, got {values[i]} in row {i}: it is what is asked")


def kept_rows(decision_id: Int64, max_rows: int) -> Bool:
    """Return which rows a thinned dataset keeps: all, or a share ``max_rows / n`` by hash of the id."""
    if len(decision_id) <= max_rows:
        return np.ones(len(decision_id), np.bool_)
    share = hashed(decision_id).astype(np.float64) / 2.0**64
    return np.asarray(share < max_rows / len(decision_id))


def hashed(decision_id: Int64) -> np.ndarray:
    """Return the SplitMix64 hash of each id, uint64: the same on every machine.

    Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
    """
    with np.errstate(over="ignore"):
        z = decision_id.astype(np.uint64) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


# The same join with another column in the label's place, known where the label is.
def _aligned(
    feature_table: Mapping[str, ArrayLike], label_table: Mapping[str, ArrayLike], name: str
) -> Float64:
    if name not in label_table:
        raise KeyError(f"label_table has no column {name!r}; it has {sorted(label_table)}")
    label = np.asarray(label_table["label"], np.float64)
    values = np.where(np.isnan(label), np.nan, np.asarray(label_table[name], np.float64))
    return assemble(feature_table, {**label_table, "label": values}, names=()).label


# Signs of the sweeps known at each decision by lag. A decision without a sweep before it opens a
# session or follows a gap.
def _past_signs(feature_table: Mapping[str, ArrayLike]) -> dict[str, Float64]:
    keys = [np.asarray(feature_table[name]) for name in ("decision_id", "t0_ns")]
    order = np.lexsort(keys)
    sign = np.nan_to_num(np.asarray(feature_table["sweep_sign"], np.float64))[order]
    is_first = np.isnan(np.asarray(feature_table["sweep_sign_lag1"], np.float64))[order]
    n = len(sign)
    start = np.maximum.accumulate(np.where(is_first, np.arange(n), 0))
    past = {}
    for lag, name in enumerate(PAST_COLUMNS):
        found = np.arange(n) - lag
        values = np.where(found >= start, sign[np.maximum(found, 0)], 0.0)
        past[name] = np.empty(n)
        past[name][order] = values
    return past
