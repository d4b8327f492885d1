"""What a stored trade costs: bytes on disk, insert, read and hash, on a real E-mini day.

    python -m benchmarks.storage_bytes tick_data.csv.gz [--codecs] [--postgres URL]
    python -m benchmarks.storage_bytes --recorded FOLDER

The file is the E-mini sample (docs/samples.md). Every figure is taken through `Store`, with all
columns; ``--codecs`` also stores each column of raw.trades under every codec that fits it,
``--postgres`` stores the day in an empty database of PostgreSQL as well.
``--recorded`` stores the trades of recorded files of several venues, and the changes of the book where a
file has any, each alone, and says what a row takes after OPTIMIZE; FOLDER is what ``ORDERFLOW_TEST_DATA``
names. JSON goes to standard output, one object or, of recorded files, one a line.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from orchestration.instruments import load_instruments
from orchestration.sources import generic
from orchestration.sources.binance.archive import read_archive
from orchestration.sources.capture import read_capture
from orchestration.sources.column_map import ColumnMap
from orchestration.sources.day_split import split_by_day
from orchestration.sources.emini import read_emini
from orchestration.sources.records import SourceBatch
from orchestration.storage.content_hash import content_hash
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES, table_named
from orderflow_core.instrument import Instrument

TABLE, DEPTH_TABLE = "raw.trades", "raw.depth"
REPEATS = 5
CODECS = ("ZSTD(1)", "Delta, ZSTD(1)", "DoubleDelta, ZSTD(1)", "T64, ZSTD(1)")


def seconds(work: Callable[[], object]) -> float:
    return statistics.median(timed(work) for _ in range(REPEATS))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(store: Store, symbol: str, day, trades: pa.Table, unit: str) -> dict[str, object]:
    n = len(trades)
    write_s, publish_s = [], []
    for version in range(REPEATS):
        start = time.perf_counter()
        with store.publish(symbol, day, run_id="bench", code_version=str(version)) as publication:
            # The first write finds nothing published, the others replace what is: the same rows
            # under another version, so nothing is skipped as unchanged.
            write_s.append(timed(lambda: publication.write(TABLE, trades, unit=unit)))
            publication.commit()
        publish_s.append(time.perf_counter() - start)
    insert_s = statistics.median(write_s)
    read_s = seconds(lambda: store.read(TABLE, symbol, day))
    rows = store.read(TABLE, symbol, day)
    hash_s = seconds(lambda: content_hash(table_named(TABLE), rows))
    shuffled = rows.take(pa.array(range(n - 1, -1, -1)))
    hash_unsorted_s = seconds(lambda: content_hash(table_named(TABLE), shuffled))
    return {
        "rows": n,
        "insert_rows_per_s": round(n / insert_s),
        "publish_s, with audit and both hashes": round(statistics.median(publish_s), 3),
        "read_rows_per_s": round(n / read_s),
        "hash_s": round(hash_s, 4),
        "hash_unsorted_s": round(hash_unsorted_s, 4),
    }


def on_postgres(url: str, symbol: str, day, trades: pa.Table, unit: str) -> dict[str, object]:
    with Store.open(url=url) as store:
        found = measure(store, symbol, day, trades, unit)
        (table,) = (status for status in store.status() if status.table == TABLE)
    per_row = table.disk_bytes / (table.rows + table.replaced_rows)
    return found | {"bytes_per_row": {"on disk, with the index": round(per_row, 1)}}


def bytes_per_row(store: Store, database: str, name: str) -> dict[str, float]:
    whole = store.query(
        "SELECT sum(bytes_on_disk) / sum(rows) AS b FROM system.parts "
        "WHERE active AND database = {d:String} AND `table` = {t:String}",
        d=database,
        t=name,
    )
    columns = store.query(
        "SELECT column, sum(column_data_compressed_bytes) / sum(rows) AS b "
        "FROM system.parts_columns WHERE active AND database = {d:String} AND `table` = {t:String} "
        "GROUP BY column ORDER BY b DESC",
        d=database,
        t=name,
    )
    found = {row["column"]: round(row["b"], 4) for row in columns.to_pylist()}
    return {"on disk, all files": round(whole.column("b")[0].as_py(), 3), **found}


def recorded_batches(folder: Path) -> Iterator[tuple[str, Instrument, SourceBatch]]:
    known = load_instruments()
    spot = replace(known["BTCUSDT.SPOT"], symbol="XRPUSDT", venue_symbol="XRPUSDT",
                   price_step=Decimal("0.0001"), tick_size=Decimal("0.0001"),
                   lot_step=Decimal("0.1"))  # fmt: skip
    ska = ColumnMap(
        time="ts_ms", price="price", qty="quantity", maker="is_buyer_maker", id="trade_id"
    )
    path = folder / "trades_xrpusdt_ska" / "XRPUSDT_trades.parquet"
    for batch in generic.read([path], spot, maps=[ska]):
        yield path.name, spot, batch
    path = folder / "emini_mlfinpy" / "tick_data.csv.gz"
    yield path.name, known["ES"], read_emini(path, known["ES"])
    for symbol, part in (("BTCUSDT", "usdm"), ("BTCUSDT.SPOT", "spot"), ("BTCUSD_PERP", "cm")):
        for path in sorted((folder / "binance_ws" / "hftbacktest" / part).glob("btc*")):
            yield f"{part}/{path.name}", known[symbol], read_capture(path, known[symbol])
    path = folder / "binance_vision" / "spot" / "BTCUSDT-aggTrades-2026-01-01.csv"
    yield path.name, known["BTCUSDT.SPOT"], read_archive(path, known["BTCUSDT.SPOT"])


def recorded(store: Store, folder: Path) -> Iterator[dict[str, object]]:
    for name, instrument, batch in recorded_batches(folder):
        days = split_by_day(batch, instrument)
        for table, rows in ((TABLE, batch.trades), (DEPTH_TABLE, batch.depth)):
            if not len(rows):
                continue
            store._engine.connection.command(f"TRUNCATE TABLE {table}")
            for day, part in days.items():
                of_day = part.trades if table == TABLE else part.depth
                with store.publish(name, day, run_id="bench", code_version="1") as publication:
                    publication.write(table, of_day, unit=batch.unit)
                    publication.commit()
            store._engine.connection.command(f"OPTIMIZE TABLE {table} FINAL")
            per_row = bytes_per_row(store, *table.split("."))
            found = {"file": name, "table": table, "rows": len(rows), "bytes a row": per_row}
            if table == DEPTH_TABLE:
                found["updates"] = batch.depth_stored
            yield found


def compare_codecs(store: Store, symbol: str, day) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    store._engine.connection.command("CREATE DATABASE IF NOT EXISTS codecs")
    for column in TABLES[TABLE].payload:
        if column.type not in ("Int64", "Int8"):
            continue
        for position, codec in enumerate(CODECS):
            name = f"{column.name}_{position}"
            store._engine.connection.command(
                f"CREATE TABLE codecs.{name} (v {column.type} CODEC({codec})) "
                "ENGINE = MergeTree ORDER BY tuple() "
                "SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0"
            )
            rows = store.read(TABLE, symbol, day, columns=[column.name])
            store._engine.connection.insert(
                f"codecs.{name}", rows.rename_columns(["v"]), token=name
            )
            per_row = bytes_per_row(store, "codecs", name)["v"]
            found.setdefault(column.name, {})[codec] = per_row
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="?")
    parser.add_argument("--codecs", action="store_true")
    parser.add_argument("--recorded", type=Path, metavar="FOLDER")
    parser.add_argument("--postgres", metavar="URL")
    arguments = parser.parse_args()
    if arguments.recorded:
        with tempfile.TemporaryDirectory() as folder, Store.open(path=Path(folder)) as store:
            for one in recorded(store, arguments.recorded):
                print(json.dumps(one), flush=True)
        return
    if arguments.csv is None:
        parser.error("a file of the E-mini sample, or --recorded FOLDER, must be named")
    instrument = load_instruments()["ES"]
    batch = read_emini(arguments.csv, instrument)
    days = split_by_day(batch, instrument)
    day = max(days, key=lambda day: len(days[day].trades))
    with tempfile.TemporaryDirectory() as folder, Store.open(path=Path(folder)) as store:
        found = measure(store, "ES", day, days[day].trades, batch.unit)
        store._engine.connection.command(f"OPTIMIZE TABLE {TABLE} FINAL")
        found["bytes_per_row"] = bytes_per_row(store, *TABLE.split("."))
        if arguments.codecs:
            found["codecs, bytes per row"] = compare_codecs(store, "ES", day)
    if arguments.postgres:
        found["postgres"] = on_postgres(arguments.postgres, "ES", day, days[day].trades, batch.unit)
    print(json.dumps({"day": day.isoformat(), **found}, indent=1))


if __name__ == "__main__":
    main()
