"""Imbalances per bar: how many, how long their runs, and each stacked run as a record."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.footprint import FootprintCells
from orderflow_core.imbalance import imbalance_by_rule, run_bounds
from orderflow_core.imbalance_presets import ImbalanceRule
from orderflow_core.types import Bool, Int8, Int64
from orderflow_core.validate import require_positive_scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceColumns:
    """Imbalances of each bar; int64 arrays of shape (n_bars,), in the order of the cells.

    Attributes
    ----------
    bar_id
        As in the cells: each bar holds a trade, so each has a cell.
    n_buy, n_sell
        Rows with a buy (sell) imbalance.
    stacked_buy, stacked_sell
        Rows in the longest run of them, 0 without any.
    """

    bar_id: Int64
    n_buy: Int64
    n_sell: Int64
    stacked_buy: Int64
    stacked_sell: Int64

    def __len__(self) -> int:
        return len(self.bar_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackArrays:
    """Stacked imbalances, sorted by bar, sells before buys, rising price; shape (n_stacks,).

    Attributes
    ----------
    bar_id : ndarray of int64
    sign : ndarray of int8
        +1 buy imbalances, -1 sell imbalances.
    low_tick, high_tick : ndarray of int64
        Lowest and highest price of the run, both inclusive: of a buy imbalance the row is that of
        the ask, of a sell imbalance that of the bid.
    n_levels : ndarray of int64
        Imbalanced rows in the run.
    """

    bar_id: Int64
    sign: Int8
    low_tick: Int64
    high_tick: Int64
    n_levels: Int64

    def __len__(self) -> int:
        return len(self.bar_id)


def imbalance_columns(
    cells: FootprintCells, rule: ImbalanceRule, *, ticks_per_row: int
) -> ImbalanceColumns:
    """Return how many imbalances each bar has and how long their longest run is.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
        Of complete bars.
    rule : ImbalanceRule
    ticks_per_row : int, > 0
        Row height that `cells` was made with.

    Returns
    -------
    ImbalanceColumns
        One element a bar that has a cell.

    Raises
    ------
    TypeError, ValueError
        As `imbalance_by_rule`.

    Notes
    -----
    Known at the bar's close. A bar's columns depend on its own cells only, so bars may be given in
    any portions without a state. No cells: empty arrays. Source: docs/glossary.md.

    Examples
    --------
    Ask 9 over bid 2 at 300 %, strictly greater: one buy imbalance, in a run of one.
    """
    flags = imbalance_by_rule(cells, rule, ticks_per_row=ticks_per_row)
    first = np.flatnonzero(np.diff(cells.bar_id, prepend=cells.bar_id[:1] - 1))
    counts, longest = [], []
    for flag in flags:
        low, high = run_bounds(cells, flag, ticks_per_row=ticks_per_row, gap_policy=rule.gap_policy)
        n_levels = np.zeros(len(flag), np.int64)
        n_levels[low] = high - low + 1
        counts.append(np.add.reduceat(flag, first, dtype=np.int64) if len(first) else first)
        longest.append(np.maximum.reduceat(n_levels, first) if len(first) else first)
    return ImbalanceColumns(
        bar_id=cells.bar_id[first],
        n_buy=counts[0],
        n_sell=counts[1],
        stacked_buy=longest[0],
        stacked_sell=longest[1],
    )


def stacked_imbalances(
    cells: FootprintCells, rule: ImbalanceRule, *, ticks_per_row: int, min_levels: int
) -> StackArrays:
    """Return the runs of at least ``min_levels`` imbalances of one side.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
        Of complete bars.
    rule : ImbalanceRule
        Its gap policy also says whether a run passes over untraded rows.
    ticks_per_row : int, > 0
    min_levels : int, > 0
        ATAS takes 3.

    Returns
    -------
    StackArrays

    Raises
    ------
    TypeError, ValueError
        As `imbalance_by_rule`, or ``min_levels`` is not positive.

    Notes
    -----
    Known at the bar's close; runs never cross bars. No cells: no stacks. Source: ATAS "Stacked
    Imbalance" (prices of the ask for buys, of the bid for sells).

    Examples
    --------
    Buy imbalances at 11, 12 and 13, rows of one tick: one stack from 11 to 13, of 3 levels.
    """
    minimum = require_positive_scalar("min_levels", min_levels)
    is_buy, is_sell = imbalance_by_rule(cells, rule, ticks_per_row=ticks_per_row)
    sides = [
        _runs_of(cells, is_sell, -1, rule, ticks_per_row),
        _runs_of(cells, is_buy, 1, rule, ticks_per_row),
    ]
    bar_id, sign, low, high, n_levels = np.concatenate(sides, axis=1)
    order = np.lexsort((low, sign, bar_id))
    kept = order[n_levels[order] >= minimum]
    return StackArrays(
        bar_id=bar_id[kept],
        sign=sign[kept].astype(np.int8),
        low_tick=low[kept],
        high_tick=high[kept],
        n_levels=n_levels[kept],
    )


def _runs_of(
    cells: FootprintCells, flag: Bool, sign: int, rule: ImbalanceRule, ticks_per_row: int
) -> Int64:
    # Rows: bar, sign, lowest tick, highest tick, levels.
    first, last = run_bounds(cells, flag, ticks_per_row=ticks_per_row, gap_policy=rule.gap_policy)
    return np.stack(
        [
            cells.bar_id[first],
            np.full(len(first), sign, np.int64),
            cells.price_tick[first],
            cells.price_tick[last] + (ticks_per_row - 1),
            last - first + 1,
        ]
    )
