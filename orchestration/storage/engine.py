"""What a database does for the store: everything else is written once, for all of them.

An engine keeps rows by generation and the manifest; what a publication is, what is current, what is
unchanged and what retention removes follows from these calls (``publication.py``, ``store.py``).
``clickhouse.py`` and ``postgres/`` are the two engines.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from orchestration.storage.manifest import ManifestRow
from orchestration.storage.schema import Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Rows of one generation that a table holds."""

    table: str
    symbol: str
    trading_day: date
    generation: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMigration:
    """One migration that a store has, and when it was applied (ns UTC)."""

    version: int
    name: str
    applied_at: int


class Size(NamedTuple):
    """In how many parts an engine keeps a table, and what they take of the disk."""

    parts: int
    disk_bytes: int


class Checksum(NamedTuple):
    """Number of rows, and two sums over them: see ``checksum.py``."""

    rows: int
    total: int
    joined: int


class Between(NamedTuple):
    """Half-open range that a number must lie in: ``low <= value < high``."""

    low: int
    high: int


class TimeCount(NamedTuple):
    """How many rows of these leading labels have a time of one stretch: ``low <= time < high``."""

    labels: tuple[str, ...]
    low: int
    high: int
    rows: int


class RowSource(Protocol):
    """Where rows are read from."""

    def select_rows(
        self,
        table: Table,
        columns: Sequence[Column],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
    ) -> pa.Table:
        """Return the columns of some generations of one symbol, by day and then the table's order.

        ``where`` holds column -> the value that it must have, a list of values that it may have, or
        a ``Between``.
        """


class ManifestLog(Protocol):
    """The manifest, to read.

    ``n_appended`` tells who remembers what is published to look again: it grows with what this process
    publishes, where the engine counts that.
    """

    n_appended: int

    def last_seq(self) -> int:
        """Number of the latest publication; 0 before the first."""

    def last_seq_at(self, at_ns: int) -> int:
        """Number of the last publication at or before a time; 0 before the first."""

    def last_generation(self) -> int:
        """Highest published generation; 0 before the first publication."""

    def rows(
        self,
        *,
        table: str | None = None,
        symbol: str | None = None,
        days: Sequence[date] | None = None,
        snapshot: int | None = None,
        after: int | None = None,
    ) -> list[ManifestRow]:
        """Return every row after one publication up to another, replaced ones included, oldest first."""

    def current_of_unit(self, symbol: str, day: date, unit: str) -> list[ManifestRow]:
        """Return what is current of one unit or segment, in all tables; its cost stays the same."""


class Staging(RowSource, Protocol):
    """The rows of one publication on their way; it reads what it has inserted."""

    @property
    def manifest(self) -> ManifestLog:
        """The manifest as this publication sees it."""

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """Insert rows whose schema the caller has checked; ``token`` names them.

        Raises
        ------
        StoreError
            The table refuses them, or the database cannot be reached; the message says which.
        """

    def checksum(self, table: Table, row: ManifestRow) -> Checksum | None:
        """Return the checksum of one generation's rows, computed where they are stored.

        None where the engine has none: they are read back then.
        """

    def committing(self) -> AbstractContextManager[object]:
        """Keep other committers of this store away as far as the engine can."""

    def append(self, rows: Sequence[ManifestRow]) -> bool:
        """Make one publication visible; False when another writer had taken its ``seq``."""

    def remove(self, table: Table, day: date, generations: Collection[int]) -> None:
        """Remove inserted rows that will not be published while others are."""

    def close(self, unpublished: Iterable[tuple[Table, date, int]]) -> None:
        """End: of the generations named, which are not published, nothing stays.

        Where the answer to ``append`` was lost they may be published: they stay for ``vacuum``.

        Raises
        ------
        StoreError
            They could not be removed; no reader sees them.
        """


class Engine(RowSource, Protocol):
    """One database with the store's tables in it, brought up to date."""

    @property
    def manifest(self) -> ManifestLog:
        """The manifest as everybody sees it."""

    @property
    def orphan_age_s(self) -> float:
        """How old an unpublished generation must be to count as abandoned."""

    def query(self, sql: str, params: Mapping[str, Any]) -> pa.Table:
        """Run one reading query in the engine's own SQL, its parameters as ``{name:Type}``."""

    def count_by_time(
        self,
        table: Table,
        labels: Sequence[str],
        batch: Sequence[ManifestRow],
        where: Mapping[str, Any],
        time: str,
        n_stretches: int,
    ) -> list[TimeCount]:
        """Return how many rows of one symbol-day's generations have a time of each stretch, if any.

        ``where[time]`` is a ``Between``, of which the stretches are equal parts; by labels, then time.
        """

    def stored_generations(self, table: Table) -> list[Stored]:
        """Return what a table holds, published or not, by generation."""

    def delete_generations(self, table: Table, day: date, generations: Collection[int]) -> None:
        """Remove generations whose trading days share the month of ``day``; wait until they are gone."""

    def retired(self) -> set[int]:
        """Return the generations whose rows retention has removed."""

    def record_retired(self, generations: Sequence[int], at_ns: int) -> None:
        """Record that the rows of these generations are being removed."""

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Return what is stored, by table: its columns' names and types in order."""

    def type_of(self, column: Column) -> str:
        """Return the type that the engine gives a column."""

    def sizes(self) -> dict[str, Size]:
        """Return what the tables take of the disk, by table."""

    def migrations(self) -> list[AppliedMigration]:
        """Return the migrations that were applied, oldest first."""

    def make_missing(self) -> None:
        """Make what a new node of a cluster lacks; a single server lacks nothing."""

    def staging(self) -> Staging:
        """Start to write the rows of one publication."""

    def close(self) -> None:
        """Leave the database."""
