"""What a store holds and what it takes of the disk, table by table."""

from collections import Counter
from dataclasses import dataclass

from orchestration.storage.engine import Size, Stored
from orchestration.storage.manifest import ManifestRow, current
from orchestration.storage.tables import TABLES

_NOTHING = Size(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One table.

    Attributes
    ----------
    table : str
    symbol_days : int
        Published ones.
    rows, replaced_rows, unpublished_rows : int
        Visible to readers; kept for earlier states of the store; left by killed runs.
    parts, disk_bytes : int
        What the engine holds.
    """

    table: str
    symbol_days: int
    rows: int
    replaced_rows: int
    unpublished_rows: int
    parts: int
    disk_bytes: int


def table_status(
    sizes: dict[str, Size],
    published: list[ManifestRow],
    orphans: list[Stored],
    retired: set[int],
) -> list[TableStatus]:
    """Return the status of every table, from the whole manifest and what was found unpublished."""
    left: Counter[str] = Counter()
    for orphan in orphans:
        left[orphan.table] += orphan.rows
    statuses = []
    for name in TABLES:
        mine = [row for row in published if row.table == name]
        visible = current(mine)
        shown = {row.generation for row in visible}
        statuses.append(
            TableStatus(
                table=name,
                symbol_days=len({(row.symbol, row.trading_day) for row in visible}),
                rows=sum(row.rows for row in visible),
                replaced_rows=sum(r.rows for r in mine if r.generation not in shown | retired),
                unpublished_rows=left[name],
                parts=sizes.get(name, _NOTHING).parts,
                disk_bytes=sizes.get(name, _NOTHING).disk_bytes,
            )
        )
    return statuses
