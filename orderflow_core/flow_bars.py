"""Bars with what runs through them since the session's start: CVD candle and VWAP, in one pass.

The trades are cut into pieces wherever a bar, a session or a chunk begins. A piece is summed at once;
pieces merge into bars, so that a bar cut by chunks equals the bar of the whole.
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.bar_clocks import BarClock, BarClockState, continue_bar_index
from orderflow_core.bars import BarArrays, checked_columns, summed_bars
from orderflow_core.kernels.bars import _second_moments_nb
from orderflow_core.merged_bars import merge_bars
from orderflow_core.types import BarIndex, Bool, Float64, Int8, Int64, TradeArrays
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_same_length,
)

# Whole numbers up to this are exact as floats, and so are their sums, in any order.
_EXACT = 2.0**53
_COLUMNS = ("is_start", "cvd_open_lots", "vwap_ticks", "vwap_sd_ticks")
_Numbers = TypeVar("_Numbers", Int64, Float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowBars:
    """Bars with their CVD candles and the VWAP at their ends; arrays of shape (n_bars,).

    Attributes
    ----------
    bars : BarArrays
    cvd_open_lots, cvd_high_lots, cvd_low_lots, cvd_close_lots : ndarray of int64
        Running delta before the bar's first trade, its extremes in the bar, and after its last trade.
    vwap_ticks, vwap_sd_ticks : ndarray of float64
        Average price and population standard deviation at the bar's last trade.
    """

    bars: BarArrays
    cvd_open_lots: Int64
    cvd_high_lots: Int64
    cvd_low_lots: Int64
    cvd_close_lots: Int64
    vwap_ticks: Float64
    vwap_sd_ticks: Float64

    def __len__(self) -> int:
        return len(self.bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPieces:
    """Stretches of trades that no bar, session or chunk begins within; arrays of shape (n_pieces,).

    Attributes
    ----------
    bars : BarArrays
    is_start : ndarray of bool
        Whether a session begins with the piece.
    cvd_open_lots : ndarray of int64
        Running delta before the piece.
    vwap_ticks, vwap_sd_ticks : ndarray of float64
        At its last trade.
    """

    bars: BarArrays
    is_start: Bool
    cvd_open_lots: Int64
    vwap_ticks: Float64
    vwap_sd_ticks: Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSums:
    """What a session's trades add up to: CVD, and the moments of the price about its first one."""

    anchor_ticks: int
    cvd_lots: int = 0
    volume_lots: int = 0
    first_moment: int = 0
    second_moment: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowBarState:
    """What bars remember between two chunks.

    Attributes
    ----------
    clock : BarClockState
    open_pieces : BarPieces
        The open bar so far, one piece for each session that it holds trades of.
    session : SessionSums or None
        None before the first trade.
    """

    clock: BarClockState
    open_pieces: BarPieces
    session: SessionSums | None


def flow_bars(
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    index: BarIndex,
    *,
    session_start_idx: ArrayLike,
    include_zero_start: bool = True,
) -> FlowBars:
    """Return bars with CVD candles and VWAP, in one pass over the trades.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, in trade order
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    index : BarIndex
        Bars that hold all trades.
    session_start_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1
        Where CVD and VWAP start anew, also within a bar: sessions, gaps, anchors
        (`orderflow_core.delta.restart_idx`). The first trade does in any case.
    include_zero_start : bool
        As in `orderflow_core.bars.aggregate_bars`; holds for the CVD candle too.

    Returns
    -------
    FlowBars

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.bars.aggregate_bars` and `orderflow_core.vwap.session_vwap`, or bars that
        leave trades out.

    Notes
    -----
    Causal at the bar's end. A candle's high and low are those of the running delta from before the
    bar on; where it starts anew within the bar, the candle spans both runs: it opens in the one before
    and closes in the one after. VWAP and deviation equal `orderflow_core.vwap.session_vwap` at the
    bar's last trade, bit for bit. The bars are shared among threads, in integers; the sum of q d^2
    is one of integers where that is exact, and else a float added in trade order. No trades: empty
    arrays. Source: docs/glossary.md (the candle is that of ATAS).

    Examples
    --------
    A first bar with +3, -1 and a second with -4: candles (0, 3, 0, 2) and (2, 2, -2, -2).
    """
    columns = checked_columns(price_ticks, qty_lots, sign)
    n = len(columns[0])
    starts = require_positions("session_start_idx", session_start_idx, n)
    first, end = (
        require_int64("first_idx", index.first_idx),
        require_int64("end_idx", index.end_idx),
    )
    require_same_length(first_idx=first, end_idx=end)
    is_joined = np.array_equal(np.append(first, n), np.append(np.zeros(1, np.int64), end))
    if not is_joined or (first >= end).any():
        raise ValueError("index must hold every trade in one bar, in order")
    pieces, cuts, _ = _pieces(None, columns, first, starts, include_zero_start)
    return _bars_of(pieces, np.searchsorted(cuts, first))


