"""History from IQConnect's lookup port: the last ticks, the last days, a range, one trading day.

Several requests may run on one connection; each line of a reply begins with its request's id. A
reply is whole when its end mark came: without it nothing is returned, and the request is made
again on a new connection.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import quote

from orchestration.sources.iqfeed.eastern import eastern_text
from orchestration.sources.iqfeed.ticks import reply_kind
from orchestration.sources.iqfeed.wire import (
    FeedError,
    FeedRefused,
    Settings,
    Wire,
    require_symbol,
)
from orderflow_core.instrument import Instrument

_STAMP = "%Y%m%d %H%M%S"


@dataclass(slots=True, kw_only=True)
class Lookup:
    """Requests on one connection; :func:`open_lookup` makes it."""

    wire: Wire
    waiting: dict[str, asyncio.Queue[bytes | FeedError]] = field(default_factory=dict)
    n_strays: int = 0  # lines of requests that nobody waits for any more
    failure: FeedError | None = None
    _n_requests: int = 0
    _next_send: float = 0.0

    async def last_ticks(self, symbol: str, n_ticks: int) -> list[bytes]:
        """Return the last ``n_ticks`` ticks, oldest first, as the lines that came (HTX)."""
        request = self._request_id()
        command = f"HTX,{require_symbol(symbol)},{n_ticks},1,{request},"
        return await self._ask(command, request)

    async def last_days(self, symbol: str, n_days: int, *, max_ticks: int = 0) -> list[bytes]:
        """Return the ticks of the last days, oldest first (HTD); 0: as many as there are."""
        request = self._request_id()
        most = max_ticks or ""
        command = f"HTD,{require_symbol(symbol)},{n_days},{most},,,1,{request},"
        return await self._ask(command, request)

    async def range(
        self, symbol: str, start_ns: int, end_ns: int, *, request: str = ""
    ) -> list[bytes]:
        """Return the ticks of ``[start_ns, end_ns)``, oldest first (HTT).

        Parameters
        ----------
        symbol : str
        start_ns, end_ns : int, unit ns UTC, whole seconds
            The feed takes Eastern time in whole seconds and includes the last one.
        request : str
            Id that every line of the reply will carry.

        Returns
        -------
        list of bytes
            The lines of the reply without line ends, its end mark last. Without data: two lines.

        Raises
        ------
        FeedRefused
            The feed answered with an error.
        FeedError
            The reply did not come to its end.
        """
        request = request or self._request_id()
        begin = eastern_text(start_ns, _STAMP)
        end = eastern_text(end_ns - 1_000_000_000, _STAMP)
        command = f"HTT,{require_symbol(symbol)},{begin},{end},,,,1,{request},"
        return await self._ask(command, request)

    def _request_id(self) -> str:
        self._n_requests += 1
        return f"R{self._n_requests}"

    async def _ask(self, command: str, request: str) -> list[bytes]:
        if self.failure is not None:
            raise self.failure
        if request in self.waiting:
            raise ValueError(f"request {request!r} is under way already")
        queue = self.waiting[request] = asyncio.Queue()
        try:
            await self._wait_turn()
            await self.wire.send(command)
            return await self._collect(queue, command)
        finally:
            del self.waiting[request]

    async def _wait_turn(self) -> None:
        settings, loop = self.wire.settings, asyncio.get_running_loop()
        start = max(loop.time(), self._next_send)
        self._next_send = start + settings.time_scale / settings.requests_per_s
        await asyncio.sleep(start - loop.time())

    async def _collect(self, queue: asyncio.Queue[bytes | FeedError], command: str) -> list[bytes]:
        settings, lines = self.wire.settings, list[bytes]()
        refusal = b""
        while True:
            try:
                async with asyncio.timeout(settings.reply_timeout_s * settings.time_scale):
                    line = await queue.get()
            except TimeoutError as error:
                if refusal:
                    raise _refused(self.wire, command, refusal) from error
                detail = f"no end within {settings.reply_timeout_s:g} s after {len(lines)} lines"
                raise FeedError(self.wire.address, f"{command}: {detail}") from error
            if isinstance(line, FeedError):
                raise line
            lines.append(line)
            kind = reply_kind(line)
            if kind == "error":
                refusal = line
                if not line.startswith(b"E,"):  # its own end mark follows
                    continue
            if refusal:
                raise _refused(self.wire, command, refusal)
            if kind == "end":
                return lines

    async def dispatch(self) -> None:
        """Hand the lines that come to those who asked; ends with the connection."""
        try:
            while True:
                # Between requests silence is right: each request watches over its own.
                line = await self.wire.line(float("1e9"))
                self._hand_over(line)
        except FeedError as error:
            self.failure = error
            for queue in self.waiting.values():
                queue.put_nowait(error)

    def _hand_over(self, line: bytes) -> None:
        request = line.split(b",", 1)[0].decode("latin-1")
        if request in self.waiting:
            self.waiting[request].put_nowait(line)
        elif line.startswith(b"E,") and self.waiting:
            # The feed could not even read an id: it may mean any of those that wait.
            for queue in self.waiting.values():
                queue.put_nowait(line)
        elif not line.startswith(b"S,"):
            self.n_strays += 1


def _refused(wire: Wire, command: str, line: bytes) -> FeedRefused:
    return FeedRefused(wire.address, f"{command}: refused, {line[:200].decode('latin-1')}")


@asynccontextmanager
async def open_lookup(settings: Settings) -> AsyncIterator[Lookup]:
    """Connect to the lookup port; see :meth:`Wire.open` for what can fail."""
    lookup = Lookup(wire=await Wire.open(settings, settings.lookup_port, []))
    task = asyncio.create_task(lookup.dispatch())
    try:
        yield lookup
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await lookup.wire.close()


def fetch_day(
    instrument: Instrument, day: date, *, cache_dir: Path, settings: Settings | None = None
) -> list[Path]:
    """Return the file of one trading day's ticks, asking the feed for what the cache lacks.

    Returns
    -------
    list of Path
        The reply as it came, beside its SHA-256; empty when the feed has no data of that day.

    Raises
    ------
    FeedRefused
        The day is not over, or the feed refuses: unknown user, unreadable request.
    FeedError
        The feed did not answer in full, ``retries`` attempts included.
    """
    return asyncio.run(
        fetch_day_async(instrument, day, cache_dir=cache_dir, settings=settings or Settings())
    )


async def fetch_day_async(
    instrument: Instrument, day: date, *, cache_dir: Path, settings: Settings
) -> list[Path]:
    """Do what :func:`fetch_day` does, inside a running event loop."""
    symbol = require_symbol(instrument.venue_symbol)
    path = cache_dir / "iqfeed" / quote(symbol, safe="") / f"{day:%Y-%m-%d}.txt"
    if _is_verified(path):
        return [path]
    start, end = instrument.trading_day_window(day)
    if end > settings.clock():
        raise FeedRefused(symbol, f"{day} is not over: a part of a day would pass for the whole")
    # The same day must give the same bytes whenever it is asked for: the id is the day's.
    lines = await _persistently(settings, symbol, start, end, f"D{day:%Y%m%d}")
    if any(reply_kind(line) == "no_data" for line in lines):
        return []
    _keep(path, b"".join(line + b"\n" for line in lines))
    return [path]


async def _persistently(
    settings: Settings, symbol: str, start: int, end: int, request: str
) -> list[bytes]:
    attempt = 0
    while True:
        try:
            async with open_lookup(settings) as lookup:
                return await lookup.range(symbol, start, end, request=request)
        except FeedError:
            attempt += 1
            if attempt > settings.retries:
                raise
            await asyncio.sleep(settings.pause(attempt))


def _is_verified(path: Path) -> bool:
    # A file that changed since it was fetched is fetched anew.
    mark = path.with_suffix(".sha256")
    if not path.is_file() or not mark.is_file():
        return False
    return mark.read_text(encoding="ascii").strip() == hashlib.sha256(path.read_bytes()).hexdigest()


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(data).hexdigest().encode() + b"\n"
    for target, content in ((path, data), (path.with_suffix(".sha256"), mark)):
        # Written aside and renamed: a reader sees the whole file or none.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
            try:
                part.write(content)
                part.flush()
                os.fsync(part.fileno())
            except OSError:
                Path(part.name).unlink()
                raise
        os.replace(part.name, target)
