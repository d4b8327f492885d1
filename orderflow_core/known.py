"""What is known at each trade: columns that a decision at that trade may read.

Session-local figures that need no window (running delta, deviation from the VWAP, last tick) are
computed here trade by trade, continuing from the trades of an earlier chunk.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.delta import continue_cumulative_delta
from orderflow_core.types import Bool, Float64, Int8, Int64, QuoteAtTrade, TradeArrays
from orderflow_core.validate import (
    require_int64,
    require_positive,
    require_same_length,
    require_sign,
    require_sorted,
)
from orderflow_core.vwap import VwapState, continue_session_vwap


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTrades:
    """Trades with what is known at each of them; arrays of shape (n_trades,).

    Attributes
    ----------
    ts_ns, trade_id, price_ticks, qty_lots, sign, sweep
        As given.
    is_start : ndarray of bool
        First trade of a session or after a gap: every memory starts empty here.
    start_ns : ndarray of int64, unit ns
        Time of the last such trade.
    cvd_lots : ndarray of int64
        Running delta since then.
    vwap_dev_sd, tick_sign : ndarray of float64
        Deviation of the price from the VWAP since then; sign of the last price change.
    spread_ticks, queue_imbalance, microprice_dev_ticks, mid_dev_ticks : ndarray of float64
        Of the quote that the trade met; NaN without one.
    """

    ts_ns: Int64
    trade_id: Int64
    price_ticks: Int64
    qty_lots: Int64
    sign: Int8
    sweep: Int64
    is_start: Bool
    start_ns: Int64
    cvd_lots: Int64
    vwap_dev_sd: Float64
    tick_sign: Float64
    spread_ticks: Float64
    queue_imbalance: Float64
    microprice_dev_ticks: Float64
    mid_dev_ticks: Float64

    def __len__(self) -> int:
        return len(self.ts_ns)

    def since(self, start: int) -> "KnownTrades":
        """Return copies from a position on: a view would keep the whole chunk alive in a state."""
        return KnownTrades(**{f.name: getattr(self, f.name)[start:].copy() for f in fields(self)})

    def followed_by(self, later: "KnownTrades") -> "KnownTrades":
        """Return these trades and then the later ones."""
        return KnownTrades(
            **{
                f.name: np.concatenate((getattr(self, f.name), getattr(later, f.name)))
                for f in fields(self)
            }
        )


def known_trades(
    earlier: KnownTrades | None,
    vwap: VwapState | None,
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
) -> tuple[KnownTrades, VwapState | None]:
    """Return what is known at each trade of a chunk, and the VWAP's sums after it.

    Parameters
    ----------
    earlier : KnownTrades or None
        Trades before the chunk, at least the last one; None where the chunk opens a session.
    vwap : VwapState or None
        The VWAP's sums before the chunk.
    trades, sweep, at_trade, session_start_idx, gap_idx
        As in `orderflow_core.features.continue_decision_features`.

    Returns
    -------
    known : KnownTrades, n_trades elements
    vwap : VwapState or None

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.features.continue_decision_features`.

    Notes
    -----
    Causal: element i uses the earlier trades and trades 0..i.
    """
    ts, trade_id, price, qty, sign, ordinal = _checked(trades, sweep)
    is_start = _starts(len(ts), session_start_idx, gap_idx)
    if earlier is None or len(earlier) == 0:
        is_start[:1] = True
    # A chunk that does not open with a start continues the memory of the trades before it.
    before = None if is_start[:1].any() else earlier
    carried_lots = 0 if before is None else int(before.cvd_lots[-1])
    carried_ns = 0 if before is None else before.start_ns[-1]
    restarts = np.union1d(np.zeros(1, np.int64), np.flatnonzero(is_start))
    cvd, _ = continue_cumulative_delta(carried_lots, sign, qty, restarts)
    average, vwap = continue_session_vwap(None if before is None else vwap, price, qty, restarts)
    last_start = np.maximum.accumulate(np.where(is_start, np.arange(len(ts)), -1))
    known = KnownTrades(
        ts_ns=ts,
        trade_id=trade_id,
        price_ticks=price,
        qty_lots=qty,
        sign=sign,
        sweep=ordinal,
        is_start=is_start,
        start_ns=np.where(last_start >= 0, ts[last_start], carried_ns),
        cvd_lots=cvd,
        vwap_dev_sd=ratio(price - average.vwap_ticks, average.sd_ticks),
        tick_sign=_tick_sign(before, price, is_start),
        **_touch(price, at_trade),
    )
    return known, vwap


def ratio(numerator: Int64 | Float64, denominator: Int64 | Float64) -> Float64:
    """Return the quotient, NaN where the denominator is 0."""
    out = np.full(len(denominator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def _checked(
    trades: TradeArrays, sweep: ArrayLike
) -> tuple[Int64, Int64, Int64, Int64, Int8, Int64]:
    ts = require_int64("trades.ts_event_ns", trades.ts_event_ns)
    trade_id = require_int64("trades.trade_id", trades.trade_id)
    price = require_int64("trades.price_ticks", trades.price_ticks)
    qty = require_int64("trades.qty_lots", trades.qty_lots)
    sign = require_sign("trades.sign", trades.sign)
    ordinal = require_int64("sweep", sweep)
    require_same_length(
        ts_event_ns=ts, trade_id=trade_id, price_ticks=price, qty_lots=qty, sign=sign, sweep=ordinal
    )
    require_positive("trades.qty_lots", qty)
    return ts, trade_id, price, qty, sign, ordinal


def _starts(n: int, session_start_idx: ArrayLike, gap_idx: ArrayLike) -> Bool:
    is_start = np.zeros(n, np.bool_)
    for name, values in (("session_start_idx", session_start_idx), ("gap_idx", gap_idx)):
        idx = require_int64(name, values)
        require_sorted(name, idx, strict=True)
        if len(idx) and not (idx[0] >= 0 and idx[-1] < n):
            raise ValueError(f"{name} must lie in 0..{n - 1}, got {idx[0]} to {idx[-1]}")
        is_start[idx] = True
    return is_start


def _tick_sign(before: KnownTrades | None, price: Int64, is_start: Bool) -> Float64:
    # As the tick rule, with NaN for its "no change yet".
    first, carried = price[:1], np.nan
    if before is not None:
        first, carried = before.price_ticks[-1:], before.tick_sign[-1]
    change = np.sign(np.diff(price, prepend=first)).astype(np.float64)
    change[is_start] = np.nan
    position = np.where(change != 0, np.arange(len(price)), -1)  # NaN != 0 holds
    source = np.maximum.accumulate(position)
    return np.where(source >= 0, change[source], carried)


def _touch(price: Int64, at_trade: QuoteAtTrade | None) -> dict[str, Float64]:
    names = ("spread_ticks", "queue_imbalance", "microprice_dev_ticks", "mid_dev_ticks")
    if at_trade is None:
        return {name: np.full(len(price), np.nan) for name in names}
    bid = require_int64("at_trade.bid_ticks", at_trade.bid_ticks)
    ask = require_int64("at_trade.ask_ticks", at_trade.ask_ticks)
    bid_lots = require_int64("at_trade.bid_lots", at_trade.bid_lots)
    ask_lots = require_int64("at_trade.ask_lots", at_trade.ask_lots)
    is_known = np.asarray(at_trade.is_known, dtype=np.bool_)
    require_same_length(
        price_ticks=price, bid=bid, ask=ask, bid_lots=bid_lots, ask_lots=ask_lots, is_known=is_known
    )
    spread = np.where(is_known & (ask >= bid), ask - bid, np.nan)
    queue = ratio(bid_lots - ask_lots, bid_lots + ask_lots)
    queue[np.isnan(spread)] = np.nan
    # (aB + bA) / (A + B) - (a + b) / 2 = (a - b) / 2 * (B - A) / (A + B). The sum with zero turns
    # the -0.0 of a locked quote into 0.0.
    microprice_dev = spread / 2 * queue + 0.0
    mid_dev = np.where(np.isnan(spread), np.nan, price - (bid + ask) / 2)
    return dict(zip(names, (spread, queue, microprice_dev, mid_dev), strict=True))
