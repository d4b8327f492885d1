"""One publication: tables of one symbol-day staged, audited, and made visible in one moment."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import date
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa

from orchestration.storage.comparison import has_rows_of
from orchestration.storage.conform import conform, require_key, with_store_columns
from orchestration.storage.content_hash import content_hash, n_duplicate_keys
from orchestration.storage.engine import Staging
from orchestration.storage.errors import (
    PublicationConflictError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
)
from orchestration.storage.generation_clock import GenerationClock
from orchestration.storage.manifest import Input, ManifestRow, current
from orchestration.storage.readers import read_generations
from orchestration.storage.schema import Table
from orchestration.storage.staged import Staged
from orchestration.storage.tables import table_named

_COMMIT_ATTEMPTS = 20


class Audit(NamedTuple):
    """What a publication holds of one table, compared with the store."""

    rows: int
    hash: str
    n_duplicate_keys: int


class Publication(AbstractContextManager["Publication"]):
    """Stages tables of one symbol-day; nothing is visible before ``commit``.

    Leaving the block without ``commit``, by an error too, removes what was staged. What a killed or
    interrupted process staged stays, unseen by every reader, until ``Store.vacuum``.
    """

    def __init__(
        self,
        *,
        staging: Staging,
        clock: GenerationClock,
        in_progress: set[int],
        symbol: str,
        day: date,
        run_id: str,
        code_version: str,
        inputs: Iterable[ManifestRow | Input],
        retire: Callable[[Sequence[int], int], None],
    ) -> None:
        require_key(symbol, day)
        self._staging = staging
        self._clock = clock
        self._in_progress = in_progress
        self._symbol = symbol
        self._day = day
        self._run_id = run_id
        self._code_version = code_version
        self._inputs = _sorted_inputs(inputs)
        self._retire = retire
        self._staged: dict[tuple[str, str], Staged] = {}
        self._known: dict[str, list[ManifestRow]] = {}
        self._is_open = True
        # Hashing takes about as long as inserting, and both leave the interpreter's lock.
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="content-hash")

    def write(
        self,
        table: str,
        data: pa.Table,
        *,
        unit: str = "",
        replaces_all: bool = False,
        segment: str = "",
    ) -> None:
        """Stage rows of one table (for ``raw.*``: of one unit); several calls add up.

        Parameters
        ----------
        table : str
        data : pyarrow.Table
            The payload columns: all but symbol, trading_day and generation. No rows are a
            publication too: "published and empty" is not "never run".
        unit : str
            Tables with units only: what is read as a whole (a file by its SHA-256, a range).
        replaces_all : bool
            Tables with units only: take the place of every unit of the day, not just of this one.
        segment : str
            Tables without units only: stand beside the day's other rows, replacing those of the
            same segment alone. The next whole write takes the place of all.

        Raises
        ------
        ValueError, TypeError
            The data is not what the table holds; nothing of it was stored.
        StoreError
            A row breaks one of the table's constraints; the message names the constraint.
        """
        self._require_open()
        definition = table_named(table)
        payload = conform(definition, data, unit=unit)
        if segment and definition.has_units:
            raise ValueError(f"{table} is written by unit, got segment={segment!r}")
        unit = unit or segment
        staged = self._staged.get((table, unit))
        if staged is None:
            staged = self._stage(definition, unit, replaces_all)
        elif staged.hash:
            raise StoreError(f"{table} {unit} was audited already: write it whole before that")
        chunk = with_store_columns(definition, payload, self._symbol, self._day, staged.generation)
        if not staged.chunks:
            staged.start_hashing(chunk, self._hashing)
        if not staged.chunks and self._equals_published(staged, chunk):
            staged.is_held = True
        elif staged.is_held:
            staged.is_held = False
            for earlier in (*staged.chunks, chunk):
                self._insert(staged, earlier)
        else:
            self._insert(staged, chunk)
        staged.chunks.append(chunk)
        staged.rows += len(chunk)

    def read(self, table: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Return what this publication holds of a table, read back from the store in its order."""
        chosen = [staged for staged in self._staged.values() if staged.table.name == table]
        if not chosen:
            raise ValueError(f"{table} was not written in this publication")
        rows = [self._manifest_row(staged, seq=0) for staged in chosen]
        return read_generations(self._staging, chosen[0].table, rows, columns=columns)

    def audit(self) -> dict[str, Audit]:
        """Compare what the store holds of every staged table with what was handed in.

        Few rows are read back. Of many the store computes the checksum from the parts it wrote
        (``checksum.py``), where it can; rows whose checksum is another are read back too, and their
        values decide. ``Store.verify(deep=True)`` reads everything.

        Returns
        -------
        dict of str to Audit
            By table: rows, content hash and number of repeated sort keys of what is staged.

        Raises
        ------
        StoreCorruptError
            The store gives back something else than was written.
        """
        by_table: dict[str, list[Staged]] = {}
        for staged in self._staged.values():
            by_table.setdefault(staged.table.name, []).append(staged)
        return {name: self._audit_table(mine) for name, mine in by_table.items()}

    def commit(self) -> list[ManifestRow]:
        """Make everything that was written visible at once.

        Returns
        -------
        list of ManifestRow
            The generations published; those whose inputs, code version and hash are the published
            ones already are left out, so a repetition returns an empty list. Published rows that the
            store no longer holds whole are replaced all the same.

        Raises
        ------
        PublicationConflictError
            Another writer published the same table and day since this publication read it.
        """
        self._require_open()
        for staged in self._staged.values():
            if staged.hash == "":
                self._compare(staged)
        changed = [staged for staged in self._staged.values() if not self._is_unchanged(staged)]
        if not changed:
            self._close(self._staged.values())
            return []
        kept = {staged.generation for staged in changed}
        for staged in self._staged.values():
            if staged.is_stored and staged.generation not in kept:
                self._staging.remove(staged.table, self._day, [staged.generation])
        published = self._append(changed)
        self._close(())
        if damaged := [g for staged in changed if staged.is_repair for g in staged.replaces]:
            self._retire(damaged, time.time_ns())
        return published

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_open:
            self._abandon(error)
        self._hashing.shutdown(wait=False, cancel_futures=True)
        self._in_progress.difference_update(staged.generation for staged in self._staged.values())

    def __enter__(self) -> Self:
        return self

    def _stage(self, table: Table, unit: str, replaces_all: bool) -> Staged:
        if replaces_all and not table.has_units:
            raise ValueError(f"{table.name} has no units: a new generation replaces all anyway")
        if not self._staged:
            self._clock.advance_to(self._staging.manifest.last_generation())
        replaced = self._replaced_by(table, unit, replaces_all, self._known)
        staged = Staged(table=table, unit=unit, generation=self._clock.next(), replaced=replaced)
        self._in_progress.add(staged.generation)
        self._staged[table.name, unit] = staged
        return staged

    def _replaced_by(
        self,
        table: Table,
        unit: str,
        replaces_all: bool,
        known: dict[str, list[ManifestRow]],
    ) -> list[ManifestRow]:
        # ``known`` holds what one query said of a unit in all tables.
        if replaces_all or not (table.has_units or unit):
            rows = self._staging.manifest.rows(
                table=table.name, symbol=self._symbol, days=[self._day]
            )
            return current(rows)
        if unit not in known:
            known[unit] = self._staging.manifest.current_of_unit(self._symbol, self._day, unit)
        return [row for row in known[unit] if row.table == table.name]

    def _insert(self, staged: Staged, chunk: pa.Table) -> None:
        if len(chunk) == 0:
            return
        # The generation is unique, and its chunks come one after another.
        token = f"{staged.table.name}-{staged.generation}-{staged.n_inserts}"
        # Counted before it is done: of one that fails rows may be stored all the same.
        staged.n_inserts += 1
        self._staging.insert(staged.table, chunk, token=token)

    def _equals_published(self, staged: Staged, chunk: pa.Table) -> bool:
        same = self._same_origin(staged)
        if same is None or same.rows != len(chunk) or staged.first_hash is None:
            return False
        return staged.first_hash.result() == same.hash

    def _is_unchanged(self, staged: Staged) -> bool:
        same = self._same_origin(staged)
        is_same = same is not None and (same.rows, same.hash) == (staged.rows, staged.hash)
        return is_same and not staged.is_repair

    def _is_whole(self, table: Table, row: ManifestRow) -> bool:
        try:
            return content_hash(table, read_generations(self._staging, table, [row])) == row.hash
        except StoreCorruptError:
            return False

    def _same_origin(self, staged: Staged) -> ManifestRow | None:
        """The one published row of the same unit, inputs and code version, if there is one."""
        if len(staged.replaced) != 1:
            return None
        row = staged.replaced[0]
        if any(row.generation in other.replaces for other in self._others(staged)):
            return None  # what was written whole takes its place, and this one stands beside that
        origin = (row.unit, row.inputs, row.code_version)
        return row if origin == (staged.unit, self._inputs, self._code_version) else None

    def _others(self, staged: Staged) -> list[Staged]:
        return [other for other in self._staged.values() if other is not staged]

    def _audit_table(self, mine: Sequence[Staged]) -> Audit:
        table = mine[0].table
        parts = [self._compared(staged) for staged in mine]
        if len(parts) == 1:
            whole, digest = parts[0], mine[0].hash
        else:
            whole = pa.concat_tables(parts)
            digest = content_hash(table, whole)
        return Audit(len(whole), digest, n_duplicate_keys(table, whole))

    def _compared(self, staged: Staged) -> pa.Table:
        """Return the rows of one generation, which the store holds."""
        if staged.hash:
            row = self._manifest_row(staged, seq=0)
            return read_generations(self._staging, staged.table, [row])
        sent = pa.concat_tables(staged.chunks)
        self._compare(staged)
        return sent

    def _compare(self, staged: Staged) -> None:
        """Demand that the store holds what was handed in, which is forgotten then."""
        expected = staged.hash_of_chunks()
        if staged.is_held:
            is_published = self._same_origin(staged) is not None
            staged.is_held = is_published and self._is_stored(staged, expected)
            # What is published was lost or damaged since: these rows take its place.
            staged.is_repair = is_published and not staged.is_held
            if not staged.is_held:
                for chunk in staged.chunks:
                    self._insert(staged, chunk)
        if not staged.is_held:
            self._require_stored(staged, expected)
            same = self._same_origin(staged)
            if same is not None and (same.rows, same.hash) == (staged.rows, expected):
                staged.is_repair |= not self._is_whole(staged.table, same)
        staged.hash = expected
        staged.forget_chunks()

    def _is_stored(self, staged: Staged, expected: str) -> bool:
        try:
            self._require_stored(staged, expected)
        except StoreCorruptError:
            return False
        return True

    def _require_stored(self, staged: Staged, expected: str) -> None:
        row = self._manifest_row(staged, seq=0)
        if staged.has_checksum_of(self._staging, row):
            return
        stored = read_generations(self._staging, staged.table, [row])
        if not has_rows_of(staged.table, stored, pa.concat_tables(staged.chunks), expected):
            found = content_hash(staged.table, stored)
            raise StoreCorruptError(
                f"{staged.table.name} {self._symbol} {self._day}: wrote {staged.rows} rows "
                f"with hash {expected}, read back {len(stored)} rows with hash {found}"
            )

    def _append(self, changed: Sequence[Staged]) -> list[ManifestRow]:
        with self._staging.committing():
            for _ in range(_COMMIT_ATTEMPTS):
                seq = self._staging.manifest.last_seq() + 1
                self._require_no_conflict(changed)
                rows = [self._manifest_row(staged, seq=seq) for staged in changed]
                if self._staging.append(rows):
                    return rows
        raise PublicationConflictError(
            f"{self._symbol} {self._day}: other writers took {_COMMIT_ATTEMPTS} sequence numbers "
            f"in a row; run {self._run_id} published nothing"
        )

    def _require_no_conflict(self, changed: Sequence[Staged]) -> None:
        known: dict[str, list[ManifestRow]] = {}
        for staged in changed:
            takes_all = any(row.unit != staged.unit for row in staged.replaced)
            now = self._replaced_by(staged.table, staged.unit, takes_all, known)
            others = [row for row in now if row.generation not in staged.replaces]
            if others or len(now) != len(staged.replaced):
                runs = sorted({row.run_id for row in others}) or ["another run"]
                raise PublicationConflictError(
                    f"{staged.table.name} {self._symbol} {self._day} was published by {runs} while "
                    f"run {self._run_id} was writing it; run {self._run_id} published nothing"
                )

    def _manifest_row(self, staged: Staged, *, seq: int) -> ManifestRow:
        held = staged.replaced[0] if staged.is_held else None
        return ManifestRow(
            seq=seq,
            table=staged.table.name,
            symbol=self._symbol,
            trading_day=self._day,
            generation=held.generation if held else staged.generation,
            replaces=staged.replaces,
            unit=staged.unit,
            rows=staged.rows,
            hash=staged.hash,
            inputs=self._inputs,
            code_version=self._code_version,
            run_id=self._run_id,
            published_at=time.time_ns() if seq else 0,
        )

    def _abandon(self, error: BaseException | None) -> None:
        # An interrupt is not the time for more work, and on a full disk a removal, which writes what
        # it keeps, would wait for space. Store.vacuum removes what they leave.
        is_interrupt = error is not None and not isinstance(error, Exception)
        is_left = is_interrupt or isinstance(error, StoreFullError)
        try:
            self._close(() if is_left else self._staged.values())
        except StoreError as failure:
            if error is None:
                raise
            error.add_note(str(failure))

    def _close(self, unpublished: Iterable[Staged]) -> None:
        self._is_open = False
        self._staging.close(
            [
                (staged.table, self._day, staged.generation)
                for staged in unpublished
                if staged.is_stored
            ]
        )

    def _require_open(self) -> None:
        if not self._is_open:
            raise StoreError("this publication is over: open a new one")


def _sorted_inputs(inputs: Iterable[ManifestRow | Input]) -> tuple[Input, ...]:
    return tuple(sorted({Input(entry.table, entry.trading_day, entry.hash) for entry in inputs}))
