"""Print how often touched price levels hold, against random levels, and what models make of it.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.level_holds [--models] [market ...]

A touch, a turn and a passage are those of docs/levels.md. Rates are per cent of the touches with a known
outcome that the touching sweep had not decided; "decided" leaves out those that neither turned nor passed
in time. Intervals are 95 %, from blocks of time. Random levels, five for each, lie as many rows from the
close of another bar of the same stretch of trades.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.signal_hit_rates import CAPTURES, SECOND, Stretch, captures, emini, lobster, xrp
from models.datasets import Dataset
from models.levels import TouchLift, touch_columns, touch_lift
from models.tasks import Task
from models.train import walk_forward
from models.verdict import comparison_verdict
from orchestration.defs.features.tables import feature_settings
from orchestration.defs.flow.events import AT_PRICE
from orchestration.defs.flow.tables import STACKED_MIN_LEVELS, imbalance_rule
from orderflow_core.bars import time_bar_index
from orderflow_core.features import decision_features
from orderflow_core.labels_levels import HoldLabels, hold_labels, random_levels
from orderflow_core.level_rows import LevelRows, level_rows, rows_of
from orderflow_core.level_touches import HoldRule
from orderflow_core.live_levels import LevelKind, LevelRules
from orderflow_core.profile import volume_profile
from orderflow_core.splits import TooFewRowsError
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.types import Float64, Int64, TradeArrays
from orderflow_core.value_area import value_area

N_RANDOM, TURN_ROWS, HORIZON_S = 5, 4, 300
TASK = Task(f"level_{HORIZON_S}s")
LIFT_HEADER = (
    "market", "kind", "levels", "touches", "held %", "random touches", "random held %", "lift, points",
    "lift of the decided, points", "blocks",
)  # fmt: skip
SCORE_HEADER = ("market", "rows", "rung", "log loss", "AUC", "less than the rung below", "beats it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Seconds a bar, ticks a row, least lots of an imbalance; whether stretches are sessions."""

    name: str
    seconds: int
    height: int
    min_lots: int
    is_session: bool = False

    @property
    def hold(self) -> HoldRule:
        turn = TURN_ROWS * self.height
        return HoldRule(turn_ticks=turn, pass_ticks=turn, horizon_ns=HORIZON_S * SECOND)

    @property
    def rules(self) -> LevelRules:
        return LevelRules(
            ticks_per_row=self.height, imbalance=imbalance_rule(self.min_lots),
            stacked_min_levels=STACKED_MIN_LEVELS, absorption=AT_PRICE,
        )  # fmt: skip


