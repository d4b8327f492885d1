"""A network as registered model: data only, loaded and served by MLflow, promoted by the same rule."""

from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest

from models.tasks import Task
from models.train import walk_forward
from orchestration.tracking.errors import TamperedModelError
from orchestration.tracking.loader import PyfuncModel, _load_pyfunc, output_columns
from orchestration.tracking.promotion import Incumbent, decide
from orchestration.tracking.window_input import SHAPES, window_input
from tests.models.test_footprint_rung import CONFIG, SECOND, market
from tests.tracking.served import post, serving

TASK = Task("direction_2s")


@pytest.fixture(scope="module")
def trained():
    return walk_forward(
        market(460, is_planted=True), TASK, n_folds=1, embargo_ns=SECOND, rungs=("naive", "network"),
        config=replace(CONFIG, network=replace(CONFIG.network, max_epochs=4, batch=16)), n_boot=200,
    )  # fmt: skip


@pytest.fixture(scope="module")
def registered(tracking, trained):
    return tracking.log_training(
        trained, [], symbol="NETWORK", code_version="1", dagster_run_id="dagster-1"
    )


@pytest.fixture(scope="module")
def loaded(registered):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        return mlflow.pyfunc.load_model(f"models:/{registered.name}@champion")


@pytest.fixture
def windows(trained):
    return trained.dataset.windows.take(slice(0, 70))


@pytest.fixture
def tensors(windows):
    return window_input(windows.take(slice(0, 3)))


def test_what_only_the_network_finds_makes_it_candidate_and_champion(trained, registered, tracking):
    assert trained.candidate == "network"
    assert registered.rung == "network"
    assert registered.alias_champion, registered.reason
    assert "network beats naive" in registered.reason
    model = tracking.load(registered.name).model
    assert model.names == ()
    assert model.windows == trained.dataset.windows.terms


def test_its_files_hold_data_only_and_are_sealed(registered):
    local = mlflow.artifacts.download_artifacts(f"models:/{registered.name}@champion")
    [folder] = [path.parent for path in Path(local).rglob("model.json")]
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.json", "network.safetensors", "sha256.json",
    ]  # fmt: skip
    assert _load_pyfunc(str(folder)).model.reads_windows
    file = folder / "network.safetensors"
    data = file.read_bytes()
    try:
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(TamperedModelError, match=r"network\.safetensors was changed"):
            _load_pyfunc(str(folder))
    finally:
        file.write_bytes(data)


def test_through_mlflow_it_says_what_it_says_in_process(loaded, trained, windows):
    assert {i.name: (i.shape, i.type) for i in loaded.metadata.get_input_schema().inputs} == {
        name: (shape, np.dtype(np.float32)) for name, shape in SHAPES.items()
    }
    found = loaded.predict(window_input(windows))
    model = trained.models["network"]
    expected = model.predict_windows(windows)
    assert tuple(found.columns) == output_columns(model)
    np.testing.assert_array_equal(found[list(TASK.prediction_columns)], expected)
    low, high = model.bounds(expected)
    np.testing.assert_array_equal(found["low"], low)
    np.testing.assert_array_equal(found["high"], high)


WRONG = [
    (lambda t: {**t, "footprint": t["footprint"][:, 1:]}, "shape"),
    (lambda t: {**t, "footprint": t["footprint"].astype(np.float64)}, "float32|dtype"),
    (lambda t: {name: v for name, v in t.items() if name != "overflow"}, "overflow"),
    (lambda t: {**t, "overflow": t["overflow"][:, :, 0]}, "shape"),
    (
        lambda t: {**t, "unsigned": np.where(np.arange(100) < 99, t["unsigned"], np.nan)},
        "float32|finite",
    ),
    (lambda t: {**t, "footprint": t["footprint"] * np.float32("nan")}, "finite"),
    (lambda t: {**t, "overflow": t["overflow"] + np.float32("inf")}, "finite"),
    (lambda t: {**t, "unsigned": t["unsigned"] - np.float32(1)}, "negative"),
    (lambda t: {**t, "unsigned": t["unsigned"][1:]}, "as many windows"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
@pytest.mark.parametrize("through_mlflow", [False, True])
def test_anything_but_its_windows_is_refused(
    loaded, trained, tensors, change, words, through_mlflow
):
    served = loaded if through_mlflow else PyfuncModel(trained.models["network"])
    assert len(served.predict(tensors)) == 3
    with pytest.raises((ValueError, TypeError, mlflow.MlflowException), match=f"(?i){words}"):
        served.predict(change(tensors))


def test_further_inputs_frames_and_parameters_are_refused(trained, tensors):
    served = PyfuncModel(trained.models["network"])
    with pytest.raises(ValueError, match="has later, which the network does not know"):
        served.predict({**tensors, "later": tensors["unsigned"]})
    with pytest.raises(TypeError, match="a mapping of names"):
        served.predict(trained.dataset.features)
    with pytest.raises(TypeError, match="no parameters"):
        served.predict(tensors, {"coverage": 0.5})
    with pytest.raises(ValueError, match="reads features, not windows"):
        trained.models["naive"].predict_tensors(tensors["footprint"], tensors["overflow"])


def incumbent(trained, model):
    rows = trained.dataset.take(trained.row_idx)
    return Incumbent(
        name="version 1", model=model, t0_ns=rows.t0_ns, decision_id=rows.decision_id,
        out_of_fold=trained.predictions["network"],
    )  # fmt: skip


def test_a_champion_that_reads_windows_is_judged_by_those_of_the_same_bars(trained):
    # Trained before these rows: it predicts them anew, and does as well as the challenger.
    early = replace(trained.models["network"], train_end_ns=0)
    decision = decide(trained, incumbent(trained, early), {})
    assert "rows after the champion's training" in decision.reason
    assert not decision.promote
    other = replace(early, windows=replace(early.windows, ticks_per_row=2))
    assert (
        "both trainings predicted out of fold"
        in decide(trained, incumbent(trained, other), {}).reason
    )
    with pytest.raises(ValueError, match="ticks_per_row=2"):
        other.predict_windows(trained.dataset.windows)


@pytest.mark.soak
def test_a_served_network_answers_over_http(registered, tracking, trained, tensors, tmp_path):
    with serving(tracking, registered.name, tmp_path) as port:
        status, answer = post(port, {"inputs": {k: v.tolist() for k, v in tensors.items()}})
        assert status == 200, answer
        expected = PyfuncModel(trained.models["network"]).predict(tensors)
        assert answer["predictions"] == expected.to_dict("records")
        short = {**tensors, "footprint": tensors["footprint"][:, 1:]}
        status, answer = post(port, {"inputs": {k: v.tolist() for k, v in short.items()}})
        assert status == 400
        assert "shape" in answer["message"].lower()
