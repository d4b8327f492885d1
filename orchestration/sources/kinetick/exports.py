"""Tick exports of NinjaTrader (Tools > Historical Data > Export): trades, and pairs of Bid and Ask.

The rows of a Last file are trades. They have no ids: ``trade_id`` is the line, equal rows are
trades of their own, and the order of the file is the order of trading. ``native_sign`` follows
from the inside quote that NinjaTrader wrote on the row: at the ask or above it a purchase, at the
bid or below it a sale, in between, without a quote or with a crossed one unknown (0).

A Bid and an Ask file of the same name are read together, whichever of them is named: they make
one unit of quotes, whose lines are those of the Bid file followed by those of the Ask file. A
trade of a file without quotes is classified from those quotes like any other trade.
"""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.gate import Gate, TradeRecords
from orchestration.sources.kinetick.clock import require_no_halt_trade
from orchestration.sources.kinetick.names import BID, counterpart, export_name, require_contract
from orchestration.sources.kinetick.rows import Rows, read_rows
from orchestration.sources.kinetick.settings import DEFAULTS, ReadSettings
from orchestration.sources.kinetick.sides import (
    SideRows,
    merged_order,
    quotes_of_sides,
    readable_sides,
)
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orderflow_core.instrument import Instrument

SOURCE = "kinetick"


def parse_last(
    file: SourceFile, instrument: Instrument, settings: ReadSettings = DEFAULTS
) -> SourceBatch:
    """Read the trades of a Last file that is in memory.

    Raises
    ------
    SourceError
        The file is named after another instrument, holds bars or nothing readable, or has trades
        in the hour in which its market is shut.
    """
    require_contract(file.path, instrument)
    lines, is_cut = split_lines(file.data)
    gate = Gate(instrument=instrument, lines=lines, cut_line=len(lines) if is_cut else 0)
    other: Counter[str] = Counter()
    rows = read_rows(file.path, gate, lines, other, kind="trade", zone=settings.export_timezone)
    records, counts = _trades(gate, rows)
    trades, gaps = gate.pass_trades(records, source=SOURCE, unit=file.unit, id_step=0)
    line = trades["line"].to_numpy()
    require_no_halt_trade(
        file.path, instrument, trades["ts_event_ns"].to_numpy(), line,
        rows.wall_ns[np.searchsorted(rows.line, line)], settings, "export_timezone",
    )  # fmt: skip
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        trades=trades, gaps=gaps, rejects=gate.rejects, other=dict(other), counts=counts,
    )  # fmt: skip


def _trades(gate: Gate, rows: Rows) -> tuple[TradeRecords, dict[str, int]]:
    # A quote that cannot be read is damage to its row: who knows what else of it is wrong.
    price, bad_price = gate.convert("price", rows.price)
    bad: dict[int, tuple[str, str]] = {}
    sides = []
    for texts in (rows.bid, rows.ask):
        steps, found = gate.convert("price", [text or "0" for text in texts])
        bad = found | bad
        sides.append(steps)
    bad = {i: finding for i, finding in bad.items() if i not in bad_price}
    for i, (reason, detail) in bad.items():
        t = int(rows.ts_ns[i])
        detail = f"inside quote: {detail}"
        gate.refuse("trade", int(rows.line[i]), reason, detail, ts_ns=t, ts_recv_ns=t)
    sign = inside_sign(price, *sides)
    keep = np.ones(len(rows.line), np.bool_)
    keep[list(bad)] = False
    at = np.flatnonzero(keep)
    places = at.tolist()
    records = TradeRecords(
        line=rows.line[at], trade_id=rows.line[at], ts_event_ns=rows.ts_ns[at],
        ts_recv_ns=rows.ts_ns[at], price=[rows.price[i] for i in places],
        qty=[rows.size[i] for i in places], native_sign=sign[at],
        is_market=np.ones(len(at), np.int64),
        first_id=np.full(len(at), -1, np.int64), last_id=np.full(len(at), -1, np.int64),
    )  # fmt: skip
    crossed = (sides[0] > sides[1]) & (sides[1] > 0)
    counts = {
        "trades_with_crossed_quote": int(crossed[at].sum()),
        "repeated_block_rows": rows.n_repeated,
    }
    return records, {name: n for name, n in counts.items() if n}


