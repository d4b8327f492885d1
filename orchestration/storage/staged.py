"""One generation on its way into the store: what was handed in, and what must be found again."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from orchestration.storage.content_hash import content_hash
from orchestration.storage.engine import Checksum, Staging
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.schema import Table

# Fewer rows are read back and compared as soon as the compiler of the checksum is loaded.
ROWS_WORTH_A_CHECKSUM = 10_000


@dataclass(slots=True, kw_only=True)
class Staged:
    """Rows of one table and unit under a generation; nobody sees them yet.

    Attributes
    ----------
    table : Table
    unit : str
    generation : int
    replaced : list of ManifestRow
        What is published in its place.
    chunks : list of pyarrow.Table
        What was handed in, with the store's columns; empty once it was compared with the store.
    is_held : bool
        The rows equal the published ones and are not inserted.
    is_repair : bool
        They equal what was published, of which the store does not hold all any more.
    n_inserts, rows : int
    hash : str
        Content hash; empty before the comparison.
    """

    table: Table
    unit: str
    generation: int
    replaced: list[ManifestRow]
    chunks: list[pa.Table] = field(default_factory=list)
    first_hash: Future[str] | None = None
    first_checksum: Future[Checksum] | None = None
    is_held: bool = False
    is_repair: bool = False
    n_inserts: int = 0
    rows: int = 0
    hash: str = ""

    @property
    def replaces(self) -> tuple[int, ...]:
        """Generations that it takes the place of."""
        return tuple(row.generation for row in self.replaced)

    @property
    def is_stored(self) -> bool:
        """Whether an insert was begun."""
        return self.n_inserts > 0

    def start_hashing(self, chunk: pa.Table, pool: ThreadPoolExecutor) -> None:
        """Let a thread hash the first chunk, which mostly is all, while it is inserted."""
        self.first_hash = pool.submit(content_hash, self.table, chunk)
        if len(chunk) >= ROWS_WORTH_A_CHECKSUM:
            self.first_checksum = pool.submit(_checksum, self.table, chunk)

    def hash_of_chunks(self) -> str:
        """Return the content hash of all that was handed in."""
        if len(self.chunks) == 1 and self.first_hash is not None:
            return self.first_hash.result()
        return content_hash(self.table, pa.concat_tables(self.chunks))

    def has_checksum_of(self, staging: Staging, row: ManifestRow) -> bool:
        """Return whether the store computes the checksum of what was handed in.

        False says nothing where there are few rows, or the engine has no checksum.
        """
        if self.rows < ROWS_WORTH_A_CHECKSUM:
            return False
        stored = staging.checksum(self.table, row)
        if stored is None:
            return False
        if len(self.chunks) == 1 and self.first_checksum is not None:
            return stored == self.first_checksum.result()
        return stored == _checksum(self.table, pa.concat_tables(self.chunks))

    def forget_chunks(self) -> None:
        """Let go of what was handed in."""
        self.chunks.clear()
        self.first_hash = self.first_checksum = None


def _checksum(table: Table, rows: pa.Table) -> Checksum:
    # Imported here: the compiler takes a while to load.
    from orchestration.storage.checksum import checksum

    return checksum(table, rows)
