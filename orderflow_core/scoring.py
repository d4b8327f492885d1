"""How often a classification rule is right, with honest intervals."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.intervals import Proportion, share_interval
from orderflow_core.kernels.scoring import _position_nb
from orderflow_core.sweeps import sweep_bounds
from orderflow_core.types import Float64, Int8, Int64, QuoteAtTrade
from orderflow_core.validate import (
    require_bool,
    require_float64,
    require_int64,
    require_not_negative,
    require_positive,
    require_same_length,
    require_sign,
    require_sum_fits,
)

# Where in the spread a trade was made, from below; the codes of `spread_position`.
POSITIONS: tuple[str, ...] = (
    "outside_below", "at_bid", "inside_below", "at_mid", "inside_above", "at_ask",
    "outside_above", "locked", "crossed", "no_quote",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How often a rule finds the true sign, with a 95 % interval; NaN where nothing is scored.

    Attributes
    ----------
    n : int
        Trades whose true sign is known.
    n_decided : int
        Those of them to which the rule gave a sign.
    accuracy, low, high : float
        Right ones over ``n``, by weight where weights were given.
    """

    n: int
    n_decided: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """One rule against the true side, seen in four ways.

    Attributes
    ----------
    per_fill : Score
        Each fill counts one; the interval knows that the fills of a sweep stand together.
    per_sweep : Score
        Each sweep counts one, by the sign of its first fill.
    by_volume : Score
        Each fill counts its lots; clustered by sweep.
    by_position : dict of str to Score
        As ``per_fill``, of the trades at each of `POSITIONS` that occurs, in that order.
    """

    per_fill: Score
    per_sweep: Score
    by_volume: Score
    by_position: dict[str, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeScore:
    """How much of the volume an estimate puts on the right side; NaN where nothing is scored.

    Attributes
    ----------
    n : int
        Bars that are scored.
    accuracy, low, high : float
        Share of the volume, with the 95 % interval of bars as clusters.
    even_split : float
        What halving each bar would score: an estimate that is no better knows nothing.
    """

    n: int
    accuracy: float
    low: float
    high: float
    even_split: float


def score_signs(
    rule_sign: ArrayLike,
    true_sign: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    cluster: ArrayLike | None = None,
) -> Score:
    """Return the share of right signs with its 95 % interval.

    Parameters
    ----------
    rule_sign, true_sign : ndarray of int8, shape (n,), in {-1, 0, +1}
        A trade whose true sign is 0 is left out; one that the rule leaves at 0 counts as wrong.
    weight : ndarray of float64 or integers, shape (n,), finite and not negative, optional
        For example the size; 1 without it.
    cluster : ndarray of int64, shape (n,), optional
        What is drawn as one: the sweep of each fill. Without it every trade counts as independent,
        which is far too narrow for fills.

    Returns
    -------
    Score

    Raises
    ------
    TypeError, ValueError
        Lengths differ, signs outside the domain, or a weight negative or not finite.

    Notes
    -----
    The interval is that of `orderflow_core.intervals.share_interval`: Wilson's with the effective
    number of trades. Source: Wilson (1927); Korn and Graubard (1998).

    Examples
    --------
    >>> score_signs(np.array([1, -1, 0]), np.array([1, 1, 1])).accuracy
    0.3333333333333333
    """
    guess, truth = require_sign("rule_sign", rule_sign), require_sign("true_sign", true_sign)
    weights = np.ones(len(truth)) if weight is None else np.asarray(weight)
    require_same_length(rule_sign=guess, true_sign=truth, weight=weights)
    # Without a true side a case weighs nothing, unless its weight is none at all: that is told.
    is_out = (truth == 0) & (weights < np.inf)
    weights = np.where(is_out, np.minimum(weights, 0), weights)
    found = share_interval(guess == truth, weights, cluster=cluster)
    scored = weights > 0
    return Score(
        n=found.n,
        n_decided=int((guess[scored] != 0).sum()),
        accuracy=found.value,
        low=found.low,
        high=found.high,
    )


def score_report(
    rule_sign: ArrayLike,
    true_sign: ArrayLike,
    *,
    qty_lots: ArrayLike,
    sweep: ArrayLike,
    position: ArrayLike | None = None,
) -> ScoreReport:
    """Return how often a rule is right per fill, per sweep, by volume and by position.

    Parameters
    ----------
    rule_sign, true_sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
        As in `score_signs`.
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sweep : ndarray of int64, shape (n_trades,)
        Ordinal of each fill's sweep (`orderflow_core.sweeps.assign_sweeps` of the true signs).
    position : ndarray of int8, shape (n_trades,), optional
        Codes of `spread_position`. Without it ``by_position`` is empty.

    Returns
    -------
    ScoreReport

    Raises
    ------
    TypeError, ValueError
        As `score_signs`; sizes that are not positive; codes outside `POSITIONS`.

    Notes
    -----
    Runs of fills flatter a rule, so the figure per sweep is the one to compare rules by.
    No trades: scores of nothing, and no position. Source: own definition (docs/glossary.md).
    """
    guess, truth = require_sign("rule_sign", rule_sign), require_sign("true_sign", true_sign)
    qty, group = require_int64("qty_lots", qty_lots), require_int64("sweep", sweep)
    require_positive("qty_lots", qty)
    require_same_length(rule_sign=guess, true_sign=truth, qty_lots=qty, sweep=group)
    first, _ = sweep_bounds(group)
    by_position = {}
    if position is not None:
        for code, where in _places(position, len(truth)):
            by_position[POSITIONS[code]] = score_signs(
                guess[where], truth[where], cluster=group[where]
            )
    return ScoreReport(
        per_fill=score_signs(guess, truth, cluster=group),
        per_sweep=score_signs(guess[first], truth[first]),
        by_volume=score_signs(guess, truth, qty, cluster=group),
        by_position=by_position,
    )


def spread_position(price_ticks: ArrayLike, at_trade: QuoteAtTrade) -> Int8:
    """Return where in the spread of the quote it met each trade was made.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, magnitude below 2**62
    at_trade : QuoteAtTrade, n_trades elements

    Returns
    -------
    ndarray of int8, shape (n_trades,)
        Position in `POSITIONS`.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or twice a price leaves int64.

    Notes
    -----
    Causal, as the join is. The first that holds counts: no quote known, crossed, outside below,
    outside above, locked (at both sides at once), at the bid, at the ask, and inside against the mid,
    exactly. Source: own definition (docs/glossary.md).

    Examples
    --------
    Bid 10, ask 13: 10 is at the bid, 11 inside below the mid of 11.5, 14 outside above.
    """
    price = require_int64("price_ticks", price_ticks)
    bid = require_int64("at_trade.bid_ticks", at_trade.bid_ticks)
    ask = require_int64("at_trade.ask_ticks", at_trade.ask_ticks)
    is_known = require_bool("at_trade.is_known", at_trade.is_known)
    require_same_length(price_ticks=price, bid_ticks=bid, ask_ticks=ask, is_known=is_known)
    for name, ticks in (("price_ticks", price), ("bid_ticks", bid), ("ask_ticks", ask)):
        require_sum_fits(name, max(-int(ticks.min(initial=0)), int(ticks.max(initial=0))), 2)
    code = np.empty(len(price), np.int8)
    _position_nb(price, bid, ask, is_known, code)
    return code


def score_volume(
    buy_lots: ArrayLike, true_buy_lots: ArrayLike, true_sell_lots: ArrayLike
) -> VolumeScore:
    """Return the share of the volume that an estimate of buy volume puts on the right side.

    Parameters
    ----------
    buy_lots : ndarray of float64, shape (n_bars,), unit lots
        Estimated; NaN where there is none: such bars are left out. The rest of a bar was sold.
    true_buy_lots, true_sell_lots : ndarray of int64, shape (n_bars,), unit lots, >= 0

    Returns
    -------
    VolumeScore

    Raises
    ------
    TypeError, ValueError
        Lengths differ, a true volume is negative, or an estimate lies outside its bar's volume.

    Notes
    -----
    ``sum(min(V_buy, B) + min(V_sell, S)) / sum(B + S)`` over bars. Bars without volume are left out.
    The interval is wide on purpose: it trusts the bars no more than as many that are right or wrong
    as a whole.
    Source: Easley, Lopez de Prado and O'Hara (2012); Chakrabarty, Pascual and Shkilko (2015).

    Examples
    --------
    >>> score_volume(np.array([8.0]), np.array([6]), np.array([4])).accuracy
    0.8
    """
    estimate = require_float64("buy_lots", buy_lots)
    buy = require_int64("true_buy_lots", true_buy_lots)
    sell = require_int64("true_sell_lots", true_sell_lots)
    require_same_length(buy_lots=estimate, true_buy_lots=buy, true_sell_lots=sell)
    volume = _checked_volume(estimate, buy, sell)
    scored = ~np.isnan(estimate) & (volume > 0)
    estimate, buy, sell, volume = estimate[scored], buy[scored], sell[scored], volume[scored]
    right = np.minimum(estimate, buy) + np.minimum(volume - estimate, sell)
    even = np.minimum(volume / 2, buy) + np.minimum(volume / 2, sell)
    found = _share_of_volume(right, volume)
    return VolumeScore(
        n=len(volume),
        accuracy=found.value,
        low=found.low,
        high=found.high,
        even_split=float(even.sum() / volume.sum()) if len(volume) else math.nan,
    )


def _checked_volume(estimate: Float64, buy: Int64, sell: Int64) -> Float64:
    require_not_negative("true_buy_lots", buy)
    require_not_negative("true_sell_lots", sell)
    volume = buy.astype(np.float64) + sell
    outside = (estimate < 0) | (estimate > volume)
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(
            f"buy_lots must lie within the bar's {volume[i]} lots, got {estimate[i]} at position {i}"
        )
    return volume


def _share_of_volume(right: Float64, volume: Float64) -> Proportion:
    # A bar is a cluster of two cases: its volume that is right and its volume that is not.
    n = len(volume)
    return share_interval(
        np.repeat([True, False], n),
        np.concatenate((right, np.maximum(volume - right, 0.0))),
        cluster=np.tile(np.arange(n), 2),
    )


def _places(position: ArrayLike, n: int) -> list[tuple[int, Int64]]:
    codes = require_int64("position", position)
    require_same_length(position=codes, trades=np.empty(n))
    outside = (codes < 0) | (codes >= len(POSITIONS))
    if outside.any():
        raise ValueError(f"position must be in 0..{len(POSITIONS) - 1}, got {codes[outside][0]}")
    return [(int(code), np.flatnonzero(codes == code)) for code in np.unique(codes)]
