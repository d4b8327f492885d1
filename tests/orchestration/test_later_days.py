"""Levels and orders through Dagster: trained on the first day, registered, and asked about the second."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.results import prediction_columns
from models.tasks import Task
from orchestration import runtime
from orchestration.cli import app
from orchestration.defs.training.level_lift import lift_over_random
from orchestration.defs.training.level_rows import load_level_dataset
from orchestration.defs.training.order_datasets import label_task, load_order_dataset
from orchestration.ingest import ingest
from orchestration.pipeline import run_jobs
from orchestration.sources import simulated
from orchestration.sources.simulated_feed import FeedSettings
from orchestration.tracking.card_levels import lift_section
from orchestration.tracking.tracking import Tracking
from orderflow_core.simulator import SimulatorSettings

SYMBOL = "SIM"
DAYS = (simulated.FIRST_DAY, simulated.FIRST_DAY + timedelta(days=1))
SECONDS = (14_400.0, 3_600.0)  # four hours have touches enough to learn from
SETTINGS = {
    "BAR_SECONDS": "2", "LEVEL_TASKS": "level_60s", "LEVEL_TURN_ROWS": "2", "LEVEL_PASS_ROWS": "2",
    "N_BLOCKS": "3", "ORDER_TASKS": "impact_5s,impact_10s,fill_10s", "ORDER_MAX_ROWS": "1500",
}  # fmt: skip
MIN_ROWS = 300
TASKS = {
    "level_60s": "models.levels", "sizing_5s": "models.sizing", "sizing_10s": "models.sizing",
    "fill_10s": "models.fill",
}  # fmt: skip


@pytest.fixture(scope="module")
def tracking(home, tmp_path_factory):
    """A registry of its own, and a symbol whose days are those that we ingest: its venue is not asked."""
    own = Tracking.open(tmp_path_factory.mktemp("registry"))
    overlay = home / "instruments.toml"
    overlay.write_text(f'[{SYMBOL}]\nsource = ""\n', encoding="utf-8")
    runtime.instruments.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(f"ORDERFLOW_{name}", value)
        runtime.settings.cache_clear()
        patch.setattr("orchestration.defs.training.assets.MIN_ROWS", MIN_ROWS)
        for user in ("resources.tracking", "runtime"):
            patch.setattr(f"orchestration.{user}.open_tracking", lambda: own)
        yield own
    overlay.unlink()
    for opened in (runtime.settings, runtime.instruments):
        opened.cache_clear()


@pytest.fixture(scope="module")
def trained(tracking, store, tmp_path_factory):
    """What was made of the first day; the second comes after the training."""
    known = runtime.instrument(SYMBOL)
    folder, made = tmp_path_factory.mktemp("sim"), []
    for day, seconds in zip(DAYS, SECONDS, strict=True):
        market = simulated.SimulatedSettings(
            market=SimulatorSettings(duration_s=seconds), feed=FeedSettings(n_faults=0)
        )
        (log,) = simulated.fetch_day(known, day, cache_dir=folder, settings=market)
        ingest(store, simulated.read([log], known), known, run_id="test")
        run_jobs(SYMBOL, [day], jobs=("day",))
        if day == DAYS[0]:
            made = run_jobs(SYMBOL, [day], jobs=("training",), tables=set(TASKS.values()))
    return {one.table: one for one in made}


@pytest.fixture(scope="module")
def later(trained, store):
    """What the second day's predictions say, by task."""
    run_jobs(SYMBOL, DAYS[1:], jobs=("judging",), tables=["research.predictions"])
    rows = store.read("research.predictions", SYMBOL, DAYS[1])
    task = np.array(rows["task"].cast("string").to_pylist())
    return {name: rows.filter(task == name) for name in TASKS}


def model_of(tracking, task):
    (described,) = [each for each in tracking.models() if each["task"] == task]
    return described, tracking.load(described["name"], described["version"]).model


def rows_to_learn_from(store, task):
    """The second day's labelled rows, as a training would read them."""
    read = (store, SYMBOL, DAYS[1:], task, store.snapshot())
    return (
        load_level_dataset(*read)
        if task.subject == "level"
        else load_order_dataset(*read, max_rows=10**9)
    )


