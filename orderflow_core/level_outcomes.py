"""What became of levels, against random rows at the same distance. Looks ahead: never a feature."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import MAX_ABS_TICKS
from orderflow_core.intervals import wilson_interval
from orderflow_core.kernels.level_outcomes import _level_outcomes_nb
from orderflow_core.types import Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelOutcomes:
    """What became of each level; arrays of shape (n_levels,).

    Attributes
    ----------
    touch_idx : ndarray of int64
        Trade that came to the row first, from outside; -1 without any.
    known_idx : ndarray of int64
        Trade at which the outcome is known; the end of the session's trades where it stays open.
    outcome : ndarray of int8
        +1 price turned, -1 it passed, 0 neither in time, or never touched.
    """

    touch_idx: Int64
    known_idx: Int64
    outcome: Int8

    def __len__(self) -> int:
        return len(self.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLift:
    """Share of touched levels at which price turned, and how much that beats random rows.

    Attributes
    ----------
    n_touched, n_turned, n_passed : int
        Of the levels; those with neither outcome are the rest.
    n_random_touched, n_random_turned : int
        Of the random rows.
    rate, random_rate : float
        Turned of touched; NaN without a touch.
    lift, low, high : float
        ``rate - random_rate`` and its 95 % interval (Newcombe, touches taken as independent).
    """

    n_touched: int
    n_turned: int
    n_passed: int
    n_random_touched: int
    n_random_turned: int
    rate: float
    random_rate: float
    lift: float
    low: float
    high: float


def level_outcomes(
    price_ticks: ArrayLike,
    ts_event_ns: ArrayLike,
    level_tick: ArrayLike,
    first_idx: ArrayLike,
    end_idx: ArrayLike,
    *,
    ticks_per_row: int,
    turn_ticks: int,
    pass_ticks: int,
    horizon_ns: int,
) -> LevelOutcomes:
    """Return whether price turned at each level or passed it. Looks ahead of the level.

    Parameters
    ----------
    price_ticks, ts_event_ns : ndarray of int64, shape (n_trades,), unit ticks and ns
        Trades in order; prices within 2**61.
    level_tick : ndarray of int64, shape (n_levels,), unit ticks
        Lowest tick of the level's row.
    first_idx, end_idx : ndarray of int64, shape (n_levels,)
        First trade after the level was known, and the end of its session's trades.
    ticks_per_row : int, > 0
    turn_ticks, pass_ticks : int, > 0
        How far price must come back from the row's near edge, and go beyond its far one.
    horizon_ns : int, unit ns, > 0
        Time from the touch on; a trade at its very end still counts.

    Returns
    -------
    LevelOutcomes

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths that differ, times that run back, positions outside of the trades,
        settings that are not positive, or times or prices that could leave int64.

    Notes
    -----
    Touch: the first trade in the row, or past it, after one outside; a level that price is in has
    to be left first. Outcomes need trades after the touch: for judging levels, not for features,
    unless at trades from `known_idx` on.

    Examples
    --------
    Row 100, turn 3, pass 2, prices 102, 100, 99, 103: touched from above at the second trade; 98
    was not reached, 103 was: turned, known at the fourth.
    """
    price, ts = require_int64("price_ticks", price_ticks), require_int64("ts_event_ns", ts_event_ns)
    require_same_length(price_ticks=price, ts_event_ns=ts)
    require_sorted("ts_event_ns", ts)
    tick = require_int64("level_tick", level_tick)
    first, end = _checked_spans(first_idx, end_idx, len(tick), len(price))
    settings = (
        require_positive_scalar("ticks_per_row", ticks_per_row),
        require_positive_scalar("turn_ticks", turn_ticks),
        require_positive_scalar("pass_ticks", pass_ticks),
        require_positive_scalar("horizon_ns", horizon_ns),
    )
    ticks = np.array(settings[:3], np.int64)
    for name, values in (("price_ticks", price), ("level_tick", tick), ("settings", ticks)):
        _require_within_reach(name, values)
    if len(ts) and int(ts[-1]) + settings[3] > INT64_MAX:
        raise ValueError(f"horizon_ns of {horizon_ns} leads beyond int64")
    touches, known = np.empty(len(tick), np.int64), np.empty(len(tick), np.int64)
    outcome = np.empty(len(tick), np.int8)
    _level_outcomes_nb(price, ts, (tick, first, end), settings, touches, known, outcome)
    return LevelOutcomes(touch_idx=touches, known_idx=known, outcome=outcome)


def random_rows(
    level_tick: ArrayLike,
    bar: ArrayLike,
    close_ticks: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    seed: int,
) -> tuple[Int64, Int64]:
    """Return for each level a row at the same distance from the close of another, random, bar.

    Parameters
    ----------
    level_tick, bar : ndarray of int64, shape (n_levels,)
        Lowest tick of each level's row, and the position of the bar at whose close it was known.
    close_ticks : ndarray of int64, shape (n_bars,), unit ticks
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session; the very first one does in any case.
    seed : int

    Returns
    -------
    random_tick, random_bar : ndarray of int64, shape (n_levels,)
        Lowest tick of the random row, and the bar, of the level's session, that it goes with.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths that differ, bars that do not exist, prices beyond 2**61.

    Notes
    -----
    Rows near price are touched often and turned at often whatever they hold: what a level is worth
    is what it has over rows at its distance, above or below alike. Looks over the whole session.
    """
    tick, at = require_int64("level_tick", level_tick), require_int64("bar", bar)
    close = require_int64("close_ticks", close_ticks)
    require_same_length(level_tick=tick, bar=at)
    opening = require_positions("session_start_bar", session_start_bar, len(close))
    if len(at) and not 0 <= int(at.min()) <= int(at.max()) < len(close):
        raise ValueError(f"bar must lie within {len(close)} bars, got {at.min()} to {at.max()}")
    for name, values in (("level_tick", tick), ("close_ticks", close)):
        _require_within_reach(name, values)
    starts = np.union1d([0], opening).astype(np.int64)
    session = np.searchsorted(starts, at, side="right") - 1
    ends = np.append(starts[1:], len(close))
    random_bar = np.random.default_rng(seed).integers(starts[session], ends[session])
    return close[random_bar] + (tick - close[at]), random_bar


def level_lift(levels: LevelOutcomes, random: LevelOutcomes) -> LevelLift:
    """Return how much more often price turns at levels than at random rows, both once touched.

    Parameters
    ----------
    levels, random : LevelOutcomes
        Of the levels, and of rows as `random_rows` gives them; of any length.

    Returns
    -------
    LevelLift

    Notes
    -----
    Levels that are touched together are not independent, so that the interval is the narrowest
    that can be claimed. Source of the interval: Newcombe (1998), *Statistics in Medicine* 17,
    method 10: from the Wilson intervals of both shares.

    Examples
    --------
    Turned at 6 of 10 levels and at 40 of 100 random rows: Wilson [0.313, 0.832] and [0.309, 0.498],
    lift 0.2, from 0.2 - sqrt(0.287^2 + 0.098^2) = -0.103 to 0.2 + sqrt(0.232^2 + 0.091^2) = 0.449.
    """
    n, n_random = int((levels.touch_idx >= 0).sum()), int((random.touch_idx >= 0).sum())
    turned, random_turned = int((levels.outcome > 0).sum()), int((random.outcome > 0).sum())
    rate = turned / n if n else math.nan
    random_rate = random_turned / n_random if n_random else math.nan
    own, of_random = wilson_interval(turned, n), wilson_interval(random_turned, n_random)
    lift = rate - random_rate
    return LevelLift(
        n_touched=n,
        n_turned=turned,
        n_passed=int((levels.outcome < 0).sum()),
        n_random_touched=n_random,
        n_random_turned=random_turned,
        rate=rate,
        random_rate=random_rate,
        lift=lift,
        low=lift - math.hypot(rate - own.low, of_random.high - random_rate),
        high=lift + math.hypot(own.high - rate, random_rate - of_random.low),
    )


def _checked_spans(
    first_idx: ArrayLike, end_idx: ArrayLike, n_levels: int, n_trades: int
) -> tuple[Int64, Int64]:
    first, end = require_int64("first_idx", first_idx), require_int64("end_idx", end_idx)
    if not len(first) == len(end) == n_levels:
        raise ValueError(
            f"arrays must have one length, got level_tick {n_levels}, first_idx {len(first)}, "
            f"end_idx {len(end)}"
        )
    is_bad = (first < 0) | (end < first) | (end > n_trades)
    if is_bad.any():
        i = int(np.argmax(is_bad))
        raise ValueError(
            f"first_idx and end_idx must lie within {n_trades} trades, got [{first[i]}, {end[i]}) "
            f"at position {i}"
        )
    return first, end


def _require_within_reach(name: str, values: Int64) -> None:
    for farthest in (int(values.min(initial=0)), int(values.max(initial=0))):
        if abs(farthest) > MAX_ABS_TICKS:
            raise ValueError(f"{name} must lie within 2**61, got {farthest}")
