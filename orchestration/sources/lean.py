"""Tick zips of QuantConnect's Lean: ``20131007_trade.zip`` and ``20131007_quote.zip``.

A zip holds texts without header, one for a symbol or one for each contract of a future; times are
milliseconds, perhaps with decimals, after midnight of the day in the name, in the instrument's
``timezone``. What a row says depends on the instrument's ``kind``:

===================  ==========================================  ===================================
kind                 trade                                       quote
===================  ==========================================  ===================================
equity, option       price x 10,000, size, exchange,             bid x 10,000, size, ask x 10,000,
                     conditions, suspicious                      size, exchange, conditions,
                                                                 suspicious
future               price, size, exchange, conditions,          bid, size, ask, size, exchange,
                     suspicious                                  conditions, suspicious
forex, cfd           none                                        bid, ask
spot, perpetuals     price, size (, suspicious)                  bid, size, ask, size (, suspicious)
===================  ==========================================  ===================================

No row tells the aggressor. Rows that Lean calls suspicious are stored and counted.

An equity's quote row names one side and leaves the other 0: it is the national best of that side,
on whatever exchange it stands. (In the recorded zips nine trades of ten print at the latest of
each side; the best of each exchange's latest would be crossed nearly always.) One update
is a row of the bid followed by one of the ask with the same time: between the two there is no
quote. A quote is the latest of both sides, given when it changes; rows before the first of the
other side are counted as ``one_sided``, the first rows of updates as ``half``.

Forex and CFD quotes carry no size. The smallest size stands on both sides, so that no size of them
means anything; the count ``quotes_without_size`` says how many.

The contract of a future is chosen by ``venue_symbol``, ``GC201312`` for ``..._gc_..._201312.csv``.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestration.sources.members import Member, must_be_named, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import (
    Rows,
    columns_of,
    decimal_units,
    quote_records,
    text_rows,
    trade_records,
)
from orderflow_core.instrument import DAY_NS, Instrument

NAME = "lean"

# 20131007_bac_Trade_Tick.csv, 20140501_eurusd_tick_quote.csv, 20131007_gc_tick_trade_201312.csv
_NAME = re.compile(
    r"([0-9]{8})_([a-z0-9.]+)_(?:tick_)?(trade|quote)(?:_tick)?(?:_([0-9]{6,8}))?\.csv", re.I
)
_SCALED = frozenset(("equity", "option"))
_SIZELESS = frozenset(("forex", "cfd"))
_SUSPICIOUS = {"0": 0, "1": 1}
# Numbers of fields, and the most that has a meaning; Lean left out the last ones in some markets.
_FIELDS = {
    ("trade", "future"): (6,), ("quote", "future"): (8,),
    ("quote", "forex"): (3,), ("quote", "cfd"): (3,),
    ("trade", "equity"): (6,), ("quote", "equity"): (8,),
    ("trade", "option"): (6,), ("quote", "option"): (8,),
}  # fmt: skip
_CRYPTO_FIELDS = {"trade": (3, 4), "quote": (5, 6)}


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read zips, one batch each: the rows of the instrument's own text.

    Raises
    ------
    SourceError
        A zip cannot be read, or none of its texts is the instrument's.
    """
    return [_read_zip(path, instrument) for path in paths]


def _read_zip(path: Path, instrument: Instrument) -> SourceBatch:
    members = read_members(path)
    own = [
        member for member in members if symbol_of(member.name) == instrument.venue_symbol.upper()
    ]
    if len(own) != 1:
        held = ", ".join(symbol_of(member.name) or member.name for member in members)
        raise SourceError(
            path, f"must hold one text of {instrument.venue_symbol}, got {len(own)} among: {held}"
        )
    _require_kind(path, instrument)
    others = [member.file.data for member in members if member is not own[0]]
    n_other = sum(data.count(b"\n") + (not data.endswith(b"\n")) for data in others if data)
    return parse_lean(own[0], instrument, n_other=n_other)


def symbol_of(name: str) -> str:
    """Return the symbol, with the contract of a future, that a text's name says; or nothing."""
    match = _NAME.fullmatch(name)
    return (match[2] + (match[4] or "")).upper() if match else ""


def _require_kind(path: Path, instrument: Instrument) -> None:
    # Prices x 10,000 read as prices would be wrong without looking wrong, and the other way round.
    folders = {part.lower() for part in path.parts}
    said = folders & {"equity", "option", "future", "forex", "cfd", "crypto"}
    kind = instrument.kind
    is_crypto = kind == "spot" or kind.endswith("perpetual")
    if len(said) == 1 and said != {"crypto" if is_crypto else kind}:
        (folder,) = said
        raise SourceError(
            path,
            f"lies in a folder {folder!r}, but {instrument.symbol} is of kind {kind!r}: an instrument"
            f" of kind {folder!r} (in $ORDERFLOW_HOME/instruments.toml) reads it",
        )


