"""Hours of quotes in Dukascopy's ``.bi5`` files.

``SYMBOL/YYYY/MM/DD/HHh_ticks.bi5`` is one UTC hour. **The month counts from 00**:
``XAUUSD/2024/02/02/12h_ticks.bi5`` is 2 March 2024. The content is LZMA in the old format with a
13-byte header; unpacked it is 20 bytes a quote, big-endian: milliseconds since the full hour, ask
and bid in points, ask and bid size as single-precision millions of the base currency. A file of
0 bytes is an hour without quotes.

Only the path says which hour and which instrument a file is of, so both are demanded. Candles
come in files of the same kind with 24 bytes a record and are refused. The format has no checksum,
only the state in which its decoder must end: a file of which many rows cannot be quotes of one
hour is refused as damaged, too.
"""

import lzma
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from orchestration.sources.coded import distinct_values
from orchestration.sources.dukascopy.codes import listing_of
from orchestration.sources.dukascopy.quotes import (
    QuoteRows,
    Records,
    Sizes,
    Undecoded,
    price_texts,
    quote_batch,
    require_plausible,
    size_texts,
)
from orchestration.sources.dukascopy.whole_hours import HOUR_MS, plain_hour
from orchestration.sources.files import SourceFile
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

TICK = np.dtype(
    [("ms", ">u4"), ("ask", ">u4"), ("bid", ">u4"), ("ask_size", ">f4"), ("bid_size", ">f4")]
)
_CANDLE = np.dtype([("s", ">u4"), ("open", ">u4"), ("close", ">u4"), ("low", ">u4"),
                    ("high", ">u4"), ("volume", ">f4")])  # fmt: skip
# A busy hour unpacks to a megabyte; the header of a damaged file may ask for anything.
MAX_UNPACKED_BYTES = 64 << 20
MAX_MEMORY_BYTES = 256 << 20
# Single damaged rows are quarantined; more of them mean that the rest is no data either.
MAX_BAD_ROWS = 10
MAX_BAD_SHARE = 0.01
_NEGATIVE_ZERO = 1 << 31

