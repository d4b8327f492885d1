"""What the live path must know of each vendor: its client, its reader, where it goes on.

A feed's client yields ``(recv_ns, line)``; its reader makes batches of a log of those lines, as
``orderflow ingest`` does. What lies between two segments is told by *context*: lines of earlier
segments that are read before a segment's own, and whose records are then left out. So a segment is
judged as it would be inside the whole log.
"""

import asyncio
import dataclasses
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, get_type_hints

import pyarrow as pa

from orchestration.config import Settings as Config
from orchestration.live.capture_log import lines_newest_first
from orchestration.sources import binance, capture, dukascopy, iqfeed, kinetick
from orchestration.sources.binance import stream as binance_stream
from orchestration.sources.binance.addresses import stream_settings
from orchestration.sources.binance.layouts import archive_folder
from orchestration.sources.dukascopy import api as dukascopy_api
from orchestration.sources.dukascopy.settings import DukascopySettings, DukascopyUnavailable
from orchestration.sources.files import SourceFile
from orchestration.sources.iqfeed.level1 import DOWN, FIELD_NAMES, GREETING
from orchestration.sources.iqfeed.logs import parse_log as parse_iqfeed_log
from orchestration.sources.kinetick import bridge
from orchestration.sources.kinetick.bridge_log import parse_bridge_log
from orchestration.sources.kinetick.wire import ASK, BID, HEARTBEAT, HELLO, TRADE, WireError
from orchestration.sources.kinetick.wire import parse_message as parse_kinetick
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

Messages = AsyncGenerator[tuple[int, bytes], None]
Resume = Mapping[str, Any]
_SIMPLE = (int, float, str, bool)
_TEXTS = tuple[str, ...]
# Lines that a search for where to go on looks at: a day of heartbeats, and no more.
_MOST_SEARCHED = 200_000


def _always(_: bytes) -> bool:
    return True


def _nothing(_: bytes) -> None:
    return None


