"""A ClickHouse HTTP interface over chDB, that can be told to misbehave.

    python -m tests.storage.clickhouse_http FOLDER [--config FILE]

It speaks what clickhouse-connect asks of a server: queries in the address or the body, bound
``param_`` values, settings as parameters, Native and Arrow in and out, compressed bodies, basic
authentication, sessions, errors with their code. It runs in a process of its own, since the engine
allows one folder a process. ``--config`` gives the engine a server's configuration: disks for
backups, a cluster of this one node. The engine runs no statement ``ON CLUSTER`` and has no port for
replicas, without which a replicated table takes no rows: these words are taken out on the way, and
its tables are made as plain ones with the same window of tokens.

Control, by ``POST /faults`` with a JSON list (null: forget all): each fault waits for the next request whose SQL holds
its text (and lets ``skip`` such requests pass before), then happens once: ``refuse`` (the connection closes before anything is read), ``cut_body``
(it closes in the middle of the request), ``cut_reply`` (the query runs, the answer is never sent),
``cut_stream`` (half of the answer is sent), ``busy`` (503), ``hold`` (the request waits until another one that holds
its text was answered). ``GET /requests`` tells the SQL seen.
"""

import argparse
import base64
import gzip
import json
import re
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb
import pyarrow as pa

_LONGEST_HOLD_S = 60
USER, PASSWORD = "orderflow", "pass word&1"
# Parameters of the transport; every other one is a setting.
_TRANSPORT = {
    "query", "database", "default_format", "session_id", "session_timeout", "session_check",
    "query_id", "wait_end_of_query", "compress", "decompress", "enable_http_compression",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "client_protocol_version",
}  # fmt: skip
_ON_CLUSTER = re.compile(r"^(?P<kept>(?:CREATE|ALTER) [^()]*?) ON CLUSTER '[^']*'", re.ASCII)
_REPLICATED = re.compile(
    r"ReplicatedMergeTree\([^)]*\)(?P<kept>.*?)replicated_deduplication_window = (?P<n>\d+), "
    r"replicated_deduplication_window_seconds = \d+$",
    re.DOTALL,
)
_CODE = re.compile(r"Code: (\d+)\.")


class Engine:
    """The one engine of the process: a handle a request, so that settings do not leak."""

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        self._path = str(folder) if config is None else f"{folder}?config-file={config}"
        self._keeps_open = chdb.connect(self._path)
        self._sessions: dict[str, tuple[object, threading.Lock]] = {}
        self._lock = threading.Lock()

    def run(self, sql: bytes, data: bytes, asked: dict[str, str]) -> bytes:
        """Run one statement; ``data`` is what an INSERT takes in the format that it names."""
        session = asked.get("session_id")
        if session is None:
            handle = chdb.connect(self._path)
            try:
                return self._run(handle, sql, data, asked)
            finally:
                handle.close()
        with self._lock:
            handle, lock = self._sessions.setdefault(
                session, (chdb.connect(self._path), threading.Lock())
            )
        if not lock.acquire(blocking=False):
            raise RuntimeError(
                f"Code: 373. DB::Exception: Session {session} is locked by a concurrent client. "
                "(SESSION_IS_LOCKED)"
            )
        try:
            return self._run(handle, sql, data, asked)
        finally:
            lock.release()

    def _run(self, handle, sql: bytes, data: bytes, asked: dict[str, str]) -> bytes:
        for name, value in asked.items():
            if name not in _TRANSPORT and not name.startswith("param_"):
                handle.query(f"SET {name} = {_quoted(value)}", "TabSeparated")
        if asked.get("database"):
            handle.query(f"USE `{asked['database']}`", "TabSeparated")
        bound = {n.removeprefix("param_"): v for n, v in asked.items() if n.startswith("param_")}
        text = _of_one_node(sql.decode())
        if data:
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                head, _, kind = text.strip().rpartition("FORMAT")
                text = f"{head} FROM INFILE {_quoted(file.name)} FORMAT {kind}"
                return handle.query(text, "TabSeparated").bytes() or b""
        wanted = asked.get("default_format", "TabSeparated")
        return handle.query(text, wanted, params=bound).bytes() or b""


