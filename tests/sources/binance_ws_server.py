"""A local Binance: WebSocket streams as the venue serves them, and what goes wrong with them.

Beside it runs the REST server of :mod:`tests.sources.binance_http_server`, which knows every trade and the book.
Times are those of the venue multiplied by ``scale``.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from tests.sources.binance_http_server import BinanceServer

# What each of USD-M's paths serves; elsewhere there is one path for everything.
UM_PATHS = {
    "/public": {"bookTicker", "depth", "rpiDepth", "trade"},
    "/market": {"aggTrade", "markPrice", "kline", "ticker", "forceOrder"},
}
TOO_MANY = 1008


@dataclass(eq=False)
class Client:
    """One connection as the server sees it."""

    socket: ServerConnection
    path: str
    is_combined: bool
    streams: dict[str, None] = field(default_factory=dict)
    incoming: deque = field(default_factory=deque)
    is_mute: bool = False
    n_sent: int = 0
    kinds: set[str] | None = None

    def serves(self, stream: str) -> bool:
        kind = stream.split("@")[1].split("_")[0]
        return not self.is_mute and stream in self.streams and (
            self.kinds is None or kind in self.kinds
        )  # fmt: skip


class _Counted(ServerConnection):
    # Hears of every frame that comes in: pings and pongs count like messages.
    def process_event(self, event) -> None:
        client = getattr(self, "client", None)
        if client is not None and getattr(event, "opcode", None) in (
            Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG,
        ):  # fmt: skip
            self.exchange.count(client)
        if client is not None and getattr(event, "opcode", None) is Opcode.PONG:
            fault = self.exchange.pongs.pop(0) if self.exchange.pongs else None
            if fault == "wrong":
                event = Frame(Opcode.PONG, b"of another ping")
            elif fault == "late":
                late_s = 2 * self.exchange.pong_within_s * self.exchange.scale
                self.loop.call_later(late_s, super().process_event, event)
                return
        super().process_event(event)


@dataclass(eq=False)
class Exchange:
    """What is served, to whom, and the faults that it has yet to show.

    Attributes
    ----------
    rest : BinanceServer or None
        Where :meth:`publish` puts trades and aggregates too.
    handshakes : list
        One a connection: an HTTP status to refuse it with, ``(429, Retry-After)``, ``"drop"``, or None.
    replies : list
        One a SUBSCRIBE: ``"error"``, ``"none"`` (no answer), ``"mute"`` (acknowledged, then silence), or None.
    pongs : list
        One a pong, as it comes in: ``"wrong"`` (another payload), ``"late"`` (after the server's patience), or None.
    extra : dict
        Keys that the client does not know, in every event.
    on_accept : callable or None
        Called with each client once it has subscribed.
    """

    scale: float = 0.01
    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    lifetime_s: float = 24 * 3600.0
    most_a_second: int = 5
    most_streams: int = 1024
    paths: dict[str, set[str]] = field(default_factory=dict)
    handshakes: list = field(default_factory=list)
    replies: list = field(default_factory=list)
    pongs: list = field(default_factory=list)
    extra: dict = field(default_factory=dict)
    on_accept: Callable[[Client], None] | None = None
    clients: list[Client] = field(default_factory=list)
    accepted: list[Client] = field(default_factory=list)
    n_handshakes: int = 0
    closed_for: list[str] = field(default_factory=list)
    n_pongs: int = 0
    rest: BinanceServer | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    base: str = ""

    # -- what a test says ------------------------------------------------------------------------

    async def publish(self, events: Iterable[tuple[str, dict]]) -> None:
        """Send events (stream name, data) to all who subscribed."""
        for stream, data in events:
            for client in list(self.clients):
                if client.serves(stream):
                    await self.send(client, stream, data)

    async def burst(self, events: list[tuple[str, dict]]) -> None:
        """Send as :meth:`publish` does, all events in one write a connection."""
        for client in list(self.clients):
            if client.socket.state is not State.OPEN or client.socket.transport.is_closing():
                continue
            for stream, data in events:
                if client.serves(stream):
                    client.n_sent += 1
                    message = {"stream": stream, "data": data} if client.is_combined else data
                    client.socket.protocol.send_text(_encoded(message))
            client.socket.send_data()
            await client.socket.drain()

    async def send(self, client: Client, stream: str, data: dict) -> None:
        body = data | self.extra
        client.n_sent += 1
        await self._say(client, {"stream": stream, "data": body} if client.is_combined else body)

    async def announce_shutdown(self, client: Client) -> None:
        data = {"e": "serverShutdown", "E": 1_700_000_000_000}
        await self._say(
            client, {"stream": "!serverShutdown", "data": data} if client.is_combined else data
        )

    async def accept(self, n: int) -> Client:
        """Wait until n connections have subscribed, ever; return the last one."""
        while len(self.accepted) < n:
            self.changed.clear()
            await self.changed.wait()
        return self.accepted[n - 1]

    async def gone(self, client: Client) -> None:
        """Wait until a connection has ended."""
        while client in self.clients:
            self.changed.clear()
            await self.changed.wait()

    def cut(self, client: Client) -> None:
        """End a connection as a broken wire does: code 1006."""
        client.socket.transport.abort()

    # -- the protocol ----------------------------------------------------------------------------

    def count(self, client: Client) -> None:
        now = asyncio.get_running_loop().time()
        client.incoming.append(now)
        while client.incoming[0] < now - self.scale:
            client.incoming.popleft()
        if len(client.incoming) > self.most_a_second:
            self._drop(client, "too many messages")

    def _drop(self, client: Client, reason: str) -> None:
        self.closed_for.append(reason)
        asyncio.get_running_loop().create_task(client.socket.close(TOO_MANY, reason))

    def refuse(self, socket: ServerConnection, request: Request) -> Response | None:
        self.n_handshakes += 1
        fault = self.handshakes.pop(0) if self.handshakes else None
        if fault == "drop":
            socket.transport.abort()
            return None
        if fault is not None:
            status, more = fault if isinstance(fault, tuple) else (fault, None)
            response = socket.respond(HTTPStatus(status), "no\n")
            if more is not None:
                response.headers["Retry-After"] = str(more)
            return response
        if len(_named(request.path)) > self.most_streams:
            return socket.respond(HTTPStatus.BAD_REQUEST, "too many streams\n")
        return None

    async def talk(self, socket: ServerConnection) -> None:
        path = urlsplit(socket.request.path).path
        client = Client(socket=socket, path=path, is_combined=path.endswith("/stream"))
        client.kinds = next((k for p, k in self.paths.items() if path.startswith(p)), None)
        client.streams = dict.fromkeys(_named(socket.request.path))
        socket.exchange, socket.client = self, client
        self.clients.append(client)
        beside = [asyncio.create_task(work(client)) for work in (self._ping, self._expire)]
        try:
            async for text in socket:
                await self._answer(client, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            for task in beside:
                task.cancel()
            self.clients.remove(client)
            self.changed.set()

    async def _answer(self, client: Client, asked: dict) -> None:
        fault = self.replies.pop(0) if self.replies else None
        if fault == "none":
            return
        params = asked.get("params", [])
        if fault == "error" or not isinstance(asked.get("id"), int):
            error = {"code": 2, "msg": "Invalid request: unknown variant"}
            await self._say(client, {"error": error, "id": asked.get("id")})
            return
        streams = client.streams | dict.fromkeys(params)
        if len(streams) > self.most_streams:
            self._drop(client, "too many streams")
            return
        if asked["method"] == "UNSUBSCRIBE":
            streams = {name: None for name in client.streams if name not in params}
        client.streams, client.is_mute = streams, fault == "mute"
        await self._say(client, {"result": None, "id": asked["id"]})
        self.accepted.append(client)
        self.changed.set()
        if self.on_accept is not None:
            self.on_accept(client)

    async def _say(self, client: Client, message: dict) -> None:
        with suppress(ConnectionClosed):  # the client has left
            await client.socket.send(_encoded(message), text=True)

    async def _ping(self, client: Client) -> None:
        number = 0
        while True:
            await asyncio.sleep(self.ping_every_s * self.scale)
            number += 1
            # The pong counts only with this payload.
            answered = await client.socket.ping(f"1700000000{number:03d}".encode())
            try:
                async with asyncio.timeout(self.pong_within_s * self.scale):
                    await answered
            except TimeoutError:
                self._drop(client, "no pong")
                return
            self.n_pongs += 1

    async def _expire(self, client: Client) -> None:
        await asyncio.sleep(self.lifetime_s * self.scale)
        self.closed_for.append("24 hours")
        await client.socket.close(1000, "24 hours")


def _encoded(message: dict) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _named(path: str) -> list[str]:
    names = parse_qs(urlsplit(path).query).get("streams", [""])[0]
    return [name for name in names.split("/") if name]


@asynccontextmanager
async def exchange(**settings):
    """An exchange on a free port of the loopback address."""
    made = Exchange(**settings)
    async with serve(
        made.talk, "127.0.0.1", 0, process_request=made.refuse, create_connection=_Counted,
        ping_interval=None, compression=None, close_timeout=0.2, max_queue=1024,
    ) as server:  # fmt: skip
        made.base = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made
