"""The one client of the store: embedded ClickHouse (chDB) or a server, behind the same few calls.

Everything that the embedded engine does not forgive is handled here, once: it is never used from a
forked child, every query has limits, its insert files stay under the store, results travel as Arrow.
"""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from orchestration.storage.errors import StoreError, StoreUrlError


class Connection:
    """Thread-safe client with limits on every query.

    Parameters
    ----------
    path : Path or None
        Folder of the embedded engine.
    url : str or None
        ``http[s]://user:password@host:port``: a ClickHouse server. The server takes the same calls
        and the same SQL; this path is written against the same client but has not been run against
        a server on the development machine.
    temp_dir : Path or None
        Where the embedded engine's insert files go; the process's own temporary folder is left alone.
    memory_bytes, timeout_s : int
        Limits of each query (ClickHouse errors 241 and 159).
    """

    def __init__(
        self,
        *,
        path: Path | None,
        url: str | None,
        temp_dir: Path | None,
        memory_bytes: int,
        timeout_s: int,
    ) -> None:
        settings = {
            "max_memory_usage": memory_bytes,
            "max_execution_time": timeout_s,
            # Its default moved to 1: an insert that has returned must be readable.
            "async_insert": 0,
            "output_format_arrow_low_cardinality_as_dictionary": 1,
        }
        target = server_target(url) if url else {"interface": "chdb", "path": str(path)}
        self._client = _connect(target, settings)
        self._temp_dir = temp_dir
        self._is_embedded = url is None
        self._call_lock = threading.Lock()
        self._pid = os.getpid()

    def select(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one query with bound ``{name:Type}`` parameters and return its rows."""
        with self._one_call():
            return self._client.query_arrow(sql, parameters=_bindable(params or {}))

    def command(self, sql: str) -> None:
        """Run one statement that returns nothing (DDL, mutations): text of ours, never a user's."""
        with self._one_call():
            self._client.command(sql)

    def delete(self, sql: str, params: Mapping[str, Any]) -> None:
        """Run one mutation with bound parameters and wait until it is done."""
        with self._one_call():
            self._client.command(sql, parameters=_bindable(params), settings={"mutations_sync": 1})

    def insert(self, table: str, rows: pa.Table, *, token: str = "") -> None:
        """Insert rows whose schema the caller has checked; ``token`` makes a repeat a no-op."""
        database, name = table.split(".")
        settings = {"insert_deduplication_token": token} if token else {}
        with self._one_call(), _temp_files_in(self._temp_dir):
            self._client.insert_arrow(name, rows, database=database, settings=settings)

    def close(self) -> None:
        """Close the client; the engine stops with it."""
        if os.getpid() == self._pid:
            self._client.close()

    @contextmanager
    def _one_call(self) -> Iterator[None]:
        # A query in a forked child of an open engine hangs for ever.
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store was opened by pid {self._pid} and cannot be used by its forked child "
                f"{os.getpid()}: start the process with spawn and open the store there"
            )
        if not self._is_embedded:
            yield
            return
        with self._call_lock:
            try:
                yield
            except BaseException:
                # What a failed query had written of its result, the engine puts before the next
                # query's result. So one that nobody reads comes next.
                self._client.raw_query("SELECT 1")
                raise


def _connect(target: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        return clickhouse_connect.get_client(settings=dict(settings), **target)
    except ClickHouseError as error:
        where = f"{target['host']}:{target['port']}" if "host" in target else target["path"]
        raise StoreError(f"no ClickHouse answers at {where}: {error}") from error


def server_target(url: str) -> dict[str, Any]:
    """Split a server's URL into the client's arguments; StoreUrlError says what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StoreUrlError("the store's url must be http[s]://user:password@host:port[/database]")
    return {
        "interface": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or (8443 if parts.scheme == "https" else 8123),
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "default",
        # A session takes one query at a time; without one, threads query side by side.
        "autogenerate_session_id": False,
    }


def _bindable(params: Mapping[str, Any]) -> dict[str, Any]:
    # The client writes a tuple as a SQL tuple, which no Array(...) parameter takes.
    return {name: list(v) if isinstance(v, tuple) else v for name, v in params.items()}


@contextmanager
def _temp_files_in(folder: Path | None) -> Iterator[None]:
    # The engine's client writes each insert to a NamedTemporaryFile, which kill -9 leaves behind.
    # Under the store they are swept at the next open. TMPDIR would move everybody else's files too.
    if folder is None:
        yield
        return
    previous = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = previous
