import json
from dataclasses import replace

import numpy as np
import pytest

from models.artifact import load_model, save_model
from models.baselines import CLIP_SD, NaiveDirection, Standardizer, fit_naive_direction
from models.config import LadderConfig, RidgeConfig
from models.evaluate import row_loss
from models.ladder import base_rate, find_rung, fit_rung
from models.returns import fit_ridge_score
from models.rung import Training, scaled_uniqueness
from models.tasks import RUNGS
from tests.models.synthetic import SECOND, TASKS, synthetic


def fitted(kind, rung, data=None, **keywords):
    data = synthetic(kind, n=900, strength=0.3) if data is None else data
    return fit_rung(
        TASKS[kind], rung, data, embargo_ns=SECOND, config=LadderConfig(), seed=1, **keywords
    )


@pytest.fixture(scope="module", params=[(k, r) for k in TASKS for r in RUNGS], ids="-".join)
def model(request):
    return fitted(*request.param)


def test_predictions_have_their_shape_and_are_finite(model):
    data = synthetic(model.task.subject, n=50, seed=9)
    found = model.predict(data.features)
    assert found.shape == model.task.prediction_shape(50)
    assert np.isfinite(found).all()
    assert (row_loss(model.task, data.label, found) >= 0).all()  # a prediction that can be judged
    assert len(model.predict(data.features[:0])) == 0


def test_a_row_is_predicted_the_same_alone_and_among_others(model):
    data = synthetic(model.task.subject, n=300, seed=9)
    whole = model.predict(data.features)
    np.testing.assert_array_equal(model.predict(data.features[7:8]), whole[7:8])
    np.testing.assert_array_equal(
        model.predict(np.asfortranarray(data.features)[100:250]), whole[100:250]
    )


def test_files_hold_data_only_and_read_back_to_the_same_bits(model, tmp_path):
    paths = save_model(model, tmp_path)
    assert {path.suffix for path in paths} <= {".json", ".txt"}
    loaded = load_model(tmp_path)
    features = synthetic(model.task.subject, n=200, seed=4).features
    np.testing.assert_array_equal(loaded.predict(features), model.predict(features))
    np.testing.assert_array_equal(
        loaded.predict_interval(features), model.predict_interval(features)
    )
    same = (
        "task",
        "rung",
        "names",
        "train_start_ns",
        "train_end_ns",
        "embargo_ns",
        "n_train",
        "seed",
    )
    assert [getattr(loaded, name) for name in same] == [getattr(model, name) for name in same]


def test_prediction_by_name_takes_any_order_and_names_what_is_missing(model):
    data = synthetic(model.task.subject, n=20)
    table = dict(zip(reversed(data.names), data.features.T[::-1], strict=True)) | {
        "other": np.zeros(20)
    }
    np.testing.assert_array_equal(model.predict_table(table), model.predict(data.features))
    with pytest.raises(KeyError, match="signal"):
        model.predict_table({name: values for name, values in table.items() if name != "signal"})
    with pytest.raises(ValueError, match="must have the 6 columns"):
        model.predict(data.features[:, :3])


def test_a_model_knows_when_its_training_ended(model):
    data = synthetic(model.task.subject, n=900, strength=0.3)
    assert (model.train_start_ns, model.train_end_ns) == (data.t0_ns.min(), data.t1_ns.max())
    assert model.n_train == 900


def test_unknown_format_and_rung_are_refused(tmp_path):
    save_model(fitted("return", "naive"), tmp_path)
    header = json.loads((tmp_path / "model.json").read_text())
    for change, message in (
        ({"format": 2}, "format must be 1"),
        ({"rung": "oracle"}, "rung must be one of"),
        ({"texts": ["../secret"]}, "must lie beside it"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(header | change))
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path)
    with pytest.raises(ValueError, match="rung must be one of"):
        fitted("return", "oracle")


def naive_data(tick_sign, label):
    n = len(label)
    features = np.zeros((n, 6))
    features[:, 0] = tick_sign
    return replace(synthetic("direction", n=n), features=features, label=np.array(label, float))


def test_naive_direction_golden():
    # tick +: outcomes down, down, flat, up; tick -: up. Fade is right 3 times, wrong once, flat once.
    found = fit_naive_direction(naive_data([1, 1, 1, 1, -1], [-1, -1, 0, 1, 1]))
    assert not found.is_follow
    # one row added to each: wrong 2, flat 2, right 4 of 8
    assert found.shares == (2 / 8, 2 / 8, 4 / 8)
    # down 2, flat 1, up 2, one row added to each
    assert found.prior == (3 / 8, 2 / 8, 3 / 8)
    p = found.predict(np.array([[1.0], [-1.0], [0.0], [np.nan]]))
    np.testing.assert_array_equal(p[0], [4 / 8, 2 / 8, 2 / 8])  # faded: expects down
    np.testing.assert_array_equal(p[1], [2 / 8, 2 / 8, 4 / 8])
    np.testing.assert_array_equal(p[2:], [found.prior, found.prior])


