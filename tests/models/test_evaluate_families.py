import numpy as np
import pytest

from models.bootstrap import plan_blocks
from models.evaluate import compare, reliability, row_loss, score
from models.tasks import LEVELS, Task

EVENT, QUANTILES = Task("move_60s"), Task("slippage")


def blocks(n):
    t0 = np.arange(n, dtype=np.int64)
    return plan_blocks(t0, t0 + 1, n_boot=300)


def named(scores):
    return {found.metric: found for found in scores}


def events(n=4000, seed=0):
    """Events drawn from known probabilities."""
    rng = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(-rng.normal(-1, 1, n)))
    return (rng.random(n) < truth).astype(float), truth


def normals(n=4000, seed=0):
    """Outcomes drawn from known normal distributions, and those distributions' quantiles."""
    from scipy import stats

    rng = np.random.default_rng(seed)
    mean, sd = rng.normal(size=n), np.exp(rng.normal(size=n) / 2)
    z = stats.norm.ppf(LEVELS)
    return mean + sd * rng.normal(size=n), mean[:, None] + sd[:, None] * z


def test_event_scores_golden():
    label, p = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.8, 0.4, 0.3, 0.1])
    base = np.full(4, 0.5)
    found = named(score(EVENT, label, p, base, blocks(4)))
    expected = -(np.log(0.8) + np.log(0.6) + np.log(0.3) + np.log(0.9)) / 4
    assert found["log_loss"].value == pytest.approx(expected)
    # squares .04, .16, .49, .01
    assert found["brier"].value == pytest.approx(0.7 / 4)
    # pairs (.8,.4) (.8,.1) (.3,.1) won, (.3,.4) lost
    assert found["auc"].value == pytest.approx(3 / 4)
    # four bins of one row: .2, .4, .7, .1
    assert found["ece"].value == pytest.approx(1.4 / 4)
    assert (found["log_loss"].base, found["auc"].base) == (pytest.approx(np.log(2)), 0.5)


def test_true_probabilities_are_calibrated_and_sharp_ones_are_not():
    label, truth = events()
    base = np.full(len(label), label.mean())
    sharp = truth**2 / (truth**2 + (1 - truth) ** 2)
    fair, over = (named(score(EVENT, label, p, base, blocks(4000))) for p in (truth, sharp))
    assert fair["auc"].low > 0.6
    assert fair["ece"].value < 0.03 < over["ece"].value
    assert over["miscalibration"].low > fair["miscalibration"].value
    found = compare(EVENT, label, ("truth", truth), ("base", base), blocks(4000))
    assert (found.beats, found.metric) == (True, "log_loss")
    assert not compare(EVENT, label, ("sharp", sharp), ("t", truth), blocks(4000)).beats


def test_reliability_bins_hold_the_share_of_their_events():
    label, truth = events()
    found = reliability(truth, label, blocks(4000))
    assert len(found) == 10
    assert sum(b.n for b in found) == 4000
    assert [b.forecast for b in found] == sorted(b.forecast for b in found)
    assert sum(b.low <= b.forecast <= b.high for b in found) >= 8
    inside = truth <= np.quantile(truth, 0.1)
    assert found[0].outcome == pytest.approx(label[inside].mean(), abs=1e-3)


def test_quantile_scores_golden():
    # one row, outcome 1; quantiles 0, 0, 2, 2, 2: .05*1, .25*1, .5*1, .25*1, .05*1 -> 1.1/5
    label, q = np.array([1.0]), np.array([[0.0, 0.0, 2.0, 2.0, 2.0]])
    assert row_loss(QUANTILES, label, q)[0] == pytest.approx(0.22)
    found = named(score(QUANTILES, label, q, q, blocks(1)))
    assert (found["coverage_90"].value, found["width_90"].value) == (1, 2)
    assert [found[f"below_{k}"].value for k in ("05", "25", "50", "75", "95")] == [0, 0, 1, 1, 1]
    # distances of shares from levels: .05, .25, .5, .25, .05
    assert found["miscalibration"].value == pytest.approx(0.38)


def test_true_quantiles_cover_and_beat_the_empirical_ones():
    label, truth = normals()
    base = np.tile(np.quantile(label, LEVELS), (len(label), 1))
    found = named(score(QUANTILES, label, truth, base, blocks(4000)))
    assert found["coverage_90"].low <= 0.9 <= found["coverage_90"].high
    for k, level in (("05", 0.05), ("50", 0.5), ("95", 0.95)):
        assert found[f"below_{k}"].low <= level <= found[f"below_{k}"].high
    assert found["pinball_skill"].low > 0.1
    assert found["miscalibration"].value < 0.002
    assert compare(QUANTILES, label, ("q", truth), ("base", base), blocks(4000)).beats


def test_a_mass_point_at_the_quantile_is_no_miscalibration():
    # 60 of 100 outcomes are 0: every quantile from .2 to .8 is 0 and right
    label = np.repeat([-1.0, 0.0, 1.0], [20, 60, 20])
    q = np.tile([-1.0, 0.0, 0.0, 0.0, 1.0], (100, 1))
    assert named(score(QUANTILES, label, q, q, blocks(100)))["miscalibration"].value == 0


@pytest.mark.parametrize(
    ("task", "label", "prediction", "message"),
    [
        (EVENT, [0.5], [0.5], "must be 0 or 1"),
        (EVENT, [-1.0], [0.5], "must be 0 or 1"),
        (EVENT, [1.0], [1.0], "below one"),
        (EVENT, [1.0], [0.0], "must be positive"),
        (EVENT, [1.0], [[0.5]], "shape"),
        (QUANTILES, [1.0], [[0.0, 2.0, 1.0, 3.0, 4.0]], "must not decrease"),
        (QUANTILES, [1.0], [1.0], "shape"),
    ],
)
def test_bad_predictions_are_refused(task, label, prediction, message):
    with pytest.raises(ValueError, match=message):
        row_loss(task, np.array(label), np.array(prediction))
