"""Small made-up files in the vendors' layouts, and what the tests ask of every batch."""

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestration.sources.capture import parse_capture
from orchestration.sources.files import SourceFile
from orchestration.sources.records import REASONS, SourceBatch
from orderflow_core.instrument import Instrument

T0_MS = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
MS = 1_000_000

PERP = Instrument(
    symbol="BTCUSDT", venue="binance_um", venue_symbol="BTCUSDT", kind="linear_perpetual",
    price_step=Decimal("0.01"), tick_size=Decimal("0.1"), lot_step=Decimal("0.001"),
    contract_value=Decimal(1), quote_currency="USDT", day_rule="utc", max_id_step=2,
)  # fmt: skip
SPOT = Instrument(
    symbol="BTCUSDT.SPOT", venue="binance_spot", venue_symbol="BTCUSDT", kind="spot",
    price_step=Decimal("0.01"), tick_size=Decimal("0.01"), lot_step=Decimal("0.00001"),
    contract_value=Decimal(1), quote_currency="USDT", day_rule="utc", max_id_step=1,
)  # fmt: skip
ES = Instrument(
    symbol="ES", venue="CME", venue_symbol="ES", kind="future",
    price_step=Decimal("0.25"), tick_size=Decimal("0.25"), lot_step=Decimal(1),
    contract_value=Decimal(50), quote_currency="USD", day_rule="utc",
    timezone="America/Chicago", daily_halt="16:00-17:00", max_id_step=0,
)  # fmt: skip
BITSTAMP = Instrument(
    symbol="BTCUSD.BITSTAMP", venue="bitstamp", venue_symbol="btcusd", kind="spot",
    price_step=Decimal("0.1"), tick_size=Decimal(1), lot_step=Decimal("0.00000001"),
    contract_value=Decimal(1), quote_currency="USD", day_rule="utc", max_id_step=0,
)  # fmt: skip


def frame(data: dict, *, ms: int = T0_MS, stream: str | None = None) -> str:
    """A line of a capture, received 5 ms after ``ms``."""
    kind = stream or data.get("e", "bookTicker")
    name = kind if "@" in kind else f"{data['s'].lower()}@{kind}"
    body = json.dumps({"stream": name, "data": data}, separators=(",", ":"))
    return f"{(ms + 5) * MS} {body}"


def trade(t: int, *, ms: int = 0, p: str = "100.00", q: str = "0.001", m=False, **more) -> str:
    data = {"e": "trade", "E": T0_MS + ms, "T": T0_MS + ms, "s": "BTCUSDT", "t": t, "p": p, "q": q}
    return frame(data | {"X": "MARKET", "m": m} | more, ms=T0_MS + ms)


def spot_trade(t: int, *, ms: int = 0, p: str = "100.00", q: str = "0.001", m=False) -> str:
    data = {"e": "trade", "E": T0_MS + ms, "s": "BTCUSDT", "t": t, "p": p, "q": q}
    return frame(data | {"T": T0_MS + ms, "m": m, "M": True}, ms=T0_MS + ms)


def aggregate(a: int, first: int, last: int, *, ms: int = 0, **more) -> str:
    data = {"e": "aggTrade", "E": T0_MS + ms, "s": "BTCUSDT", "a": a, "p": "100.00", "q": "0.001",
            "f": first, "l": last, "T": T0_MS + ms, "m": False}  # fmt: skip
    return frame(data | more, ms=T0_MS + ms)


def quote(u: int, *, ms: int = 0, b: str = "99.90", a: str = "100.00", **more) -> str:
    data = {"e": "bookTicker", "u": u, "s": "BTCUSDT", "b": b, "B": "1.000", "a": a, "A": "2.000",
            "T": T0_MS + ms, "E": T0_MS + ms}  # fmt: skip
    return frame(data | more, ms=T0_MS + ms)


