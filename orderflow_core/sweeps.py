"""Sweeps: the fills of one marketable order, put together again.

A venue prints one trade for each resting order that a marketable order meets. What follows the
aggressor (signs to score, sizes to call large, a clock for decisions) counts orders, not fills.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.sweeps import _assign_sweeps_nb
from orderflow_core.types import Int64
from orderflow_core.validate import (
    require_int64,
    require_same_length,
    require_sign,
    require_sorted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """The last fill of a chunk and the sweep that it belongs to: what the next fill may continue."""

    ts_event_ns: int
    trade_id: int
    price_ticks: int
    sign: int
    sweep: int


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


def _require_trade_order(ts: Int64, ids: Int64, max_id_step: int) -> None:
    if isinstance(max_id_step, bool) or not isinstance(max_id_step, int | np.integer):
        raise TypeError(f"max_id_step must be an integer, got {max_id_step!r}")
    if max_id_step < 0:
        raise ValueError(f"max_id_step must not be negative, got {max_id_step}")
    require_sorted("ts_event_ns", ts)
    backward = (ts[1:] == ts[:-1]) & (ids[1:] <= ids[:-1])
    if max_id_step > 0 and backward.any():
        i = int(np.argmax(backward)) + 1
        raise ValueError(
            f"trade_id must increase among trades of one time, got {ids[i]} after {ids[i - 1]}"
        )
