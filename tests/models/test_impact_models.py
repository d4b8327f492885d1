"""Impact and sizing ladders on drawn orders: planted laws are found, noise is not, sizes are monotone."""

from dataclasses import replace

import numpy as np
import pytest

from models.artifact import load_model, save_model
from models.config import LadderConfig, TreesConfig
from models.impact import blocks_of_law
from models.ladder import fit_rung
from models.order_rows import ORDER_COLUMNS
from models.sizing import judge_sizing, order_sizes
from models.tasks import LEVELS, RUNGS, Task
from models.train import walk_forward
from tests.models.order_markets import SECOND, drawn_orders

IMPACT, SIZING = Task("impact_1s"), Task("sizing_1s")
CONFIG = LadderConfig(trees=TreesConfig(n_trees=30))
TERMS = {"embargo_ns": SECOND, "config": CONFIG, "seed": 0}


def ladder(rows, task=IMPACT):
    return walk_forward(rows, task, n_folds=2, n_boot=300, **TERMS)


@pytest.fixture(scope="module")
def planted():
    return drawn_orders(by_spread=1.5)


@pytest.fixture(scope="module")
def sizing(planted):
    return ladder(planted, SIZING)


def test_planted_law_and_kernel_are_found():
    rows = drawn_orders()
    settings = fit_rung(IMPACT, "linear", rows, **TERMS).predictor.settings()
    assert settings["exponent_low"] < 0.5 < settings["exponent_high"]
    assert settings["kernel_1"] == pytest.approx(0.3, abs=0.1)


def lasting(rows, seconds):
    return replace(rows, t1_ns=rows.t0_ns + seconds * SECOND)


@pytest.mark.parametrize(
    ("n_rows", "seconds", "n_blocks"),
    [
        (6000, 1, 50),  # the most
        (400, 1, 20),  # of 20 orders each
        (6000, 118, 50),  # 120 s each, the last one from its first order to its last 119 s
        (6000, 119, 49),
        (6000, 500, 11),  # 545 s each
        (6000, 600, 0),  # ten last 600 s, no longer than a label
    ],
)
def test_blocks_of_the_law_last_longer_than_its_labels(n_rows, seconds, n_blocks):
    rows = lasting(drawn_orders(n_rows), seconds)
    assert blocks_of_law(rows) == n_blocks


def test_too_few_blocks_leave_the_exponent_open():
    rows = drawn_orders()
    law, few = (fit_rung(IMPACT, "linear", lasting(rows, s), **TERMS) for s in (1, 700))
    assert few.predictor.exponent == pytest.approx(law.predictor.exponent, abs=0.1)
    assert law.predictor.exponent_high - law.predictor.exponent_low < 1
    assert (few.predictor.exponent_low, few.predictor.exponent_high) == (0.0, 1.5)


def test_law_beats_the_mean_and_trees_beat_the_law_where_the_state_matters(planted):
    found = ladder(planted)
    assert found.comparison("linear", "naive").beats
    assert found.comparison("lightgbm", "linear").beats


def test_trees_add_next_to_nothing_where_the_law_is_all():
    # They may mend what a few thousand rows leave wrong in the law: half a percent of the error.
    found = ladder(drawn_orders(seed=1))
    law = next(s.value for s in found.scores["linear"] if s.metric == "mse")
    assert found.comparison("lightgbm", "linear").difference > -0.01 * law


def test_noise_is_not_found():
    found = ladder(drawn_orders(prefactor=0.0, decay=0.0, seed=2))
    for upper, below in (("naive", "base_rate"), ("linear", "naive"), ("lightgbm", "naive")):
        assert not found.comparison(upper, below).beats


