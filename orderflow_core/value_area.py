"""Point of control and value area of a profile: the algorithms in use, and where they disagree."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.value_area import _levels_nb, _poc_nb
from orderflow_core.types import Int64
from orderflow_core.validate import (
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
    require_sum_fits,
)

ValueAreaAlgorithm: TypeAlias = Literal["two_row_A", "two_row_B", "one_row", "equal_split"]
ValueAreaTie: TypeAlias = Literal["above", "below", "both"]

# Twice the distance of two rows must stay in int64.
MAX_SPAN_TICKS = 2**61
MAX_SHARE_DEN = 2**31  # products of the share with a rest below its denominator stay in int64
_TIES: dict[ValueAreaTie, int] = {"above": 1, "below": -1, "both": 0}
# Rows a step, what a tie takes, whether more than the share is wanted.
_RULES: dict[ValueAreaAlgorithm, tuple[int, int, bool]] = {
    "two_row_A": (2, 1, False),
    "two_row_B": (2, 1, False),  # its tie is the caller's
    "one_row": (1, 1, True),
    "equal_split": (0, 1, False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueArea:
    """Point of control and the rows round it that hold the wanted share of the volume.

    Attributes
    ----------
    poc_tick, val_tick, vah_tick : int, unit ticks
        Lowest tick of the row of most volume, of the area's lowest and of its highest row. The
        area's edge may be a row that did not trade.
    volume_lots, total_lots : int, unit lots
        Volume inside the area, and of the whole profile.
    """

    poc_tick: int
    val_tick: int
    vah_tick: int
    volume_lots: int
    total_lots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueAreaRule:
    """A checked choice of share and algorithm, in the form that the kernels take.

    Attributes
    ----------
    share : tuple of int
        Numerator and denominator.
    rule : tuple of (int, int, bool)
        Rows a step (0: halves), what a tie takes (1 above, -1 below, 0 both), whether more than
        the share is wanted.
    """

    share: tuple[int, int]
    rule: tuple[int, int, bool]


def point_of_control(price_tick: ArrayLike, volume_lots: ArrayLike, *, ticks_per_row: int) -> int:
    """Return the position of the row with most volume.

    Parameters
    ----------
    price_tick : ndarray of int64, shape (n_rows,), unit ticks
        Lowest ticks of the rows, strictly increasing by multiples of `ticks_per_row`, at most
        2**61 apart. Rows left out count as 0 lots.
    volume_lots : ndarray of int64, shape (n_rows,), unit lots, >= 0
    ticks_per_row : int, > 0

    Returns
    -------
    int
        Position in `price_tick`. Of rows with equal volume the one closest to the middle of the
        traded range; of two that are equally close the one on the side of the middle that holds
        more volume; with equal sides the lower one.

    Raises
    ------
    TypeError, ValueError
        The rows break the rules above, or no row holds volume.

    Notes
    -----
    Rows without volume, given or left out, never change the result. Source: MyPivots, "Point of
    Control", for the order of the tie rules.

    Examples
    --------
    >>> point_of_control([10, 11, 12, 13], [5, 1, 1, 5], ticks_per_row=1)
    0
    """
    _, row, volume = _checked_rows(price_tick, volume_lots, ticks_per_row)
    traded = np.flatnonzero(volume)
    return int(_poc_nb(row, volume, int(traded[0]), int(traded[-1])))


def value_area(
    price_tick: ArrayLike,
    volume_lots: ArrayLike,
    *,
    ticks_per_row: int,
    share_num: int = 7,
    share_den: int = 10,
    algorithm: ValueAreaAlgorithm = "two_row_A",
    tie: ValueAreaTie | None = None,
) -> ValueArea:
    """Return the value area: rows grown from the point of control to a share of the volume.

    Parameters
    ----------
    price_tick, volume_lots, ticks_per_row
        As in `point_of_control`. Letters of a time profile take the place of lots.
    share_num, share_den : int, 0 < share_num <= share_den <= 2**31
        Share of the volume as a fraction, compared in integers; met exactly is enough, but for
        ``one_row``. Usual are 7/10 and 68/100.
    algorithm : {"two_row_A", "two_row_B", "one_row", "equal_split"}
        ``two_row_A``: compare the volume of the next two rows above with that of the next two
        below; add the two below only if they hold strictly more, else the two above; repeat until
        the share is reached. ``two_row_B``: add the pair that holds more; `tie` decides when they
        are equal. ``one_row``: one row at a time, below only if strictly more, until *more* than
        the share is inside. ``equal_split``: rows outward on each side until each holds half of
        what the share leaves after the point of control; what one side cannot give the other adds.
    tie : {"above", "below", "both"} or None
        For ``two_row_B``, and only there, without a default: which pair, or both, equal pairs add.

    Returns
    -------
    ValueArea
        ``val_tick <= poc_tick <= vah_tick``, and the area holds at least the share.

    Raises
    ------
    TypeError, ValueError
        As in `point_of_control`, or the share, the algorithm or the tie is not one of the above.

    Notes
    -----
    Untraded rows inside the range count as 0 lots. Past the edge a pair is what exists of it;
    where one side has no row left the other one grows. The area's edge may be an untraded row, but
    not with ``equal_split``. Linear in the rows that traded, however wide the range. Point of
    control ties as in `point_of_control`.

    Source: Investor/RT (Linn Software), value area methods A and B; ``one_row`` as MarketProfile
    0.2.0, which counts only rows that traded as neighbours: equal where no row is missing.

    Examples
    --------
    >>> value_area([10, 11, 12, 13], [1, 8, 2, 1], ticks_per_row=1)
    ValueArea(poc_tick=11, val_tick=11, vah_tick=13, volume_lots=11, total_lots=12)
    """
    chosen = value_area_rule(share_num, share_den, algorithm, tie)
    lowest, row, volume = _checked_rows(price_tick, volume_lots, ticks_per_row)
    poc, n_below, n_above, inside, total = _levels_nb(row, volume, chosen.share, chosen.rule)
    return ValueArea(
        poc_tick=lowest + int(poc) * ticks_per_row,
        val_tick=lowest + int(poc - n_below) * ticks_per_row,
        vah_tick=lowest + int(poc + n_above) * ticks_per_row,
        volume_lots=int(inside),
        total_lots=int(total),
    )


def value_area_rule(
    share_num: int, share_den: int, algorithm: ValueAreaAlgorithm, tie: ValueAreaTie | None
) -> ValueAreaRule:
    """Return the choice as the kernels take it; parameters and errors as in `value_area`."""
    num = require_positive_scalar("share_num", share_num)
    den = require_positive_scalar("share_den", share_den)
    if num > den:
        raise ValueError(f"share_num / share_den must be at most 1, got {num} / {den}")
    if den > MAX_SHARE_DEN:
        raise ValueError(f"share_den must be at most 2**31, got {den}")
    if algorithm not in _RULES:
        raise ValueError(f"algorithm must be one of {', '.join(_RULES)}, got {algorithm!r}")
    rows_a_step, chosen_tie, is_more = _RULES[algorithm]
    if algorithm == "two_row_B":
        if tie not in _TIES:
            raise ValueError(f"tie must be one of {', '.join(_TIES)} for two_row_B, got {tie!r}")
        chosen_tie = _TIES[tie]
    elif tie is not None:
        raise ValueError(f"tie must be None for {algorithm}, got {tie!r}")
    return ValueAreaRule(share=(num, den), rule=(rows_a_step, chosen_tie, is_more))


def _checked_rows(
    price_tick: ArrayLike, volume_lots: ArrayLike, ticks_per_row: int
) -> tuple[int, Int64, Int64]:
    # Lowest tick, rows counted from it, lots.
    price, row = rows_from_lowest("price_tick", price_tick, ticks_per_row)
    volume = require_int64("volume_lots", volume_lots)
    require_same_length(price_tick=price, volume_lots=volume)
    if (volume < 0).any():
        raise ValueError(f"volume_lots must not be negative, got {volume.min()}")
    if not volume.any():
        raise ValueError(
            f"volume_lots must hold volume in at least one row, got {len(volume)} rows"
        )
    require_sum_fits("volume_lots", int(volume.max()), len(volume))
    return int(price[0]), row, volume


def rows_from_lowest(name: str, price_tick: ArrayLike, ticks_per_row: int) -> tuple[Int64, Int64]:
    """Return checked prices of rows, and the rows counted from the lowest one.

    Parameters
    ----------
    name : str
        Argument that errors name.
    price_tick : ndarray of int64, shape (n_rows,), unit ticks
        Strictly increasing by multiples of `ticks_per_row`, at most 2**61 apart.
    ticks_per_row : int, > 0

    Returns
    -------
    price, row : ndarray of int64, shape (n_rows,)

    Raises
    ------
    TypeError, ValueError
        The prices break the rules above.
    """
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    price = require_int64(name, price_tick)
    require_sorted(name, price, strict=True)
    if len(price) and int(price[-1]) - int(price[0]) > MAX_SPAN_TICKS:
        raise ValueError(f"{name} must span at most 2**61 ticks, got {price[0]} to {price[-1]}")
    above_lowest = price - price[0] if len(price) else price
    row = above_lowest // height
    is_off = row * height != above_lowest
    if is_off.any():
        raise ValueError(
            f"{name} must rise by multiples of ticks_per_row {height}, "
            f"got {price[int(np.argmax(is_off))]} beside {price[0]}"
        )
    return price, row
