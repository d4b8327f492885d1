"""One-minute bars with delta, its extremes, the CVD candle and the session VWAP at each bar's end."""

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import FIRST_BID, MS_NS, Market
from benchmarks.peers import (
    Arrays,
    Chdb,
    chdb_columns,
    duckdb_columns,
    duckdb_tables,
    pandas_columns,
    pandas_frame,
    polars_columns,
    polars_frame,
    trade_columns,
)
from orderflow_core.bars import time_bar_index
from orderflow_core.flow_bars import flow_bars
from orderflow_core.types import Int64

BAR_NS = 60_000 * MS_NS
INPUTS = ("ts_ns", "price_ticks", "qty_lots", "sign", "session")
# Sums of lots, of lots x distance and of lots x distance^2, the distance from FIRST_BID. In integers
# they are exact, so that sums since a session's start can be moved to its first price, about which
# the variance loses no digits.
MOMENTS = ("volume_lots", "first_moment", "second_moment")
SQL = f"""
WITH trade AS (
    SELECT rowid AS i, ts_ns // {BAR_NS} AS bar_id, session, price_ticks, qty_lots, sign,
           sign::BIGINT * qty_lots AS signed_lots, price_ticks - {FIRST_BID} AS d,
           (sum(sign::BIGINT * qty_lots) OVER (ORDER BY rowid))::BIGINT AS running
    FROM trades
), bar AS (
    SELECT bar_id, first(session) AS session, arg_min(price_ticks, i) AS open_ticks,
           max(price_ticks) AS high_ticks, min(price_ticks) AS low_ticks,
           arg_max(price_ticks, i) AS close_ticks, sum(qty_lots)::BIGINT AS volume_lots,
           coalesce(sum(qty_lots) FILTER (sign > 0), 0)::BIGINT AS buy_lots,
           coalesce(sum(qty_lots) FILTER (sign < 0), 0)::BIGINT AS sell_lots,
           count(*) AS n_trades, count(*) FILTER (sign > 0) AS n_buy,
           count(*) FILTER (sign < 0) AS n_sell, sum(signed_lots)::BIGINT AS delta_lots,
           min(running) AS lowest, max(running) AS highest,
           arg_min(running - signed_lots, i) AS base,
           sum(qty_lots * d)::BIGINT AS first_moment,
           sum(qty_lots * d * d)::BIGINT AS second_moment
    FROM trade GROUP BY bar_id
), so_far AS (
    SELECT *, (sum(delta_lots) OVER past)::BIGINT AS cvd_close_lots,
           (sum(volume_lots) OVER past)::BIGINT AS lots,
           (sum(first_moment) OVER past)::BIGINT AS lots_d,
           (sum(second_moment) OVER past)::BIGINT AS lots_d2,
           first(open_ticks) OVER past - {FIRST_BID} AS start
    FROM bar WINDOW past AS (PARTITION BY session ORDER BY bar_id)
), spread AS (
    SELECT *, (lots_d - start * lots) / lots AS mean,
           (lots_d2 - 2 * start * lots_d + start * start * lots) / lots AS square
    FROM so_far
)
SELECT bar_id, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, buy_lots, sell_lots,
       volume_lots - buy_lots - sell_lots AS unsigned_lots, n_trades, n_buy, n_sell, delta_lots,
       least(lowest - base, 0) AS min_delta_lots, greatest(highest - base, 0) AS max_delta_lots,
       cvd_close_lots, cvd_close_lots - delta_lots AS cvd_open_lots,
       cvd_open_lots + max_delta_lots AS cvd_high_lots,
       cvd_open_lots + min_delta_lots AS cvd_low_lots,
       mean + start + {FIRST_BID} AS vwap_ticks,
       sqrt(greatest(square - mean * mean, 0)) AS vwap_sd_ticks
FROM spread ORDER BY bar_id
"""  # noqa: S608 - constants of this module