@pytest.mark.parametrize(("task", "table"), TASKS.items())
def test_each_model_is_registered_of_the_first_day(trained, tracking, task, table):
    described, loaded = model_of(tracking, task)
    assert trained[table].rows >= MIN_ROWS
    assert loaded.n_train <= trained[table].rows
    day_end_ns = runtime.instrument(SYMBOL).trading_day_window(DAYS[0])[1]
    assert described["train_end_ns"] < day_end_ns
    assert "challenger" in described["aliases"]


def test_the_card_of_levels_tells_their_lift_over_random_ones(trained, tracking, store):
    described, _ = model_of(tracking, "level_60s")
    lift = lift_over_random(
        store, runtime.instrument(SYMBOL), DAYS[:1], Task("level_60s"),
        config=runtime.settings(), snapshot=store.snapshot(),
    )  # fmt: skip
    assert lift.n == trained["models.levels"].rows
    assert lift.n_random > lift.n
    assert lift_section(lift) in Path(described["card"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("task", TASKS)
def test_the_second_day_has_what_each_version_says_of_it(later, tracking, store, task):
    described, loaded = model_of(tracking, task)
    rows = rows_to_learn_from(store, loaded.task)
    prediction = loaded.predict_rows(rows)
    expected = prediction_columns(loaded.task, prediction, loaded.bounds(prediction))
    said = later[task].to_pandas().set_index(["t0_ns", "decision_id"])
    assert said.index.is_unique
    assert set(said["model_version"]) == {described["model_version"]}
    assert (said.index.get_level_values("t0_ns") > described["train_end_ns"]).all()
    known = said.loc[list(zip(rows.t0_ns.tolist(), rows.decision_id.tolist(), strict=True))]
    for name in ("value", "low", "high"):
        np.testing.assert_array_equal(known[name], expected[name], err_msg=name)
    np.testing.assert_array_equal(known["t1_ns"], rows.t1_ns)
    # What has no outcome yet is asked about, too; nothing beyond the day's own touches or orders.
    labels = store.read(
        "research.labels", SYMBOL, DAYS[1], where={"task": label_task(loaded.task)}
    ).to_pandas()
    if task != "level_60s":
        labels = labels[labels["order_sign"] != 0]
    assert sorted(said.index) == sorted(zip(labels["t0_ns"], labels["decision_id"], strict=True))


def test_the_first_day_has_only_what_each_row_was_held_out_of(later, store):
    run_jobs(SYMBOL, DAYS[:1], jobs=("judging",), tables=["research.predictions"])
    rows = store.read("research.predictions", SYMBOL, DAYS[0])
    assert set(rows["task"].cast("string").to_pylist()) == set(TASKS)
    assert set(rows["role"].cast("string").to_pylist()) == {"oof"}


def test_sizes_are_those_of_a_state_after_the_training(later, tracking):
    found = CliRunner().invoke(app, ["size", "--symbol", SYMBOL, "--json"])
    sizes = json.loads(found.stdout)["sizes"]
    said = [(s["task"], s["model_version"], s["side"], s["is_after_training"]) for s in sizes]
    assert sorted(said) == sorted(
        (task, model_of(tracking, task)[0]["model_version"], side, True)
        for task in ("sizing_5s", "sizing_10s")
        for side in (1, -1)
    )
    early = CliRunner().invoke(
        app, ["size", "--symbol", SYMBOL, "--at", f"{DAYS[0]}T01:00:00", "--json"]
    )
    assert not any(each["is_after_training"] for each in json.loads(early.stdout)["sizes"])


def test_a_later_training_learns_from_both_days(later, trained, tracking):
    [again] = run_jobs(SYMBOL, DAYS, jobs=("training",), tables=["models.levels"])
    versions = [each for each in tracking.models() if each["task"] == "level_60s"]
    assert len(versions) == 2
    newest = next(each for each in versions if each["is_newest"])
    assert "challenger" in newest["aliases"]
    assert newest["train_end_ns"] > runtime.instrument(SYMBOL).trading_day_window(DAYS[1])[0]
    assert again.rows > trained["models.levels"].rows