MARKETS = (
    Market(name="ES", seconds=60, height=1, min_lots=30, is_session=True),
    Market(name="XRPUSDT.SPOT", seconds=10, height=1, min_lots=1000),
    Market(name="AAPL", seconds=60, height=1, min_lots=100, is_session=True),
    Market(name="BTCUSDT", seconds=5, height=100, min_lots=30),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Touches of a side: when, of what kind, held or not, and the same of the decided only."""

    t0_ns: Int64
    kind: Int64
    label: Float64
    decided: Float64

    def of(self, kind: int, *, is_decided: bool) -> tuple[Int64, Float64]:
        at = (self.kind == kind) | (kind == 0)
        return self.t0_ns[at], (self.decided if is_decided else self.label)[at]


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")]
    print_row(*LIFT_HEADER)
    print_row(*("---",) * len(LIFT_HEADER))
    scores = []
    for market in MARKETS:
        if not chosen or market.name in chosen:
            datasets = print_market(market, stretches_of(market, Path(data)))
            if "--models" in sys.argv:
                scores += model_rows(market, datasets)
    print()
    for row in [SCORE_HEADER, ("---",) * len(SCORE_HEADER), *scores] if scores else []:
        print_row(*row)


def stretches_of(market: Market, folder: Path) -> list[Stretch]:
    if market.name == "ES":
        return emini(folder)
    if market.name == "XRPUSDT.SPOT":
        return xrp(folder)
    if market.name == "AAPL":
        return lobster(folder, "AAPL")
    (prefix,) = (prefix for prefix, symbol in CAPTURES.items() if symbol == market.name)
    return captures(folder, prefix, market.name)


def print_market(market: Market, stretches: list[Stretch]) -> list[Dataset]:
    own, others, datasets, naked = [], [], [], np.empty(0, np.int64)
    n_levels = np.zeros(len(LevelKind) + 1, np.int64)
    for number, (ts, price, lots, sign) in enumerate(stretches):
        trades = TradeArrays(
            ts_event_ns=ts, trade_id=np.arange(len(ts)), price_ticks=price, qty_lots=lots, sign=sign
        )
        sweep = assign_sweeps(ts, trades.trade_id, price, sign)
        start = np.zeros(1, np.int64)
        index = time_bar_index(ts, market.seconds * SECOND)
        rows = level_rows(
            trades, sweep, index, start_idx=start, naked_poc_tick=naked, rules=market.rules,
            hold=market.hold,
        )  # fmt: skip
        random = random_levels(
            rows.levels, price, index, start_idx=start, ticks_per_row=market.height,
            n_each=N_RANDOM, seed=number,
        )  # fmt: skip
        labels, judged = judge(trades, rows, market)
        own.append(judged)
        of_random = rows_of(
            trades, sweep, random, start_idx=start, ticks_per_row=market.height, hold=market.hold
        )
        others.append(judge(trades, of_random, market)[1])
        n_levels += np.bincount(rows.levels.kind, minlength=len(n_levels))
        datasets.append(dataset_of(trades, sweep, rows, labels, market))
        if market.is_session:
            naked = still_naked(naked, trades, market.height)
    levels, random_side = joined(own), joined(others)
    for kind in (0, *LevelKind):
        found = [
            touch_lift(
                levels.of(kind, is_decided=is_decided), random_side.of(kind, is_decided=is_decided),
                cell_ns=HORIZON_S * SECOND,
            )
            for is_decided in (False, True)
        ]  # fmt: skip
        n = n_levels.sum() if kind == 0 else n_levels[kind]
        print_row(market.name, "all" if kind == 0 else kind.name.lower(), n, *lift_cells(*found))
    return datasets


def judge(trades: TradeArrays, rows: LevelRows, market: Market) -> tuple[HoldLabels, Judged]:
    found = hold_labels(
        trades.price_ticks, trades.ts_event_ns, rows.levels, rows.touches, rows.end_idx,
        start_idx=np.zeros(min(1, len(trades)), np.int64), rule=market.hold,
    )  # fmt: skip
    label = np.where(found.is_open, found.label, np.nan)
    return found, Judged(
        t0_ns=found.t0_ns,
        kind=rows.levels.kind[rows.touches.level_idx],
        label=label,
        decided=np.where(found.outcome != 0, label, np.nan),
    )


def still_naked(naked: Int64, trades: TradeArrays, height: int) -> Int64:
    # Rows that this session's range did not meet, and its own point of control.
    rows = volume_profile(trades.price_ticks, trades.qty_lots, trades.sign, ticks_per_row=height)
    low, high = trades.price_ticks.min(), trades.price_ticks.max()
    poc = value_area(rows.price_tick, rows.volume_lots, ticks_per_row=height).poc_tick
    left = naked[(naked + height <= low) | (naked > high)]
    return np.append(left[-19:], poc)


def dataset_of(
    trades: TradeArrays, sweep: Int64, rows: LevelRows, labels: HoldLabels, market: Market
) -> Dataset:
    matrix = decision_features(
        trades, sweep, None, session_start_idx=[0], gap_idx=[], session_ended=True,
        settings=feature_settings(
            row_ticks=market.height, min_lots=market.min_lots, bar_seconds=market.seconds,
            bucket_lots=max(1, int(trades.qty_lots.sum()) // 50),
        ),
    )  # fmt: skip
    known = matrix.values[np.searchsorted(matrix.last_idx, rows.end_idx - 1)]
    names, values = touch_columns(rows.values, known, matrix.names)
    at = np.flatnonzero(labels.is_open & ~np.isnan(labels.label))
    return Dataset(
        features=values[at], names=names, label=labels.label[at], t0_ns=labels.t0_ns[at],
        t1_ns=labels.t1_ns[at], decision_id=at, trading_day=labels.t0_ns[at] // (86_400 * SECOND),
    )  # fmt: skip


def model_rows(market: Market, parts: list[Dataset]) -> list[tuple[str, ...]]:
    names = ("features", "label", "t0_ns", "t1_ns", "decision_id", "trading_day")
    arrays = {n: np.concatenate([getattr(part, n) for part in parts]) for n in names}
    rows = Dataset(names=parts[0].names, **arrays)
    try:
        found = walk_forward(rows, TASK, n_folds=4, embargo_ns=60 * SECOND, seed=7)
    except TooFewRowsError as error:
        return [(market.name, str(len(rows)), "none", str(error), "", "", "")]
    made = []
    for rung, scores in found.scores.items():
        of = {score.metric: score for score in scores}
        below = [c for c in found.comparisons if c.upper == rung]
        less = (
            f"{below[0].difference:+.4f} [{below[0].low:+.4f}, {below[0].high:+.4f}]"
            if below
            else ""
        )
        beats = comparison_verdict(below[0]) if below else ""
        cells = (
            f"{of[m].value:.4f} [{of[m].low:.4f}, {of[m].high:.4f}]" for m in ("log_loss", "auc")
        )
        made.append((market.name, str(len(rows)), rung, *cells, less, beats))
    return made


def joined(parts: list[Judged]) -> Judged:
    names = ("t0_ns", "kind", "label", "decided")
    return Judged(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def lift_cells(held: TouchLift, decided: TouchLift) -> tuple[str, ...]:
    def lift(found: TouchLift) -> str:
        value, low, high = (100 * x for x in (found.lift.value, found.lift.low, found.lift.high))
        return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"

    return (
        str(held.n), f"{100 * held.rate:.1f}", str(held.n_random), f"{100 * held.random_rate:.1f}",
        lift(held), lift(decided), str(held.n_blocks),
    )  # fmt: skip


def print_row(*row: object) -> None:
    print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


if __name__ == "__main__":
    main()
