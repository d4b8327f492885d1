"""Synthetic trades and quotes that every contestant of a benchmark works on.

Times lie on a grid of milliseconds, as on crypto venues, and come in bursts; an order has one or
more fills, which share its time; prices move on the tick grid with a bid-ask bounce; sizes are
lognormal; signs persist. About 30 % of the trades share the time of the one before, 59 % its price,
and a minute holds 3,000 trades on average, a busy one tens of thousands. Some quotes share a time, are locked
or crossed, some trades have no quote before them, some no sign.
"""

from dataclasses import dataclass

import numpy as np

from orderflow_core.types import Int8, Int64, QuoteArrays, TradeArrays

SEED = 20_260_101
MS_NS = 1_000_000
DAY_NS = 86_400_000 * MS_NS
START_NS = 1_767_225_600 * 1_000_000_000 - 120_000 * MS_NS  # two minutes before a midnight UTC
FIRST_BID = 100_000
SHARE_FURTHER_FILL = 0.28
SHARE_UNSIGNED = 0.005
ORDERS_PER_REGIME = 500
REGIMES_PER_RUSH = 20
SHARE_RUSHED = 0.03
MEAN_GAP_MS = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One symbol's trades and quotes.

    Attributes
    ----------
    trades : TradeArrays
    quotes : QuoteArrays
    session : ndarray of int64, shape (n_trades,)
        Ordinal of the UTC day of each trade.
    session_start_idx : ndarray of int64, shape (n_sessions,)
    """

    trades: TradeArrays
    quotes: QuoteArrays
    session: Int64
    session_start_idx: Int64

    def __len__(self) -> int:
        return len(self.trades)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orders:
    # Marketable orders, and the quote that each one meets.
    ts_ns: Int64
    sign: Int8
    bid_ticks: Int64
    spread_ticks: Int64


def make_market(n_trades: int, seed: int = SEED) -> Market:
    """Return ``n_trades`` trades with about as many quotes; equal seeds give equal markets."""
    rng = np.random.default_rng(seed)
    is_further_fill = rng.random(n_trades) < SHARE_FURTHER_FILL
    is_further_fill[:1] = False
    order = np.cumsum(~is_further_fill) - 1
    orders = _orders(rng, int(order[-1]) + 1)
    trades = _trades(rng, orders, order, is_further_fill)
    session = trades.ts_event_ns // DAY_NS - START_NS // DAY_NS
    return Market(
        trades=trades,
        quotes=_quotes(rng, orders),
        session=session,
        session_start_idx=np.flatnonzero(np.diff(session, prepend=-1)),
    )


def _orders(rng: np.random.Generator, n: int) -> _Orders:
    gap_ms = (rng.exponential(MEAN_GAP_MS, n) * _pace(rng, n)).astype(np.int64)
    sign = _persistent_signs(rng, n)
    step = np.where(rng.random(n) < 0.22, sign, 0) - np.where(rng.random(n) < 0.1, sign, 0)
    step += rng.choice(np.array([-1, 0, 1]), n, p=[0.03, 0.94, 0.03])
    return _Orders(
        ts_ns=START_NS + np.cumsum(gap_ms) * MS_NS,
        sign=sign,
        bid_ticks=FIRST_BID + np.cumsum(step) - step,
        spread_ticks=rng.choice(np.array([-1, 0, 1, 2, 3]), n, p=[0.003, 0.007, 0.85, 0.1, 0.04]),
    )


def _pace(rng: np.random.Generator, n: int) -> np.ndarray:
    # Factor of each order's waiting time: quiet and busy stretches, and now and then a rush.
    n_regimes = n // ORDERS_PER_REGIME + 1
    is_rushed = rng.random(n_regimes // REGIMES_PER_RUSH + 1) < SHARE_RUSHED
    regime = np.exp(rng.normal(-0.45, 0.95, n_regimes))
    regime[np.repeat(is_rushed, REGIMES_PER_RUSH)[:n_regimes]] *= 0.03
    return np.repeat(regime, ORDERS_PER_REGIME)[:n]


def _persistent_signs(rng: np.random.Generator, n: int) -> Int8:
    # Runs of one sign, as marketable orders come: each repeats the sign before it in 4 cases of 5.
    flips = np.where(rng.random(n) < 0.2, -1, 1).astype(np.int8)
    return np.cumprod(flips, dtype=np.int8)


def _trades(
    rng: np.random.Generator, orders: _Orders, order: Int64, is_further_fill: np.ndarray
) -> TradeArrays:
    n = len(order)
    sign = orders.sign[order]
    is_buy = sign > 0
    price = orders.bid_ticks[order] + np.where(is_buy, orders.spread_ticks[order], 0)
    price += sign * (is_further_fill & (rng.random(n) < 0.2))  # a fill one level deeper
    is_inside = (orders.spread_ticks[order] > 1) & (rng.random(n) < 0.2)
    price -= np.where(is_inside, sign, 0)  # hidden liquidity between the quotes, often at the mid
    is_unsigned = (rng.random(len(orders.sign)) < SHARE_UNSIGNED)[order]
    return TradeArrays(
        ts_event_ns=orders.ts_ns[order],
        trade_id=np.cumsum(rng.choice(np.array([1, 2]), n, p=[0.999, 0.001])),
        price_ticks=price,
        qty_lots=1 + np.exp(rng.normal(2.0, 1.5, n)).astype(np.int64),
        sign=np.where(is_unsigned, 0, sign).astype(np.int8),
    )


def _quotes(rng: np.random.Generator, orders: _Orders) -> QuoteArrays:
    # The quote that an order meets stands since the order before it, in whose very millisecond
    # two of five are stamped; other quotes repeat the prices with other sizes.
    n = len(orders.ts_ns)
    delay_ms = np.where(rng.random(n - 1) < 0.4, 0, rng.integers(1, 4, n - 1))
    is_again = rng.random(n - 1) < 0.4
    source = np.repeat(np.arange(1, n), 1 + is_again)
    ts = np.repeat(orders.ts_ns[:-1] + delay_ms * MS_NS, 1 + is_again)
    return QuoteArrays(
        ts_event_ns=np.maximum.accumulate(ts),
        bid_ticks=orders.bid_ticks[source],
        bid_lots=rng.integers(1, 500, len(source)),
        ask_ticks=orders.bid_ticks[source] + orders.spread_ticks[source],
        ask_lots=rng.integers(1, 500, len(source)),
    )
