"""Level 1 of IQConnect as a stream of lines with their times of receipt.

What is yielded is what came, line by line, so that a log of it (``<recv_ns> <line>``) is read by
:mod:`orchestration.sources.iqfeed.level1` as the stream itself is. Each connection begins with
``S,CURRENT PROTOCOL``, by which the reader knows that there was a break.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from orchestration.sources.iqfeed.level1 import SELECTED
from orchestration.sources.iqfeed.wire import (
    FeedError,
    FeedRefused,
    Settings,
    Wire,
    require_symbol,
    without_secrets,
)
from orderflow_core.instrument import Instrument

_DOWN = (b"S,SERVER DISCONNECTED", b"S,SERVER RECONNECT FAILED")


async def messages(
    instrument: Instrument, settings: Settings
) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield ``(recv_ns, line)`` of one symbol for as long as the feed can be reached.

    A connection that ends, that loses its server or whose clock stops is opened again.

    Raises
    ------
    FeedRefused
        The symbol is unknown, the limit of symbols is reached, or the feed answered with an error.
    FeedError
        ``retries`` attempts in a row brought no clock and no record.
    """
    symbol = require_symbol(instrument.venue_symbol)
    failures = 0
    while True:
        try:
            async with aclosing(_one_connection(symbol, settings)) as lines:
                async for recv_ns, line in lines:
                    if line.startswith((b"T,", b"Q,")):
                        failures = 0
                    yield recv_ns, without_secrets(line)
        except FeedError:
            failures += 1
            if failures > settings.retries:
                raise
            await asyncio.sleep(settings.pause(failures))


async def _one_connection(
    symbol: str, settings: Settings
) -> AsyncGenerator[tuple[int, bytes], None]:
    greeting: list[bytes] = []
    wire = await Wire.open(settings, settings.level1_port, greeting)
    try:
        for line in greeting:
            yield settings.clock(), line
        # The symbol is always the first field: it is not to be selected.
        for command in ("S,CONNECT", f"S,SELECT UPDATE FIELDS,{','.join(SELECTED[1:])}"):
            await wire.send(command)
        await wire.send(f"w{symbol}")
        async for line in _watched(wire, symbol):
            yield settings.clock(), line
            _require_served(wire, symbol, line)
    finally:
        await wire.close()


async def _watched(wire: Wire, symbol: str) -> AsyncGenerator[bytes, None]:
    # The lines of a connection that lives: its clock goes, and its server is not lost for long.
    settings, loop = wire.settings, asyncio.get_running_loop()
    patience = settings.stale_s * settings.time_scale
    clock_by = loop.time() + patience
    server_by = float("inf")
    while True:
        line = await wire.line(max(clock_by - loop.time(), 0) / settings.time_scale)
        yield line
        if line.startswith(b"T,"):
            clock_by = loop.time() + patience
        elif line.startswith(b"S,SERVER CONNECTED"):
            server_by = float("inf")
            await wire.send(f"w{symbol}")
        elif line.startswith(_DOWN):
            server_by = loop.time() + settings.reply_timeout_s * settings.time_scale
            await wire.send("S,CONNECT")
        if loop.time() > clock_by:
            raise FeedError(wire.address, f"its clock stands since {settings.stale_s:g} s")
        if loop.time() > server_by:
            raise FeedError(wire.address, f"without server for {settings.reply_timeout_s:g} s")


def _require_served(wire: Wire, symbol: str, line: bytes) -> None:
    refusals = {
        f"n,{symbol}": "the feed does not know the symbol",
        f"S,SYMBOL LIMIT REACHED,{symbol}": "the limit of symbols is reached",
    }
    text = line.decode("latin-1")
    if text.rstrip(",") in refusals:
        raise FeedRefused(wire.address, f"{symbol}: {refusals[text.rstrip(',')]}")
    if text.startswith("E,"):
        raise FeedRefused(wire.address, f"{symbol}: the feed answered {text[:200]!r}")
