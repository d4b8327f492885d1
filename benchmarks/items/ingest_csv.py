"""A day of Binance aggregates: from the file to checked columns.

Ours starts from the ZIP and ends with a table that has passed the quality gate; the peers start
from the unpacked CSV and check nothing. Prices and sizes are read as floats by the peers and made
steps outside the clock.
"""

import tempfile
import zipfile
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import Market
from benchmarks.peers import Chdb, chdb_columns, duckdb_columns, pandas_columns, polars_columns
from orchestration.sources.binance.archive import read_archive
from orderflow_core.instrument import Instrument

STEM = "BTCUSDT-aggTrades-2026-01-01"
NAMES = ["trade_id", "price", "qty", "first_id", "last_id", "time", "is_buyer_maker"]
SPOT_NAMES = [*NAMES, "is_best_match"]
STEPS = {"price": 100, "qty": 100_000}
SCHEMA = (
    "trade_id Int64, price Float64, qty Float64, first_id Int64, last_id Int64, time Int64, "
    "is_buyer_maker Bool, is_best_match Bool"
)
STORED = "SELECT * FROM bench.aggregates ORDER BY trade_id"
SPOT = Instrument(
    symbol="BTCUSDT.SPOT", venue="binance_spot", venue_symbol="BTCUSDT", kind="spot",
    price_step=Decimal("0.01"), tick_size=Decimal("0.01"), lot_step=Decimal("0.00001"),
    contract_value=Decimal(1), quote_currency="USDT", day_rule="utc",
)  # fmt: skip


def contestants(market: Market) -> list[Contestant]:
    # The folder lives as long as the runs that name it.
    folder = tempfile.TemporaryDirectory(prefix="ingest-csv-")
    path = Path(folder.name) / f"{STEM}.csv"
    _write(market, path)
    packed = path.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    chdb = Chdb()
    chdb.run(
        "CREATE OR REPLACE TABLE bench.aggregates "
        f"({SCHEMA}) ENGINE = MergeTree ORDER BY (time, trade_id)"
    )
    return [
        Contestant(name=OURS, run=lambda: (read_archive(packed, SPOT), folder)[0], columns=_ours),
        Contestant(
            name="pandas", columns=lambda frame: _steps(pandas_columns(frame)),
            run=lambda: pd.read_csv(path, names=SPOT_NAMES, engine="pyarrow"),
        ),
        Contestant(
            name="polars", columns=lambda frame: _steps(polars_columns(frame)),
            run=lambda: pl.read_csv(path, has_header=False, new_columns=SPOT_NAMES,
                                    schema_overrides={"column_7": pl.String, "column_8": pl.String}),
        ),
        Contestant(
            name="pyarrow", columns=lambda table: _steps(chdb_columns(table)),
            run=lambda: csv.read_csv(path, csv.ReadOptions(column_names=SPOT_NAMES)),
        ),
        Contestant(
            name="duckdb", columns=lambda found: _steps(duckdb_columns(found)),
            run=lambda: _duckdb(path),
        ),
        Contestant(
            name="chdb", columns=lambda _: _steps(chdb_columns(chdb.run(STORED))),
            run=lambda: _chdb(chdb, path),
        ),
    ]  # fmt: skip


def _write(market: Market, path: Path) -> None:
    # Spot's layout: microseconds, eight decimals, no header.
    trades = market.trades
    ids = pl.Series(trades.trade_id)
    frame = pl.DataFrame(
        {
            "trade_id": ids, "price": _decimal(trades.price_ticks, 2),
            "qty": _decimal(trades.qty_lots, 5), "first_id": 2 * ids, "last_id": 2 * ids + 1,
            "time": trades.ts_event_ns // 1000,
            "is_buyer_maker": np.where(trades.sign < 0, "True", "False").tolist(),
            "is_best_match": ["True"] * len(trades),
        }
    )  # fmt: skip
    frame.write_csv(path, include_header=False)


def _decimal(steps: np.ndarray, decimals: int) -> pl.Series:
    whole, part = pl.Series(steps // 10**decimals), pl.Series(steps % 10**decimals)
    text = part.cast(pl.String).str.zfill(decimals).str.pad_end(8, "0")
    return whole.cast(pl.String) + "." + text


def _ours(batch) -> Columns:
    trades = batch.trades
    fills = pc.split_pattern(trades["venue_id"].combine_chunks(), "-").flatten()
    ends = fills.cast(pa.int64()).to_numpy().reshape(-1, 2)
    return {
        "trade_id": trades["trade_id"].to_numpy(), "price": trades["price_ticks"].to_numpy(),
        "qty": trades["qty_lots"].to_numpy(), "first_id": ends[:, 0], "last_id": ends[:, 1],
        "time": trades["ts_event_ns"].to_numpy() // 1000,
        "is_buyer_maker": (trades["native_sign"].to_numpy() < 0).astype(np.int64),
    }  # fmt: skip


def _steps(columns: Columns) -> Columns:
    found = {name: np.asarray(columns[name]) for name in NAMES}
    for name, steps in STEPS.items():
        found[name] = np.round(found[name] * steps).astype(np.int64)
    flags = found["is_buyer_maker"].astype(str)
    found["is_buyer_maker"] = (np.char.lower(flags) == "true").astype(np.int64)
    return found


def _duckdb(path: Path) -> Columns:
    columns = ", ".join(f"'{c}': '{_duckdb_type(c)}'" for c in SPOT_NAMES)
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        sql = f"SELECT * FROM read_csv('{path}', header = false, columns = {{{columns}}})"  # noqa: S608
        return connection.execute(sql).fetchnumpy()


def _duckdb_type(name: str) -> str:
    if name in STEPS:
        return "DOUBLE"
    return "BOOLEAN" if name.startswith("is_") else "BIGINT"


def _chdb(chdb: Chdb, path: Path) -> None:
    chdb.run("TRUNCATE TABLE bench.aggregates")
    chdb.run(f"INSERT INTO bench.aggregates SELECT * FROM file('{path}', CSV, '{SCHEMA}')")  # noqa: S608


ITEM = Item(
    name="ingest_csv",
    work="a day of aggregates, from the file to checked columns",
    goal=0.7,
    inputs=lambda market: [
        market.trades.ts_event_ns,
        market.trades.trade_id,
        market.trades.price_ticks,
        market.trades.qty_lots,
        market.trades.sign,
    ],
    contestants=contestants,
)
