"""Touches of levels: when price came back to each, from which side, and for which time.

Causal: whether there is a touch depends on trades up to the touch only. What became of it is in
`orderflow_core.labels_levels`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import MAX_ABS_TICKS
from orderflow_core.kernels.level_touches import _level_touches_nb
from orderflow_core.types import Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)

_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRule:
    """When a level that was touched has held.

    Attributes
    ----------
    turn_ticks : int, unit ticks, > 0
        r: how far price must come back from the level's near edge.
    pass_ticks : int, unit ticks, > 0
        s: how far price must go beyond its far edge for the level to be passed.
    horizon_ns : int, unit ns, > 0
        Time from the touch on; a trade at its very end still counts.
    """

    turn_ticks: int
    pass_ticks: int
    horizon_ns: int

    def __post_init__(self) -> None:
        for name in ("turn_ticks", "pass_ticks", "horizon_ns"):
            require_positive_scalar(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTouches:
    """Touches in the order of time, of equal times in that of the levels; shape (n_touches,).

    Attributes
    ----------
    level_idx : ndarray of int64
        Which level.
    touch_idx : ndarray of int64
        Trade that came into the level, or past it, from outside.
    side : ndarray of int8
        Where price came from: +1 above, -1 below.
    n_earlier, n_turned : ndarray of int64
        Touches of the level before this one, and those of them at which price turned.
    farthest_ticks : ndarray of int64, unit ticks
        Price farthest from the level on the way to this touch, since the level was left.
    """

    level_idx: Int64
    touch_idx: Int64
    side: Int8
    n_earlier: Int64
    n_turned: Int64
    farthest_ticks: Int64

    def __len__(self) -> int:
        return len(self.level_idx)


def level_touches(
    price_ticks: ArrayLike,
    ts_event_ns: ArrayLike,
    low_tick: ArrayLike,
    high_tick: ArrayLike,
    first_idx: ArrayLike,
    end_idx: ArrayLike,
    *,
    rule: HoldRule,
) -> LevelTouches:
    """Return every touch of every level in its life.

    Parameters
    ----------
    price_ticks, ts_event_ns : ndarray of int64, shape (n_trades,), unit ticks and ns
        Trades in order; prices within 2**61.
    low_tick, high_tick : ndarray of int64, shape (n_levels,), unit ticks
        Edges of each level, both inclusive.
    first_idx, end_idx : ndarray of int64, shape (n_levels,)
        First trade after the level was known, and the end of its life, exclusive.
    rule : HoldRule
        When a touch is over, and the level with it if price passed.

    Returns
    -------
    LevelTouches
        No levels, no trades or no touch: empty arrays.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths that differ, times that run back, crossed edges, positions outside of
        the trades, or times or prices that could leave int64.

    Notes
    -----
    A level that price is in has to be left first. A touch lasts until price has turned or passed,
    or the rule's time is up; only after that can the level be touched again, and a level that was
    passed is gone. Causal: a touch needs the trades up to it. Of the trades' prefix, with lives cut
    there, the touches are the first ones of the whole. Blocks of 256 trades that stay on one side of
    a level are passed over at once. Source: docs/levels.md.

    Examples
    --------
    Level 100, turn 3, pass 2: 102, 100 (touch), 103 (turned), 99 (touch again, past it), 98 (passed).

    >>> rule = HoldRule(turn_ticks=3, pass_ticks=2, horizon_ns=9)
    >>> found = level_touches([102, 100, 103, 99, 98], range(5), [100], [100], [0], [5], rule=rule)
    >>> found.touch_idx, found.n_turned
    (array([1, 3]), array([0, 1]))
    """
    price, ts = require_int64("price_ticks", price_ticks), require_int64("ts_event_ns", ts_event_ns)
    require_same_length(price_ticks=price, ts_event_ns=ts)
    require_sorted("ts_event_ns", ts)
    if len(ts) and int(ts[-1]) + rule.horizon_ns > INT64_MAX:
        raise ValueError(f"horizon_ns of {rule.horizon_ns} leads beyond int64")
    levels = _checked_levels(low_tick, high_tick, first_idx, end_idx, len(price))
    for values in (price, *levels[:2], np.array([rule.turn_ticks, rule.pass_ticks])):
        if max(-int(values.min(initial=0)), int(values.max(initial=0))) > MAX_ABS_TICKS:
            raise ValueError("prices, levels and ticks of the rule must lie within 2**61 of 0")
    settings = (rule.turn_ticks, rule.pass_ticks, rule.horizon_ns)
    blocks = (_BLOCK, *_block_ranges(price))
    out = np.empty((4 * len(levels[0]) + 16, 6), np.int64)
    n = _level_touches_nb(price, ts, levels, settings, blocks, out)
    if n > len(out):
        out = np.empty((n, 6), np.int64)
        _level_touches_nb(price, ts, levels, settings, blocks, out)
    out = out[:n]
    level, touch, side, earlier, turned, farthest = out[np.lexsort((out[:, 0], out[:, 1]))].T
    return LevelTouches(
        level_idx=level,
        touch_idx=touch,
        side=side.astype(np.int8),
        n_earlier=earlier,
        n_turned=turned,
        farthest_ticks=farthest,
    )


def _block_ranges(price: Int64) -> tuple[Int64, Int64]:
    if not len(price):
        return price, price
    starts = np.arange(0, len(price), _BLOCK)
    return np.minimum.reduceat(price, starts), np.maximum.reduceat(price, starts)


def _checked_levels(
    low_tick: ArrayLike, high_tick: ArrayLike, first_idx: ArrayLike, end_idx: ArrayLike, n: int
) -> tuple[Int64, Int64, Int64, Int64]:
    low, high = require_int64("low_tick", low_tick), require_int64("high_tick", high_tick)
    first, end = require_int64("first_idx", first_idx), require_int64("end_idx", end_idx)
    require_same_length(low_tick=low, high_tick=high, first_idx=first, end_idx=end)
    is_bad = (low > high) | (first < 0) | (end < first) | (end > n)
    if is_bad.any():
        i = int(np.argmax(is_bad))
        raise ValueError(
            f"a level must have edges that rise and a life within {n} trades, got {low[i]} to "
            f"{high[i]} in [{first[i]}, {end[i]}) at position {i}"
        )
    return low, high, first, end
