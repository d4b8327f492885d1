"""Recorded files of each vendor, our reader of each, and what only reads the same file into a frame.

A case says of both what can be compared: how many records there are, and what their sizes add up to
in lots. What ours refused counts with its size, which stands in the refused line itself.
"""

import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from orchestration.instruments import load_instruments
from orchestration.sources import (
    binance,
    databento,
    dukascopy,
    generic,
    iqfeed,
    kinetick,
    lean,
    lobster,
    sierra,
    tardis,
)
from orchestration.sources.column_map import ColumnMap
from orchestration.sources.dukascopy.bi5 import TICK
from orchestration.sources.records import SourceBatch
from orderflow_core.instrument import Instrument

Facts = tuple[int, int]  # records, sum of their sizes in lots
_MAKER = ColumnMap(
    time="ts_ms", price="price", qty="quantity", maker="is_buyer_maker", id="trade_id"
)
_LIBRARY = ColumnMap(time="timestamp", price="price", qty="amount", side="side", id="id")
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recorded file (or several), our reader of it, and who else can read it.

    Attributes
    ----------
    vendor, path : str
        ``path`` is a pattern below the folder of recorded files, or below the one of made files.
    read : callable
        Takes the paths, gives batches.
    peers : mapping of str to callable
        Take the paths; what a peer returns goes to ``their_facts``.
    our_facts, their_facts : callable
        Trades (or quotes), and the sum of their sizes in lots, of what was read.
    is_more : bool
        The file holds further records that all must read: its lines count.
    """

    vendor: str
    path: str
    read: Callable[[list[Path]], list[SourceBatch]]
    peers: Mapping[str, Callable[[list[Path]], Any]]
    our_facts: Callable[[list[SourceBatch]], Facts]
    their_facts: Callable[[Any], Facts]
    is_more: bool = False

    def n_records(self, batches: list[SourceBatch]) -> int:
        """Return how many records the file holds."""
        return max(b.n_lines for b in batches) if self.is_more else self.our_facts(batches)[0]


def cases() -> list[Case]:
    """Return all cases, by vendor."""
    euro = _coin("EURUSD", "0.00001", "1", "dukascopy")
    es = _instrument("ES", "0.25", kind="future", timezone="America/Chicago")
    contract = replace(es, symbol="ESH4", venue_symbol="ESH4")
    perpetual = _coin("BTCUSDT", "0.01", "0.001", "binance_um")
    spot = _coin("BTCUSDT", "0.01", "0.00001", "binance_spot")
    xrp = _coin("XRPUSDT", "0.0001", "0.1", "binance_spot")
    old_xrp = _instrument("XRPETH", "0.00000001", "0.01", day_rule="utc", timezone="UTC")
    spy, amzn, share = (_instrument(name, "0.0001") for name in ("SPY", "AMZN", "XYZ"))
    return [
        _text("binance", "binance_vision/spot/BTCUSDT-aggTrades-2026-01-01.csv",
              lambda p: binance.read(p, spot), size_at=2, lot=spot.lot_step),
        Case(vendor="dukascopy", path="dukascopy/dukascopy-node/EURUSD/2019/01/04/*.bi5",
             read=lambda p: dukascopy.read(p, euro), peers={"lzma + numpy": _hours},
             our_facts=_facts_of_quotes, their_facts=_facts_of_hours),
        _text("iqfeed", "iqfeed/csharp/ticks_oldest.zip", lambda p: iqfeed.read(p, share), size_at=2),
        _text("kinetick", "kinetick/ES 09-13.Last.txt",
              lambda p: kinetick.read(p, load_instruments()["ES"]), size_at=4, delimiter=";"),
        Case(vendor="lobster", path="lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
             read=lambda p: lobster.read(p, amzn), peers=_table_readers(header=False),
             our_facts=lambda b: _facts_of_trades(b, lambda line: line.split(",")[3]),
             their_facts=_facts_of_executions, is_more=True),
        Case(vendor="databento", path="databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst",
             read=lambda p: databento.read(p, contract), peers={"databento_dbn": _decoded_dbn},
             our_facts=_facts_of_trades, their_facts=_facts_of_dbn, is_more=True),
        _text("tardis", "tardis/binance-futures_trades_BTCUSDT_20200222.csv",
              lambda p: tardis.read(p, perpetual), size_at=7, header=True, lot=perpetual.lot_step),
        _text("lean", "lean/equity/usa/tick/spy/20131007_trade.zip", lambda p: lean.read(p, spy),
              size_at=2),
        _text("sierra", "sierra/ES_tbt_2022-01-24.txt", lambda p: sierra.read(p, es), size_at=5,
              header=True, delimiter=";"),
        _text("generic CSV", "generic/XRP_ETH-trades.csv",
              lambda p: generic.read(p, old_xrp, maps=[_LIBRARY]), size_at=4, header=True,
              lot=old_xrp.lot_step),
        Case(vendor="generic Parquet", path="trades_xrpusdt_ska/XRPUSDT_trades.parquet",
             read=lambda p: generic.read(p, xrp, maps=[_MAKER]),
             peers={
                 "pandas": lambda p: [pd.read_parquet(p[0])],
                 "polars": lambda p: [pl.read_parquet(p[0])],
                 "pyarrow": lambda p: [parquet.read_table(p[0])],
                 "DuckDB": lambda p: [duckdb.read_parquet(str(p[0])).to_arrow_table()],
             },
             our_facts=_facts_of_trades,
             their_facts=lambda found: _facts_of_column(found, "quantity", xrp.lot_step)),
    ]  # fmt: skip


def make_files(recorded: Path, folder: Path) -> None:
    """Write recorded trades in the layouts of which no recorded file could be had.

    The E-mini's as a NinjaTrader tick export without quotes, and those of a table as a CSV.
    """
    path = folder / "kinetick" / "ES 09-13.Last.txt"
    path.parent.mkdir(parents=True)
    ticks = pl.read_csv(gzip.decompress((recorded / "emini_mlfinpy/tick_data.csv.gz").read_bytes()))
    stamps = pl.col("DateTime").str.to_datetime("%Y-%m-%d %H:%M:%S%.3f").dt.offset_by("5h")  # UTC
    ticks.select(
        stamps.dt.strftime("%Y%m%d %H%M%S %3f0000"), pl.col("Price"),
        pl.lit("").alias("bid"), pl.lit("").alias("ask"), pl.col("Volume"),
    ).write_csv(path, include_header=False, separator=";", quote_style="never")  # fmt: skip
    path = folder / "generic" / "XRP_ETH-trades.csv"
    path.parent.mkdir()
    table = pl.read_ipc(recorded / "freqtrade" / "XRP_ETH-trades.feather")
    names = ("timestamp", "id", "side", "price", "amount")
    table.select(
        pl.col(n).cast(pl.Int64) if n in ("timestamp", "id") else pl.col(n) for n in names
    ).write_csv(path, float_precision=None)


def _text(
    vendor: str, path: str, read: Callable[[list[Path]], list[SourceBatch]], *, size_at: int,
    lot: Decimal = Decimal(1), header: bool = False, delimiter: str = ",",
) -> Case:  # fmt: skip
    # A delimited text of trades, whose sizes stand in one column.
    return Case(
        vendor=vendor, path=path, read=read,
        peers=_table_readers(header=header, delimiter=delimiter),
        our_facts=lambda b: _facts_of_trades(b, lambda line: line.split(delimiter)[size_at], lot),
        their_facts=lambda found: _facts_of_column(found, size_at, lot),
    )  # fmt: skip


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


# -- peers ----------------------------------------------------------------------------------------


def _contents(path: Path) -> list[bytes]:
    if path.suffix != ".zip":
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as archive:
        # A text beside tables says what they hold.
        names = [name for name in archive.namelist() if name.endswith(".csv")] or archive.namelist()
        return [archive.read(name) for name in sorted(names)]


def _table_readers(
    *, header: bool, delimiter: str = ","
) -> dict[str, Callable[[list[Path]], list[Any]]]:
    first = 0 if header else None
    names, form = (
        csv.ReadOptions(autogenerate_column_names=not header),
        csv.ParseOptions(delimiter=delimiter),
    )

    def by_duckdb(paths: list[Path]) -> list[pa.Table]:
        # Its reader takes paths and streams; a ZIP is neither.
        texts = [io.BytesIO(text) for text in _contents(paths[0])]
        return [
            duckdb.read_csv(text, header=header, sep=delimiter).to_arrow_table() for text in texts
        ]

    return {
        "pandas": lambda p: [
            pd.read_csv(io.BytesIO(text), header=first, sep=delimiter) for text in _contents(p[0])
        ],
        "polars": lambda p: [
            pl.read_csv(
                text, has_header=header, infer_schema_length=None, separator=delimiter,
                truncate_ragged_lines=True,
            )
            for text in _contents(p[0])
        ],
        "pyarrow": lambda p: [
            csv.read_csv(pa.BufferReader(text), names, form) for text in _contents(p[0])
        ],
        "DuckDB": by_duckdb,
    }  # fmt: skip


def _decoded_dbn(paths: list[Path]) -> list[Any]:
    with pa.input_stream(str(paths[0]), compression="zstd") as stream:
        return list(dbn.DBNDecoder().write_and_decode(stream.read()))


def _hours(paths: list[Path]) -> list[np.ndarray]:
    return [np.frombuffer(lzma.decompress(p.read_bytes(), lzma.FORMAT_ALONE), TICK) for p in paths]


# -- what can be compared -------------------------------------------------------------------------


def _facts_of_trades(
    batches: list[SourceBatch],
    size_of: Callable[[str], str] = lambda _: "0",
    lot: Decimal = Decimal(1),
) -> Facts:
    n, lots = 0, 0
    for batch in batches:
        refused = [r["record"] for r in batch.quarantine.to_pylist() if r["kind"] == "trade"]
        n += len(batch.trades) + len(refused)
        lots += int(pc.sum(batch.trades["qty_lots"]).as_py() or 0)
        lots += sum(int(Decimal(size_of(record)) / lot) for record in refused)
    return n, lots


def _facts_of_quotes(batches: list[SourceBatch]) -> Facts:
    sizes = [int(pc.sum(batch.quotes["bid_lots"]).as_py()) for batch in batches]
    return sum(len(batch.quotes) for batch in batches), sum(sizes)


def _facts_of_hours(hours: list[np.ndarray]) -> Facts:
    # A single-precision size means its shortest decimal: 25.05, not 25.049999.
    texts = [hour["bid_size"].astype(np.float32).astype(str) for hour in hours]
    sizes = [np.rint(text.astype(np.float64) * _MICRO).sum() for text in texts]
    return sum(map(len, hours)), int(sum(sizes))


def _arrow(frame: Any) -> pa.Table:
    if isinstance(frame, pd.DataFrame):
        return pa.Table.from_pandas(frame, preserve_index=False)
    return frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame


def _facts_of_column(frames: Sequence[Any], at: int | str, lot: Decimal) -> Facts:
    # A line that ends a reply has no size.
    (frame,) = map(_arrow, frames)
    sizes = frame.column(at).drop_null().cast(pa.float64()).to_numpy()
    return len(sizes), int(np.rint(sizes / float(lot)).sum())


def _facts_of_executions(frames: Sequence[Any]) -> Facts:
    # The messages' file comes first by its name; its second column says what a message is.
    messages = _arrow(frames[0])
    kind, size = (messages.column(i).to_numpy() for i in (1, 3))
    is_execution = (kind == 4) | (kind == 5)
    return int(is_execution.sum()), int(size[is_execution].sum())


def _facts_of_dbn(records: list[Any]) -> Facts:
    sizes = [r.size for r in records if str(getattr(r, "action", "")) in ("T", "Action.TRADE")]
    return len(sizes), sum(sizes)
