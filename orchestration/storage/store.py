"""The store of Orderflow: what every other part of the program reads from and publishes to."""

import re
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import pyarrow as pa

from orchestration.storage import maintenance, retention
from orchestration.storage.content_hash import content_hash, hash_of_days
from orchestration.storage.engine import AppliedMigration, Engine, Stored
from orchestration.storage.errors import NotPublishedError, StoreError
from orchestration.storage.generation_clock import GenerationClock
from orchestration.storage.lock import StoreLock
from orchestration.storage.maintenance import Problem
from orchestration.storage.manifest import Input, ManifestRow, current
from orchestration.storage.opening import embedded_engine, make_folder, server_engine
from orchestration.storage.pages import remove_stale_pages
from orchestration.storage.publication import Publication
from orchestration.storage.readers import read_generations
from orchestration.storage.status import TableStatus, table_status
from orchestration.storage.tables import table_named

_WRITES = re.compile(r"\b(?:INSERT|OUTFILE)\b", re.IGNORECASE)


class Store:
    """Published tables by symbol and trading day, in embedded ClickHouse or on a server.

    Open one with ``Store.open``. It may be used from several threads, never from a forked child.
    Readers see whole publications only: either all tables of one, or none.
    """

    # The engine allows one folder a process; the second open of it shares the first one's store.
    _embedded: ClassVar["Store | None"] = None
    _class_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, engine: Engine, *, path: Path | None = None, lock: StoreLock | None = None
    ) -> None:
        self._engine = engine
        self._manifest = engine.manifest
        self._path = path
        self._lock = lock
        self._clock = GenerationClock()
        self._in_progress: set[int] = set()
        self._users = 1

    @classmethod
    def open(
        cls,
        *,
        path: Path | None = None,
        url: str | None = None,
        cluster: str | None = None,
        lock_timeout_s: float = 30,
        memory_gb: float = 4,
        query_timeout_s: int = 300,
        retry_s: float = 30,
    ) -> "Store":
        """Open the store and bring its schema up to date.

        Parameters
        ----------
        path : Path, optional
            Folder of an embedded store, made if it is not there. One process holds it at a time.
        url : str, optional
            A server instead: ClickHouse as ``http[s]://user:password@host:port``, PostgreSQL as
            ``postgresql://user:password@host:port/database``.
        cluster : str, optional
            The server is a node of this cluster, as its ``remote_servers`` names it.
        lock_timeout_s : float
            How long to wait for another process to leave an embedded store.
        memory_gb : float
            Memory limit of each query; on PostgreSQL of each sort.
        query_timeout_s : int
            Time limit of each query.
        retry_s : float
            How long a call to a server is tried again when the connection is lost.

        Raises
        ------
        StoreLockedError
            Another process holds the folder; the message names pid, host, command and since when.
        SchemaError
            The store belongs to a newer version, or an applied migration was changed.
        StoreError
            This process has another embedded store open.

        Notes
        -----
        Opening the folder that this process has open already returns the same store; it closes with
        its last user.
        """
        limits = {"memory_bytes": int(memory_gb * 2**30), "timeout_s": query_timeout_s}
        if url is not None:
            if path is not None:
                raise ValueError("give the path of an embedded store or a server's url, not both")
            return cls(server_engine(url, retry_s, limits, cluster))
        if path is None or cluster is not None:
            raise ValueError("give the path of an embedded store, or a server's url (and cluster)")
        folder = Path(path).resolve()
        with cls._class_lock:
            if Store._embedded is not None:
                return Store._embedded._shared(folder)
            store = cls._open_embedded(folder, lock_timeout_s, limits)
            Store._embedded = store
            return store

    @property
    def path(self) -> Path | None:
        """Folder of an embedded store; None for a server."""
        return self._path

    def close(self) -> None:
        """Leave the store; with its last user the engine stops and the lock is released."""
        with Store._class_lock:
            self._users -= 1
            if self._users > 0:
                return
            self._engine.close()
            if self._lock is not None:
                self._lock.release()
            if Store._embedded is self:
                Store._embedded = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def query(self, sql: str, **params: Any) -> pa.Table:
        """Run one reading query and return its rows.

        Parameters
        ----------
        sql : str
            One SELECT (or WITH, SHOW, DESCRIBE, EXPLAIN) in the database's own SQL. Values stand as
            ``{name:Type}`` with a type of the tables' definitions, never as text pasted in.
        **params
            The values by name.

        Notes
        -----
        It sees staged and replaced generations too: what is published, ``read`` returns.
        """
        words = sql.split(None, 1)
        if not words or words[0].upper() not in ("SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN"):
            raise ValueError(f"query only reads: SELECT or WITH expected, got {sql[:40]!r}")
        # The embedded engine would run what follows a semicolon too; a server would not.
        if ";" in sql.rstrip().rstrip(";"):
            raise ValueError("query takes one statement; bind texts that hold a semicolon")
        # WITH ... INSERT and SELECT ... INTO OUTFILE begin as reading queries do.
        if found := _WRITES.search(sql):
            raise ValueError(f"query only reads: {found[0]!r} may stand in bound texts only")
        unbound = [name for name in params if f"{{{name}:" not in sql]
        if unbound:
            raise ValueError(f"parameters {unbound} do not occur as {{name:Type}} in the query")
        return self._engine.query(sql.rstrip().rstrip(";"), params)

    def snapshot(self) -> int:
        """Return the number of the latest publication: what a run binds itself to."""
        return self._manifest.last_seq()

    def published(
        self,
        table: str | None = None,
        symbol: str | None = None,
        day: date | None = None,
        *,
        snapshot: int | None = None,
    ) -> list[ManifestRow]:
        """Return the manifest rows that are current (at a snapshot), oldest publication first."""
        if table is not None:
            table_named(table)
        days = None if day is None else [day]
        rows = self._manifest.rows(table=table, symbol=symbol, days=days, snapshot=snapshot)
        return current(rows)

    def snapshot_at(self, at_ns: int) -> int:
        """Return the number of the last publication at or before a time (ns UTC); 0 before the first."""
        return self._manifest.last_seq_at(at_ns)

    def history(self, table: str, symbol: str, day: date) -> list[ManifestRow]:
        """Return every manifest row that a table's symbol-day ever had, oldest first."""
        return self._manifest.rows(table=table_named(table).name, symbol=symbol, days=[day])

    def days(self, table: str, symbol: str, *, snapshot: int | None = None) -> list[date]:
        """Return the trading days on which a table is published (also empty) for a symbol."""
        return sorted({row.trading_day for row in self.published(table, symbol, snapshot=snapshot)})

    def read(
        self,
        table: str,
        symbol: str,
        days: date | Sequence[date] | None = None,
        *,
        columns: Sequence[str] | None = None,
        snapshot: int | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> pa.Table:
        """Return published rows, ordered by trading day and then in the table's sort order.

        Parameters
        ----------
        table, symbol : str
        days : date or sequence of date, optional
            All published days when left out. A day that is not published gives no rows;
            ``published`` tells it from one that is published and empty.
        columns : sequence of str, optional
            All but ``generation`` when left out.
        snapshot : int, optional
            Read as of this publication; the latest when left out.
        where : mapping, optional
            Column -> value, or list of values, that rows must have.

        Returns
        -------
        pyarrow.Table
            One chunk a column. LowCardinality columns come as dictionary arrays; NaN is null.

        Raises
        ------
        ValueError
            No such table or column.
        SnapshotExpiredError
            Retention has removed rows that the snapshot shows.
        StoreCorruptError
            The table does not hold the rows that the manifest states.
        """
        definition = table_named(table)
        wanted = [days] if isinstance(days, date) else days
        every = self._manifest.rows(table=table, symbol=symbol, days=wanted, snapshot=snapshot)
        rows = current(every)
        if snapshot is not None:
            retention.require_kept(self._engine, rows, snapshot)
        return read_generations(self._engine, definition, rows, columns=columns, where=where)

    def read_generation(self, row: ManifestRow) -> pa.Table:
        """Return the rows of one publication's generation, also of one that was replaced since."""
        retention.require_kept(self._engine, [row], row.seq)
        return read_generations(self._engine, table_named(row.table), [row])

    def existing_keys(
        self,
        table: str,
        symbol: str,
        day: date,
        key_columns: Sequence[str],
        *,
        exclude_unit: str = "",
    ) -> pa.Table:
        """Return the published keys of a day that other units brought.

        Ingest quarantines a record as duplicate when its key is among them; ``exclude_unit`` is the
        unit being ingested, whose own rows are about to be replaced.
        """
        rows = [row for row in self.published(table, symbol, day) if row.unit != exclude_unit]
        return read_generations(self._engine, table_named(table), rows, columns=list(key_columns))

    def publish(
        self,
        symbol: str,
        day: date,
        *,
        run_id: str,
        code_version: str,
        inputs: Iterable[ManifestRow | Input] = (),
    ) -> Publication:
        """Start a publication of one symbol-day: write tables into it, then ``commit``.

        Parameters
        ----------
        symbol : str
        day : date
        run_id, code_version : str
            Who publishes, and which version of the computation.
        inputs : iterable of ManifestRow or Input
            What the tables were computed from. Same inputs, code version and content as published:
            nothing new is published.
        """
        return Publication(
            staging=self._engine.staging(),
            clock=self._clock,
            in_progress=self._in_progress,
            symbol=symbol,
            day=day,
            run_id=run_id,
            code_version=code_version,
            inputs=inputs,
            retire=self._engine.record_retired,
        )

    def content_hash(
        self, table: str, symbol: str, day: date, *, snapshot: int | None = None
    ) -> str:
        """Return the hash of all published rows of a symbol-day, however many units brought them.

        Raises
        ------
        NotPublishedError
            Nothing is published there.
        """
        rows = self.published(table, symbol, day, snapshot=snapshot)
        if not rows:
            raise NotPublishedError(f"{table} {symbol} {day} is not published")
        if len(rows) == 1:
            return rows[0].hash
        definition = table_named(table)
        return content_hash(definition, read_generations(self._engine, definition, rows))

    def content_hash_days(
        self, table: str, symbol: str, days: Sequence[date], *, snapshot: int | None = None
    ) -> str:
        """Return the hash over several days: of the days' hashes in day order."""
        return hash_of_days(
            self.content_hash(table, symbol, day, snapshot=snapshot) for day in sorted(set(days))
        )

    def orphans(self, *, min_age_s: float | None = None) -> list[Stored]:
        """Return generations that are not published: staged by killed or failed runs, or retired.

        Those younger than ``min_age_s`` may be of a writer that is at work: left out, it is a day on
        a server; an embedded store has no other writer.
        """
        return maintenance.orphans(
            self._engine,
            in_progress=self._in_progress,
            min_age_s=self._engine.orphan_age_s if min_age_s is None else min_age_s,
        )

    def vacuum(self, *, min_age_s: float | None = None) -> dict[str, int]:
        """Delete what was staged and never published (see ``orphans``); return rows by table.

        Replaced generations stay until `retain` removes them: snapshots taken before the
        replacement can still be read.
        """
        published = {row.generation for row in self.published()}
        remove_stale_pages(self._engine, published)
        return maintenance.remove(self._engine, self.orphans(min_age_s=min_age_s))

    def retain(self, since_ns: int, *, kept: Collection[int] = ()) -> dict[str, int]:
        """Delete the rows of generations that were replaced before a time; return how many by table.

        Parameters
        ----------
        since_ns : int, nanoseconds UTC
            Every state of the store from then on stays readable.
        kept : collection of int
            Generations that stay whatever their age: what registered models were trained on.
        """
        rows = retention.replaced_before(self._manifest.rows(), since_ns, kept=kept)
        return retention.retire(self._engine, rows)

    def status(self) -> list[TableStatus]:
        """Return what each table holds and what it takes of the disk."""
        gone = self._engine.retired()
        return table_status(self._engine.sizes(), self._manifest.rows(), self.orphans(), gone)

    def make_missing(self) -> None:
        """Make the databases and tables that a new node of a cluster lacks."""
        self._engine.make_missing()

    def migrations(self) -> list[AppliedMigration]:
        """Return the migrations that this store has, oldest first."""
        return self._engine.migrations()

    def verify(self, *, deep: bool = False) -> list[Problem]:
        """Compare manifest and tables: columns, row counts, single owners; hashes with ``deep``."""
        return maintenance.find_problems(
            self._engine,
            self._manifest.rows(),
            retired=self._engine.retired(),
            is_deep=deep,
        )

    @classmethod
    def _open_embedded(cls, folder: Path, lock_timeout_s: float, limits: dict[str, int]) -> Self:
        make_folder(folder)
        lock = StoreLock(folder / "store.lock")
        lock.acquire(lock_timeout_s)
        try:
            return cls(embedded_engine(folder, limits), path=folder, lock=lock)
        except BaseException:
            lock.release()
            raise

    def _shared(self, folder: Path) -> "Store":
        if self._path != folder:
            raise StoreError(
                f"this process has store {self._path} open; the embedded engine allows one folder a "
                f"process, so {folder} needs a process of its own"
            )
        self._users += 1
        return self
