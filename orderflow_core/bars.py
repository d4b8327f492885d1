"""Bars of trades: where they begin, prices, volumes by aggressor, extremes of the running delta."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.bars import (
    _delta_extremes_nb,
    _ohlc_nb,
    _sums_by_sign_nb,
    _time_bars_nb,
)
from orderflow_core.types import BarIndex, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarArrays:
    """What the trades of each bar amount to; int64 arrays of shape (n_bars,).

    Attributes
    ----------
    open_ticks, high_ticks, low_ticks, close_ticks
        In trade order: of trades with one time the first opens and the last closes.
    volume_lots, buy_lots, sell_lots, unsigned_lots
        All volume, and its parts by aggressor sign.
    n_trades, n_buy, n_sell
        Fills; those without a sign are ``n_trades - n_buy - n_sell``.
    delta_lots
        ``buy_lots - sell_lots``.
    min_delta_lots, max_delta_lots
        Extremes of the running delta within the bar.
    """

    open_ticks: Int64
    high_ticks: Int64
    low_ticks: Int64
    close_ticks: Int64
    volume_lots: Int64
    buy_lots: Int64
    sell_lots: Int64
    unsigned_lots: Int64
    n_trades: Int64
    n_buy: Int64
    n_sell: Int64
    delta_lots: Int64
    min_delta_lots: Int64
    max_delta_lots: Int64

    def __len__(self) -> int:
        return len(self.open_ticks)


def time_bar_index(ts_event_ns: ArrayLike, interval_ns: int) -> BarIndex:
    """Return the bars of equal time, aligned to 1970-01-01 UTC, that hold a trade.

    Parameters
    ----------
    ts_event_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    interval_ns : int, unit ns, > 0

    Returns
    -------
    BarIndex
        ``bar_id = floor(ts / interval)``, ``[t0, t1) = [bar_id, bar_id + 1) * interval``.

    Raises
    ------
    TypeError, ValueError
        Not integers, times that run back, an interval that is not positive, a bound beyond int64.

    Notes
    -----
    Half-open: a trade at t1 exactly opens the next bar. Floor, also before 1970. No trades: no
    bars. Causal at t1. Source: docs/glossary.md.

    Examples
    --------
    >>> time_bar_index(np.array([-1, 0, 9, 10, 35]), 10).bar_id
    array([-1,  0,  1,  3])
    """
    ts = require_int64("ts_event_ns", ts_event_ns)
    require_sorted("ts_event_ns", ts)
    interval = require_positive_scalar("interval_ns", interval_ns)
    if len(ts):
        first, last = int(ts[0]) // interval, int(ts[-1]) // interval
        if first * interval < -INT64_MAX or (last + 1) * interval > INT64_MAX:
            raise ValueError(f"interval_ns of {interval} puts the bounds of a bar beyond int64")
    bar_id, first_idx = _time_bars_nb(ts, interval)
    return BarIndex(
        bar_id=bar_id,
        t0_ns=bar_id * interval,
        t1_ns=(bar_id + 1) * interval,
        first_idx=first_idx,
        end_idx=np.append(first_idx[1:], np.full(min(len(bar_id), 1), len(ts), np.int64)),
    )


def aggregate_bars(
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    index: BarIndex,
    *,
    include_zero_start: bool = True,
) -> BarArrays:
    """Return prices, volumes, counts and delta of each bar.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, in trade order
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    index : BarIndex
        Ranges of trades, not empty, in order and without overlap.
    include_zero_start : bool
        Whether the running delta's start at 0 counts among its extremes, so that
        ``min_delta <= 0 <= max_delta``. Vendors differ: freqtrade leaves it out.

    Returns
    -------
    BarArrays

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a sign or quantity outside the domain, ranges outside of the
        trades, or volumes that could leave int64.

    Notes
    -----
    Causal at the bar's end. ``buy + sell + unsigned = volume`` exactly. Trades without a sign add
    to the volume and leave the delta as it is. No bars: empty arrays. Source: docs/glossary.md.

    Examples
    --------
    Buys of 2 and 1 around a sell of 4: the running delta is 2, -2, -1, so delta -1, min -2, max 2.
    """
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    signs = require_sign("sign", sign)
    n = require_same_length(price_ticks=price, qty_lots=qty, sign=signs)
    require_positive("qty_lots", qty)
    first, end = _checked_ranges(index, n)
    if len(first):
        # Twice the volume too: buy and sell come from their sum and difference.
        require_sum_fits("qty_lots", 2 * int(qty.max()), int((end - first).max()))
    opened, high, low, close = _ohlc_nb(price, first, end)
    volume, delta, unsigned, n_buy, n_sell = _sums_by_sign_nb(qty, signs, first, end)
    min_delta, max_delta = _delta_extremes_nb(qty, signs, first, end, bool(include_zero_start))
    return BarArrays(
        open_ticks=opened,
        high_ticks=high,
        low_ticks=low,
        close_ticks=close,
        volume_lots=volume,
        buy_lots=(volume - unsigned + delta) // 2,
        sell_lots=(volume - unsigned - delta) // 2,
        unsigned_lots=unsigned,
        n_trades=end - first,
        n_buy=n_buy,
        n_sell=n_sell,
        delta_lots=delta,
        min_delta_lots=min_delta,
        max_delta_lots=max_delta,
    )


def _checked_ranges(index: BarIndex, n: int) -> tuple[Int64, Int64]:
    first, end = (
        require_int64("first_idx", index.first_idx),
        require_int64("end_idx", index.end_idx),
    )
    require_same_length(first_idx=first, end_idx=end)
    if len(first) == 0:
        return first, end
    if first[0] < 0 or end[-1] > n:
        raise ValueError(f"index must lie within {n} trades, got [{first[0]}, {end[-1]})")
    if (first >= end).any() or (first[1:] < end[:-1]).any():
        raise ValueError("index must hold ranges that are not empty, in order and without overlap")
    return first, end
