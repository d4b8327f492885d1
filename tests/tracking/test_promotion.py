"""The rule alone, on trainings and champions made for the occasion."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluate import compare
from orchestration.tracking.promotion import Incumbent, decide


def incumbent(
    found, rung="naive", *, train_end_ns=-1, out_of_fold=None, rows=slice(None), names=None
):
    """A champion of the same data; by default one that was trained before all of it."""
    model = replace(found.models[rung], train_end_ns=train_end_ns)
    if names is not None:
        model = replace(model, names=names)
    data = found.dataset.take(found.row_idx)
    prediction = found.predictions[rung] if out_of_fold is None else out_of_fold
    return Incumbent(
        name="version 1",
        model=model,
        t0_ns=data.t0_ns[rows],
        decision_id=data.decision_id[rows],
        out_of_fold=prediction[rows],
    )


def with_predictions(found, rung, prediction):
    """The same training, had this rung predicted something else."""
    label = found.dataset.label[found.row_idx]
    changed = found.predictions | {rung: prediction}
    pair = compare(
        found.task, label, (rung, prediction), ("naive", found.predictions["naive"]), found.blocks
    )
    return replace(found, predictions=changed, candidate=rung, comparisons=(pair,))


def test_first_champion_is_the_candidate_that_beats_naive(planted):
    decision = decide(planted, None, {})
    assert decision.promote
    assert decision.comparison == planted.comparison(planted.candidate, "naive")


def test_naive_itself_is_never_the_first_champion(planted):
    decision = decide(replace(planted, candidate="naive"), None, {})
    assert not decision.promote
    assert decision.reason.startswith(
        "no rung has a smaller out-of-fold log_loss than naive: linear"
    )
    assert decision.comparison is None


def test_better_loss_with_worse_calibration_is_not_promoted(planted):
    p = planted.predictions["linear"]
    label = planted.dataset.label[planted.row_idx]
    # knows much (it saw the outcome a little) but exaggerates
    hint = p * np.exp(1.2 * np.eye(3)[label.astype(int) + 1])
    sharp = hint**3
    cheat = with_predictions(planted, "linear", sharp / sharp.sum(axis=1, keepdims=True))
    decision = decide(cheat, None, {})
    assert decision.comparison.beats
    assert not decision.comparison.calibration_no_worse
    assert not decision.promote
    assert decision.reason.endswith("out-of-fold rows")
    assert "its calibration is worse" in decision.reason


def test_beating_a_naive_rung_that_is_worse_than_the_base_rate_is_not_enough(planted):
    outcome = np.eye(3)[planted.dataset.label[planted.row_idx].astype(int) + 1]

    def misled(strength):
        p = planted.predictions["base_rate"] * np.exp(-strength * outcome)
        return p / p.sum(axis=1, keepdims=True)

    worse = replace(planted, predictions=planted.predictions | {"naive": misled(1.0)})
    decision = decide(with_predictions(worse, "linear", misled(0.2)), None, {})
    assert not decision.promote
    assert decision.comparison.below == "base_rate"
    assert "though it beats naive" in decision.reason


def test_failed_checks_come_first(planted):
    decision = decide(planted, None, {"b": False, "a": False, "c": True})
    assert (decision.promote, decision.reason) == (False, "not promoted: failed a, b")


def test_champion_is_judged_after_its_own_training_end_and_embargo_only(planted):
    data = planted.dataset.take(planted.row_idx)
    middle = int(data.t0_ns[len(data) // 2])
    decision = decide(planted, incumbent(planted, train_end_ns=middle), {})
    assert decision.promote
    n_after = int((data.t0_ns >= middle + planted.embargo_ns).sum())
    assert decision.comparison.n_rows == n_after < len(data) // 2 + 1
    assert decision.comparison.below == "champion version 1 (naive)"
    assert f"{n_after:,} rows after the champion's training" in decision.reason


def test_the_longer_embargo_counts(planted):
    champion = incumbent(planted, train_end_ns=int(planted.dataset.t0_ns[500]))
    long = replace(champion, model=replace(champion.model, embargo_ns=300 * 10**9))
    short, longer = (decide(planted, c, {}).comparison.n_rows for c in (champion, long))
    assert longer == short - 299


def test_with_too_few_later_rows_out_of_fold_predictions_of_both_are_compared(planted):
    end = int(planted.dataset.t1_ns.max())
    champion = incumbent(planted, "naive", train_end_ns=end, rows=slice(100, None))
    decision = decide(planted, champion, {})
    assert decision.promote
    assert decision.comparison.n_rows == len(planted.row_idx) - 100
    assert "both trainings predicted out of fold" in decision.reason
    label = planted.dataset.label[planted.row_idx][100:]
    expected = planted.predictions[planted.candidate][100:], planted.predictions["naive"][100:]
    assert decision.comparison.difference == pytest.approx(
        np.mean(
            [-np.log(p[np.arange(len(label)), label.astype(int) + 1]) for p in expected], axis=1
        )
        @ [1, -1]
    )


def test_without_common_decisions_the_champion_stays(planted):
    end = int(planted.dataset.t1_ns.max())
    decision = decide(planted, incumbent(planted, train_end_ns=end, rows=slice(0, 0)), {})
    assert not decision.promote
    assert "no out-of-sample decisions in common" in decision.reason


def test_a_champion_with_other_features_is_judged_by_what_it_predicted(planted):
    other = tuple(f"old_{name}" for name in planted.dataset.names)
    decision = decide(planted, incumbent(planted, names=other), {})
    assert "both trainings predicted out of fold" in decision.reason


def test_an_equal_challenger_does_not_replace_the_champion(planted):
    decision = decide(planted, incumbent(planted, planted.candidate, train_end_ns=10**18), {})
    assert not decision.promote
    assert decision.comparison.difference == 0


def test_returns_follow_the_same_rule(planted_return):
    assert decide(planted_return, None, {}).promote
    data = planted_return.dataset.take(planted_return.row_idx)
    decision = decide(
        planted_return, incumbent(planted_return, train_end_ns=int(data.t0_ns[50])), {}
    )
    assert decision.promote
    assert decision.comparison.metric == "mse"
