"""Publication by manifest against REPLACE PARTITION of each day: time, opening, what kills leave.

    python -m benchmarks.publication times    writing and reading one symbol-day, in turn
    python -m benchmarks.publication open     opening a store of 10,000 symbol-days
    python -m benchmarks.publication kills    what a reader finds after each of 200 kills

By manifest is `Store` as it is. The other way has the same columns, codecs, durability and audit (rows are
read back and compared before they become visible): rows go into a stage table of the same structure,
``ALTER TABLE ... REPLACE PARTITION (symbol, day) FROM`` the stage makes them visible, the stage's
partition is dropped, and one row records hash and run. JSON goes to standard output.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.replaced_partitions import (
    BARS,
    EVENTS,
    SYMBOL,
    TRADES,
    Replacing,
    swapped,
    unit_of,
)
from orchestration.storage.conform import conform, with_store_columns
from orchestration.storage.manifest import Manifest, ManifestRow
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES

# ruff: noqa: S608  identifiers come from the tables' own definitions

WAYS = ("manifest", "replace")
FIRST_DAY = date(2013, 9, 2)
N_BARS, N_TRADES = 1_440, 200_000
N_SYMBOLS, N_DAYS, BARS_A_DAY = 40, 250, 24  # 10,000 symbol-days
KILL_DAYS = [FIRST_DAY + timedelta(days=k) for k in range(4)]


def publish_by_manifest(store: Store, day: date, tables: dict[str, pa.Table], version: str) -> None:
    with store.publish(SYMBOL, day, run_id="bench", code_version=version) as publication:
        for name, rows in tables.items():
            publication.write(name, rows, unit=unit_of(name))
        publication.commit()


def bars(n: int, version: int = 0) -> pa.Table:
    zero, step = np.zeros(n, np.int64), np.arange(n, dtype=np.int64)
    names = [c.name for c in TABLES[BARS].payload]
    rows = dict.fromkeys(names, zero) | {"bar_id": step, "t0_ns": step, "t1_ns": step + 1}
    rows |= {"n_trades": zero + version, "vwap_ticks": step * 0.5, "vwap_sd_ticks": step * 0.1}
    rows["clock"] = pa.array(["time:60s"] * n).dictionary_encode()
    return pa.table({name: rows[name] for name in names})


def events(n: int, version: int) -> pa.Table:
    rng, zero = np.random.default_rng(version), np.zeros(n, np.int64)
    return pa.table(
        {
            "ts_event_ns": np.arange(n, dtype=np.int64),
            "kind": pa.array(["large_trade"] * n).dictionary_encode(),
            "bar_id": zero + version,
            "price_tick": rng.integers(1, 1000, n),
            "sign": np.zeros(n, np.int8),
            "qty_lots": zero,
            "value": rng.normal(size=n),
        }
    )


def trades(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    ts = 1_378_000_000_000_000_000 + np.cumsum(rng.integers(0, 400_000_000, n))
    label = pa.array(["bench"] * n).dictionary_encode()
    return pa.table(
        {
            "ts_event_ns": ts,
            "ts_recv_ns": ts + 1_000_000,
            "trade_id": np.arange(n),
            "venue_id": pa.array([""] * n),
            "price_ticks": 6_500 + np.cumsum(rng.integers(-1, 2, n)),
            "qty_lots": rng.integers(1, 50, n),
            "native_sign": rng.choice([-1, 1], n).astype(np.int8),
            "is_market": np.ones(n, np.int8),
            "is_outside_session": np.zeros(n, np.int8),
            "source": label,
            "line": np.arange(n),
        }
    )


def times(folder: Path, n_days: int, n_reads: int) -> dict[str, object]:
    """Milliseconds a symbol-day, p50 and p90, the ways in turn with each other."""
    found: dict[str, object] = {}
    with Store.open(path=folder) as store:
        replacing = Replacing(store)
        for name, n_rows, days in ((BARS, N_BARS, n_days), (TRADES, N_TRADES, n_days // 4)):
            made = {way: {"first": [], "again": []} for way in WAYS}
            for round_ in ("first", "again"):
                for k in range(days):
                    rows = (
                        bars(n_rows, k + (round_ == "again")) if name == BARS else trades(n_rows, k)
                    )
                    day, version = FIRST_DAY + timedelta(days=k), round_
                    for way in WAYS if k % 2 else WAYS[::-1]:
                        start = time.perf_counter()
                        if way == "manifest":
                            publish_by_manifest(store, day, {name: rows}, version)
                        else:
                            replacing.publish(day, {name: rows})
                        made[way][round_].append(time.perf_counter() - start)
            reads = read_times(store, replacing, name, days, n_reads)
            found[name] = {
                "rows a day": n_rows,
                "write_ms": {w: {r: ms(s) for r, s in both.items()} for w, both in made.items()},
                "read_ms": {way: ms(s) for way, s in reads.items()},
            }
        found["mixtures that a reader beside the writer sees"] = beside(store, replacing)
    return found


def read_times(
    store: Store, replacing: Replacing, name: str, days: int, n_reads: int
) -> dict[str, list[float]]:
    manifest = Manifest(store._engine.connection)
    work = {
        "manifest": lambda day: store.read(name, SYMBOL, day),
        "replace": lambda day: replacing.read(name, day),
        "manifest, its rows alone": lambda day: manifest.rows(
            table=name, symbol=SYMBOL, days=[day]
        ),
    }
    reads: dict[str, list[float]] = {way: [] for way in work}
    for k in range(n_reads):
        for way, read in work.items():
            start = time.perf_counter()
            read(FIRST_DAY + timedelta(days=k % days))
            reads[way].append(time.perf_counter() - start)
    return reads


def ms(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50": round(statistics.median(ordered) * 1e3, 2),
        "p90": round(ordered[int(len(ordered) * 0.9)] * 1e3, 2),
        "n": len(ordered),
    }


def beside(store: Store, replacing: Replacing, seconds: float = 8) -> dict[str, str]:
    """Read two tables of a day while another thread publishes them together again and again."""
    told = {}
    for way in WAYS:
        stop, n_reads, n_mixed = threading.Event(), 0, 0
        writer = threading.Thread(target=publish_on, args=(store, replacing, way, stop.is_set))
        writer.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            seen = versions(store, replacing, way, KILL_DAYS[0])
            if all(seen):
                n_reads += 1
                n_mixed += seen[0].keys() != seen[1].keys() or len(seen[0]) != 1
        stop.set()
        writer.join()
        told[way] = f"{n_mixed} of {n_reads}"
    return told


def publish_on(store: Store, replacing: Replacing, way: str, is_over) -> None:
    version = max((0, *(v for seen in versions(store, replacing, way, KILL_DAYS[0]) for v in seen)))
    while not is_over():
        version += 1
        for day in KILL_DAYS:
            tables = {BARS: bars(N_BARS, version), EVENTS: events(500, version)}
            if way == "manifest":
                publish_by_manifest(store, day, tables, str(version))
            else:
                replacing.publish(day, tables)


def versions(store: Store, replacing: Replacing, way: str, day: date) -> list[Counter]:
    """Rows by version that a reader finds of a day, a counter a table."""
    if way == "manifest":
        at = store.snapshot()
        rows = [store.read(name, SYMBOL, day, snapshot=at) for name in (BARS, EVENTS)]
    else:
        rows = [replacing.read(name, day) for name in (BARS, EVENTS)]
    columns = ("n_trades", "bar_id")
    return [Counter(r[c].to_pylist()) for r, c in zip(rows, columns, strict=True)]


def judged(seen: list[Counter]) -> str:
    """What a reader found of a day, in a word."""
    if not any(seen):
        return "never published"
    if not all(seen):
        return "one table without rows"
    if max(len(one) for one in seen) > 1:
        return "two versions in one table"
    if seen[0].keys() != seen[1].keys():
        return "two versions over two tables"
    if [sum(one.values()) for one in seen] != [N_BARS, 500]:
        return "wrong number of rows"
    return "whole"


def write_until_killed(folder: Path, way: str) -> None:
    start = time.perf_counter()
    with Store.open(path=folder) as store:
        replacing = Replacing(store)
        opened = time.perf_counter() - start
        found = Counter(judged(versions(store, replacing, way, day)) for day in KILL_DAYS)
        left = sum(o.rows for o in store.orphans())
        if way == "replace":
            left = sum(
                len(replacing.read(n, d, stage=True)) for n in (BARS, EVENTS) for d in KILL_DAYS
            )
            for name in (
                BARS,
                EVENTS,
            ):  # what a killed run left must not enter the next publication
                store._engine.connection.command(f"TRUNCATE TABLE {swapped(name)}_stage")
        else:
            store.vacuum()
        print(json.dumps({"found": found, "left": left, "open_s": opened}), flush=True)
        publish_on(store, replacing, way, lambda: False)


def kills(folder: Path, n: int) -> dict[str, object]:
    """Kill a writer at random moments; count what the next opening finds, by day."""
    told: dict[str, object] = {}
    for way in WAYS:
        rng, found, n_left = random.Random(7), Counter(), 0
        n_bad_kills, opens = 0, []
        for k in range(n + 1):
            command = [sys.executable, "-m", "benchmarks.publication", "write"]
            command += ["--folder", str(folder / way), "--way", way]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                line = json.loads(process.stdout.readline())
                if k < n:
                    time.sleep(0.05 + rng.random() * 0.6)
                process.kill()
            if k:  # the first opening comes before the first kill
                found.update(line["found"])
                n_bad_kills += bool(set(line["found"]) - {"whole", "never published"})
                n_left += line["left"] > 0
                opens.append(line["open_s"])
        told[way] = {
            "kills": n,
            "openings that show a mixture or lose a day": n_bad_kills,
            "days found, over all openings": dict(found),
            "openings that find unpublished rows": n_left,
            "open_s, p50": round(statistics.median(opens), 2),
        }
    return told


def build(folder: Path, way: str) -> None:
    """Fill a store with 10,000 published symbol-days of bars, in bulk."""
    with Store.open(path=folder) as store:
        connection, replacing = store._engine.connection, Replacing(store)
        table, seq, listed = TABLES[BARS], 0, []
        for month in range(0, N_DAYS, 25):
            chunks = []
            for d in range(month, month + 25):
                for s in range(N_SYMBOLS):
                    seq += 1
                    # Days of one block lie in one month, as the store's tokens want it.
                    day = date(2013 + month // 300, 1 + month // 25 % 12, 1 + d - month)
                    payload = conform(table, bars(BARS_A_DAY), unit="")
                    chunks.append(with_store_columns(table, payload, f"S{s:02}", day, seq))
                    listed.append(
                        ManifestRow(
                            seq=seq, table=BARS, symbol=f"S{s:02}", trading_day=day, generation=seq,
                            replaces=(), unit="", rows=BARS_A_DAY, hash="0" * 64, inputs=(),
                            code_version="1", run_id="bench", published_at=seq,
                        )
                    )  # fmt: skip
            whole = pa.concat_tables(chunks).unify_dictionaries().combine_chunks()
            connection.insert(BARS, whole, token=f"build-{month}")
        if way == "manifest":
            manifest = Manifest(connection)
            for row in range(0, len(listed), 1000):
                part = listed[row : row + 1000]
                manifest.append(part)
        else:
            name = swapped(BARS)
            connection.command(f"ALTER TABLE {name} MODIFY SETTING fsync_after_insert = 0")
            connection.command(
                f"INSERT INTO {name} SELECT * FROM {BARS} "
                "SETTINGS max_partitions_per_insert_block = 0"
            )
            connection.command(f"TRUNCATE TABLE {BARS}")
        del replacing


def open_once(folder: Path, way: str) -> None:
    import chdb  # noqa: F401  its import is nobody's opening

    start = time.perf_counter()
    with Store.open(path=folder) as store:
        opened = time.perf_counter() - start
        replacing = Replacing(store)
        day, start = date(2013, 3, 5), time.perf_counter()
        read = store.read if way == "manifest" else lambda n, s, d: replacing.read(n, d, symbol=s)
        n_rows = len(read(BARS, "S07", day))
        first = time.perf_counter() - start
        name = BARS if way == "manifest" else swapped(BARS)
        database, table = name.split(".")
        parts = store.query(
            "SELECT count() AS n FROM system.parts WHERE active AND database = {d:String} AND "
            "`table` = {t:String}", d=database, t=table,
        )["n"][0].as_py()  # fmt: skip
    if n_rows != BARS_A_DAY:
        raise RuntimeError(f"{way}: {n_rows} rows of {BARS_A_DAY}")
    print(json.dumps({"open_s": opened, "first_read_s": first, "parts": parts}))


def opening(folder: Path, n: int) -> dict[str, object]:
    """Seconds to open a store of 10,000 symbol-days and to read the first day, p50."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for way in WAYS:
        if not (folder / way).exists():
            told(["build", "--folder", str(folder / way), "--way", way])
    for k in range(n):
        for way in WAYS if k % 2 else WAYS[::-1]:
            runs[way].append(
                json.loads(told(["open-once", "--folder", str(folder / way), "--way", way]))
            )
    return {
        way: {name: round(statistics.median(r[name] for r in found), 3) for name in found[0]}
        for way, found in runs.items()
    }


def told(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "benchmarks.publication", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("times", "open", "kills", "build", "write", "open-once"))
    parser.add_argument("--folder", type=Path, help="default: a temporary one")
    parser.add_argument("--way", choices=WAYS, default="manifest")
    parser.add_argument("--n", type=int, help="symbol-days, openings or kills")
    chosen = parser.parse_args()
    if chosen.what in ("build", "write", "open-once"):
        work = {"build": build, "write": write_until_killed, "open-once": open_once}
        work[chosen.what](chosen.folder, chosen.way)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.folder or Path(made)
        if chosen.what == "times":
            found = times(folder, chosen.n or 60, 200)
        elif chosen.what == "open":
            found = opening(folder, chosen.n or 5)
        else:
            found = kills(folder, chosen.n or 200)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