CHDB_SQL = f"""
WITH trade AS (
    SELECT i, intDiv(ts_ns, {BAR_NS}) AS bar_id, session, price_ticks, qty_lots, sign,
           sign * qty_lots AS signed_lots, price_ticks - {FIRST_BID} AS d,
           sum(sign * qty_lots) OVER (ORDER BY i ROWS UNBOUNDED PRECEDING) AS running
    FROM bench.trades
), bar AS (
    SELECT bar_id, any(session) AS session, argMin(price_ticks, i) AS open_ticks,
           max(price_ticks) AS high_ticks, min(price_ticks) AS low_ticks,
           argMax(price_ticks, i) AS close_ticks, sum(qty_lots) AS volume_lots,
           sumIf(qty_lots, sign > 0) AS buy_lots, sumIf(qty_lots, sign < 0) AS sell_lots,
           count() AS n_trades, countIf(sign > 0) AS n_buy, countIf(sign < 0) AS n_sell,
           sum(signed_lots) AS delta_lots, min(running) AS lowest, max(running) AS highest,
           argMin(running - signed_lots, i) AS base, sum(qty_lots * d) AS first_moment,
           sum(qty_lots * d * d) AS second_moment
    FROM trade GROUP BY bar_id
), so_far AS (
    SELECT *, sum(delta_lots) OVER past AS cvd_close_lots, sum(volume_lots) OVER past AS lots,
           sum(first_moment) OVER past AS lots_d, sum(second_moment) OVER past AS lots_d2,
           first_value(open_ticks) OVER past - {FIRST_BID} AS start
    FROM bar WINDOW past AS (PARTITION BY session ORDER BY bar_id ROWS UNBOUNDED PRECEDING)
), spread AS (
    SELECT *, (lots_d - start * lots) / lots AS mean,
           (lots_d2 - 2 * start * lots_d + start * start * lots) / lots AS square,
           least(lowest - base, 0) AS min_delta_lots, greatest(highest - base, 0) AS max_delta_lots,
           cvd_close_lots - delta_lots AS cvd_open_lots
    FROM so_far
)
SELECT bar_id, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, buy_lots, sell_lots,
       volume_lots - buy_lots - sell_lots AS unsigned_lots, n_trades, n_buy, n_sell, delta_lots,
       min_delta_lots, max_delta_lots, cvd_close_lots, cvd_open_lots,
       cvd_open_lots + max_delta_lots AS cvd_high_lots,
       cvd_open_lots + min_delta_lots AS cvd_low_lots,
       mean + start + {FIRST_BID} AS vwap_ticks,
       sqrt(greatest(square - mean * mean, 0)) AS vwap_sd_ticks
FROM spread ORDER BY bar_id
"""  # noqa: S608 - constants of this module


def contestants(market: Market) -> list[Contestant]:
    columns = {name: trade_columns(market)[name] for name in INPUTS}
    frame = polars_frame(columns, in_order_of="ts_ns")
    in_pandas = pandas_frame(columns)
    database = duckdb_tables(trades=columns)
    chdb = Chdb(trades=columns)
    return [
        Contestant(name=OURS, run=lambda: _ours(columns, market.session_start_idx)),
        Contestant(name="numpy", run=lambda: _numpy(**columns)),
        Contestant(name="pandas", run=lambda: _pandas(in_pandas), columns=pandas_columns),
        Contestant(name="polars", run=lambda: _polars(frame), columns=polars_columns),
        Contestant(
            name="duckdb", run=lambda: database.execute(SQL).fetchnumpy(), columns=duckdb_columns
        ),
        Contestant(name="chdb", run=lambda: chdb.run(CHDB_SQL), columns=chdb_columns),
    ]


def _ours(columns: Arrays, session_start_idx: Int64) -> Columns:
    price, qty, sign = columns["price_ticks"], columns["qty_lots"], columns["sign"]
    index = time_bar_index(columns["ts_ns"], BAR_NS)
    made = flow_bars(price, qty, sign, index, session_start_idx=session_start_idx)
    return {
        "bar_id": index.bar_id,
        **{name: getattr(made.bars, name) for name in type(made.bars).__dataclass_fields__},
        **{name: getattr(made, name) for name in type(made).__dataclass_fields__ if name != "bars"},
    }


