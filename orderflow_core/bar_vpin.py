"""VPIN at the close of bars, by the true sides of the trades and by bulk volume, side by side."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import BarIndex, Float64, Int64
from orderflow_core.validate import (
    require_float64,
    require_int64,
    require_same_length,
    require_session_starts,
    require_sum_fits,
)
from orderflow_core.vpin import VpinState, continue_vpin


@dataclass(frozen=True, slots=True, kw_only=True)
class BarVpin:
    """VPIN at the close of each bar; float64, shape (n_bars,), NaN until enough buckets closed.

    Attributes
    ----------
    vpin
        By the signs of the trades, which are split across buckets.
    vpin_bulk
        By the bulk volume of the bars, which are split across buckets of the same size.
    """

    vpin: Float64
    vpin_bulk: Float64

    def __len__(self) -> int:
        return len(self.vpin)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarVpinState:
    """The buckets of both kinds after a chunk of bars."""

    by_trade: VpinState
    by_bar: VpinState


def bar_vpin(
    qty_lots: ArrayLike,
    sign: ArrayLike,
    index: BarIndex,
    bulk_buy_lots: ArrayLike,
    session_start_idx: ArrayLike,
    *,
    bucket_lots: int,
    n_buckets: int = 50,
) -> BarVpin:
    """Return VPIN at the close of each bar, by true sides and by bulk volume.

    Parameters
    ----------
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, >= 0
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    index : BarIndex, n_bars elements
        Bars that hold every trade, each once.
    bulk_buy_lots : ndarray of float64, shape (n_bars,), unit lots
        What the bulk-volume rule takes for bought (`orderflow_core.bulk_volume`), from 0 to the
        bar's volume; NaN where it knows nothing.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Positions of trades that open a session, and with it a bar. ``[0]`` lets buckets run across
        sessions.
    bucket_lots, n_buckets : int
        As in `orderflow_core.vpin.vpin`.

    Returns
    -------
    BarVpin

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.vpin.vpin`; bars that leave out or share trades, a session that starts
        within a bar, a bulk volume above the bar's, or a bar's volume beyond int64.

    Notes
    -----
    Causal at the bar's close, as the scale of the bulk volume is. A bar whose bulk volume is not
    known (no price change or no scale yet) fills no bulk bucket. Both kinds say different things of
    one market: the bulk volume takes a still price for balanced trade. Source: Easley, Lopez de
    Prado, O'Hara (2012); true sides as Andersen, Bondarenko (2014), *Journal of Financial Markets*
    17, ask for.
    """
    return continue_bar_vpin(
        None,
        qty_lots,
        sign,
        index,
        bulk_buy_lots,
        session_start_idx,
        bucket_lots=bucket_lots,
        n_buckets=n_buckets,
    )[0]


def continue_bar_vpin(
    state: BarVpinState | None,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    index: BarIndex,
    bulk_buy_lots: ArrayLike,
    session_start_idx: ArrayLike,
    *,
    bucket_lots: int,
    n_buckets: int = 50,
) -> tuple[BarVpin, BarVpinState]:
    """Do as `bar_vpin` for the next closed bars and their trades.

    Parameters
    ----------
    state : BarVpinState or None
        What the preceding chunk returned; None where the chunk's first bar opens a session.
    qty_lots, sign, index, bulk_buy_lots, session_start_idx, bucket_lots, n_buckets
        As in `bar_vpin`; position 0 is the chunk's first trade.

    Returns
    -------
    vpin : BarVpin
        Chunks together give the result of the whole, bit for bit.
    state : BarVpinState

    Raises
    ------
    TypeError, ValueError
        As `bar_vpin`.
    """
    qty = require_int64("qty_lots", qty_lots)
    first, end = _checked_bars(index, len(qty))
    bulk_buy = require_float64("bulk_buy_lots", bulk_buy_lots)
    require_same_length(index=first, bulk_buy_lots=bulk_buy)
    starts = require_session_starts("session_start_idx", session_start_idx, len(qty))
    bar_starts = np.searchsorted(first, starts)
    if not np.isin(starts, first).all():
        raise ValueError("session_start_idx must lie at the first trades of bars")
    by_trade, trade_state = continue_vpin(
        state.by_trade if state else None,
        qty,
        sign,
        starts,
        bucket_lots=bucket_lots,
        n_buckets=n_buckets,
    )
    require_sum_fits("qty_lots", int(qty.max(initial=0)), int((end - first).max(initial=0)))
    volume = np.add.reduceat(qty, first) if len(first) else first
    lots = np.where(np.isnan(bulk_buy), 0, volume)
    if (bulk_buy < 0).any() or (bulk_buy > volume).any():
        raise ValueError("bulk_buy_lots must lie between 0 and the volume of the bar")
    share = np.full(len(first), 0.5)
    np.divide(bulk_buy, volume, out=share, where=lots > 0)
    by_bar, bar_state = continue_vpin(
        state.by_bar if state else None,
        lots,
        2 * share - 1,
        bar_starts,
        bucket_lots=bucket_lots,
        n_buckets=n_buckets,
    )
    after = BarVpinState(by_trade=trade_state, by_bar=bar_state)
    return BarVpin(vpin=by_trade[end - 1], vpin_bulk=by_bar), after


def _checked_bars(index: BarIndex, n_trades: int) -> tuple[Int64, Int64]:
    first = require_int64("index.first_idx", index.first_idx)
    end = require_int64("index.end_idx", index.end_idx)
    require_same_length(first_idx=first, end_idx=end)
    edges = np.concatenate((np.zeros(1, np.int64), end))
    if edges[-1] != n_trades or not np.array_equal(edges[:-1], first) or (first >= end).any():
        raise ValueError(f"index must hold each of {n_trades} trades in one bar, in order")
    return first, end
