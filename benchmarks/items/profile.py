"""Volume profile of each session with its point of control and value area."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import Market
from benchmarks.peers import (
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
from orderflow_core.profile import volume_profile
from orderflow_core.types import Int64, TradeArrays
from orderflow_core.value_area import value_area

INPUTS = ("session", "price_ticks", "qty_lots", "sign")
LOTS = {"bid_lots": -1, "ask_lots": 1, "unsigned_lots": 0}
SQL = """
SELECT session, price_ticks AS price_tick,
       sum(if(sign < 0, qty_lots, 0))::BIGINT AS bid_lots,
       sum(if(sign > 0, qty_lots, 0))::BIGINT AS ask_lots,
       sum(if(sign = 0, qty_lots, 0))::BIGINT AS unsigned_lots
FROM trades GROUP BY session, price_tick ORDER BY session, price_tick
"""
CHDB_SQL = """
SELECT session, price_ticks AS price_tick, sumIf(qty_lots, sign < 0) AS bid_lots,
       sumIf(qty_lots, sign > 0) AS ask_lots, sumIf(qty_lots, sign = 0) AS unsigned_lots
FROM bench.trades GROUP BY session, price_tick ORDER BY session, price_tick
"""


def contestants(market: Market) -> list[Contestant]:
    columns = {name: trade_columns(market)[name] for name in INPUTS}
    frame = polars_frame(columns, in_order_of="session")
    in_pandas = pandas_frame(columns)
    database = duckdb_tables(trades=columns)
    chdb = Chdb(trades=columns)
    edges = np.append(market.session_start_idx, len(market)).tolist()
    ranges = list(pairwise(edges))
    return [
        Contestant(name=OURS, run=lambda: _ours(market.trades, ranges)),
        Contestant(name="numpy", run=lambda: with_areas(_numpy(market.trades, ranges))),
        Contestant(name="pandas", run=lambda: with_areas(pandas_columns(_pandas(in_pandas)))),
        Contestant(name="polars", run=lambda: with_areas(polars_columns(_polars(frame)))),
        Contestant(
            name="duckdb",
            run=lambda: with_areas(duckdb_columns(database.execute(SQL).fetchnumpy())),
        ),
        Contestant(name="chdb", run=lambda: with_areas(chdb_columns(chdb.run(CHDB_SQL)))),
    ]


def with_areas(rows: Columns) -> Columns:
    """Return the rows with point of control and value area of each session, in plain Python."""
    first = np.flatnonzero(np.diff(rows["session"], prepend=-1))
    parts = [np.split(rows[name], first[1:]) for name in ("price_tick", *LOTS)]
    levels = [
        _levels(price, bid + ask + unsigned)
        for price, bid, ask, unsigned in zip(*parts, strict=True)
    ]
    return rows | _level_columns(levels)


def _level_columns(levels: Iterable[tuple[int, int, int]]) -> Columns:
    names = ("poc_tick", "val_tick", "vah_tick")
    return dict(zip(names, np.array(list(levels)).T, strict=True))


def _ours(trades: TradeArrays, ranges: list[tuple[int, int]]) -> Columns:
    profiles, levels = [], []
    for first, end in ranges:
        part = trades.slice(first, end)
        rows = volume_profile(part.price_ticks, part.qty_lots, part.sign, ticks_per_row=1)
        area = value_area(rows.price_tick, rows.volume_lots, ticks_per_row=1)
        profiles.append(rows)
        levels.append((area.poc_tick, area.val_tick, area.vah_tick))
    columns = {
        name: np.concatenate([getattr(rows, name) for rows in profiles])
        for name in ("price_tick", *LOTS)
    }
    session = np.repeat(np.arange(len(ranges)), [len(rows) for rows in profiles])
    return {"session": session, **columns, **_level_columns(levels)}


def _levels(price: Int64, volume: Int64) -> tuple[int, int, int]:
    # The rules of orderflow_core.value_area, written apart from it, on a ladder without holes.
    low = int(price[0])
    dense = np.zeros(int(price[-1]) - low + 1, np.int64)
    dense[price - low] = volume
    poc = _poc(dense)
    ladder = dense.tolist()
    below, above, inside = poc, poc, ladder[poc]
    while inside * 10 < sum(ladder) * 7:
        lower, upper = sum(ladder[max(below - 2, 0) : below]), sum(ladder[above + 1 : above + 3])
        if above == len(ladder) - 1 or (below > 0 and lower > upper):
            below, inside = max(below - 2, 0), inside + lower
        else:
            above, inside = min(above + 2, len(ladder) - 1), inside + upper
    return low + poc, low + below, low + above


def _poc(ladder: Int64) -> int:
    tied = np.flatnonzero(ladder == ladder.max())
    middle2 = len(ladder) - 1
    distance = np.abs(2 * tied - middle2)
    closest = tied[distance == distance.min()]
    half = len(ladder) // 2
    return int(
        closest[-1] if ladder[len(ladder) - half :].sum() > ladder[:half].sum() else closest[0]
    )


def _numpy(trades: TradeArrays, ranges: list[tuple[int, int]]) -> Columns:
    parts = [_numpy_profile(trades.slice(first, end)) for first, end in ranges]
    session = np.repeat(np.arange(len(parts)), [len(part["price_tick"]) for part in parts])
    names = ("price_tick", *LOTS)
    return {"session": session} | {
        name: np.concatenate([part[name] for part in parts]) for name in names
    }


def _numpy_profile(trades: TradeArrays) -> Columns:
    low = trades.price_ticks.min()
    row = trades.price_ticks - low
    # Weighted counts are floats: exact here, as no sum comes near 2**53.
    cells = np.bincount(row * 3 + trades.sign + 1, weights=trades.qty_lots).astype(np.int64)
    cells = np.pad(cells, (0, -len(cells) % 3)).reshape(-1, 3)
    traded = np.flatnonzero(cells.sum(axis=1))
    lots = {name: cells[traded, value + 1] for name, value in LOTS.items()}
    return {"price_tick": traded + low, **lots}


def _pandas(trades: pd.DataFrame) -> pd.DataFrame:
    terms = {"session": trades.session, "price_tick": trades.price_ticks}
    terms |= {name: trades.qty_lots.where(trades.sign == value, 0) for name, value in LOTS.items()}
    return pd.DataFrame(terms).groupby(["session", "price_tick"], as_index=False).sum()


def _polars(trades: pl.DataFrame) -> pl.DataFrame:
    # By side first, in the streaming engine: twice as fast as sums of filtered columns.
    lots, sign = pl.col("lots"), pl.col("sign")
    return (
        trades.lazy()
        .group_by("session", "price_ticks", "sign")
        .agg(lots=pl.col("qty_lots").sum())
        .group_by("session", price_tick="price_ticks")
        .agg(**{name: lots.filter(sign == value).sum() for name, value in LOTS.items()})
        .sort("session", "price_tick")
        .collect(engine="streaming")
    )


ITEM = Item(
    name="profile",
    work="volume profile by side of each day, with point of control and value area (in plain Python "
    "for the peers)",
    goal=10,
    inputs=lambda market: [
        market.trades.price_ticks,
        market.trades.qty_lots,
        market.trades.sign,
    ],
    contestants=contestants,
)
