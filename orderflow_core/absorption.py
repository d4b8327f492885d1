"""Absorption by bar: much volume that moves the price little.

A bar's volume is compared with that of the earlier bars in which the price moved as far. One that
stands out while the price stood still met resting orders that took all of it. `price_absorption`
asks the same of one price and a few seconds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.absorption import _conditional_z_nb
from orderflow_core.sessions import first_of_session
from orderflow_core.types import Bool, Float64, Int8, Int64
from orderflow_core.validate import (
    require_amount,
    require_count,
    require_int64,
    require_positions,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarAbsorptionRule:
    """When a bar counts as absorption.

    Attributes
    ----------
    n_windows : int, > 0
        How many earlier bars of the session the moments look at, whatever their displacement.
    least_windows : int, >= 2
        Bars of the same displacement among them below which there is no score.
    least_z : float, > 0
        Score from which on a still bar is absorption.
    ticks_per_step : int, > 0
        Displacement is counted in whole steps of so many ticks, towards 0. More than 1 where a
        tick is far smaller than the spread of a bar, as on most crypto markets.
    still_steps : int, >= 0
        Largest displacement of a bar that stands still.
    cap_steps : int, > ``still_steps``
        Bars that move so far or further share their moments.
    """

    n_windows: int
    least_windows: int = 20
    least_z: float = 2.0
    ticks_per_step: int = 1
    still_steps: int = 1
    cap_steps: int = 5

    def __post_init__(self) -> None:
        require_positive_scalar("n_windows", self.n_windows)
        require_count("least_windows", self.least_windows, least=2)
        require_amount("least_z", self.least_z, is_zero_allowed=False)
        require_positive_scalar("ticks_per_step", self.ticks_per_step)
        require_count("still_steps", self.still_steps)
        require_count("cap_steps", self.cap_steps, least=self.still_steps + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarAbsorption:
    """Absorption of each bar, known at its close.

    Attributes
    ----------
    z : ndarray of float64, shape (n_bars,)
        Volume less the mean of the like bars, over their deviation, of every bar, still or not.
        NaN with fewer like bars than the rule asks for, or where they all traded the same.
    is_absorbed : ndarray of bool, shape (n_bars,)
        The bar stood still and z reaches the threshold.
    sign : ndarray of int8, shape (n_bars,)
        Side that absorbed: +1 where resting bids took the sellers, -1 where resting asks took the
        buyers; 0 without absorption or with a delta of 0. The turn that absorption is said to
        announce goes in its direction.
    """

    z: Float64
    is_absorbed: Bool
    sign: Int8

    def __len__(self) -> int:
        return len(self.z)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarAbsorptionState:
    """The last bars of the open session: volume and capped displacement, at most ``n_windows``."""

    volume_lots: Int64
    moved_steps: Int64


def bar_absorption(
    open_ticks: ArrayLike,
    close_ticks: ArrayLike,
    volume_lots: ArrayLike,
    delta_lots: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    rule: BarAbsorptionRule,
) -> BarAbsorption:
    """Return how far each bar's volume stands out for its displacement.

    Parameters
    ----------
    open_ticks, close_ticks : ndarray of int64, shape (n_bars,), unit ticks, magnitude below 2**62
    volume_lots : ndarray of int64, shape (n_bars,), unit lots, > 0
    delta_lots : ndarray of int64, shape (n_bars,), unit lots
        Only its sign is looked at.
    session_start_bar : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Positions of the bars that open a session or follow a recorded gap: the memory starts empty.
    rule : BarAbsorptionRule

    Returns
    -------
    BarAbsorption

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a volume that is not positive, prices or sums beyond int64.

    Notes
    -----
    ``z = (V - E[V | b]) / SD[V | b]``, ``b = min(|close - open| // ticks_per_step, cap_steps)``:
    sample mean and sample deviation (n - 1) over the bars with the same b among the ``n_windows``
    bars before, of the same session. The bar itself is never among them. Causal: known at the
    bar's close. No bars: empty arrays. Source: own definition (docs/glossary.md).

    Examples
    --------
    Like bars of 4, 6 and 8 lots have mean 6 and deviation 2: a bar of 10 lots has z = 2.

    >>> still, rule = np.full(4, 100), BarAbsorptionRule(n_windows=10, least_windows=3)
    >>> found = bar_absorption(still, still, [4, 6, 8, 10], [1, 1, 1, -3], [0], rule=rule)
    >>> found.z, found.sign
    (array([nan, nan, nan,  2.]), array([0, 0, 0, 1], dtype=int8))
    """
    volume = require_int64("volume_lots", volume_lots)
    starts = require_session_starts("session_start_bar", session_start_bar, len(volume))
    return continue_bar_absorption(
        None, open_ticks, close_ticks, volume, delta_lots, starts, rule=rule
    )[0]


def continue_bar_absorption(
    state: BarAbsorptionState | None,
    open_ticks: ArrayLike,
    close_ticks: ArrayLike,
    volume_lots: ArrayLike,
    delta_lots: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    rule: BarAbsorptionRule,
) -> tuple[BarAbsorption, BarAbsorptionState]:
    """Do as `bar_absorption` for the next closed bars.

    Parameters
    ----------
    state : BarAbsorptionState or None
        What the preceding chunk returned; None where the first bar opens a session.
    open_ticks, close_ticks, volume_lots, delta_lots, rule
        As in `bar_absorption`.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Positions in this chunk; empty where no session opens in it.

    Returns
    -------
    columns : BarAbsorption
        Of the bars given. Chunks together give the columns of the whole, bit for bit.
    state : BarAbsorptionState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `bar_absorption`.
    """
    volume = require_int64("volume_lots", volume_lots)
    delta = require_int64("delta_lots", delta_lots)
    require_positive("volume_lots", volume)
    steps = _displacement(open_ticks, close_ticks) // rule.ticks_per_step
    n = require_same_length(open_ticks=steps, volume_lots=volume, delta_lots=delta)
    starts = require_positions("session_start_bar", session_start_bar, n)
    moved = np.minimum(steps, rule.cap_steps)
    if state is None:
        state = BarAbsorptionState(volume_lots=volume[:0], moved_steps=moved[:0])
    n_tail = len(state.volume_lots)
    lots = np.concatenate((state.volume_lots, volume))
    bins = np.concatenate((state.moved_steps, moved))
    n_windows = min(rule.n_windows, len(lots))
    require_sum_fits("volume_lots", int(lots.max(initial=0)), n_windows)
    since = first_of_session(starts + n_tail, len(lots))
    z = np.empty(n, np.float64)
    _conditional_z_nb(lots, bins, since, n_tail, n_windows, rule.least_windows, z)
    is_absorbed = (steps <= rule.still_steps) & (z >= rule.least_z)  # false for NaN
    sign = np.where(is_absorbed, -np.sign(delta), 0).astype(np.int8)
    first = max(len(lots) - rule.n_windows, int(since[-1]) if len(since) else 0)
    after = BarAbsorptionState(volume_lots=lots[first:].copy(), moved_steps=bins[first:].copy())
    return BarAbsorption(z=z, is_absorbed=is_absorbed, sign=sign), after


def _displacement(open_ticks: ArrayLike, close_ticks: ArrayLike) -> Int64:
    opened, closed = (
        require_int64("open_ticks", open_ticks),
        require_int64("close_ticks", close_ticks),
    )
    require_same_length(open_ticks=opened, close_ticks=closed)
    for name, price in (("open_ticks", opened), ("close_ticks", closed)):
        require_sum_fits(name, max(-int(price.min(initial=0)), int(price.max(initial=0))), 2)
    moved: Int64 = np.abs(closed - opened)
    return moved
