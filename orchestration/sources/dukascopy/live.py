"""The newest quotes of Dukascopy's API, asked for again and again: there is no stream.

``GET /v1/ticks/{CODE}?from={ms}`` answers with the quotes of the unfinished hour. Each answer
with quotes is handed on as it came, behind the time at which it was received; written to a log,
one a line, it is read by :func:`~orchestration.sources.dukascopy.api.parse_log`. The next request
begins at the last quote seen, so answers overlap by one quote and none is missed between them.
"""

import asyncio
from collections.abc import AsyncIterator

from orchestration.sources.dukascopy import api
from orchestration.sources.dukascopy.client import TooEarly, Vendor
from orchestration.sources.dukascopy.codes import listing_of
from orchestration.sources.dukascopy.quotes import MS
from orchestration.sources.dukascopy.settings import DukascopySettings
from orderflow_core.instrument import Instrument


async def messages(
    instrument: Instrument, settings: DukascopySettings, *, since_ms: int | None = None
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield (receive time in ns, answer) for as long as the vendor answers.

    Parameters
    ----------
    instrument : Instrument
    settings : DukascopySettings
    since_ms : int or None
        Where to begin; the present when None. After a failure: the last stored quote.

    Raises
    ------
    DukascopyUnavailable, DukascopyBlocked, SourceError
        As for a day; the caller begins again at the last quote.
    """
    code = listing_of(instrument).api_code
    since = settings.clock_ns() // MS if since_ms is None else since_ms
    newest: tuple[int, bytes] | None = None
    async with Vendor(settings) as vendor:
        while True:
            url = f"{settings.api_url}/ticks/{code}?from={since}"
            try:
                body = await vendor.get(url, lambda data: api.decode_answer(url, data))  # noqa: B023
            except TooEarly:
                body = None  # a new hour has begun and holds nothing yet
            answer = None if body is None else api.decode_answer(url, body)
            if body is not None and answer is not None and len(answer):
                last = (int(answer.ts_ms.max()), answer.text(len(answer) - 1))
                if last != newest:
                    # A line end means nothing in JSON, but it would cut the log's line.
                    yield settings.clock_ns(), body.replace(b"\r", b" ").replace(b"\n", b" ")
                since, newest = max(since, last[0]), last
            await asyncio.sleep(settings.poll_s * settings.sleep_scale)
