"""Print how well the models of orders do on stored days, as tables in Markdown.

    ORDERFLOW_HOME=... python -m benchmarks.order_models SYMBOL [SYMBOL ...]

The days must hold features and labels (`orderflow run --job day`). Scores are out of fold, with 95 %
intervals by block bootstrap; "beats it" is the verdict on the difference from the rung below on the same
rows (`models.verdict`).
"""

import sys
from collections.abc import Iterator

import numpy as np

from models.datasets import Dataset
from models.order_rows import PAST_COLUMNS
from models.results import WalkForward
from models.rung import scaled_uniqueness
from models.sizing import judge_sizing
from models.tasks import LEVELS
from models.train import walk_forward
from models.verdict import comparison_verdict
from orchestration.config import Settings
from orchestration.defs.training.datasets import training_days
from orchestration.defs.training.order_datasets import load_order_dataset
from orchestration.defs.training.orders import order_tasks
from orchestration.runtime import open_store, settings
from orchestration.storage.store import Store
from orderflow_core.impact import fit_impact_law
from orderflow_core.propagator import fit_propagator
from orderflow_core.splits import TooFewRowsError

SUBJECTS = ("impact", "slippage", "sizing", "fill", "adverse")
BELOW = {"naive": "base_rate", "linear": "naive", "lightgbm": "linear"}
BUDGETS_BP = (0.5, 1.0, 2.0)
_NS_PER_S = 1_000_000_000


def main() -> None:
    config, store = settings(), open_store()
    for symbol in sys.argv[1:]:
        snapshot = store.snapshot()
        days = training_days(store, symbol, snapshot)
        print(f"\n### {symbol}: {', '.join(map(str, days))}\n")
        for lines in tables(store, config, symbol, snapshot):
            print("\n".join(lines), flush=True)


def tables(store: Store, config: Settings, symbol: str, snapshot: int) -> Iterator[list[str]]:
    days = training_days(store, symbol, snapshot)
    yield ["| task | rows | rung | loss (95 %) | against the rung below (95 %) | beats it |",
           "|---|---|---|---|---|---|"]  # fmt: skip
    judged: dict[str, WalkForward] = {}
    rows: dict[str, Dataset] = {}
    for task in (task for subject in SUBJECTS for task in order_tasks(config, subject)):
        dataset = load_order_dataset(
            store, symbol, days, task, snapshot, max_rows=config.order_max_rows
        )
        # What stands below the table is of the first horizon that each subject has.
        rows.setdefault(task.subject, dataset)
        try:
            found = walk_forward(
                dataset,
                task,
                n_folds=config.n_blocks - 1,
                embargo_ns=config.embargo_seconds * _NS_PER_S,
                seed=config.seed,
            )
        except (TooFewRowsError, ValueError) as error:
            yield [f"| {task.name} | {len(dataset)} | none | {error} | | |"]
            continue
        judged.setdefault(task.subject, found)
        yield ladder_lines(found)
    yield ["", *figures(judged, rows)]


def ladder_lines(found: WalkForward) -> list[str]:
    lines = []
    for rung in found.rungs:
        own = next(s for s in found.scores[rung] if s.metric == found.task.loss)
        against = found.comparison(rung, BELOW[rung])
        if against is None:
            raise ValueError(f"{found.task.name} was not compared with the rung below {rung}")
        lines.append(
            f"| {found.task.name} | {len(found.row_idx):,} | {rung} | {found.task.loss} {own.value:.4f} "
            f"({own.low:.4f} to {own.high:.4f}) | {against.difference:+.4f} ({against.low:+.4f} to "
            f"{against.high:+.4f}) | {comparison_verdict(against)} |"
        )
    return lines


def figures(judged: dict[str, WalkForward], rows: dict[str, Dataset]) -> Iterator[str]:
    if "impact" in rows and len(rows["impact"]) > 500:
        yield from impact_lines(rows["impact"])
    for subject in ("slippage", "sizing"):
        if subject in judged:
            yield from coverage_lines(judged[subject])
    if "sizing" in judged:
        yield from sizing_lines(judged["sizing"])


def impact_lines(rows: Dataset) -> Iterator[str]:
    """The law over all rows, and the kernel of single orders by sign."""
    column = {name: rows.features[:, rows.names.index(name)] for name in rows.names}
    volume = column["order_same_lots_60s"] + column["order_other_lots_60s"]
    volatility = column["volatility_60s_ticks"]
    is_good = (volatility > 0) & (volume > 0)
    law = fit_impact_law(
        rows.label[is_good],
        volatility[is_good],
        np.exp(column["order_log_lots"][is_good]) / volume[is_good],
        n_blocks=20,
        n_boot=2000,
        weight=scaled_uniqueness(rows)[is_good],
    )
    yield (
        f"- exponent {law.exponent:.3f} ({law.exponent_low:.3f} to {law.exponent_high:.3f}), prefactor "
        f"{law.prefactor:.3f} ({law.prefactor_low:.3f} to {law.prefactor_high:.3f}), "
        f"{law.n_rows:,} orders, {law.n_blocks} blocks"
    )
    sign = column["order_sign"]
    model = fit_propagator(sign, rows.label * sign, [0], n_lags=len(PAST_COLUMNS))
    yield (
        f"- correlation of signs at lags 1, 5, 15: "
        f"{', '.join(f'{model.correlation[lag]:.2f}' for lag in (1, 5, 15))}; mean impact "
        f"{rows.label.mean():.3f} bp"
    )


def coverage_lines(found: WalkForward) -> Iterator[str]:
    for rung in found.rungs:
        scores = {s.metric: s for s in found.scores[rung]}
        below = ", ".join(
            f"{level:g}: {s.value:.3f} ({s.low:.3f} to {s.high:.3f})"
            for level in LEVELS
            for s in [scores[f"below_{round(100 * level):02d}"]]
        )
        inside = scores["coverage_90"]
        yield (
            f"- {found.task.name}, {rung}: share at or below the quantile {below}; between the outer two "
            f"{inside.value:.3f} ({inside.low:.3f} to {inside.high:.3f})"
        )


def sizing_lines(found: WalkForward) -> Iterator[str]:
    yield ""
    yield "| budget, bp | asked | rung | orders allowed | lots allowed | mean lots | within (95 %) |"
    yield "|---|---|---|---|---|---|---|"
    for probability in (0.75, 0.95):
        for budget in BUDGETS_BP:
            for s in judge_sizing(found, budget=budget, probability=probability):
                yield (
                    f"| {budget:g} | {probability:g} | {s.rung} | {s.share_allowed:.1%} | "
                    f"{s.lots_allowed:.1%} | {s.mean_lots:.0f} | {s.coverage:.3f} "
                    f"({s.coverage_low:.3f} to {s.coverage_high:.3f}) |"
                )


if __name__ == "__main__":
    main()
