"""Order flow of the last 60 s at each trade: lots and trades by side, their imbalance and means.

Trade i knows the trades up to itself and no later one, also of those that share its time: its
window holds what it knows with time in (t - 60 s, t].
"""

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item, Reused
from benchmarks.data import MS_NS, START_NS, Market
from benchmarks.peers import (
    Arrays,
    duckdb_columns,
    duckdb_tables,
    pandas_columns,
    pandas_frame,
    polars_columns,
    polars_frame,
    trade_columns,
)
from orderflow_core.rolling import RollingSums, rolling_sums
from orderflow_core.types import Int64

WINDOW_NS = 60_000 * MS_NS
SUMS = ("buy_lots", "sell_lots", "n_buy", "n_sell")
RATIOS = ("imbalance", "avg_buy_lots", "avg_sell_lots")
# Milliseconds and position in one integer, which leaves room for 2**25 trades: windows that end
# with the trade itself then need no order among equal times.
POSITIONS = 2**25
PERIOD = f"{60_000 * POSITIONS}i"
SQL = f"""
SELECT buy_lots, sell_lots, n_buy, n_sell,
       (buy_lots - sell_lots) / nullif(buy_lots + sell_lots, 0) AS imbalance,
       buy_lots / nullif(n_buy, 0) AS avg_buy_lots, sell_lots / nullif(n_sell, 0) AS avg_sell_lots
FROM (
    SELECT i, (sum(if(sign > 0, qty_lots, 0)) OVER past)::BIGINT AS buy_lots,
           (sum(if(sign < 0, qty_lots, 0)) OVER past)::BIGINT AS sell_lots,
           (sum((sign > 0)::INT) OVER past)::BIGINT AS n_buy,
           (sum((sign < 0)::INT) OVER past)::BIGINT AS n_sell
    FROM (SELECT rowid AS i, (ts_ns - {START_NS}) // {MS_NS} * {POSITIONS} + rowid AS clock,
                 sign, qty_lots FROM trades)
    WINDOW past AS (ORDER BY clock RANGE BETWEEN {60_000 * POSITIONS - 1} PRECEDING
                    AND CURRENT ROW)
)
ORDER BY i
"""  # noqa: S608 - constants of this module


def contestants(market: Market) -> list[Contestant]:
    columns = {name: trade_columns(market)[name] for name in ("ts_ns", "qty_lots", "sign")}
    ends = np.arange(1, len(market) + 1)
    frame = polars_frame(columns, in_order_of="ts_ns")
    by_time = pandas_frame(columns | {"ts_ns": columns["ts_ns"].view("M8[ns]")}).set_index("ts_ns")
    database = duckdb_tables(trades=columns)
    return [
        Contestant(
            name=OURS, run=Reused(lambda room: flow_at(columns, ends, room)), columns=flow_columns
        ),
        Contestant(
            name="numpy",
            run=Reused(lambda room: _numpy(**columns, room=room)),
            columns=lambda made: {name: made[name] for name in (*SUMS, *RATIOS)},
        ),
        Contestant(name="pandas", run=lambda: _pandas(by_time), columns=pandas_columns),
        Contestant(
            name="polars",
            run=lambda: polars_rolling(frame).collect(engine="streaming"),
            columns=polars_columns,
        ),
        Contestant(name="polars rolling_by", run=lambda: _polars_by(frame), columns=polars_columns),
        Contestant(
            name="duckdb",
            run=lambda: database.execute(SQL).fetchnumpy(),
            columns=duckdb_columns,
            max_rows=500_000,
        ),
    ]


def flow_at(columns: Arrays, ends: Int64, room: RollingSums | None) -> RollingSums:
    """Return our rolling sums of one session, in the memory of an earlier result."""
    return rolling_sums(
        columns["ts_ns"],
        columns["qty_lots"],
        columns["sign"],
        ends,
        window_ns=WINDOW_NS,
        session_start_idx=np.zeros(1, np.int64),
        out=room,
    )


def flow_columns(flow: RollingSums) -> Columns:
    """Return our sums, means and imbalance by name."""
    return {name: getattr(flow, name) for name in (*SUMS, *RATIOS)}


