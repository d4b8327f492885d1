"""Predictions of registered versions, only of what came after their training."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from models.ladder import fit_rung
from models.tasks import Task
from models.train import DEFAULT_CONFIG, walk_forward
from orchestration.arrays import column
from orchestration.config import Settings
from orchestration.defs.inference.day_rows import Day
from orchestration.defs.inference.registered import (
    NO_FOLD,
    check_after_training,
    registered_roles,
    score_day,
    score_registered,
)
from orchestration.defs.inference.tables import day_predictions, model_versions, no_predictions
from orchestration.pipeline import run_jobs
from orchestration.quality.invariants import check_out_of_fold
from orchestration.tracking.tracking import Tracking
from tests.models.synthetic import SECOND, synthetic
from tests.orchestration.conftest import SYMBOL
from tests.orchestration.test_research_tables import ONE

EMBARGO = 5 * SECOND
SOME_FEATURES = ("buy_lots_60s", "sell_lots_60s", "vpin", "bar_delta_lots")
TRAINED = 800
TASK = Task("direction_10")
DESCRIBED = {"name": "m", "version": 3, "model_version": "m/3", "symbol": "ONE"}


@pytest.fixture(scope="module")
def data():
    return synthetic("direction", strength=0.3, n=1000)


@pytest.fixture(scope="module")
def model(data):
    return fit_rung(
        TASK, "linear", data.take(slice(TRAINED)), embargo_ns=EMBARGO, config=DEFAULT_CONFIG, seed=1
    )


@pytest.fixture(scope="module")
def described(model):
    terms = {"task": TASK.name, "train_end_ns": model.train_end_ns, "embargo_ns": EMBARGO}
    return DESCRIBED | terms | {"aliases": ["challenger", "champion"]}


def feature_table(data):
    columns = dict(zip(data.names, data.features.T, strict=True))
    keys = {"t0_ns": data.t0_ns, "decision_id": data.decision_id, "clock": ["sweep"] * len(data)}
    return pa.table(keys | columns)


def label_table(data, task=TASK.name):
    return pa.table(
        {
            "task": [task] * len(data),
            "t0_ns": data.t0_ns,
            "t1_ns": data.t1_ns,
            "decision_id": data.decision_id,
        }
    )


def day_of(features, labels, **further):
    """The synthetic day, which is the first of 1970; what else is read of it."""
    tables = {"research.features": features, "research.labels": labels, **further}
    return Day(instrument=ONE, day=date(1970, 1, 1), config=Settings(), read=tables.__getitem__)


def scored(described, model, data, labels=None):
    labels = label_table(data) if labels is None else labels
    return score_registered(
        described, "champion", lambda: model, day_of(feature_table(data), labels)
    )


def test_only_decisions_after_training_end_and_embargo_are_predicted(described, model, data):
    found = scored(described, model, data)
    # the last training label ends 10 s after decision 799, the embargo lasts 5 s more
    assert model.train_end_ns == (TRAINED - 1 + 10) * SECOND
    assert column(found.rows, "decision_id").tolist() == list(range(TRAINED + 15, 1000))
    assert check_after_training([found]).passed
    assert check_out_of_fold(found.rows).passed


def test_the_rows_say_what_the_model_says(described, model, data):
    found = scored(described, model, data)
    later = data.features[TRAINED + 15 :]
    probability = model.predict(later)
    low, high = model.predict_interval(later)
    expected = {
        **dict(zip(("p_down", "p_flat", "p_up"), probability.T, strict=True)),
        "value": probability[:, 2] - probability[:, 0],
        "low": low,
        "high": high,
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(column(found.rows, name), values)
    row = found.rows.slice(0, 1).to_pylist()[0]
    assert (row["model_version"], row["role"], row["rung"], row["fold"]) == (
        "m/3", "champion", "champion:linear", NO_FOLD,
    )  # fmt: skip
    assert (column(found.rows, "t1_ns") - column(found.rows, "t0_ns") == 10 * SECOND).all()


def test_a_day_within_the_training_loads_no_model_and_gives_nothing(described, data):
    def refuse():
        raise AssertionError("loaded")

    early = data.take(slice(700, 800))
    day = day_of(feature_table(early), label_table(early))
    found = score_registered(described, "champion", refuse, day)
    assert found.rows.num_rows == 0
    assert "reaches beyond every decision" in found.note
    assert check_after_training([found]).passed


def test_decisions_without_a_label_are_predicted_too(described, model, data):
    found = scored(described, model, data, label_table(data, "return_60s"))
    assert found.rows.num_rows == 185
    np.testing.assert_array_equal(column(found.rows, "t1_ns"), column(found.rows, "t0_ns"))


def test_a_model_of_other_rows_is_passed_over_and_named(described, model, data):
    other = replace(model, names=("order_sign", *model.names[1:]))
    found = scored(described, other, data)
    assert found.rows.num_rows == 0
    assert "order_sign" in found.note


def test_the_check_notices_a_decision_within_the_embargo(described, model, data):
    found = scored(described, model, data)
    wrong = replace(found, embargo_ns=EMBARGO + SECOND)
    outcome = check_after_training([found, wrong])
    assert not outcome.passed
    assert outcome.blocking
    assert "m/3: train_end_ns + embargo < t0_ns: found 1" in outcome.failures()


def test_a_version_has_one_role_and_those_without_are_left_out(described):
    models = [
        described,
        described | {"version": 4, "aliases": ["challenger"]},
        described | {"version": 2, "aliases": []},
        described | {"symbol": "OTHER"},
    ]
    assert [(m["version"], role) for m, role in registered_roles(models, "ONE")] == [
        (3, "champion"),
        (4, "challenger"),
    ]


class Registry:
    """What of `Tracking` the scoring of a day uses."""

    def __init__(self, described, model):
        self.described, self.model = described, model

    def models(self):
        return [self.described]

    def load(self, name, version):
        assert (name, version in (3, 4)) == ("m", True)
        return self


def test_a_day_is_read_only_where_a_version_may_judge_it(described, model, data):
    read = []

    def table(name):
        read.append(name)
        return feature_table(data) if name == "research.features" else label_table(data)

    day = Day(instrument=ONE, day=date(1970, 1, 1), config=Settings(), read=table)
    end_ns = ONE.trading_day_window(day.day)[1]
    late = described | {"train_end_ns": end_ns - EMBARGO}
    assert score_day(Registry(late, model), day) == []
    assert score_day(Registry(described | {"symbol": "OTHER"}, model), day) == []
    assert read == []
    other = described | {"aliases": ["challenger"], "version": 4}
    registry = Registry(described, model)
    registry.models = lambda: [described, other]
    found = score_day(registry, day)
    assert [each.rows.num_rows for each in found] == [185, 185]
    assert sorted(read) == ["research.features", "research.labels"]  # once for both


def test_rows_stand_beside_those_out_of_fold(described, model, data):
    found = scored(described, model, data).rows
    versions = model_versions({"run_id": "abc", "rung": "linear", "model_version": "m/3"})
    own = {
        name: found[name] for name in found.column_names if name not in ("clock", "task", "role")
    }
    own |= {
        "rung": pa.array(["linear"] * len(found)).dictionary_encode(),
        "trading_day": np.zeros(len(found), np.int64),
    }
    oof = day_predictions(pa.table(own), task=TASK.name, versions=versions,
                          day=date(1970, 1, 1))  # fmt: skip
    both = pa.concat_tables([oof, found]).unify_dictionaries()
    assert set(both.column_names) == set(no_predictions().column_names)
    keys = [
        tuple(row.values()) for row in both.select(["rung", "t0_ns", "decision_id"]).to_pylist()
    ]
    assert len(set(keys)) == len(keys) == 370


@pytest.fixture
def registry(ran, store, tmp_path, monkeypatch):
    """A registry of its own with a challenger whose training ended before half of the day's decisions."""
    features = store.read("research.features", SYMBOL, ran.day)
    t0_ns = column(features, "t0_ns")
    middle = int(t0_ns[len(t0_ns) // 2])
    data = synthetic("direction", strength=0.3, n=500)
    names = ("last_tick_sign", "volatility_60s_ticks", *SOME_FEATURES)
    t0_ns = middle - 2 * EMBARGO - np.arange(len(data), 0, -1) * SECOND
    data = replace(data, names=names, t0_ns=t0_ns, t1_ns=t0_ns + SECOND)
    found = walk_forward(data, Task("direction_20"), n_folds=2, embargo_ns=EMBARGO, n_boot=100)
    tracking = Tracking.open(tmp_path)
    tracking.log_training(found, [], symbol=SYMBOL, code_version="1", dagster_run_id="d")
    monkeypatch.setattr("orchestration.resources.tracking.open_tracking", lambda: tracking)
    yield found.models[found.candidate]
    monkeypatch.undo()
    run_jobs(SYMBOL, [ran.day], jobs=("judging",), tables=["research.predictions"])


def test_the_day_publishes_what_the_challenger_says_of_the_rest_of_it(registry, ran, store):
    [made] = run_jobs(SYMBOL, [ran.day], jobs=("judging",), tables=["research.predictions"])
    rows = store.read("research.predictions", SYMBOL, ran.day)
    assert made.rows == rows.num_rows > 0
    role = rows["role"].cast("string").to_pylist()
    assert set(role) <= {"champion", "challenger"}
    assert len(set(role)) == 1
    t0_ns = column(store.read("research.features", SYMBOL, ran.day), "t0_ns")
    later = t0_ns[t0_ns > registry.train_end_ns + EMBARGO]
    np.testing.assert_array_equal(np.sort(column(rows, "t0_ns")), np.sort(later))
    assert 0 < len(later) < len(t0_ns)