def continue_flow_bars(
    state: FlowBarState | None,
    clock: BarClock,
    trades: TradeArrays,
    *,
    session_start_idx: ArrayLike = (),
    include_zero_start: bool = True,
    ended: bool = False,
) -> tuple[BarIndex, FlowBars, FlowBarState]:
    """Return the bars of a clock that end in the next chunk of trades.

    Parameters
    ----------
    state : FlowBarState or None
        What the preceding chunk returned; None before the first.
    clock, trades, ended
        As in `orderflow_core.bar_clocks.continue_bar_index`.
    session_start_idx : ndarray of int64, strictly increasing
        Positions in this chunk; empty where no session starts in it.
    include_zero_start : bool
        As in `flow_bars`; the same for all chunks.

    Returns
    -------
    index : BarIndex
        As `orderflow_core.bar_clocks.continue_bar_index`.
    bars : FlowBars
        Chunks together give the bars of the whole, bit for bit.
    state : FlowBarState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `flow_bars` and `orderflow_core.bar_clocks.continue_bar_index`.

    Notes
    -----
    Causal: a bar is returned when it is known to have ended. O(trades of the chunk), however long
    the open bar is.
    """
    index, clock_after = continue_bar_index(
        state.clock if state else None,
        clock,
        trades,
        session_start_idx=session_start_idx,
        ended=ended,
    )
    columns = checked_columns(trades.price_ticks, trades.qty_lots, trades.sign)
    n, n_before = len(columns[0]), state.clock.n_trades if state else 0
    starts = require_positions("session_start_idx", session_start_idx, n)
    first, end = index.first_idx - n_before, index.end_idx - n_before
    session = state.session if state else None
    pieces, cuts, session = _pieces(session, columns, end[end < n], starts, include_zero_start)
    n_open = len(state.open_pieces.bars) if state else 0
    if state is not None:
        pieces = _joined(state.open_pieces, pieces)
    first_piece = np.where(first < 0, 0, n_open + np.searchsorted(cuts, first))
    n_ended = n_open + int(np.searchsorted(cuts, end[-1])) if len(index) else 0
    rest = _part(pieces, n_ended, len(pieces.bars))
    after = FlowBarState(clock=clock_after, open_pieces=_by_session(rest), session=session)
    return index, _bars_of(_part(pieces, 0, n_ended), first_piece), after


def _pieces(
    session: SessionSums | None,
    columns: tuple[Int64, Int64, Int8],
    bar_first: Int64,
    starts: Int64,
    include_zero_start: bool,
) -> tuple[BarPieces, Int64, SessionSums | None]:
    # The pieces of the trades, where each begins, and the sums of the session after them.
    price, qty, sign = columns
    begin = np.zeros(min(len(price), 1), np.int64)
    if session is None:
        starts = np.union1d(begin, starts)
    cuts = np.union1d(np.union1d(begin, bar_first), starts)
    ends = np.append(cuts[1:], len(price))[: len(cuts)]
    of_session = np.searchsorted(starts, cuts, side="right") - 1
    # The session that goes on from the chunk before stands at position -1.
    anchor = np.append(price[starts], session.anchor_ticks if session else 0)[of_session]
    bars, *moments = summed_bars(
        price,
        qty,
        sign,
        cuts,
        ends,
        include_zero_start=include_zero_start,
        anchor_ticks=anchor,
    )
    pieces = BarPieces(
        bars=bars,
        is_start=np.isin(cuts, starts),
        cvd_open_lots=np.empty(len(cuts), np.int64),
        vwap_ticks=np.empty(len(cuts)),
        vwap_sd_ticks=np.empty(len(cuts)),
    )
    if len(cuts):
        before = session
        if before is None or pieces.is_start[0]:
            before = SessionSums(anchor_ticks=int(price[0]))
        _require_fits(pieces, anchor, before)
        squares = _squares(columns, (cuts, ends), pieces, (anchor, moments[1]), before)
        session = _fill_session_columns(pieces, anchor, moments[0], squares, before)
    return pieces, cuts, session


def _reach(bars: BarArrays, anchor: Int64) -> Float64:
    # Largest distance of a piece's prices from the anchor; a float, as it may leave int64.
    centre = anchor.astype(np.float64)
    return np.maximum(np.abs(bars.high_ticks - centre), np.abs(bars.low_ticks - centre))


