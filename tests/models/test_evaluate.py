import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bootstrap import plan_blocks
from models.evaluate import compare, row_loss, score
from models.metrics import equal_count_bins, midranks
from models.tasks import Task
from models.verdict import comparison_verdict
from tests.naive import evaluate as naive

DIRECTION, RETURN, MOVE = Task("direction_200"), Task("return_60s"), Task("move_60s")


def blocks(n, horizon=1):
    t0 = np.arange(n, dtype=np.int64)
    return plan_blocks(t0, t0 + horizon, n_boot=300)


def named(scores):
    return {found.metric: found for found in scores}


def random_direction(n=400, seed=0, skill=1.0):
    """Outcomes drawn from known probabilities: those are calibrated by construction."""
    rng = np.random.default_rng(seed)
    score = skill * rng.normal(size=(n, 3))
    truth = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    label = (rng.random(n)[:, None] > truth.cumsum(axis=1)).sum(axis=1) - 1.0
    return np.minimum(label, 1.0), truth


def test_direction_scores_equal_the_loops():
    label, truth = random_direction(120)
    truth[:30] = truth[0]  # ties
    base = np.tile([0.3, 0.3, 0.4], (120, 1))
    found = named(score(DIRECTION, label, truth, base, blocks(120)))
    ranked = np.log(truth[:, 2]) - np.log(truth[:, 0])
    assert found["log_loss"].value == pytest.approx(naive.log_loss(truth.tolist(), label.tolist()))
    assert found["brier"].value == pytest.approx(naive.brier(truth.tolist(), label.tolist()))
    assert found["auc_up_down"].value == pytest.approx(naive.auc(ranked.tolist(), label.tolist()))
    assert found["accuracy"].value == np.mean(truth.argmax(axis=1) - 1 == label)
    assert found["log_loss"].base == pytest.approx(naive.log_loss(base.tolist(), label.tolist()))
    assert found["auc_up_down"].base == 0.5
    assert found["log_loss"].low < found["log_loss"].value < found["log_loss"].high


def test_hit_rate_golden():
    # up said 3 times (2 came), down once (came), no side once, and a row that stayed
    label = np.array([1.0, 1.0, -1.0, -1.0, 1.0, 0.0])
    up = np.array([0.6, 0.5, 0.5, 0.2, 0.3, 0.6])
    p = np.column_stack([0.8 - up, np.full(6, 0.2), up])
    p[4] = 0.3, 0.4, 0.3
    found = named(score(DIRECTION, label, p, np.tile([0.3, 0.2, 0.5], (6, 1)), blocks(6)))
    # hits of the five that moved: 1, 1, 0, 1 and a half
    assert found["hit_rate"].value == pytest.approx(3.5 / 5)
    assert found["hit_rate"].base == pytest.approx(3 / 5)


def test_ece_golden():
    # ten rows say (.2, .2, .6); 4 go down, 6 up, none stays: |.4-.2|, |0-.2|, |.6-.6| -> mean .4/3
    label = np.array([-1.0] * 4 + [1.0] * 6)
    p = np.tile([0.2, 0.2, 0.6], (10, 1))
    found = named(score(DIRECTION, label, p, p, blocks(10)))
    assert found["ece"].value == pytest.approx(0.4 / 3)
    # a straight line through one point saves its squared bias: .2^2 + .2^2 + 0
    assert found["miscalibration"].value == pytest.approx(0.08)


def test_calibrated_probabilities_are_not_called_miscalibrated():
    label, truth = random_direction(6000)
    sharp = truth**3 / (truth**3).sum(axis=1, keepdims=True)
    fair, over = (named(score(DIRECTION, label, p, p, blocks(6000))) for p in (truth, sharp))
    assert fair["ece"].value < 0.02 < 0.08 < over["ece"].value
    assert fair["miscalibration"].value < 0.001 < over["miscalibration"].low


def test_auc_without_both_sides_is_undefined():
    label, truth = random_direction(50)
    found = named(score(DIRECTION, np.abs(label), truth, truth, blocks(50)))
    assert np.isnan(found["auc_up_down"].value)


def test_no_interval_of_a_loss_reaches_below_zero():
    # One event among few blocks: the interval around so small a mean, widened, would pass zero.
    label = np.zeros(400)
    label[200] = 1.0
    p = np.full(400, 0.01)
    found = named(score(Task("move_60s"), label, p, p, blocks(400)))
    for metric in ("log_loss", "brier"):
        assert 0.0 <= found[metric].low < found[metric].value < found[metric].high


def test_auc_interval_agrees_with_resampling_the_area_itself():
    label, truth = random_direction(300, seed=3)
    plan = blocks(300)
    found = named(score(DIRECTION, label, truth, truth, plan))["auc_up_down"]
    ranked = np.log(truth[:, 2]) - np.log(truth[:, 0])
    n_draws = -(-300 // plan.block_len)
    starts = np.random.default_rng(plan.seed).integers(0, 300, (plan.n_boot, n_draws))
    rows = (starts[:, :, None] + np.arange(plan.block_len)) % 300
    areas = [auc_fast(ranked[r.ravel()], label[r.ravel()]) for r in rows]
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.std(areas), rel=0.2)


