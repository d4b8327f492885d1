"""A registered sizing model is asked for the largest order in a published state."""

import json
from dataclasses import replace
from datetime import date

import mlflow
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from models.sizing import order_sizes
from models.tasks import Task
from models.train import walk_forward
from orchestration import runtime
from orchestration.cli import app
from orchestration.config import Settings
from orchestration.defs.features import tables
from orchestration.defs.features.order_tables import order_labels
from orchestration.defs.training.order_datasets import load_order_dataset
from orchestration.errors import NothingToAsk
from orchestration.sizes import asked_sizes, largest_sizes, sizing_versions
from orchestration.tracking.tracking import Tracking
from tests.orchestration.rows import NS_PER_S, classified, no_gaps, raw_quotes
from tests.orchestration.test_research_tables import ONE

SYMBOL, DAY = "SIZES", date(1970, 1, 1)
TASK, N = Task("sizing_1s"), 500
TERMS = {"budget_bp": 30.0, "probability": 0.75}


@pytest.fixture(scope="module")
def rows(store):
    """A market whose mid goes with each order, the further the larger it is."""
    rng = np.random.default_rng(3)
    lots, sign = rng.integers(1, 60, N), rng.choice([-1, 1], N)
    seconds = 2 * np.arange(1, N + 1)
    mid = 1000 + np.cumsum(sign * (1 + lots // 10))
    trades = classified(*zip(*(x.tolist() for x in (seconds, mid, lots, sign)), strict=True))
    ts = [0, *(2 * np.arange(1, N + 1) * NS_PER_S + 1).tolist()]
    bid = np.array([1000, *mid.tolist()])
    quotes = raw_quotes(ts=ts, bid=bid - 1, ask=bid + 1)
    settings = tables.feature_settings(row_ticks=1, min_lots=2, bar_seconds=1, bucket_lots=300)
    features = tables.features(trades, no_gaps(), quotes, settings=settings)
    labels = order_labels(
        features, trades, quotes, no_gaps(), tasks=("impact_1s",), latency_ns=0, tick_steps=1,
        session_end_ns=86_400 * NS_PER_S,
    )  # fmt: skip
    with store.publish(SYMBOL, DAY, run_id="test", code_version="1") as publication:
        publication.write("research.features", features)
        publication.write("research.labels", labels)
        publication.commit()
    return load_order_dataset(store, SYMBOL, [DAY], TASK, store.snapshot(), max_rows=N)


@pytest.fixture(scope="module")
def tracker(rows, tmp_path_factory):
    found = walk_forward(rows, TASK, n_folds=2, embargo_ns=NS_PER_S, rungs=("naive", "linear"))
    opened = Tracking.open(tmp_path_factory.mktemp("sizes"))
    opened.log_training(found, [], symbol=SYMBOL, code_version="1", dagster_run_id="d")
    return opened


@pytest.fixture
def ask(monkeypatch, store, tracker):
    for name, value in {
        "open_store": store, "open_tracking": tracker, "settings": Settings(),
    }.items():  # fmt: skip
        monkeypatch.setattr(runtime, name, lambda value=value: value)
    monkeypatch.setattr(runtime, "instrument", lambda symbol: replace(ONE, symbol=symbol))
    return lambda *more: CliRunner().invoke(app, ["size", "--symbol", SYMBOL, *more])


def test_the_answer_is_the_models_in_the_state_of_that_time(store, tracker, rows, ask):
    [version] = sizing_versions(tracker.models(), SYMBOL)
    model = tracker.load(version["name"], version["version"]).model
    assert model.rung == "linear"
    # The order that was sent saw the state with its own side: its row is what must be asked.
    k = 300
    sign = int(rows.features[k, rows.names.index("order_sign")])
    at_ns = int(rows.t0_ns[k])
    sizes = asked_sizes(store, SYMBOL, TASK, DAY, at_ns)
    wanted = order_sizes(
        model, rows.features[k : k + 1], budget=30.0, probability=0.75, size_lots=sizes
    )
    found = {
        row["side"]: row for row in largest_sizes(store, tracker, SYMBOL, **TERMS, at_ns=at_ns)
    }
    assert found[sign]["lots"] == wanted[0] > 0
    assert found[sign]["state_ns"] == at_ns
    assert not found[sign]["is_after_training"]
    # A nanosecond before, the state was the one before.
    before = largest_sizes(store, tracker, SYMBOL, **TERMS, at_ns=at_ns - 1)
    assert {row["state_ns"] for row in before} == {int(rows.t0_ns[k - 1])}
    # By MLflow's own interface it is the same.
    mlflow.set_tracking_uri(tracker.uri)
    served = mlflow.pyfunc.load_model(f"models:/{version['name']}/{version['version']}")
    frame = pd.DataFrame(rows.features[k : k + 1], columns=list(rows.names))
    same = served.get_raw_model().order_sizes(frame, budget=30.0, probability=0.75, size_lots=sizes)
    assert same.tolist() == wanted.tolist()


def test_the_command_asks_about_the_latest_state_of_both_sides(ask):
    said = [json.loads(ask("--json", "--budget-bp", str(b)).stdout) for b in (-1000, 10, 40, 4000)]
    for side in (0, 1):
        lots = [each["sizes"][side]["lots"] for each in said]
        assert lots == sorted(lots)
        assert lots[0] == 0 < lots[2]
        assert lots[-1] == said[-1]["sizes"][side]["most_lots"] <= 59
    assert {row["state_ns"] for row in said[0]["sizes"]} == {2 * N * NS_PER_S}
    assert said[0]["probability"] == 0.75
    early = json.loads(ask("--json", "--at", "1970-01-01T00:10:00").stdout)
    assert {row["state_ns"] for row in early["sizes"]} == {600 * NS_PER_S}
    shown = ask("--budget-bp", "4000")
    assert shown.exit_code == 0
    assert "no larger order is known" in shown.stdout
    assert ask("--probability", "0.8").exit_code == 2
    assert {ask("--budget-bp", budget).exit_code for budget in ("inf", "-inf", "nan")} == {2}


def test_nothing_to_ask_says_why(store, tracker):
    with pytest.raises(NothingToAsk, match="no sizing model of OTHER"):
        largest_sizes(store, tracker, "OTHER", **TERMS)
    with pytest.raises(NothingToAsk, match="no published decision"):
        largest_sizes(store, tracker, SYMBOL, **TERMS, at_ns=1)


def test_the_champion_is_asked_before_the_newest():
    def version(number, task, *, is_newest, aliases=()):
        return {
            "symbol": "S", "task": task, "version": number, "is_newest": is_newest,
            "aliases": list(aliases),
        }  # fmt: skip

    models = [
        version(1, "sizing_1s", is_newest=False, aliases=["champion"]),
        version(2, "sizing_1s", is_newest=True),
        version(1, "sizing_5s", is_newest=False),
        version(2, "sizing_5s", is_newest=True),
        version(3, "impact_1s", is_newest=True, aliases=["champion"]),
    ]
    found = [(model["task"], model["version"]) for model in sizing_versions(models, "S")]
    assert found == [("sizing_1s", 1), ("sizing_5s", 2)]
