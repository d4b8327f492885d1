"""Codecs of the raw tables on recorded ticks: bytes a row, insert and scan speed of several choices.

    python -m benchmarks.stored_codecs FOLDER [--rounds R]

FOLDER is what ``ORDERFLOW_TEST_DATA`` names. Each recorded file is published as the pipeline publishes,
and its rows are copied in the engine into a table of each choice: ours (`orchestration.storage.tables`),
others for all columns, and the smallest of them column by column. Bytes are those on disk of one part
after OPTIMIZE; insert is INSERT SELECT from memory, scan is a read of all columns, each with one thread,
median of the rounds, the choices in turn. A table in Markdown goes to standard output.
"""

# ruff: noqa: S608  the statements are of the tables' own definitions

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from benchmarks.storage_bytes import recorded_batches
from orchestration.instruments import load_instruments
from orchestration.sources import dukascopy
from orchestration.sources.capture import read_capture
from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import SourceBatch
from orchestration.storage.connection import Connection
from orchestration.storage.pages import connection_of
from orchestration.storage.schema import INT8, INT64, Column, Table
from orchestration.storage.store import Store
from orchestration.storage.tables import table_named
from orderflow_core.instrument import Instrument

ENOUGH_ROWS = 500_000
OURS, BEST = "ours", "smallest of each column"
# A choice says which codec an integer column gets; texts get what compresses last.
CHOICES: dict[str, Callable[[Column], str]] = {
    OURS: lambda column: column.codec,
    "LZ4 (the engine's default)": lambda _: "LZ4",
    "ZSTD(1)": lambda _: "ZSTD(1)",
    "ZSTD(3)": lambda _: "ZSTD(3)",
    "ours with LZ4": lambda column: column.codec.replace("ZSTD(1)", "LZ4"),
    "ours with ZSTD(3)": lambda column: column.codec.replace("ZSTD(1)", "ZSTD(3)"),
    "Delta, ZSTD(1)": lambda column: _of_integers(column, "Delta, ZSTD(1)"),
    "DoubleDelta, ZSTD(1)": lambda column: _of_integers(column, "DoubleDelta, ZSTD(1)"),
    "T64, ZSTD(1)": lambda column: _of_integers(column, "T64, ZSTD(1)"),
    "GCD, Delta, ZSTD(1)": lambda column: _of_integers(column, "GCD, Delta, ZSTD(1)"),
    "GCD, T64, ZSTD(1)": lambda column: _of_integers(column, "GCD, T64, ZSTD(1)"),
}


def _of_integers(column: Column, codec: str) -> str:
    return codec if column.type in (INT64, INT8) else "ZSTD(1)"


def batches(folder: Path) -> Iterator[tuple[str, str, Instrument, SourceBatch]]:
    """Yield table, file, instrument and what the file holds."""
    for name, instrument, batch in recorded_batches(folder):
        if name.endswith((".parquet", ".csv.gz")):
            yield "raw.trades", name, instrument, batch
    known = load_instruments()
    hours = sorted((folder / "dukascopy/dukascopy-node/EURUSD/2019/01/04").glob("*.bi5"))
    for batch in dukascopy.read(hours, known["EURUSD"]):
        yield "raw.quotes", "EURUSD, a day of bi5", known["EURUSD"], batch
    captures = folder / "binance_ws/hftbacktest"
    for symbol, path in (
        ("BTCUSDT", captures / "usdm/btcusdt_20240719.gz"),
        ("BTCUSDT.SPOT", captures / "spot/btcusdt_20240809.gz"),
    ):
        batch = read_capture(path, known[symbol])
        for table in ("raw.quotes", "raw.depth"):
            yield table, f"{symbol} {path.name}", known[symbol], batch


def stored(store: Store, table: str, name: str, instrument: Instrument, batch: SourceBatch) -> int:
    """Publish the rows of one table of a batch under the file's name; return how many."""
    n, kind = 0, table.split(".")[1]
    for day, part in split_by_day(batch, instrument).items():
        rows: pa.Table = getattr(part, kind)
        with store.publish(name, day, run_id="bench", code_version="1") as publication:
            publication.write(table, rows, unit=batch.unit)
            publication.commit()
        n += len(rows)
        if n > ENOUGH_ROWS:
            break
    return n