def polars_rolling(frame: pl.DataFrame) -> pl.LazyFrame:
    """Return the columns as running sums less their values 60 s ago: faster than rolling_by."""
    running = frame.lazy().select("ts_ns", *[sum_.cum_sum() for sum_ in _terms()])
    now = running.with_columns(left_ns=pl.col("ts_ns") - WINDOW_NS)
    past = now.join_asof(running, left_on="left_ns", right_on="ts_ns", suffix="_past")
    return past.select(pl.col(c) - pl.col(f"{c}_past").fill_null(0) for c in SUMS).with_columns(
        **polars_ratios()
    )


def polars_ratios() -> dict[str, pl.Expr]:
    """Return imbalance and mean lots as expressions over the sums."""
    buy, sell = pl.col("buy_lots"), pl.col("sell_lots")
    return {
        "imbalance": _polars_ratio(buy - sell, buy + sell),
        "avg_buy_lots": _polars_ratio(buy, pl.col("n_buy")),
        "avg_sell_lots": _polars_ratio(sell, pl.col("n_sell")),
    }


def polars_clock() -> pl.Expr:
    """Return the integer clock of milliseconds and positions, known to be sorted."""
    return ((pl.col("ts_ns") - START_NS) // MS_NS * POSITIONS + pl.int_range(pl.len())).set_sorted()


def _terms() -> list[pl.Expr]:
    is_buy, is_sell, qty = pl.col("sign") > 0, pl.col("sign") < 0, pl.col("qty_lots")
    return [
        pl.when(is_buy).then(qty).otherwise(0).alias("buy_lots"),
        pl.when(is_sell).then(qty).otherwise(0).alias("sell_lots"),
        is_buy.cast(pl.Int64).alias("n_buy"),
        is_sell.cast(pl.Int64).alias("n_sell"),
    ]


def _polars_by(frame: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.lazy()
        .select(*_terms(), clock=polars_clock())
        .select(pl.col(SUMS).rolling_sum_by("clock", window_size=PERIOD, closed="right"))
        .with_columns(**polars_ratios())
        .collect()
    )


def _polars_ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    return pl.when(denominator != 0).then(numerator / denominator)


def _numpy(ts_ns: Int64, qty_lots: Int64, sign: np.ndarray, room: Arrays | None) -> Arrays:
    # In the memory of the run before, but for what searchsorted and masks make.
    n = len(ts_ns)
    if room is None:
        room = {name: np.empty(n, np.int64) for name in (*SUMS, "left_ns", "term", "past")}
        room |= {name: np.empty(n) for name in RATIOS} | {"running": np.zeros(n + 1, np.int64)}
    term, running, past = room["term"], room["running"], room["past"]
    first = np.searchsorted(ts_ns, np.subtract(ts_ns, WINDOW_NS, out=room["left_ns"]), side="right")
    for side, is_side in (("buy", sign > 0), ("sell", sign < 0)):
        for name, values in ((f"{side}_lots", qty_lots), (f"n_{side}", 1)):
            np.multiply(is_side, values, out=term)
            np.cumsum(term, out=running[1:])
            np.take(running, first, out=past, mode="clip")
            np.subtract(running[1:], past, out=room[name])
    buy, sell = room["buy_lots"], room["sell_lots"]
    with np.errstate(invalid="ignore"):
        np.divide(
            np.subtract(buy, sell, out=term), np.add(buy, sell, out=past), out=room["imbalance"]
        )
        np.divide(buy, room["n_buy"], out=room["avg_buy_lots"])
        np.divide(sell, room["n_sell"], out=room["avg_sell_lots"])
    return room


def _pandas(trades: pd.DataFrame) -> pd.DataFrame:
    is_buy, is_sell = trades.sign > 0, trades.sign < 0
    terms = pd.DataFrame(
        {
            "buy_lots": trades.qty_lots.where(is_buy, 0),
            "sell_lots": trades.qty_lots.where(is_sell, 0),
            "n_buy": is_buy.astype(np.int64),
            "n_sell": is_sell.astype(np.int64),
        }
    )
    sums = terms.rolling("60s").sum()
    return sums.assign(
        imbalance=(sums.buy_lots - sums.sell_lots) / (sums.buy_lots + sums.sell_lots),
        avg_buy_lots=sums.buy_lots / sums.n_buy,
        avg_sell_lots=sums.sell_lots / sums.n_sell,
    )


ITEM = Item(
    name="rolling",
    work="60 s sums, counts, means and imbalance by side at each trade",
    goal=18,
    inputs=lambda market: [
        market.trades.ts_event_ns,
        market.trades.qty_lots,
        market.trades.sign,
    ],
    contestants=contestants,
)
