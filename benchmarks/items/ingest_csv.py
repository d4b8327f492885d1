"""Binance aggregates from the file to the store.

Ours starts from the ZIP of the archive, checks every record, publishes all days with their contracts,
content hashes and read-back, and stores every column. The peers start from the unpacked CSV and check
nothing: chDB inserts it into a table, the others make a frame of it. Prices and sizes are floats there
and are made steps outside the clock. One engine holds both tables, as a process has one.
"""

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path

import chdb
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import csv

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import Market
from benchmarks.peers import chdb_columns, duckdb_columns, pandas_columns, polars_columns
from orchestration.ingest import ingest, read_units
from orchestration.sources.ahead import ahead
from orchestration.sources.fill_ids import fill_ends
from orchestration.storage.store import Store
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
    store, engine, taken = _store(), _engine(), count()
    engine(
        "CREATE OR REPLACE TABLE bench.aggregates "
        f"({SCHEMA}) ENGINE = MergeTree ORDER BY (time, trade_id)"
    )
    return [
        Contestant(
            name=OURS, columns=lambda symbol: _ours(store, symbol),
            run=lambda: _ingest(store, packed, f"{folder.name}.{next(taken)}"),
        ),
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
            name="chdb", columns=lambda _: _steps(chdb_columns(engine(STORED))),
            run=lambda: _chdb(engine, path),
        ),
    ]  # fmt: skip


@cache
def _store() -> Store:
    # A process has one; its folder goes with the process.
    folder = tempfile.TemporaryDirectory(prefix="ingest-csv-store-")
    store = Store.open(path=Path(folder.name))
    store.folder_of_the_benchmark = folder
    return store


@cache
def _engine() -> Callable[[str], pa.Table]:
    handle = chdb.connect(str(_store().path / "engine"))
    handle.query("CREATE DATABASE IF NOT EXISTS bench")
    return lambda sql: handle.query(sql, "ArrowTable")


def _ingest(store: Store, packed: Path, symbol: str) -> str:
    # What was taken in before goes, as in the peer's table; the same records under one symbol would
    # be found published and not inserted again.
    for name in ("trades", "quotes", "gaps", "quarantine"):
        store._engine.connection.command(f"TRUNCATE TABLE raw.{name}")
    known = replace(SPOT, symbol=symbol)
    summary = ingest(store, ahead(read_units("binance", [packed], known)), known, run_id="bench")
    if summary.quarantined:
        raise ValueError(f"{summary.quarantined} records of the benchmark were refused")
    return symbol


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


def _ours(store: Store, symbol: str) -> Columns:
    trades = store.read("raw.trades", symbol)
    first, last = fill_ends(trades["venue_id"].chunk(0))
    return {
        "trade_id": trades["trade_id"].to_numpy(), "price": trades["price_ticks"].to_numpy(),
        "qty": trades["qty_lots"].to_numpy(), "first_id": first, "last_id": last,
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


def _chdb(engine: Callable[[str], pa.Table], path: Path) -> None:
    engine("TRUNCATE TABLE bench.aggregates")
    engine(f"INSERT INTO bench.aggregates SELECT * FROM file('{path}', CSV, '{SCHEMA}')")  # noqa: S608


ITEM = Item(
    name="ingest_csv",
    work="aggregates from the file to the store: ours checked and published, chDB's bare, frames else",
    goal=0.7,
    goal_peer="chdb",  # the others make a frame and store nothing
    inputs=lambda market: [
        market.trades.ts_event_ns,
        market.trades.trade_id,
        market.trades.price_ticks,
        market.trades.qty_lots,
        market.trades.sign,
    ],
    contestants=contestants,
)