def two_folds(n=1000):
    """Fold 0 mostly goes down, fold 1 mostly up; each fold's forecast is its constant share."""
    rng = np.random.default_rng(1)
    fold = np.repeat([0, 1], [n, 2 * n])
    label = np.where(rng.random(3 * n) < np.array([0.3, 0.6])[fold], 1.0, -1.0)
    constant = np.array([[0.6, 0.1, 0.3], [0.3, 0.1, 0.6]])[fold]
    return fold, label, constant


def test_a_forecast_constant_in_each_fold_tells_no_rows_apart():
    fold, label, constant = two_folds()
    plan = blocks(len(label))
    across = named(score(DIRECTION, label, constant, constant, plan))["auc_up_down"]
    assert across.value > 0.6  # ranked across the folds its levels would score
    within = named(score(DIRECTION, label, constant, constant, plan, fold))["auc_up_down"]
    assert (within.value, within.low, within.high, within.base) == (0.5, 0.5, 0.5, 0.5)
    level = constant[:, 2]
    assert named(score(RETURN, label, level, level, plan))["rank_ic"].low > 0
    rank_ic = named(score(RETURN, label, level, level, plan, fold))["rank_ic"]
    assert np.isnan([rank_ic.value, rank_ic.low, rank_ic.high, rank_ic.base]).all()


def test_rank_scores_are_the_folds_own_weighted_by_rows():
    from scipy import stats

    label, truth = random_direction(120)
    fold = np.repeat([3, 4, 5], [30, 50, 40])
    label[fold == 5] = np.abs(label[fold == 5])  # no row went down: no area there
    ranked = np.log(truth[:, 2]) - np.log(truth[:, 0])
    found = named(score(DIRECTION, label, truth, truth, blocks(120), fold))["auc_up_down"]
    areas = [naive.auc(ranked[fold == f].tolist(), label[fold == f].tolist()) for f in (3, 4)]
    assert found.value == pytest.approx((30 * areas[0] + 50 * areas[1]) / 80)
    assert found.low < found.value < found.high

    outcome = label + np.random.default_rng(0).normal(size=120)
    forecast = np.where(fold == 5, 0.5, ranked)  # constant in fold 5: no correlation there
    found = named(score(RETURN, outcome, forecast, forecast, blocks(120), fold))["rank_ic"]
    each = [stats.spearmanr(forecast[fold == f], outcome[fold == f]).statistic for f in (3, 4)]
    assert found.value == pytest.approx((30 * each[0] + 50 * each[1]) / 80)
    assert found.low < found.value < found.high


def test_skill_within_folds_is_found_under_any_levels():
    label, truth = random_direction(3000)
    fold = np.arange(3000) // 1000
    shifted = truth * np.exp(np.array([-2.0, 2.0, 0.0])[fold, None] * [-1, 0, 1])
    shifted /= shifted.sum(axis=1, keepdims=True)
    plan = blocks(3000)
    plain, moved = (
        named(score(DIRECTION, label, p, p, plan, fold))["auc_up_down"] for p in (truth, shifted)
    )
    assert plain.low > 0.6
    assert (moved.value, moved.low) == pytest.approx((plain.value, plain.low))
    across = named(score(DIRECTION, label, shifted, shifted, plan))["auc_up_down"]
    assert across.value < plain.value - 0.05


def test_folds_must_be_one_a_row():
    label, truth = random_direction(10)
    with pytest.raises(ValueError, match=r"fold must have shape \(10,\), got \(9,\)"):
        score(DIRECTION, label, truth, truth, blocks(10), np.zeros(9, np.int64))


def auc_fast(ranked, label):
    ranks = midranks(ranked[label != 0])
    up = label[label != 0] > 0
    return (ranks[up].sum() - up.sum() * (up.sum() + 1) / 2) / (up.sum() * (~up).sum())


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_midranks_equal_the_loop(values):
    assert midranks(np.array(values, float)).tolist() == naive.midranks(values)


def test_return_scores():
    from scipy import stats

    rng = np.random.default_rng(0)
    label = rng.normal(size=500)
    forecast = 0.3 * label + rng.normal(size=500)
    base = np.full(500, 0.1)
    found = named(score(RETURN, label, forecast, base, blocks(500)))
    mse = np.mean((forecast - label) ** 2)
    assert found["mse"].value == pytest.approx(mse)
    assert found["r2_zero"].value == pytest.approx(1 - mse / np.mean(label**2))
    assert found["r2_train_mean"].value == pytest.approx(1 - mse / np.mean((label - 0.1) ** 2))
    assert found["rank_ic"].value == pytest.approx(stats.spearmanr(forecast, label).statistic)
    assert found["mse"].base == pytest.approx(np.mean((label - 0.1) ** 2))
    slope, intercept = np.polyfit(forecast, label, 1)
    saved = mse - np.mean((label - intercept - slope * forecast) ** 2)
    assert found["miscalibration"].value == pytest.approx(saved)


