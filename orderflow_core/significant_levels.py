"""Significant levels: rows of the session so far that one side dominates on much volume."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells
from orderflow_core.kernels.significant_levels import _significant_levels_nb
from orderflow_core.profile import ProfileRows
from orderflow_core.session_profile import SessionLadder, session_ladders
from orderflow_core.types import Int8, Int64
from orderflow_core.validate import INT64_MAX, require_int64, require_positive_scalar
from orderflow_core.value_area import MAX_SPAN_TICKS


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRule:
    """What makes a row significant.

    Attributes
    ----------
    share_num, share_den : int
        One side must hold more than this share of the row's lots, unsigned lots among them; at
        least 1/2. Default 7/10.
    top_num, top_den : int
        The row must be among this share of the session's traded rows by volume. Default 1/5.
    """

    share_num: int = 7
    share_den: int = 10
    top_num: int = 1
    top_den: int = 5


DEFAULT_RULE = LevelRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBirths:
    """Rows at the bar that first made them significant on a side; int64 of shape (n_births,).

    Attributes
    ----------
    bar_id
        Bar at whose close the level was known; not decreasing.
    level_tick
        Lowest tick of the row; rising within a bar.
    level_sign
        +1 where buyers dominate, -1 where sellers do.
    level_lots
        Lots of the row then.
    """

    bar_id: Int64
    level_tick: Int64
    level_sign: Int64
    level_lots: Int64

    def __len__(self) -> int:
        return len(self.bar_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignificantLevels:
    """What is significant at each bar's close; int64 of shape (n_bars,), and the births.

    Attributes
    ----------
    bar_id
        As in the footprint.
    level_tick, level_sign, level_lots
        The level nearest to the close: lowest tick of its row, +1 where buyers dominate and -1
        where sellers do, its lots; all 0 where there is no level.
    n_buy_levels, n_sell_levels
        Levels by dominating side.
    births : LevelBirths
        Levels that the bars brought.
    """

    bar_id: Int64
    level_tick: Int64
    level_sign: Int64
    level_lots: Int64
    n_buy_levels: Int64
    n_sell_levels: Int64
    births: LevelBirths

    def __len__(self) -> int:
        return len(self.bar_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    """The session so far.

    Attributes
    ----------
    profile : ProfileRows
    born : ndarray of int8, shape (n_rows,)
        Sides on which each row has been significant: 1 buyers, 2 sellers, 3 both.
    """

    profile: ProfileRows
    born: Int8


def significant_levels(
    cells: FootprintCells,
    close_ticks: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
    rule: LevelRule = DEFAULT_RULE,
) -> SignificantLevels:
    """Return the significant rows of the session so far at each bar close.

    A row is significant when one side holds more than 70 % of its lots and the row is among the
    heaviest 20 % of the rows that the session has traded *so far*.

    Parameters
    ----------
    cells : FootprintCells
        Footprint of the bars in time order.
    close_ticks : ndarray of int64, shape (n_bars,), unit ticks
        Last price of each bar.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session; the very first one does in any case.
    ticks_per_row : int, > 0
        Row height that `cells` was made with.
    rule : LevelRule

    Returns
    -------
    SignificantLevels
        Empty without bars. Distance is 0 for a close inside the row, else to its nearest tick. Of
        equally near levels the one with more lots, of equal ones the lower.

    Raises
    ------
    TypeError, ValueError
        As `continue_significant_levels`.

    Notes
    -----
    Point in time: element i knows the session's bars up to and with i, and is never revised; a row
    may cease to be significant. Top share: the k heaviest of n traded rows, k = share * n rounded
    up; rows as heavy as the k-th count. What became of levels is in
    `orderflow_core.level_outcomes`. Source: docs/glossary.md, "Significant levels".

    Examples
    --------
    Rows 10, 11, 12, 13, 14 with lots 9 (8 by buyers), 5, 4, 4, 2: the top fifth is one row, row 10,
    and 8/9 > 7/10: one level at 10, side +1.
    """
    return continue_significant_levels(
        None, cells, close_ticks, session_start_bar, ticks_per_row=ticks_per_row, rule=rule
    )[0]


def continue_significant_levels(
    state: LevelState | None,
    cells: FootprintCells,
    close_ticks: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
    rule: LevelRule = DEFAULT_RULE,
) -> tuple[SignificantLevels, LevelState | None]:
    """Do as `significant_levels` for the next chunk of closed bars.

    Parameters
    ----------
    state : LevelState or None
        What the preceding chunk returned; None at the start.
    cells, close_ticks, session_start_bar, ticks_per_row, rule
        As in `significant_levels`. A bar never spreads over two chunks. The first bar goes on with
        the state's session unless 0 is among the starts.

    Returns
    -------
    levels : SignificantLevels
        Chunks together give the result of the whole, bit for bit.
    state : LevelState or None
        For the next chunk; as it came where there are no bars.

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.session_profile.session_ladders`; a close for not every bar; a rule out
        of its domain; lots that could leave int64 in a comparison of shares.
    """
    shares = _checked_rule(rule)
    profile = state.profile if state else None
    bar_id, ladders = session_ladders(
        profile, cells, session_start_bar, ticks_per_row=ticks_per_row
    )
    close = require_int64("close_ticks", close_ticks)
    if len(close) != len(bar_id):
        raise ValueError(f"close_ticks must have one a bar ({len(bar_id)}), got {len(close)}")
    levels = np.empty((len(bar_id), 6), np.int64)
    births = []
    for ladder in ladders:
        bars = slice(ladder.first_bar, ladder.end_bar)
        state, born_here = _session_levels(
            state if ladder.is_continued else None,
            ladder,
            close[bars],
            (*shares, ticks_per_row),
            levels[bars],
        )
        born_here[:, 0] += ladder.first_bar
        births.append(born_here)
    return _found(bar_id, levels, births), state


def _found(bar_id: Int64, levels: Int64, births: list[Int64]) -> SignificantLevels:
    born = np.concatenate([np.empty((0, 4), np.int64), *births])
    return SignificantLevels(
        bar_id=bar_id,
        level_tick=levels[:, 0],
        level_sign=levels[:, 1],
        level_lots=levels[:, 2],
        n_buy_levels=levels[:, 4],
        n_sell_levels=levels[:, 5],
        births=LevelBirths(
            bar_id=bar_id[born[:, 0]],
            level_tick=born[:, 1],
            level_sign=born[:, 2],
            level_lots=born[:, 3],
        ),
    )


def _session_levels(
    state: LevelState | None,
    ladder: SessionLadder,
    close: Int64,
    rule: tuple[tuple[int, int], tuple[int, int], int],
    levels: Int64,
) -> tuple[LevelState, Int64]:
    price, before = ladder.price_tick, ladder.before
    _require_products_fit(ladder, rule)
    lowest = int(price[0])
    farthest = max(abs(int(close.min()) - lowest), abs(int(close.max()) - lowest))
    if max(farthest, rule[2]) > MAX_SPAN_TICKS:
        raise ValueError(
            f"close_ticks must lie within 2**61 of the rows, got {farthest}, and ticks_per_row too, "
            f"got {rule[2]}"
        )
    born = np.zeros(len(price), np.int8)
    if state is not None:
        born[np.searchsorted(price, state.profile.price_tick)] = state.born
    bid, ask, unsigned = ladder.lots
    births = np.empty((2 * len(price), 4), np.int64)
    n_births = _significant_levels_nb(
        price - lowest,
        (before.bid_lots.copy(), before.ask_lots.copy(), before.volume_lots),
        born,
        (ladder.position, bid, ask, bid + ask + unsigned),
        (ladder.end_cell, close - lowest),
        rule,
        levels,
        births,
    )
    levels[:, 0] += np.where(levels[:, 1] != 0, lowest, 0)
    births = births[:n_births]
    births[:, 1] += lowest
    return LevelState(profile=ladder.after(), born=born), births


def _checked_rule(rule: LevelRule) -> tuple[tuple[int, int], tuple[int, int]]:
    share_num, share_den, top_num, top_den = (
        require_positive_scalar(f"rule.{field.name}", getattr(rule, field.name))
        for field in fields(rule)
    )
    if not share_den <= 2 * share_num <= 2 * share_den:
        raise ValueError(f"rule.share must be in [1/2, 1], got {share_num} / {share_den}")
    if top_num > top_den:
        raise ValueError(f"rule.top must be at most 1, got {top_num} / {top_den}")
    return (share_num, share_den), (top_num, top_den)


def _require_products_fit(
    ladder: SessionLadder, rule: tuple[tuple[int, int], tuple[int, int], int]
) -> None:
    (_, share_den), (_, top_den), _ = rule
    lots = int(ladder.before.volume_lots.sum()) + sum(int(side.sum()) for side in ladder.lots)
    if lots * share_den > INT64_MAX or (len(ladder.row) + 1) * top_den > INT64_MAX:
        raise ValueError(f"rule and cells may overflow int64: shares of {lots} lots")
