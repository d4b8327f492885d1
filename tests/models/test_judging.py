from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from models.evaluate import row_loss
from models.learning_curve import learning_curve
from models.stability import (
    REGIMES,
    UNKNOWN_REGIME,
    skill_by_regime,
    skill_over_time,
    volatility_regime,
)
from models.tasks import BASE_RATE, Task
from models.train import walk_forward
from models.verdict import verdict
from tests.models.synthetic import SECOND, synthetic

TASK = Task("return_10s")


def run(data, n_folds=4):
    return walk_forward(data, TASK, n_folds=n_folds, embargo_ns=SECOND, seed=1, n_boot=300)


def with_days(data, n_days):
    return replace(data, trading_day=np.arange(len(data)) * n_days // len(data))


def with_volatility(data, volatility):
    names = ("volatility_60s_ticks", *data.names)
    return replace(data, names=names, features=np.column_stack([volatility, data.features]))


@pytest.fixture(scope="module")
def planted():
    return run(with_days(synthetic("return", strength=0.4, n=3000), 6))


@pytest.mark.parametrize(
    ("low", "high", "n_blocks", "word"),
    [
        (-2.0, -1.0, 10, "yes"),
        (-2.0, -1.0, 9, "not shown"),
        (1.0, 2.0, 10, "no"),
        (-1.0, 0.0, 99, "not shown"),  # zero itself is inside
        (0.0, 1.0, 99, "not shown"),
        (None, None, 99, "not shown"),
        (np.nan, np.nan, 99, "not shown"),
    ],
)
def test_verdict(low, high, n_blocks, word):
    assert verdict(low, high, n_blocks) == word


def test_skill_of_each_day_is_that_of_its_rows(planted):
    found = skill_over_time(planted)
    rows = planted.dataset.take(planted.row_idx)
    loss = {r: row_loss(TASK, rows.label, p) for r, p in planted.predictions.items()}
    assert {g.group for g in found} == {f"1970-01-0{d}" for d in range(2, 7)}
    assert sum(g.n_rows for g in found if g.rung == "linear") == len(rows)
    for group in found:
        day = int(group.group[-2:]) - 1
        is_in = rows.trading_day == day
        own = loss[group.rung][is_in].sum()
        assert group.loss == pytest.approx(own / is_in.sum())
        assert group.skill == pytest.approx(1 - own / loss[BASE_RATE][is_in].sum())
        assert group.loss_low < group.loss < group.loss_high


def test_a_signal_that_stops_is_seen_to_stop():
    """The first days carry the signal, the last ones noise of the same size."""
    strong, noise = (synthetic("return", strength=s, n=6000, seed=s > 0) for s in (0.6, 0.0))
    label = np.where(np.arange(6000) < 4500, strong.label, noise.label)
    found = skill_over_time(run(with_days(replace(strong, label=label), 4), n_folds=3))
    early, late = (
        next(g for g in found if g.rung == "linear" and g.group == day)
        for day in ("1970-01-02", "1970-01-04")
    )
    assert early.low > 0
    assert early.beats_base == "yes"
    assert late.skill < early.low
    assert late.beats_base != "yes"


def test_one_day_is_cut_into_blocks_of_time(planted):
    one = replace(planted, dataset=with_days(planted.dataset, 1))
    found = [g for g in skill_over_time(one) if g.rung == "naive"]
    assert len(found) == 8
    assert all(a.end_ns < b.start_ns for a, b in pairwise(found))
    assert found[0].group == "1: 1970-01-01 00:10:00"


def test_regime_is_known_at_the_decision():
    """A later fold may change its own bounds, never those of an earlier one."""
    rng = np.random.default_rng(3)
    data = with_volatility(synthetic("return", n=2000), rng.exponential(size=2000))
    found = run(data)
    before = volatility_regime(found, "volatility_60s_ticks")
    first = found.row_idx[found.fold == 3][0]
    features = data.features.copy()
    features[first:, 0] *= 100
    changed = replace(found, dataset=replace(data, features=features))
    after = volatility_regime(changed, "volatility_60s_ticks")
    np.testing.assert_array_equal(after[found.fold < 3], before[found.fold < 3])
    assert (after[found.fold == 3] == 2).mean() > 0.9
    # thirds of what came before, so about a third each
    assert np.bincount(before, minlength=3) / len(before) == pytest.approx([1 / 3] * 3, abs=0.05)


def test_regime_bounds_by_hand():
    n = 1500
    data = with_volatility(synthetic("return", n=n), np.arange(n) % 3.0)
    found = run(data)
    regime = volatility_regime(found, "volatility_60s_ticks")
    # a third each of 0, 1 and 2: the bounds are 1/3 and 2/3 of the way, hence 0|1 and 1|2 up to
    # where the quantile falls on a value, and a value on a bound belongs to the upper third
    own = data.features[found.row_idx, 0]
    assert set(regime[own == 0]) == {0}
    assert set(regime[own == 2]) == {2}


def test_rows_without_volatility_have_no_regime():
    volatility = np.where(np.arange(2000) % 2, np.nan, np.arange(2000))
    found = run(with_volatility(synthetic("return", n=2000), volatility))
    regime = volatility_regime(found, "volatility_60s_ticks")
    is_nan = np.isnan(volatility[found.row_idx])
    assert (regime[is_nan] == UNKNOWN_REGIME).all()
    assert (regime[~is_nan] == 2).all()  # it only ever rises
    groups = skill_by_regime(found)
    assert {g.group for g in groups} == {REGIMES[2]}
    assert sum(g.n_rows for g in groups if g.rung == "naive") == (~is_nan).sum()


def test_without_a_volatility_feature_there_are_no_regimes(planted):
    assert skill_by_regime(planted) == ()
    with pytest.raises(ValueError, match="must be one of"):
        skill_by_regime(planted, "volatility_60s_ticks")


def test_learning_curve_rises_and_ends_at_the_training_itself(planted):
    calls = []
    curve = learning_curve(planted, on_fit=lambda done, of: calls.append((done, of)))
    linear = [p for p in curve if p.rung == "linear"]
    assert [p.share for p in linear] == [0.125, 0.25, 0.5, 1.0]
    assert [p.n_train for p in linear] == sorted(p.n_train for p in linear)
    mse = next(s for s in planted.scores["linear"] if s.metric == "mse")
    assert linear[-1].loss == pytest.approx(mse.value)
    assert linear[-1].low > 0
    assert linear[-1].skill > linear[0].skill or np.isnan(linear[0].skill)
    assert calls[-1] == (12, 12)


def test_a_share_too_small_to_fit_says_so(planted):
    curve = learning_curve(planted, shares=(0.02, 1.0))
    [small] = [p for p in curve if p.rung == "lightgbm" and p.share == 0.02]
    assert np.isnan(small.skill)
    assert "at least 20 rows" in small.note
    with pytest.raises(ValueError, match="within"):
        learning_curve(planted, shares=(0.5, 0.25))


def test_the_curve_uses_the_training_rows_of_the_split(planted):
    """Share 0.999... of a fold's rows gives nearly its own forecasts; a wrong fold would not."""
    curve = learning_curve(planted, shares=(0.999999, 1.0))
    near, whole = (next(p for p in curve if p.rung == "linear" and p.share == s)
                   for s in (0.999999, 1.0))  # fmt: skip
    assert near.loss == whole.loss
    assert near.n_train == whole.n_train == np.mean([f.n_train for f in planted.folds])
