"""The market in the form that each peer library likes best."""

from functools import cache
from typing import TypeAlias

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from chdb.session import Session

from benchmarks.contest import Columns
from benchmarks.data import Market

Arrays: TypeAlias = dict[str, np.ndarray]


def trade_columns(market: Market) -> Arrays:
    """Return the trades as named arrays."""
    trades = market.trades
    return {
        "ts_ns": trades.ts_event_ns,
        "trade_id": trades.trade_id,
        "price_ticks": trades.price_ticks,
        "qty_lots": trades.qty_lots,
        "sign": trades.sign,
        "session": market.session,
    }


def quote_columns(market: Market) -> Arrays:
    """Return the quotes as named arrays."""
    quotes = market.quotes
    return {
        "quote_ts_ns": quotes.ts_event_ns,
        "bid_ticks": quotes.bid_ticks,
        "bid_lots": quotes.bid_lots,
        "ask_ticks": quotes.ask_ticks,
        "ask_lots": quotes.ask_lots,
    }


def polars_frame(columns: Arrays, *, in_order_of: str | None = None) -> pl.DataFrame:
    """Return a frame; the column of times is declared sorted, which spares polars the proof."""
    frame = pl.DataFrame(columns).rechunk()
    return frame.with_columns(pl.col(in_order_of).set_sorted()) if in_order_of else frame


def polars_columns(frame: pl.DataFrame) -> Columns:
    """Return a frame's columns as arrays, null as NaN."""
    return {name: frame[name].to_numpy() for name in frame.columns}


def pandas_frame(columns: Arrays) -> pd.DataFrame:
    """Return a frame."""
    return pd.DataFrame(columns)


def pandas_columns(frame: pd.DataFrame) -> Columns:
    """Return a frame's columns as arrays."""
    return {name: frame[name].to_numpy() for name in frame.columns}


def duckdb_tables(**tables: Arrays) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database with the tables; ``rowid`` is the position."""
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    for name, columns in tables.items():
        connection.register("given", pd.DataFrame(columns))
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")  # noqa: S608 - our names
        connection.unregister("given")
    return connection


def duckdb_columns(found: Arrays) -> Columns:
    """Return what ``fetchnumpy`` gave as plain arrays, null as NaN."""
    return {
        name: np.ma.filled(column, np.nan) if np.ma.is_masked(column) else np.asarray(column)
        for name, column in found.items()
    }


@cache
def _chdb_session() -> Session:
    # A process has one: tables of one name take each other's place.
    session = Session()
    session.query("CREATE DATABASE IF NOT EXISTS bench")
    return session


class Chdb:
    """An in-process ClickHouse with tables in memory; ``i`` is the position of a row.

    One at a time: the tables of a later one replace those of the same name.
    """

    def __init__(self, **tables: Arrays) -> None:
        self._session = _chdb_session()
        for name, columns in tables.items():
            given = pa.table({"i": np.arange(len(next(iter(columns.values()))))} | columns)
            # Nothing is null here, and columns that may be are slower and sum up to null.
            chosen = ", ".join(
                f"assumeNotNull({column}) AS {column}" for column in given.schema.names
            )
            self._session.query(
                f"CREATE OR REPLACE TABLE bench.{name} ENGINE = Memory "  # noqa: S608 - our names
                f"AS SELECT {chosen} FROM Python(given) "
                "ORDER BY i SETTINGS max_threads = 1, max_insert_threads = 1"  # else blocks mix
            )

    def run(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        return self._session.query(sql, "ArrowTable")


def chdb_columns(table: pa.Table) -> Columns:
    """Return a table's columns as arrays, null as NaN."""
    return {name: table[name].to_numpy() for name in table.column_names}
