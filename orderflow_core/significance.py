"""Whether an imbalance is more than chance: exact binomial tests on sweeps, false discoveries held down."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells, checked_bars, footprint, row_of
from orderflow_core.imbalance import diagonal_pairs
from orderflow_core.imbalance_presets import GapPolicy
from orderflow_core.kernels.significance import _binomial_tails_nb, _step_up_nb
from orderflow_core.types import BarIndex, Bool, Float64
from orderflow_core.validate import (
    require_amount,
    require_float64,
    require_int64,
    require_not_negative,
    require_positive,
    require_same_length,
    require_sign,
    require_sorted,
    require_sum_fits,
)

# More sweeps than any bar holds; the sum of the terms of a tail grows with their square root.
MAX_THROWS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class SignificanceArrays:
    """Tests of each cell; shape (n_cells,).

    Attributes
    ----------
    p_buy, p_sell : ndarray of float64
        Chance that a fair coin gives the dominant side at least as many sweeps; NaN without a test.
    q_buy, q_sell : ndarray of float64
        Smallest false-discovery rate at which the test is a discovery, among all tests of the bar.
    is_buy, is_sell : ndarray of bool
        Whether it is one at the rate that was asked for.
    """

    p_buy: Float64
    p_sell: Float64
    q_buy: Float64
    q_sell: Float64
    is_buy: Bool
    is_sell: Bool

    def __len__(self) -> int:
        return len(self.p_buy)


def sweep_footprint(
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    sweep: ArrayLike,
    index: BarIndex,
    *,
    ticks_per_row: int,
    anchor_tick: int = 0,
) -> FootprintCells:
    """Return the footprint with sweeps counted in place of fills.

    Parameters
    ----------
    price_ticks, qty_lots, sign, index, ticks_per_row, anchor_tick
        As in `footprint`.
    sweep : ndarray of int64, shape (n_trades,), non-decreasing
        Ordinals from `assign_sweeps`.

    Returns
    -------
    FootprintCells
        Lots as in `footprint`. In ``n_bid``, ``n_ask`` and ``n_unsigned`` a sweep counts once in
        each row that it traded in, however many fills it had there.

    Raises
    ------
    TypeError, ValueError
        As `footprint`, or sweeps that run back.

    Notes
    -----
    Known at the bar's close. A sweep that a trade-driven bar divides counts in both bars. Fills of
    one order are not independent, so tests count orders. Source: docs/glossary.md.

    Examples
    --------
    Three fills of one buy at 10, 10, 11: rows 10 and 11 with ``n_ask`` 1 each.
    """
    price = require_int64("price_ticks", price_ticks)
    qty, signs = require_int64("qty_lots", qty_lots), require_sign("sign", sign)
    ordinal = require_int64("sweep", sweep)
    n = require_same_length(price_ticks=price, qty_lots=qty, sign=signs, sweep=ordinal)
    require_positive("qty_lots", qty)  # before fills are added up, which would hide a bad one
    require_sum_fits("qty_lots", int(qty.max(initial=0)), n)
    require_sorted("sweep", ordinal)
    bar_id, first, end = checked_bars(index, n)
    row = row_of(price, ticks_per_row, anchor_tick)
    is_start = np.ones(n + 1, np.bool_)
    is_start[1:n] = (
        (ordinal[1:] != ordinal[:-1]) | (row[1:] != row[:-1]) | (signs[1:] != signs[:-1])
    )
    is_start[first] = is_start[end] = True
    starts = np.flatnonzero(is_start[:n])
    merged = np.add.reduceat(qty, starts) if n else qty
    at = np.cumsum(is_start) - 1
    bars = BarIndex(
        bar_id=bar_id, t0_ns=index.t0_ns, t1_ns=index.t1_ns, first_idx=at[first], end_idx=at[end]
    )
    return footprint(
        price[starts],
        merged,
        signs[starts],
        bars,
        ticks_per_row=ticks_per_row,
        anchor_tick=anchor_tick,
    )


def binomial_tail(k: ArrayLike, n: ArrayLike) -> Float64:
    """Return the chance of at least ``k`` heads in ``n`` throws of a fair coin.

    Parameters
    ----------
    k, n : ndarray of int64, shape (m,), >= 0
        ``n`` at most 2**31.

    Returns
    -------
    ndarray of float64, shape (m,)
        1 where ``k`` is 0, 0 where it is above ``n``, NaN where ``n`` is 0.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a number that is negative or too large.

    Notes
    -----
    The sum of the terms, not an approximation by a normal; relative error below 1e-9 up to n of
    100,000. Chances below about 1e-308 come out as 0.

    Examples
    --------
    >>> binomial_tail([3, 2, 0], [3, 3, 3])
    array([0.125, 0.5  , 1.   ])
    """
    heads, throws = require_int64("k", k), require_int64("n", n)
    require_same_length(k=heads, n=throws)
    require_not_negative("k", heads)
    require_not_negative("n", throws)
    if throws.max(initial=0) > MAX_THROWS:
        raise ValueError(f"n must be at most 2**31, got {throws.max()}")
    tails = np.empty(len(heads))
    _binomial_tails_nb(np.minimum(heads, throws), throws, tails)
    tails[(heads > throws) & (throws > 0)] = 0.0
    return tails


def benjamini_hochberg(p: ArrayLike, group: ArrayLike) -> Float64:
    """Return the smallest false-discovery rate at which each test is a discovery in its group.

    Parameters
    ----------
    p : ndarray of float64, shape (m,), in [0, 1] or NaN
        NaN is no test: it stays NaN and does not count.
    group : ndarray of int64, shape (m,)

    Returns
    -------
    ndarray of float64, shape (m,)
        Adjusted values: of the tests of a group with values at most r, a share of r at most is
        expected to be false.

    Raises
    ------
    TypeError, ValueError
        Not floats (integers), lengths differ, or a p outside [0, 1].

    Notes
    -----
    Equal p get equal values. Source: Benjamini, Hochberg (1995), *JRSS B* 57.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5]), np.zeros(4, np.int64))
    array([0.04      , 0.05333333, 0.05333333, 0.5       ])
    """
    values, groups = require_float64("p", p), require_int64("group", group)
    require_same_length(p=values, group=groups)
    is_test = ~np.isnan(values)
    if ((values[is_test] < 0) | (values[is_test] > 1)).any():
        raise ValueError(
            f"p must lie in [0, 1], got {values[is_test].min()} to {values[is_test].max()}"
        )
    order = np.flatnonzero(is_test)[np.lexsort((values[is_test], groups[is_test]))]
    ordered = groups[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(ordered))
    adjusted = np.empty(len(order))
    _step_up_nb(values[order], ends, adjusted)
    q = np.full(len(values), np.nan)
    q[order] = adjusted
    return q


def significant_imbalances(
    cells: FootprintCells,
    *,
    ticks_per_row: int,
    gap_policy: GapPolicy,
    false_discovery_rate: float,
) -> SignificanceArrays:
    """Return which diagonal imbalances are more than chance, bar by bar.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
        With sweeps counted, as `sweep_footprint` makes them: fills of one order are no independent
        throws.
    ticks_per_row : int, > 0
    gap_policy : {"zero", "break", "skip"}
        As in `diagonal_imbalance`.
    false_discovery_rate : float, in (0, 1]
        Share of false ones expected among the discoveries of a bar.

    Returns
    -------
    SignificanceArrays

    Raises
    ------
    TypeError, ValueError
        As `diagonal_imbalance`, a rate that is not in (0, 1], or more than 2**31 sweeps in a test.

    Notes
    -----
    Buy test of row k: the chance of at least ``n_ask(k)`` among ``n_ask(k) + n_bid(k-1)`` when both
    sides are equally likely; sell test the mirror. No test where neither side traded or where there
    is no row to compare with. Buy and sell tests of a bar are one family. Known at the bar's close.
    Source: own definition (docs/glossary.md); Benjamini, Hochberg (1995).

    Examples
    --------
    9 buy sweeps over 1 sell sweep: p = (10 + 1) / 1024 = 0.0107.
    """
    rate = require_amount("false_discovery_rate", false_discovery_rate, is_zero_allowed=False)
    if rate > 1:
        raise ValueError(f"false_discovery_rate must be at most 1, got {rate}")
    pairs = diagonal_pairs(
        cells, ticks_per_row=ticks_per_row, gap_policy=gap_policy, quantity="trades"
    )
    p = np.concatenate(
        [
            np.where(
                pairs.has_buy_test, binomial_tail(pairs.ask, pairs.ask + pairs.bid_below), np.nan
            ),
            np.where(
                pairs.has_sell_test, binomial_tail(pairs.bid, pairs.bid + pairs.ask_above), np.nan
            ),
        ]
    )
    q = benjamini_hochberg(p, np.tile(cells.bar_id, 2))
    (p_buy, p_sell), (q_buy, q_sell) = np.split(p, 2), np.split(q, 2)
    return SignificanceArrays(
        p_buy=p_buy,
        p_sell=p_sell,
        q_buy=q_buy,
        q_sell=q_sell,
        is_buy=q_buy <= rate,
        is_sell=q_sell <= rate,
    )