def _numpy(
    ts_ns: Int64, price_ticks: Int64, qty_lots: Int64, sign: np.ndarray, session: Int64
) -> Columns:
    minute = ts_ns // BAR_NS
    first = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
    end = np.append(first[1:], len(ts_ns))
    signed, distance = sign * qty_lots, price_ticks - FIRST_BID
    running = np.cumsum(signed)
    base = running[first] - signed[first]
    is_buy, is_sell = sign > 0, sign < 0
    q_d = qty_lots * distance
    sums = {
        "volume_lots": np.add.reduceat(qty_lots, first),
        "buy_lots": np.add.reduceat(np.where(is_buy, qty_lots, 0), first),
        "sell_lots": np.add.reduceat(np.where(is_sell, qty_lots, 0), first),
        "n_buy": np.add.reduceat(is_buy, first, dtype=np.int64),
        "n_sell": np.add.reduceat(is_sell, first, dtype=np.int64),
    }
    moments = (np.add.reduceat(q_d, first), np.add.reduceat(q_d * distance, first))
    ranges = {
        "bar_id": minute[first],
        "open_ticks": price_ticks[first],
        "high_ticks": np.maximum.reduceat(price_ticks, first),
        "low_ticks": np.minimum.reduceat(price_ticks, first),
        "close_ticks": price_ticks[end - 1],
        "n_trades": end - first,
        "delta_lots": running[end - 1] - base,
        "min_delta_lots": np.minimum(np.minimum.reduceat(running, first) - base, 0),
        "max_delta_lots": np.maximum(np.maximum.reduceat(running, first) - base, 0),
    }
    return _numpy_session(ranges | sums, moments, session[first])


def _numpy_session(bars: Columns, moments: tuple[Int64, Int64], session: Int64) -> Columns:
    # Sums since the session's start: the running sum less the one before the session's first bar.
    first_bar = np.searchsorted(session, session)

    def since_start(values: Int64) -> Int64:
        running = np.cumsum(values)
        return running - (running - values)[first_bar]

    lots, close = since_start(bars["volume_lots"]), since_start(bars["delta_lots"])
    start = bars["open_ticks"][first_bar] - FIRST_BID
    mean, variance = mean_and_variance(
        lots, since_start(moments[0]), since_start(moments[1]), start
    )
    opened = close - bars["delta_lots"]
    return bars | {
        "unsigned_lots": bars["volume_lots"] - bars["buy_lots"] - bars["sell_lots"],
        "cvd_open_lots": opened,
        "cvd_high_lots": opened + bars["max_delta_lots"],
        "cvd_low_lots": opened + bars["min_delta_lots"],
        "cvd_close_lots": close,
        "vwap_ticks": mean + start + FIRST_BID,
        "vwap_sd_ticks": np.sqrt(variance.clip(0)),
    }


def mean_and_variance(lots, lots_d, lots_d2, start):
    """Return both about another start of the distances; arrays, series or expressions."""
    mean = (lots_d - start * lots) / lots
    return mean, (lots_d2 - 2 * start * lots_d + start * start * lots) / lots - mean * mean


def _pandas(trades: pd.DataFrame) -> pd.DataFrame:
    signed = trades.sign * trades.qty_lots
    distance = trades.price_ticks - FIRST_BID
    q_d = trades.qty_lots * distance
    terms = trades.assign(
        bar_id=trades.ts_ns // BAR_NS,
        is_buy=trades.sign > 0,
        is_sell=trades.sign < 0,
        buy=trades.qty_lots.where(trades.sign > 0, 0),
        sell=trades.qty_lots.where(trades.sign < 0, 0),
        running=signed.cumsum(),
        before=signed.cumsum() - signed,
        q_d=q_d,
        q_d2=q_d * distance,
    )
    bars = terms.groupby("bar_id", as_index=False).agg(
        session=("session", "first"),
        open_ticks=("price_ticks", "first"),
        high_ticks=("price_ticks", "max"),
        low_ticks=("price_ticks", "min"),
        close_ticks=("price_ticks", "last"),
        volume_lots=("qty_lots", "sum"),
        buy_lots=("buy", "sum"),
        sell_lots=("sell", "sum"),
        n_trades=("qty_lots", "size"),
        n_buy=("is_buy", "sum"),
        n_sell=("is_sell", "sum"),
        lowest=("running", "min"),
        highest=("running", "max"),
        last=("running", "last"),
        base=("before", "first"),
        first_moment=("q_d", "sum"),
        second_moment=("q_d2", "sum"),
    )
    return _pandas_session(bars)


