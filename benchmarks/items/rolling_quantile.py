"""As `rolling`, with the causal 95th percentile of sizes and the share of the lots above it."""

import numpy as np
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item, Reused
from benchmarks.data import Market
from benchmarks.items import rolling
from benchmarks.peers import (
    Arrays,
    duckdb_columns,
    duckdb_tables,
    polars_columns,
    polars_frame,
    trade_columns,
)
from orderflow_core.rolling import RollingQuantile, RollingSums, rolling_quantile
from orderflow_core.types import Int64

LARGE = ("large_buy_ratio", "large_sell_ratio")
# The nearest rank: the smallest size with at least 95 % of the window at or below it. Neither numpy
# nor pandas has this rule for a rolling window.
RANK = {"quantile": 0.95, "interpolation": "equiprobable"}
SQL = rolling.SQL.replace("SELECT buy_lots,", "SELECT quantile_lots, buy_lots,").replace(
    "SELECT i,", "SELECT i, quantile_disc(qty_lots, 0.95) OVER past AS quantile_lots,"
)


def contestants(market: Market) -> list[Contestant]:
    columns = {name: trade_columns(market)[name] for name in ("ts_ns", "qty_lots", "sign")}
    ends = np.arange(1, len(market) + 1)
    frame = polars_frame(columns, in_order_of="ts_ns")
    database = duckdb_tables(trades=columns)
    return [
        Contestant(
            name=OURS, run=Reused(lambda room: _ours(columns, ends, room)), columns=_columns
        ),
        Contestant(
            name="polars",
            run=lambda: _polars(frame),
            columns=polars_columns,
            leaves_out=LARGE,
        ),
        Contestant(
            name="polars rolling.agg",
            run=lambda: _polars_agg(frame),
            columns=polars_columns,
            max_rows=20_000,
        ),
        Contestant(
            name="duckdb",
            run=lambda: database.execute(SQL).fetchnumpy(),
            columns=duckdb_columns,
            leaves_out=LARGE,
            max_rows=500_000,
        ),
    ]


def polars_large_ratios() -> dict[str, pl.Expr]:
    """Return the lots above the window's quantile over all its lots, for ``rolling().agg``."""
    qty, sign = pl.col("qty_lots"), pl.col("sign")
    is_large = qty > qty.quantile(**RANK)
    return {
        "large_buy_ratio": qty.filter(is_large & (sign > 0)).sum() / qty.sum(),
        "large_sell_ratio": qty.filter(is_large & (sign < 0)).sum() / qty.sum(),
    }


def _ours(
    columns: Arrays, ends: Int64, room: tuple[RollingSums, RollingQuantile] | None
) -> tuple[RollingSums, RollingQuantile]:
    flow, large = room or (None, None)
    large = rolling_quantile(
        columns["ts_ns"],
        columns["qty_lots"],
        columns["sign"],
        ends,
        window_ns=rolling.WINDOW_NS,
        session_start_idx=np.zeros(1, np.int64),
        out=large,
    )
    return rolling.flow_at(columns, ends, flow), large


def _columns(found: tuple[RollingSums, RollingQuantile]) -> Columns:
    flow, large = found
    names = ("quantile_lots", *LARGE)
    return rolling.flow_columns(flow) | {name: getattr(large, name) for name in names}


def _polars(frame: pl.DataFrame) -> pl.DataFrame:
    quantile = (
        frame.lazy()
        .select("qty_lots", clock=rolling.polars_clock())
        .select(
            quantile_lots=pl.col("qty_lots").rolling_quantile_by(
                "clock", window_size=rolling.PERIOD, closed="right", **RANK
            )
        )
    )
    both = pl.concat([rolling.polars_rolling(frame), quantile], how="horizontal")
    return both.collect(engine="streaming")


def _polars_agg(frame: pl.DataFrame) -> pl.DataFrame:
    # A ratio whose threshold moves with the window needs the whole window at each trade.
    large = (
        frame.lazy()
        .with_columns(clock=rolling.polars_clock())
        .rolling("clock", period=rolling.PERIOD, closed="right")
        .agg(quantile_lots=pl.col("qty_lots").quantile(**RANK), **polars_large_ratios())
        .drop("clock")
    )
    return pl.concat([rolling.polars_rolling(frame), large], how="horizontal").collect()


ITEM = Item(
    name="rolling_quantile",
    work="60 s flow with the causal 95th percentile of sizes and the share of lots above it at each "
    "trade (polars and duckdb are spared the share of lots above)",
    goal=35,
    inputs=lambda market: [
        market.trades.ts_event_ns,
        market.trades.qty_lots,
        market.trades.sign,
    ],
    contestants=contestants,
)
