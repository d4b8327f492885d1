"""A signal at each trade, traded as a taker: latency, strictly later fills, flat at each day's end.

An order that the market meets at the session's last event, or never, is cancelled; of several that
meet one event the latest counts; the exit takes the last event of the session.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import DAY_NS, MS_NS, START_NS, Market
from benchmarks.peers import polars_columns, polars_frame
from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import BacktestResult, Rules, run_signal
from orderflow_core.backtest.fills import MarketPath, market_from_trades
from orderflow_core.types import Int64

LATENCY_NS, MARK_NS = 5 * MS_NS, 60_000 * MS_NS
TAKER_FEE, SLIPPAGE_TICKS, TICK_VALUE = 0.0004, 1, 0.01
LOOK_BACK = 500  # trades


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    # Market and signal: a position of one lot with the price change over the last trades.
    market: MarketPath
    session: Int64
    target_lots: Int64


def contestants(market: Market) -> list[Contestant]:
    case = _case(market)
    rules = _rules(int(market.session[-1]) + 1)
    frame = polars_frame(
        {
            "ts_ns": case.market.ts_ns,
            "bid_ticks": case.market.bid_ticks,
            "ask_ticks": case.market.ask_ticks,
            "session": case.session,
            "target_lots": case.target_lots,
        },
        in_order_of="ts_ns",
    )
    return [
        Contestant(
            name=OURS,
            run=lambda: run_signal(case.market, case.market.ts_ns, case.target_lots, rules),
            columns=_result_columns,
        ),
        Contestant(name="numpy", run=lambda: _numpy(case)),
        Contestant(name="polars", run=lambda: _polars(frame)),
    ]


def _case(market: Market) -> _Case:
    price = market.trades.price_ticks
    before = price[np.maximum(np.arange(len(price)) - LOOK_BACK, 0)]
    return _Case(
        market=market_from_trades(market.trades, tick_steps=1),
        session=market.session,
        target_lots=np.sign(price - before),
    )


def _rules(n_sessions: int) -> Rules:
    first = START_NS // DAY_NS * DAY_NS
    start = first + DAY_NS * np.arange(n_sessions)
    return Rules(
        latency_ns=LATENCY_NS,
        costs=Costs(taker_fee=TAKER_FEE, fee_per_contract=0, slippage_ticks=SLIPPAGE_TICKS),
        tick_value=TICK_VALUE,
        contracts_per_lot=1,
        session_start_ns=start,
        session_end_ns=start + DAY_NS,
        mark_interval_ns=MARK_NS,
    )


def _result_columns(result: BacktestResult) -> Columns:
    return {
        "fill_ts_ns": result.fill_ts_ns,
        "fill_lots": result.fill_sign * result.fill_lots,
        "fill_price_ticks": result.fill_price_ticks,
        "fill_fee": result.fill_fee,
        "mark_ts_ns": result.mark_ts_ns,
        "equity": result.equity,
    }


def _numpy(case: _Case) -> Columns:
    market, session = case.market, case.session
    last = np.append(np.flatnonzero(np.diff(session)), len(market) - 1)
    event = np.searchsorted(market.ts_ns, market.ts_ns + LATENCY_NS, side="right")
    event = np.minimum(event, last[session])
    # The latest signal of those that meet one event; at a session's last event the exit.
    is_latest = np.append(event[1:] != event[:-1], True)
    order, target = event[is_latest], case.target_lots[is_latest].copy()
    target[order == last[session[order]]] = 0
    change = np.diff(target, prepend=0)
    traded = np.flatnonzero(change)
    order, change = order[traded], change[traded]
    bid, ask = market.bid_ticks[order] - SLIPPAGE_TICKS, market.ask_ticks[order] + SLIPPAGE_TICKS
    price = np.where(change > 0, ask, bid)
    fee = TAKER_FEE * (price * np.abs(change) * TICK_VALUE)
    return {
        "fill_ts_ns": market.ts_ns[order],
        "fill_lots": change,
        "fill_price_ticks": price,
        "fill_fee": fee,
        **_numpy_marks(market, session, order, (change, price, fee)),
    }


def _numpy_marks(
    market: MarketPath, session: Int64, order: Int64, fills: tuple[np.ndarray, ...]
) -> Columns:
    change, price, fee = fills
    marks = mark_times(market.ts_ns, session)
    event = np.searchsorted(market.ts_ns, marks, side="right") - 1
    n_fills = np.searchsorted(order, event, side="right")
    cash, held, paid = (
        np.concatenate((np.zeros(1, np.int64), np.cumsum(term)))[n_fills]
        for term in (-change * price, change, fee)
    )
    middle = (market.bid_ticks[event] + market.ask_ticks[event]) / 2
    return {"mark_ts_ns": marks, "equity": (cash + held * middle) * TICK_VALUE - paid}


def mark_times(ts_ns: Int64, session: Int64) -> Int64:
    """Return the grid times that close an interval between a session's first and last event."""
    first = np.flatnonzero(np.diff(session, prepend=-1))
    last = np.append(first[1:], len(ts_ns)) - 1
    grids = [
        np.arange(-(-a // MARK_NS), -(-b // MARK_NS) + 1) * MARK_NS
        for a, b in zip(ts_ns[first].tolist(), ts_ns[last].tolist(), strict=True)
    ]
    return np.unique(np.concatenate(grids))


def _polars(events: pl.DataFrame) -> Columns:
    fills = _polars_fills(events)
    times = mark_times(events["ts_ns"].to_numpy(), events["session"].to_numpy())
    marks = polars_frame({"mark_ts_ns": times}, in_order_of="mark_ts_ns")
    so_far = fills.lazy().select(
        "fill_ts_ns",
        held=pl.col("fill_lots").cum_sum(),
        cash=(-pl.col("fill_lots") * pl.col("fill_price_ticks")).cum_sum(),
        paid=pl.col("fill_fee").cum_sum(),
    )
    middle = (pl.col("bid_ticks") + pl.col("ask_ticks")) / 2
    gross = pl.col("cash").fill_null(0) + pl.col("held").fill_null(0) * middle
    marked = (
        marks.lazy()
        .join_asof(events.lazy(), left_on="mark_ts_ns", right_on="ts_ns")
        .join_asof(so_far, left_on="mark_ts_ns", right_on="fill_ts_ns")
        .select("mark_ts_ns", equity=gross * TICK_VALUE - pl.col("paid").fill_null(0))
        .collect()
    )
    return polars_columns(fills) | polars_columns(marked)


def _polars_fills(events: pl.DataFrame) -> pl.DataFrame:
    position = pl.int_range(pl.len())
    is_exit = pl.col("session") != pl.col("session").shift(-1, fill_value=-1)
    numbered = events.lazy().with_columns(position=position, is_exit=is_exit)
    signals = events.lazy().select(
        "session", "target_lots", due_ns=(pl.col("ts_ns") + LATENCY_NS).set_sorted()
    )
    met = signals.join_asof(
        numbered.select("ts_ns", "position", met_session="session", at_exit="is_exit"),
        left_on="due_ns",
        right_on="ts_ns",
        strategy="forward",
        allow_exact_matches=False,
    )
    is_order = (pl.col("session") == pl.col("met_session")) & ~pl.col("at_exit")
    is_latest = pl.col("position") != pl.col("position").shift(-1, fill_value=-1)
    orders = met.filter(is_order).filter(is_latest).select("position", "target_lots")
    exits = numbered.filter("is_exit").select("position", target_lots=pl.lit(0, pl.Int64))
    buy, lots = pl.col("ask_ticks") + SLIPPAGE_TICKS, pl.col("fill_lots")
    return (
        pl.concat([orders, exits])
        .sort("position")
        .with_columns(fill_lots=pl.col("target_lots").diff().fill_null(pl.col("target_lots")))
        .filter(lots != 0)
        .join(numbered, on="position", maintain_order="left")
        .with_columns(
            fill_price_ticks=pl.when(lots > 0)
            .then(buy)
            .otherwise(pl.col("bid_ticks") - SLIPPAGE_TICKS)
        )
        .select(
            "fill_lots",
            "fill_price_ticks",
            fill_ts_ns="ts_ns",
            fill_fee=TAKER_FEE * (pl.col("fill_price_ticks") * lots.abs() * TICK_VALUE),
        )
        .collect()
    )


ITEM = Item(
    name="backtest",
    work="taker pass with 5 ms latency over a signal at each trade: fills, fees, marked equity",
    goal=10,
    inputs=lambda market: [
        market.trades.ts_event_ns,  # as the market's times and as the signals'
        market.trades.ts_event_ns,
        *(market.trades.price_ticks,) * 3,  # bid, ask and target
    ],
    contestants=contestants,
)
