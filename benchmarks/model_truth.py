"""Print what the ladder finds where the truth is known, as tables in Markdown.

    python -m benchmarks.model_truth informed|walk|quiet [hours]
    python -m benchmarks.model_truth network informed|walk|quiet [hours]
    python -m benchmarks.model_truth alarms walk|quiet [markets]

Markets are those of `benchmarks.truth_markets`. Scores are out of fold, intervals 95 %; skill is one less the ratio of the
loss to that of the base rate; what beats the rung below is said as of registered models. ``alarms`` counts how often skill is claimed over many null markets, each with a seed of its own for each task.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.truth_markets import (
    DECISION_TASKS,
    ORDER_TASKS,
    TruthMarket,
    informed_market,
    quiet_market,
    rows_of,
    walk_market,
    with_other_heads,
    with_windows,
)
from models.bootstrap import Estimate, estimate
from models.config import LadderConfig, NetworkConfig, TreesConfig
from models.datasets import Dataset
from models.evaluate import Score, row_loss
from models.footprint_batch import head_of
from models.ladder import base_rate
from models.results import WalkForward
from models.tasks import ALL_RUNGS, BASE_RATE, RUNGS, Task
from models.train import walk_forward
from models.verdict import comparison_verdict
from orchestration.tracking.promotion import decide
from orderflow_core.simulator import SECOND_NS
from orderflow_core.types import Float64

QUICK = LadderConfig(
    trees=TreesConfig(n_trees=20),
    network=NetworkConfig(max_epochs=4, patience=4, learning_rate=4e-3),
)
TASKS = {
    "informed": DECISION_TASKS + ORDER_TASKS,
    "walk": DECISION_TASKS + ORDER_TASKS,
    # A book tells of its own fills and prices.
    "quiet": (*DECISION_TASKS, "impact_10s", "sizing_10s"),
}
MARKETS: dict[str, Callable[..., TruthMarket]] = {
    "informed": informed_market,
    "walk": walk_market,
    "quiet": quiet_market,
}
# What tells outcomes apart, by family, and its value where nothing does. Of classes it is not the area
# under the curve: see `models.evaluate.score`.
TELLS = {
    "classes": ("hit_rate", 0.5),
    "binary": ("auc", 0.5),
    "value": ("rank_ic", 0.0),
    "quantiles": ("pinball_skill", 0.0),
}
# One of each family that a network has heads for: classes, events (level too), values.
NETWORK_TASKS = ("direction_10s", "move_10s", "return_10s")
OTHER_HEADS = {"direction": Task("direction_10s"), "move": Task("move_10s")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Of one null market and rung: whether skill was claimed that cannot be, and whether the rung varied.

    ``beats_truth``: the interval of its loss less that of the true frequencies lies below zero. ``tells``:
    the interval of the score of `TELLS` lies above its value of nothing; ``misleads``: below it. ``champion``:
    it was the candidate and would have been promoted.
    """

    task: str
    rung: str
    varies: bool
    beats_truth: bool
    tells: bool
    misleads: bool
    champion: bool


def trained(rows: Dataset, task: Task, *, rungs: tuple[str, ...] = RUNGS) -> WalkForward:
    """Return a task's ladder judged on two folds."""
    return walk_forward(
        rows, task, n_folds=2, embargo_ns=SECOND_NS, n_boot=300, config=QUICK, rungs=rungs
    )


def skill(found: WalkForward, rung: str, other: Float64 | None = None) -> Estimate:
    """Return one less the ratio of a rung's loss to that of another prediction, by default the base rate."""
    label = found.dataset.label[found.row_idx]
    beside = found.predictions[BASE_RATE] if other is None else other
    losses = [row_loss(found.task, label, p) for p in (found.predictions[rung], beside)]
    return estimate(
        np.column_stack(losses), lambda totals: 1 - totals[..., 0] / totals[..., 1], found.blocks
    )


def tells(found: WalkForward, rung: str) -> tuple[str, Estimate, float]:
    """Return the name, the value and the value of nothing of what tells outcomes apart."""
    metric, nothing = TELLS[found.task.family]
    score = next(s for s in found.scores[rung] if s.metric == metric)
    value = Estimate(value=score.value, low=score.low, high=score.high, p_value=np.nan)
    return metric, value, nothing


def beats_below(found: WalkForward, rung: str) -> str:
    """Return the verdict on a rung and the one below it, which is named; below the lowest is the base rate."""
    # The first comparison of a rung is the one with the rung below.
    own = next(each for each in found.comparisons if each.upper == rung)
    return f"{comparison_verdict(own)} ({own.below})"


def true_frequencies(
    name: str, tasks: tuple[str, ...], *, hours: float = 60.0
) -> dict[str, Float64]:
    """Return by task the labels of a long null market: their averages are the best forecast there is."""
    market = MARKETS[name](hours=hours, seed=1_000_000)
    return {task: rows_of(market, Task(task)).label for task in tasks}