def _pandas_session(bars: pd.DataFrame) -> pd.DataFrame:
    delta = bars["last"] - bars.base
    so_far = bars.groupby("session")[list(MOMENTS)].cumsum()
    close = delta.groupby(bars.session).cumsum()
    start = bars.groupby("session").open_ticks.transform("first") - FIRST_BID
    mean, variance = mean_and_variance(*(so_far[name] for name in MOMENTS), start)
    lowest, highest = (bars.lowest - bars.base).clip(upper=0), (bars.highest - bars.base).clip(0)
    inner = ["session", "lowest", "highest", "last", "base", "first_moment", "second_moment"]
    return bars.drop(columns=inner).assign(
        unsigned_lots=bars.volume_lots - bars.buy_lots - bars.sell_lots,
        delta_lots=delta,
        min_delta_lots=lowest,
        max_delta_lots=highest,
        cvd_open_lots=close - delta,
        cvd_high_lots=close - delta + highest,
        cvd_low_lots=close - delta + lowest,
        cvd_close_lots=close,
        vwap_ticks=mean + start + FIRST_BID,
        vwap_sd_ticks=np.sqrt(variance.clip(0)),
    )


def _polars(trades: pl.DataFrame) -> pl.DataFrame:
    # Terms first, then plain sums: faster than sums of filtered columns.
    price, qty, sign = pl.col("price_ticks"), pl.col("qty_lots"), pl.col("sign")
    signed, distance = sign.cast(pl.Int64) * qty, price - FIRST_BID
    terms = trades.lazy().select(
        "session",
        "price_ticks",
        "qty_lots",
        bar_id=(pl.col("ts_ns") // BAR_NS).set_sorted(),
        signed=signed,
        running=signed.cum_sum(),
        buy=pl.when(sign > 0).then(qty).otherwise(0),
        sell=pl.when(sign < 0).then(qty).otherwise(0),
        is_buy=sign > 0,
        is_sell=sign < 0,
        q_d=qty * distance,
        q_d2=qty * distance * distance,
    )
    running = pl.col("running")
    bars = terms.group_by("bar_id", maintain_order=True).agg(
        session=pl.col("session").first(),
        open_ticks=price.first(),
        high_ticks=price.max(),
        low_ticks=price.min(),
        close_ticks=price.last(),
        volume_lots=qty.sum(),
        buy_lots=pl.col("buy").sum(),
        sell_lots=pl.col("sell").sum(),
        n_trades=pl.len(),
        n_buy=pl.col("is_buy").sum(),
        n_sell=pl.col("is_sell").sum(),
        delta_lots=pl.col("signed").sum(),
        lowest=running.min(),
        highest=running.max(),
        base=running.first() - pl.col("signed").first(),
        first_moment=pl.col("q_d").sum(),
        second_moment=pl.col("q_d2").sum(),
    )
    return _polars_session(bars).collect()


def _polars_session(bars: pl.LazyFrame) -> pl.LazyFrame:
    volume, delta, base = pl.col("volume_lots"), pl.col("delta_lots"), pl.col("base")
    so_far = [f"{name}_so_far" for name in MOMENTS]
    mean, variance = mean_and_variance(*(pl.col(name) for name in (*so_far, "start")))
    return (
        bars.with_columns(
            unsigned_lots=volume - pl.col("buy_lots") - pl.col("sell_lots"),
            min_delta_lots=(pl.col("lowest") - base).clip(upper_bound=0),
            max_delta_lots=(pl.col("highest") - base).clip(lower_bound=0),
            cvd_close_lots=delta.cum_sum().over("session"),
            start=pl.col("open_ticks").first().over("session") - FIRST_BID,
            **dict(
                zip(so_far, (pl.col(n).cum_sum().over("session") for n in MOMENTS), strict=True)
            ),
        )
        .with_columns(
            cvd_open_lots=pl.col("cvd_close_lots") - delta,
            vwap_ticks=mean + pl.col("start") + FIRST_BID,
            vwap_sd_ticks=variance.clip(0).sqrt(),
        )
        .with_columns(
            cvd_high_lots=pl.col("cvd_open_lots") + pl.col("max_delta_lots"),
            cvd_low_lots=pl.col("cvd_open_lots") + pl.col("min_delta_lots"),
        )
        .drop("session", "lowest", "highest", "base", "start", *so_far, *MOMENTS[1:])
    )


ITEM = Item(
    name="bars",
    work="one-minute bars with delta, its extremes, CVD candles and session VWAP",
    goal=10,
    inputs=lambda market: [
        market.trades.ts_event_ns,
        market.trades.price_ticks,
        market.trades.qty_lots,
        market.trades.sign,
    ],
    contestants=contestants,
)
