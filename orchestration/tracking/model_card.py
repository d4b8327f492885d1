"""The model card: what a registered model forecasts, how well that was shown, and where it ends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.bootstrap import MIN_BLOCKS
from models.economics import Untraded
from models.evaluate import Comparison, Score
from models.judging import Judging
from models.learning_curve import CurvePoint
from models.results import WalkForward
from models.stability import GroupSkill
from models.tasks import ALL_RUNGS, BASE_RATE, Task
from models.verdict import comparison_verdict
from orchestration.tracking.card_levels import lift_section
from orchestration.tracking.card_paths import paths_section
from orchestration.tracking.card_plots import ladder_png, learning_curve_png, stability_png
from orchestration.tracking.card_words import forbidden_uses, forecast_in_words, label_in_words
from orchestration.tracking.fingerprint import Fingerprint
from orchestration.tracking.plots import reliability_png

CARD_FOLDER = "card"
CARD_FILE = f"{CARD_FOLDER}/model_card.md"
_NS_PER_S = 1_000_000_000
_NO_INTERVAL = "no interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card states that the training itself does not know.

    Attributes
    ----------
    model_version, symbol, code_version : str
    data : Fingerprint
    mid_proxy : str
        What stood for the mid in the label: ``quote_mid``, or what took its place.
    is_champion : bool
    reason : str
        Why it became champion, or why not.
    n_trials_of_model, n_trials_of_symbol : int
        Configurations ever judged, this training's included.
    checks : mapping of str to bool
        Leak tests and whether they held.
    """

    model_version: str
    symbol: str
    code_version: str
    data: Fingerprint
    mid_proxy: str
    is_champion: bool
    reason: str
    n_trials_of_model: int
    n_trials_of_symbol: int
    checks: Mapping[str, bool]


def card_files(found: WalkForward, judging: Judging, facts: CardFacts) -> dict[str, bytes]:
    """Return the card and its pictures by their path in the run's artifacts."""
    pictures = {
        "ladder.png": ladder_png(found),
        "reliability.png": reliability_png(found),
        "stability.png": stability_png(judging.over_time, judging.by_regime),
    }
    if judging.learning:
        pictures["learning_curve.png"] = learning_curve_png(judging.learning)
    files = {f"{CARD_FOLDER}/{name}": content for name, content in pictures.items()}
    return {CARD_FILE: card_markdown(found, judging, facts).encode()} | files


def card_markdown(found: WalkForward, judging: Judging, facts: CardFacts) -> str:
    """Return the card's text; pictures are named as they lie beside it."""
    parts = [
        _heading(found, facts),
        _data(found, facts),
        _splits(found),
        _scores(found),
        _calibration(found),
        _stability(judging),
        *([] if judging.lift is None else [lift_section(judging.lift)]),
        _learning(judging.learning),
        paths_section(judging.paths),
        _economics(found.task, judging),
        _trials(found, facts),
        _leaks(judging, facts),
        _limits(found, judging, facts),
    ]
    return "\n\n".join(parts) + "\n"


def _heading(found: WalkForward, facts: CardFacts) -> str:
    standing = "champion" if facts.is_champion else "not champion"
    return (
        f"# {facts.model_version}\n\n"
        f"{found.candidate} model of {facts.symbol}, **{standing}**: {facts.reason}.\n\n"
        f"- Task `{found.task.name}`: {label_in_words(found.task)}.\n"
        f"- The mid in this label: {facts.mid_proxy or 'not recorded'}.\n"
        f"- Forecast: {forecast_in_words(found.task)}; judged by {found.task.loss}."
    )


def _data(found: WalkForward, facts: CardFacts) -> str:
    data = found.dataset
    days = np.unique(data.trading_day)
    left_out = (
        f"{data.n_null_labels:,} without a known outcome, {data.n_unlabelled:,} without a label, "
        f"{data.n_orphan_labels:,} labels without features"
    )
    if data.n_thinned:
        left_out += (
            f"; {data.n_thinned:,} of {len(data) + data.n_thinned:,} labelled decisions by the hash of "
            "their id, since they were more than a training takes (`order_max_rows`)"
        )
    if data.n_without_window:
        n_all = len(data) + data.n_without_window
        left_out += (
            f"; {data.n_without_window:,} of {n_all:,} labelled decisions have no footprint window, no "
            "rung learnt or was judged on them"
        )
    return (
        "## Data\n\n"
        f"- {facts.symbol}, {len(days)} trading {'day' if len(days) == 1 else 'days'} from "
        f"{_day(days[0])} to {_day(days[-1])}, decisions from {_time(int(data.t0_ns[0]))} to "
        f"{_time(int(data.t0_ns[-1]))}, last outcome at {_time(int(data.t1_ns.max()))} (UTC).\n"
        f"- {len(data):,} labelled decisions, {len(data.names)} features. Left out: {left_out}.\n"
        f"- Labels of the judged rows: {_shares(found.label_shares())}.\n"
        f"- Fingerprint of the data: `{facts.data.digest}` ({len(facts.data.manifest)} published "
        f"table-days, listed in `data/manifest.json`); of the matrix: `{facts.data.dataset_digest}`.\n"
        f"- Code: {facts.code_version}."
    )


