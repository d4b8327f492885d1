"""What the tests of the file formats share: instruments, members, checksums of what was read."""

import hashlib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestration.sources.files import SourceFile
from orchestration.sources.members import Member
from orchestration.sources.records import SourceBatch
from orderflow_core.instrument import Instrument
from tests.sources.cases import require_whole


def instrument(symbol: str, step: str, *, lot: str = "1", kind: str = "spot", **more) -> Instrument:
    given = {
        "symbol": symbol, "venue": "x", "venue_symbol": symbol, "kind": kind,
        "price_step": Decimal(step), "tick_size": Decimal(step), "lot_step": Decimal(lot),
        "contract_value": Decimal(1), "quote_currency": "USD", "day_rule": "utc", "max_id_step": 0,
    }  # fmt: skip
    return Instrument(**{**given, **more})


def equity(symbol: str) -> Instrument:
    return instrument(symbol, "0.0001", kind="equity", timezone="America/New_York")


def member(text: str | bytes, name: str = "made.csv", *, is_sealed: bool = True) -> Member:
    data = text.encode() if isinstance(text, str) else text
    return Member(
        name=name,
        file=SourceFile(path=Path(name), unit="0" * 64, data=data),
        is_sealed=is_sealed,
    )


def checksum(rows: pa.Table) -> str:
    """First 16 digits of the SHA-256 over all columns but those that name the file."""
    digest = hashlib.sha256()
    for name in rows.schema.names:
        if name in ("source", "unit"):
            continue
        column = rows[name]
        if pa.types.is_string(column.type):
            digest.update("\n".join(column.to_pylist()).encode())
        else:
            digest.update(column.to_numpy().astype(np.int64).tobytes())
    return digest.hexdigest()[:16]


def golden(batch: SourceBatch) -> tuple:
    """Offered, trades, quotes, refused, first and last time, checksum of what is stored."""
    require_whole(batch)
    rows = batch.trades if len(batch.trades) else batch.quotes
    return (
        batch.offered, len(batch.trades), len(batch.quotes), batch.quarantined,
        batch.first_ns, batch.last_ns, checksum(rows),
    )  # fmt: skip
