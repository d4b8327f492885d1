"""Sources: one module a vendor's format, one way in for the command line and the assets.

``SOURCES[name]`` is a module with

``NAME``
    The name.
``fetch(instrument, cache_dir) -> list[Path]``
    The files to read when the user names none; ``samples`` downloads them, ``capture`` refuses.
``read(paths, instrument) -> list[SourceBatch]``
    One batch a unit: mostly a file. A damaged file raises :class:`SourceError` and nothing of it is returned.

What comes back has passed the gate (:mod:`orchestration.sources.gate`);
:func:`split_by_day` cuts a batch at the borders of the trading days. So::

    source = SOURCES[instrument.source]
    for batch in source.read(paths or source.fetch(instrument, cache_dir), instrument):
        for day, part in split_by_day(batch, instrument).items():
            ...  # publish part.trades, part.quotes, part.gaps, part.quarantine under part.unit
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from orchestration.sources import (
    binance,
    capture,
    databento,
    dukascopy,
    generic,
    iqfeed,
    kinetick,
    lean,
    lobster,
    samples,
    sierra,
    simulated,
    tardis,
)
from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import SourceBatch, SourceError
from orchestration.sources.samples import SampleUnavailable
from orderflow_core.instrument import Instrument


class Source(Protocol):
    """What each module in :data:`SOURCES` has."""

    NAME: str

    def fetch(self, instrument: Instrument, cache_dir: Path) -> list[Path]:
        """Return the files to read when the user names none."""

    def read(self, paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
        """Read files, one batch a unit."""


_MODULES: tuple[Source, ...] = (
    binance, capture, databento, dukascopy, generic, iqfeed, kinetick, lean, lobster, samples,
    sierra, simulated, tardis,
)  # fmt: skip
SOURCES: dict[str, Source] = {module.NAME: module for module in _MODULES}
# These find their files themselves, so the pipeline may ask them; the others wait for named files.
SELF_FETCHING = frozenset({samples.NAME, simulated.NAME})


def read_units(
    name: str, paths: Sequence[Path], instrument: Instrument
) -> Iterator[tuple[Path, SourceBatch]]:
    """Read files one unit after the other, so that only one is in memory.

    A unit is mostly a file; several where a vendor divides a day into hours.

    Yields
    ------
    Path, SourceBatch
        The (first) file of the unit, and the unit.

    Raises
    ------
    SourceError
        A file is damaged or not what it should be; units before it have been handed over.
    """
    if name == dukascopy.NAME:
        yield from dukascopy.read_units(paths, instrument)
        return
    for path in paths:
        for batch in SOURCES[name].read([path], instrument):
            yield path, batch


__all__ = [
    "SELF_FETCHING",
    "SOURCES",
    "SampleUnavailable",
    "Source",
    "SourceBatch",
    "SourceError",
    "read_units",
    "split_by_day",
]
