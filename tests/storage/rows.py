"""Valid rows of every table, made from a seed."""

import numpy as np
import pyarrow as pa

from orchestration.storage.schema import FLOAT64, INT8, INT64, LABEL, Column, Table

LABELS = ("alpha", "beta", "größe", "")


def sample_rows(table: Table, n: int, seed: int = 0) -> pa.Table:
    """Return ``n`` rows that meet the table's constraints, in random order, keys not repeated."""
    rng = np.random.default_rng(seed)
    data = {c.name: _values(c, n, rng) for c in table.payload if c.name != "unit"}
    unique = next(name for name in table.sort if table.column(name).type == INT64)
    data[unique] = rng.permutation(n) + 1_000
    _FIXES.get(table.name, lambda _: None)(data)
    return pa.table(data)


def _values(column: Column, n: int, rng: np.random.Generator) -> np.ndarray | pa.Array:
    if column.type == INT64:
        return rng.integers(1, 10_000, n)
    if column.type == INT8:
        return rng.integers(0, 2, n).astype(np.int8)
    if column.type == FLOAT64:
        return np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    texts = [LABELS[i] for i in rng.integers(0, len(LABELS), n)]
    if column.type == LABEL:
        return pa.array(texts, pa.string()).dictionary_encode()
    return pa.array([f"{text} {i}" for i, text in enumerate(texts)], pa.string())


def _fix_gaps(data: dict) -> None:
    data["end_ns"] = data["start_ns"] + 5


def _fix_bars(data: dict) -> None:
    data["volume_lots"] = data["buy_lots"] + data["sell_lots"] + data["unsigned_lots"]
    data["delta_lots"] = data["buy_lots"] - data["sell_lots"]
    prices = [data["open_ticks"], data["close_ticks"]]
    data["low_ticks"], data["high_ticks"] = np.minimum(*prices), np.maximum(*prices)
    data["t1_ns"] = data["t0_ns"] + 60


def _fix_depth(data: dict) -> None:
    data["last_id"] = data["first_id"] + 5


def _fix_labels(data: dict) -> None:
    data["t1_ns"] = data["t0_ns"] + 60


def _fix_predictions(data: dict) -> None:
    _fix_labels(data)
    data["train_end_ns"] = data["t0_ns"] - 1


_FIXES = {
    "raw.gaps": _fix_gaps,
    "raw.depth": _fix_depth,
    "flow.bars": _fix_bars,
    "research.labels": _fix_labels,
    "research.predictions": _fix_predictions,
}
