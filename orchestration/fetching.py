"""``fetch(source, instrument, day)``: a vendor's day, through its client into the cache, as files.

=============  ======================================================================================
source         what is asked
=============  ======================================================================================
``binance``    the archive's daily file with its checksum; where it has none (yet), the REST interface
``dukascopy``  the 24 hours, from the API, then from the file service
``iqfeed``     IQConnect's lookup port (HTT) on this machine
``kinetick``   nobody: the exports of the folder ``kinetick_folder``
=============  ======================================================================================

Where they are asked are settings, so that tests and mirrors can point elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from orchestration import ingest
from orchestration.config import Settings
from orchestration.sources import binance, dukascopy, iqfeed, kinetick
from orchestration.sources.binance import Settings as BinanceSettings
from orchestration.sources.binance.addresses import rest_settings
from orchestration.sources.binance.download import cached, history, recheck
from orchestration.sources.binance.rest import TooOldError
from orchestration.sources.day_split import split_by_day
from orchestration.sources.dukascopy import DukascopySettings
from orchestration.sources.iqfeed import Settings as IqfeedSettings
from orchestration.sources.kinetick import exports_of
from orchestration.sources.records import SourceBatch, SourceError
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

BINANCE_KINDS = ("aggTrades", "trades", "bookTicker")


class NothingPublished(SourceError):  # noqa: N818  says what it is
    """The vendor has no records of that day, or none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How each vendor is asked, and where what it sends is kept."""

    cache_dir: Path
    binance: BinanceSettings = field(default_factory=BinanceSettings)
    dukascopy: DukascopySettings = field(default_factory=DukascopySettings)
    iqfeed: IqfeedSettings = field(default_factory=IqfeedSettings)
    kinetick_folder: Path | None = None
    kinds: Sequence[str] = ("aggTrades",)


def asked(config: Settings, kinds: Sequence[str] = ("aggTrades",)) -> Asked:
    """Return how vendors are asked by the settings of this installation."""
    return Asked(
        cache_dir=config.downloads_path,
        binance=rest_settings(config.binance_urls),
        dukascopy=DukascopySettings(
            api_url=config.dukascopy_api_url, files_url=config.dukascopy_files_url,
            requests_per_s=config.dukascopy_requests_per_s,
        ),
        iqfeed=IqfeedSettings(host=config.iqfeed_host, lookup_port=config.iqfeed_lookup_port),
        kinetick_folder=config.kinetick_folder,
        kinds=kinds,
    )  # fmt: skip


def fetch(source: str, instrument: Instrument, day: date, ask: Asked) -> list[Path]:
    """Return the files of a trading day, asking the vendor for what the cache lacks.

    Raises
    ------
    NothingPublished
        The vendor has no records of the day, or the day is not over.
    SourceError
        The vendor cannot be reached or refuses, or the source has no days to ask for.
    """
    if source not in BY_DAY:
        raise SourceError(
            instrument.symbol,
            f"source {source!r} cannot be asked for a day, only {', '.join(BY_DAY)} can: "
            f"`orderflow ingest {source} --path FILE`",
        )
    paths = BY_DAY[source](instrument, day, ask)
    if not paths:
        raise NothingPublished(instrument.symbol, f"{source} has no record of {day}")
    return paths


def _binance(instrument: Instrument, day: date, ask: Asked) -> list[Path]:
    return [path for kind in ask.kinds for path in _binance_kind(instrument, day, ask, kind)]


def _binance_kind(instrument: Instrument, day: date, ask: Asked, kind: str) -> list[Path]:
    try:
        return binance.fetch_day(
            instrument, day, cache_dir=ask.cache_dir, settings=ask.binance, kinds=(kind,)
        )
    except binance.NotPublishedError as error:
        missing = error
    start_ns, end_ns = instrument.trading_day_window(day)
    if end_ns > ask.binance.clock() * 1e9:
        raise NothingPublished(
            instrument.symbol, f"{day} is not over: the archive has it on the day after"
        ) from missing
    if kind == "bookTicker":
        raise NothingPublished(
            instrument.symbol, f"{missing}, and best quotes can be had from the archive only"
        ) from missing
    try:
        return binance.fetch_range(
            instrument, start_ns, end_ns, cache_dir=ask.cache_dir, settings=ask.binance, kind=kind
        )
    except TooOldError as error:
        raise NothingPublished(instrument.symbol, f"{missing}; {error.detail}") from error


def _dukascopy(instrument: Instrument, day: date, ask: Asked) -> list[Path]:
    try:
        return dukascopy.fetch_day(instrument, day, cache_dir=ask.cache_dir, settings=ask.dukascopy)
    except dukascopy.HoursMissing as error:
        raise NothingPublished(error.path, error.detail) from error


def _iqfeed(instrument: Instrument, day: date, ask: Asked) -> list[Path]:
    return iqfeed.fetch_day(instrument, day, cache_dir=ask.cache_dir, settings=ask.iqfeed)


def _kinetick(instrument: Instrument, day: date, ask: Asked) -> list[Path]:
    if ask.kinetick_folder is None:
        raise SourceError(
            instrument.symbol,
            f"Kinetick has no download of {day}: export it in NinjaTrader (Tools > Historical "
            "Data), then `orderflow ingest kinetick --path FILE`, or name the folder of the "
            "exports in ORDERFLOW_KINETICK_FOLDER",
        )
    found = exports_of(instrument, ask.kinetick_folder)
    if not found:
        raise NothingPublished(
            instrument.symbol, f"{ask.kinetick_folder} holds no export of {instrument.venue_symbol}"
        )
    return found


BY_DAY: dict[str, Callable[[Instrument, date, Asked], list[Path]]] = {
    "binance": _binance,
    "dukascopy": _dukascopy,
    "iqfeed": _iqfeed,
    "kinetick": _kinetick,
}


def units_of_day(
    source: str, instrument: Instrument, day: date, ask: Asked
) -> Iterator[SourceBatch]:
    """Fetch a day and yield its units; each takes the place of what came of it earlier.

    Raises
    ------
    NothingPublished, SourceError
        As :func:`fetch`; also where the exports of a folder hold nothing of the day.
    """
    batches = units_of_files(source, instrument, fetch(source, instrument, day, ask))
    if source != kinetick.NAME:
        yield from batches
        return
    # An export holds whatever was chosen when it was made: of it the day alone is asked for.
    parts = [split_by_day(batch, instrument).get(day) for batch in batches]
    if not any(part is not None for part in parts):
        raise NothingPublished(
            instrument.symbol, f"the exports in {ask.kinetick_folder} hold nothing of {day}"
        )
    yield from (part for part in parts if part is not None)


def units_of_month(
    source: str, instrument: Instrument, month: date, ask: Asked
) -> Iterator[SourceBatch]:
    """Fetch the archive's file of a month and yield its unit.

    Raises
    ------
    SourceError
        The source has no files of months, or the archive has none of this one.
    """
    if source != binance.NAME:
        raise SourceError(instrument.symbol, f"{source} has no files of months, binance has")
    paths = binance.fetch_month(
        instrument, month, cache_dir=ask.cache_dir, settings=ask.binance, kinds=ask.kinds
    )
    yield from units_of_files(source, instrument, paths)


def units_replaced(
    source: str, instrument: Instrument, ask: Asked, store: Store
) -> Iterator[SourceBatch]:
    """Compare the cached files with what is published now; yield those that were replaced.

    Also those whose earlier version is still in the store: a run was killed after the download.

    Raises
    ------
    SourceError
        The source publishes no checksums, or cannot be reached.
    """
    if source != binance.NAME:
        raise SourceError(
            instrument.symbol, f"{source} publishes no checksums to compare with, binance does"
        )
    replaced = set(recheck(ask.cache_dir, ask.binance, instrument))
    held = {row.unit for row in store.published(None, instrument.symbol) if row.rows}
    for path in cached(ask.cache_dir, instrument):
        if path in replaced or held.intersection(history(path)):
            yield from units_of_files(source, instrument, [path])


def units_of_files(
    source: str, instrument: Instrument, paths: Sequence[Path]
) -> Iterator[SourceBatch]:
    """Yield the units of files of the cache, marked with the versions whose place they take.

    A unit that two of the files give, as a Bid and an Ask file do, comes once.
    """
    is_whole = source != kinetick.NAME  # an export says nothing about the day that it is of
    if source == dukascopy.NAME:
        for batch in ingest.read_units(source, paths, instrument):
            yield replace(batch, takes_over=is_whole)
        return
    seen: set[str] = set()
    for path in paths:
        older = tuple(history(path)) if source == binance.NAME else ()
        for batch in ingest.read_units(source, [path], instrument):
            if batch.unit in seen:
                continue
            seen.add(batch.unit)
            yield replace(batch, supersedes=older, takes_over=is_whole)
