"""Sierra Chart text: one row a trade with the best bid and ask that it met.

A header names the columns, a semicolon or comma divides them. Needed are ``Date``, ``Time``,
``Sequence``, ``Price``, ``Volume``, ``TradeType`` (1 traded at the bid, 2 at the ask, 0 neither),
``BidPrice``, ``BidSize``, ``AskPrice`` and ``AskSize``; depth and all others are left alone.

The digits after a second's point are a number of microseconds **without leading zeros**:
``.5000`` is 5 ms and ``.5001`` the next trade of the same millisecond, since the software counts on
where times tie. Times are UTC unless another zone is named. ``Sequence`` orders the trades; it
counts messages of the feed, so its holes are no gaps.

The two batches of a file are its trades, and the quotes that they met
(:func:`orchestration.sources.rows.met_quote_times` says what time those have).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from orchestration.sources.members import Member, must_be_named, part_unit, read_members
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.rows import (
    Rows,
    columns_of,
    local_second,
    met_quote_times,
    quote_records,
    text_rows,
    trade_records,
    whole_number,
)
from orderflow_core.instrument import Instrument

NAME = "sierra"
COLUMNS = (
    "Date", "Time", "Sequence", "Price", "Volume", "TradeType",
    "BidPrice", "BidSize", "AskPrice", "AskSize",
)  # fmt: skip

_SIGNS = {"0": 0, "1": -1, "2": 1}
_TIME = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?")


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the files are the user's own."""
    must_be_named(NAME, instrument)


def read(
    paths: Sequence[Path], instrument: Instrument, *, timezone: str = "UTC"
) -> list[SourceBatch]:
    """Read files: a batch of trades and one of quotes each.

    Parameters
    ----------
    paths : sequence of Path
    instrument : Instrument
    timezone : str
        Zone that the software was set to when it wrote the files.

    Raises
    ------
    SourceError
        A file cannot be read or unpacked, or its first line lacks a column.
    """
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
    at = [names.index(name) for name in COLUMNS]
    is_last_used = len(names) - 1 in at
    batches = []
    for kind, gated in (("trade", _trades), ("quote", _quotes)):
        rows = text_rows(
            member, instrument, kind=kind, n_fields=(len(names),), delimiter=delimiter, n_header=1,
            is_last_field_used=is_last_used,
        )  # fmt: skip
        batches.append(gated(rows, instrument, _readable(rows, kind, at, ZoneInfo(timezone))))
    return batches


def _readable(
    rows: Rows, kind: str, at: list[int], zone: ZoneInfo
) -> list[tuple[int, int, int, int, list[str]]]:
    # Line, id, time, sign and the ten texts of each row that has them, in the order of the ids.
    found = []
    seconds: dict[tuple[str, str], int | None] = {}
    for number, texts in zip(rows.number, rows.texts, strict=True):
        row = [texts[i] for i in at]
        ts, trade_id, sign = _time_ns(row, zone, seconds), whole_number(row[2]), _SIGNS.get(row[5])
        if ts is None or trade_id is None or sign is None:
            detail = "needs a date, a time, a sequence number and a TradeType of 0, 1 or 2"
            rows.gate.refuse_damaged(kind, number, detail, ts_ns=ts or 0)
        else:
            found.append((number, trade_id, ts, sign, row))
    return sorted(found, key=lambda record: record[1])


def _time_ns(
    row: list[str], zone: ZoneInfo, seconds: dict[tuple[str, str], int | None]
) -> int | None:
    match = _TIME.fullmatch(row[1])
    if match is None:
        return None
    key = row[0], match[1]
    if key not in seconds:
        seconds[key] = local_second(*key, zone)
    second = seconds[key]
    return None if second is None else second * 10**9 + int(match[2] or "0") * 1000


def _trades(
    rows: Rows, instrument: Instrument, kept: list[tuple[int, int, int, int, list[str]]]
) -> SourceBatch:
    line, trade_id, ts, sign, texts = columns_of(kept, 5)
    records = trade_records(
        line=line, trade_id=trade_id, ts_event_ns=ts, native_sign=sign,
        price=[row[3] for row in texts], qty=[row[4] for row in texts],
    )  # fmt: skip
    file = rows.member.file
    trades, gaps = rows.gate.pass_trades(records, source=NAME, unit=file.unit, id_step=0)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=rows.n_lines,
        trades=trades, gaps=gaps, rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip


def _quotes(
    rows: Rows, instrument: Instrument, kept: list[tuple[int, int, int, int, list[str]]]
) -> SourceBatch:
    line, quote_id, ts, _, texts = columns_of(kept, 5)
    bid, bid_qty, ask, ask_qty = columns_of([row[6:] for row in texts], 4)
    records = quote_records(
        line=line, quote_id=quote_id, ts_event_ns=met_quote_times(np.array(ts, np.int64)),
        bid=bid, bid_qty=bid_qty, ask=ask, ask_qty=ask_qty,
    )  # fmt: skip
    file, unit = rows.member.file, part_unit(rows.member.file.unit, "quotes")
    quotes = rows.gate.pass_quotes(records, source=NAME, unit=unit)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=unit, n_lines=rows.n_lines,
        quotes=quotes, rejects=rows.gate.rejects, other=dict(rows.other),
    )  # fmt: skip
