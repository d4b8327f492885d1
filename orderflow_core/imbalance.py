"""Diagonal imbalances of a footprint, and runs of them.

Row height, what a zero on the other side means and what an untraded row means decide more of the
result than the ratio does, and platforms disagree on each: every rule is a mandatory argument.
"""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells
from orderflow_core.types import Bool, Int64
from orderflow_core.validate import (
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sum_fits,
)

Compare: TypeAlias = Literal["gt", "ge"]
ZeroOpposite: TypeAlias = Literal["counts", "skipped"]
GapPolicy: TypeAlias = Literal["zero", "break", "skip"]


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
    ratio_num, ratio_den : int, > 0
        The ratio as a fraction (300 % is 3 / 1): compared as ``own * den`` with ``opposite * num``
        in integers.
    compare : {"gt", "ge"}
        Whether a ratio that is met exactly counts (ge) or not (gt).
    min_lots : int, >= 0
        Smallest volume of the dominant side, inclusive. A dominant side of 0 lots never counts.
    zero_opposite : {"counts", "skipped"}
        Whether any volume against nothing is an imbalance.
    gap_policy : {"zero", "break", "skip"}
        When the neighbouring row did not trade: ``zero`` takes it as (0, 0), so that
        `zero_opposite` decides; ``break`` compares nothing across it; ``skip`` takes the next
        traded row in its stead.

    Returns
    -------
    is_buy, is_sell : ndarray of bool, shape (n_cells,)
        The lowest row of a bar has no buy test, the highest no sell test.

    Raises
    ------
    TypeError, ValueError
        A rule is not one of the above, a number is out of range, the cells are not sorted or not
        on one grid of `ticks_per_row`, or products could leave int64.

    Notes
    -----
    Known when the bar is complete. Unsigned lots take no part. Source: ATAS "Imbalance" and
    "Stacked Imbalance" (gt, counts, skip; dominant side above 30 lots), ATAS "Imbalance Ratio" (ge,
    skipped), Sierra Chart "Numbers Bars" for the diagonal.

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
    num = require_positive_scalar("ratio_num", ratio_num)
    den = require_positive_scalar("ratio_den", ratio_den)
    if min_lots < 0:
        raise ValueError(f"min_lots must not be negative, got {min_lots}")
    _require_choice("compare", compare, ("gt", "ge"))
    _require_choice("zero_opposite", zero_opposite, ("counts", "skipped"))
    _require_choice("gap_policy", gap_policy, ("zero", "break", "skip"))
    has_below, is_adjacent = _neighbours(cells, ticks_per_row)
    bid = require_int64("cells.bid_lots", cells.bid_lots)
    ask = require_int64("cells.ask_lots", cells.ask_lots)
    require_sum_fits("ratio", max(int(bid.max(initial=0)), int(ask.max(initial=0))), max(num, den))

    is_compared = has_below & is_adjacent if gap_policy == "break" else has_below
    # Element i of the tests below is the pair (cell i, cell i - 1): the lower row gives its bid to
    # the buy test of the upper one, the upper row its ask to the sell test of the lower one.
    is_seen = np.ones(len(bid), np.bool_) if gap_policy == "skip" else is_adjacent
    bid_below = np.where(is_seen, np.roll(bid, 1), 0)
    ask_above = np.where(is_seen, ask, 0)
    rule = (num, den, compare, max(min_lots, 1), zero_opposite)
    is_buy = is_compared & _dominates(ask, bid_below, *rule)
    is_sell_below = is_compared & _dominates(np.roll(bid, 1), ask_above, *rule)
    return is_buy, np.roll(is_sell_below, -1)


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
    _require_choice("gap_policy", gap_policy, ("zero", "break", "skip"))
    has_below, is_adjacent = _neighbours(cells, ticks_per_row)
    is_joined = has_below if gap_policy == "skip" else has_below & is_adjacent
    flags = []
    for name, values in (("is_buy", is_buy), ("is_sell", is_sell)):
        flag = np.asarray(values)
        if flag.dtype != np.bool_:
            raise TypeError(f"{name} must hold booleans, got dtype {flag.dtype}")
        require_same_length(cells=cells.bar_id, **{name: flag})
        flags.append(flag)
    return _run_lengths(flags[0], is_joined), _run_lengths(flags[1], is_joined)


def _neighbours(cells: FootprintCells, ticks_per_row: int) -> tuple[Bool, Bool]:
    # Per cell: is the cell before it of the same bar, and is that one the very next row below?
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    bar = require_int64("cells.bar_id", cells.bar_id)
    price = require_int64("cells.price_tick", cells.price_tick)
    require_same_length(
        bar_id=bar, price_tick=price, bid_lots=cells.bid_lots, ask_lots=cells.ask_lots
    )
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


def _dominates(
    own: Int64,
    opposite: Int64,
    num: int,
    den: int,
    compare: Compare,
    min_lots: int,
    zero_opposite: ZeroOpposite,
) -> Bool:
    is_over = own * den > opposite * num if compare == "gt" else own * den >= opposite * num
    is_large = own >= min_lots
    is_allowed = (opposite > 0) | (zero_opposite == "counts")
    return np.asarray(is_over & is_large & is_allowed, dtype=np.bool_)


def _run_lengths(is_flagged: Bool, is_joined: Bool) -> Int64:
    # A run starts where a flagged cell does not continue the flagged cell below it.
    continues = is_flagged & is_joined & np.roll(is_flagged, 1)
    run = np.cumsum(is_flagged & ~continues)
    n_levels = np.bincount(run[is_flagged], minlength=len(run) + 1)
    return np.where(is_flagged, n_levels[run], 0).astype(np.int64)


def _require_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