def test_rank_ic_of_a_constant_forecast_is_undefined():
    label = np.random.default_rng(0).normal(size=50)
    found = named(score(RETURN, label, np.zeros(50), np.zeros(50), blocks(50)))
    assert np.isnan(found["rank_ic"].value)
    assert np.isnan(found["rank_ic"].low)
    assert found["r2_zero"].value == 0


def test_equal_values_share_a_bin():
    bins = equal_count_bins(np.array([1.0] * 15 + [2.0] * 5))
    assert set(bins[:15]) == {bins[0]}
    assert set(bins[15:]) == {bins[-1]} != {bins[0]}


def test_a_better_forecast_beats_and_itself_does_not():
    label, truth = random_direction(2000, skill=0.5)
    flat = np.full((2000, 3), 1 / 3)
    found = compare(DIRECTION, label, ("good", truth), ("flat", flat), blocks(2000))
    assert (found.beats, found.calibration_no_worse) == (True, True)
    assert found.difference < found.high < 0
    assert found.p_value < 0.05
    backwards = compare(DIRECTION, label, ("flat", flat), ("good", truth), blocks(2000))
    assert not backwards.beats
    assert backwards.difference == pytest.approx(-found.difference)
    same = compare(DIRECTION, label, ("good", truth), ("same", truth), blocks(2000))
    assert (same.difference, same.beats, same.p_value) == (0, False, 1)
    assert same.calibration_no_worse


def test_what_two_ways_to_compute_a_forecast_differ_by_is_no_difference():
    label, truth = random_direction()
    same = truth * (1 + 1e-15)
    found = compare(DIRECTION, label, ("same", same), ("one", truth), blocks(400))
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert not found.beats
    move = np.random.default_rng(3).normal(size=400)
    found = compare(RETURN, move, ("same", move / 3), ("one", move / 3 + 1e-16), blocks(400))
    assert (found.difference, found.low, found.high) == (0, 0, 0)


def test_a_rare_class_decides_nothing():
    """Flat comes five times: how much each forecast leaves for it is left out of the comparison."""
    label, truth = random_direction(seed=4)
    label[label == 0] = 1
    label[[3, 50, 90, 200, 390]] = 0
    other = random_direction(seed=5)[1]
    found = compare(DIRECTION, label, ("other", other), ("truth", truth), blocks(400))
    assert found.rare == (0,)
    losses = []
    for row, (one, two) in zip(label.tolist(), zip(other, truth, strict=True), strict=True):
        if row != 0:
            side = int(row) + 1
            losses.append(
                np.log(two[side] / (two[0] + two[2])) - np.log(one[side] / (one[0] + one[2]))
            )
    assert found.difference == pytest.approx(np.mean(losses))
    # Less for the rare class is no skill.
    base = np.tile([0.45, 0.1, 0.45], (400, 1))
    bold = np.tile([0.495, 0.01, 0.495], (400, 1))
    found = compare(DIRECTION, label, ("bold", bold), ("base", base), blocks(400))
    assert (found.difference, found.high) == (0, 0)


@pytest.mark.parametrize("n_events", [0, 5])
def test_events_that_hardly_came_show_nothing(n_events):
    label = np.zeros(400)
    label[:n_events] = 1
    found = compare(
        MOVE, label, ("bold", np.full(400, 1e-4)), ("base", np.full(400, 0.02)), blocks(400)
    )
    assert found.rare == (1,)
    assert not found.beats
    assert comparison_verdict(found) == "not shown"
    # So that it is not only never: with events in twenty blocks the same rule speaks.
    label[::20] = 1
    found = compare(
        MOVE, label, ("right", np.full(400, 0.05)), ("wrong", np.full(400, 0.3)), blocks(400)
    )
    assert found.rare == ()
    assert comparison_verdict(found) == "yes"


def test_an_overconfident_forecast_has_worse_calibration():
    label, truth = random_direction(4000, skill=0.7)
    sharp = truth**3 / (truth**3).sum(axis=1, keepdims=True)
    found = compare(DIRECTION, label, ("sharp", sharp), ("truth", truth), blocks(4000))
    assert not found.calibration_no_worse
    assert found.miscalibration_low > 0


def test_too_few_blocks_prove_nothing():
    label, truth = random_direction(2000, skill=1.0)
    flat = np.full((2000, 3), 1 / 3)
    plan = blocks(2000, horizon=150)  # overlap 299 rows: six blocks
    found = compare(DIRECTION, label, ("good", truth), ("flat", flat), plan)
    assert (found.n_blocks, found.block_len, found.label_overlap) == (6, 299, 299)
    assert found.high < 0
    assert not found.beats


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (np.zeros(3), "shape"),
        (np.full((3, 3), np.nan), "finite"),
        (np.array([[0.0, 0.5, 0.5]] * 3), "must be positive"),
        (np.array([[0.2, 0.2, 0.2]] * 3), "sum to one"),
    ],
)
def test_bad_probabilities_are_refused(prediction, message):
    with pytest.raises(ValueError, match=message):
        row_loss(DIRECTION, np.zeros(3), prediction)


def test_bad_direction_label_is_refused():
    with pytest.raises(ValueError, match="must be -1, 0 or"):
        row_loss(DIRECTION, np.array([0.5]), np.full((1, 3), 1 / 3))
