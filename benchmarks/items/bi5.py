"""Hours of Dukascopy quotes, from packed files to columns.

Ours checks every record in the gate, in as many threads as it uses by itself; the peers unpack with
``lzma`` and check nothing. ``lzma`` alone is the floor: what it unpacks is decoded outside the clock.
"""

import lzma
import struct
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import MS_NS, Market
from orchestration.instruments import load_instruments
from orchestration.sources import dukascopy
from orchestration.sources.dukascopy.bi5 import HOUR_MS, TICK, file_path
from orchestration.sources.dukascopy.quotes import IDS_PER_MS
from orchestration.sources.records import SourceBatch

CODE = "EURUSD"
MILLION = 1_000_000
NAMES = ("ts_ms", "bid", "ask", "bid_lots", "ask_lots")


def contestants(market: Market) -> list[Contestant]:
    # The folder lives as long as the runs that name it.
    folder = tempfile.TemporaryDirectory(prefix="bi5-")
    hours = _write(market, Path(folder.name))
    paths = list(hours)
    known = load_instruments()[CODE]
    return [
        Contestant(
            name=OURS, run=lambda: (dukascopy.read(paths, known), folder)[0], columns=_ours
        ),
        Contestant(
            name="lzma alone", run=lambda: [_unpacked(path) for path in paths],
            columns=lambda found: _numpy(found, hours.values()),
        ),
        Contestant(
            name="lzma + numpy",
            run=lambda: _numpy([_unpacked(path) for path in paths], hours.values()),
        ),
        Contestant(
            name="lzma + struct",
            run=lambda: [list(struct.iter_unpack(">IIIff", _unpacked(path))) for path in paths],
            columns=lambda found: _struct(found, hours.values()),
        ),
    ]  # fmt: skip


def _write(market: Market, folder: Path) -> dict[Path, int]:
    # A path of each hour and the hour's start; a repeated quote of one millisecond is no second one.
    quotes = market.quotes
    rows = np.stack(
        [quotes.ts_event_ns // MS_NS, quotes.ask_ticks, quotes.bid_ticks,
         np.minimum(quotes.ask_lots, MILLION), np.minimum(quotes.bid_lots, MILLION)]
    )  # fmt: skip
    rows = rows[:, np.sort(np.unique(rows, axis=1, return_index=True)[1])]
    # Ids leave room for a thousand quotes of one millisecond, which the vendor never sends.
    rows = rows[:, np.arange(rows.shape[1]) - np.searchsorted(rows[0], rows[0]) < IDS_PER_MS]
    hour = rows[0] // HOUR_MS
    ticks = np.empty(rows.shape[1], TICK)
    ticks["ms"], ticks["ask"], ticks["bid"] = rows[0] % HOUR_MS, rows[1], rows[2]
    ticks["ask_size"], ticks["bid_size"] = rows[3] / MILLION, rows[4] / MILLION
    hours = {}
    for start in np.unique(hour).tolist():
        path = folder / file_path(CODE, start * HOUR_MS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(ticks[hour == start].tobytes(), lzma.FORMAT_ALONE))
        hours[path] = start * HOUR_MS
    return hours


def _unpacked(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes(), lzma.FORMAT_ALONE)


def _ours(batches: list[SourceBatch]) -> Columns:
    tables = [batch.quotes for batch in batches]
    if any(batch.quarantined for batch in batches):
        raise ValueError("quotes of the benchmark were refused")
    names = ("ts_event_ns", "bid_ticks", "ask_ticks", "bid_lots", "ask_lots")
    found = [np.concatenate([t[name].to_numpy() for t in tables]) for name in names]
    found[0] = found[0] // MS_NS
    return dict(zip(NAMES, found, strict=True))


def _numpy(contents: list[bytes], starts) -> Columns:
    hours = [np.frombuffer(content, TICK) for content in contents]
    ts = [start + ticks["ms"].astype(np.int64) for start, ticks in zip(starts, hours, strict=True)]
    found = {"ts_ms": np.concatenate(ts)}
    for name in ("bid", "ask"):
        found[name] = np.concatenate([ticks[name].astype(np.int64) for ticks in hours])
        sizes = np.concatenate([ticks[f"{name}_size"].astype(np.float64) for ticks in hours])
        found[f"{name}_lots"] = np.round(sizes * MILLION).astype(np.int64)
    return found


def _struct(hours: list[list[tuple]], starts) -> Columns:
    rows = np.array([row for hour in hours for row in hour])
    starts = np.repeat(np.array(list(starts)), [len(hour) for hour in hours])
    whole = rows[:, :3].astype(np.int64)
    lots = np.round(rows[:, 3:] * MILLION).astype(np.int64)
    columns = (starts + whole[:, 0], whole[:, 2], whole[:, 1], lots[:, 1], lots[:, 0])
    return dict(zip(NAMES, columns, strict=True))


ITEM = Item(
    name="bi5",
    work="hours of packed quotes: ours to checked records, the peers unpacked or decoded only",
    goal=1.1,
    inputs=lambda market: [
        market.quotes.ts_event_ns,
        market.quotes.bid_ticks,
        market.quotes.bid_lots,
        market.quotes.ask_ticks,
        market.quotes.ask_lots,
    ],
    contestants=contestants,
    max_rows=5_000_000,
)
