"""Instruments of Dukascopy and small hours that are made up."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from orchestration.sources.dukascopy.bi5 import Hour
from orchestration.sources.files import SourceFile
from orchestration.sources.records import SourceBatch
from orderflow_core.instrument import Instrument
from tests.sources.dukascopy_server import Tick


def dealt(code: str, step: str, lot: str, currency: str) -> Instrument:
    return Instrument(
        symbol=code, venue="dukascopy", venue_symbol=code, kind="spot", price_step=Decimal(step),
        tick_size=Decimal(step), lot_step=Decimal(lot), contract_value=Decimal(1),
        quote_currency=currency, day_rule="utc", max_id_step=1,
    )  # fmt: skip


EURUSD = dealt("EURUSD", "0.00001", "1", "USD")
GBPUSD = dealt("GBPUSD", "0.00001", "1", "USD")
GBPJPY = dealt("GBPJPY", "0.001", "1", "JPY")
BTCUSD = dealt("BTCUSD", "0.1", "0.01", "USD")

START = datetime(2024, 3, 4, 12, tzinfo=UTC)  # a Monday
START_MS = int(START.timestamp()) * 1000
HOUR = Hour(code="EURUSD", start_ms=START_MS)
FOLDER = "EURUSD/2024/02/04"
HASHED = ("ts_event_ns", "quote_id", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


def ticks(n: int, *, seed: int = 0) -> list[Tick]:
    """An hour of EURUSD; sizes on the ten thousands, as the vendor has them."""
    rows = []
    ms, mid = 100 + seed, 108_000
    for i in range(n):
        mid += (i * 7 + seed) % 5 - 2
        spread = 2 + i % 3
        rows.append((ms, mid + spread, mid, 10_000.0 * (1 + i % 400), 10_000.0 * (3 + i % 97)))
        ms += 51 + (i * 37 + seed) % 200
    return rows


def made(data: bytes, name: str) -> SourceFile:
    return SourceFile(path=Path(name), unit="0" * 64, data=data)


def checksum(batches: Iterable[SourceBatch]) -> str:
    """Hash the stored columns, one after another, as little-endian integers."""
    tables = [batch.quotes for batch in batches]
    whole = hashlib.sha256()
    for name in HASHED:
        for rows in tables:
            whole.update(rows[name].to_numpy().astype("<i8").tobytes())
    return whole.hexdigest()


def without_origin(rows: pa.Table) -> pa.Table:
    """The rows without where they were read from."""
    return rows.drop_columns(["unit", "line", "ts_recv_ns"])
