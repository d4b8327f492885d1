"""Binance: its public archive and its REST interface, of spot, USD-M and COIN-M futures.

``read`` takes what either gives, and the user's own files of both kinds; what it is follows from
the content. ``fetch_day`` downloads a day of the archive.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from orchestration.sources.binance import archive, download, rest
from orchestration.sources.binance.packed import ChecksumMismatchError, unpack
from orchestration.sources.binance.replies import is_reply, parse_replies
from orchestration.sources.binance.transport import (
    BannedError,
    BlockedError,
    NotPublishedError,
    RateLimitedError,
    RefusedError,
    Settings,
    TransportError,
)
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

NAME = archive.SOURCE

fetch_day = download.fetch_day
fetch_month = download.fetch_month
fetch_ids = rest.fetch_ids
fetch_range = rest.fetch_range


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: without a day there is nothing to download.

    Raises
    ------
    SourceError
        Always; the message says how to name files.
    """
    raise SourceError(
        instrument.symbol,
        "name a day to download, or files: `orderflow ingest binance --path FILE`",
    )


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read archives, CSV files and files of REST records, one batch a file.

    Raises
    ------
    SourceError
        A file is damaged, of another symbol or market, or of no known layout.
    """
    batches = []
    for path in paths:
        unpacked = unpack(path)
        if is_reply(unpacked.file.data):
            batches.append(parse_replies(unpacked.file, instrument))
        else:
            batches.append(archive.parse_archive(unpacked, instrument))
    return batches


def days_of_archive(
    instrument: Instrument,
    first: date,
    last: date,
    *,
    cache_dir: Path,
    settings: Settings | None = None,
    kinds: Sequence[str] = ("aggTrades",),
) -> tuple[list[Path], list[date]]:
    """Return the files of several days, and the days that the archive lacks.

    Raises
    ------
    SourceError
        As :func:`fetch_day`, but for days that are not published.
    """
    found: list[Path] = []
    missing: list[date] = []
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        try:
            found += fetch_day(instrument, day, cache_dir=cache_dir, settings=settings, kinds=kinds)
        except NotPublishedError:
            missing.append(day)
    return found, missing


__all__ = [
    "NAME",
    "BannedError",
    "BlockedError",
    "ChecksumMismatchError",
    "NotPublishedError",
    "RateLimitedError",
    "RefusedError",
    "Settings",
    "TransportError",
    "days_of_archive",
    "fetch",
    "fetch_day",
    "fetch_ids",
    "fetch_month",
    "fetch_range",
    "read",
]
