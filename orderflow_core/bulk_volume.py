"""Bulk volume classification: a bar's bought volume from its price change alone."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.bulk_volume import _shares_nb
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    require_int64,
    require_not_negative,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkVolumeState:
    """What is remembered between two chunks of bars.

    Attributes
    ----------
    last_close_ticks : int or None
        Close of the last bar, None before the first.
    recent : ndarray of int64, shape (window,)
        The last price changes, as a ring.
    n_seen : int
        Price changes so far.
    """

    last_close_ticks: int | None = None
    recent: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    n_seen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkVolume:
    """Estimated sides of the volume of bars; float64 arrays of shape (n_bars,).

    Attributes
    ----------
    buy_lots, sell_lots
        NaN where the bar has no price change or the scale is not known yet; else they add up to the
        bar's volume.
    sigma_ticks
        Standard deviation of the price changes before the bar, NaN while there are too few.
    """

    buy_lots: Float64
    sell_lots: Float64
    sigma_ticks: Float64

    def __len__(self) -> int:
        return len(self.buy_lots)


def bulk_volume(
    close_ticks: ArrayLike,
    volume_lots: ArrayLike,
    *,
    window: int,
    min_changes: int = 20,
    student_df: float | None = None,
    session_start_idx: ArrayLike | None = None,
) -> BulkVolume:
    """Return the volume of each bar split by the size of its price change.

    Parameters
    ----------
    close_ticks : ndarray of int64, shape (n_bars,), unit ticks, in time order
    volume_lots : ndarray of int64, shape (n_bars,), unit lots, >= 0
    window : int, >= 2, unit bars
        How many earlier price changes make the scale.
    min_changes : int, in 2..window
        Fewer than that make none.
    student_df : float, > 0, optional
        Degrees of freedom of Student's t in place of the normal distribution, such as 0.25.
    session_start_idx : ndarray of int64, strictly increasing from 0, optional
        Bars whose step from the bar before is no price change: sessions, recorded gaps. The changes
        of earlier sessions stay in the scale. One session without it.

    Returns
    -------
    BulkVolume

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a negative volume, parameters out of range, or the sum of
        ``window`` squared price changes leaves int64.

    Notes
    -----
    ``V_buy = V F(dP / sigma)`` with dP the step from the close before and sigma the sample standard
    deviation of the up to ``window`` price changes *before* the bar: causal, and a jump does not
    soften itself. Ties: no price change halves the volume. Where sigma is 0 any change takes the
    whole volume. A session's first bar has no price change and stays NaN. No bars: empty arrays.
    Chunks (`continue_bulk_volume`) give the result of the whole, bit for bit.
    Source: Easley, Lopez de Prado and O'Hara (2012), with Student's t in their paper of 2016.

    Examples
    --------
    The changes before the last bar, +1 and -1, have the scale sqrt(2): F(1 / sqrt(2)) = 0.76.

    >>> found = bulk_volume(np.array([5, 6, 5, 6]), np.full(4, 100), window=2, min_changes=2)
    >>> found.buy_lots.round(1)
    array([nan, nan, nan, 76.])
    """
    return continue_bulk_volume(
        None, close_ticks, volume_lots, window=window, min_changes=min_changes,
        student_df=student_df, session_start_idx=session_start_idx,
    )[0]  # fmt: skip


def continue_bulk_volume(
    state: BulkVolumeState | None,
    close_ticks: ArrayLike,
    volume_lots: ArrayLike,
    *,
    window: int,
    min_changes: int = 20,
    student_df: float | None = None,
    session_start_idx: ArrayLike | None = None,
) -> tuple[BulkVolume, BulkVolumeState]:
    """Do as `bulk_volume` for the next chunk of bars, after the ones that made ``state``.

    Parameters
    ----------
    state : BulkVolumeState or None
        What the preceding chunk returned; None before the first.
    close_ticks, volume_lots, window, min_changes, student_df
        As in `bulk_volume`; the parameters of the preceding chunk.
    session_start_idx
        As in `bulk_volume`, but not counted from 0 where the chunk continues a session: every
        position in it opens one. None: no bar does, but the very first.

    Returns
    -------
    BulkVolume
    BulkVolumeState

    Raises
    ------
    TypeError, ValueError
        As in `bulk_volume`, or a state of another window.
    """
    close = require_int64("close_ticks", close_ticks)
    volume = require_int64("volume_lots", volume_lots)
    require_same_length(close_ticks=close, volume_lots=volume)
    require_not_negative("volume_lots", volume)
    df = _checked_parameters(window, min_changes, student_df)
    before = BulkVolumeState(recent=np.zeros(window, np.int64)) if state is None else state
    if len(before.recent) != window:
        raise ValueError(f"state must be of window {window}, got {len(before.recent)}")
    change, is_change = _changes(close, before.last_close_ticks, session_start_idx)
    largest = max(-int(change.min(initial=0)), int(change.max(initial=0)))
    require_sum_fits("squared price changes", largest * largest, window)
    ring, share, sigma = before.recent.copy(), np.empty(len(close)), np.empty(len(close))
    n_seen = _shares_nb(
        change, is_change, ring, (before.n_seen, window), min_changes, df, share, sigma
    )
    buy = volume * share
    last = int(close[-1]) if len(close) else before.last_close_ticks
    return (
        BulkVolume(buy_lots=buy, sell_lots=volume - buy, sigma_ticks=sigma),
        BulkVolumeState(last_close_ticks=last, recent=ring, n_seen=int(n_seen)),
    )


def _checked_parameters(window: int, min_changes: int, student_df: float | None) -> float:
    require_positive_scalar("window", window)
    require_positive_scalar("min_changes", min_changes)
    if not 2 <= min_changes <= window:
        raise ValueError(f"min_changes must be in 2..window = {window}, got {min_changes}")
    if student_df is None:
        return 0.0
    if not 0 < student_df < np.inf:
        raise ValueError(f"student_df must be positive and finite, got {student_df}")
    return float(student_df)


def _changes(
    close: Int64, last_close: int | None, session_start_idx: ArrayLike | None
) -> tuple[Int64, Bool]:
    # The step into each bar, and whether there is one.
    if len(close):
        extremes = (
            int(close.min()),
            int(close.max()),
            int(close[0] if last_close is None else last_close),
        )
        require_sum_fits("close_ticks", max(abs(price) for price in extremes), 2)
    is_change = np.ones(len(close), np.bool_)
    if last_close is None:
        is_change[:1] = False
    if session_start_idx is not None:
        starts = require_int64("session_start_idx", session_start_idx)
        if last_close is None or (len(starts) and starts[0] == 0):
            starts = require_session_starts("session_start_idx", starts, len(close))
        else:
            starts = require_session_starts("session_start_idx", np.append(0, starts), len(close))[
                1:
            ]
        is_change[starts] = False
    previous = close[:1] if last_close is None else np.array([last_close])
    return np.diff(close, prepend=previous[: len(close)]), is_change
