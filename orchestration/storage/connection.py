"""The one client of the store: embedded ClickHouse (chDB) or a server, behind the same few calls.

Everything that the embedded engine does not forgive is handled here, once: it is never used from a
forked child, every query has limits, its insert files stay under the store, results travel as Arrow.
"""

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import pyarrow as pa

from orchestration.storage import cluster as clusters
from orchestration.storage.errors import StoreError, StoreUrlError
from orchestration.storage.full_disk import naming_a_full_disk
from orchestration.storage.retries import retried
from orchestration.storage.server_url import split_server_url

T = TypeVar("T")
# Defaults of these have moved between versions of the server. An insert that has returned is
# readable, and one that is sent twice under one token is stored once.
_PINNED = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 1,
    # Results stay on this machine, or go through the transport's own compression.
    "output_format_arrow_compression_method": "none",
}

# Fewer rows go by a file: starting the other way costs more than it saves. The manifest's rows, whose
# tokens decide between writers, are always fewer.
_ROWS_WORTH_SCANNING = 10_000
# Rows that are worth two blocks, which become two parts, and what a block holds: two are in memory.
_ROWS_WORTH_TWO, _BLOCK_BYTES = 200_000, 256 << 20
# Files that TLS needs beyond the system's: of the authority, of the client and its key.
_TLS_OPTIONS = {"ca_cert", "client_cert", "client_cert_key"}
# What a query may take, by ClickHouse's errors, and the settings that say so.
_LIMITS = {
    241: "memory than ORDERFLOW_STORE_MEMORY_GB",
    159: "time than ORDERFLOW_STORE_QUERY_TIMEOUT_S",
}
_CODE = re.compile(r"\bCode: (\d+)")


