"""One publication as one transaction: its rows and its manifest rows become visible together."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeVar

import psycopg
import pyarrow as pa

from orchestration.storage.errors import StoreError
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.postgres.copying import copy_blocks, copy_columns
from orchestration.storage.postgres.manifest import PostgresManifest, are_published, insert_rows
from orchestration.storage.postgres.migrations import COMMITTING
from orchestration.storage.postgres.reading import read_rows
from orchestration.storage.postgres.schema import quoted
from orchestration.storage.postgres.sessions import Sessions, is_passing, told
from orchestration.storage.schema import Column, Table

T = TypeVar("T")


class PostgresStaging:
    """Rows in a transaction that nobody else sees before it commits; see ``Staging``.

    Parameters
    ----------
    sessions : Sessions
    require_partition : callable
        Makes the place for a table's day where there is none.
    """

    def __init__(
        self, sessions: Sessions, require_partition: Callable[[Table, date], None]
    ) -> None:
        self._sessions = sessions
        self._require_partition = require_partition
        self._connection: psycopg.Connection | None = None
        self.manifest = PostgresManifest(self._run)

    def select_rows(
        self,
        table: Table,
        columns: Sequence[Column],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
    ) -> pa.Table:
        """Return rows as this transaction sees them."""
        return self._run(
            f"reading {table.name}", lambda c: read_rows(c, table, columns, batch, where)
        )

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """Insert rows of one day; a refused insert leaves what was inserted before."""
        del token  # a transaction has each insert once
        self._require_partition(table, rows.column("trading_day")[0].as_py())
        columns = copy_columns(table.columns)
        names = ", ".join(f'"{column.name}"' for column in columns)
        sql = f"COPY {quoted(table)} ({names}) FROM STDIN (FORMAT BINARY)"

        def copy(connection: psycopg.Connection) -> None:
            try:
                with connection.transaction(), connection.cursor().copy(sql) as target:
                    for block in copy_blocks(columns, rows):
                        target.write(block)
            except psycopg.IntegrityError as error:
                raise StoreError(f"{table.name} refused the rows: {told(error)}") from error

        self._run(f"an insert into {table.name}", copy)

    def checksum(self, table: Table, row: ManifestRow) -> None:
        """Return None: PostgreSQL has no sums that wrap around, and rows are read back."""

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Keep every other committer of this database away until the transaction ends."""
        self._run(
            "committing", lambda c: c.execute("SELECT pg_advisory_xact_lock(%s)", [COMMITTING])
        )
        yield

    def append(self, rows: Sequence[ManifestRow]) -> bool:
        """Write the manifest rows and commit: everything becomes visible, or nothing."""
        self._run("writing the manifest", lambda c: insert_rows(c, rows))
        try:
            self._run("the commit", lambda c: c.commit())
        except StoreError as error:
            # The answer may be lost, not the commit: what the manifest says, holds.
            is_lost = error.__cause__ is not None and is_passing(error.__cause__)
            if not is_lost or not self._sessions.run("the commit", lambda c: _published(c, rows)):
                raise
        return True

    def remove(self, table: Table, day: date, generations: Collection[int]) -> None:
        """Remove inserted rows of this transaction."""
        sql = f"DELETE FROM {quoted(table)} WHERE trading_day = %s AND generation = ANY(%s)"  # noqa: S608
        values = [day, sorted(generations)]
        self._run(f"removing rows of {table.name}", lambda c: c.execute(sql, values))

    def close(self, unpublished: Iterable[tuple[Table, date, int]]) -> None:
        """End the transaction: what it has not committed is undone, named or not."""
        del unpublished
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            connection.rollback()
        except psycopg.Error:
            # The server undoes what it had of a connection that is gone.
            connection.close()
        self._sessions.give_back(connection)

    def _run(self, what: str, call: Callable[[psycopg.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._sessions.begin()
        try:
            return call(self._connection)
        except psycopg.Error as error:
            is_lost = " (nothing of this publication was stored)" if is_passing(error) else ""
            raise StoreError(f"{what} failed{is_lost}: {told(error)}") from error


def _published(connection: psycopg.Connection, rows: Sequence[ManifestRow]) -> bool:
    # Waits for a commit that is still under way on the server.
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [COMMITTING])
        return are_published(connection, rows)
