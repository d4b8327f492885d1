"""A simulated venue: a market of the core published as lines, with its truth beside them.

``fetch_day`` runs the market of a day and writes three files into the cache, named after the day, the
seed and the settings:

``....log.gz``
    The lines (:mod:`orchestration.sources.simulated_feed`): all that a pipeline may see.
``....truth.json``
    Settings, planted episodes, planted faults line by line, and the SHA-256 of the two others.
``....truth.parquet``
    For each trade its order, true side, and the episodes that took and that rested.

The same seed and settings give the same bytes. Each day is a market of its own that starts at the
same price; its trade ids begin at ten million times the day's number, so that between two days there
is a gap. A log of the live stream has the same lines and is read by the same code.
"""

import asyncio
import gzip
import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.gate import Gate, QuoteRecords, TradeRecords, epoch_text_ns
from orchestration.sources.records import SourceBatch, SourceError, make_batch
from orchestration.sources.simulated_feed import Feed, FeedSettings, publish
from orderflow_core.instrument import EPOCH, Instrument
from orderflow_core.simulator import SECOND_NS, SimulatedMarket, SimulatorSettings, simulate

NAME = "simulated"
FIRST_DAY = date(2026, 1, 5)
IDS_PER_DAY = 10_000_000

_LINE = re.compile(rb"([0-9]{1,20}) ([TQ]),([^,]*),([0-9]*),([0-9]{1,18}),([^,]+),([^,]+),(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSettings:
    """A seed, a market and how it is published; the market's start is set by the day."""

    seed: int = 1
    market: SimulatorSettings = field(default_factory=SimulatorSettings)
    feed: FeedSettings = field(default_factory=FeedSettings)
    days: tuple[date, ...] = (FIRST_DAY,)


def fetch(
    instrument: Instrument, cache_dir: Path, settings: SimulatedSettings | None = None
) -> list[Path]:
    """Return the logs of the settings' days, running the markets that the cache lacks."""
    settings = settings or SimulatedSettings()
    return [
        path
        for day in settings.days
        for path in fetch_day(instrument, day, cache_dir=cache_dir, settings=settings)
    ]


def fetch_day(
    instrument: Instrument, day: date, *, cache_dir: Path, settings: SimulatedSettings
) -> list[Path]:
    """Return the log of one day; a cached one is used if its bytes are those that were written.

    Raises
    ------
    SourceError
        A setting is outside its domain, the market is too small for the faults asked for, or the
        cache cannot be written.
    """
    market_settings = _of_day(instrument, day, settings.market)
    given = json.dumps(asdict(replace(settings, days=(day,), market=market_settings)), default=str)
    grid = f"{instrument.symbol} {instrument.tick_size} {instrument.lot_step}"
    name = hashlib.sha256(f"{grid} {given}".encode()).hexdigest()[:12]
    path = cache_dir / f"{instrument.symbol}-{day}-seed{settings.seed}-{name}.log.gz"
    if _is_whole(path):
        return [path]
    number = (day - EPOCH).days
    first_id = number * IDS_PER_DAY + 1
    rng = np.random.default_rng([settings.seed, number])
    try:
        market = simulate(market_settings, seed=(settings.seed << 32) + number)
        feed = publish(market, instrument, settings.feed, first_id=first_id, rng=rng)
        cache_dir.mkdir(parents=True, exist_ok=True)
        _write_day(path, market, feed, first_id, json.loads(given))
    except ValueError as error:
        raise SourceError(path.name, f"cannot be simulated: {error}") from error
    except OSError as error:
        raise SourceError(path, f"cannot be kept in the cache: {error}") from error
    return [path]


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read logs of the simulated venue, one batch a file."""
    return [parse_simulated(read_file(path), instrument) for path in paths]


async def messages(
    instrument: Instrument, settings: SimulatedSettings, *, cache_dir: Path, speed: float = 0.0
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield receive time and message of the settings' days, as a live client does.

    ``speed`` is how many seconds of the market pass in one: 0 waits for nothing.
    """
    for path in fetch(instrument, cache_dir, settings):
        lines, _ = split_lines(read_file(path).data)
        last = None
        for line in lines:
            stamp, _, payload = line.partition(b" ")
            recv = int(stamp)
            if speed > 0 and last is not None and recv > last:
                await asyncio.sleep((recv - last) / SECOND_NS / speed)
            last = recv
            yield recv, payload


def parse_simulated(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read the lines of a file that is in memory; see :func:`read`."""
    lines, is_cut = split_lines(file.data)
    cut_line = len(lines) if is_cut else 0
    gate = Gate(instrument=instrument, lines=lines, cut_line=cut_line)
    trades, quotes, other = TradeRecords(), QuoteRecords(), Counter[str]()
    matches = [_LINE.fullmatch(line) for line in lines]
    _require_symbol(file.path, matches, instrument.venue_symbol)
    symbol = instrument.venue_symbol.encode()
    for number, match in enumerate(matches, 1):
        if match is not None and match[3] == symbol and number != cut_line:
            _take(gate, trades, quotes, number, match)
        else:
            _take_odd(gate, other, number, lines[number - 1])
    stored = gate.pass_trades(trades, source=NAME, unit=file.unit, id_step=instrument.max_id_step)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=len(lines),
        trades=stored[0], quotes=gate.pass_quotes(quotes, source=NAME, unit=file.unit),
        gaps=stored[1], rejects=gate.rejects, other=dict(other),
    )  # fmt: skip


def _take(
    gate: Gate, trades: TradeRecords, quotes: QuoteRecords, number: int, match: re.Match[bytes]
) -> None:
    _, kind, _, _, record_id, first, second, rest = (
        text.decode("latin-1") for text in match.groups()
    )
    named = "trade" if kind == "T" else "quote"
    recv = epoch_text_ns(match[1].decode())
    event = epoch_text_ns(match[4].decode()) if match[4] else None
    if recv is None or (event is None and (match[4] or kind == "T")):
        gate.refuse_damaged(named, number, "holds no time between 2000 and 2099")
    elif kind == "T" and rest in ("B", "S"):
        row = (
            number,
            int(record_id),
            event,
            recv,
            first,
            second,
            1 if rest == "B" else -1,
            1,
            -1,
            -1,
        )
        _append(trades, row)
    elif kind == "Q" and rest.count(",") == 1:
        ask, ask_qty = rest.split(",")
        ts, ts_source = (recv, 1) if event is None else (event, 0)
        _append(quotes, (number, int(record_id), ts, recv, ts_source, first, second, ask, ask_qty))
    else:
        gate.refuse_damaged(
            named, number, f"ends in {rest[:40]!r}", ts_ns=event or 0, ts_recv_ns=recv
        )


def _append(records: TradeRecords | QuoteRecords, row: tuple[Any, ...]) -> None:
    for item, value in zip(fields(records), row, strict=True):
        getattr(records, item.name).append(value)


def _require_symbol(path: Path, matches: Sequence[re.Match[bytes] | None], symbol: str) -> None:
    # A log holds one symbol, so among lines of it another name is damage.
    names = {match[3].decode("latin-1"): at for at, match in enumerate(matches, 1) if match}
    if names and symbol not in names:
        name, line = min(names.items(), key=lambda item: item[1])
        raise SourceError(path, f"line {line} is of {name!r}: the file is no log of {symbol}")


def _take_odd(gate: Gate, other: Counter[str], number: int, line: bytes) -> None:
    if not line.strip() and number != gate.cut_line:
        other["blank"] += 1
        return
    stamp, _, payload = line.partition(b" ")
    kind = {b"T": "trade", b"Q": "quote"}.get(payload[:1], "unknown")
    recv = epoch_text_ns(stamp.decode("latin-1")) or 0
    gate.refuse_damaged(kind, number, "is no line of a simulated venue", ts_recv_ns=recv)


def read_truth(log: Path) -> tuple[dict[str, Any], pa.Table]:
    """Return the truth beside a log: settings, episodes and faults, and a row for each trade.

    Raises
    ------
    SourceError
        It is not there, or is not what was written with the log.
    """
    if not _is_whole(log):
        raise SourceError(log, "has no truth beside it, or one of the files was changed")
    described, by_trade = _truth_paths(log)
    return json.loads(described.read_text()), pq.read_table(by_trade)


def _of_day(instrument: Instrument, day: date, market: SimulatorSettings) -> SimulatorSettings:
    # A second is left at either end of the day: clocks that differ do not carry a record over it.
    start, end = instrument.session_window(day)
    longest = (end - start) / SECOND_NS - 2.0
    return replace(market, start_ns=start + SECOND_NS, duration_s=min(market.duration_s, longest))


def _truth_paths(log: Path) -> tuple[Path, Path]:
    stem = log.name.removesuffix(".log.gz")
    return log.with_name(f"{stem}.truth.json"), log.with_name(f"{stem}.truth.parquet")


def _is_whole(log: Path) -> bool:
    described, by_trade = _truth_paths(log)
    if not (log.is_file() and described.is_file() and by_trade.is_file()):
        return False
    try:
        wanted = json.loads(described.read_text())["sha256"]
    except (ValueError, KeyError):
        return False  # cut or changed: the day is run again
    return all(_sha256(path) == wanted.get(kind) for kind, path in _parts(log, by_trade))


def _parts(log: Path, by_trade: Path) -> list[tuple[str, Path]]:
    return [("log", log), ("trades", by_trade)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_day(
    path: Path, market: SimulatedMarket, feed: Feed, first_id: int, settings: dict[str, Any]
) -> None:
    described, by_trade = _truth_paths(path)
    # mtime 0: the same lines are the same bytes.
    _put(path, gzip.compress(b"\n".join([*feed.lines, b""]), compresslevel=1, mtime=0))
    sink = pa.BufferOutputStream()
    pq.write_table(truth_of_trades(market, first_id), sink)
    _put(by_trade, sink.getvalue().to_pybytes())
    truth = {
        "settings": settings,
        "sha256": {kind: _sha256(part) for kind, part in _parts(path, by_trade)},
        "episodes": {
            item.name: getattr(market.episodes, item.name).tolist()
            for item in fields(market.episodes)
        },
        "faults": [asdict(fault) for fault in feed.faults],
    }
    _put(described, json.dumps(truth).encode())  # last: with it the day is there


def truth_of_trades(market: SimulatedMarket, first_id: int) -> pa.Table:
    """Return what is true of each trade, under the ids that are published."""
    return pa.table(
        {
            "trade_id": market.trades.trade_id - 1 + first_id,
            "ts_event_ns": market.trades.ts_event_ns,
            "sign": market.trades.sign,
            "order_id": market.order_id,
            "taker_episode": market.taker_episode,
            "maker_episode": market.maker_episode,
            "reference_ticks": market.reference_ticks,
        }
    )


def _put(path: Path, data: bytes) -> None:
    # Written aside and renamed: a reader sees the whole file or none.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        try:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
        except OSError:
            Path(part.name).unlink()
            raise
    os.replace(part.name, path)
