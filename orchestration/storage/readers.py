"""Published rows out of the store: always whole generations, always in the table's order."""

# ruff: noqa: S608  identifiers come from the tables' own definitions; values are bound

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from orchestration.storage.connection import Connection
from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.schema import FLOAT64, LABEL, Column, Table

# Bounds the bound parameters and the engine's memory of one query.
_GENERATIONS_PER_QUERY = 200


def read_generations(
    connection: Connection,
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
        Column -> the value that it must have, or a list of values that it may have.

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
        part = _select(connection, table, chosen, batch, where or {})
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


def _select(
    connection: Connection,
    table: Table,
    columns: Sequence[Column],
    batch: Sequence[ManifestRow],
    where: Mapping[str, Any],
) -> pa.Table:
    params: dict[str, Any] = {
        "symbol": batch[0].symbol,
        "days": sorted({row.trading_day for row in batch}),
        "generations": [row.generation for row in batch],
    }
    conditions = [
        "symbol = {symbol:String}",
        "trading_day IN {days:Array(Date)}",
        "generation IN {generations:Array(Int64)}",
    ]
    for position, (name, value) in enumerate(where.items()):
        column, bound = table.column(name), f"where_{position}"
        kind = "String" if column.type == LABEL else column.type
        is_list = isinstance(value, (list, tuple, set, frozenset))
        params[bound] = list(value) if is_list else value
        operator, bound_type = ("IN", f"Array({kind})") if is_list else ("=", kind)
        conditions.append(f"`{name}` {operator} {{{bound}:{bound_type}}}")
    # One generation a day: the primary key has the rows in order, and nothing is left to sort.
    is_single = len(params["days"]) == len(batch)
    order = ["symbol", "trading_day", *(["generation"] if is_single else [])]
    order += [_order_term(column) for column in table.order_columns()]
    chosen = ", ".join(f"`{column.name}`" for column in columns)
    sql = (
        f"SELECT {chosen} FROM {table.quoted} WHERE {' AND '.join(conditions)} "
        f"ORDER BY {', '.join(order)}"
    )
    # The engine picks dictionary index widths by block; readers get one type.
    return connection.select(sql, params).cast(_schema(columns))


def _order_term(column: Column) -> str:
    # Floats by their bits, as the content hash orders them: NaN and -0.0 have a place too.
    return f"reinterpretAsUInt64(`{column.name}`)" if column.type == FLOAT64 else f"`{column.name}`"


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.arrow_type, nullable=False) for c in columns])


def _count_message(table: Table, batch: Sequence[ManifestRow], expected: int, found: int) -> str:
    days = f"{batch[0].trading_day}..{batch[-1].trading_day}"
    return (
        f"{table.name} {batch[0].symbol} {days}: the manifest states {expected} rows, the table "
        f"holds {found}; run verify"
    )