def _splits(found: WalkForward) -> str:
    rows = [
        (fold.fold, f"{fold.n_train:,}", f"{fold.n_test:,}", _time(fold.train_end_ns),
         _time(fold.test_start_ns), _time(fold.test_end_ns))
        for fold in found.folds
    ]  # fmt: skip
    return (
        "## Splits\n\n"
        f"Walk-forward, {found.n_folds} folds, training rows expanding. Rows whose outcome was known "
        f"later than {found.embargo_ns / _NS_PER_S:g} s (the embargo) before a fold's first decision "
        "are purged from its training. Everything chosen (scale, trees, calibration) was chosen on "
        f"training rows. Seed {found.seed}.\n\n"
        + _table(
            ("fold", "trained on", "judged on", "last training outcome", "first decision",
             "last outcome"),
            rows,
        )
    )  # fmt: skip


def _scores(found: WalkForward) -> str:
    blocks = found.blocks
    verdicts = [
        (c.upper, c.below, _signed(c.difference), _interval(c.low, c.high), _number(c.p_value),
         comparison_verdict(c))
        for c in found.comparisons
    ]  # fmt: skip
    metrics = [score.metric for score in found.scores[found.candidate]]
    rows = [
        (rung, *[_with_interval(_find(found.scores[rung], metric)) for metric in metrics])
        for rung in (BASE_RATE, *found.rungs)
    ]
    return (
        f"## Scores, {len(found.row_idx):,} out-of-fold decisions\n\n"
        f"95 % intervals from {blocks.n_boot:,} circular block resamples: {blocks.n_blocks} blocks of "
        f"{blocks.block_len} rows (one label overlaps up to {blocks.label_overlap}).\n\n"
        "![Scores of the rungs](ladder.png)\n\n"
        + _table(("rung", *metrics), rows)
        + "\n\nDoes a rung beat the one below, on the same rows? `yes`: the interval of the "
        f"difference in {found.task.loss} lies below zero; `no`: above; `not shown`: it holds zero or "
        "rests on too few blocks, which is not evidence of equality.\n\n"
        + _rare(found)
        + _table(("rung", "against", "difference", "95 % interval", "p", "beats it"), verdicts)
    )


def _rare(found: WalkForward) -> str:
    rare = found.comparisons[0].rare
    if not rare:
        return ""
    return (
        f"Outcomes {', '.join(map(str, rare))} come in fewer than {MIN_BLOCKS} blocks: the differences are "
        "those of the other outcomes, given that it is one of them; with one other nothing is shown.\n\n"
    )


def _calibration(found: WalkForward) -> str:
    lines = []
    for comparison in _below(found.comparisons):
        word = "not shown to be worse" if comparison.calibration_no_worse else "worse"
        lines.append(
            f"- {comparison.upper}: {word} than {comparison.below} (miscalibration difference "
            f"{_signed(comparison.miscalibration_difference)} "
            f"{_interval(comparison.miscalibration_low, comparison.miscalibration_high)})"
        )
    return (
        "## Calibration\n\n![Forecast against outcome](reliability.png)\n\n"
        "Miscalibration is the quadratic loss that a straight-line recalibration would have saved "
        "(quantiles: the squared distance of the shares below from the levels).\n\n"
        + "\n".join(lines)
    )


def _stability(judging: Judging) -> str:
    text = (
        "## Stability\n\n![Skill over time and by volatility](stability.png)\n\n"
        "Skill is 1 - loss / loss of the base rate on the same rows: 0 = no better than the averages "
        "of the training fold. These are many comparisons: of twenty without skill about one leaves its "
        "interval.\n\n" + _skills(judging.over_time, "time")
    )
    if judging.volatility is None:
        return f"{text}\n\nNo feature measures volatility here, so nothing is said by regime."
    return (
        f"{text}\n\nBy regime: thirds of `{judging.volatility}` among the decisions before each "
        "fold, so that the regime was known at the decision.\n\n"
        + _skills(judging.by_regime, "regime")
    )


def _skills(skills: Sequence[GroupSkill], what: str) -> str:
    rows = [
        (s.group, s.rung, f"{s.n_rows:,}", s.n_blocks, f"{_signed(s.skill)} {_interval(s.low, s.high)}",
         s.beats_base)
        for s in skills
    ]  # fmt: skip
    return _table((what, "rung", "rows", "blocks", "skill", "beats the base rate"), rows)