def sized(rows, lots):
    features = rows.features.copy()
    features[:, rows.names.index("order_log_lots")] = np.log(lots)
    return features


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("task", [IMPACT, SIZING], ids=str)
def test_no_forecast_falls_as_the_order_grows(planted, task, rung):
    model = fit_rung(task, rung, planted.take(slice(0, 2500)), **TERMS)
    made = [model.predict(sized(planted, lots)) for lots in (1, 2, 5, 20, 100, 1000)]
    assert (np.diff(np.array(made), axis=0) >= -1e-9).all()
    if rung != "naive":
        assert (made[-1] > made[0]).all()


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("task", [IMPACT, SIZING], ids=str)
def test_a_stored_model_is_the_same_model(planted, task, rung, tmp_path):
    model = fit_rung(task, rung, planted.take(slice(0, 1500)), **TERMS)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    np.testing.assert_array_equal(
        again.predict(planted.features[:300]), model.predict(planted.features[:300])
    )
    one = np.concatenate([model.predict(planted.features[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(one, model.predict(planted.features[:5]))


def test_unknown_volatility_and_volume_get_the_usual_ones(planted):
    model = fit_rung(IMPACT, "linear", planted.take(slice(0, 1500)), **TERMS)
    features = planted.features[:50].copy()
    for name in ("volatility_60s_ticks", "order_same_lots_60s"):
        features[:, planted.names.index(name)] = np.nan
    assert np.isfinite(model.predict(features)).all()


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("task", [IMPACT, SIZING], ids=str)
def test_nothing_but_the_order_need_be_known(planted, task, rung):
    model = fit_rung(task, rung, planted.take(slice(0, 1500)), **TERMS)
    unknown = planted.features[:50].copy()
    unknown[:, [name not in ORDER_COLUMNS for name in planted.names]] = np.nan
    assert np.isfinite(model.predict(unknown)).all()
    assert np.isfinite(model.predict_interval(unknown)).all()


def test_rows_of_no_order_are_refused(planted):
    renamed = replace(
        planted, names=tuple(name.replace("order_sign", "x") for name in planted.names)
    )
    with pytest.raises(ValueError, match="order_sign"):
        fit_rung(IMPACT, "naive", renamed, **TERMS)


def test_sizes_rise_with_the_budget_and_fall_with_the_probability(sizing, planted):
    sizes, states = np.array([1, 3, 10, 30, 100, 300, 1000]), planted.features[:400]
    for rung in RUNGS[1:]:
        model = sizing.models[rung]

        def largest(budget, probability, model=model):
            return order_sizes(
                model, states, budget=budget, probability=probability, size_lots=sizes
            )

        found = np.array([largest(budget, 0.75) for budget in (-1.0, 0.2, 0.5, 1.0, 2.0, 5.0)])
        assert (np.diff(found, axis=0) >= 0).all()
        assert found[-1].mean() > found[2].mean() > 0
        assert (largest(1.0, 0.95) <= largest(1.0, 0.75)).all()
    with pytest.raises(ValueError, match="probability must be one of"):
        order_sizes(model, states, budget=1.0, probability=0.8, size_lots=sizes)
    other = replace(model, task=Task("slippage"))
    with pytest.raises(ValueError, match="of a sizing task"):
        order_sizes(other, states, budget=1.0, probability=0.75, size_lots=sizes)


def test_sizes_keep_to_the_probability_and_the_state_allows_more(sizing):
    for budget in (0.5, 1.0, 2.0):
        scores = {s.rung: s for s in judge_sizing(sizing, budget=budget, probability=0.75)}
        for rung in ("linear", "lightgbm"):
            assert scores[rung].coverage_high >= 0.75
        # Orders that it allows cost less than the others, so the state is worth knowing.
        if budget < 2:
            assert scores["lightgbm"].lots_allowed > scores["linear"].lots_allowed
            assert scores["naive"].n_allowed == 0
    with pytest.raises(ValueError, match="probability must be one of"):
        judge_sizing(sizing, budget=1.0, probability=0.8)


def test_judging_by_predictions_is_judging_by_sizes(sizing, planted):
    model, level = sizing.models["linear"], LEVELS.index(0.75)
    lots = np.exp(planted.features[:300, planted.names.index("order_log_lots")])
    sizes = np.unique(np.append(np.round(lots), [1, 3000])).astype(np.int64)
    largest = order_sizes(
        model, planted.features[:300], budget=1.0, probability=0.75, size_lots=sizes
    )
    is_within = model.predict(planted.features[:300])[:, level] <= 1.0
    np.testing.assert_array_equal(np.round(lots) <= largest, is_within)