_PATH = re.compile(
    r"(?:^|/)([A-Z0-9]+)/([0-9]{4})/([0-9]{2})/([0-9]{2})/([0-9]{2})h_ticks\.(?:bi5|bin)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What a path says: the instrument and the start of the UTC hour."""

    code: str
    start_ms: int


def hour_of(path: Path) -> Hour:
    """Read instrument and hour from the path of a file; its month counts from 00.

    Raises
    ------
    SourceError
        The path has another layout, or it names no hour that exists.
    """
    match = _PATH.search(path.absolute().as_posix())
    if match is None:
        raise SourceError(
            path,
            "nothing but the path says which hour a tick file is of: it must end in "
            "SYMBOL/YYYY/MM/DD/HHh_ticks.bi5, with MM from 00 for January to 11",
        )
    code, year, month, day, hour = match.group(1), *map(int, match.groups()[1:])
    try:
        start = datetime(year, month + 1, day, hour, tzinfo=UTC)
    except ValueError as error:
        raise SourceError(
            path, f"its path names no hour: {error}; its month counts from 00 for January"
        ) from error
    return Hour(code=code, start_ms=int(start.timestamp()) * 1000)


def file_path(code: str, start_ms: int) -> str:
    """Return the path of an hour in the file service, without a leading slash.

    Examples
    --------
    >>> file_path("XAUUSD", 1_709_380_800_000)  # 2024-03-02 12:00 UTC
    'XAUUSD/2024/02/02/12h_ticks.bi5'
    """
    at = datetime.fromtimestamp(start_ms // 1000, UTC)
    return f"{code}/{at.year}/{at.month - 1:02d}/{at.day:02d}/{at.hour:02d}h_ticks.bi5"


def unpack(path: Path, data: bytes) -> bytes:
    """Return the content of an LZMA file; what is damaged is refused whole.

    Raises
    ------
    SourceError
        The stream is damaged, cut, followed by something else, or implausibly large.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_MEMORY_BYTES)
    try:
        content = decoder.decompress(data, MAX_UNPACKED_BYTES)
    except lzma.LZMAError as error:
        raise SourceError(path, f"is a damaged LZMA file ({error}); none is published") from error
    if len(content) >= MAX_UNPACKED_BYTES:
        raise SourceError(path, f"unpacks to {MAX_UNPACKED_BYTES} bytes or more")
    if not decoder.eof:
        raise SourceError(path, f"ends inside its LZMA stream, at byte {len(data)}")
    if decoder.unused_data:
        at = len(data) - len(decoder.unused_data)
        raise SourceError(path, f"holds something else after the LZMA stream, at byte {at}")
    return content


def decode_ticks(path: Path, content: bytes) -> np.ndarray:
    """Return the records of an unpacked hour; a cut last one is left out.

    Returns
    -------
    ndarray of TICK, shape (n_ticks,)
        A read-only view of ``content``.

    Raises
    ------
    SourceError
        The records are candles, or too many of them cannot be quotes of one hour.
    """
    if _is_candles(content):
        raise SourceError(path, f"holds {len(content) // _CANDLE.itemsize} candles, not ticks")
    ticks = np.frombuffer(content, TICK, len(content) // TICK.itemsize)
    ms = ticks["ms"].astype(np.int64)
    bad = (ms >= HOUR_MS) | ~(np.isfinite(ticks["ask_size"]) & np.isfinite(ticks["bid_size"]))
    bad[1:] |= ms[1:] < ms[:-1]
    n_bad = int(bad.sum())
    if n_bad > max(MAX_BAD_ROWS, MAX_BAD_SHARE * len(ticks)):
        first = int(np.flatnonzero(bad)[0])
        raise SourceError(
            path,
            f"is damaged or no tick file: {n_bad} of {len(ticks)} records cannot be quotes of "
            f"one hour, the first is record {first + 1}: {tick_text(ticks[first]).decode()}",
        )
    return ticks


def _is_candles(content: bytes) -> bool:
    n, rest = divmod(len(content), _CANDLE.itemsize)
    if rest or not n:
        return False
    candles = np.frombuffer(content, _CANDLE)
    seconds = candles["s"].astype(np.int64)
    inside = (candles["low"] <= candles["open"]) & (candles["open"] <= candles["high"])
    inside &= (candles["low"] <= candles["close"]) & (candles["close"] <= candles["high"])
    # Nearly all: one damaged candle must not turn the others into ticks.
    steady = (seconds % 60 == 0) & (np.diff(seconds, prepend=-60) > 0)
    return bool((inside & steady).mean() > 0.9)


def tick_text(tick: np.void) -> bytes:
    """Return a record as text: ms, ask, bid, ask size, bid size."""
    return ",".join(str(tick[name]) for name in TICK.names or ()).encode()


def parse_bi5(file: SourceFile, instrument: Instrument, hour: Hour | None = None) -> SourceBatch:
    """Read one hour of quotes that is in memory.

    Parameters
    ----------
    file : SourceFile
        Packed, or unpacked when it is named ``.bin``.
    instrument : Instrument
        Its ``venue_symbol`` is the vendor's code.
    hour : Hour or None
        Which hour the file is of; read from its path when it is None.

    Raises
    ------
    SourceError
        The path does not say the hour, the file is damaged, of another instrument, or holds
        candles.
    """
    listing = listing_of(instrument)
    hour = hour or hour_of(file.path)
    if hour.code != listing.code:
        raise SourceError(file.path, f"is of {hour.code}, not of {listing.code}")
    is_raw = file.path.suffix == ".bin"
    content = file.data if is_raw or not file.data else unpack(file.path, file.data)
    n_rest = len(content) % TICK.itemsize
    if not n_rest and not _is_candles(content):
        batch = plain_hour(file, instrument, listing, hour.start_ms, content)
        if batch is not None:
            return batch
    ticks = decode_ticks(file.path, content)
    if n_rest and not is_raw:
        raise SourceError(
            file.path,
            f"unpacks to {len(content)} bytes, which is no multiple of {TICK.itemsize}: "
            "it holds no ticks",
        )
    sizes = Sizes(instrument.lot_step)
    rows, undecoded = _rows(ticks, hour.start_ms, listing.point, sizes)
    require_plausible(file.path, rows, listing.low, listing.high)
    if n_rest:
        detail = f"the last record has {n_rest} of {TICK.itemsize} bytes"
        last = Undecoded(line=len(ticks) + 1, reason="truncated", detail=detail)
        undecoded.append(last)
    tail = content[len(content) - n_rest :].hex().encode()
    lines = Records(
        len(ticks) + bool(n_rest), lambda i: tick_text(ticks[i]) if i < len(ticks) else tail
    )
    return quote_batch(file, instrument, rows, lines, undecoded, n_rounded=sizes.n_rounded)


def _rows(
    ticks: np.ndarray, start_ms: int, point: Decimal, sizes: Sizes
) -> tuple[QuoteRows, list[Undecoded]]:
    ms = ticks["ms"].astype(np.int64)
    beyond = ms >= HOUR_MS
    undecoded = [
        Undecoded(line=i + 1, reason="malformed", detail=f"{ms[i]} ms lie beyond the hour",
                  ts_ns=start_ms * 1_000_000)
        for i in np.flatnonzero(beyond).tolist()
    ]  # fmt: skip
    kept = np.flatnonzero(~beyond)
    good = ticks[kept]
    ts = start_ms + ms[kept]
    rows = QuoteRows(
        line=kept + 1,
        ts_ms=ts,
        recv_ns=ts * 1_000_000,
        bid=price_texts(good["bid"].astype(np.int64), point),
        ask=price_texts(good["ask"].astype(np.int64), point),
        bid_qty=sizes.texts(*_units(good["bid_size"])),
        ask_qty=sizes.texts(*_units(good["ask_size"])),
    )
    return rows, undecoded


def _units(millions: np.ndarray) -> tuple[list[str], np.ndarray]:
    # Zero has two signs, of which the text would show one. By its bits, as some numbers that are none
    # may not be computed with.
    bits = millions.astype(np.float32).view(np.uint32)
    found, which = distinct_values(np.where(bits == _NEGATIVE_ZERO, 0, bits).astype(np.uint32))
    return size_texts(found.view(np.float32)), which
