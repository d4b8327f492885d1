import datetime

import numpy as np
import pytest

from models.datasets import Dataset, assemble
from models.tasks import Task


def features(**changes):
    table = {
        "clock": np.array(["sweep"] * 4),
        "t0_ns": np.array([30, 10, 10, 20]),
        "decision_id": np.array([4, 2, 1, 3]),
        "trading_day": np.array(["2013-09-03"] * 4, "datetime64[D]"),
        "b": np.array([4.0, 2.0, 1.0, np.nan]),
        "a": np.array([40, 20, 10, 30]),
    }
    return table | changes


def labels(**changes):
    table = {
        "t0_ns": np.array([10, 10, 30, 99]),
        "decision_id": np.array([1, 2, 4, 9]),
        "t1_ns": np.array([15, 18, 35, 100]),
        "label": np.array([1.0, np.nan, -1.0, 0.0]),
    }
    return table | changes


def test_assemble_joins_on_time_and_decision_and_counts_what_is_left_out():
    found = assemble(features(), labels())
    # (10, 1) and (30, 4) have outcomes; (10, 2) has none; (20, 3) has no label row; (99, 9) no features
    assert found.names == ("b", "a")
    np.testing.assert_array_equal(found.t0_ns, [10, 30])
    np.testing.assert_array_equal(found.decision_id, [1, 4])
    np.testing.assert_array_equal(found.features, [[1.0, 10.0], [4.0, 40.0]])
    np.testing.assert_array_equal(found.label, [1.0, -1.0])
    np.testing.assert_array_equal(found.t1_ns, [15, 35])
    assert found.trading_day.tolist() == [15951, 15951]
    assert (found.n_null_labels, found.n_unlabelled, found.n_orphan_labels) == (1, 1, 1)


def test_assemble_takes_named_features_in_the_order_asked_and_python_dates():
    days = np.array([datetime.date(2013, 9, 3)] * 4, object)
    found = assemble(features(trading_day=days), labels(), names=["a"])
    assert found.names == ("a",)
    assert found.features.shape == (2, 1)
    assert found.trading_day.tolist() == [15951, 15951]


def test_assemble_of_nothing_is_empty():
    empty = {name: values[:0] for name, values in features().items()}
    found = assemble(empty, {name: values[:0] for name, values in labels().items()})
    assert len(found) == 0
    assert found.features.shape == (0, 2)


@pytest.mark.parametrize(
    ("feature_changes", "label_changes", "message"),
    [
        ({"decision_id": np.array([4, 2, 2, 3])}, {}, "feature_table must hold a decision once"),
        (
            {},
            {"t0_ns": np.array([10, 10, 30, 30]), "decision_id": np.array([1, 2, 4, 4])},
            "label_table must",
        ),
        ({"b": np.array([1.0, 1.0, np.inf, 1.0])}, {}, "infinity in column 'b'"),
        ({}, {"t1_ns": np.array([9, 18, 35, 100])}, "must not precede t0_ns"),
    ],
)
def test_assemble_refuses(feature_changes, label_changes, message):
    with pytest.raises(ValueError, match=message):
        assemble(features(**feature_changes), labels(**label_changes))


def test_assemble_names_the_missing_column():
    with pytest.raises(KeyError, match="label_table has no column 'label'"):
        assemble(features(), {k: v for k, v in labels().items() if k != "label"})
    with pytest.raises(KeyError, match="feature_table has no column 'c'"):
        assemble(features(), labels(), names=["c"])
    with pytest.raises(TypeError, match="clock must hold numbers"):
        assemble(features(), labels(), names=["clock"])


def dataset(**changes):
    n = np.arange(3, dtype=np.int64)
    parts = {
        "features": np.zeros((3, 2)), "names": ("a", "b"), "label": np.zeros(3), "t0_ns": n,
        "t1_ns": n + 1, "decision_id": n, "trading_day": n,
    }  # fmt: skip
    return Dataset(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a",)}, "one column a name"),
        ({"names": ("a", "a")}, "must be unique"),
        ({"t0_ns": np.array([2, 1, 3])}, "non-decreasing"),
        ({"label": np.array([0.0, np.nan, 0.0])}, "label must be finite, got nan at position 1"),
        ({"label": np.zeros(2)}, "one length"),
    ],
)
def test_dataset_contracts(changes, message):
    with pytest.raises(ValueError, match=message):
        dataset(**changes)


def test_digest_sees_every_value_and_the_order_of_names():
    base = dataset().digest()
    assert dataset().digest() == base
    changed = np.zeros((3, 2))
    changed[2, 1] = np.nan
    assert dataset(features=changed).digest() != base
    assert dataset(names=("b", "a")).digest() != base
    assert dataset(label=np.array([0.0, 0.0, 1.0])).digest() != base


@pytest.mark.parametrize(
    ("name", "family", "loss", "n_columns"),
    [
        ("direction_200", "classes", "log_loss", 3),
        ("direction_50t", "classes", "log_loss", 3),
        ("direction_300s", "classes", "log_loss", 3),
        ("barrier_60s", "classes", "log_loss", 3),
        ("move_60s", "binary", "log_loss", 1),
        ("return_60s", "value", "mse", 1),
        ("impact_5s", "value", "mse", 1),
        ("markout_1s", "value", "mse", 1),
        ("fill_30s", "binary", "log_loss", 1),
        ("adverse_5s", "value", "mse", 1),
        ("slippage", "quantiles", "pinball", 5),
        ("level_60s", "binary", "log_loss", 1),
    ],
)
def test_task_names(name, family, loss, n_columns):
    task = Task(name)
    assert (task.family, task.loss, len(task.prediction_columns)) == (family, loss, n_columns)
    assert task.prediction_shape(7) == ((7,) if n_columns == 1 else (7, n_columns))
    assert task.subject == name.split("_")[0]


@pytest.mark.parametrize(
    "name",
    [
        "direction",
        "direction_0",
        "direction_10x",
        "return_60",
        "return_60s ",
        "return_060s",
        "levels_3",
        "slippage_5s",
        "move_60t",
        "",
    ],
)
def test_unknown_task_is_refused(name):
    with pytest.raises(ValueError, match="task must be"):
        Task(name)