class Connection:
    """Thread-safe client with limits on every query.

    Parameters
    ----------
    path : Path or None
        Folder of the embedded engine.
    url : str or None
        ``http[s]://user:password@host:port``: a ClickHouse server. The server takes the same calls
        and the same SQL.
    temp_dir : Path or None
        Where the embedded engine's insert files go; the process's own temporary folder is left alone.
    cluster : str or None
        The server is a node of this cluster (`orchestration.storage.cluster`).
    memory_bytes, timeout_s : int
        Limits of each query (ClickHouse errors 241 and 159).
    retry_s : float
        How long a call to a server is tried again after the connection was lost. Every call can be:
        reads, statements that may run twice, and inserts by their tokens.
    """

    def __init__(
        self,
        *,
        path: Path | None,
        url: str | None,
        temp_dir: Path | None,
        memory_bytes: int,
        timeout_s: int,
        retry_s: float = 0,
        cluster: str | None = None,
    ) -> None:
        self.cluster = None if cluster is None else clusters.require_cluster_name(cluster)
        settings = _PINNED | (clusters.SETTINGS if cluster else {})
        settings |= {"max_memory_usage": memory_bytes, "max_execution_time": timeout_s}
        target = server_target(url) if url else {"interface": "chdb", "path": str(path)}
        self._retry_s = retry_s if url else 0.0
        self._client = _connect(target, settings)
        self._temp_dir = temp_dir
        self._folder = path
        self._scanner = _Scanner(path, settings) if path is not None else None
        self._call_lock = threading.Lock()
        self._pid = os.getpid()

    def select(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one query with bound ``{name:Type}`` parameters and return its rows."""
        bound = _bindable(params or {})
        with self._one_call():
            return self._retried("a query", lambda: self._client.query_arrow(sql, parameters=bound))

    def fetch(self, sql: str, params: Mapping[str, Any]) -> bytes:
        """Run one small query and return its rows as the engine's RowBinary, by the shortest way."""
        bound = _bindable(params)
        with self._one_call():
            if self._scanner is not None:
                return self._scanner.fetch(sql, bound)
            return self._retried(
                "a query", lambda: self._client.raw_query(sql, parameters=bound, fmt="RowBinary")
            )

    def command(self, sql: str) -> None:
        """Run one statement that returns nothing (DDL, mutations): text of ours, never a user's.

        It must say the same when it runs twice (IF EXISTS, IF NOT EXISTS).
        """
        with self._one_call():
            self._retried("a statement", lambda: self._client.command(sql))

    def delete(self, sql: str, params: Mapping[str, Any]) -> None:
        """Run one mutation with bound parameters and wait until it is done."""
        bound, waits = _bindable(params), {"mutations_sync": 1}
        with self._one_call():
            self._retried(
                "a removal", lambda: self._client.command(sql, parameters=bound, settings=waits)
            )

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Insert rows whose schema the caller has checked, of one month.

        ``token`` names the rows: a second insert with it is a no-op where the table has a window of
        deduplication, so that one whose answer was lost can be sent again.
        """
        database, name = table.split(".")
        if self._scanner is not None and len(rows) >= _ROWS_WORTH_SCANNING:
            with self._one_call():
                self._scanner.insert(f"`{database}`.`{name}`", rows)
            return
        settings = {"insert_deduplication_token": token}
        with self._one_call(), _temp_files_in(self._temp_dir):
            self._retried(
                f"an insert into {table}",
                lambda: self._client.insert_arrow(name, rows, database=database, settings=settings),
            )

    def close(self) -> None:
        """Close the client; the engine stops with it."""
        if os.getpid() == self._pid:
            if self._scanner is not None:
                self._scanner.close()
            self._client.close()

    def _retried(self, what: str, call: Callable[[], T]) -> T:
        return retried(call, for_s=self._retry_s, what=what)

    @contextmanager
    def _one_call(self) -> Iterator[None]:
        # A query in a forked child of an open engine hangs for ever.
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store was opened by pid {self._pid} and cannot be used by its forked child "
                f"{os.getpid()}: start the process with spawn and open the store there"
            )
        if self._folder is None:
            with naming_a_full_disk(None), _naming_limits():
                yield
            return
        with self._call_lock, naming_a_full_disk(self._folder), _naming_limits():
            try:
                yield
            except BaseException:
                # What a failed query had written of its result, the engine puts before the next
                # query's result. So one that nobody reads comes next.
                self._client.raw_query("SELECT 1")
                raise


class _Scanner:
    """Inserts Arrow tables from this process's memory, and fetches small results as they are.

    A second handle of the one engine, as the client's own offers neither. An insert takes a third of
    the time of a file, a small query two thirds of the client's. No answer can be lost within a
    process, so nothing is sent twice and no token is needed.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        import chdb

        self._handle = chdb.connect(os.path.realpath(path))
        chosen = {name: settings[name] for name in ("max_memory_usage", "max_execution_time")}
        # Without a token equal blocks would count as one.
        chosen["insert_deduplicate"] = 0
        # Of this handle alone; in the SQL of each query they would cost a tenth of a small one.
        for name, value in chosen.items():
            self._handle.query(f"SET {name} = {value}")

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert all rows; DatabaseError where the engine refuses them."""
        from chdb.state.sqlitelike import ChdbError
        from clickhouse_connect.driver.exceptions import DatabaseError

        columns = ", ".join(f"`{name}`" for name in rows.column_names)
        # One thread takes the rows in their order, so that no block has to be sorted; two write blocks.
        n_pairs = -(-rows.nbytes // (2 * _BLOCK_BYTES))
        n_blocks = 2 * n_pairs if len(rows) >= _ROWS_WORTH_TWO else 1
        settings = {
            "max_threads": 2, "max_insert_threads": 2, "max_insert_threads_min_free_memory_per_thread": 0,
            "min_insert_block_size_rows": -(-len(rows) // n_blocks), "min_insert_block_size_bytes": 0,
        }  # fmt: skip
        chosen = ", ".join(f"{name} = {value}" for name, value in settings.items())
        # The engine finds the table by the name of this function's argument.
        sql = (
            f"INSERT INTO {table} ({columns}) SETTINGS {chosen} SELECT {columns} FROM "  # noqa: S608
            f"(SELECT {columns} FROM Python(rows) SETTINGS max_threads = 1)"
        )
        try:
            self._handle.query(sql, "TabSeparated")
        except ChdbError as error:
            found = _CODE.search(str(error))
            raise DatabaseError(str(error), code=int(found[1]) if found else None) from error

    def fetch(self, sql: str, params: Mapping[str, Any]) -> bytes:
        """Return the rows of a query as RowBinary; DatabaseError where the engine refuses it."""
        from chdb.state.sqlitelike import ChdbError
        from clickhouse_connect.driver.binding import format_bind_value
        from clickhouse_connect.driver.exceptions import DatabaseError

        bound = {name: format_bind_value(value) for name, value in params.items()}
        try:
            return self._handle.query(sql, "RowBinary", params=bound).bytes()
        except ChdbError as error:
            found = _CODE.search(str(error))
            raise DatabaseError(str(error), code=int(found[1]) if found else None) from error

    def close(self) -> None:
        """Give the handle back."""
        self._handle.close()


def _connect(target: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    # Tried once: an address that nobody answers at is more often wrong than down for a moment.
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        return clickhouse_connect.get_client(settings=dict(settings), **target)
    except ClickHouseError as error:
        where = f"{target['host']}:{target['port']}" if "host" in target else target["path"]
        raise StoreError(f"no ClickHouse answers at {where}: {error}") from error


def server_target(url: str) -> dict[str, Any]:
    """Split a server's URL into the client's arguments; StoreUrlError says what is wrong with it."""
    expected = "http[s]://user:password@host:port[/database][?ca_cert=/path/of/ca.pem]"
    parts = split_server_url(url, ("http", "https"), expected=expected)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    # Others would be taken for heeded; certificates mean nothing without TLS.
    is_known = set(options) <= (_TLS_OPTIONS if parts.scheme == "https" else set())
    if not parts.hostname or parts.fragment or not is_known:
        raise StoreUrlError(f"the store's url must be {expected}")
    for name, path in options.items():
        if not Path(path).is_file():
            raise StoreUrlError(f"{name} of the store's url names no file: {path!r}")
    return {
        "interface": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or (8443 if parts.scheme == "https" else 8123),
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "default",
        # A session takes one query at a time; without one, threads query side by side.
        "autogenerate_session_id": False,
        **options,
    }


@contextmanager
def _naming_limits() -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import DatabaseError

    try:
        yield
    except DatabaseError as error:
        if error.code not in _LIMITS:
            raise
        said = str(error).splitlines()[0][:300]
        raise StoreError(
            f"a query needs more {_LIMITS[error.code]} grants, or than the server has: {said}"
        ) from error


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
