"""Zones that stacked imbalances leave behind: born at a bar's close, touched, filled, expired."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import MAX_ABS_TICKS, checked_bars
from orderflow_core.kernels.zones import _zones_nb
from orderflow_core.sessions import opens_session
from orderflow_core.stacks import StackArrays
from orderflow_core.types import BarIndex, Bool, Float64, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
)

NEVER = int(np.iinfo(np.int64).min)
_N_COLUMNS = 11
_FARTHEST_EDGE = 2 * MAX_ABS_TICKS  # distances from prices fit int64


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneArrays:
    """Zones in the order of their birth; shape (n_zones,), int64 but for the sign.

    Attributes
    ----------
    zone_id
        Counted from 0 in order of birth.
    sign : ndarray of int8
        +1 below which buyers stood (support), -1 above which sellers did (resistance).
    low_tick, high_tick
        Edges, both inclusive. The far edge is the low one of a buy zone, the high one of a sell zone.
    n_levels
        Imbalanced rows in it.
    birth_bar_id, birth_ns
        The bar, and its close, at which the zone became known.
    touch_ns
        First later trade inside; `NEVER` where there was none. It may be as late as `fill_ns`.
    fill_ns
        First later trade beyond the far edge; a zone that was jumped over has no touch.
    expiry_ns
        Close of the last bar of its allowed age, or first trade of the next session.
    """

    zone_id: Int64
    sign: Int8
    low_tick: Int64
    high_tick: Int64
    n_levels: Int64
    birth_bar_id: Int64
    birth_ns: Int64
    touch_ns: Int64
    fill_ns: Int64
    expiry_ns: Int64

    def __len__(self) -> int:
        return len(self.zone_id)

    def record(self, i: int) -> "Zone":
        """Return element ``i`` as a `Zone`."""
        touch, fill, expiry = (
            None if values[i] == NEVER else int(values[i])
            for values in (self.touch_ns, self.fill_ns, self.expiry_ns)
        )
        return Zone(
            zone_id=int(self.zone_id[i]),
            sign=int(self.sign[i]),
            low_tick=int(self.low_tick[i]),
            high_tick=int(self.high_tick[i]),
            n_levels=int(self.n_levels[i]),
            birth_bar_id=int(self.birth_bar_id[i]),
            birth_ns=int(self.birth_ns[i]),
            touch_ns=touch,
            fill_ns=fill,
            expiry_ns=expiry,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone, as in `ZoneArrays`; None where something has not happened."""

    zone_id: int
    sign: int
    low_tick: int
    high_tick: int
    n_levels: int
    birth_bar_id: int
    birth_ns: int
    touch_ns: int | None
    fill_ns: int | None
    expiry_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneColumns:
    """Zones that are open at each bar's close, those born there included; shape (n_bars,).

    Attributes
    ----------
    n_buy, n_sell : ndarray of int64
    buy_tick, sell_tick : ndarray of float64, unit ticks
        Near edge of the zone nearest to the close: the high one of a buy zone, the low one of a
        sell zone; of equally near zones the newest. NaN without one.
    """

    n_buy: Int64
    n_sell: Int64
    buy_tick: Float64
    sell_tick: Float64

    def __len__(self) -> int:
        return len(self.n_buy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState:
    """Open zones after a chunk of bars.

    Attributes
    ----------
    table : ndarray of int64, shape (n_open, 11)
        Never written to.
    n_zones, n_bars : int
        Born and seen so far.
    last_bar_id : int
    """

    table: Int64
    n_zones: int
    n_bars: int
    last_bar_id: int

    @property
    def open_zones(self) -> ZoneArrays:
        """The zones that are neither filled nor expired."""
        return _zone_arrays(self.table)


def stacked_zones(
    ts_event_ns: ArrayLike,
    price_ticks: ArrayLike,
    index: BarIndex,
    stacks: StackArrays,
    *,
    session_start_bar: ArrayLike,
    max_age_bars: int | None,
) -> tuple[ZoneColumns, ZoneArrays]:
    """Return the life of the zones that stacked imbalances make.

    Parameters
    ----------
    ts_event_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, within 2**61 of 0
    index : BarIndex
        Complete bars of these trades. Trades outside of every bar are not looked at.
    stacks : StackArrays
        Of these bars, as `stacked_imbalances` returns them.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session: zones end before the first trade of one.
    max_age_bars : int or None, > 0
        A zone expires at the close of the bar that comes so many bars after its own; None: never.

    Returns
    -------
    columns : ZoneColumns
    zones : ZoneArrays
        All of them, ended or not.

    Raises
    ------
    TypeError, ValueError
        Not integers, times or bars that run back, a stack of a bar that is not in `index`, without
        a side or with crossed edges, prices or arguments out of range.

    Notes
    -----
    A zone is born at its bar's close; the trades of that bar do not touch it. A fill ends it at
    that trade; in a bar in which it would also expire, the fill came first. Each time is the one at
    which the fact became known, so columns of a bar use trades up to its close only. Source:
    docs/glossary.md; zones are how ATAS "Stacked Imbalance" draws lines till touch.

    Examples
    --------
    A buy zone from 11 to 13, then trades at 14, 12, 10: touched at the second, filled at the third.
    """
    columns, ended, state = continue_stacked_zones(
        None,
        ts_event_ns,
        price_ticks,
        index,
        stacks,
        session_start_bar=session_start_bar,
        max_age_bars=max_age_bars,
    )
    still_open = [] if state is None else [state.open_zones]
    return columns, joined_zones([ended, *still_open])


def continue_stacked_zones(
    state: ZoneState | None,
    ts_event_ns: ArrayLike,
    price_ticks: ArrayLike,
    index: BarIndex,
    stacks: StackArrays,
    *,
    session_start_bar: ArrayLike,
    max_age_bars: int | None,
) -> tuple[ZoneColumns, ZoneArrays, ZoneState | None]:
    """Do as `stacked_zones` for the next complete bars.

    Parameters
    ----------
    state : ZoneState or None
        What the preceding chunk returned; None before the first.
    ts_event_ns, price_ticks, index, stacks, session_start_bar, max_age_bars
        As in `stacked_zones`; positions count from the chunk's first trade.

    Returns
    -------
    columns : ZoneColumns
        Chunks together give the result of the whole.
    ended : ZoneArrays
        Zones that were filled or expired in this chunk, in order of birth.
    state : ZoneState or None
        For the next chunk, with the zones that are open; as it came without bars.

    Raises
    ------
    TypeError, ValueError
        As `stacked_zones`, also between the state and the first bar.
    """
    ts, price, bars = _checked_bars_of_trades(ts_event_ns, price_ticks, index, session_start_bar)
    max_age = (
        INT64_MAX if max_age_bars is None else require_positive_scalar("max_age_bars", max_age_bars)
    )
    before = state or ZoneState(
        table=np.empty((0, _N_COLUMNS), np.int64), n_zones=0, n_bars=0, last_bar_id=NEVER
    )
    bar_id, n_bars = bars[0], len(bars[0])
    if state is not None and n_bars and bar_id[0] <= before.last_bar_id:
        raise ValueError(f"index must follow bar {before.last_bar_id}, got bar_id {bar_id[0]}")
    born, born_end = _born(stacks, bars, before)
    zones = np.concatenate([before.table, born])  # a copy: the state stays as it is
    nearest, counts = np.full((n_bars, 2), np.nan), np.zeros((n_bars, 2), np.int64)
    n_open = len(before.table)
    rules = (max_age, before.n_bars, NEVER)
    _zones_nb((ts, price), bars[1:], born_end + n_open, zones, n_open, rules, nearest, counts)
    columns = ZoneColumns(
        n_buy=counts[:, 0], n_sell=counts[:, 1], buy_tick=nearest[:, 0], sell_tick=nearest[:, 1]
    )
    has_ended = (zones[:, 9] != NEVER) | (zones[:, 10] != NEVER)
    if n_bars == 0:
        return columns, _zone_arrays(zones[has_ended]), state
    after = ZoneState(
        table=zones[~has_ended],
        n_zones=before.n_zones + len(born),
        n_bars=before.n_bars + n_bars,
        last_bar_id=int(bar_id[-1]),
    )
    return columns, _zone_arrays(zones[has_ended]), after


def joined_zones(parts: Sequence[ZoneArrays]) -> ZoneArrays:
    """Return the zones of several parts in the order of their birth.

    Parameters
    ----------
    parts : sequence of ZoneArrays
        What chunks ended, and what is still open; no zone twice.

    Returns
    -------
    ZoneArrays
    """
    order = np.argsort(np.concatenate([part.zone_id for part in parts]))
    return ZoneArrays(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])[order]
            for field in fields(ZoneArrays)
        }
    )


