"""Dukascopy: quotes of a dealer's feed, from its hourly files, its API, or both live and recorded.

What is stored are quotes. There are no trades in this feed, and whatever is computed from it as
if there were is a proxy: :data:`RECORD_TYPE` names it, every batch counts its quotes under that
name, and :mod:`~.proxy` computes such figures for who asks for them by name.

Files that are read:

- ``SYMBOL/YYYY/MM/DD/HHh_ticks.bi5`` (or ``.bin``, unpacked): see :mod:`~.bi5`;
- ``*.json``: one answer of the API, see :mod:`~.api`;
- any other text that begins with a receive time: the log of :func:`messages`.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from orchestration.sources.dukascopy.api import parse_answer, parse_log
from orchestration.sources.dukascopy.bi5 import parse_bi5
from orchestration.sources.dukascopy.days import groups_of_files, join_hours
from orchestration.sources.dukascopy.quotes import NAME, RECORD_TYPE
from orchestration.sources.dukascopy.settings import (
    DukascopyBlocked,
    DukascopySettings,
    DukascopyUnavailable,
    HoursMissing,
)
from orchestration.sources.files import SourceFile, read_file
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

_N_THREADS = min(4, os.cpu_count() or 1)


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read files, one batch a file; an hour without quotes gives none.

    Raises
    ------
    SourceError
        A file is damaged, holds candles, does not say which hour it is of, or is of another
        instrument.
    """
    return [batch for _, batch in _hours(paths, instrument)]


def read_units(paths: Sequence[Path], instrument: Instrument) -> Iterator[tuple[Path, SourceBatch]]:
    """Read files, the hours of a trading day as one batch, one day after the other.

    Yields
    ------
    Path, SourceBatch
        The first file of the unit, and the unit.

    Raises
    ------
    SourceError
        As :func:`read`.
    """
    for group in groups_of_files(paths, instrument):
        found = _hours(group, instrument)
        batches, files = [batch for _, batch in found], [path for path, _ in found]
        for batch in join_hours(batches, files, instrument.tick_steps):
            yield group[0], batch


def _hours(paths: Sequence[Path], instrument: Instrument) -> list[tuple[Path, SourceBatch]]:
    # Unpacking takes most of the time and leaves the interpreter's lock.
    with ThreadPoolExecutor(_N_THREADS) as pool:
        batches = pool.map(lambda path: parse(read_file(path), instrument), paths)
        return [(p, batch) for p, batch in zip(paths, batches, strict=True) if batch.n_lines]


def parse(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read a file that is in memory; its name, then its first byte, says of which kind it is."""
    if file.path.suffix in (".bi5", ".bin"):
        return parse_bi5(file, instrument)
    if file.path.suffix == ".json" or file.data.startswith(b"{"):
        return parse_answer(file, instrument)
    if file.data[:1].isdigit():
        return parse_log(file, instrument)
    return parse_bi5(file, instrument)


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the vendor is asked for days, see :func:`fetch_day`.

    Raises
    ------
    SourceError
        Always; the message says how to name files.
    """
    raise SourceError(
        instrument.symbol, "files must be named: `orderflow ingest dukascopy --path FILE`"
    )


def fetch_day(
    instrument: Instrument, day: date, *, cache_dir: Path, settings: DukascopySettings
) -> list[Path]:
    """Return the files of a trading day, asking the vendor for the hours that the cache lacks.

    See :func:`orchestration.sources.dukascopy.client.fetch_day`.
    """
    from orchestration.sources.dukascopy import client

    return client.fetch_day(instrument, day, cache_dir=cache_dir, settings=settings)


def messages(
    instrument: Instrument, settings: DukascopySettings, *, since_ms: int | None = None
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield receive time in ns and the answers of the API as quotes appear.

    See :func:`orchestration.sources.dukascopy.live.messages`.
    """
    from orchestration.sources.dukascopy import live

    return live.messages(instrument, settings, since_ms=since_ms)


__all__ = [
    "NAME",
    "RECORD_TYPE",
    "DukascopyBlocked",
    "DukascopySettings",
    "DukascopyUnavailable",
    "HoursMissing",
    "fetch",
    "fetch_day",
    "messages",
    "parse",
    "read",
    "read_units",
]
