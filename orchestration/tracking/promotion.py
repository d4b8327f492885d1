"""Who may be champion: the rule, as a pure function of what was predicted out of sample."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.bootstrap import MIN_BLOCKS, Blocks, plan_blocks
from models.evaluate import Comparison, compare
from models.ladder import Model
from models.results import WalkForward
from models.tasks import BASE_RATE
from orderflow_core.types import Float64, Int64

NAIVE = "naive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether the candidate becomes champion, against whom it was judged, and why.

    ``comparison`` is None where nothing could be compared.
    """

    promote: bool
    reason: str
    comparison: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """The champion as the rule sees it.

    Attributes
    ----------
    name : str
        How to call it, for instance ``version 3``.
    model : Model
    t0_ns, decision_id : ndarray of int64, shape (n,)
    out_of_fold : ndarray of float64, shape (n, 3) or (n,)
        What its own training predicted out of fold, and for which decisions.
    """

    name: str
    model: Model
    t0_ns: Int64
    decision_id: Int64
    out_of_fold: Float64


def decide(found: WalkForward, incumbent: Incumbent | None, checks: Mapping[str, bool]) -> Decision:
    """Apply the promotion rule.

    Parameters
    ----------
    found : WalkForward
        The training whose candidate asks.
    incumbent : Incumbent or None
        The champion; None = the first champion is sought, judged against the naive rung and against
        the base rate, since a naive rung can be worse than the training fold's averages alone.
    checks : mapping of name to bool
        Leak tests and the like; all must have passed.

    Returns
    -------
    Decision

    Notes
    -----
    Promoted when, on identical out-of-sample rows, the 95 % interval of the mean loss difference
    (paired block bootstrap, at least `MIN_BLOCKS` blocks) lies below zero, the miscalibration is not
    shown to be larger, and every check passed. A champion is judged by its predictions of decisions
    after its own training end and embargo; where those are too few, by what its training predicted
    out of fold, on the decisions that both predicted.
    """
    failed = sorted(name for name, passed in checks.items() if not passed)
    if failed:
        return Decision(
            promote=False, reason=f"not promoted: failed {', '.join(failed)}", comparison=None
        )
    if incumbent is None:
        return _first(found)
    return _against(found, incumbent)


def _first(found: WalkForward) -> Decision:
    if found.candidate == NAIVE:
        tried = [found.comparison(rung, NAIVE) for rung in found.rungs[1:]]
        said = "; ".join(_words(comparison) for comparison in tried if comparison is not None)
        reason = f"no rung has a smaller out-of-fold {found.task.loss} than naive: {said}"
        return Decision(promote=False, reason=reason, comparison=None)
    comparison = found.comparison(found.candidate, NAIVE)
    if comparison is None:
        raise ValueError(f"{found.candidate} was not compared with {NAIVE}")
    judged = _judged(comparison, "out-of-fold rows")
    if not judged.promote:
        return judged
    base = _against_base_rate(found)
    if base.beats:
        return replace(judged, reason=f"{judged.reason}; {_words(base)}")
    reason = f"not promoted: {_words(base)}, though it beats {NAIVE}"
    return Decision(promote=False, reason=reason, comparison=base)


def _against_base_rate(found: WalkForward) -> Comparison:
    label = found.dataset.label[found.row_idx]
    candidate, base = ((name, found.predictions[name]) for name in (found.candidate, BASE_RATE))
    return compare(found.task, label, candidate, base, found.blocks)


def _against(found: WalkForward, incumbent: Incumbent) -> Decision:
    after, prediction = _predicted_after(found, incumbent)
    if len(after) and _blocks(found, after).n_blocks >= MIN_BLOCKS:
        return _compared(found, incumbent, after, prediction, "rows after the champion's training")
    common, prediction = _common_out_of_fold(found, incumbent)
    if not len(common):
        reason = f"not promoted: {incumbent.name} has no out-of-sample decisions in common with this training"
        return Decision(promote=False, reason=reason, comparison=None)
    basis = "rows that both trainings predicted out of fold (too few decisions after the champion's training end)"
    return _compared(found, incumbent, common, prediction, basis)


# Positions among the out-of-fold rows.
def _predicted_after(found: WalkForward, incumbent: Incumbent) -> tuple[Int64, Float64]:
    rows = found.dataset.take(found.row_idx)
    model = incumbent.model
    if not model.can_predict(rows):  # the champion reads features, or windows, that are not there
        return np.empty(0, np.int64), np.empty(0)
    embargo_ns = max(model.embargo_ns, found.embargo_ns)
    after = np.flatnonzero(rows.t0_ns >= model.train_end_ns + embargo_ns)
    return after, model.predict_rows(rows.take(after))


def _common_out_of_fold(found: WalkForward, incumbent: Incumbent) -> tuple[Int64, Float64]:
    rows = found.dataset.take(found.row_idx)
    position = {
        key: i
        for i, key in enumerate(
            zip(incumbent.t0_ns.tolist(), incumbent.decision_id.tolist(), strict=True)
        )
    }
    theirs = np.array(
        [
            position.get(key, -1)
            for key in zip(rows.t0_ns.tolist(), rows.decision_id.tolist(), strict=True)
        ],
        np.int64,
    )
    ours = np.flatnonzero(theirs >= 0)
    return ours, incumbent.out_of_fold[theirs[ours]]


def _blocks(found: WalkForward, positions: Int64) -> Blocks:
    rows = found.dataset.take(found.row_idx[positions])
    return plan_blocks(rows.t0_ns, rows.t1_ns, n_boot=found.blocks.n_boot, seed=found.seed)


def _compared(
    found: WalkForward, incumbent: Incumbent, positions: Int64, prediction: Float64, basis: str
) -> Decision:
    label = found.dataset.label[found.row_idx[positions]]
    challenger = (found.candidate, found.predictions[found.candidate][positions])
    champion = (f"champion {incumbent.name} ({incumbent.model.rung})", prediction)
    comparison = compare(found.task, label, challenger, champion, _blocks(found, positions))
    return _judged(comparison, basis)


def _judged(comparison: Comparison, basis: str) -> Decision:
    promote = comparison.beats and comparison.calibration_no_worse
    said = f"{_words(comparison)} on {comparison.n_rows:,} {basis}"
    reason = f"promoted: {said}" if promote else f"not promoted: {said}"
    return Decision(promote=promote, reason=reason, comparison=comparison)


def _words(found: Comparison) -> str:
    verb = "beats" if found.beats else "does not beat"
    text = (
        f"{found.upper} {verb} {found.below}: {found.metric} difference {found.difference:.3g} "
        f"[{found.low:.3g}, {found.high:.3g}], p = {found.p_value:.2g}"
    )
    if found.n_blocks < MIN_BLOCKS:
        text += f", only {found.n_blocks} independent blocks"
    if found.rare:
        text += f", outcome {' and '.join(map(str, found.rare))} in fewer than {MIN_BLOCKS} blocks"
    return text if found.calibration_no_worse else f"{text}, and its calibration is worse"
