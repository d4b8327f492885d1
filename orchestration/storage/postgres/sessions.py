"""Connections to PostgreSQL: made with limits, lent to one thread at a time, tried again when lost."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import psycopg

from orchestration.storage.errors import StoreError, StoreUrlError
from orchestration.storage.retries import retried
from orchestration.storage.server_url import split_server_url

T = TypeVar("T")
_EXPECTED = "postgresql://user:password@host:port/database[?sslmode=require]"
_CONNECT_TIMEOUT_S = 10
OLDEST = 16  # which TimescaleDB needs too
# Classes and codes of errors that pass: connection lost, too many connections, server starting or
# stopping, two transactions in each other's way.
_PASSING = ("08", "53300", "57P", "40001", "40P01")


class Sessions:
    """Connections of one process to one database.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database``.
    memory_bytes : int
        What a query may sort in memory (``work_mem``); more goes to the server's disk.
    timeout_s : int
        Time limit of each statement.
    retry_s : float
        How long a call is tried again after the connection was lost.

    Raises
    ------
    StoreUrlError
        The url is none.
    StoreError
        Nobody answers there, or the user is refused.
    """

    def __init__(self, url: str, *, memory_bytes: int, timeout_s: int, retry_s: float) -> None:
        self._target = postgres_target(url)
        self._where = f"{self._target['host']}:{self._target.get('port', 5432)}"
        self._retry_s = retry_s
        self._settings = {
            "statement_timeout": f"{timeout_s}s",
            "work_mem": f"{min(memory_bytes // 1024, 2**31 - 1)}kB",
            "timezone": "UTC",
            "jit": "off",
            # A commit that returned is on the disk, whatever the server's default is.
            "synchronous_commit": "on",
        }
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[psycopg.Connection] = []
        # Tried once: an address that nobody answers at is more often wrong than down for a moment.
        self.give_back(self._take())

    def run(self, what: str, call: Callable[[psycopg.Connection], T]) -> T:
        """Call with a connection of which every statement stands for itself.

        It is called again when the connection was lost: what it does must be safe to repeat.

        Raises
        ------
        StoreError
            PostgreSQL refuses it, or the connection stays lost; the message names ``what``.
        """

        def attempt() -> T:
            with self._lent() as connection:
                return call(connection)

        return self._retried(what, attempt)

    def begin(self) -> psycopg.Connection:
        """Return a connection for the caller alone, in a transaction; ``give_back`` it after its end."""

        def attempt() -> psycopg.Connection:
            connection = self._take()
            try:
                # A savepoint outside a transaction would be a transaction, and commit: it begins here.
                connection.execute("SET TRANSACTION READ WRITE")
            except psycopg.OperationalError:
                connection.close()
                self._forget()
                raise
            return connection

        return self._retried("beginning a transaction", attempt)

    def _retried(self, what: str, attempt: Callable[[], T]) -> T:
        try:
            return retried(attempt, for_s=self._retry_s, what=what, may_pass=is_passing)
        except psycopg.Error as error:
            raise StoreError(f"{what} failed: {told(error)}") from error

    def _take(self) -> psycopg.Connection:
        # Two processes on one connection would read each other's answers.
        if os.getpid() != self._pid:
            raise StoreError(
                f"the store was opened by pid {self._pid} and cannot be used by its forked child "
                f"{os.getpid()}: start the process with spawn and open the store there"
            )
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        connection = idle or self._connect()
        connection.autocommit = False
        return connection

    def give_back(self, connection: psycopg.Connection) -> None:
        """Keep a connection for the next caller; one that is lost or in a transaction is closed."""
        is_idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if connection.closed or not is_idle:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is not lent."""
        if os.getpid() == self._pid:
            self._forget()

    @contextmanager
    def _lent(self) -> Iterator[psycopg.Connection]:
        connection = self._take()
        try:
            connection.autocommit = True
            yield connection
        except psycopg.OperationalError:
            # What broke this one has broken the others too.
            self._forget()
            raise
        finally:
            self.give_back(connection)

    def _forget(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connect(self) -> psycopg.Connection:
        try:
            connection = psycopg.connect(**self._target, autocommit=True)
        except psycopg.ProgrammingError as error:
            raise StoreUrlError(f"the store's url must be {_EXPECTED}: {told(error)}") from None
        except psycopg.OperationalError as error:
            raise StoreUnreachableError(
                f"no PostgreSQL answers at {self._where}: {told(error)}"
            ) from error
        version = connection.info.server_version
        if version < OLDEST * 10_000:
            connection.close()
            raise StoreError(
                f"PostgreSQL {OLDEST} or newer is needed, the one at {self._where} runs "
                f"{version // 10_000}.{version % 10_000}"
            )
        # Plans are made for the days at hand, not for any.
        connection.prepare_threshold = None
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        terms = ", ".join("set_config(%s, %s, false)" for _ in self._settings)
        connection.execute(f"SELECT {terms}", [x for pair in self._settings.items() for x in pair])
        return connection


class StoreUnreachableError(StoreError):
    """No connection could be made."""


def told(error: Exception) -> str:
    """Return what PostgreSQL says in one line: it gives details and hints on further ones."""
    return " ".join(str(error).split())


def is_passing(error: Exception) -> bool:
    """Tell whether the same call may succeed later: the connection was lost, or the server is busy."""
    if isinstance(error, StoreUnreachableError):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


def postgres_target(url: str) -> dict[str, Any]:
    """Split a server's URL into libpq's keywords; StoreUrlError says what is wrong with it.

    Not libpq's own reading of it, which repeats parts of a password that is not escaped in errors.
    """
    parts = split_server_url(url, ("postgresql", "postgres"), expected=_EXPECTED)
    target: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "application_name": "orderflow",
    }
    target |= dict(parse_qsl(parts.query))
    named = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.strip("/")),
    }
    target |= {name: value for name, value in named.items() if value}
    if "host" not in target or "dbname" not in target:
        raise StoreUrlError(f"the store's url must be {_EXPECTED}")
    return target
