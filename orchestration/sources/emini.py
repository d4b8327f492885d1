"""E-mini S&P 500 trades of the ``mlfinpy`` sample: ``DateTime,Price,Volume``, Chicago local time.

The file has no trade ids, no side and no receive time: ``trade_id`` is the row number (the first
row under the header is 1), ``native_sign`` is 0 and ``ts_recv_ns`` repeats the event time. Rows
that repeat another exactly are trades of their own (nothing tells one fill from the next), so
none of them is a duplicate. Times in the order of the rows, equal ones included, are the order
of trading.

Local times in the hour that autumn's clock change repeats mean its first pass; local times that
spring's change skips are malformed. A last line without a line end is refused as ``truncated``
even if it can be read: a size that was cut is still a number.
"""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.gate import Gate, TradeRecords
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orderflow_core.instrument import Instrument

SOURCE = "samples"
HEADER = b"DateTime,Price,Volume"

_SAMPLE = b"2013-09-01 17:00:00.083"
_DIGITS = np.array([i for i, c in enumerate(_SAMPLE) if 48 <= c < 58])
_MARKS = np.array([i for i, c in enumerate(_SAMPLE) if not 48 <= c < 58])
_HOUR_NS = 3_600_000_000_000


def read_emini(csv_path: Path, instrument: Instrument) -> SourceBatch:
    """Read the tick file, plain or gzip.

    Parameters
    ----------
    csv_path : Path
    instrument : Instrument
        ``timezone`` is that of the times in the file.

    Raises
    ------
    SourceError
        The file cannot be read or unpacked, or its first line is not the header.
    """
    return parse_emini(read_file(csv_path), instrument)


def parse_emini(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read the rows of a file that is in memory; see :func:`read_emini`."""
    lines, is_cut = split_lines(file.data)
    if not lines or lines[0] != HEADER:
        found = lines[0][:80] if lines else b""
        raise SourceError(file.path, f"line 1 must be {HEADER.decode()!r}, got {found!r}")
    gate = Gate(instrument=instrument, lines=lines)
    rows = [line.split(b",") for line in lines]
    rows[0] = []
    n_blank = 0
    if is_cut and len(lines) > 1:
        rows[-1] = []
        gate.refuse("trade", len(lines), "truncated", "the last line has no end")
    good: list[int] = []  # positions in lines; the line number is one more
    for i, row in enumerate(rows):
        if len(row) == 3:
            good.append(i)
        elif row == [b""]:
            n_blank += 1
        elif row:
            gate.refuse("trade", i + 1, "malformed", f"must have 3 fields, has {len(row)}")
    ts, is_time = local_times([rows[i][0] for i in good], instrument.timezone)
    for i in (good[k] for k in np.flatnonzero(~is_time).tolist()):
        detail = f"time {rows[i][0][:40]!r} is no local YYYY-MM-DD HH:MM:SS.mmm"
        gate.refuse("trade", i + 1, "malformed", detail)
    kept = [good[k] for k in np.flatnonzero(is_time).tolist()]
    trades, gaps = gate.pass_trades(
        _records(rows, kept, ts[is_time]), source=SOURCE, unit=file.unit, id_step=0
    )
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        trades=trades, gaps=gaps, rejects=gate.rejects,
        other={"header": 1, **({"blank": n_blank} if n_blank else {})},
    )  # fmt: skip


def _records(rows: list[list[bytes]], kept: list[int], ts: np.ndarray) -> TradeRecords:
    n = len(kept)
    row_number = np.array(kept, np.int64)
    return TradeRecords(
        line=row_number + 1,
        trade_id=row_number,
        ts_event_ns=ts,
        ts_recv_ns=ts,
        # latin-1 maps every byte to a character, so damage reaches the decimal parser as it is.
        price=[rows[i][1].decode("latin-1") for i in kept],
        qty=[rows[i][2].decode("latin-1") for i in kept],
        native_sign=np.zeros(n, np.int64),
        is_market=np.ones(n, np.int64),
        first_id=np.full(n, -1, np.int64),
        last_id=np.full(n, -1, np.int64),
    )


def local_times(texts: list[bytes], timezone: str) -> tuple[np.ndarray, np.ndarray]:
    """Convert local times ``YYYY-MM-DD HH:MM:SS.mmm`` to UTC.

    Returns
    -------
    ts_ns : ndarray of int64, shape (n,), unit ns UTC, 0 where the text is no time
    is_time : ndarray of bool, shape (n,)
    """
    ts = np.zeros(len(texts), np.int64)
    width = len(_SAMPLE)
    right = np.flatnonzero(np.fromiter(map(len, texts), np.int64, len(texts)) == width)
    if not len(right):
        return ts, np.zeros(len(texts), np.bool_)
    joined = b"".join(texts if len(right) == len(texts) else [texts[i] for i in right])
    letters = np.frombuffer(joined, np.uint8).reshape(-1, width)
    digits = letters[:, _DIGITS].astype(np.int64) - 48
    is_time = ((digits >= 0) & (digits <= 9)).all(axis=1)
    is_time &= (letters[:, _MARKS] == np.frombuffer(_SAMPLE, np.uint8)[_MARKS]).all(axis=1)
    hour = digits[:, :10] @ 10 ** np.arange(9, -1, -1)
    minute = digits[:, 10:12] @ [10, 1]
    second = digits[:, 12:14] @ [10, 1]
    is_time &= (minute < 60) & (second < 60)
    # One conversion an hour: a zone's offset changes at full hours.
    keys, which = np.unique(np.where(is_time, hour, 0), return_inverse=True)
    starts = np.array([_hour_start_ns(int(key), ZoneInfo(timezone)) for key in keys], np.int64)
    is_time &= starts[which] >= 0
    milli = digits[:, 14:17] @ [100, 10, 1]
    found = starts[which] + ((minute * 60 + second) * 1000 + milli) * 1_000_000
    ts[right[is_time]] = found[is_time]
    known = np.zeros(len(texts), np.bool_)
    known[right[is_time]] = True
    return ts, known


def _hour_start_ns(key: int, zone: ZoneInfo) -> int:
    # The key reads YYYYMMDDHH; -1 when there is no such local hour.
    day, hour = divmod(key, 100)
    try:
        local = datetime(day // 10_000, day // 100 % 100, day % 100, hour, tzinfo=zone)
        utc = local.astimezone(UTC)
        exists = utc.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
    except (ValueError, OverflowError):
        return -1
    seconds = int(utc.timestamp())
    # Beyond what int64 nanoseconds hold there is no trade; the gate knows the exact limits.
    return seconds * 1_000_000_000 if exists and 0 <= seconds < 9_000_000_000 else -1
