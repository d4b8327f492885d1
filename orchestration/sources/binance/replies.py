"""Trades and aggregates as Binance's REST interface gives them: JSON objects, one a record.

A file has one record a line, or the arrays as they came; ``line`` counts the records then. The
same objects come from spot, USD-M and COIN-M: ``M`` and ``isBestMatch`` are of spot only,
``baseQty`` of COIN-M only.
"""

import json
import re
from collections import Counter
from typing import Any

from orchestration.sources.binance.layouts import parse_reply_name
from orchestration.sources.binance.rows import (
    RowRefusedError,
    id_steps,
    refuse_row,
    require_fills,
    time_of,
)
from orchestration.sources.files import SourceFile
from orchestration.sources.gate import MAX_ID, Gate, TradeRecords
from orchestration.sources.markets import COIN_M, SPOT, UNMARKED, require_market
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orderflow_core.instrument import Instrument

SOURCE = "binance"
AGGREGATES, TRADES = "aggTrades", "trades"

_BORDER = re.compile(rb"(?<=\})[ \t]*,?[ \t\r\n]*(?=\{)")
_TYPES: dict[str, dict[str, type]] = {
    AGGREGATES: {"a": int, "p": str, "q": str, "f": int, "l": int, "T": int, "m": bool},
    TRADES: {"id": int, "price": str, "qty": str, "time": int, "isBuyerMaker": bool},
}


def is_reply(data: bytes) -> bool:
    """Return whether a file begins like JSON."""
    return data[:64].lstrip()[:1] in (b"[", b"{")


def split_records(data: bytes) -> list[bytes]:
    """Return the objects of one array, of arrays one after another, or of lines.

    Every other byte than white space and the arrays' own marks belongs to some record.
    """
    records = []
    for line in data.split(b"\n"):
        text = line.strip()
        if text[:1] == b"[":
            text = text[1:].lstrip()
        if text[-1:] == b"]":
            text = text[:-1].rstrip()
        records += [part.strip(b" \t\r,") for part in _BORDER.split(text)]
    return [record for record in records if record]


def parse_replies(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read the records of a file that is in memory.

    Raises
    ------
    SourceError
        The file is an error reply, of another symbol or market, or nothing in it can be read.
    """
    name = parse_reply_name(file.path.name)
    if name is not None and name[0] != instrument.venue_symbol.upper():
        raise SourceError(
            file.path,
            f"is named after {name[0]}, but {instrument.symbol} is {instrument.venue_symbol} at "
            "the venue: nothing of the file is taken",
        )
    lines = split_records(file.data)
    objects = [_object(line) for line in lines]
    if len(objects) == 1 and isinstance(objects[0], dict) and "code" in objects[0]:
        raise SourceError(file.path, f"is an error reply: {lines[0][:200]!r}")
    kind = next((k for k in map(_kind, objects) if k), name[1] if name else AGGREGATES)
    is_cut = len(lines) if file.data and file.data.rstrip()[-1:] not in (b"]", b"}") else 0
    gate = Gate(instrument=instrument, lines=lines, cut_line=is_cut)
    records, markets = TradeRecords(), {}
    for number, found in enumerate(objects, 1):
        try:
            _take(records, number, found, kind)
        except RowRefusedError as error:
            error.ts_ns = _time(found, kind)
            refuse_row(gate, "trade", number, error)
        else:
            markets.setdefault(_market(found), number)
    require_market(file.path, instrument, markets)
    steps = id_steps(kind, instrument)
    trades, gaps = gate.pass_trades(records, source=SOURCE, unit=file.unit, **steps)
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        trades=trades, gaps=gaps, rejects=gate.rejects, other=Counter(),
    )  # fmt: skip


def _object(line: bytes) -> Any:
    # None where it is no JSON, or a key stands in it twice: nothing says which one counts.
    try:
        return json.loads(line, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _kind(found: Any) -> str:
    if isinstance(found, dict):
        for kind, types in _TYPES.items():
            if types.keys() <= found.keys():
                return kind
    return ""


def _market(found: dict[str, Any]) -> str:
    if "M" in found or "isBestMatch" in found:
        return SPOT
    return COIN_M if "baseQty" in found else UNMARKED


def _take(records: TradeRecords, number: int, found: Any, kind: str) -> None:
    types = _TYPES[kind]
    if not isinstance(found, dict):
        raise RowRefusedError("malformed", "is no JSON object with each key once")
    wrong = [k for k, wanted in types.items() if type(found.get(k)) is not wanted]
    if wrong:
        names = ", ".join(f"{k} {types[k].__name__}" for k in wrong)
        raise RowRefusedError("malformed", f"a record of {kind} needs {names}")
    for mark in ("M", "isBestMatch"):
        if mark in found and type(found[mark]) is not bool:
            raise RowRefusedError("malformed", f"{mark} must be true or false")
    values = [found[key] for key in types]
    if kind == AGGREGATES:
        trade_id, price, qty, first, last, time, is_buyer_maker = values
        require_fills(first, last, [price, qty])
        if not 0 <= first <= last <= MAX_ID:
            raise RowRefusedError("malformed", f"its fills run from {first} to {last}")
    else:
        trade_id, price, qty, time, is_buyer_maker = values
        first = last = -1
    if not 0 <= trade_id <= MAX_ID:
        raise RowRefusedError("out_of_range", f"id {trade_id} is negative or beyond int64")
    ns = time_of(time)
    row = (number, trade_id, ns, ns, price, qty, -1 if is_buyer_maker else 1, 1, first, last)
    for column, value in zip(TradeRecords.__slots__, row, strict=True):
        getattr(records, column).append(value)


def _time(found: Any, kind: str) -> int:
    # The time of a refused record, where it can be read.
    value = found.get("T" if kind == AGGREGATES else "time") if isinstance(found, dict) else None
    if type(value) is not int:
        return 0
    try:
        return time_of(value)
    except RowRefusedError:
        return 0