def make(connection: Connection, table: Table, name: str, codec: Callable[[Column], str]) -> str:
    """Create a table like ours with other codecs of the payload; return its name."""
    payload = tuple(replace(c, codec=codec(c)) for c in table.payload)
    made = replace(table, name=f"codecs.{name}", payload=payload, checks={})
    connection.command(f"DROP TABLE IF EXISTS {made.quoted}")
    # Wide parts: what a large table has, whatever the size of the file.
    wide = ", min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0, fsync_after_insert = 0"
    statement = made.create_statement().replace("fsync_after_insert = 1, ", "")
    connection.command(
        statement.replace("fsync_part_directory = 1", f"fsync_part_directory = 0{wide}")
    )
    return made.quoted


def compare(store: Store, table: Table, symbol: str, rounds: int) -> None:
    """Print bytes a row and speeds of all choices for the published rows of one symbol."""
    connection = connection_of(store._engine)
    names = ", ".join(f"`{name}`" for name in table.column_names())
    connection.command("DROP TABLE IF EXISTS codecs.source")
    create = f"CREATE TABLE codecs.source ENGINE = Memory AS SELECT {names} FROM {table.quoted}"
    connection.command(f"{create} WHERE symbol = '{symbol}' ORDER BY {', '.join(table.sort)}")
    n = store.query("SELECT count() AS n FROM codecs.source")["n"][0].as_py()
    choices = dict(CHOICES)
    targets = {
        c: make(connection, table, f"c{k}", codec) for k, (c, codec) in enumerate(choices.items())
    }
    for target in targets.values():
        _fill(connection, target, names)
    sizes = {choice: _bytes(store, target) for choice, target in targets.items()}
    smallest = {
        column.name: min(choices, key=lambda choice: sizes[choice][column.name])
        for column in table.payload
    }
    choices[BEST] = lambda column: choices[smallest[column.name]](column)
    targets[BEST] = make(connection, table, "best", choices[BEST])
    _fill(connection, targets[BEST], names)
    sizes[BEST] = _bytes(store, targets[BEST])
    insert_s: dict[str, list[float]] = {choice: [] for choice in targets}
    scan_s: dict[str, list[float]] = {choice: [] for choice in targets}
    for _ in range(rounds):
        for choice, target in targets.items():
            connection.command(f"TRUNCATE TABLE {target}")
            insert_s[choice].append(_timed(lambda: _insert(connection, target, names)))  # noqa: B023
            scan = f"SELECT {names} FROM {target} FORMAT Null SETTINGS max_threads = 1"
            scan_s[choice].append(_timed(lambda: connection.command(scan)))  # noqa: B023
    print(f"\n`{table.name}`, {symbol}, {n:,} rows\n")
    print("| codecs | bytes a row | inserted, M rows/s | scanned, M rows/s |\n|---|---|---|---|")
    for choice in targets:
        per_row = sum(sizes[choice].values()) / n
        speeds = (n / statistics.median(s[choice]) / 1e6 for s in (insert_s, scan_s))
        print(f"| {choice} | {per_row:.2f} | " + " | ".join(f"{v:.1f}" for v in speeds) + " |")
    print("\n| column | ours | bytes a row | smallest | bytes a row |\n|---|---|---|---|---|")
    for column in table.payload:
        best = smallest[column.name]
        cells = (sizes[c][column.name] / n for c in (OURS, best))
        mine, least = (f"{value:.3f}" for value in cells)
        print(
            f"| {column.name} | {column.codec or 'LZ4'} | {mine} | {best} | {least} |", flush=True
        )


def _fill(connection: Connection, target: str, names: str) -> None:
    _insert(connection, target, names)
    connection.command(f"OPTIMIZE TABLE {target} FINAL")


def _insert(connection: Connection, target: str, names: str) -> None:
    connection.command(
        f"INSERT INTO {target} ({names}) SELECT {names} FROM codecs.source "
        "SETTINGS max_threads = 1, max_insert_threads = 1"
    )


def _bytes(store: Store, target: str) -> dict[str, int]:
    found = store.query(
        "SELECT column, sum(column_bytes_on_disk) AS b FROM system.parts_columns WHERE active AND "
        "database = 'codecs' AND `table` = {t:String} GROUP BY column",
        t=target.split(".")[1].strip("`"),
    )
    return {row["column"]: row["b"] for row in found.to_pylist()}


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Store.open(path=Path(folder)) as store:
        connection_of(store._engine).command("CREATE DATABASE IF NOT EXISTS codecs")
        kept: dict[tuple[str, str], int] = {}  # the hours of a day are one file here
        for table, name, instrument, batch in batches(given.folder):
            kept[table, name] = kept.get((table, name), 0) + stored(
                store, table, name, instrument, batch
            )
        for (table, name), n_rows in kept.items():
            if n_rows:
                compare(store, table_named(table), name, given.rounds)


if __name__ == "__main__":
    main()