def _learning(points: Sequence[CurvePoint]) -> str:
    if not points:
        return (
            "## Learning curve\n\nNot computed for this training (`ORDERFLOW_LEARNING_CURVE=true` "
            "asks for it; it costs three more fits a rung and fold)."
        )
    rows = [
        (p.rung, f"{p.share:g}", f"{p.n_train:,.0f}", f"{p.n_days:.1f}",
         p.note or f"{_signed(p.skill)} {_interval(p.low, p.high)}")
        for p in points
    ]  # fmt: skip
    return (
        "## Learning curve\n\n![Skill against rows of training](learning_curve.png)\n\n"
        "Each rung refitted on the newest part of each training fold; the judged rows stay the same."
        "\n\n" + _table(("rung", "share", "rows", "days", "skill"), rows)
    )


def _economics(task: Task, judging: Judging) -> str:
    found = judging.economics
    if isinstance(found, Untraded):
        return f"## Economic value after costs\n\nNone is claimed: {found.reason}."
    prices = (
        "quotes"
        if found.is_quoted
        else "trades, a tick beside the last price: no spread was observed"
    )
    rule = (
        f"|p_up - p_down| >= {found.min_edge:g}"
        if task.family == "classes"
        else f"|forecast| >= {found.min_return_bp:g} bp and not zero"
    )
    money = [
        ("before costs, at mids", found.gross_pnl + found.crossing_cost),
        ("spread and slippage paid", 0.0 - found.crossing_cost),
        ("fees", 0.0 - found.fees),
        ("net", found.net_pnl),
        ("buy and hold, net", found.buy_and_hold_net_pnl),
    ]
    return (
        "## Economic value after costs\n\n"
        f"The out-of-fold forecasts of {found.rung}, one lot long or short while {rule}, on "
        f"{found.n_days} {'day' if found.n_days == 1 else 'days'}: {found.n_fills:,} fills, "
        f"{found.n_round_trips:,} round trips. Prices: {prices}.\n\n"
        + _table(("quote currency", "amount"), [(name, f"{value:,.2f}") for name, value in money])
        + f"\n\n- Net per 10,000 traded: {_number(found.net_bp_of_turnover)}.\n"
        f"- Sharpe ratio per mark interval {_number(found.sharpe)} "
        f"{_interval(found.sharpe_low, found.sharpe_high)}: earns after costs: **{found.earns}**.\n"
        f"- Shuffled signals that earned as much: {found.p_shuffled:.3f} after costs, "
        f"{found.p_shuffled_before_costs:.3f} before.\n"
        f"- Probability of a Sharpe ratio above zero {_number(found.p_above_zero)}; above the best "
        f"of {found.n_trials} trials without skill {_number(found.p_above_best_of_trials)}."
    )


def _trials(found: WalkForward, facts: CardFacts) -> str:
    return (
        "## Trials\n\n"
        f"Configurations whose out-of-fold score was looked at: {found.n_trials} in this training, "
        f"{facts.n_trials_of_model} in all trainings of this model, {facts.n_trials_of_symbol} of any "
        f"model of {facts.symbol}. Intervals above are of one comparison each and are not corrected "
        "for them; the deflated Sharpe ratio is."
    )


def _leaks(judging: Judging, facts: CardFacts) -> str:
    lines = [f"- {'held' if held else '**FAILED**'}: {name}" for name, held in facts.checks.items()]
    if not facts.checks.keys() - judging.leak_checks.keys():
        lines.append("- not checked: whether a feature foretells too much")
    return (
        "## Leak checks\n\n"
        + "\n".join(lines)
        + "\n\nThat training outcomes were known an embargo before is enforced while folds are made, and "
        "only looked at again here: it says nothing about features."
    )


def _limits(found: WalkForward, judging: Judging, facts: CardFacts) -> str:
    uses = forbidden_uses(found, judging, symbol=facts.symbol, is_champion=facts.is_champion)
    return (
        "## Must not be used for\n\n"
        + "\n".join(f"- {use}" for use in uses)
        + "\n\n## Licence\n\nThe licence of the market data is not known to this system. Whoever uses "
        "the model must see to it that the data's terms allow models made of it, and their use."
    )


def _below(comparisons: Iterable[Comparison]) -> list[Comparison]:
    # The first comparison of a rung is the one with the rung below.
    first: dict[str, Comparison] = {}
    for comparison in comparisons:
        first.setdefault(comparison.upper, comparison)
    return [first[rung] for rung in ALL_RUNGS if rung in first]


def _find(scores: Sequence[Score], metric: str) -> Score | None:
    return next((score for score in scores if score.metric == metric), None)


def _with_interval(score: Score | None) -> str:
    if score is None or not np.isfinite(score.value):
        return "-"
    return f"{_number(score.value)} {_interval(score.low, score.high)}"


def _interval(low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return _NO_INTERVAL
    return f"[{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _signed(value: float) -> str:
    return f"{value:+.4g}" if np.isfinite(value) else "-"


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in shares.items())


def _day(day: int) -> str:
    return str(np.datetime64(int(day), "D"))


def _time(ns: int) -> str:
    return str(np.datetime64(ns, "ns").astype("datetime64[s]")).replace("T", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += [
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows
    ]
    return "\n".join(lines)