def _require_fits(pieces: BarPieces, anchor: Int64, before: SessionSums) -> None:
    volume = pieces.bars.volume_lots.astype(np.float64)
    lots = _running(volume, pieces.is_start, float(before.volume_lots)).max()
    moment = _running(
        volume * _reach(pieces.bars, anchor), pieces.is_start, abs(float(before.first_moment))
    ).max()
    if max(lots, moment) > INT64_MAX // 2:  # half of the range leaves room for rounding
        raise ValueError(
            f"price_ticks and qty_lots overflow int64: the sums of q and of q |p - p0| may reach "
            f"{lots:.3g} and {moment:.3g}"
        )


def _squares(
    columns: tuple[Int64, Int64, Int8],
    bounds: tuple[Int64, Int64],
    pieces: BarPieces,
    anchor_and_sums: tuple[Int64, Int64],
    before: SessionSums,
) -> Float64:
    # Running sum of q d^2. Below 2**53 whole numbers are exact as floats in any order of adding, so
    # that the sums of integers give the very bits of a float added in trade order.
    anchor, sums = anchor_and_sums
    terms = pieces.bars.volume_lots * _reach(pieces.bars, anchor) ** 2
    if _running(terms, pieces.is_start, before.second_moment).max() < _EXACT / 2:
        whole = _running(sums, pieces.is_start, int(before.second_moment))
        return whole.astype(np.float64)
    total = np.empty(len(anchor))
    _second_moments_nb(
        *columns[:2], bounds, anchor, pieces.is_start, float(before.second_moment), total
    )
    return total


def _fill_session_columns(
    pieces: BarPieces, anchor: Int64, first: Int64, squares: Float64, before: SessionSums
) -> SessionSums:
    volume = _running(pieces.bars.volume_lots, pieces.is_start, before.volume_lots)
    moment = _running(first, pieces.is_start, before.first_moment)
    cvd = _running(pieces.bars.delta_lots, pieces.is_start, before.cvd_lots)
    mean = moment / volume
    pieces.cvd_open_lots[:] = cvd - pieces.bars.delta_lots
    pieces.vwap_ticks[:] = anchor + mean
    pieces.vwap_sd_ticks[:] = np.sqrt(np.maximum(0.0, squares / volume - mean * mean))
    return SessionSums(
        anchor_ticks=int(anchor[-1]),
        cvd_lots=int(cvd[-1]),
        volume_lots=int(volume[-1]),
        first_moment=int(moment[-1]),
        second_moment=float(squares[-1]),
    )


def _running(values: _Numbers, is_start: Bool, carried: float) -> _Numbers:
    # Sums since the last start. In integers they may wrap around on the way: differences do not.
    total = np.cumsum(values)
    start = np.maximum.accumulate(np.where(is_start, np.arange(len(values)), -1))
    before: _Numbers = np.where(start >= 0, (total - values)[start], values.dtype.type(-carried))
    return total - before


def _part(pieces: BarPieces, start: int, stop: int) -> BarPieces:
    bars = BarArrays(
        **{f.name: getattr(pieces.bars, f.name)[start:stop] for f in fields(BarArrays)}
    )
    return BarPieces(bars=bars, **{name: getattr(pieces, name)[start:stop] for name in _COLUMNS})


def _joined(earlier: BarPieces, later: BarPieces) -> BarPieces:
    def both(first: object, second: object, name: str) -> np.ndarray:
        return np.concatenate((getattr(first, name), getattr(second, name)))

    bars = {f.name: both(earlier.bars, later.bars, f.name) for f in fields(BarArrays)}
    columns = {name: both(earlier, later, name) for name in _COLUMNS}
    return BarPieces(bars=BarArrays(**bars), **columns)


def _by_session(pieces: BarPieces) -> BarPieces:
    # Pieces of one session as one, in arrays of their own: a state must not keep a chunk alive.
    is_first = pieces.is_start.copy()
    is_first[:1] = True
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(is_first))[: len(first)] - 1
    return BarPieces(
        bars=merge_bars(pieces.bars, first),
        is_start=pieces.is_start[first],
        cvd_open_lots=pieces.cvd_open_lots[first],
        vwap_ticks=pieces.vwap_ticks[last],
        vwap_sd_ticks=pieces.vwap_sd_ticks[last],
    )


def _bars_of(pieces: BarPieces, first: Int64) -> FlowBars:
    bars, opened = merge_bars(pieces.bars, first), pieces.cvd_open_lots
    last = np.append(first[1:], len(opened))[: len(first)] - 1
    high, low = opened + pieces.bars.max_delta_lots, opened + pieces.bars.min_delta_lots
    return FlowBars(
        bars=bars,
        cvd_open_lots=opened[first],
        cvd_high_lots=np.maximum.reduceat(high, first) if len(first) else high,
        cvd_low_lots=np.minimum.reduceat(low, first) if len(first) else low,
        cvd_close_lots=(opened + pieces.bars.delta_lots)[last],
        vwap_ticks=pieces.vwap_ticks[last],
        vwap_sd_ticks=pieces.vwap_sd_ticks[last],
    )
