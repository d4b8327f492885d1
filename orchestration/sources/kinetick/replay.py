"""Market-replay dumps: what NinjaTrader's ``MarketReplay.DumpMarketDepth`` writes from a .nrd file.

No header, ``;`` between the fields, in the order in which things happened::

    L1;type;yyyyMMddHHmmss;fraction;price;volume
    L2;side;yyyyMMddHHmmss;fraction;operation;position;market maker;price;volume

``type`` 0 is the ask, 1 the bid, 2 a trade, 3 to 9 are figures of the day. The fraction counts
100 ns and is not padded: ``70000`` are 7 ms. Stamps are those of the PC that wrote the dump, so
its zone must be named (``ReadSettings.replay_timezone``); decimals follow its locale.

A dump holds the quotes as well as the trades, so the trades carry no sign of their own
(``native_sign`` 0): they are classified from the quotes. ``trade_id`` is the line. Depth rows
(``L2``) and figures of the day are counted under ``other``.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from orchestration.sources.files import SourceFile, split_lines
from orchestration.sources.gate import Gate, TradeRecords
from orchestration.sources.kinetick.clock import (
    SECOND_NS,
    require_no_halt_trade,
    stamp_digits,
    to_utc,
    zones_that_fit,
)
from orchestration.sources.kinetick.rows import with_decimal_points
from orchestration.sources.kinetick.settings import DEFAULTS, ReadSettings
from orchestration.sources.kinetick.sides import SideRows, quotes_of_sides, readable_sides
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orderflow_core.instrument import Instrument

SOURCE = "kinetick"
STAMP = b"20210120050050"
ASK, BID, TRADE = b"0", b"1", b"2"
KIND_OF = {ASK: "quote", BID: "quote", TRADE: "trade"}
DAY_FIGURES = {
    b"3": "daily_high", b"4": "daily_low", b"5": "daily_volume", b"6": "last_close",
    b"7": "opening", b"8": "open_interest", b"9": "settlement",
}  # fmt: skip
L1_FIELDS = 6
MAX_FRACTION = 10**7


@dataclass(slots=True, kw_only=True)
class _Events:
    # L1 rows of bid, ask and trade, one list element a row.
    line: list[int] = field(default_factory=list)
    kind: list[bytes] = field(default_factory=list)
    stamp: list[str] = field(default_factory=list)
    fraction: list[int] = field(default_factory=list)
    price: list[str] = field(default_factory=list)
    size: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    # Events that have a time; the arrays have one element a row.
    line: np.ndarray
    kind: np.ndarray
    wall_ns: np.ndarray
    ts_ns: np.ndarray
    price: list[str]
    size: list[str]


def parse_replay(
    file: SourceFile, instrument: Instrument, settings: ReadSettings = DEFAULTS
) -> SourceBatch:
    """Read the quotes and trades of a dump that is in memory.

    Raises
    ------
    SourceError
        The zone of the stamps is not known, or trades lie in the hour in which the market is shut.
    """
    lines, is_cut = split_lines(file.data)
    gate = Gate(instrument=instrument, lines=lines, cut_line=len(lines) if is_cut else 0)
    other: Counter[str] = Counter()
    events = _events(gate, lines, other)
    timed = _timed(gate, file, instrument, events, settings)
    is_trade = timed.kind == int(TRADE)
    trades, gaps = gate.pass_trades(
        _trades(timed, np.flatnonzero(is_trade)), source=SOURCE, unit=file.unit, id_step=0
    )
    line = trades["line"].to_numpy()
    require_no_halt_trade(
        file.path, instrument, trades["ts_event_ns"].to_numpy(), line,
        timed.wall_ns[np.searchsorted(timed.line, line)], settings, "replay_timezone",
    )  # fmt: skip
    sides = readable_sides(gate, _sides(timed, np.flatnonzero(~is_trade)))
    quotes = gate.pass_quotes(quotes_of_sides(gate, sides, other), source=SOURCE, unit=file.unit)
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        trades=trades, quotes=quotes, gaps=gaps, rejects=gate.rejects,
        other={kind: n for kind, n in other.items() if n},
    )  # fmt: skip


def _events(gate: Gate, lines: list[bytes], other: Counter[str]) -> _Events:
    found = _Events()
    for number, line in enumerate(lines, 1):
        row = line.split(b";")
        code = row[1] if len(row) > 1 else b""
        if not line:
            other["blank"] += 1
        elif row[0] == b"L2" and len(row) > 1:
            other["depth"] += 1
        elif row[0] == b"L1" and code in DAY_FIGURES:
            other[DAY_FIGURES[code]] += 1
        elif row[0] != b"L1" or code not in KIND_OF:
            gate.refuse_damaged("unknown", number, "is no L1 or L2 row of a known type")
        elif number == gate.cut_line:
            gate.refuse(KIND_OF[code], number, "truncated", "the last line has no end")
        elif len(row) != L1_FIELDS:
            detail = f"has {len(row)} fields, an L1 row has {L1_FIELDS}"
            gate.refuse(KIND_OF[code], number, "malformed", detail)
        elif not row[3].isdigit() or len(row[3]) > 7:
            detail = f"fraction {row[3][:40]!r} is no number of 100 ns below one second"
            gate.refuse(KIND_OF[code], number, "malformed", detail)
        else:
            found.line.append(number)
            found.kind.append(code)
            # latin-1 maps every byte to a character, so damage reaches the parsers as it is.
            found.stamp.append(row[2].decode("latin-1"))
            found.fraction.append(int(row[3]))
            found.price.append(row[4].decode("latin-1"))
            found.size.append(row[5].decode("latin-1"))
    return found


def _timed(
    gate: Gate, file: SourceFile, instrument: Instrument, events: _Events, settings: ReadSettings
) -> _Timed:
    at, seconds, _ = stamp_digits(events.stamp, STAMP)
    wall = np.full(len(events.line), -1, np.int64)
    wall[at] = seconds * SECOND_NS + np.array(events.fraction, np.int64)[at] * 100
    zone = settings.replay_timezone
    if not zone:
        is_trade = np.array([kind == TRADE for kind in events.kind], np.bool_)
        trade_wall = wall[is_trade & (wall >= 0)]
        raise SourceError(file.path, _which_zone(trade_wall, instrument))
    ts = np.zeros(len(wall), np.int64)
    exists = np.zeros(len(wall), np.bool_)
    ts[at], exists[at] = to_utc(wall[at], zone)
    bad = with_decimal_points([events.price, events.size])
    for i in range(len(wall)):
        if exists[i] and i not in bad:
            continue
        detail = bad[i] if exists[i] else f"time {events.stamp[i][:40]!r} does not exist in {zone}"
        t = int(ts[i])
        kind = KIND_OF[events.kind[i]]
        gate.refuse(kind, events.line[i], "malformed", detail, ts_ns=t, ts_recv_ns=t)
        exists[i] = False
    kept = np.flatnonzero(exists)
    places = kept.tolist()
    return _Timed(
        line=np.array(events.line, np.int64)[kept],
        kind=np.array([int(kind) for kind in events.kind], np.int64)[kept],
        wall_ns=wall[kept], ts_ns=ts[kept],
        price=[events.price[i] for i in places], size=[events.size[i] for i in places],
    )  # fmt: skip


def _which_zone(wall_ns: np.ndarray, instrument: Instrument) -> str:
    text = (
        "its stamps are those of the PC that wrote it, and nothing in it says where that was: "
        "name the zone in ORDERFLOW_KINETICK_REPLAY_TIMEZONE"
    )
    if not instrument.daily_halt or not len(wall_ns):
        return text
    fits = ", ".join(zones_that_fit(wall_ns, instrument)) or "no usual zone"
    return f"{text}; no trade is in the market's halt in: {fits}"


def _trades(timed: _Timed, at: np.ndarray) -> TradeRecords:
    n = len(at)
    places = at.tolist()
    return TradeRecords(
        line=timed.line[at], trade_id=timed.line[at], ts_event_ns=timed.ts_ns[at],
        ts_recv_ns=timed.ts_ns[at], price=[timed.price[i] for i in places],
        qty=[timed.size[i] for i in places], native_sign=np.zeros(n, np.int64),
        is_market=np.ones(n, np.int64), first_id=np.full(n, -1, np.int64),
        last_id=np.full(n, -1, np.int64),
    )  # fmt: skip


def _sides(timed: _Timed, at: np.ndarray) -> SideRows:
    places = at.tolist()
    return SideRows(
        line=timed.line[at], ts_ns=timed.ts_ns[at], is_ask=timed.kind[at] == int(ASK),
        price=[timed.price[i] for i in places], size=[timed.size[i] for i in places],
    )  # fmt: skip
