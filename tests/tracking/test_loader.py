"""What a model behind MLflow's interface takes and gives."""

import numpy as np
import pandas as pd
import pytest

from models.ladder import fit_rung
from models.tasks import Task
from models.train import DEFAULT_CONFIG
from orchestration.tracking.loader import PyfuncModel, output_columns
from tests.models.order_markets import drawn_orders
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


@pytest.fixture(scope="module")
def orders():
    data = drawn_orders(600)
    model = fit_rung(
        Task("sizing_1s"), "linear", data, embargo_ns=SECOND, config=DEFAULT_CONFIG, seed=1
    )
    return PyfuncModel(model), pd.DataFrame(data.features[:20], columns=list(data.names))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("order_sign", np.nan, "order_sign must be -1 or .1, got nan in row 0"),
        ("order_sign", 0.0, "order_sign must be -1 or .1, got 0.0"),
        ("order_log_lots", np.nan, "order_log_lots must be known, got nan in row 0"),
    ],
)
def test_an_order_without_side_or_size_is_refused(orders, column, value, words):
    served, frame = orders
    with pytest.raises(ValueError, match=words):
        served.predict(frame.assign(**{column: value}))


def test_what_an_order_is_not_asked_about_may_be_unknown(orders):
    served, frame = orders
    state = frame.columns.difference(["order_sign", "order_log_lots"])
    unknown = frame.assign(**dict.fromkeys(state, np.nan))
    assert np.isfinite(served.predict(unknown).to_numpy()).all()
    ask = {"budget": 5.0, "probability": 0.75, "size_lots": np.array([1, 10])}
    of_no_size = unknown.assign(order_log_lots=np.nan)
    assert served.order_sizes(of_no_size, **ask).shape == (20,)
    with pytest.raises(ValueError, match="order_sign"):
        served.order_sizes(of_no_size.assign(order_sign=np.nan), **ask)