def inside_sign(price: np.ndarray, bid: np.ndarray, ask: np.ndarray) -> np.ndarray:
    """Return the aggressor that the inside quote on a trade tells: +1, -1, 0 unknown.

    Parameters
    ----------
    price, bid, ask : ndarray of int64, shape (n,), unit ticks
        0 in ``bid`` or ``ask``: no such quote.

    Returns
    -------
    ndarray of int64, shape (n,)

    Notes
    -----
    At a locked quote's own price both rules hold, and the sign is 0; so is it at a crossed quote.

    Examples
    --------
    >>> inside_sign(np.array([4, 3]), np.array([3, 3]), np.array([4, 4]))
    array([ 1, -1])
    """
    lifts = (ask > 0) & (price >= ask)
    hits = (bid > 0) & (price <= bid)
    crossed = (ask > 0) & (bid > ask)
    sign: np.ndarray = np.where(crossed, 0, lifts.astype(np.int64) - hits)
    return sign


def read_pair(path: Path, instrument: Instrument, settings: ReadSettings = DEFAULTS) -> SourceBatch:
    """Read the quotes of a Bid or Ask file and of its counterpart in the same folder.

    Raises
    ------
    SourceError
        The counterpart is not there, or a file cannot be read as what it should be.
    """
    other = counterpart(path)
    if not other.is_file():
        raise SourceError(
            path, f"is one side of the quotes, and the other, {other.name}, is not beside it"
        )
    name = export_name(path)
    paths = (path, other) if name is not None and name.side == BID else (other, path)
    return parse_pair(read_file(paths[0]), read_file(paths[1]), instrument, settings)


def parse_pair(
    bids: SourceFile, asks: SourceFile, instrument: Instrument, settings: ReadSettings = DEFAULTS
) -> SourceBatch:
    """Read the quotes of a Bid and an Ask file that are in memory; see :func:`read_pair`.

    Notes
    -----
    The unit is the SHA-256 of both files' own, so the pair is one unit whichever was named.
    """
    unit = hashlib.sha256(f"{bids.unit} {asks.unit}".encode()).hexdigest()
    parts = []
    for file in (bids, asks):
        require_contract(file.path, instrument)
        parts.append(split_lines(file.data))
    lines = [line for part, _ in parts for line in part]
    gate = Gate(instrument=instrument, lines=lines)
    other: Counter[str] = Counter()
    sides = []
    n_repeated = offset = 0
    for file, (part, is_cut) in zip((bids, asks), parts, strict=True):
        gate.cut_line = offset + len(part) if is_cut else 0
        rows = read_rows(
            file.path, gate, part, other, kind="quote", zone=settings.export_timezone, offset=offset
        )
        sides.append(readable_sides(gate, _side(rows, is_ask=file is asks)))
        n_repeated += rows.n_repeated
        offset += len(part)
    merged = _joined(*sides)
    records = quotes_of_sides(gate, merged.take(merged_order(gate, merged)), other)
    quotes = gate.pass_quotes(records, source=SOURCE, unit=unit)
    return make_batch(
        path=bids.path, instrument=instrument, source=SOURCE, unit=unit, n_lines=len(lines),
        quotes=quotes, rejects=gate.rejects, other={kind: n for kind, n in other.items() if n},
        counts={"repeated_block_rows": n_repeated} if n_repeated else {},
    )  # fmt: skip


def _side(rows: Rows, *, is_ask: bool) -> SideRows:
    return SideRows(
        line=rows.line, ts_ns=rows.ts_ns, is_ask=np.full(len(rows.line), is_ask),
        price=rows.price, size=rows.size,
    )  # fmt: skip


def _joined(bids: SideRows, asks: SideRows) -> SideRows:
    return SideRows(
        line=np.concatenate([bids.line, asks.line]),
        ts_ns=np.concatenate([bids.ts_ns, asks.ts_ns]),
        is_ask=np.concatenate([bids.is_ask, asks.is_ask]),
        price=bids.price + asks.price, size=bids.size + asks.size,
    )  # fmt: skip
