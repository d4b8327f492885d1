"""Touches of price levels of one symbol-day: their labels, and the rows that a model learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from models.levels import touch_columns
from models.tasks import Task
from orchestration.arrays import column, constant, gap_positions, trade_arrays
from orchestration.config import Settings
from orchestration.defs.flow.events import AT_PRICE
from orchestration.defs.flow.tables import STACKED_MIN_LEVELS, bar_index, imbalance_rule
from orderflow_core.features import ALL_FEATURES
from orderflow_core.instrument import Instrument
from orderflow_core.labels_levels import HoldLabels, hold_labels, random_levels
from orderflow_core.level_rows import LevelRows, level_rows, rows_of
from orderflow_core.level_touches import HoldRule
from orderflow_core.live_levels import LevelRules
from orderflow_core.types import Int64, TradeArrays

CLOCK = "level"
MID_PROXY = "last_trade"  # levels turn and pass traded prices
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTerms:
    """How levels are found, and how far price must turn or pass, in ticks."""

    rules: LevelRules
    bar_seconds: int
    turn_ticks: int
    pass_ticks: int

    def hold(self, task: str) -> HoldRule:
        """Return when a level has held, for ``level_Xs``.

        Raises
        ------
        ValueError
            It is a task of another kind.
        """
        if Task(task).subject != "level":
            raise ValueError(f"level_tasks must be level_<seconds>s, got {task!r}")
        seconds = int(task.removeprefix("level_").removesuffix("s"))
        return HoldRule(
            turn_ticks=self.turn_ticks, pass_ticks=self.pass_ticks, horizon_ns=seconds * _NS_PER_S
        )


def level_terms(config: Settings, known: Instrument) -> LevelTerms:
    """Return the terms of a symbol: levels as the stored events, turn and passage in its rows."""
    height = config.row_ticks(known)
    return LevelTerms(
        rules=LevelRules(
            ticks_per_row=height,
            imbalance=imbalance_rule(config.imbalance_min_lots),
            stacked_min_levels=STACKED_MIN_LEVELS,
            absorption=AT_PRICE,
        ),
        bar_seconds=config.bar_seconds,
        turn_ticks=config.level_turn_rows * height,
        pass_ticks=config.level_pass_rows * height,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    trades: TradeArrays
    start_idx: Int64
    rows: LevelRows


def level_labels(
    classified: pa.Table,
    gaps: pa.Table,
    events: pa.Table,
    *,
    tasks: Sequence[str],
    terms: LevelTerms,
) -> pa.Table:
    """Return the rows of ``research.labels`` of the level tasks: one a touch of a level.

    Parameters
    ----------
    classified, gaps, events : pyarrow.Table
        Of the day; ``flow.events`` says which earlier points of control are naked.
    tasks : sequence of str
        ``level_Xs``.
    terms : LevelTerms

    Returns
    -------
    pyarrow.Table
        Clock ``level``. ``decision_id`` is the touch's number in the day, from 0: one sweep may touch
        several levels. ``t0_ns`` is the time of the sweep. Touches that the sweep itself decided have
        no row; a label that is not known is NaN.
    """
    parts = []
    for task in tasks:
        hold = terms.hold(task)
        day = _day(classified, gaps, events, terms, hold)
        found = hold_labels(
            day.trades.price_ticks, day.trades.ts_event_ns, day.rows.levels, day.rows.touches,
            day.rows.end_idx, start_idx=day.start_idx, rule=hold,
        )  # fmt: skip
        at = np.flatnonzero(found.is_open)
        parts.append(
            pa.table(
                {
                    "clock": constant(CLOCK, len(at)),
                    "task": constant(task, len(at)),
                    "t0_ns": found.t0_ns[at],
                    "t1_ns": found.t1_ns[at],
                    "decision_id": at,
                    "label": found.label[at],
                    "mid_proxy": constant(MID_PROXY, len(at)),
                    "order_sign": np.zeros(len(at), np.int8),
                    "order_lots": np.zeros(len(at), np.int64),
                }
            )
        )
    return pa.concat_tables(parts).unify_dictionaries()


def level_features(
    classified: pa.Table,
    gaps: pa.Table,
    events: pa.Table,
    features: pa.Table,
    *,
    task: str,
    terms: LevelTerms,
) -> dict[str, np.ndarray]:
    """Return what was known at each touch: ``t0_ns``, ``decision_id`` as in the labels, and features.

    Parameters
    ----------
    classified, gaps, events, features : pyarrow.Table
        Of the day; ``research.features`` has the decision of each sweep.
    task : str
    terms : LevelTerms

    Returns
    -------
    dict of str to ndarray, shape (n_touches,)
        The same stored rows give the same arrays.
    """
    day = _day(classified, gaps, events, terms, terms.hold(task))
    last = day.rows.end_idx - 1
    keys = (day.trades.ts_event_ns[last], day.trades.trade_id[last])
    stored = pd.MultiIndex.from_arrays([column(features, "t0_ns"), column(features, "decision_id")])
    at = stored.get_indexer(pd.MultiIndex.from_arrays(keys))
    names = [feature.name for feature in ALL_FEATURES]
    known = np.full((len(last), len(names)), np.nan)
    for k, name in enumerate(names):
        known[at >= 0, k] = column(features, name)[at[at >= 0]]
    made, values = touch_columns(day.rows.values, known, names)
    table = {"t0_ns": keys[0], "decision_id": np.arange(len(last), dtype=np.int64)}
    return table | dict(zip(made, values.T, strict=True))


def level_holds(
    classified: pa.Table,
    gaps: pa.Table,
    events: pa.Table,
    *,
    task: str,
    terms: LevelTerms,
    n_random: int,
    seed: int,
) -> tuple[HoldLabels, HoldLabels]:
    """Return whether the day's touched levels held, and the same of random levels.

    Parameters
    ----------
    classified, gaps, events : pyarrow.Table
        As in `level_labels`.
    task : str
    terms : LevelTerms
    n_random : int, > 0
        Random levels for each real one; see `orderflow_core.labels_levels.random_levels`.
    seed : int
    """
    hold = terms.hold(task)
    day = _day(classified, gaps, events, terms, hold)
    random = random_levels(
        day.rows.levels, day.trades.price_ticks,
        bar_index(day.trades.ts_event_ns, terms.bar_seconds), start_idx=day.start_idx,
        ticks_per_row=terms.rules.ticks_per_row, n_each=n_random, seed=seed,
    )  # fmt: skip
    of_random = rows_of(
        day.trades, column(classified, "sweep"), random, start_idx=day.start_idx,
        ticks_per_row=terms.rules.ticks_per_row, hold=hold,
    )  # fmt: skip
    own, other = (
        hold_labels(
            day.trades.price_ticks, day.trades.ts_event_ns, rows.levels, rows.touches,
            rows.end_idx, start_idx=day.start_idx, rule=hold,
        )
        for rows in (day.rows, of_random)
    )  # fmt: skip
    return own, other


def _day(
    classified: pa.Table, gaps: pa.Table, events: pa.Table, terms: LevelTerms, hold: HoldRule
) -> _Day:
    trades = trade_arrays(classified)
    first = np.zeros(min(1, len(trades)), np.int64)
    start_idx = np.union1d(first, gap_positions(trades, gaps)).astype(np.int64)
    is_naked = pc.equal(events["kind"].cast(pa.string()), "naked_poc")
    rows = level_rows(
        trades, column(classified, "sweep"), bar_index(trades.ts_event_ns, terms.bar_seconds),
        start_idx=start_idx, naked_poc_tick=column(events.filter(is_naked), "price_tick"),
        rules=terms.rules, hold=hold,
    )  # fmt: skip
    return _Day(trades=trades, start_idx=start_idx, rows=rows)
