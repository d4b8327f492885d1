"""Sweeps: the fills of one marketable order, put together again.

A venue prints one trade for each resting order that a marketable order meets. What follows the
aggressor (signs to score, sizes to call large, a clock for decisions) counts orders, not fills.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.sweeps import _assign_sweeps_nb
from orderflow_core.types import Float64, Int8, Int64, TradeArrays
from orderflow_core.validate import (
    require_count,
    require_int64,
    require_positive,
    require_same_length,
    require_sign,
    require_sorted,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """The last fill of a chunk and the sweep that it belongs to: what the next fill may continue."""

    ts_event_ns: int
    trade_id: int
    price_ticks: int
    sign: int
    sweep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTable:
    """Sweeps as orders, one element a sweep; arrays of shape (n_sweeps,).

    Attributes
    ----------
    first_idx, end_idx : ndarray of int64
        Half-open range of its fills' positions.
    ts_ns : ndarray of int64, unit ns
    sign : ndarray of int8
    qty_lots, n_fills : ndarray of int64
        Size of the order as far as it was filled, and in how many prints.
    first_ticks, last_ticks : ndarray of int64
        Prices of the first and of the last fill, which are the extremes.
    vwap_ticks : ndarray of float64
        Average price.
    """

    first_idx: Int64
    end_idx: Int64
    ts_ns: Int64
    sign: Int8
    qty_lots: Int64
    n_fills: Int64
    first_ticks: Int64
    last_ticks: Int64
    vwap_ticks: Float64

    def __len__(self) -> int:
        return len(self.first_idx)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTableState:
    """Trades seen since the stream began, and the fills of the sweep that is open."""

    n_trades: int
    sweep: Int64
    fills: TradeArrays


def assign_sweeps(
    ts_event_ns: ArrayLike,
    trade_id: ArrayLike,
    price_ticks: ArrayLike,
    sign: ArrayLike,
    *,
    max_id_step: int = 1,
) -> Int64:
    """Return for each fill the ordinal of its sweep, counted from 0.

    Parameters
    ----------
    ts_event_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    trade_id : ndarray of int64, shape (n_trades,)
        Strictly increasing among trades of one time, unless ``max_id_step`` is 0.
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    max_id_step : int, >= 0
        Largest step between the ids of two fills of one order: 1 where ids are consecutive, 2 on
        Binance USD-M, whose streams leave holes. 0: ids carry no meaning and are not looked at.

    Returns
    -------
    ndarray of int64, shape (n_trades,)
        0 for the first fill, then the same or one more.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times or ids run back, a sign outside the domain.

    Notes
    -----
    Causal: element i uses fills 0..i. A new sweep begins where the time or the sign changes, where
    the price turns back against the side (a buy that falls, a sell that rises; equal prices stay
    together), or where ids step further than ``max_id_step``. A trade without a sign is a sweep of
    its own. Source: own definition (docs/glossary.md), measured on Binance captures.

    Examples
    --------
    >>> ts, ids = np.array([5, 5, 5, 6]), np.array([1, 2, 3, 4])
    >>> assign_sweeps(ts, ids, np.array([10, 11, 10, 10]), np.array([1, 1, 1, 1]))
    array([0, 0, 1, 2])
    """
    return continue_sweeps(None, ts_event_ns, trade_id, price_ticks, sign, max_id_step=max_id_step)[
        0
    ]


def continue_sweeps(
    state: SweepState | None,
    ts_event_ns: ArrayLike,
    trade_id: ArrayLike,
    price_ticks: ArrayLike,
    sign: ArrayLike,
    *,
    max_id_step: int = 1,
) -> tuple[Int64, SweepState | None]:
    """Do as `assign_sweeps` for the next chunk of fills, after the ones that made ``state``.

    Parameters
    ----------
    state : SweepState or None
        What the preceding chunk returned; None before the first.
    ts_event_ns, trade_id, price_ticks, sign, max_id_step
        As in `assign_sweeps`.

    Returns
    -------
    sweep : ndarray of int64, shape (n_trades,)
        Counting goes on; chunks together give the ordinals of the whole.
    state : SweepState or None
        For the next chunk; as it came where there are no fills.

    Raises
    ------
    TypeError, ValueError
        As `assign_sweeps`, also between the state and the first fill.
    """
    columns = {
        "ts_event_ns": require_int64("ts_event_ns", ts_event_ns),
        "trade_id": require_int64("trade_id", trade_id),
        "price_ticks": require_int64("price_ticks", price_ticks),
    }
    signs = require_sign("sign", sign)
    require_same_length(**columns, sign=signs)
    if state is not None:  # the last fill known goes in front, so that its neighbour meets it
        columns = {
            name: np.concatenate((np.array([getattr(state, name)], np.int64), values))
            for name, values in columns.items()
        }
        signs = np.concatenate((np.array([state.sign], np.int8), signs))
    ts, ids, price = columns.values()
    _require_trade_order(ts, ids, max_id_step)
    first_ordinal = 0 if state is None else state.sweep
    sweep = np.empty(len(ts), np.int64)
    _assign_sweeps_nb(ts, ids, price, signs, int(max_id_step), first_ordinal, sweep)
    if len(ts) == 0:
        return sweep, None
    after = SweepState(
        ts_event_ns=int(ts[-1]),
        trade_id=int(ids[-1]),
        price_ticks=int(price[-1]),
        sign=int(signs[-1]),
        sweep=int(sweep[-1]),
    )
    return (sweep if state is None else sweep[1:]), after


def sweep_bounds(sweep: ArrayLike) -> tuple[Int64, Int64]:
    """Return where each sweep begins and ends.

    Parameters
    ----------
    sweep : ndarray of int64, shape (n_trades,), non-decreasing
        Ordinals from `assign_sweeps`, or a part of them.

    Returns
    -------
    first_idx, end_idx : ndarray of int64, shape (n_sweeps,)
        Half-open ranges of trade positions that cover all trades; both empty without trades.

    Raises
    ------
    TypeError, ValueError
        Not integers, or ordinals that run back.

    Examples
    --------
    >>> sweep_bounds(np.array([0, 0, 1, 2, 2]))
    (array([0, 2, 3]), array([2, 3, 5]))
    """
    ordinal = require_int64("sweep", sweep)
    require_sorted("sweep", ordinal)
    cuts = np.flatnonzero(ordinal[1:] != ordinal[:-1]) + 1
    edges = np.concatenate(([0], cuts, [len(ordinal)])).astype(np.int64)
    return (edges[:-1], edges[1:]) if len(ordinal) else (edges[:0], edges[:0])


def sweep_table(sweep: ArrayLike, trades: TradeArrays) -> SweepTable:
    """Return what the fills of each sweep amount to.

    Parameters
    ----------
    sweep : ndarray of int64, shape (n_trades,), non-decreasing
        Ordinals from `assign_sweeps`.
    trades : TradeArrays, n_trades elements

    Returns
    -------
    SweepTable

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, ordinals that run back, a sweep with two times or signs, values outside
        their domain, or sums that could leave int64.

    Notes
    -----
    A row is known when its sweep has ended: at the next sweep's first fill. The average price is
    computed about the first fill's, exactly but for one division. No trades: no rows.
    Source: own definition (docs/glossary.md).

    Examples
    --------
    Buys of 3 at 10 and 1 at 14 in one sweep: 4 lots in 2 fills from 10 to 14, on average at 11.
    """
    return continue_sweep_table(None, sweep, trades, ended=True)[0]


def continue_sweep_table(
    state: SweepTableState | None, sweep: ArrayLike, trades: TradeArrays, *, ended: bool = False
) -> tuple[SweepTable, SweepTableState]:
    """Do as `sweep_table` for the next chunk of fills, and return the sweeps that ended.

    Parameters
    ----------
    state : SweepTableState or None
        What the preceding chunk returned; None before the first.
    sweep, trades
        As in `sweep_table`, of this chunk; ordinals from `continue_sweeps`.
    ended : bool
        Whether the stream is over, which ends the open sweep.

    Returns
    -------
    table : SweepTable
        Positions count from the first trade of the stream. Chunks together give the table of the
        whole, bit for bit.
    state : SweepTableState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `sweep_table`, also between the state and the chunk.
    """
    ordinal, fills = _fills(state, sweep, trades)
    offset = 0 if state is None else state.n_trades - len(state.sweep)
    first, end = sweep_bounds(ordinal)
    n_ended = len(first) if ended else max(len(first) - 1, 0)
    n_fills = int(end[n_ended - 1]) if n_ended else 0
    after = SweepTableState(
        n_trades=offset + len(ordinal),
        sweep=ordinal[n_fills:].copy(),  # a view would keep the whole chunk alive
        fills=_joined(fills.slice(n_fills, len(fills)), fills.slice(0, 0)),
    )
    return _table(fills, first[:n_ended], end[:n_ended], offset), after


def _fills(
    state: SweepTableState | None, sweep: ArrayLike, trades: TradeArrays
) -> tuple[Int64, TradeArrays]:
    # The fills of the open sweep and those of the chunk, checked.
    ordinal = require_int64("sweep", sweep)
    fills = TradeArrays(
        ts_event_ns=require_int64("trades.ts_event_ns", trades.ts_event_ns),
        trade_id=require_int64("trades.trade_id", trades.trade_id),
        price_ticks=require_int64("trades.price_ticks", trades.price_ticks),
        qty_lots=require_int64("trades.qty_lots", trades.qty_lots),
        sign=require_sign("trades.sign", trades.sign),
    )
    require_same_length(
        sweep=ordinal, **{field.name: getattr(fills, field.name) for field in fields(fills)}
    )
    require_positive("trades.qty_lots", fills.qty_lots)
    if state is not None:
        ordinal, fills = np.append(state.sweep, ordinal), _joined(state.fills, fills)
    require_sorted("sweep", ordinal)
    for name in ("ts_event_ns", "sign"):
        values = getattr(fills, name)
        is_bad = (ordinal[1:] == ordinal[:-1]) & (values[1:] != values[:-1])
        if is_bad.any():
            i = int(np.argmax(is_bad)) + 1
            raise ValueError(
                f"sweep must hold fills of one {name}, got {values[i - 1]} and {values[i]} "
                f"in sweep {ordinal[i]}"
            )
    return ordinal, fills


def _joined(earlier: TradeArrays, later: TradeArrays) -> TradeArrays:
    return TradeArrays(
        **{
            field.name: np.append(getattr(earlier, field.name), getattr(later, field.name))
            for field in fields(TradeArrays)
        }
    )


def _table(fills: TradeArrays, first: Int64, end: Int64, offset: int) -> SweepTable:
    price, qty = fills.price_ticks, fills.qty_lots
    n_fills = end - first
    opening = price[first]
    lots, moment = first, first  # of no sweeps
    if len(first):
        within = price[: end[-1]]
        highest = np.maximum.reduceat(within, first)  # the span of a sweep may leave int64
        span = (highest.view(np.uint64) - np.minimum.reduceat(within, first).view(np.uint64)).max()
        most = int(n_fills.max()) * int(qty.max())
        require_sum_fits("trades.qty_lots x price range", most, int(span) + 1)
        distance = within - np.repeat(opening, n_fills)
        lots = np.add.reduceat(qty[: end[-1]], first)
        moment = np.add.reduceat(qty[: end[-1]] * distance, first)
    return SweepTable(
        first_idx=first + offset,
        end_idx=end + offset,
        ts_ns=fills.ts_event_ns[first],
        sign=fills.sign[first],
        qty_lots=lots,
        n_fills=n_fills,
        first_ticks=opening,
        last_ticks=price[end - 1],
        vwap_ticks=opening + moment / lots,
    )


def _require_trade_order(ts: Int64, ids: Int64, max_id_step: int) -> None:
    require_count("max_id_step", max_id_step)
    require_sorted("ts_event_ns", ts)
    backward = (ts[1:] == ts[:-1]) & (ids[1:] <= ids[:-1])
    if max_id_step > 0 and backward.any():
        i = int(np.argmax(backward)) + 1
        raise ValueError(
            f"trade_id must increase among trades of one time, got {ids[i]} after {ids[i - 1]}"
        )
