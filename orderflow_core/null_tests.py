"""Do signals announce a turn of price? Hit rates beside the same signals with shuffled signs.

This module looks ahead, to judge signals after the fact; nothing here is a feature.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.intervals import Proportion, wilson_interval
from orderflow_core.kernels.null_tests import _apart_nb, _first_reached_nb
from orderflow_core.types import Bool, Int64
from orderflow_core.validate import (
    require_count,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureMoves:
    """What price does after each bar; looks ahead. Arrays of shape (n_bars,).

    Attributes
    ----------
    is_up_hit, is_down_hit : ndarray of bool
        The target above (below) the close is reached before the stop on the other side.
    up_known_bar, down_known_bar : ndarray of int64
        Bar at whose close that is known; -1 where the horizon passes the session's end, and
        nothing is scored.
    n_bars : int
        The horizon.
    """

    is_up_hit: Bool
    is_down_hit: Bool
    up_known_bar: Int64
    down_known_bar: Int64
    n_bars: int

    def __len__(self) -> int:
        return len(self.is_up_hit)

    @property
    def is_scored(self) -> Bool:
        """Whether the horizon lies within the session; bool, shape (n_bars,)."""
        return self.up_known_bar >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRate:
    """How often price goes where signals point, beside shuffled signs.

    Attributes
    ----------
    n_signals : int
        Signals given, also those not scored.
    hits : Proportion
        Share of the scored signals that hit, with its 95 % interval; NaN without any.
    null_mean, null_low, null_high : float
        Exact mean, and 2.5 % and 97.5 % quantiles, of the share with shuffled signs.
    p_more, p_less : float
        One-sided: how often shuffled signs hit at least (at most) as often,
        ``(1 + count) / (1 + n_null)``.
    """

    n_signals: int
    hits: Proportion
    null_mean: float
    null_low: float
    null_high: float
    p_more: float
    p_less: float


def future_moves(
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    close_ticks: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    n_bars: int,
    target_ticks: int,
    stop_ticks: int,
) -> FutureMoves:
    """Return for each bar whether price reaches a target before a stop in the bars after it.

    Parameters
    ----------
    high_ticks, low_ticks, close_ticks : ndarray of int64, shape (n_bars,), unit ticks
        ``low <= close <= high``.
    session_start_bar : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Bars that open a session or follow a recorded gap: no horizon passes them.
    n_bars : int, > 0
        The horizon.
    target_ticks, stop_ticks : int, unit ticks, > 0
        Distances from the bar's close.

    Returns
    -------
    FutureMoves

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a close outside of its bar, prices beyond int64.

    Notes
    -----
    Looks ahead by up to ``n_bars`` bars: element i is known at ``up_known_bar[i]``. Ties: a bar
    that reaches both counts as the stop; neither reached within the horizon is no hit. Prices are
    trades: a target of less than the spread is reached by the bounce between bid and ask alone.
    No bars: empty arrays. Source: the triple barrier of Lopez de Prado (2018), ch. 3.

    Examples
    --------
    >>> price = np.array([10, 11, 13, 9])
    >>> future_moves(price, price, price, [0], n_bars=2, target_ticks=2, stop_ticks=2).is_up_hit
    array([ True,  True, False, False])
    """
    high, low = require_int64("high_ticks", high_ticks), require_int64("low_ticks", low_ticks)
    close = require_int64("close_ticks", close_ticks)
    n = require_same_length(high_ticks=high, low_ticks=low, close_ticks=close)
    starts = require_session_starts("session_start_bar", session_start_bar, n)
    horizon = require_positive_scalar("n_bars", n_bars)
    target = require_positive_scalar("target_ticks", target_ticks)
    stop = require_positive_scalar("stop_ticks", stop_ticks)
    _require_close_inside(high, low, close)
    largest = max(-int(low.min(initial=0)), int(high.max(initial=0)), target, stop)
    require_sum_fits("high_ticks and low_ticks with their distances", largest, 2)
    last_bar = np.repeat(np.append(starts, n)[1:] - 1, np.diff(starts, append=n))
    up, down = np.empty(n, np.bool_), np.empty(n, np.bool_)
    up_known, down_known = np.empty(n, np.int64), np.empty(n, np.int64)
    limits = (min(horizon, n), target, stop)
    _first_reached_nb(high, low, close, last_bar, limits, up, up_known)
    _first_reached_nb(-low, -high, -close, last_bar, limits, down, down_known)
    return FutureMoves(
        is_up_hit=up,
        is_down_hit=down,
        up_known_bar=up_known,
        down_known_bar=down_known,
        n_bars=horizon,
    )


def hit_rate(
    sign: ArrayLike, moves: FutureMoves, *, n_null: int = 10_000, seed: int = 0
) -> HitRate:
    """Return how often price goes where the signals point, against shuffled signs.

    Parameters
    ----------
    sign : ndarray of int8, shape (n_bars,), in {-1, 0, +1}
        +1 says that price will rise from the bar's close, -1 that it will fall, 0 nothing.
    moves : FutureMoves, n_bars elements
    n_null : int, >= 1
        Shuffles drawn.
    seed : int

    Returns
    -------
    HitRate

    Raises
    ------
    TypeError, ValueError
        A sign outside the domain, lengths differ, or ``n_null`` below 1.

    Notes
    -----
    Signals less than the horizon after the last one that counts are left out, so that no stretch
    of price is counted twice and signals count as independent. The null keeps the times of the
    rest and the number of each sign and permutes the signs: what is left of a rate above it is
    the signs' own, and no drift. Signals of one sign only have no other order: p is 1.
    Without a scored signal all shares and p are NaN. Source: permutation test, Fisher (1935).
    """
    signs = require_sign("sign", sign)
    require_same_length(sign=signs, moves=moves.is_up_hit)
    require_count("n_null", n_null, least=1)
    kept = np.empty(len(signs), np.bool_)
    _apart_nb(signs, moves.is_scored, min(moves.n_bars, len(signs)), kept)
    is_buy = signs[kept] > 0
    up, down = moves.is_up_hit[kept], moves.is_down_hit[kept]
    n, n_hits = len(is_buy), int(np.where(is_buy, up, down).sum())
    null = _shuffled_hits(up, down, int(is_buy.sum()), n_null, seed)
    low, high = np.quantile(null / n, (0.025, 0.975)) if n else (np.nan, np.nan)
    buys = is_buy.mean() if n else np.nan
    null_mean = buys * up.mean() + (1 - buys) * down.mean() if n else np.nan
    return HitRate(
        n_signals=int(np.count_nonzero(signs)),
        hits=wilson_interval(n_hits, n),
        null_mean=float(null_mean),
        null_low=float(low),
        null_high=float(high),
        p_more=_share_of_null(null >= n_hits) if n else float("nan"),
        p_less=_share_of_null(null <= n_hits) if n else float("nan"),
    )


def _shuffled_hits(up: Bool, down: Bool, n_buys: int, n_null: int, seed: int) -> Int64:
    # A shuffle hands the buys to n_buys of the signals. Against all sells it gains a hit where only
    # up hits and loses one where only down hits; how many of each it meets is hypergeometric.
    gains, losses = int((up & ~down).sum()), int((down & ~up).sum())
    kinds = [gains, losses, len(up) - gains - losses]
    rng = np.random.default_rng(seed)
    met = rng.multivariate_hypergeometric(kinds, n_buys, size=n_null, method="marginals")
    hits: Int64 = int(down.sum()) + met[:, 0] - met[:, 1]
    return hits


def _share_of_null(is_counted: Bool) -> float:
    return (1 + int(is_counted.sum())) / (1 + len(is_counted))


def _require_close_inside(high: Int64, low: Int64, close: Int64) -> None:
    outside = (close < low) | (close > high)
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(
            f"close_ticks must lie within the bar, got {close[i]} outside of [{low[i]}, {high[i]}] "
            f"at position {i}"
        )