def spot_quote(u: int, *, ms: int = 0, b: str = "99.90", a: str = "100.00") -> str:
    data = {"u": u, "s": "BTCUSDT", "b": b, "B": "1.00000000", "a": a, "A": "2.00000000"}
    return frame(data, ms=T0_MS + ms)


def depth(
    first: int = 1, last: int = 2, *, ms: int = 0, symbol: str = "BTCUSDT", b=(), a=(), **more
) -> str:
    data = {"e": "depthUpdate", "E": T0_MS + ms, "T": T0_MS + ms, "s": symbol, "U": first,
            "u": last, "pu": first - 1, "b": b, "a": a}  # fmt: skip
    return frame(data | more, ms=T0_MS + ms, stream=f"{symbol.lower()}@depth@100ms")


def spot_depth(first: int, last: int, *, ms: int = 0, b=(), a=()) -> str:
    data = {"e": "depthUpdate", "E": T0_MS + ms, "s": "BTCUSDT", "U": first, "u": last,
            "b": list(b), "a": list(a)}  # fmt: skip
    return frame(data, ms=T0_MS + ms, stream="btcusdt@depth@100ms")


def snapshot(last: int, *, ms: int = 0, bids=(), asks=(), name: str = "btcusdt", **more) -> str:
    """A snapshot as our client writes it; without a name as recorders do."""
    data = {"lastUpdateId": last, "bids": list(bids), "asks": list(asks)} | more
    wrapped = {"stream": f"{name}@depthSnapshot", "data": data} if name else data
    return f"{(T0_MS + ms + 5) * MS} {json.dumps(wrapped, separators=(',', ':'))}"


def source_file(data: bytes | str | list[str], name: str = "made.dat") -> SourceFile:
    if isinstance(data, list):
        data = "".join(line + "\n" for line in data)
    if isinstance(data, str):
        data = data.encode()
    return SourceFile(path=Path(name), unit="0" * 64, data=data)


def parse(data: bytes | str | list[str], instrument: Instrument = PERP) -> SourceBatch:
    batch = parse_capture(source_file(data), instrument)
    require_whole(batch)
    return batch


def require_whole(batch: SourceBatch) -> None:
    """Demand what holds for every batch: nothing lost, nothing twice, in order, on its own line."""
    assert batch.offered == len(batch.trades) + len(batch.quotes) + batch.quarantined
    assert batch.depth_offered == batch.depth_stored + batch.depth_quarantined
    assert batch.quarantined + batch.depth_quarantined == len(batch.quarantine)
    assert batch.n_lines == batch.offered + batch.depth_offered + sum(batch.other.values())
    assert len(batch.quarantine_ns) == len(batch.quarantine)
    lines = [t["line"].to_numpy() for t in (batch.trades, batch.quotes, batch.quarantine)]
    lines.append(batch.depth["line"].to_numpy()[batch.depth["change_idx"].to_numpy() == 0])
    every = np.concatenate(lines)
    assert len(np.unique(every)) == len(every)
    assert not len(every) or (every.min() >= 1 and every.max() <= batch.n_lines)
    assert set(batch.quarantine["reason"].to_pylist()) <= set(REASONS)
    for rows, key in ((batch.trades, "trade_id"), (batch.quotes, "quote_id")):
        assert (np.diff(rows["ts_event_ns"].to_numpy()) >= 0).all()
        assert (np.diff(rows[key].to_numpy()) > 0).all()
    for name in ("price_ticks", "qty_lots"):
        assert (batch.trades[name].to_numpy() > 0).all()
    assert set(batch.trades["native_sign"].to_pylist()) <= {-1, 0, 1}


def reasons(batch: SourceBatch) -> dict[int, str]:
    """Reason of each refused line."""
    rows: pa.Table = batch.quarantine
    return dict(zip(rows["line"].to_pylist(), rows["reason"].to_pylist(), strict=True))


def column(rows: pa.Table, name: str) -> list:
    return rows[name].to_pylist()
