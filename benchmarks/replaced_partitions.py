"""The other way to publish that `benchmarks.publication` measures: a partition a symbol-day, replaced."""

import time
from datetime import date

import pyarrow as pa

from orchestration.storage.comparison import has_rows_of
from orchestration.storage.conform import conform, with_store_columns
from orchestration.storage.content_hash import content_hash
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES

# ruff: noqa: S608  identifiers come from the tables' own definitions

SYMBOL = "ES"
BARS, EVENTS, TRADES = "flow.bars", "flow.events", "raw.trades"


class Replacing:
    """The other way to publish: a partition a symbol-day, replaced by one of a stage table."""

    def __init__(self, store: Store) -> None:
        self._connection = store._engine.connection
        self._connection.command("CREATE DATABASE IF NOT EXISTS swap")
        self._connection.command(
            "CREATE TABLE IF NOT EXISTS swap.record (`table` String, symbol String, "
            "trading_day Date, hash String, run_id String, at Int64) ENGINE = MergeTree "
            "ORDER BY (`table`, symbol, trading_day, at) "
            "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
        for name in (BARS, EVENTS, TRADES):
            for stage in ("", "_stage"):
                sql = TABLES[name].create_statement()
                sql = sql.replace(TABLES[name].quoted, swapped(name) + stage)
                self._connection.command(
                    sql.replace("toYYYYMM(trading_day)", "(symbol, trading_day)")
                )

    def publish(self, day: date, tables: dict[str, pa.Table]) -> None:
        staged = []
        for name, rows in tables.items():
            table, stage = TABLES[name], swapped(name) + "_stage"
            chunk = with_store_columns(
                table, conform(table, rows, unit=unit_of(name)), SYMBOL, day, 1
            )
            digest = content_hash(table, chunk)
            self._connection.insert(stage, chunk, token=f"{name}-{time.time_ns()}")
            if not has_rows_of(table, self.read(name, day, stage=True), chunk, digest):
                raise RuntimeError(f"{name} {day}: the stage holds other rows")
            staged.append((name, digest))
        where = f"PARTITION ('{SYMBOL}', '{day}')"
        for name, _ in staged:
            live, stage = swapped(name), swapped(name) + "_stage"
            self._connection.command(f"ALTER TABLE {live} REPLACE {where} FROM {stage}")
        for name, _ in staged:
            self._connection.command(f"ALTER TABLE {swapped(name)}_stage DROP {where}")
        self._connection.insert(
            "swap.record",
            pa.table(
                {
                    "table": [name for name, _ in staged],
                    "symbol": [SYMBOL] * len(staged),
                    "trading_day": [day] * len(staged),
                    "hash": [digest for _, digest in staged],
                    "run_id": ["bench"] * len(staged),
                    "at": [time.time_ns()] * len(staged),
                }
            ),
            token=f"record-{time.time_ns()}",
        )

    def read(self, name: str, day: date, *, symbol: str = SYMBOL, stage: bool = False) -> pa.Table:
        table = TABLES[name]
        columns = [c for c in table.columns if c.name != "generation"]
        found = self._connection.select(
            f"SELECT {', '.join(f'`{c.name}`' for c in columns)} "
            f"FROM {swapped(name)}{'_stage' if stage else ''} "
            "WHERE symbol = {symbol:String} AND trading_day = {day:Date} "
            f"ORDER BY {', '.join(f'`{c.name}`' for c in table.order_columns())}",
            {"symbol": symbol, "day": day},
        )
        return found.cast(pa.schema([pa.field(c.name, c.arrow_type, False) for c in columns]))


def swapped(name: str) -> str:
    return f"swap.{name.replace('.', '_')}"


def unit_of(name: str) -> str:
    return "unit" if TABLES[name].has_units else ""