def _no_context(_: Sequence[bytes], __: Sequence[SourceBatch]) -> tuple[bytes, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One vendor's live data.

    Attributes
    ----------
    name : str
    settings : callable Config -> settings
        The client's settings, a dataclass, by those of the installation: whom it asks, above all. ``--option`` sets
        its simple fields.
    connect : callable (Instrument, settings, resume) -> async generator of (recv_ns, line)
    parse : callable (SourceFile, Instrument) -> list of SourceBatch
        Reads a log.
    is_record : callable line -> bool
        Whether a message is market data: what the age of the data is measured by.
    may_end : callable line -> bool
        Whether a segment may end after a message.
    resume : callable line -> mapping or None
        Of a line of the log: where a client that has it goes on.
    context : callable (lines, batches) -> lines
        What of a segment (its own context and lines, and what was made of them) the next one needs.
    has_positional_ids : bool
        Ids are positions in the file: the next segment counts on.
    """

    name: str
    settings: Callable[[Config], Any]
    connect: Callable[[Instrument, Any, Resume], Messages]
    parse: Callable[[SourceFile, Instrument], list[SourceBatch]]
    is_record: Callable[[bytes], bool] = _always
    may_end: Callable[[bytes], bool] = _always
    resume: Callable[[bytes], Resume | None] = _nothing
    context: Callable[[Sequence[bytes], Sequence[SourceBatch]], tuple[bytes, ...]] = _no_context
    has_positional_ids: bool = False

    def resume_from(self, lines: Iterable[bytes]) -> Resume:
        """Return where to go on after a log whose lines come newest first."""
        for _, line in zip(range(_MOST_SEARCHED), lines, strict=False):
            found = self.resume(line)
            if found is not None:
                return found
        return {}

    def settings_from(self, options: Sequence[str], config: Config) -> Any:
        """Return the client's settings with ``name=value`` texts laid over those of the installation.

        Raises
        ------
        ValueError
            No such setting, no value, or one that it cannot have; the message names those there are.
        SourceError
            The installation names an address that the vendor does not have.
        """
        pairs = []
        for option in options:
            name, equals, text = option.partition("=")
            if not equals:
                raise ValueError(f"{option!r} must be name=value")
            pairs.append((name, text))
        return _laid_over(self.settings(config), pairs, self.name)


def _laid_over(settings: Any, pairs: Sequence[tuple[str, str]], where: str) -> Any:
    # Settings within settings are named with a dot: rest.timeout_s.
    types = get_type_hints(type(settings))
    values: dict[str, Any] = {}
    for name, text in pairs:
        first, dot, rest = name.partition(".")
        kind = types.get(first)
        if dot and dataclasses.is_dataclass(kind):
            inner = values.get(first, getattr(settings, first))
            values[first] = _laid_over(inner, [(rest, text)], f"{where} {first}")
        elif not dot and kind in (*_SIMPLE, _TEXTS):
            values[first] = _value(name, kind, text)
        else:
            names = sorted(n for n, k in types.items() if k in (*_SIMPLE, _TEXTS))
            inner = sorted(f"{n}.*" for n, k in types.items() if dataclasses.is_dataclass(k))
            raise ValueError(f"{where} has no setting {name!r}: {', '.join(names + inner)}")
    return dataclasses.replace(settings, **values)


def _value(name: str, kind: Any, text: str) -> Any:
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(f"{name} must be true or false, got {text!r}")
        return text == "true"
    if kind == _TEXTS:
        return tuple(part for part in text.split(",") if part)
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"{name} must be of type {kind.__name__}, got {text!r}") from error


def message_of(line: bytes) -> bytes:
    """Return the message of a line of a log, without the time of its receipt."""
    return line.partition(b" ")[2]


# -- Kinetick -----------------------------------------------------------------------------------


_KINETICK_RECORD = re.compile(rb'"type" *: *"[LBA]"')


def _kinetick_type(message: bytes) -> str:
    try:
        return parse_kinetick(message).type
    except WireError:
        return ""


def _kinetick_resume(line: bytes) -> Resume | None:
    try:
        message = parse_kinetick(message_of(line))
    except WireError:
        return None
    if message.type not in (TRADE, BID, ASK):
        return None
    return {"after": message.seq, "after_ts_ns": message.ts_ns}


def _kinetick_context(lines: Sequence[bytes], _: Sequence[SourceBatch]) -> tuple[bytes, ...]:
    # The last number that was heard of: the next one is judged by it.
    for line in reversed(lines):
        if _kinetick_type(message_of(line)) in (TRADE, BID, ASK, HEARTBEAT):
            return (line,)
    return ()


async def _kinetick(instrument: Instrument, settings: Any, resume: Resume) -> Messages:
    async with aclosing(
        bridge.messages(instrument, dataclasses.replace(settings, **resume))
    ) as items:
        async for item in items:
            yield item


KINETICK = Feed(
    name=kinetick.NAME,
    settings=lambda _: bridge.BridgeSettings(),
    connect=_kinetick,
    parse=lambda file, instrument: [parse_bridge_log(file, instrument)],
    is_record=lambda message: _KINETICK_RECORD.search(message) is not None,
    # A hello tells what is missing up to the tick after it.
    may_end=lambda message: _kinetick_type(message) != HELLO,
    resume=_kinetick_resume,
    context=_kinetick_context,
)


# -- IQFeed -------------------------------------------------------------------------------------


_IQFEED_BREAKS = (GREETING.encode(), *(text.encode() for text in DOWN))


def _iqfeed_context(lines: Sequence[bytes], batches: Sequence[SourceBatch]) -> tuple[bytes, ...]:
    # Which fields an update has; the last trade and quote: volume and breaks are judged by them.
    chosen = {
        i for i, line in enumerate(lines) if message_of(line).startswith(FIELD_NAMES.encode())
    }
    chosen = {max(chosen)} if chosen else set()
    chosen |= _last_and_breaks(lines, [batch.quotes for batch in batches], _IQFEED_BREAKS)
    chosen |= _last_and_breaks(lines, [batch.trades for batch in batches], ())
    return tuple(lines[i] for i in sorted(chosen))


def _last_and_breaks(
    lines: Sequence[bytes], tables: Sequence[pa.Table], breaks: tuple[bytes, ...]
) -> set[int]:
    # The line of the last record, and those after it that tell of a break.
    last = max((int(t["line"].to_numpy().max()) - 1 for t in tables if len(t)), default=-1)
    after = {i for i in range(last + 1, len(lines)) if message_of(lines[i]).startswith(breaks)}
    return after | ({last} if last >= 0 else set())


async def _iqfeed(instrument: Instrument, settings: Any, resume: Resume) -> Messages:
    del resume  # the feed streams from now on; the total volume tells what was missed
    async with aclosing(iqfeed.messages(instrument, settings)) as items:
        async for item in items:
            yield item


IQFEED = Feed(
    name=iqfeed.NAME,
    settings=lambda config: iqfeed.Settings(
        host=config.iqfeed_host, lookup_port=config.iqfeed_lookup_port
    ),
    connect=_iqfeed,
    parse=parse_iqfeed_log,
    is_record=lambda message: message.startswith((b"Q,", b"C,")),
    context=_iqfeed_context,
    has_positional_ids=True,
)


# -- Dukascopy ----------------------------------------------------------------------------------


def _dukascopy_resume(line: bytes) -> Resume | None:
    try:
        answer = dukascopy_api.decode_answer("", message_of(line))
    except SourceError:
        return None
    return {"since_ms": int(answer.ts_ms.max())} if len(answer) else None


async def _dukascopy(instrument: Instrument, settings: Any, resume: Resume) -> Messages:
    since = resume.get("since_ms")
    pause = settings.backoff_s
    while True:
        try:
            messages: AsyncIterator[tuple[int, bytes]] = dukascopy.messages(
                instrument, settings, since_ms=since
            )
            async with aclosing(messages) as items:
                async for recv_ns, line in items:
                    pause = settings.backoff_s
                    since = int(dukascopy_api.decode_answer("", line).ts_ms.max())
                    yield recv_ns, line
        except DukascopyUnavailable:
            # It has tried `max_attempts` times; a live client begins again at the last quote.
            await asyncio.sleep(pause * settings.sleep_scale)
            pause = min(2 * pause, settings.max_backoff_s)


DUKASCOPY = Feed(
    name=dukascopy.NAME,
    settings=lambda config: DukascopySettings(
        api_url=config.dukascopy_api_url,
        files_url=config.dukascopy_files_url,
        requests_per_s=config.dukascopy_requests_per_s,
    ),
    connect=_dukascopy,
    parse=lambda file, instrument: [dukascopy_api.parse_log(file, instrument)],
    resume=_dukascopy_resume,
)

# -- Binance ------------------------------------------------------------------------------------


def _binance_resume(line: bytes) -> Resume | None:
    found = _BINANCE_ID.search(line)
    return {"after": int(found[1] or found[2])} if found else None


def _binance_context(lines: Sequence[bytes], batches: Sequence[SourceBatch]) -> tuple[bytes, ...]:
    # Quotes have no ids: what a break between two segments, or two sessions, took, it tells.
    chosen = _last_and_breaks(lines, [batches[0].quotes], (b"wss://", b"ws://"))
    return tuple(lines[i] for i in sorted(chosen))


async def _binance(instrument: Instrument, settings: Any, resume: Resume) -> Messages:
    names = {stream.split("@")[0] for stream in settings.streams}
    if {"trade", "aggTrade"} <= names:
        raise SourceError(
            "binance", "streams trade and aggTrade tell the same fills: ask for one of them"
        )
    if not settings.streams:
        # Without the book, whose gaps are judged over the day: asked for by name, it costs more.
        trades = "trade" if archive_folder(instrument) == "spot" else "aggTrade"
        settings = dataclasses.replace(settings, streams=(trades, "bookTicker"))
    async with aclosing(
        binance_stream.messages(instrument, dataclasses.replace(settings, **resume))
    ) as items:
        async for item in items:
            yield item


# Of the frames whose ids the client follows: a trade's "t", an aggregate's "a".
_BINANCE_ID = re.compile(
    rb'"e":"trade",.*?"t":([0-9]{1,18})[,}]|"e":"aggTrade",.*?"a":([0-9]{1,18})[,}]'
)

BINANCE = Feed(
    name=binance.NAME,
    settings=lambda config: stream_settings(config.binance_urls),
    connect=_binance,
    parse=lambda file, instrument: [capture.parse_capture(file, instrument)],
    is_record=lambda message: message.startswith(b"{"),
    resume=_binance_resume,
    context=_binance_context,
)

FEEDS: dict[str, Feed] = {feed.name: feed for feed in (BINANCE, DUKASCOPY, IQFEED, KINETICK)}

__all__ = ["FEEDS", "Feed", "Messages", "Resume", "lines_newest_first", "message_of"]