def test_naive_follows_on_a_tie_and_needs_its_column():
    assert fit_naive_direction(naive_data([1, 1], [1, -1])).is_follow
    assert NaiveDirection.n_configurations == 2
    nameless = replace(synthetic("direction", n=50), names=tuple("abcdef"))
    with pytest.raises(ValueError, match="last_tick_sign"):
        fit_naive_direction(nameless)


def test_standardizer_learns_from_training_rows_only():
    train = np.array(
        [[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan], [8.0, 5.0, np.nan]]
    )
    found = Standardizer.fit(train)
    # medians 3, 5 and none; the first and third column had NaN, so two flags follow
    np.testing.assert_array_equal(found.median, [3, 5, 0])
    np.testing.assert_array_equal(found.is_flagged, [True, False, True])
    filled = np.array([1.0, 3.0, 3.0, 8.0])
    columns = found.transform(train)
    np.testing.assert_allclose(columns[:, 0], (filled - filled.mean()) / filled.std())
    np.testing.assert_array_equal(columns[:, 1], 0)
    np.testing.assert_allclose(
        columns[:, 3], (np.array([0, 0, 1, 0]) - 0.25) / np.std([0, 0, 1, 0])
    )
    far = found.transform(np.array([[1e9, np.nan, -1e9]]))
    assert far[0, 0] == CLIP_SD
    assert far[0, 1] == 0  # unknown where training always knew: its median


@pytest.mark.parametrize("present", [(-1, 1), (0, 1), (1,)])
def test_linear_direction_lives_with_missing_classes(present):
    data = synthetic("direction", n=400)
    label = np.random.default_rng(0).choice(np.array(present, float), 400)
    found = fitted("direction", "linear", replace(data, label=label))
    p = found.predict(data.features).mean(axis=0)
    for c in (-1, 0, 1):
        assert p[c + 1] == pytest.approx((label == c).mean(), abs=0.06)


def test_columns_without_a_value_are_harmless(model):
    data = synthetic(model.task.subject, n=400)
    features = data.features.copy()
    features[:, 2] = np.nan
    found = fitted(model.task.subject, model.rung, replace(data, features=features))
    assert np.isfinite(found.predict(features)).all()


def test_base_rate():
    np.testing.assert_allclose(
        base_rate(TASKS["direction"], np.array([1.0, -1.0]), 2), [[2 / 5, 1 / 5, 2 / 5]] * 2
    )
    np.testing.assert_array_equal(
        base_rate(TASKS["return"], np.array([1.0, 2.0]), 3), [1.5, 1.5, 1.5]
    )
    np.testing.assert_allclose(base_rate(TASKS["move"], np.array([1.0, 1.0]), 2), [3 / 4, 3 / 4])
    np.testing.assert_allclose(
        base_rate(TASKS["slippage"], np.arange(101.0), 2), [[5, 25, 50, 75, 95]] * 2
    )


def test_a_model_stored_before_intervals_still_predicts(tmp_path):
    model = fitted("return", "linear")
    save_model(model, tmp_path)
    header = json.loads((tmp_path / "model.json").read_text())
    del header["interval"]
    (tmp_path / "model.json").write_text(json.dumps(header))
    features = synthetic("return", n=20).features
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.predict(features), model.predict(features))
    with pytest.raises(ValueError, match="without an interval"):
        loaded.predict_interval(features)


def test_rows_that_share_their_outcome_count_as_one():
    """A hundred copies of one decision must not outvote a hundred decisions of their own."""
    n = 400
    data = synthetic("return", n=n)
    t0 = np.sort(np.where(np.arange(n) < 200, 0, np.arange(n) * 20)) * SECOND
    label = np.where(np.arange(n) < 200, 100.0, 0.0)
    crowd = replace(data, t0_ns=t0, t1_ns=t0 + 10 * SECOND, label=label)
    weight = scaled_uniqueness(crowd)
    assert weight.mean() == pytest.approx(1)
    np.testing.assert_allclose(weight[:200] / weight[-1], 1 / 200)
    training = Training(
        task=TASKS["return"], rows=crowd, embargo_ns=1, config=LadderConfig(), seed=0
    )
    score = fit_ridge_score(crowd, training.weight, RidgeConfig(penalty_per_row=1e6))
    # one outcome of 100 among 200 of zero
    assert score(data.features).mean() == pytest.approx(100 / 201, rel=1e-3)


def test_models_stored_before_events_and_values_shared_a_predictor_read_back():
    """An event's prior stood there as a number, a value had none."""
    for kind in ("move", "return"):
        data = synthetic(kind, n=300, strength=0.5)
        model = fitted(kind, "linear", data)
        stored = model.predictor.to_json()
        if kind == "move":
            stored |= {"prior": stored["prior"][0]}
        else:
            assert stored.pop("prior") == [0.0]
            stored["prior"] = []
        again = find_rung(TASKS[kind], "linear").load(stored, {})
        np.testing.assert_array_equal(again.predict(data.features), model.predict(data.features))
