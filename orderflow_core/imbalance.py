"""Diagonal imbalances of a footprint, and runs of them.

Row height, what a zero on the other side means and what an untraded row means decide more of the
result than the ratio does, and platforms disagree on each: every rule is a mandatory argument.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells
from orderflow_core.imbalance_presets import (
    Compare,
    FilterOn,
    GapPolicy,
    ImbalanceRule,
    Quantity,
    ZeroOpposite,
)
from orderflow_core.types import Bool, Int64
from orderflow_core.validate import (
    require_choice,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagonalPairs:
    """What the tests of each cell compare; arrays of shape (n_cells,).

    Attributes
    ----------
    has_buy_test, has_sell_test : ndarray of bool
        Whether there is a row below (above) to compare with.
    sees_below : ndarray of bool
        Whether that row below is the cell before this one, and not an untraded row.
    ask, bid_below, bid, ask_above : ndarray of int64
        The buy test sets the first against the second, the sell test the third against the fourth.
    """

    has_buy_test: Bool
    has_sell_test: Bool
    sees_below: Bool
    ask: Int64
    bid_below: Int64
    bid: Int64
    ask_above: Int64


def diagonal_imbalance(
    cells: FootprintCells,
    *,
    ticks_per_row: int,
    ratio_num: int,
    ratio_den: int,
    compare: Compare,
    min_lots: int,
    zero_opposite: ZeroOpposite,
    gap_policy: GapPolicy,
    filter_on: FilterOn = "dominant",
    quantity: Quantity = "lots",
) -> tuple[Bool, Bool]:
    """Return where buyers (sellers) outweigh the sellers (buyers) they compete with, diagonally.

    A buy imbalance at row k compares the ask of k with the bid of the row below, a sell imbalance
    the bid of k with the ask of the row above: what lifted an offer against what hit the bid next
    to it.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    ticks_per_row : int, > 0
        Row height that `cells` was made with.
    ratio_num, ratio_den, compare, min_lots, zero_opposite, gap_policy, filter_on, quantity
        As in `ImbalanceRule`. A dominant side of 0 never counts.

    Returns
    -------
    is_buy, is_sell : ndarray of bool, shape (n_cells,)
        The lowest row of a bar has no buy test, the highest no sell test.

    Raises
    ------
    TypeError, ValueError
        A rule is not one of those allowed, a number is out of range, the cells are not sorted or
        not on one grid of `ticks_per_row`, hold a negative amount, or products could leave int64.

    Notes
    -----
    Known when the bar is complete. Unsigned lots take no part in the comparison. Source: Sierra
    Chart "Numbers Bars" for the diagonal; `orderflow_core.imbalance_presets` for what platforms do.

    Examples
    --------
    >>> one = np.zeros(2, np.int64)
    >>> cells = FootprintCells(
    ...     bar_id=one, price_tick=np.array([10, 11]), bid_lots=np.array([2, 0]),
    ...     ask_lots=np.array([0, 7]), unsigned_lots=one, n_bid=one, n_ask=one, n_unsigned=one)
    >>> diagonal_imbalance(cells, ticks_per_row=1, ratio_num=3, ratio_den=1, compare="gt",
    ...     min_lots=0, zero_opposite="skipped", gap_policy="zero")
    (array([False,  True]), array([False, False]))
    """
    rule = ImbalanceRule(
        ratio_num=ratio_num,
        ratio_den=ratio_den,
        compare=compare,
        min_lots=min_lots,
        zero_opposite=zero_opposite,
        gap_policy=gap_policy,
        filter_on=filter_on,
        quantity=quantity,
    )
    return imbalance_by_rule(cells, rule, ticks_per_row=ticks_per_row)


def imbalance_by_rule(
    cells: FootprintCells, rule: ImbalanceRule, *, ticks_per_row: int
) -> tuple[Bool, Bool]:
    """Do as `diagonal_imbalance`, with the rules in one object.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    rule : ImbalanceRule
    ticks_per_row : int, > 0

    Returns
    -------
    is_buy, is_sell : ndarray of bool, shape (n_cells,)

    Raises
    ------
    TypeError, ValueError
        As `diagonal_imbalance`.
    """
    pairs, lots = (
        diagonal_pairs(
            cells, ticks_per_row=ticks_per_row, gap_policy=rule.gap_policy, quantity=quantity
        )
        for quantity in (rule.quantity, "lots")
    )
    largest = max(int(pairs.ask.max(initial=0)), int(pairs.bid.max(initial=0)))
    require_sum_fits("ratio", largest, max(rule.ratio_num, rule.ratio_den))
    total = cells.volume_lots
    total_below = np.where(pairs.sees_below, np.roll(total, 1), 0)
    total_above = np.where(np.roll(pairs.sees_below, -1), np.roll(total, -1), 0)
    is_buy = (
        pairs.has_buy_test
        & _dominates(pairs.ask, pairs.bid_below, rule)
        & _is_large(lots.ask, lots.bid_below, total_below, total + total_below, rule)
    )
    is_sell = (
        pairs.has_sell_test
        & _dominates(pairs.bid, pairs.ask_above, rule)
        & _is_large(lots.bid, lots.ask_above, total, total + total_above, rule)
    )
    return is_buy, is_sell


def diagonal_pairs(
    cells: FootprintCells, *, ticks_per_row: int, gap_policy: GapPolicy, quantity: Quantity
) -> DiagonalPairs:
    """Return what each cell's buy and sell test compare.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    ticks_per_row : int, > 0
    gap_policy : {"zero", "break", "skip"}
    quantity : {"lots", "trades"}
        Columns ``*_lots`` or ``n_*`` of the cells.

    Returns
    -------
    DiagonalPairs
        A neighbour that did not trade stands as 0, unless `gap_policy` says otherwise.

    Raises
    ------
    TypeError, ValueError
        As `diagonal_imbalance`.

    Notes
    -----
    Known when the bar is complete. Bars do not see each other. No cells: empty arrays.
    """
    require_choice("gap_policy", gap_policy, ("zero", "break", "skip"))
    has_below, is_adjacent = _neighbours(cells, ticks_per_row)
    bid, ask = (
        (cells.bid_lots, cells.ask_lots) if quantity == "lots" else (cells.n_bid, cells.n_ask)
    )
    bid, ask = require_int64("cells.bid", bid), require_int64("cells.ask", ask)
    has_buy_test = has_below & is_adjacent if gap_policy == "break" else has_below
    sees_below = has_below if gap_policy == "skip" else is_adjacent
    return DiagonalPairs(
        has_buy_test=has_buy_test,
        has_sell_test=np.roll(has_buy_test, -1),
        sees_below=sees_below,
        ask=ask,
        bid_below=np.where(sees_below, np.roll(bid, 1), 0),
        bid=bid,
        ask_above=np.where(np.roll(sees_below, -1), np.roll(ask, -1), 0),
    )


def stacked_levels(
    cells: FootprintCells,
    is_buy: ArrayLike,
    is_sell: ArrayLike,
    *,
    ticks_per_row: int,
    gap_policy: GapPolicy,
) -> tuple[Int64, Int64]:
    """Return the length of the run of imbalances, in price rows, that each cell belongs to.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    is_buy, is_sell : ndarray of bool, shape (n_cells,)
        As `diagonal_imbalance` returns them.
    ticks_per_row : int, > 0
    gap_policy : {"zero", "break", "skip"}
        An untraded row ends a run under ``zero`` and ``break``, and is passed over under ``skip``.

    Returns
    -------
    buy_levels, sell_levels : ndarray of int64, shape (n_cells,)
        0 where the cell is no imbalance of that side. A stack of n levels is a run of at least n;
        runs never cross bars.

    Raises
    ------
    TypeError, ValueError
        As in `diagonal_imbalance`, or a flag array is not bool or has another length.

    Notes
    -----
    Known when the bar is complete. Source: ATAS "Stacked Imbalance" (3 levels).

    Examples
    --------
    >>> one = np.zeros(3, np.int64)
    >>> cells = FootprintCells(
    ...     bar_id=one, price_tick=np.array([10, 11, 12]), bid_lots=one, ask_lots=one,
    ...     unsigned_lots=one, n_bid=one, n_ask=one, n_unsigned=one)
    >>> stacked_levels(cells, np.array([False, True, True]), np.array([False, False, False]),
    ...     ticks_per_row=1, gap_policy="zero")
    (array([0, 2, 2]), array([0, 0, 0]))
    """
    levels = []
    for name, values in (("is_buy", is_buy), ("is_sell", is_sell)):
        flag = np.asarray(values)
        if flag.dtype != np.bool_:
            raise TypeError(f"{name} must hold booleans, got dtype {flag.dtype}")
        require_same_length(cells=cells.bar_id, **{name: flag})
        first, last = run_bounds(cells, flag, ticks_per_row=ticks_per_row, gap_policy=gap_policy)
        n_levels = np.zeros(len(flag), np.int64)
        n_levels[flag] = np.repeat(last - first + 1, last - first + 1)
        levels.append(n_levels)
    return levels[0], levels[1]


def run_bounds(
    cells: FootprintCells, is_flagged: Bool, *, ticks_per_row: int, gap_policy: GapPolicy
) -> tuple[Int64, Int64]:
    """Return the first and the last cell of each run of flagged rows.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    is_flagged : ndarray of bool, shape (n_cells,)
    ticks_per_row : int, > 0
    gap_policy : {"zero", "break", "skip"}
        As in `stacked_levels`.

    Returns
    -------
    first_cell, last_cell : ndarray of int64, shape (n_runs,)
        Both inclusive; the cells of a run follow each other.

    Raises
    ------
    TypeError, ValueError
        As `stacked_levels`.
    """
    require_choice("gap_policy", gap_policy, ("zero", "break", "skip"))
    has_below, is_adjacent = _neighbours(cells, ticks_per_row)
    is_joined = has_below if gap_policy == "skip" else is_adjacent
    continues = is_flagged & is_joined & np.roll(is_flagged, 1)
    is_last = is_flagged & ~np.roll(continues, -1)
    return np.flatnonzero(is_flagged & ~continues), np.flatnonzero(is_last)


def _neighbours(cells: FootprintCells, ticks_per_row: int) -> tuple[Bool, Bool]:
    # Per cell: is the cell before it of the same bar, and is that one the very next row below?
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    bar = require_int64("cells.bar_id", cells.bar_id)
    price = require_int64("cells.price_tick", cells.price_tick)
    amounts = {
        name: require_int64(f"cells.{name}", getattr(cells, name))
        for name in ("bid_lots", "ask_lots", "unsigned_lots", "n_bid", "n_ask")
    }
    require_same_length(bar_id=bar, price_tick=price, **amounts)
    for name, values in amounts.items():
        if values.min(initial=0) < 0:
            raise ValueError(f"cells.{name} must not be negative, got {values.min()}")
        require_sum_fits(f"cells.{name}", int(values.max(initial=0)), 6)
    has_below = np.zeros(len(bar), np.bool_)
    has_below[1:] = bar[1:] == bar[:-1]
    step = np.zeros(len(bar), np.int64)
    step[1:] = price[1:] - price[:-1]
    is_bad = (has_below & (step <= 0)) | (step % height != 0)
    is_bad[1:] |= bar[1:] < bar[:-1]
    if is_bad.any():
        i = int(np.argmax(is_bad))
        raise ValueError(
            f"cells must be sorted by (bar_id, price_tick) on rows of {height} ticks, "
            f"got ({bar[i]}, {price[i]}) after ({bar[i - 1]}, {price[i - 1]})"
        )
    return has_below, has_below & (step == height)


def _dominates(own: Int64, opposite: Int64, rule: ImbalanceRule) -> Bool:
    ours, theirs = own * rule.ratio_den, opposite * rule.ratio_num
    is_over = ours > theirs if rule.compare == "gt" else ours >= theirs
    is_allowed = (opposite > 0) | (rule.zero_opposite == "counts")
    return np.asarray((own > 0) & is_over & is_allowed, dtype=np.bool_)


def _is_large(
    own: Int64, opposite: Int64, total_lower: Int64, total_both: Int64, rule: ImbalanceRule
) -> Bool:
    filtered = {
        "dominant": own,
        "difference": own - opposite,
        "both_rows": total_both,
        "lower_row": total_lower,
    }[rule.filter_on]
    return np.asarray(filtered >= rule.min_lots, dtype=np.bool_)
