"""A local server that speaks Binance's archive and REST protocol, and misbehaves when told to."""

import hashlib
import io
import json
import threading
import time
import zipfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from operator import itemgetter
from urllib.parse import parse_qs, urlsplit

SCALE = 0.001  # of every pause; a demanded pause of 10 s lasts 10 ms here
HOUR_MS = 3_600_000
WEIGHTS = {
    "/api/v3/aggTrades": 4, "/api/v3/historicalTrades": 25, "/fapi/v1/aggTrades": 20,
    "/fapi/v1/historicalTrades": 200, "/dapi/v1/aggTrades": 20,
}  # fmt: skip


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


class BinanceServer:
    """What the server has, what it was asked, and the faults it has yet to show.

    ``faults`` are taken one a request: a status, ``(status, Retry-After)``, ``"cut"`` (the body
    ends early), ``"drop"`` (the connection closes), ``"hang"``.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.records: dict[tuple[str, str], Sequence[dict]] = {}  # by id
        self.requests: list[tuple[str, dict, dict]] = []
        self.faults: list = []
        self.weight_of_minute: Counter[int] = Counter()
        self.limit = 1000
        self.now_ms = 1_767_225_600_000
        self.quiet_until = 0.0
        self.base = ""

    def publish(self, path: str, members: dict[str, bytes]) -> bytes:
        """Put an archive and its checksum in place; a second time replaces it."""
        data = zipped(members)
        name = path.rsplit("/", 1)[1]
        self.files["/" + path] = data
        line = f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        self.files[f"/{path}.CHECKSUM"] = line.encode()
        return data

    def clock(self) -> float:
        """Seconds since 1970, as the server and its clients count them."""
        return self.now_ms / 1000

    def asked(self, end: str = "") -> list[str]:
        return [path for path, _, _ in self.requests if path.endswith(end)]

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, path: str, params: dict, headers: dict) -> tuple[int, dict, bytes]:
        if path in WEIGHTS:
            minute = int(self.clock() // 60)
            self.weight_of_minute[minute] += WEIGHTS[path]
            used = str(self.weight_of_minute[minute])
            status, body = self.page(path, params, headers)
            return status, {"X-MBX-USED-WEIGHT-1M": used}, body
        if path.endswith("/exchangeInfo"):
            limits = [
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 9},
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                 "limit": 1234},
            ]  # fmt: skip
            return 200, {}, json.dumps({"rateLimits": limits}).encode()
        if path in self.files:
            return 200, {}, self.files[path]
        return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"

    def page(self, path: str, params: dict, headers: dict) -> tuple[int, bytes]:
        rows = self.records.get((path, params["symbol"]))
        if rows is None:
            return 400, b'{"code":-1121,"msg":"Invalid symbol."}'
        is_futures = not path.startswith("/api")
        if path.endswith("historicalTrades") and is_futures and "X-MBX-APIKEY" not in headers:
            return 401, b'{"code":-2014,"msg":"API-key format invalid."}'
        identity, stamp = ("a", "T") if "a" in rows[0] else ("id", "time")
        limit = min(int(params.get("limit", 500)), self.limit)
        begin = 0
        start, end = int(params.get("startTime", 0)), int(params.get("endTime", 1 << 62))
        if "fromId" in params:
            if is_futures and "startTime" in params:
                return 400, b'{"code":-1128,"msg":"Combination of optional parameters invalid."}'
            begin = bisect_left(rows, int(params["fromId"]), key=itemgetter(identity))
        elif is_futures and (end - start >= HOUR_MS):
            return 400, b'{"code":-1127,"msg":"More than 1 hours between startTime and endTime."}'
        in_us = headers.get("X-MBX-TIME-UNIT") == "MICROSECOND"
        later = (rows[k] for k in range(begin, len(rows)))
        found = list(islice((r for r in later if start <= r[stamp] // 1000 <= end), limit))
        if is_futures and any(r[stamp] // 1000 < self.now_ms - 48 * HOUR_MS for r in found[:1]):
            return 400, b'{"code":-4166,"msg":"Search window is restricted to recent 2 days."}'
        shown = [r | {stamp: r[stamp] if in_us else r[stamp] // 1000} for r in found]
        return 200, json.dumps(shown, separators=(",", ":")).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        served: BinanceServer = self.server.served
        parts = urlsplit(self.path)
        params = {k: v[0] for k, v in parse_qs(parts.query).items()}
        headers = {k: v for k, v in self.headers.items()}  # noqa: C416  a copy of another type
        headers = {"-".join(p if p.isupper() else p.upper() for p in k.split("-")): v
                   for k, v in headers.items()}  # fmt: skip
        served.requests.append((parts.path, params, headers))
        if time.monotonic() < served.quiet_until:  # it was told to wait and did not
            self.reply(418, {"Retry-After": "120"}, b'{"code":-1003,"msg":"Way too much weight."}')
            return
        fault = served.faults.pop(0) if served.faults else None
        if fault == "drop":
            self.close_connection = True
            return
        if fault == "hang":
            served.released.wait(5)
            self.close_connection = True
            return
        if isinstance(fault, tuple):
            served.quiet_until = time.monotonic() + fault[1] * SCALE
            self.reply(
                fault[0], {"Retry-After": str(fault[1])}, b'{"code":-1003,"msg":"Too much weight."}'
            )
            return
        if isinstance(fault, int):
            self.reply(fault, {}, b"<html>no</html>")
            return
        status, more, body = served.answer(parts.path, params, headers)
        self.reply(status, more, body, is_cut=fault == "cut")

    def reply(self, status: int, headers: dict, body: bytes, *, is_cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[BinanceServer]:
    """A server on a free port of the loopback address."""
    served = BinanceServer()
    served.released = threading.Event()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    http.served = served
    served.base = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.released.set()
        http.shutdown()
        thread.join()
        http.server_close()
