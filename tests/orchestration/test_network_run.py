"""A symbol with ORDERFLOW_NETWORK=true through Dagster: trained, registered, and asked about the next day."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from models.footprint_windows import WindowTerms
from orchestration import runtime
from orchestration.arrays import column
from orchestration.cli import app
from orchestration.errors import NothingToShow
from orchestration.footprint_batches import read_footprint
from orchestration.ingest import ingest
from orchestration.pipeline import run_jobs
from orchestration.sources import SOURCES
from orchestration.tracking.tracking import Tracking
from tests.captures import write_capture
from tests.orchestration.conftest import date_of

pytestmark = pytest.mark.soak  # a minute
SUMMARY = "backtest.direction_summary"
SYMBOL, NAME = "ETHUSDT", "orderflow-direction_20-ETHUSDT"
SETTINGS = {
    "BAR_SECONDS": "1", "NETWORK": "true", "NETWORK_EPOCHS": "2", "N_BLOCKS": "3",
    "EMBARGO_SECONDS": "5", "SIGNAL_RUNG": "network", "SIGNAL_THRESHOLD": "0", "N_NULL_RUNS": "20",
}  # fmt: skip


@pytest.fixture(scope="module")
def tracking(home, tmp_path_factory):
    """A registry of its own, and bars short enough that a hundred of them fit in a quarter of an hour."""
    own = Tracking.open(tmp_path_factory.mktemp("registry"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(f"ORDERFLOW_{name}", value)
        runtime.settings.cache_clear()
        patch.setattr("orchestration.resources.tracking.open_tracking", lambda: own)
        # Whichever rung loses least on this market: here the network is to go the whole way.
        patch.setattr("models.train.best_rung", lambda task, scores: "network")  # noqa: ARG005
        yield own
    runtime.settings.cache_clear()


@pytest.fixture(scope="module")
def days(tracking, store, unused_day, tmp_path_factory):
    made = []
    for n in (unused_day(), unused_day()):
        file = tmp_path_factory.mktemp("capture") / "a.gz"
        path = write_capture(file, n_trades=900, seed=n, day=n, symbol=SYMBOL)
        known = runtime.instrument(SYMBOL)
        ingest(store, SOURCES["capture"].read([path], known), known, run_id="test")
        run_jobs(SYMBOL, [date_of(n)], jobs=("day",))
        made.append(date_of(n))
        if len(made) == 1:  # the second day comes after the training
            for told in (
                "network",
                "unchanged",
            ):  # the same data and terms are not trained on again
                [trained] = run_jobs(SYMBOL, made, jobs=("training",), tables=["models.direction"])
                assert told in trained.note
    return made


def test_the_training_judges_the_network_on_rows_with_windows(days, tracking, store):
    [model] = tracking.models()
    assert (model["name"], model["rung"], model["aliases"][0]) == (NAME, "network", "challenger")
    assert {row["rung"] for row in model["scores"]} >= {"naive", "linear", "lightgbm", "network"}
    loaded = tracking.load(NAME, "challenger").model
    assert loaded.windows == WindowTerms(clock="time:1s", ticks_per_row=1)
    beside = loaded.predictor.beside
    assert set(beside) == {"move", "level"}  # learned together with the direction
    assert beside["move"] > 200
    assert 500 <= loaded.n_train < store.read("research.features", SYMBOL, days[0]).num_rows
    run_jobs(SYMBOL, days[:1], jobs=("judging",), tables=["research.predictions"])
    rows = store.read("research.predictions", SYMBOL, days[0])
    assert set(rows["role"].cast("string").to_pylist()) == {"oof"}
    assert "network" in set(rows["rung"].cast("string").to_pylist())


def test_the_backtest_trades_what_the_network_said_out_of_fold(days, store):
    run_jobs(SYMBOL, days[:1], jobs=("judging",))
    told = store.read(SUMMARY, SYMBOL, days[0])
    metrics = dict(zip(told["metric"].to_pylist(), told["value"].to_pylist(), strict=True))
    assert metrics["rung:network"] == 1
    assert metrics["n_fills"] > 0
    rows = store.read("research.predictions", SYMBOL, days[0], where={"rung": "network"})
    edge = column(rows, "p_up") - column(rows, "p_down")
    assert metrics["n_fills"] <= 2 + 2 * np.count_nonzero(np.diff(np.sign(edge)))


def test_the_next_day_publishes_what_the_network_says_of_it(days, tracking, store):
    [made] = run_jobs(SYMBOL, days[1:], jobs=("judging",), tables=["research.predictions"])
    rows = store.read("research.predictions", SYMBOL, days[1])
    assert made.rows == rows.num_rows > 500
    loaded = tracking.load(NAME, "challenger")
    role = "champion" if "champion" in tracking.models()[0]["aliases"] else "challenger"
    assert set(rows["rung"].cast("string").to_pylist()) == {f"{role}:network"}
    assert set(rows["model_version"].cast("string").to_pylist()) == {loaded.model_version}
    footprint = read_footprint(
        store, runtime.instrument(SYMBOL), days[1], bar_clock="time:1s", snapshot=store.snapshot()
    )
    t0_ns = column(store.read("research.features", SYMBOL, days[1]), "t0_ns")
    with_window = t0_ns[footprint.window_bar(t0_ns) >= 0]
    np.testing.assert_array_equal(np.sort(column(rows, "t0_ns")), np.sort(with_window))
    total = sum(column(rows, name) for name in ("p_down", "p_flat", "p_up"))
    np.testing.assert_allclose(total, 1)
    assert (column(rows, "low") <= column(rows, "high")).all()


def test_a_prediction_is_explained_by_a_picture(days, tracking, monkeypatch, tmp_path):
    monkeypatch.setattr("orchestration.runtime.open_tracking", lambda: tracking)
    file = tmp_path / "explained.png"

    def ask(*more):
        return CliRunner().invoke(app, ["explain", "--symbol", SYMBOL, *more])

    found = ask("--at", f"{days[1]}T00:10:00", "--out", str(file), "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout) == {"path": str(file), "model_version": f"{NAME}/1"}
    with Image.open(file) as image:
        assert min(image.size) > 300
    early = ask("--at", f"{days[1]}T00:00:10")
    assert isinstance(early.exception, NothingToShow)
    assert "no 100 bars of time:1s" in str(early.exception)
    other = ask("--at", f"{days[1]}T00:10:00", "--task", "return_60s")
    assert other.exit_code == 1