def parse_lean(member: Member, instrument: Instrument, *, n_other: int = 0) -> SourceBatch:
    """Read one text; ``n_other`` lines of the same zip belong to other contracts."""
    match = _NAME.fullmatch(member.name)
    if match is None:
        raise SourceError(member.file.path, "is not named as Lean names its tick files")
    kind = match[3].lower()
    n_fields: tuple[int, ...] | None = _FIELDS.get((kind, instrument.kind))
    if n_fields is None and (instrument.kind == "spot" or instrument.kind.endswith("perpetual")):
        n_fields = _CRYPTO_FIELDS[kind]
    if n_fields is None:
        raise SourceError(
            member.file.path, f"{instrument.kind} has no {kind} file in Lean's format"
        )
    midnight = _midnight_ns(member, match[1], instrument)
    rows = text_rows(member, instrument, kind=kind, n_fields=n_fields)
    if n_other:
        rows.other["other_contract"] = n_other
    counts: Counter[str] = Counter()
    timed = _timed(rows, kind, midnight, counts, len(n_fields) == 1 and n_fields[0] > 3)
    scale = "e-4" if instrument.kind in _SCALED else ""
    gated = _trades if kind == "trade" else _quotes
    return gated(rows, instrument, timed, scale, counts, rows.n_lines + n_other)


def _midnight_ns(member: Member, day: str, instrument: Instrument) -> int:
    try:
        of = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        local = datetime(of.year, of.month, of.day, tzinfo=ZoneInfo(instrument.timezone))
        return int(local.astimezone(UTC).timestamp()) * 10**9
    except (ValueError, OverflowError) as error:
        raise SourceError(member.file.path, f"is named after no day: {error}") from error


def _timed(
    rows: Rows, kind: str, midnight: int, counts: Counter[str], is_flagged: bool
) -> list[tuple[int, int, list[str]]]:
    # Line, time and texts of the rows that have a time and, where the format has it, a flag.
    found = []
    for number, texts in zip(rows.number, rows.texts, strict=True):
        after = decimal_units(texts[0], 6)  # ms in ns
        has_flag = is_flagged or len(texts) in (4, 6)
        flag = _SUSPICIOUS.get(texts[-1]) if has_flag else 0
        if after is None or after >= DAY_NS or flag is None:
            detail = "needs milliseconds of a day and, last, a flag of 0 or 1"
            rows.gate.refuse_damaged(kind, number, detail)
            continue
        counts["suspicious"] += flag
        found.append((number, midnight + after, texts))
    return found


def _trades(
    rows: Rows, instrument: Instrument, timed: list[tuple[int, int, list[str]]],
    scale: str, counts: Counter[str], n_lines: int,
) -> SourceBatch:  # fmt: skip
    line, ts, texts = columns_of(timed, 3)
    records = trade_records(
        line=line, ts_event_ns=ts, native_sign=[0] * len(line),
        price=[row[1] + scale for row in texts], qty=[row[2] for row in texts],
    )  # fmt: skip
    file = rows.member.file
    trades, gaps = rows.gate.pass_trades(records, source=NAME, unit=file.unit, id_step=0)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=n_lines,
        trades=trades, gaps=gaps, rejects=rows.gate.rejects, other=dict(rows.other),
        counts={name: n for name, n in counts.items() if n},
    )  # fmt: skip


def _quotes(
    rows: Rows, instrument: Instrument, timed: list[tuple[int, int, list[str]]],
    scale: str, counts: Counter[str], n_lines: int,
) -> SourceBatch:  # fmt: skip
    if instrument.kind in _SIZELESS:
        one = format(instrument.lot_step, "f")
        full = [(number, ts, [row[1], one, row[2], one]) for number, ts, row in timed]
        counts["quotes_without_size"] = len(full)
    elif instrument.kind == "equity":
        full = _both_sides(rows, timed)
    else:
        full = [(number, ts, row[1:5]) for number, ts, row in timed]
    line, ts, sides = columns_of(full, 3)
    bid, bid_qty, ask, ask_qty = columns_of(sides, 4)
    records = quote_records(
        line=line, ts_event_ns=ts, bid=[text + scale for text in bid], bid_qty=bid_qty,
        ask=[text + scale for text in ask], ask_qty=ask_qty,
    )  # fmt: skip
    file = rows.member.file
    quotes = rows.gate.pass_quotes(records, source=NAME, unit=file.unit)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=n_lines,
        quotes=quotes, rejects=rows.gate.rejects, other=dict(rows.other),
        counts={name: n for name, n in counts.items() if n},
    )  # fmt: skip


def _both_sides(
    rows: Rows, timed: list[tuple[int, int, list[str]]]
) -> list[tuple[int, int, list[str]]]:
    # The latest national best of each side after each update that changes it.
    full, given = [], [_sides_given(row) for _, _, row in timed]
    bid: list[str] = []
    ask: list[str] = []
    last = bid, ask
    for i, (number, ts, row) in enumerate(timed):
        if not given[i]:
            rows.gate.refuse_damaged("quote", number, "needs a price and size of a side", ts_ns=ts)
            continue
        bid, ask = row[1:3] if "b" in given[i] else bid, row[3:5] if "a" in given[i] else ask
        is_half = given[i] == "b" and given[i + 1 : i + 2] == ["a"] and timed[i + 1][1] == ts
        if is_half or not bid or not ask:
            rows.other["half" if is_half else "one_sided"] += 1
        elif (bid, ask) == last:
            rows.other["unchanged"] += 1
        else:
            full.append((number, ts, bid + ask))
            last = bid, ask
    return full


def _sides_given(row: list[str]) -> str:
    if not all(text.isdigit() for text in row[1:5]):
        return ""
    return ("b" if row[1:3] != ["0", "0"] else "") + ("a" if row[3:5] != ["0", "0"] else "")
