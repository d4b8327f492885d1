"""Bars of trades: where they begin, prices, volumes by aggressor, extremes of the running delta."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.bars import (
    _bar_sums_nb,
    _delta_since_extremes_nb,
    _n_back_nb,
    _time_bars_nb,
)
from orderflow_core.row_ranges import side_by_side
from orderflow_core.types import BarIndex, Float64, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    narrow_sign,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
    require_sum_fits,
)

_N_SUMS = 17
_N_PARTS = 16  # of the bars, for threads to share; each holds about as many trades
_FEW_TRADES = 100_000  # below this one thread is done before others have begun
_NO_ANCHOR = np.empty(0, np.int64)


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
    if len(ts) < _FEW_TRADES or _runs_back(ts):
        require_sorted("ts_event_ns", ts)  # names the place
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
        Not integers, lengths differ, a sign or quantity of a bar's trade outside the domain, ranges
        outside of the trades, or volumes that could leave int64.

    Notes
    -----
    Causal at the bar's end. ``buy + sell + unsigned = volume`` exactly. Trades without a sign add
    to the volume and leave the delta as it is. No bars: empty arrays. Source: docs/glossary.md.

    Examples
    --------
    Buys of 2 and 1 around a sell of 4: the running delta is 2, -2, -1, so delta -1, min -2, max 2.
    """
    price, qty, signs = checked_columns(price_ticks, qty_lots, sign)
    first, end = _checked_ranges(index, len(price))
    return summed_bars(price, qty, signs, first, end, include_zero_start=include_zero_start)[0]


def summed_bars(
    price: Int64,
    qty: Int64,
    sign: Int8,
    first_idx: Int64,
    end_idx: Int64,
    *,
    include_zero_start: bool = True,
    anchor_ticks: Int64 = _NO_ANCHOR,
) -> tuple[BarArrays, Int64, Int64]:
    """Return `aggregate_bars` of columns of the right type, and moments about a price of each bar.

    Parameters
    ----------
    price, qty, sign : ndarray, shape (n_trades,)
        As in `aggregate_bars`, contiguous int64, int64 and int8.
    first_idx, end_idx : ndarray of int64, shape (n_bars,)
        Ranges of trades, not empty, in order and without overlap.
    include_zero_start : bool
    anchor_ticks : ndarray of int64, shape (n_bars,), optional

    Returns
    -------
    bars : BarArrays
    first_moment, second_moment : ndarray of int64, shape (n_bars,)
        Sums of q d and of q d^2, d a price less the anchor; they wrap around beyond int64.
        Without meaning where there is no anchor.

    Raises
    ------
    ValueError
        A sign or quantity outside the domain, or volumes that could leave int64.
    """
    sums = np.empty((len(first_idx), _N_SUMS), np.int64)
    arguments = (price, qty, sign, (first_idx, end_idx), anchor_ticks, bool(include_zero_start))

    def part_of_bars(first: int, end: int) -> None:
        with np.errstate(over="ignore"):  # sums beyond int64 are found below and by the caller
            _bar_sums_nb(*arguments, (first, end), sums)

    if len(price) < _FEW_TRADES:
        part_of_bars(0, len(first_idx))
    else:
        parts = np.searchsorted(first_idx, _parts(len(price))).tolist()
        parts[0], parts[-1] = 0, len(first_idx)
        side_by_side([partial(part_of_bars, *part) for part in pairwise(parts)])
    columns = np.ascontiguousarray(sums.T)
    n_trades = columns[7]
    if len(sums):
        _require_domain(qty, sign, columns[12:15])
        require_sum_fits("qty_lots", int(columns[13].max()), int(n_trades.max()))
    opened, high, low, close, volume, buy, sell, _, n_buy, n_sell, lowest, highest = columns[:12]
    bars = BarArrays(
        open_ticks=opened,
        high_ticks=high,
        low_ticks=low,
        close_ticks=close,
        volume_lots=volume,
        buy_lots=buy,
        sell_lots=sell,
        unsigned_lots=volume - buy - sell,
        n_trades=n_trades,
        n_buy=n_buy,
        n_sell=n_sell,
        delta_lots=buy - sell,
        min_delta_lots=lowest,
        max_delta_lots=highest,
    )
    return bars, columns[15], columns[16]


