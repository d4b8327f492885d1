"""Rows a CPU second of each vendor's reader on recorded files, beside what only reads the file into a frame.

python -m benchmarks.vendors FOLDER      FOLDER as ORDERFLOW_TEST_DATA; prints a Markdown table

Ours decodes, checks every record and gives integers; the peers check nothing and leave prices as
floats or texts. The time is the process's CPU time, of all its threads, which other processes of a shared
machine lengthen least; the best of the runs counts, and all take part in turn. A ZIP is unpacked within it.
"""

import argparse
import io
import lzma
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import csv, parquet

from orchestration.sources import (
    binance,
    databento,
    dukascopy,
    generic,
    iqfeed,
    lean,
    lobster,
    sierra,
    tardis,
)
from orchestration.sources.column_map import ColumnMap
from orchestration.sources.dukascopy.bi5 import TICK
from orderflow_core.instrument import Instrument

MAX_RUNS, MAX_SECONDS = 3, 6.0  # of each file; one run of each contestant at least
XRP_MAP = ColumnMap(
    time="ts_ms", price="price", qty="quantity", maker="is_buyer_maker", id="trade_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recorded file (or several), our reader of it, and who else can read it.

    Attributes
    ----------
    vendor, path : str
        ``path`` is a pattern below the folder.
    read : callable
        Takes the paths, gives batches.
    peers : dict of str to callable
        Take the paths.
    """

    vendor: str
    path: str
    read: Callable[[list[Path]], list[Any]]
    peers: dict[str, Callable[[list[Path]], Any]]


def _instrument(
    symbol: str, step: str, lot: str = "1", *, venue: str = "us_equity", kind: str = "equity",
    day_rule: str = "local", timezone: str = "America/New_York", max_id_step: int = 0,
) -> Instrument:  # fmt: skip
    return Instrument(
        symbol=symbol, venue=venue, venue_symbol=symbol, kind=kind, price_step=Decimal(step),
        tick_size=Decimal(step), lot_step=Decimal(lot), contract_value=Decimal(1),
        quote_currency="USD", day_rule=day_rule, timezone=timezone, max_id_step=max_id_step,
    )  # fmt: skip


def _coin(symbol: str, step: str, lot: str, venue: str) -> Instrument:
    return _instrument(
        symbol, step, lot, venue=venue, kind="spot", day_rule="utc", timezone="UTC", max_id_step=1
    )


def _contents(path: Path) -> list[bytes]:
    if path.suffix != ".zip":
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as archive:
        # A text beside tables says what they hold.
        names = [name for name in archive.namelist() if name.endswith(".csv")] or archive.namelist()
        return [archive.read(name) for name in names]


def _csv_peers(*, header: bool, path_only: bool = True) -> dict[str, Callable[[list[Path]], Any]]:
    first = 0 if header else None
    options = csv.ReadOptions(autogenerate_column_names=not header)
    peers: dict[str, Callable[[list[Path]], Any]] = {
        "pandas": lambda p: [pd.read_csv(io.BytesIO(c), header=first) for c in _contents(p[0])],
        "polars": lambda p: [
            pl.read_csv(c, has_header=header, infer_schema_length=None) for c in _contents(p[0])
        ],
        "pyarrow": lambda p: [csv.read_csv(pa.BufferReader(c), options) for c in _contents(p[0])],
    }
    if path_only:
        peers["DuckDB"] = lambda p: duckdb.read_csv(str(p[0]), header=header).arrow()
    return peers


def _decoded_dbn(paths: list[Path]) -> list[Any]:
    with pa.input_stream(str(paths[0]), compression="zstd") as stream:
        return list(dbn.DBNDecoder().write_and_decode(stream.read()))


def _hours(paths: list[Path]) -> list[np.ndarray]:
    return [np.frombuffer(lzma.decompress(p.read_bytes(), lzma.FORMAT_ALONE), TICK) for p in paths]


def cases() -> list[Case]:
    """Return the files that are read."""
    euro = _coin("EURUSD", "0.00001", "1", "dukascopy")
    es = _instrument("ES", "0.25", kind="future", timezone="America/Chicago")
    es_h4 = _instrument("ESH4", "0.25", kind="future", timezone="America/Chicago")
    perpetual = _coin("BTCUSDT", "0.01", "0.001", "binance_um")
    spot = _coin("BTCUSDT", "0.01", "0.00001", "binance_spot")
    xrp = _coin("XRPUSDT", "0.0001", "0.1", "binance_spot")
    spy, amzn, any_share = (_instrument(s, "0.0001") for s in ("SPY", "AMZN", "XYZ"))
    return [
        Case(vendor="binance", path="binance_vision/spot/BTCUSDT-aggTrades-2026-01-01.csv",
             read=lambda p: binance.read(p, spot), peers=_csv_peers(header=False)),
        Case(vendor="dukascopy", path="dukascopy/dukascopy-node/EURUSD/2019/01/04/*.bi5",
             read=lambda p: dukascopy.read(p, euro), peers={"lzma + numpy": _hours}),
        Case(vendor="iqfeed", path="iqfeed/csharp/ticks_oldest.zip",
             read=lambda p: iqfeed.read(p, any_share),
             peers=_csv_peers(header=False, path_only=False)),
        Case(vendor="lobster", path="lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
             read=lambda p: lobster.read(p, amzn),
             peers=_csv_peers(header=False, path_only=False)),
        Case(vendor="databento", path="databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst",
             read=lambda p: databento.read(p, es_h4), peers={"databento_dbn": _decoded_dbn}),
        Case(vendor="tardis", path="tardis/binance-futures_trades_BTCUSDT_20200222.csv",
             read=lambda p: tardis.read(p, perpetual), peers=_csv_peers(header=True)),
        Case(vendor="lean", path="lean/equity/usa/tick/spy/20131007_trade.zip",
             read=lambda p: lean.read(p, spy), peers=_csv_peers(header=False, path_only=False)),
        Case(vendor="sierra", path="sierra/ES_tbt_2022-01-24.txt",
             read=lambda p: sierra.read(p, es), peers=_csv_peers(header=True)),
        Case(vendor="generic", path="trades_xrpusdt_ska/XRPUSDT_trades.parquet",
             read=lambda p: generic.read(p, xrp, maps=[XRP_MAP]),
             peers={
                 "pandas": lambda p: pd.read_parquet(p[0]),
                 "polars": lambda p: pl.read_parquet(p[0]),
                 "pyarrow": lambda p: parquet.read_table(p[0]),
                 "DuckDB": lambda p: duckdb.read_parquet(str(p[0])).arrow(),
             }),
    ]  # fmt: skip


def measure(case: Case, folder: Path) -> str:
    """Return a row of the table: what the case takes, ours and each peer's."""
    paths = sorted(folder.glob(case.path))
    if not paths:
        return f"| {case.vendor} | no file {case.path} | | | | |"
    batches = case.read(paths)
    n_rows = sum(batch.offered + batch.depth_offered for batch in batches)
    n_lines = max(n_rows, 1)
    contestants = {"ours": case.read, **case.peers}
    best, refused = dict.fromkeys(contestants, float("inf")), {}
    until = time.perf_counter() + MAX_SECONDS
    for _ in range(MAX_RUNS):
        for name, run in contestants.items():
            if name in refused:
                continue
            start = time.process_time()
            try:
                run(paths)
            except (ValueError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.Error) as e:
                refused[name] = type(e).__name__
                continue
            best[name] = min(best[name], time.process_time() - start)
        if time.perf_counter() > until:
            break
    rates = {name: n_lines / s for name, s in best.items() if name not in refused}
    ours = rates.pop("ours")
    peers = ", ".join(f"{name} {_short(rate)}" for name, rate in rates.items())
    peers += "".join(f", {name} refuses it ({why})" for name, why in refused.items())
    fastest = max(rates.values(), default=0.0)
    ratio = f"{ours / fastest:.2f}x" if fastest else "-"
    return f"| {case.vendor} | {Path(case.path).name} | {n_rows:,} | {_short(ours)} | {peers} | {ratio} |"


def _short(rate: float) -> str:
    return f"{rate / 1e6:.2f} M" if rate >= 1e6 else f"{rate / 1e3:.0f} k"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="as ORDERFLOW_TEST_DATA")
    parser.add_argument("--vendors", nargs="+", help="all by default")
    asked = parser.parse_args()
    print(
        "| vendor | file | rows | ours, rows a CPU second | only read, rows a CPU second | ours / best |"
    )
    print("|---|---|---|---|---|---|")
    for case in cases():
        if asked.vendors is None or case.vendor in asked.vendors:
            print(measure(case, asked.folder), flush=True)


if __name__ == "__main__":
    main()