_Bars: TypeAlias = tuple[Int64, Int64, Int64, Int64, Bool]  # id, first, end, close, opens a session


def _checked_bars_of_trades(
    ts_event_ns: ArrayLike, price_ticks: ArrayLike, index: BarIndex, session_start_bar: ArrayLike
) -> tuple[Int64, Int64, _Bars]:
    ts, price = require_int64("ts_event_ns", ts_event_ns), require_int64("price_ticks", price_ticks)
    require_same_length(ts_event_ns=ts, price_ticks=price)
    require_sorted("ts_event_ns", ts)
    if len(price) and max(-int(price.min()), int(price.max())) > MAX_ABS_TICKS:
        raise ValueError(
            f"price_ticks must lie within 2**61 of 0, got {price.min()} to {price.max()}"
        )
    bar_id, first_idx, end_idx = checked_bars(index, len(ts))
    t1_ns = require_int64("index.t1_ns", index.t1_ns)
    n_bars = require_same_length(bar_id=bar_id, t1_ns=t1_ns)
    starts = require_positions("session_start_bar", session_start_bar, n_bars)
    return ts, price, (bar_id, first_idx, end_idx, t1_ns, opens_session(starts, n_bars))


def _born(stacks: StackArrays, bars: _Bars, before: ZoneState) -> tuple[Int64, Int64]:
    # Rows of the table for the zones born in these bars, and how many are born up to each bar.
    bar_id, t1_ns = bars[0], bars[3]
    at = np.searchsorted(bar_id, stacks.bar_id)
    is_known = at < len(bar_id)
    is_known[is_known] = bar_id[at[is_known]] == stacks.bar_id[is_known]
    if not is_known.all():
        missing = stacks.bar_id[np.argmin(is_known)]
        raise ValueError(f"stacks must belong to bars of index, got bar_id {missing}")
    require_sorted("stacks.bar_id", stacks.bar_id)
    table = np.full((len(stacks), _N_COLUMNS), NEVER)
    table[:, 0] = before.n_zones + np.arange(len(stacks))
    table[:, 1], table[:, 2], table[:, 3] = _checked_edges(stacks)
    table[:, 4] = require_int64("stacks.n_levels", stacks.n_levels)
    table[:, 5] = stacks.bar_id
    table[:, 6] = before.n_bars + at
    table[:, 7] = t1_ns[at]
    return table, np.searchsorted(stacks.bar_id, bar_id, side="right")


def _checked_edges(stacks: StackArrays) -> tuple[Int8, Int64, Int64]:
    sign = require_sign("stacks.sign", stacks.sign)
    low = require_int64("stacks.low_tick", stacks.low_tick)
    high = require_int64("stacks.high_tick", stacks.high_tick)
    is_bad = (sign == 0) | (low > high) | (low < -_FARTHEST_EDGE) | (high > _FARTHEST_EDGE)
    if is_bad.any():
        i = int(np.argmax(is_bad))
        raise ValueError(
            f"stacks must have a side, and low_tick up to high_tick within 2**62, got sign "
            f"{sign[i]}, {low[i]} to {high[i]} at position {i}"
        )
    return sign, low, high


def _zone_arrays(table: Int64) -> ZoneArrays:
    return ZoneArrays(
        zone_id=table[:, 0],
        sign=table[:, 1].astype(np.int8),
        low_tick=table[:, 2],
        high_tick=table[:, 3],
        n_levels=table[:, 4],
        birth_bar_id=table[:, 5],
        birth_ns=table[:, 7],
        touch_ns=table[:, 8],
        fill_ns=table[:, 9],
        expiry_ns=table[:, 10],
    )
