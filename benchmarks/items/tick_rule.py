"""Sign of each trade's step from the last different price."""

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item, Reused
from benchmarks.data import Market
from benchmarks.peers import (
    Chdb,
    chdb_columns,
    duckdb_columns,
    duckdb_tables,
    pandas_frame,
    polars_columns,
    polars_frame,
)
from benchmarks.tclf_peer import tclf_contestants
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import Int8, Int64

SQL = """
SELECT coalesce(last_value(nullif(step, 0) IGNORE NULLS) OVER (ORDER BY i), 0)::TINYINT AS sign
FROM (SELECT rowid AS i, sign(price_ticks - lag(price_ticks) OVER (ORDER BY rowid)) AS step
      FROM trades)
ORDER BY i
"""
# One thread: several would hand on the blocks of the table in any order.
CHDB_SQL = """
SELECT sign(arrayJoin(arrayFill(x -> x != 0, arrayDifference(groupArray(price_ticks)))))::Int8 AS sign
FROM bench.trades SETTINGS max_threads = 1
"""


def contestants(market: Market) -> list[Contestant]:
    price = market.trades.price_ticks
    frame = polars_frame({"price_ticks": price})
    series = pandas_frame({"price_ticks": price})["price_ticks"]
    database = duckdb_tables(trades={"price_ticks": price})
    chdb = Chdb(trades={"price_ticks": price})
    return [
        Contestant(
            name=OURS, run=Reused(lambda room: tick_rule(price, out=room)[0]), columns=_column
        ),
        Contestant(
            name="numpy", run=Reused(lambda room: _numpy(price, room)), columns=lambda made: made[0]
        ),
        Contestant(name="pandas", run=lambda: _pandas(series), columns=_column),
        Contestant(name="polars", run=lambda: _polars(frame), columns=polars_columns),
        Contestant(
            name="duckdb", run=lambda: database.execute(SQL).fetchnumpy(), columns=duckdb_columns
        ),
        Contestant(name="chdb", run=lambda: chdb.run(CHDB_SQL), columns=chdb_columns),
        *tclf_contestants("tick", {"price_ticks": price}),
    ]


def numpy_tick_rule(price: Int64) -> Int8:
    """Return the tick rule's signs by the position of the last change."""
    step = np.sign(np.diff(price, prepend=price[:1])).astype(np.int8)
    position = np.where(step != 0, np.arange(len(price)), 0)
    return step[np.maximum.accumulate(position)]


def _numpy(price: Int64, room: tuple[Columns, Columns] | None) -> tuple[Columns, Columns]:
    # As above, in the memory of the run before; the result and what it needs on the way.
    n = len(price)
    if room is None:
        way = {"step": np.zeros(n, np.int64), "at": np.arange(n), "position": np.empty(n, np.int64)}
        room = {"sign": np.empty(n, np.int8)}, way | {"short": np.empty(n, np.int8)}
    made, way = room
    np.subtract(price[1:], price[:-1], out=way["step"][1:])
    np.sign(way["step"], out=way["short"], casting="unsafe")
    np.multiply(way["at"], way["short"] != 0, out=way["position"])
    np.maximum.accumulate(way["position"], out=way["position"])
    np.take(way["short"], way["position"], out=made["sign"], mode="clip")
    return room


def polars_tick_sign(price: str) -> pl.Expr:
    """Return the tick rule as an expression, null before the first change."""
    step = pl.col(price).diff()
    return pl.when(step != 0).then((step > 0).cast(pl.Int8) * 2 - 1).forward_fill()


def _polars(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.lazy().select(sign=polars_tick_sign("price_ticks").fill_null(0)).collect()


def _pandas(price: pd.Series) -> Int8:
    step = np.sign(price.diff())
    return step.where(step != 0).ffill().fillna(0).to_numpy().astype(np.int8)


def _column(sign: Int8) -> Columns:
    return {"sign": sign}


ITEM = Item(
    name="tick_rule",
    work="tick rule over all trades",
    goal=8,
    limit_goal=1.5,
    inputs=lambda market: [market.trades.price_ticks],
    contestants=contestants,
)