def borrowed(rows: Dataset, features: Dataset) -> Dataset:
    """Return the outcomes of some rows with the features of another market's rows, one after the other."""
    n = min(len(rows), len(features))
    return replace(rows.take(slice(0, n)), features=features.features[:n])


def alarms_of(found: WalkForward, truth: Float64) -> list[Alarms]:
    """Return what is claimed of each rung of a null market."""
    n = len(found.row_idx)
    promoted = decide(found, None, {}).promote
    made = []
    for rung in found.rungs:
        _, told, nothing = tells(found, rung)
        made.append(
            Alarms(
                task=found.task.name,
                rung=rung,
                varies=bool(told.high > told.low),
                beats_truth=bool(skill(found, rung, base_rate(found.task, truth, n)).low > 0),
                tells=bool(told.low > nothing),
                misleads=bool(told.high < nothing),
                champion=promoted and rung == found.candidate,
            )
        )
    return made


def null_alarms(
    name: str, truths: dict[str, Float64], seeds: range, *, hours: float = 2.0
) -> Iterator[tuple[list[Alarms], list[Alarms]]]:
    """Yield the alarms of a task's rows, and of the same outcomes with the features of another market.

    Every task and seed is a market of its own, so that trials are independent.
    """
    for seed in seeds:
        for k, task in enumerate(truths):
            own, other = (
                rows_of(MARKETS[name](hours=hours, seed=1000 * seed + 2 * k + i), Task(task))
                for i in (0, 1)
            )
            yield tuple(
                alarms_of(trained(rows, Task(task)), truths[task])
                for rows in (own, borrowed(own, other))
            )  # type: ignore[misc]


def main() -> None:
    words = sys.argv[1:] or ["informed"]
    if words[0] == "alarms":
        print_alarms(words[1], range(int(words[2]) if len(words) > 2 else 5))
        return
    is_network = words[0] == "network"
    name, *hours = words[1:] if is_network else words
    market = MARKETS[name](hours=float(hours[0]) if hours else 2.0, seed=7)
    print(
        "| market | task | rung | rows | tells apart (95 %) | area under the curve (95 %) | skill (95 %) | beats the rung below |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for task in map(Task, NETWORK_TASKS if is_network else TASKS[name]):
        rows = rows_of(market, task)
        if is_network:
            print_networks(name, market, task, with_windows(market, rows))
        else:
            print_rows(name, trained(rows, task))


def print_networks(name: str, market: TruthMarket, task: Task, rows: Dataset) -> None:
    """Print the ladder, then the network whose other heads learn beside it, and its skill over the first."""
    alone = trained(rows, task, rungs=ALL_RUNGS)
    print_rows(name, alone)
    own = head_of(task.subject, task.family)
    others = {head: task for head, task in OTHER_HEADS.items() if head != own}
    beside = trained(with_other_heads(market, rows, others), task, rungs=("naive", "network"))
    print_rows(f"{name}, heads {own} + {' + '.join(others)}", beside, rungs=("network",))
    gain = skill(beside, "network", alone.predictions["network"])
    print(
        f"| | | | | | skill over the network with its own head alone | {_words(gain)} | |",
        flush=True,
    )


def print_rows(name: str, found: WalkForward, rungs: tuple[str, ...] | None = None) -> None:
    for rung in rungs or found.rungs:
        metric, told, _ = tells(found, rung)
        area = next((s for s in found.scores[rung] if s.metric in ("auc", "auc_up_down")), None)
        columns = [
            name, found.task.name, rung, f"{len(found.row_idx):,}", f"{metric} {_words(told)}",
            "" if area is None else _words(area), _words(skill(found, rung)), beats_below(found, rung),
        ]  # fmt: skip
        print(f"| {' | '.join(columns)} |", flush=True)


def _words(found: Estimate | Score) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def print_alarms(name: str, seeds: range) -> None:
    truths = true_frequencies(name, TASKS[name])
    found: list[tuple[list[Alarms], list[Alarms]]] = list(null_alarms(name, truths, seeds))
    print(
        "| market | task | rung | trials | beats the truth | tells | misleads | borrowed, varying | tells | misleads | champion |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for task in (*truths, "all"):
        for rung in RUNGS:
            own, lent = (
                [a for pair in found for a in pair[i] if a.rung == rung and task in (a.task, "all")]
                for i in (0, 1)
            )
            said = [
                len(own), sum(a.beats_truth for a in own), sum(a.tells for a in own),
                sum(a.misleads for a in own), sum(a.varies for a in lent), sum(a.tells for a in lent),
                sum(a.misleads for a in lent), sum(a.champion for a in own),
            ]  # fmt: skip
            print(f"| {name} | {task} | {rung} | " + " | ".join(map(str, said)) + " |")


if __name__ == "__main__":
    main()
