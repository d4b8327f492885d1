"""The live streams of one instrument as lines with their times of receipt.

What is yielded is what came, line by line, so that a log of it (``<recv_ns> <line>``) is read by
:mod:`orchestration.sources.capture` as any recording is. Three kinds of lines are our own: trades that
the REST interface gave for a hole and snapshots of the book (:mod:`~orchestration.sources.binance.backfill`), and what
tells how the streams were connected:

``wss://ADDRESS?streams=A/B after-quote-ns=N``
    A connection whose events follow the events before with a break; N is the time of the last quote, 0 where there is
    none. Quotes have no ids that would tell what is missing: the reader makes a gap of it.
``configuration: rolled to wss://ADDRESS?streams=A/B``
    A connection that took over from a living one: events that both brought come once, none is missing.

A connection is replaced before the venue ends it, and at once when the venue announces that it will. The old one goes on
until it has brought the first event that the new one brought, of every stream: only then is it known
that nothing lies between the two.
"""

import asyncio
from collections.abc import AsyncGenerator

from orchestration.sources.binance.backfill import Backfill
from orchestration.sources.binance.leg import Leg, Line
from orchestration.sources.binance.stream_settings import StreamSettings, StreamStatus, endpoints
from orderflow_core.instrument import Instrument


async def messages(
    instrument: Instrument, settings: StreamSettings, status: StreamStatus | None = None
) -> AsyncGenerator[Line, None]:
    """Yield ``(recv_ns, line)`` of one symbol until the consumer stops.

    Parameters
    ----------
    instrument : Instrument
        Of ``binance_spot``, ``binance_um`` or ``binance_cm``.
    settings : StreamSettings
    status : StreamStatus or None
        Filled as events come.

    Raises
    ------
    SourceError
        The venue refuses the streams or this machine, or no connection brings anything; see
        ``most_failures`` and ``most_failures_at_start``.
    """
    seen = status or StreamStatus()
    lines: asyncio.Queue[Line | Exception] = asyncio.Queue(settings.buffer)
    fill = Backfill(instrument=instrument, settings=settings, status=seen)
    legs = [
        Leg(endpoint=endpoint, settings=settings, status=seen, fill=fill, lines=lines)
        for endpoint in endpoints(instrument, settings)
    ]
    tasks = [asyncio.create_task(leg.run()) for leg in legs]
    try:
        while True:
            line = await lines.get()
            if isinstance(line, Exception):
                raise line
            yield line
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["StreamSettings", "StreamStatus", "messages"]
