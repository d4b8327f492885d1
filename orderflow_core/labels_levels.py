"""Labels of touches: whether the level held. THIS MODULE LOOKS AHEAD, as `orderflow_core.labels` does.

Also the random levels that real ones are compared with, which are drawn over the whole session.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import row_of
from orderflow_core.level_features import ends_behind
from orderflow_core.level_outcomes import level_outcomes, random_rows
from orderflow_core.level_touches import HoldRule, LevelTouches
from orderflow_core.live_levels import LiveLevels
from orderflow_core.types import BarIndex, Bool, Float64, Int8, Int64
from orderflow_core.validate import require_int64, require_session_starts


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLabels:
    """What became of touches; arrays of shape (n_touches,).

    Attributes
    ----------
    t0_ns, t1_ns : ndarray of int64, unit ns
        Decision, which is the last fill of the sweep that touched, and when the outcome was known;
        equal where it is not.
    label : ndarray of float64
        1 the level held, 0 it did not; NaN where the outcome is not known.
    outcome : ndarray of int8
        +1 price turned, -1 it passed, 0 neither in time or not known.
    is_open : ndarray of bool
        Whether there was anything left to decide: false where the sweep that touched went through.
    """

    t0_ns: Int64
    t1_ns: Int64
    label: Float64
    outcome: Int8
    is_open: Bool

    def __len__(self) -> int:
        return len(self.label)


def hold_labels(
    price_ticks: ArrayLike,
    ts_event_ns: ArrayLike,
    levels: LiveLevels,
    touches: LevelTouches,
    decision_end_idx: ArrayLike,
    *,
    start_idx: ArrayLike,
    rule: HoldRule,
) -> HoldLabels:
    """Return whether each touched level held: price turned before it passed, and in time.

    Parameters
    ----------
    price_ticks, ts_event_ns : ndarray of int64, shape (n_trades,), unit ticks and ns
    levels : LiveLevels
    touches : LevelTouches, n_touches elements
        Of these levels by the same rule.
    decision_end_idx : ndarray of int64, shape (n_touches,)
        End of the trades that each decision knows.
    start_idx : ndarray of int64, strictly increasing from 0
        Session start and first trades after gaps: no outcome looks across them.
    rule : HoldRule

    Returns
    -------
    HoldLabels

    Raises
    ------
    TypeError, ValueError
        As `level_outcomes`, or positions out of range.

    Notes
    -----
    LOOKS AHEAD by definition. Turn, passage and time are those of `level_outcomes`, counted from the
    touch. The label is known only where trades of the same stretch reach to the end of the time that
    the rule allows, whatever became of the level before: to keep the early outcomes of a cut-off
    touch would keep the quick turns. Neither turned nor passed in time: 0. Source:
    docs/levels.md.

    Examples
    --------
    Turn 3, pass 2, a touch at 100 from above: then 99, 103 in time: 1. Then 98: 0.
    """
    price, ts = require_int64("price_ticks", price_ticks), require_int64("ts_event_ns", ts_event_ns)
    ends = ends_behind(decision_end_idx, touches.touch_idx, len(price))
    starts = require_session_starts("start_idx", start_idx, len(price))
    touch, level = touches.touch_idx, touches.level_idx
    over = np.append(starts[1:], len(price))[_at_or_before(starts, touch)]
    known, outcome = np.empty(len(touch), np.int64), np.zeros(len(touch), np.int8)
    height = levels.high_tick[level] - levels.low_tick[level] + 1
    for ticks in np.unique(height):
        of = np.flatnonzero(height == ticks)
        # The trade before a touch lies outside of the level, so that this touch is found again.
        found = level_outcomes(
            price, ts, levels.low_tick[level[of]], touch[of] - 1, over[of],
            ticks_per_row=int(ticks), turn_ticks=rule.turn_ticks, pass_ticks=rule.pass_ticks,
            horizon_ns=rule.horizon_ns,
        )  # fmt: skip
        known[of], outcome[of] = found.known_idx, found.outcome
    last_ns = ts[over - 1] if len(ts) else over
    is_known = ts[touch] + rule.horizon_ns <= last_ns
    t0 = ts[ends - 1]
    in_time = np.where(outcome == 0, t0 + rule.horizon_ns, ts[np.minimum(known, len(ts) - 1)])
    return HoldLabels(
        t0_ns=t0,
        t1_ns=np.where(is_known, np.maximum(in_time, t0), t0),
        label=np.where(is_known, (outcome > 0).astype(np.float64), np.nan),
        outcome=np.where(is_known, outcome, 0).astype(np.int8),
        is_open=(outcome == 0) | (known >= ends),
    )


def random_levels(
    levels: LiveLevels,
    price_ticks: ArrayLike,
    index: BarIndex,
    *,
    start_idx: ArrayLike,
    ticks_per_row: int,
    n_each: int,
    seed: int,
) -> LiveLevels:
    """Return levels of no meaning, each as far from price as a real one was, and as high.

    Parameters
    ----------
    levels : LiveLevels, n_levels elements
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    index : BarIndex
        Bars that cover the trades.
    start_idx : ndarray of int64, strictly increasing from 0
    ticks_per_row : int, > 0
        Of the levels' grid; random ones lie on it as well.
    n_each : int, > 0
    seed : int

    Returns
    -------
    LiveLevels, n_each elements for each level that lives
        In the order of time. Kind and sign are those of the real one.

    Raises
    ------
    TypeError, ValueError
        As `random_rows`.

    Notes
    -----
    Looks over the whole session: never a feature. A real level's distance is in rows, from the last
    trade before it was live; the random one has it from the close of another bar of its stretch, and
    lives as many bars, or to the stretch's end where the real one does. Ages, touches and outcomes
    are then counted alike.
    """
    price = require_int64("price_ticks", price_ticks)
    starts = require_session_starts("start_idx", start_idx, len(price))
    own = levels.take(np.repeat(np.flatnonzero(levels.end_idx > levels.first_idx), n_each))
    if not len(own):
        return own
    ends, on_grid = np.append(starts[1:], len(price)), row_of(price, ticks_per_row) * ticks_per_row
    stretch = _at_or_before(starts, own.first_idx)
    known = np.maximum(own.first_idx - 1, starts[stretch])
    bar = np.searchsorted(index.end_idx, known, side="right")
    close = on_grid[index.end_idx - 1]
    low, at = random_rows(
        own.low_tick - on_grid[known] + close[bar], bar, close,
        np.unique(np.searchsorted(index.end_idx, starts, side="right")), seed=seed,
    )  # fmt: skip
    first = index.end_idx[at]
    over = ends[_at_or_before(starts, first - 1)]
    n_bars = np.searchsorted(index.end_idx, own.end_idx - 1, side="right") - bar
    end = index.end_idx[np.minimum(at + n_bars, len(index) - 1)]
    end = np.where(own.end_idx == ends[stretch], over, np.minimum(end, over))
    made = LiveLevels(
        kind=own.kind, low_tick=low, high_tick=low + (own.high_tick - own.low_tick),
        sign=own.sign, first_idx=first, end_idx=np.maximum(end, first),
    )  # fmt: skip
    return made.take(np.argsort(made.first_idx, kind="stable"))


def _at_or_before(starts: Int64, idx: Int64) -> Int64:
    return np.searchsorted(starts, idx, side="right") - 1
