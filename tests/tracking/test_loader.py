"""What a model behind MLflow's interface takes and gives."""

import numpy as np
import pandas as pd
import pytest

from models.ladder import fit_rung
from models.tasks import Task
from models.train import DEFAULT_CONFIG
from orchestration.tracking.loader import PyfuncModel, output_columns
from tests.models.synthetic import SECOND, synthetic


@pytest.fixture(scope="module", params=["direction", "return"])
def model(request):
    task = Task({"direction": "direction_10", "return": "return_10s"}[request.param])
    data = synthetic(request.param, strength=0.3, n=500)
    return fit_rung(task, "linear", data, embargo_ns=SECOND, config=DEFAULT_CONFIG, seed=1)


@pytest.fixture
def frame(model):
    data = synthetic("return", n=70, seed=3)
    return pd.DataFrame(data.features, columns=list(data.names), index=range(7, 77))


def test_predictions_stand_in_named_columns_with_their_interval(model, frame):
    found = PyfuncModel(model).predict(frame)
    assert tuple(found.columns) == output_columns(model)
    assert list(found.index) == list(frame.index)
    names = list(model.task.prediction_columns)
    np.testing.assert_array_equal(
        found[names].to_numpy().squeeze(), model.predict(frame.to_numpy())
    )
    low, high = model.predict_interval(frame.to_numpy())
    np.testing.assert_array_equal(found["low"], low)
    np.testing.assert_array_equal(found["high"], high)
    assert (low <= high).all()


def test_columns_count_by_name(model, frame):
    served = PyfuncModel(model)
    pd.testing.assert_frame_equal(served.predict(frame[frame.columns[::-1]]), served.predict(frame))


def test_no_rows_give_no_rows(model, frame):
    assert PyfuncModel(model).predict(frame[:0]).shape == (0, len(output_columns(model)))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f.drop(columns="noise_1"), ValueError, "lacks noise_1"),
        (lambda f: f.assign(later=1.0), ValueError, "has later, which the model does not know"),
        (lambda f: f.rename(columns={"signal": "Signal"}), ValueError, "lacks signal"),
        (lambda f: pd.concat([f, f[["signal"]]], axis=1), ValueError, "a column twice"),
        (lambda f: f.astype({"signal": "float32"}), TypeError, r"got signal \(float32\)"),
        (lambda f: f.assign(signal=1), TypeError, r"got signal \(int64\)"),
        (lambda f: f.assign(signal="up"), TypeError, "must be float64"),
        (lambda f: f.assign(signal=np.inf), ValueError, "an infinity in signal"),
        (lambda f: f.to_numpy(), TypeError, "a DataFrame with named columns"),
    ],
)
def test_anything_but_the_feature_matrix_is_refused(model, frame, change, error, words):
    with pytest.raises(error, match=words):
        PyfuncModel(model).predict(change(frame))


def test_parameters_are_refused(model, frame):
    with pytest.raises(TypeError, match="no parameters"):
        PyfuncModel(model).predict(frame, {"coverage": 0.5})


def test_many_wrong_columns_are_counted(model, frame):
    with pytest.raises(ValueError, match="and 1 more"):
        PyfuncModel(model).predict(frame[[]])
