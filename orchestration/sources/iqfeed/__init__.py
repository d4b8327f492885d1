"""IQFeed: tick history and Level 1 through the vendor's local gateway, IQConnect.

==============  ====================================================================================
module          what
==============  ====================================================================================
``lookup``      asks for history: the last ticks, the last days, a range, one trading day
``stream``      streams Level 1 of one symbol
``history``     reads replies of history, of protocols 6.2 back to 2010
``logs``        reads recorded Level 1 streams
==============  ====================================================================================

A file's first lines say which of the two it is: lines of a recorded stream begin with a time of
receipt.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from orchestration.sources.files import read_file
from orchestration.sources.iqfeed.history import SOURCE, parse_history, unzipped
from orchestration.sources.iqfeed.logs import parse_log
from orchestration.sources.iqfeed.lookup import fetch_day, open_lookup
from orchestration.sources.iqfeed.stream import messages
from orchestration.sources.iqfeed.wire import FeedError, FeedRefused, Settings
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

NAME = SOURCE
_LOGGED = re.compile(rb"[0-9]{10,20} [A-Za-z],")
_N_SNIFFED = 20


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read files of ticks or recorded streams: a batch of trades and one of quotes a file.

    Raises
    ------
    SourceError
        A file cannot be read, or it holds nothing readable.
    """
    batches = []
    for path in paths:
        file = unzipped(read_file(path))
        lines = file.data.split(b"\n", _N_SNIFFED)[:_N_SNIFFED]
        n_logged = sum(_LOGGED.match(line) is not None for line in lines)
        is_log = 2 * n_logged > sum(bool(line.strip()) for line in lines)
        batches += (parse_log if is_log else parse_history)(file, instrument)
    return batches


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: the feed is asked for a day, and nobody said which.

    Raises
    ------
    SourceError
        Always; the message says how to name files.
    """
    raise SourceError(
        instrument.symbol, "recorded files must be named: `orderflow ingest iqfeed --path FILE`"
    )


__all__ = [
    "NAME",
    "FeedError",
    "FeedRefused",
    "Settings",
    "fetch",
    "fetch_day",
    "messages",
    "open_lookup",
    "read",
]
