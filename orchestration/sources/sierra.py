"""Sierra Chart text: one row a trade with the best bid and ask that it met.

A header names the columns, a semicolon or comma divides them. Needed are ``Date``, ``Time``,
``Sequence``, ``Price``, ``Volume``, ``TradeType`` (1 traded at the bid, 2 at the ask, 0 neither),
``BidPrice``, ``BidSize``, ``AskPrice`` and ``AskSize``; depth and all others are left alone.

The digits after a second's point are a number of microseconds **without leading zeros**:
``.5000`` is 5 ms and ``.5001`` the next trade of the same millisecond, since the software counts on
where times tie. Times are UTC unless another zone is named (``ORDERFLOW_SIERRA_TIMEZONE``). ``Sequence`` orders the trades; it
counts messages of the feed, so its holes are no gaps.

The two batches of a file are its trades, and the quotes that they met
(:func:`orchestration.sources.rows.met_quote_times` says what time those have).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.gate import Gate
from orchestration.sources.members import Member, must_be_named, part_unit, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import (
    local_second,
    met_quote_times,
    quote_records,
    trade_records,
)
from orchestration.sources.text_columns import (
    TextColumns,
    coded,
    judged,
    text_columns,
    whole_numbers,
)
from orderflow_core.instrument import Instrument

NAME = "sierra"
COLUMNS = (
    "Date", "Time", "Sequence", "Price", "Volume", "TradeType",
    "BidPrice", "BidSize", "AskPrice", "AskSize",
)  # fmt: skip

_SIGNS = {"0": 0, "1": -1, "2": 1}
_CLOCK_CHARS, _FRACTION_CHARS = 8, 7  # "HH:MM:SS", and ".ffffff" at most


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(paths: Sequence[Path], instrument: Instrument, *, timezone: str = "") -> list[SourceBatch]:
    """Read files: a batch of trades and one of quotes each.

    Parameters
    ----------
    paths : sequence of Path
    instrument : Instrument
    timezone : str
        Zone that the software was set to when it wrote the files; without one that of the
        installation (``ORDERFLOW_SIERRA_TIMEZONE``, UTC unless set).

    Raises
    ------
    SourceError
        A file cannot be read or unpacked, or its first line lacks a column.
    """
    if not timezone:
        from orchestration.config import Settings

        timezone = Settings().sierra_timezone
    return [
        batch
        for path in paths
        for member in read_members(path)
        for batch in parse_sierra(member, instrument, timezone)
    ]


def parse_sierra(member: Member, instrument: Instrument, timezone: str) -> list[SourceBatch]:
    """Read one text; see :func:`read`."""
    header = member.file.data.split(b"\n", 1)[0].removesuffix(b"\r").decode("latin-1")
    delimiter = ";" if ";" in header else ","
    names = [name.strip() for name in header.split(delimiter)]
    missing = [name for name in COLUMNS if names.count(name) != 1]
    if missing:
        raise SourceError(
            member.file.path,
            f"line 1 must name {', '.join(missing)} once, got {header[:120]!r}; bars are no trades",
        )
    rows = text_columns(
        member, instrument, kind="trade", names=names, wanted=COLUMNS, delimiter=delimiter,
        is_last_field_used=names[-1] in COLUMNS,
    )  # fmt: skip
    ts, is_time = _times(rows.fields["Date"], rows.fields["Time"], ZoneInfo(timezone))
    ids, is_number = whole_numbers(rows.fields["Sequence"])
    sign, is_sign = judged(rows.fields["TradeType"], _SIGNS.get)
    is_good = is_time & is_number & is_sign
    detail = "needs a date, a time, a sequence number and a TradeType of 0, 1 or 2"
    for i in np.flatnonzero(~is_good).tolist():
        rows.gate.refuse_damaged("trade", int(rows.number[i]), detail, ts_ns=int(ts[i]))
    kept = np.flatnonzero(is_good)
    kept = kept[np.argsort(ids[kept], kind="stable")]
    # What is no trade is no quote either.
    refused = [replace(reject, kind="quote") for reject in rows.gate.rejects]
    gate = Gate(
        instrument=instrument, lines=rows.gate.lines, cut_line=rows.gate.cut_line, rejects=refused
    )
    return [
        _trades(rows, kept, ids[kept], ts[kept], sign[kept]),
        _quotes(rows, kept, ids[kept], ts[kept], gate),
    ]


def _times(days: pa.Array, times: pa.Array, zone: ZoneInfo) -> tuple[np.ndarray, np.ndarray]:
    # ns of each time, 0 where there is none, and where there is one.
    clock = pc.utf8_slice_codeunits(times, 0, _CLOCK_CHARS)
    rest = pc.utf8_slice_codeunits(times, _CLOCK_CHARS)
    micros, has_fraction = judged(rest, _microseconds)
    both = pc.binary_join_element_wise(days, clock, " ")
    seconds, is_second = judged(both, lambda text: local_second(*text.rsplit(" ", 1), zone))
    is_time = has_fraction & is_second
    return np.where(is_time, seconds * 10**9 + micros * 1000, 0), is_time


def _microseconds(text: str) -> int | None:
    if not text:
        return 0
    digits = text[1:]
    is_fraction = text[0] == "." and digits.isascii() and digits.isdigit()
    return int(digits) if is_fraction and len(text) <= _FRACTION_CHARS else None


def _trades(
    rows: TextColumns, kept: np.ndarray, ids: np.ndarray, ts: np.ndarray, sign: np.ndarray
) -> SourceBatch:
    price, qty = (coded(rows.fields[name]).take(kept) for name in ("Price", "Volume"))
    records = trade_records(
        line=rows.number[kept], trade_id=ids, ts_event_ns=ts, native_sign=sign, price=price,
        qty=qty,
    )  # fmt: skip
    file = rows.member.file
    trades, gaps = rows.gate.pass_trades(records, source=NAME, unit=file.unit, id_step=0)
    return make_batch(
        path=file.path, instrument=rows.gate.instrument, source=NAME, unit=file.unit,
        n_lines=rows.n_lines, trades=trades, gaps=gaps, rejects=rows.gate.rejects,
        other=dict(rows.other),
    )  # fmt: skip


def _quotes(
    rows: TextColumns, kept: np.ndarray, ids: np.ndarray, ts: np.ndarray, gate: Gate
) -> SourceBatch:
    bid, bid_qty, ask, ask_qty = (coded(rows.fields[name]).take(kept) for name in COLUMNS[6:])
    records = quote_records(
        line=rows.number[kept], quote_id=ids, ts_event_ns=met_quote_times(ts), bid=bid,
        bid_qty=bid_qty, ask=ask, ask_qty=ask_qty,
    )  # fmt: skip
    file, unit = rows.member.file, part_unit(rows.member.file.unit, "quotes")
    quotes = gate.pass_quotes(records, source=NAME, unit=unit)
    return make_batch(
        path=file.path, instrument=gate.instrument, source=NAME, unit=unit, n_lines=rows.n_lines,
        quotes=quotes, rejects=gate.rejects, other=dict(rows.other),
    )  # fmt: skip
