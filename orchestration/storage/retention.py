"""Retention: replaced generations stay readable for a while, then their rows are removed.

Which generations are removed is recorded in ``meta.retired`` before a row goes, so that a reader of
an old snapshot is told, and what a kill in between leaves is an orphan that ``Store.vacuum`` removes.
"""

import time
from collections.abc import Collection, Iterable, Sequence

from orchestration.storage import maintenance
from orchestration.storage.engine import Engine, Stored
from orchestration.storage.errors import SnapshotExpiredError
from orchestration.storage.manifest import ManifestRow


def replaced_before(
    rows: Iterable[ManifestRow], cutoff_ns: int, *, kept: Collection[int] = ()
) -> list[ManifestRow]:
    """Return the rows that a publication earlier than the cutoff replaced.

    Parameters
    ----------
    rows : iterable of ManifestRow
        The whole manifest.
    cutoff_ns : int, nanoseconds UTC
        Every state of the manifest from then on stays readable.
    kept : collection of int
        Generations that stay whatever their age.
    """
    listed = list(rows)
    replaced_at: dict[int, int] = {}
    for row in listed:
        for generation in row.replaces:
            first = replaced_at.get(generation, row.published_at)
            replaced_at[generation] = min(first, row.published_at)
    return [
        row
        for row in listed
        if row.generation not in kept and replaced_at.get(row.generation, cutoff_ns) < cutoff_ns
    ]


def retire(engine: Engine, rows: Sequence[ManifestRow]) -> dict[str, int]:
    """Record the generations as retired, then remove their rows; return how many by table."""
    already = engine.retired()
    new = [row for row in rows if row.generation not in already]
    if not new:
        return {}
    engine.record_retired([row.generation for row in new], time.time_ns())
    return maintenance.remove(
        engine,
        [
            Stored(
                table=row.table,
                symbol=row.symbol,
                trading_day=row.trading_day,
                generation=row.generation,
                rows=row.rows,
            )
            for row in new
            if row.rows
        ],
    )


def require_kept(engine: Engine, rows: Iterable[ManifestRow], snapshot: int) -> None:
    """Demand that the rows which a snapshot shows are still stored.

    Raises
    ------
    SnapshotExpiredError
        Retention has removed some.
    """
    gone = engine.retired()
    for row in rows:
        if row.generation in gone:
            raise SnapshotExpiredError(
                f"publication {snapshot} shows {row.table} {row.symbol} {row.trading_day} as of "
                f"generation {row.generation}, whose rows retention has removed, or which was damaged and written anew"
            )
