"""Dukascopy's two services on the loopback interface, with their misbehaviour.

A test publishes hours and lays scripted replies over addresses; a script is used up one reply a
request, then the published content answers. Every request is written down with its time.
"""

import json
import lzma
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOUR_MS = 3_600_000
# The header that the vendor's files have: 5d 00 00 40 00.
_FILTERS = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 22, "lc": 3, "lp": 0, "pb": 2}]

# (ms since the hour, ask points, bid points, ask units, bid units)
Tick = tuple[int, int, int, float, float]


def pack(content: bytes) -> bytes:
    """Compress as the vendor does: the old LZMA format with the length in its header."""
    body = lzma.compress(content, lzma.FORMAT_ALONE, filters=_FILTERS)
    return body[:5] + struct.pack("<Q", len(content)) + body[13:]


def records(ticks: Sequence[Tick]) -> bytes:
    return b"".join(
        struct.pack(">IIIff", ms, a, b, av / 1e6, bv / 1e6) for ms, a, b, av, bv in ticks
    )


def bi5(ticks: Sequence[Tick]) -> bytes:
    return pack(records(ticks)) if ticks else b""


def answer(ticks: Sequence[Tick], start_ms: int, multiplier: str = "1.0E-5") -> bytes:
    """Encode ticks as the API does; the multiplier is a power of ten."""
    if not ticks:
        nothing: dict[str, Any] = dict.fromkeys(("timestamp", "multiplier", "ask", "bid"))
        names = ("times", "asks", "bids", "askVolumes", "bidVolumes")
        return json.dumps(nothing | {name: [] for name in names}).encode()
    digits = -int(f"{float(multiplier):e}".split("e")[1])
    times, asks, bids = ([t[i] for t in ticks] for i in range(3))
    body = {
        "timestamp": start_ms, "multiplier": "MULTIPLIER",
        "ask": round(asks[0] / 10**digits, digits), "bid": round(bids[0] / 10**digits, digits),
        "times": [b - a for a, b in zip([0, *times], times, strict=False)],
        "asks": [b - a for a, b in zip([asks[0], *asks], asks, strict=False)],
        "bids": [b - a for a, b in zip([bids[0], *bids], bids, strict=False)],
        "askVolumes": [float(t[3]) for t in ticks], "bidVolumes": [float(t[4]) for t in ticks],
    }  # fmt: skip
    text = json.dumps(body, separators=(",", ":"))
    return text.replace('"MULTIPLIER"', multiplier).encode()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted reply; ``then`` says what happens to the connection."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    then: str = "ok"  # ok | close (no reply) | cut (half the body) | hang | drip


TOO_LATE = Reply(status=400, body=b'{"message":"Requested period is too late"}')
UNKNOWN = Reply(status=400, body=b'{"message":"unknown instrument: XXX-YYY"}')
CHALLENGE = Reply(status=202, headers=(("x-amzn-waf-action", "challenge"),))


@dataclass
class DukascopyServer:
    """What is published, what is scripted, what was asked."""

    base: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    scripts: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    default: Reply | None = None
    live: list[bytes] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    most_parallel: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _n_open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api_url(self) -> str:
        return f"{self.base}/v1"

    @property
    def files_url(self) -> str:
        return f"{self.base}/datafeed"

    def publish_api(self, code: str, start: datetime, body: bytes) -> str:
        path = f"/v1/ticks/{code}/{start.year}/{start.month}/{start.day}/{start.hour}"
        self.content[path] = body
        return path

    def publish_file(self, code: str, start: datetime, body: bytes) -> str:
        # Months from 00 on purpose in other words than the client's.
        folder = (
            start.strftime("%Y/")
            + f"{int(start.strftime('%m')) - 1:02d}"
            + start.strftime("/%d/%H")
        )
        path = f"/datafeed/{code}/{folder}h_ticks.bi5"
        self.content[path] = body
        return path

    def paths(self) -> list[str]:
        return [path for _, path in self.asked]

    def take(self, path: str) -> Reply:
        with self._lock:
            self.asked.append((time.monotonic(), path))
            if self.scripts[path]:
                return self.scripts[path].pop(0)
        parts = urlsplit(path)
        if "from" in parse_qs(parts.query):
            with self._lock:
                return Reply(body=self.live.pop(0)) if self.live else TOO_LATE
        if path in self.content:
            return Reply(body=self.content[path])
        return self.default or Reply(status=404)

    def enter(self) -> None:
        with self._lock:
            self._n_open += 1
            self.most_parallel = max(self.most_parallel, self._n_open)

    def leave(self) -> None:
        with self._lock:
            self._n_open -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    state: DukascopyServer

    def do_GET(self) -> None:
        self.state.enter()
        try:
            self.state.agents.add(self.headers.get("User-Agent", ""))
            self._send(self.state.take(self.path))
        finally:
            self.state.leave()

    def _send(self, reply: Reply) -> None:
        if reply.then == "close":  # TLS was fine, then nothing: the host since July 2026
            self._close()
            return
        if reply.then == "hang":
            self.state.stop.wait(5)
            self._close()
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.then == "drip":
            while not self.stop_dripping():
                self.wfile.write(b"x")
            self._close()
            return
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.then == "cut" else reply.body)
        if reply.then == "cut":
            self._close()

    def stop_dripping(self) -> bool:
        return self.state.stop.wait(0.01)

    def _close(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away is part of the game."""


@contextmanager
def dukascopy_server() -> Iterator[DukascopyServer]:
    state = DukascopyServer()
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Quiet(("127.0.0.1", 0), handler)
    state.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def hours(day: datetime) -> list[datetime]:
    return [day.replace(hour=h, tzinfo=UTC) for h in range(24)]
