"""Kinetick, a feed that is consumed inside NinjaTrader: its exports, its replay dumps, its live data.

There is no public interface to the feed itself. What can be read:

* tick exports (:mod:`~orchestration.sources.kinetick.exports`), pairs of Bid and Ask among them;
* market-replay dumps (:mod:`~orchestration.sources.kinetick.replay`);
* logs of the live bridge (:mod:`~orchestration.sources.kinetick.bridge_log`), whose client is
  :mod:`~orchestration.sources.kinetick.bridge` and whose other end is ``infra/ninjatrader``.

The content tells which of them a file is; minute and daily bars are refused.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from orchestration.sources.files import SourceFile, read_file
from orchestration.sources.kinetick.bridge_log import parse_bridge_log
from orchestration.sources.kinetick.exports import parse_last, read_pair
from orchestration.sources.kinetick.names import LAST, export_name, is_contract_of
from orchestration.sources.kinetick.replay import parse_replay
from orchestration.sources.kinetick.settings import DEFAULTS, ReadSettings
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

NAME = "kinetick"
_REPLAY = re.compile(rb"^L[12];[0-9];", re.MULTILINE)
_LOG = re.compile(rb"^[0-9]{10,20} \{", re.MULTILINE)
_HEAD_BYTES = 64 * 1024


def read(
    paths: Sequence[Path], instrument: Instrument, settings: ReadSettings | None = None
) -> list[SourceBatch]:
    """Read exports, dumps and logs: one batch a file, one for a Bid and an Ask file together.

    Without ``settings`` those of the installation count (``ORDERFLOW_KINETICK_...``).

    Raises
    ------
    SourceError
        A file is damaged, holds bars, is of another instrument, or its times cannot be right.
    """
    settings = _installed() if settings is None else settings
    units: dict[str, SourceBatch] = {}
    for path in paths:
        name = export_name(path)
        if name is not None and name.side != LAST:
            batch = read_pair(path, instrument, settings)
        else:
            batch = parse_file(read_file(path), instrument, settings)
        units.setdefault(batch.unit, batch)
    return list(units.values())


def _installed() -> ReadSettings:
    from orchestration.config import Settings

    config = Settings()
    return ReadSettings(
        export_timezone=config.kinetick_export_timezone,
        replay_timezone=config.kinetick_replay_timezone,
        check_halt=config.kinetick_check_halt,
    )


def parse_file(
    file: SourceFile, instrument: Instrument, settings: ReadSettings = DEFAULTS
) -> SourceBatch:
    """Read a file that is in memory and no side of a pair; its content says what it is."""
    head = file.data[:_HEAD_BYTES]
    n_replay, n_log = len(_REPLAY.findall(head)), len(_LOG.findall(head))
    if n_replay > n_log:
        return parse_replay(file, instrument, settings)
    if n_log:
        return parse_bridge_log(file, instrument)
    return parse_last(file, instrument, settings)


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: NinjaTrader's files are the user's own.

    Raises
    ------
    SourceError
        Always; the message says how to name the files.
    """
    raise SourceError(
        instrument.symbol,
        "exports of NinjaTrader must be named: `orderflow ingest kinetick --path FILE`",
    )


def exports_of(instrument: Instrument, folder: Path) -> list[Path]:
    """Return the exports of an instrument's contracts that lie in a folder, in order of name."""
    found = []
    for path in sorted(folder.glob("*.txt*")):
        name = export_name(path)
        if name is not None and is_contract_of(name.contract, instrument):
            found.append(path)
    return found


__all__ = ["NAME", "ReadSettings", "exports_of", "fetch", "parse_file", "read"]
