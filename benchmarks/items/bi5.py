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
from orchestration.sources.records import SourceBatch

CODE = "EURUSD"
MILLION = 1_000_000
SEED = 7
STEP_MS, SHARE_OF_STEP = np.array([51, 102, 153, 204]), [0.1, 0.4, 0.25, 0.25]
SHARE_LATE, LATE_MS = 0.3, 1900.0
# In hundredths of a million.
ROUND_SIZES, SHARE_ROUND, SHARE_SAME_SIZE = np.array([100, 100, 100, 150, 125, 112, 225]), 0.5, 0.1
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
    # A path of each hour and the hour's start.
    rows = _as_recorded(market)
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


def _as_recorded(market: Market) -> np.ndarray:
    # Prices of the market; spacing, sizes and spreads as a recorded day of EURUSD has them (136,741
    # quotes in 24 files): no two quotes of one ms, half of them within 167 ms and a tenth after
    # 1.5 s, 5,200 an hour, sizes of whole hundredths of a million, a quarter of them one million.
    n = len(market.quotes)
    rng = np.random.default_rng(SEED)
    steps = rng.choice(STEP_MS, n, p=SHARE_OF_STEP) + rng.integers(0, 3, n)
    is_late = rng.random(n) < SHARE_LATE
    steps[is_late] += rng.exponential(LATE_MS, int(is_late.sum())).astype(np.int64)
    ts = market.quotes.ts_event_ns[:1] // MS_NS + np.cumsum(steps)
    bid = market.quotes.bid_ticks
    ask = bid + rng.choice([1, 2, 3, 4], n, p=[0.1, 0.5, 0.3, 0.1])
    sizes = np.where(
        rng.random((2, n)) < SHARE_ROUND,
        rng.choice(ROUND_SIZES, (2, n)),
        np.minimum(10 + rng.exponential(250, (2, n)), 1500).astype(np.int64),
    )
    is_again = rng.random((2, n)) < SHARE_SAME_SIZE
    last = np.maximum.accumulate(np.where(is_again, 0, np.arange(n)), axis=1)
    sizes = np.take_along_axis(sizes, last, axis=1) * (MILLION // 100)
    return np.stack([ts, ask, bid, *sizes])


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
