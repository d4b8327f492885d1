"""What a training's card needs from the store: the market to trade on, and the label's mid."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow.compute as pc

from models.combinatorial import PathLosses, combinatorial_losses
from models.economics import Economics, TradingDay, Untraded, economic_value, why_untradable
from models.judging import Judging, judge
from models.levels import TouchLift
from models.results import WalkForward
from orchestration.config import Settings
from orchestration.defs.backtest.tables import market_path, rules
from orchestration.defs.training.level_lift import lift_over_random
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument
from orderflow_core.splits import TooFewRowsError

N_GROUPS, N_TEST_GROUPS = 6, 2  # 15 folds, 5 paths
_EPOCH = date(1970, 1, 1)
_BP = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The published days of one symbol, read as they are needed."""

    store: Store
    instrument: Instrument
    days: Sequence[date]
    snapshot: int
    config: Settings


def judged(
    found: WalkForward, market: Market, *, n_trials: int, log: Callable[[str], None]
) -> Judging:
    """Judge a training, with the economic value of its candidate and the learning curve if set.

    ``n_trials`` counts the configurations judged for the symbol, this training's included.
    """
    return judge(
        found,
        economics=traded(found, market, n_trials=n_trials),
        lift=_lift(found, market),
        paths=_paths(found, market, log),
        with_learning_curve=market.config.learning_curve,
        on_fit=lambda done, of: log(f"learning curve, point {done} of {of}"),
    )


def _paths(found: WalkForward, market: Market, log: Callable[[str], None]) -> PathLosses | None:
    if not market.config.combinatorial:
        return None
    log(f"combinatorial paths: {N_GROUPS} groups, {N_TEST_GROUPS} of them judged at a time")
    try:
        return combinatorial_losses(
            found.dataset, found.task, n_groups=N_GROUPS, n_test_groups=N_TEST_GROUPS,
            embargo_ns=found.embargo_ns, config=found.config, seed=found.seed, rungs=found.rungs,
        )  # fmt: skip
    except TooFewRowsError as error:
        log(f"no combinatorial paths: {error}")
        return None


def _lift(found: WalkForward, market: Market) -> TouchLift | None:
    if found.task.subject != "level":
        return None
    return lift_over_random(
        market.store, market.instrument, market.days, found.task, config=market.config,
        snapshot=market.snapshot,
    )  # fmt: skip


def traded(found: WalkForward, market: Market, *, n_trials: int) -> Economics | Untraded:
    """Return what the candidate's out-of-fold signal earns after costs, or why none is traded."""
    config, known = market.config, market.instrument
    if known.kind.startswith("inverse"):
        return Untraded(reason="an inverse contract's profit is not linear in the price")
    reason = why_untradable(found.task)
    if reason:
        return Untraded(reason=reason)
    return economic_value(
        found,
        found.candidate,
        _trading_days(found, market),
        min_edge=config.signal_threshold,
        # what the fees of entering and leaving take; the spread is not known beforehand
        min_return_bp=2 * _BP * float(known.taker_fee),
        n_trials=n_trials,
        n_null=config.n_null_runs,
    )


def _trading_days(found: WalkForward, market: Market) -> Iterator[TradingDay]:
    judged_days = set(np.unique(found.dataset.trading_day[found.row_idx]).tolist())
    known = market.instrument
    for day in market.days:
        number = (day - _EPOCH).days
        if number not in judged_days:
            continue
        trades, quotes = (
            market.store.read(table, known.symbol, day, snapshot=market.snapshot)
            for table in ("flow.classified_trades", "raw.quotes")
        )
        yield TradingDay(
            trading_day=number,
            market=market_path(trades, quotes, known),
            rules=rules(known, known.trading_day_window(day), market.config),
        )


def mid_proxy(market: Market, task: str) -> str:
    """Return what stood for the mid in a task's labels, over all its days."""
    labels = market.store.read(
        "research.labels",
        market.instrument.symbol,
        market.days,
        columns=("mid_proxy",),
        snapshot=market.snapshot,
        where={"task": task},
    )
    return ", ".join(sorted(pc.unique(labels["mid_proxy"]).cast("string").to_pylist()))
