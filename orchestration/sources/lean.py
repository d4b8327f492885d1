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

import numpy as np
import pyarrow as pa

from orchestration.sources.coded import CodedTexts
from orchestration.sources.members import Member, must_be_named, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import decimal_units, quote_records, trade_records
from orchestration.sources.text_columns import (
    TextColumns,
    coded,
    judged,
    plain_digits,
    text_columns,
)
from orderflow_core.instrument import DAY_NS, Instrument

NAME = "lean"
_N_USED = 5  # fields that say something; what is between them and the flag does not

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
    names = [str(i) for i in range(max(n_fields))]
    wanted = list(dict.fromkeys([*names[:_N_USED], names[-1]]))
    rows = text_columns(
        member, instrument, kind=kind, names=names, wanted=wanted, n_fields=n_fields, n_header=0
    )
    if n_other:
        rows.other["other_contract"] = n_other
    counts: Counter[str] = Counter()
    is_flagged = len(n_fields) == 1 and n_fields[0] > 3
    ts = midnight + _timed(rows, kind, names[-1], counts, is_flagged=is_flagged)
    scale = "e-4" if instrument.kind in _SCALED else ""
    gated = _trades if kind == "trade" else _quotes
    return gated(rows, instrument, ts, scale, counts, rows.n_lines + n_other)


def _midnight_ns(member: Member, day: str, instrument: Instrument) -> int:
    try:
        of = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        local = datetime(of.year, of.month, of.day, tzinfo=ZoneInfo(instrument.timezone))
        return int(local.astimezone(UTC).timestamp()) * 10**9
    except (ValueError, OverflowError) as error:
        raise SourceError(member.file.path, f"is named after no day: {error}") from error


def _timed(
    rows: TextColumns, kind: str, last: str, counts: Counter[str], *, is_flagged: bool
) -> np.ndarray:
    # ns after midnight of the rows that have a time and, where the format has it, a flag; others go.
    after, is_time = _nanoseconds(rows.fields["0"])
    has_flag = np.isin(rows.width, (4, 6)) | is_flagged
    flag, is_flag = judged(rows.fields[last], _SUSPICIOUS.get)
    is_good = is_time & (is_flag | ~has_flag)
    detail = "needs milliseconds of a day and, last, a flag of 0 or 1"
    for number in rows.number[~is_good].tolist():
        rows.gate.refuse_damaged(kind, number, detail)
    counts["suspicious"] += int(flag[is_good & has_flag].sum())
    rows.keep(is_good)
    return after[is_good]


def _nanoseconds(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    # Of milliseconds of a day, which may have decimals.
    whole, is_plain = plain_digits(texts)
    is_time = is_plain & (whole < DAY_NS // 10**6)
    found = np.where(is_time, whole, 0) * 10**6
    if not is_plain.all():
        odd = np.flatnonzero(~is_plain)
        found[odd], is_time[odd] = judged(texts.take(pa.array(odd)), _nanoseconds_of)
    return found, is_time


def _nanoseconds_of(text: str) -> int | None:
    ns = decimal_units(text, 6)
    return ns if ns is not None and ns < DAY_NS else None


def _scaled(texts: pa.Array, scale: str) -> CodedTexts:
    found = coded(texts)
    return CodedTexts([text + scale for text in found.distinct], found.code)


def _trades(
    rows: TextColumns, instrument: Instrument, ts: np.ndarray, scale: str, counts: Counter[str],
    n_lines: int,
) -> SourceBatch:  # fmt: skip
    records = trade_records(
        line=rows.number, ts_event_ns=ts, native_sign=np.zeros(len(ts), np.int64),
        price=_scaled(rows.fields["1"], scale), qty=coded(rows.fields["2"]),
    )  # fmt: skip
    file = rows.member.file
    trades, gaps = rows.gate.pass_trades(records, source=NAME, unit=file.unit, id_step=0)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=n_lines,
        trades=trades, gaps=gaps, rejects=rows.gate.rejects, other=dict(rows.other),
        counts={name: n for name, n in counts.items() if n},
    )  # fmt: skip


def _quotes(
    rows: TextColumns, instrument: Instrument, ts: np.ndarray, scale: str, counts: Counter[str],
    n_lines: int,
) -> SourceBatch:  # fmt: skip
    line = rows.number
    if instrument.kind in _SIZELESS:
        one = CodedTexts([format(instrument.lot_step, "f")], np.zeros(len(ts), np.int64))
        sides = {"bid": "1", "ask": "2"}
        sizes = {"bid_qty": one, "ask_qty": one}
        counts["quotes_without_size"] = len(ts)
    else:
        if instrument.kind == "equity":
            line, ts = _both_sides(rows, ts)
        sides = {"bid": "1", "ask": "3"}
        sizes = {"bid_qty": coded(rows.fields["2"]), "ask_qty": coded(rows.fields["4"])}
    prices = {name: _scaled(rows.fields[field], scale) for name, field in sides.items()}
    records = quote_records(line=line, ts_event_ns=ts, **prices, **sizes)
    file = rows.member.file
    quotes = rows.gate.pass_quotes(records, source=NAME, unit=file.unit)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=n_lines,
        quotes=quotes, rejects=rows.gate.rejects, other=dict(rows.other),
        counts={name: n for name, n in counts.items() if n},
    )  # fmt: skip


def _both_sides(rows: TextColumns, ts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The latest national best of each side after each update that changes it takes the rows' place.
    columns = [rows.fields[str(i)].to_pylist() for i in range(1, 5)]
    texts = [list(row) for row in zip(*columns, strict=True)]
    given, times, numbers = [_sides_given(row) for row in texts], ts.tolist(), rows.number.tolist()
    full: list[list[str]] = []
    kept: list[int] = []
    bid: list[str] = []
    ask: list[str] = []
    last = bid, ask
    for i, row in enumerate(texts):
        if not given[i]:
            rows.gate.refuse_damaged(
                "quote", numbers[i], "needs a price and size of a side", ts_ns=times[i]
            )
            continue
        bid, ask = row[:2] if "b" in given[i] else bid, row[2:] if "a" in given[i] else ask
        is_half = given[i] == "b" and given[i + 1 : i + 2] == ["a"] and times[i + 1] == times[i]
        if is_half or not bid or not ask:
            rows.other["half" if is_half else "one_sided"] += 1
        elif (bid, ask) == last:
            rows.other["unchanged"] += 1
        else:
            kept.append(i)
            full.append(bid + ask)
            last = bid, ask
    rows.fields = {str(i + 1): pa.array([row[i] for row in full], pa.string()) for i in range(4)}
    return rows.number[kept], ts[kept]


def _sides_given(row: list[str]) -> str:
    if not all(text.isdigit() for text in row):
        return ""
    return ("b" if row[:2] != ["0", "0"] else "") + ("a" if row[2:] != ["0", "0"] else "")
