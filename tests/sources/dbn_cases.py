"""DBN files made of single records, under metadata that the vendor's own package writes."""

import struct
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import databento_dbn as dbn

from orchestration.sources.files import SourceFile

T0_NS = 1_715_126_400 * 10**9  # 2024-05-08 00:00 UTC
OWN, OTHER = 5602, 77
SCHEMAS = {
    "trades": dbn.Schema.TRADES, "tbbo": dbn.Schema.TBBO, "mbp-1": dbn.Schema.MBP_1,
    "mbo": dbn.Schema.MBO, "ohlcv-1s": dbn.Schema.OHLCV_1S,
}  # fmt: skip
TOP = (5_214_250_000_000, 7, 5_214_500_000_000, 9)  # 5214.25 x 7, 5214.50 x 9


@dataclass
class Interval:
    start_date: date
    end_date: date
    symbol: str


@dataclass
class Mapping:
    raw_symbol: str
    intervals: list[Interval]


def dbn_file(schema: str, *records: bytes) -> SourceFile:
    of_day = (date(2024, 5, 8), date(2024, 5, 9))
    made = dbn.Metadata(
        dataset="GLBX.MDP3", start=T0_NS, end=T0_NS + 1, limit=None, schema=SCHEMAS[schema],
        stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID, ts_out=False,
        symbols=["ESM4", "ESU4"], partial=[], not_found=[], version=3,
        mappings=[
            Mapping("ESM4", [Interval(*of_day, str(OWN))]),
            Mapping("ESU4", [Interval(*of_day, str(OTHER))]),
        ],
    )  # fmt: skip
    return SourceFile(path=Path("made.dbn"), unit="0" * 64, data=made.encode() + b"".join(records))


def units(price: str | None) -> int:
    return (1 << 63) - 1 if price is None else int(float(price) * 4) * 250_000_000


def trade(k, *, price="5214.25", size=3, side="B", instrument=OWN, action="T", top=None) -> bytes:
    body = struct.pack(
        "<qIccBBQiI", units(price), size, action.encode(), side.encode(), 128, 0,
        T0_NS + k + 500, 9, k,
    )  # fmt: skip
    if top is not None:
        bid, bid_size, ask, ask_size = top
        body += struct.pack("<qqIIII", bid, ask, bid_size, ask_size, 1, 1)
    return framed(1 if top is not None else 0, instrument, T0_NS + k, body)


def order(k, action, side, price, size, order_id, *, flags=0x80, instrument=OWN) -> bytes:
    body = struct.pack(
        "<QqIBBccQiI", order_id, units(price), size, flags, 0, action.encode(), side.encode(),
        T0_NS + k + 500, 9, k,
    )  # fmt: skip
    return framed(160, instrument, T0_NS + k, body)


def framed(record_type: int, instrument: int, ts_event: int, body: bytes) -> bytes:
    head = struct.pack("<BBHIQ", (16 + len(body)) // 4, record_type, 1, instrument, ts_event)
    return head + body