class Handler(BaseHTTPRequestHandler):
    """One request; the server object holds the engine and the faults to come."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(200, b"Ok.\n")
        elif self.path == "/faults":
            self._answer(200, json.dumps(self.server.faults).encode())
        elif self.path == "/requests":
            self._answer(200, json.dumps(self.server.seen).encode())
        else:
            self._query()

    def do_POST(self) -> None:
        if self.path == "/faults":
            told = json.loads(self._body())
            self.server.faults = [] if told is None else self.server.faults + told
            self._answer(200, b"")
        else:
            self._query()

    def _query(self) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        in_address = asked.get("query", "")
        fault = self.server.fault_for(in_address) if in_address else ""
        if fault in ("refuse", "cut_body"):
            if fault == "cut_body":
                self.rfile.read1(64)
            self._hang_up()
            return
        body = _decompressed(self._body(), self.headers.get("Content-Encoding", ""))
        sql, data = asked.get("query", "").encode(), body
        if not sql:
            head, is_insert, rest = body.partition(b"FORMAT Native\n")
            sql, data = (head + b"FORMAT Native", rest) if is_insert else (body, b"")
        text = sql.decode(errors="replace")
        if not in_address:  # what stands in the body is only known now
            fault = self.server.fault_for(text)
        self.server.seen.append(text)
        if fault in ("refuse", "cut_body"):
            self._hang_up()
        elif fault == "busy":
            self._answer(503, b"too busy")
        elif not self._is_known():
            self._fail("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
        else:
            self._run(sql, data, asked, fault)

    def _run(self, sql: bytes, data: bytes, asked: dict[str, str], fault: str) -> None:
        if fault == "hold":
            self.server.wait_for_another()
        try:
            found = self.server.engine.run(sql, data, asked)
        except Exception as error:  # the engine raises a plain RuntimeError for every refusal
            self._fail(str(error))
            return
        if fault == "cut_reply":
            self._hang_up()
        else:
            self._answer(200, found, sent=len(found) // 2 if fault == "cut_stream" else None)
            self.server.tell_answered(sql.decode(errors="replace"))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _is_known(self) -> bool:
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _fail(self, message: str) -> None:
        code = _CODE.search(message)
        text = message[message.index("Code:") :] if code else message
        self._answer(
            403 if code and code[1] == "516" else 500,
            f"{text} (version 26.9)\n".encode(),
            {"X-ClickHouse-Exception-Code": code[1] if code else "1002"},
        )

    def _answer(
        self, status: int, body: bytes, more: dict[str, str] | None = None, sent: int | None = None
    ) -> None:
        encoding = ""
        if "gzip" in self.headers.get("Accept-Encoding", "") and sent is None and len(body) > 1000:
            body, encoding = gzip.compress(body, 1), "gzip"
        self.send_response(status)
        for name, value in {
            "X-ClickHouse-Summary": '{"read_rows":"0"}',
            "X-ClickHouse-Timezone": "UTC",
            **(more or {}),
        }.items():
            self.send_header(name, value)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
        if sent is not None:
            self.wfile.flush()
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Say nothing: standard output tells the port alone."""


class Server(ThreadingHTTPServer):
    """Serves one folder on a free port of loopback."""

    daemon_threads = True

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine = Engine(folder, config)
        self.faults: list[dict[str, Any]] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self._answered = threading.Condition()
        self._awaited = ""

    def fault_for(self, sql: str) -> str:
        """Take the first fault that waits for this SQL; empty for none."""
        with self._lock:
            for fault in self.faults:
                if fault["sql"] not in sql:
                    continue
                if fault.get("skip", 0):
                    fault["skip"] -= 1
                    continue
                self.faults.remove(fault)
                if fault["kind"] == "hold":
                    self._awaited = fault["sql"]
                return fault["kind"]
        return ""

    def wait_for_another(self) -> None:
        """Wait until a request that holds the text of the last ``hold`` was answered."""
        with self._answered:
            self._answered.wait_for(lambda: not self._awaited, timeout=_LONGEST_HOLD_S)

    def tell_answered(self, sql: str) -> None:
        """Let a held request go on where it waits for such a one."""
        with self._answered:
            if self._awaited and self._awaited in sql:
                self._awaited = ""
                self._answered.notify_all()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nobody's error."""


def _of_one_node(sql: str) -> str:
    sql = without_cluster(sql)
    if not sql.startswith("CREATE TABLE"):
        return sql
    window = r"non_replicated_deduplication_window = \g<n>"
    return _REPLICATED.sub(rf"MergeTree\g<kept>{window}", sql)


def without_cluster(sql: str) -> str:
    """Return a statement as one node runs it for itself."""
    return _ON_CLUSTER.sub(r"\g<kept>", sql)


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding not in ("gzip", "lz4", "zstd"):
        return body
    return pa.CompressedInputStream(pa.BufferReader(body), encoding).read()


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument(
        "--certificate", type=Path, help="speak TLS: certificate and key in one file"
    )
    chosen = parser.parse_args()
    server = Server(chosen.folder, chosen.config)
    if chosen.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()
