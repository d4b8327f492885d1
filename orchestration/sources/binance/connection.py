"""One WebSocket connection: opened, subscribed, read into a queue until it ends.

The venue's pings are answered with their own payload by the library; we send none, since every
message of ours counts against the venue's five a second.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from orchestration.sources.binance.stream_settings import Endpoint, StreamSettings
from orchestration.sources.binance.transport import BlockedError, RefusedError

_PARAMS_A_MESSAGE = 200
_MAX_FRAME_BYTES = 1 << 24
_EVENTS = {"depthUpdate": "depth", "24hrTicker": "ticker", "markPriceUpdate": "markPrice"}
_ID_KEYS = {"trade": "t", "aggTrade": "a", "bookTicker": "u", "depth": "u"}
SHUTDOWN = "serverShutdown"
# When this process connected, over all symbols: the venue counts by address.
_ATTEMPTS: deque[float] = deque()


class ConnectionFailed(Exception):  # noqa: N818  tried again, never seen outside
    """A connection could not be opened, or was not accepted; another attempt may succeed."""

    def __init__(self, detail: str, pause_s: float = 0.0) -> None:
        super().__init__(detail)
        self.pause_s = pause_s


def pause_s(settings: StreamSettings, n_failures: int) -> float:
    """Return how long to wait after failures in a row: doubled each time, half of it by chance."""
    doubled = settings.first_pause_s * 2.0 ** min(n_failures - 1, 30)
    drawn = min(doubled, settings.longest_pause_s) * (0.5 + settings.jitter() / 2)
    return drawn * settings.time_scale


class Event(NamedTuple):
    """A frame with what its sender says about it.

    ``kind`` is empty for what is no event of a stream: a reply, or no JSON. ``id`` is the venue's own where the kind
    has one, else the event's time; ``first_id`` and ``previous_id`` are of updates of the book (-1: not there).
    """

    recv_ns: int
    payload: bytes
    kind: str
    id: int = -1
    first_id: int = -1
    previous_id: int = -1
    ts_ms: int = -1


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """A connection whose events wait in a queue.

    Attributes
    ----------
    endpoint : Endpoint
    settings : StreamSettings
    woken : asyncio.Event
        Set whenever something has changed.
    events : asyncio.Queue of Event
    opened_at, last_event_at : float
        Times of the loop.
    ended : str
        Why it ended; empty while it lives.
    refusal : str
        What the venue answered to the subscription; empty: it accepted, or has not answered.
    first_ids : dict of str to int
        First id of each kind.
    last_at : dict of str to float
        When each kind came last.
    is_leaving : bool
        The venue has announced that it will close.
    is_announced : bool
        The log says already how its events follow those before.
    accepted_at : float
        When the whole subscription was acknowledged.
    n_unanswered : int
        Parts of the subscription that were not acknowledged yet.
    """

    endpoint: Endpoint
    settings: StreamSettings
    woken: asyncio.Event
    socket: ClientConnection
    events: "asyncio.Queue[Event]"
    opened_at: float
    last_event_at: float
    ended: str = ""
    refusal: str = ""
    first_ids: dict[str, int] = field(default_factory=dict)
    last_at: dict[str, float] = field(default_factory=dict)
    is_leaving: bool = False
    is_announced: bool = False
    accepted_at: float = 0.0
    n_unanswered: int = 0
    pump: "asyncio.Task[None] | None" = None

    @classmethod
    async def open(
        cls, endpoint: Endpoint, settings: StreamSettings, woken: asyncio.Event
    ) -> "Connection":
        """Connect and subscribe.

        Raises
        ------
        ConnectionFailed
            Trying again may help.
        SourceError
            It would not: the venue refuses us or the address.
        """
        await _await_turn(settings)
        socket = await _connect(endpoint.url, settings)
        now = asyncio.get_running_loop().time()
        made = cls(
            endpoint=endpoint, settings=settings, woken=woken, socket=socket,
            events=asyncio.Queue(settings.buffer), opened_at=now, last_event_at=now,
        )  # fmt: skip
        made.pump = asyncio.create_task(made._read())
        try:
            await made._subscribe()
        except BaseException:
            await made.close()
            raise
        return made

    async def close(self) -> None:
        """Close the socket and stop reading; what is in the queue stays there."""
        try:
            if self.pump is not None:
                self.pump.cancel()
                await asyncio.gather(self.pump, return_exceptions=True)
            await self.socket.close()
        finally:  # also where the farewell is cut short
            self.socket.transport.abort()

    async def _subscribe(self) -> None:
        # At once where there are few streams, otherwise at the pace that the venue allows.
        names, pause_s = self.endpoint.streams, 1 / self.settings.control_per_s
        for number, start in enumerate(range(0, len(names), _PARAMS_A_MESSAGE)):
            if number:
                await asyncio.sleep(pause_s * self.settings.time_scale)
            params = list(names[start : start + _PARAMS_A_MESSAGE])
            self.n_unanswered += 1
            message = {"method": "SUBSCRIBE", "params": params, "id": number + 1}
            try:
                await self.socket.send(json.dumps(message))
            except ConnectionClosed as error:
                raise ConnectionFailed(f"closed before the subscription: {error}") from error

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                payload = await self.socket.recv(decode=False)
                event, found = read_event(self.settings.clock(), payload)
                if event.kind and event.kind != SHUTDOWN:
                    self.last_event_at = self.last_at[event.kind] = loop.time()
                    self.first_ids.setdefault(event.kind, event.id)
                elif event.kind == SHUTDOWN:
                    self.is_leaving = True
                else:
                    self._take_reply(found)
                await self.events.put(event)
                self.woken.set()
        except (ConnectionClosed, OSError) as error:
            self.ended = f"closed: {error}"
            self.woken.set()

    def _take_reply(self, found: Any) -> None:
        if not isinstance(found, dict):
            return
        if "code" in found or "error" in found:
            self.refusal = str(found.get("error", found))[:200]
        elif "result" in found:
            self.n_unanswered -= 1
            self.accepted_at = asyncio.get_running_loop().time()


def read_event(recv_ns: int, payload: bytes) -> tuple[Event, Any]:
    """Return what a frame, raw or wrapped, says about itself, and its JSON (None: it is none)."""
    line = payload.replace(b"\n", b" ") if b"\n" in payload else payload
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return Event(recv_ns, line, ""), None
    data, kind = found, ""
    if isinstance(found, dict) and isinstance(found.get("data"), dict):
        data, name = found["data"], found.get("stream")
        if isinstance(name, str):
            kind = name.removeprefix("!").split("@", 2)[1 if "@" in name[1:] else 0]
    if not isinstance(data, dict):
        return Event(recv_ns, line, ""), found
    name = data.get("e")
    if isinstance(name, str):
        kind = _EVENTS.get(name, name)
    elif not kind and {"u", "b", "B", "a", "A"} <= data.keys():
        kind = "bookTicker"
    if not kind:
        return Event(recv_ns, line, ""), found
    numbers = [data.get(key, -1) for key in (_ID_KEYS.get(kind, "E"), "U", "pu", "T")]
    whole = [value if type(value) is int else -1 for value in numbers]
    return Event(recv_ns, line, kind, *whole), found


async def _connect(url: str, settings: StreamSettings) -> ClientConnection:
    scale = settings.time_scale
    try:
        return await connect(
            url, compression=None, ping_interval=None, max_size=_MAX_FRAME_BYTES,
            open_timeout=settings.connect_timeout_s * scale,
            close_timeout=settings.connect_timeout_s * scale,
        )  # fmt: skip
    except InvalidStatus as error:
        status = error.response.status_code
        if status in (418, 429):
            text = error.response.headers.get("Retry-After", "")
            pause_s = int(text) if text.isascii() and text.isdigit() else 60
            raise ConnectionFailed(f"HTTP {status}: too many attempts", pause_s) from error
        if status == 403:
            raise BlockedError(url, "the venue's firewall refuses this machine") from error
        if status < 500:
            raise RefusedError(url, f"was refused: HTTP {status}", 0) from error
        raise ConnectionFailed(f"HTTP {status}") from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise ConnectionFailed(f"{type(error).__name__} {error}".strip()) from error


async def _await_turn(settings: StreamSettings) -> None:
    loop = asyncio.get_running_loop()
    window = settings.attempts_window_s * settings.time_scale
    while len(_ATTEMPTS) >= settings.most_attempts:
        wait = _ATTEMPTS[0] + window - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        else:
            _ATTEMPTS.popleft()
    _ATTEMPTS.append(loop.time())


__all__ = ["SHUTDOWN", "Connection", "ConnectionFailed", "Event", "pause_s", "read_event"]
