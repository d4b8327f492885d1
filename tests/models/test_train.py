import json
from dataclasses import replace

import numpy as np
import pytest

from models.results import WalkForward
from models.tasks import BASE_RATE, RUNGS
from models.train import require_no_leak, walk_forward
from orderflow_core.splits import TooFewRowsError, purged_walk_forward
from tests.models.synthetic import SECOND, TASKS, synthetic


def run(kind, data=None, seed=1, **keywords) -> WalkForward:
    data = synthetic(kind, **keywords) if data is None else data
    return walk_forward(data, TASKS[kind], n_folds=4, embargo_ns=SECOND, seed=seed, n_boot=400)


@pytest.fixture(scope="module", params=TASKS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def noise(kind):
    return run(kind)


@pytest.fixture(scope="module")
def planted(kind):
    return run(kind, strength=0.3)


# What ranks rows, and its value where nothing is known. Quantiles are judged by their loss alone.
RANKING = {
    "direction": ("auc_up_down", 0.5),
    "move": ("auc", 0.5),
    "return": ("rank_ic", 0.0),
    "slippage": ("pinball_skill", 0.0),
}


def value(found, rung, metric):
    return next(s for s in found.scores[rung] if s.metric == metric)


def test_noise_is_not_learned(noise):
    for rung in ("linear", "lightgbm"):
        assert not noise.comparison(rung, "naive").beats
        metric, nothing = RANKING[noise.task.subject]
        found = value(noise, rung, metric)
        assert np.isnan(found.value) or found.low <= nothing
        assert np.isnan(found.value) or metric == "pinball_skill" or nothing <= found.high
    assert not noise.comparison("naive", BASE_RATE).beats


def test_planted_signal_is_found(planted):
    found = planted.comparison("linear", "naive")
    assert found.beats
    assert found.calibration_no_worse
    assert planted.comparison("lightgbm", "naive").beats
    assert planted.candidate != "naive"
    metric, nothing = RANKING[planted.task.subject]
    assert value(planted, "linear", metric).low > nothing


def test_the_base_rate_ranks_nothing(noise):
    # Its levels differ between the folds; within a fold it is constant.
    metric, nothing = RANKING[noise.task.subject]
    found = value(noise, BASE_RATE, metric)
    assert np.isnan(found.value) if metric == "rank_ic" else found.value == nothing


def test_a_feature_that_peeks_makes_the_scores_jump(noise, kind):
    peeking = run(kind, peek=True)
    assert (
        value(peeking, "lightgbm", peeking.task.loss).value
        < 0.25 * value(noise, "lightgbm", noise.task.loss).value
    )
    assert peeking.comparison("lightgbm", "naive").beats


def test_same_seed_same_bits(planted, kind):
    again = run(kind, strength=0.3)
    for rung in (BASE_RATE, *RUNGS):
        np.testing.assert_array_equal(again.predictions[rung], planted.predictions[rung])
    assert again.to_json() == planted.to_json()  # NaN is None there, and None equals itself
    features = planted.dataset.features
    for rung in RUNGS:
        np.testing.assert_array_equal(
            again.models[rung].predict(features), planted.models[rung].predict(features)
        )


def test_the_future_does_not_change_a_prediction(planted, kind):
    """Rows from the third test block on are replaced: folds 0 and 1 must not notice."""
    data = planted.dataset
    cut = planted.row_idx[np.argmax(planted.fold == 2)]
    other = synthetic(kind, seed=77, strength=0.0)
    features, label = data.features.copy(), data.label.copy()
    features[cut:], label[cut:] = 1e3 * other.features[cut:], other.label[cut:]
    changed = run(kind, replace(data, features=features, label=label))
    before = planted.fold < 2
    for rung in (BASE_RATE, *RUNGS):
        np.testing.assert_array_equal(
            changed.predictions[rung][before], planted.predictions[rung][before]
        )
        assert not np.array_equal(
            changed.predictions[rung][~before], planted.predictions[rung][~before]
        ) or (rung == "naive" and kind == "return")  # no move, whatever is known
    for rung in RUNGS:
        for now, then in zip(changed.intervals[rung], planted.intervals[rung], strict=True):
            np.testing.assert_array_equal(now[before], then[before])


def test_every_prediction_is_out_of_fold(planted):
    rows = planted.dataset.take(planted.row_idx)
    assert (planted.train_end_ns + planted.embargo_ns <= rows.t0_ns).all()
    assert (np.diff(planted.row_idx) > 0).all()
    assert sorted(set(planted.fold)) == [0, 1, 2, 3]
    for fold in planted.folds:
        assert fold.n_test == (planted.fold == fold.fold).sum()
        assert fold.train_end_ns < fold.test_start_ns
        assert set(fold.scores) == {BASE_RATE, *RUNGS}
    for model in planted.models.values():
        assert model.train_end_ns == planted.dataset.t1_ns.max()


def test_comparisons_are_paired_stated_and_on_blocks_as_long_as_the_overlap(planted):
    pairs = [(c.upper, c.below) for c in planted.comparisons]
    assert pairs == [
        ("naive", BASE_RATE),
        ("linear", "naive"),
        ("lightgbm", "linear"),
        ("lightgbm", "naive"),
    ]
    for found in planted.comparisons:
        # ten decisions ahead, one a second: nine before, itself, nine after
        assert found.label_overlap == 19
        assert found.block_len >= found.label_overlap
        assert found.n_rows == len(planted.row_idx)
        assert 0 < found.p_value <= 1
        assert found.low <= found.difference <= found.high
    assert planted.comparison("naive", "linear") is None


def test_intervals_of_outcomes_cover_them(planted, noise):
    for found in (planted, noise):
        for rung in RUNGS:
            low, high = found.intervals[rung]
            assert (low <= high).all()
            if found.task.family in ("value", "quantiles"):
                coverage = value(found, rung, "interval_coverage_90")
                # what naive leaves over is the planted signal: it comes in spells
                assert (0.8 if rung == "naive" else 0.87) < coverage.value < 0.95
            elif found.task.family == "binary":
                assert (low >= 0).all()
                assert (high <= 1).all()


def test_trials_are_counted(planted, kind):
    assert planted.n_trials == (4 if kind == "direction" else 3)  # fade and follow are two


def test_result_is_plain_json_with_the_base_rate_beside_each_score(planted):
    text = json.dumps(planted.to_json(), allow_nan=False)
    found = json.loads(text)
    assert found["candidate"] == planted.candidate
    assert {row["rung"] for row in found["scores"]} == {BASE_RATE, *RUNGS}
    assert all({"value", "low", "high", "base", "n"} <= row.keys() for row in found["scores"])
    loss = [row for row in found["scores"] if row["metric"] == planted.task.loss]
    assert all(
        row["base"] == loss[0]["value"] for row in loss
    )  # the first row is the base rate's own


def test_prediction_table(planted, kind):
    table = planted.prediction_table()
    n = len(planted.row_idx)
    assert all(len(column) == 3 * n for column in table.values())
    assert list(table["rung"][[0, n, 2 * n]]) == list(RUNGS)
    linear = slice(n, 2 * n)
    np.testing.assert_array_equal(table["t0_ns"][linear], planted.dataset.t0_ns[planted.row_idx])
    if kind == "direction":
        np.testing.assert_array_equal(table["p_up"][linear], planted.predictions["linear"][:, 2])
        np.testing.assert_array_equal(table["value"], table["p_up"] - table["p_down"])
    else:
        prediction = planted.predictions["linear"]
        expected = prediction[:, 2] if kind == "slippage" else prediction
        np.testing.assert_array_equal(table["value"][linear], expected)
        assert np.isnan(table["p_up"]).all()
        own = np.column_stack([table[name][linear] for name in planted.task.prediction_columns])
        np.testing.assert_array_equal(own.T, np.atleast_2d(prediction.T))
    np.testing.assert_array_equal(
        [table["low"][linear], table["high"][linear]], planted.intervals["linear"]
    )
    assert (table["train_end_ns"] < table["t0_ns"]).all()


def test_a_leaking_fold_is_refused():
    data = synthetic("direction", n=500)
    fold = purged_walk_forward(data.t0_ns, data.t1_ns, n_folds=4, embargo_ns=SECOND)[0]
    require_no_leak(data, fold, embargo_ns=SECOND)
    unpurged = replace(fold, train_idx=np.arange(fold.test_idx[0]))
    with pytest.raises(ValueError, match="leaks"):
        require_no_leak(data, unpurged, embargo_ns=SECOND)
    with pytest.raises(ValueError, match="latest training outcome"):
        require_no_leak(data, replace(fold, train_end_ns=0), embargo_ns=SECOND)
    with pytest.raises(ValueError, match="rows on both sides"):
        require_no_leak(data, replace(fold, test_idx=fold.test_idx[:0]), embargo_ns=SECOND)


def test_wrong_arguments_are_refused():
    data = synthetic("direction", n=60)
    with pytest.raises(ValueError, match="embargo_ns must be at least 1"):
        walk_forward(data, TASKS["direction"], n_folds=4, embargo_ns=0)
    with pytest.raises(ValueError, match="must have rows"):
        walk_forward(data.take(slice(0, 0)), TASKS["direction"], n_folds=4, embargo_ns=1)
    constant = replace(data, label=np.ones(len(data)))
    with pytest.raises(TooFewRowsError, match=r"outcomes must differ .*, all 60 are 1"):
        walk_forward(constant, TASKS["direction"], n_folds=4, embargo_ns=1)
    with pytest.raises(ValueError, match="at least 20 rows"):
        walk_forward(data, TASKS["direction"], n_folds=4, embargo_ns=1)


def test_progress_is_reported():
    seen = []
    data = synthetic("return", n=600)
    walk_forward(
        data,
        TASKS["return"],
        n_folds=2,
        embargo_ns=1,
        n_boot=50,
        on_fold=lambda done, n: seen.append((done, n)),
    )
    assert seen == [(1, 2), (2, 2)]