def delta_share(bars: BarArrays) -> Float64:
    """Return each bar's delta over its volume.

    Parameters
    ----------
    bars : BarArrays, n_bars elements

    Returns
    -------
    ndarray of float64, shape (n_bars,), in [-1, 1]
        NaN where the volume is 0.

    Raises
    ------
    TypeError, ValueError
        Columns that don't hold integers, or unequal lengths.

    Notes
    -----
    Causal at the bar's end. Unsigned volume counts below, not above. Source: docs/glossary.md;
    Quantower shows 100 times as much.

    Examples
    --------
    Buys of 3, sells of 1, 4 unsigned: 2 / 8 = 0.25.
    """
    delta = require_int64("bars.delta_lots", bars.delta_lots)
    volume = require_int64("bars.volume_lots", bars.volume_lots)
    require_same_length(delta_lots=delta, volume_lots=volume)
    share = np.full(len(delta), np.nan)
    np.divide(delta, volume, out=share, where=volume != 0)
    return share


def delta_since_extremes(
    price_ticks: ArrayLike, qty_lots: ArrayLike, sign: ArrayLike, index: BarIndex
) -> tuple[Int64, Int64]:
    """Return each bar's delta since its high, and since its low, was last traded.

    Parameters
    ----------
    price_ticks, qty_lots, sign, index
        As in `aggregate_bars`.

    Returns
    -------
    since_high, since_low : ndarray of int64, shape (n_bars,), unit lots
        Signed lots of the bar's trades after its last trade at its high (low).

    Raises
    ------
    TypeError, ValueError
        As `aggregate_bars`.

    Notes
    -----
    Causal at the bar's end. The trade at the extreme isn't part of what follows it, so a bar that
    closes at its high has 0 since its high. No bars: empty arrays. Source: NinjaTrader, Order Flow
    Volumetric Bars (``DeltaSh``, ``DeltaSl``), whether the touching trade counts is our choice.

    Examples
    --------
    Trades at 10, 12, 11 of +1, +2, -5: since the high -5, since the low +2 - 5 = -3.
    """
    price, qty, signs = checked_columns(price_ticks, qty_lots, sign)
    first, end = _checked_ranges(index, len(price))
    since_high, since_low = np.empty(len(first), np.int64), np.empty(len(first), np.int64)
    if len(first):
        require_positive("qty_lots", qty)
        require_sign("sign", signs)
        require_sum_fits("qty_lots", int(qty.max()), int((end - first).max()))
    _delta_since_extremes_nb(price, qty, signs, (first, end), since_high, since_low)
    return since_high, since_low


def _parts(n: int) -> Int64:
    return np.arange(_N_PARTS + 1) * n // _N_PARTS


def _runs_back(ts: Int64) -> bool:
    found = []

    def part(first: int, end: int) -> None:  # the step into it too
        found.append(_n_back_nb(ts[max(first - 1, 0) : end]))

    side_by_side([partial(part, *edges) for edges in pairwise(_parts(len(ts)).tolist())])
    return any(found)


def checked_columns(
    price_ticks: ArrayLike, qty_lots: ArrayLike, sign: ArrayLike
) -> tuple[Int64, Int64, Int8]:
    """Return the columns as `summed_bars` takes them, which checks what is in them.

    Parameters
    ----------
    price_ticks, qty_lots, sign
        As in `aggregate_bars`.

    Raises
    ------
    TypeError, ValueError
        Not integers, or lengths differ.
    """
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    signs = narrow_sign("sign", sign)
    require_same_length(price_ticks=price, qty_lots=qty, sign=signs)
    return price, qty, signs


def _require_domain(qty: Int64, sign: Int8, found: Int64) -> None:
    # ``found`` by bar: smallest and largest size, largest magnitude of a sign. The checks name the place.
    smallest, _, magnitude = found
    if smallest.min() <= 0:
        require_positive("qty_lots", qty)
    if magnitude.max() > 1:
        require_sign("sign", sign)


def _checked_ranges(index: BarIndex, n: int) -> tuple[Int64, Int64]:
    first = require_int64("first_idx", index.first_idx)
    end = require_int64("end_idx", index.end_idx)
    require_same_length(first_idx=first, end_idx=end)
    if len(first) == 0:
        return first, end
    if first[0] < 0 or end[-1] > n:
        raise ValueError(f"index must lie within {n} trades, got [{first[0]}, {end[-1]})")
    if (first >= end).any() or (first[1:] < end[:-1]).any():
        raise ValueError("index must hold ranges that are not empty, in order and without overlap")
    return first, end
