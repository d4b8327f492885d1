"""Rows for the network: how many must have a window, and which other outcomes stand beside their own."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from models.footprint_batch import HEADS
from models.tasks import Task
from orchestration.arrays import constant
from orchestration.config import Settings
from orchestration.defs.training import assets
from orchestration.defs.training.datasets import with_auxiliary
from tests.models.synthetic import synthetic


@pytest.mark.parametrize(
    ("n_rows", "n_with", "is_taken"),
    [
        (2000, 1000, True),
        (2000, 999, False),  # the fewer part would decide for all
        (600, 500, True),
        (600, 499, False),  # too few to judge by
    ],
)
def test_rungs_are_judged_on_rows_with_windows_where_those_are_most(
    monkeypatch, n_rows, n_with, is_taken
):
    rows = synthetic("return", n=n_rows)

    def first(dataset, *_, **__):
        return replace(dataset.take(slice(n_with)), n_without_window=n_rows - n_with)

    monkeypatch.setattr(assets, "with_windows", first)
    found = assets._windowed(rows, None, "BTCUSDT", Settings(), 0)
    expected = (n_with, n_rows - n_with) if is_taken else (n_rows, 0)
    assert (len(found), found.n_without_window) == expected


@pytest.mark.parametrize(
    ("task", "heads"),
    [
        ("direction_50", {"move": "move_30s", "level": "level_300s"}),
        ("barrier_60s", {"move": "move_30s", "level": "level_300s"}),
        ("move_60s", {"direction": "direction_200", "level": "level_300s"}),
        ("level_300s", {"direction": "direction_200", "move": "move_30s"}),
        (
            "return_60s",
            {"direction": "direction_200", "move": "move_30s", "level": "level_300s"},
        ),
    ],
)
def test_the_other_heads_learn_the_first_task_of_their_kind(task, heads):
    config = Settings(direction_tasks=("direction_200",), move_tasks=("move_30s", "move_60s"))
    assert assets.auxiliary_tasks(Task(task), config) == heads


def label_rows(task, clock, t0, t1, ids, label):
    n = len(t0)
    return pa.table(
        {
            "clock": constant(clock, n), "task": constant(task, n), "t0_ns": np.array(t0),
            "t1_ns": np.array(t1), "decision_id": np.array(ids), "label": np.array(label, float),
            "mid_proxy": constant("quote_mid", n), "order_sign": np.zeros(n, np.int8),
            "order_lots": np.zeros(n, np.int64),
        }
    )  # fmt: skip


def test_outcomes_of_other_tasks_and_clocks_are_read_from_the_stored_days(store):
    symbol, days = "AUXILIARY", [date(2024, 8, 8), date(2024, 8, 9)]
    rows = synthetic("direction", n=6)
    t0 = rows.t0_ns
    of_day = [
        [
            label_rows("move_60s", "sweep", t0[:3], t0[:3] + 60, [1, 2, 3], [1, 0, np.nan]),
            # Two levels touched by the sweep of the second decision, numbered in the day.
            label_rows("level_300s", "level", t0[[1, 1]], t0[[1, 1]] + [300, 200], [0, 1], [0, 0]),
        ],
        [label_rows("move_60s", "sweep", t0[3:], t0[3:] + 60, [1, 2, 3], [0, 1, 1])],
    ]
    for day, parts in zip(days, of_day, strict=True):
        with store.publish(symbol, day, run_id="test", code_version="1") as publication:
            publication.write("research.labels", pa.concat_tables(parts).unify_dictionaries())
            publication.commit()
    heads = {"move": "move_60s", "level": "level_300s", "direction": "direction_7"}
    found = with_auxiliary(rows, store, symbol, days, heads, store.snapshot()).auxiliary
    none = np.nan
    by_head = dict(zip(HEADS, found.target.T, strict=True))
    np.testing.assert_array_equal(by_head["move"], [1, 0, none, 0, 1, 1])
    np.testing.assert_array_equal(by_head["level"], [none, 0, none, none, none, none])
    assert np.isnan(by_head["direction"]).all()  # no labels of the task
    assert found.t1_ns[1].tolist() == [0, t0[1] + 60, t0[1] + 300, 0]
