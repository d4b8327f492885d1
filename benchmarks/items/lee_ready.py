"""Quote strictly before each trade, quote rule, and the tick rule where that decides nothing."""

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import Market
from benchmarks.items.tick_rule import numpy_tick_rule, polars_tick_sign
from benchmarks.peers import (
    duckdb_columns,
    duckdb_tables,
    pandas_frame,
    polars_columns,
    polars_frame,
    quote_columns,
    trade_columns,
)
from benchmarks.tclf_peer import tclf_contestants
from orderflow_core.quote_rules import lee_ready_joined
from orderflow_core.types import Int8, Int64, QuoteArrays

TRADES, QUOTES = ("ts_ns", "price_ticks"), ("quote_ts_ns", "bid_ticks", "ask_ticks")
# Of quotes with one time the last one counts: an ASOF join alone takes any of them.
SQL = """
WITH last_quotes AS (
    SELECT quote_ts_ns, bid_ticks, ask_ticks FROM quotes
    QUALIFY lead(quote_ts_ns) OVER (ORDER BY rowid) IS DISTINCT FROM quote_ts_ns
), stepped AS (
    SELECT rowid AS i, ts_ns, price_ticks,
           nullif(sign(price_ticks - lag(price_ticks) OVER (ORDER BY rowid)), 0) AS step
    FROM trades
), met AS (
    SELECT i, last_value(step IGNORE NULLS) OVER (ORDER BY i) AS tick_sign,
           CASE WHEN bid_ticks <= ask_ticks
                THEN nullif(sign(2 * price_ticks - bid_ticks - ask_ticks), 0) END AS quote_sign
    FROM stepped ASOF LEFT JOIN last_quotes ON ts_ns > quote_ts_ns
)
SELECT coalesce(quote_sign, tick_sign, 0)::TINYINT AS sign FROM met ORDER BY i
"""


def contestants(market: Market) -> list[Contestant]:
    trades = {name: trade_columns(market)[name] for name in TRADES}
    quotes = {name: quote_columns(market)[name] for name in QUOTES}
    database = duckdb_tables(trades=trades, quotes=quotes)
    in_polars = (
        polars_frame(trades, in_order_of="ts_ns"),
        polars_frame(quotes, in_order_of="quote_ts_ns"),
    )
    in_pandas = (pandas_frame(trades), pandas_frame(quotes))
    return [
        Contestant(name=OURS, run=lambda: _ours(*trades.values(), market.quotes), columns=_column),
        Contestant(
            name="numpy", run=lambda: _numpy(*trades.values(), *quotes.values()), columns=_column
        ),
        Contestant(name="pandas", run=lambda: _pandas(*in_pandas), columns=_column),
        Contestant(name="polars", run=lambda: _polars(*in_polars), columns=polars_columns),
        Contestant(
            name="duckdb", run=lambda: database.execute(SQL).fetchnumpy(), columns=duckdb_columns
        ),
        *tclf_contestants("lee_ready", trades | quotes),
    ]


def _ours(ts: Int64, price: Int64, quotes: QuoteArrays) -> Int8:
    return lee_ready_joined(ts, price, quotes)[0]


def _numpy(ts: Int64, price: Int64, quote_ts: Int64, bid: Int64, ask: Int64) -> Int8:
    idx = np.searchsorted(quote_ts, ts, side="left") - 1
    met_bid, met_ask = bid[idx], ask[idx]
    side = np.sign(2 * price - met_bid - met_ask).astype(np.int8)
    side[(idx < 0) | (met_bid > met_ask)] = 0
    return np.where(side != 0, side, numpy_tick_rule(price))


def _pandas(trades: pd.DataFrame, quotes: pd.DataFrame) -> Int8:
    met = pd.merge_asof(
        trades, quotes, left_on="ts_ns", right_on="quote_ts_ns", allow_exact_matches=False
    )
    side = np.sign(2 * met.price_ticks - met.bid_ticks - met.ask_ticks)
    step = np.sign(met.price_ticks.diff())
    tick = step.where(step != 0).ffill()
    is_decided = (side != 0) & (met.bid_ticks <= met.ask_ticks)
    return side.where(is_decided).fillna(tick).fillna(0).to_numpy().astype(np.int8)


def _polars(trades: pl.DataFrame, quotes: pl.DataFrame) -> pl.DataFrame:
    middle2 = pl.col("bid_ticks") + pl.col("ask_ticks")
    price2 = 2 * pl.col("price_ticks")
    by_quote = pl.when(pl.col("bid_ticks") <= pl.col("ask_ticks")).then(
        pl.when(price2 > middle2)
        .then(pl.lit(1, pl.Int8))
        .when(price2 < middle2)
        .then(pl.lit(-1, pl.Int8))
    )
    return (
        trades.lazy()
        .join_asof(
            quotes.lazy(),
            left_on="ts_ns",
            right_on="quote_ts_ns",
            allow_exact_matches=False,
        )
        .select(sign=pl.coalesce(by_quote, polars_tick_sign("price_ticks"), pl.lit(0, pl.Int8)))
        .collect(engine="streaming")
    )


def _column(sign: Int8) -> Columns:
    return {"sign": sign}


ITEM = Item(
    name="lee_ready",
    work="join of each trade with the quote strictly before it, then the Lee-Ready rule",
    goal=4,
    limit_goal=3,
    inputs=lambda market: [
        market.trades.ts_event_ns,
        market.trades.price_ticks,
        market.quotes.ts_event_ns,
        market.quotes.bid_ticks,
        market.quotes.ask_ticks,
    ],
    contestants=contestants,
)
