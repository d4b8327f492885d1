"""The hours of a trading day as one unit: published once a day, not once an hour."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from orchestration.sources.dukascopy import api, bi5
from orchestration.sources.dukascopy.quotes import MS
from orchestration.sources.joined import joined
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

_TICK_FILES = (".bi5", ".bin")


def groups_of_files(paths: Sequence[Path], instrument: Instrument) -> Iterator[list[Path]]:
    """Divide files into units: the hours of one trading day and format together, in their order.

    A file whose path names no hour is a unit of its own, and so is the second file of an hour.
    """
    days: dict[tuple[int, bool], dict[int, Path]] = {}
    alone: list[Path] = []
    for path in dict.fromkeys(paths):
        start_ms = _start_ms(path)
        if start_ms is None:
            alone.append(path)
            continue
        (day,) = instrument.trading_day_of(np.array([start_ms * MS])).tolist()
        hours = days.setdefault((int(day), path.suffix == ".json"), {})
        if start_ms in hours:
            alone.append(path)
        else:
            hours[start_ms] = path
    for key in sorted(days):
        yield [path for _, path in sorted(days[key].items())]
    for path in alone:
        yield [path]


def join_hours(
    batches: Sequence[SourceBatch], paths: Sequence[Path], tick_steps: int
) -> list[SourceBatch]:
    """Return the hours of a day as one batch; as they are where a time lies outside its hour."""
    times = [batch.quotes["ts_event_ns"].to_numpy() for batch in batches]
    whole = np.concatenate([np.zeros(0, np.int64), *times])
    if len(batches) < 2 or (np.diff(whole) < 0).any():
        return list(batches)
    if any(a[-1] == b[0] for a, b in pairwise(times) if len(a) and len(b)):
        return list(batches)
    return [joined(batches, ["/".join(path.parts[-4:]) for path in paths], tick_steps)]


def _start_ms(path: Path) -> int | None:
    try:
        if path.suffix in _TICK_FILES:
            return bi5.hour_of(path).start_ms
        hour = api.hour_of(path) if path.suffix == ".json" else None
    except SourceError:
        return None  # whoever reads it says what is wrong with its path
    return hour.start_ms if hour is not None else None
