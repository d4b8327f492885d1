"""Published rows out of the store: always whole generations, always in the table's order."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from orchestration.storage.engine import RowSource
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.schema import Column, Table

# Bounds the bound parameters and the engine's memory of one query.
_GENERATIONS_PER_QUERY = 200


def read_generations(
    source: RowSource,
    table: Table,
    published: Sequence[ManifestRow],
    *,
    columns: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> pa.Table:
    """Return the rows of the given generations of one symbol, ordered by day and the table's order.

    Parameters
    ----------
    columns : sequence of str, optional
        Which columns, in this order; all but ``generation`` when left out.
    where : mapping of str to value, optional
        Column -> the value that it must have, a list of values that it may have, or a `Between`.

    Raises
    ------
    StoreCorruptError
        Without ``where``: the number of rows is not what the manifest states.
    """
    names = columns or [name for name in table.column_names() if name != "generation"]
    chosen = [table.column(name) for name in names]
    holding = sorted(
        (row for row in published if row.rows), key=lambda row: (row.trading_day, row.generation)
    )
    parts = [_schema(chosen).empty_table()]
    for batch in _batches_of_whole_days(holding):
        # The engine picks dictionary index widths by block; readers get one type.
        part = source.select_rows(table, chosen, batch, where or {}).cast(_schema(chosen))
        expected = sum(row.rows for row in batch)
        if not where and len(part) != expected:
            raise StoreCorruptError(_count_message(table, batch, expected, len(part)))
        parts.append(part)
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _batches_of_whole_days(rows: Sequence[ManifestRow]) -> list[list[ManifestRow]]:
    batches: list[list[ManifestRow]] = []
    for row in rows:
        is_new_day = not batches or batches[-1][-1].trading_day != row.trading_day
        if not batches or (is_new_day and len(batches[-1]) >= _GENERATIONS_PER_QUERY):
            batches.append([])
        batches[-1].append(row)
    return batches


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.arrow_type, nullable=False) for c in columns])


def _count_message(table: Table, batch: Sequence[ManifestRow], expected: int, found: int) -> str:
    days = f"{batch[0].trading_day}..{batch[-1].trading_day}"
    return (
        f"{table.name} {batch[0].symbol} {days}: the manifest states {expected} rows, the table "
        f"holds {found}; see orderflow doctor"
    )
