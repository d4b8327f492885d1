"""Rows out of PostgreSQL, with any connection: everybody's, or a publication's own."""

# ruff: noqa: S608  identifiers come from the tables' own definitions; values are bound

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from orchestration.storage.engine import Between, TimeCount
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.postgres.arrays import (
    ROWS_PER_BLOCK,
    aggregates,
    column_cursor,
    columns_of,
)
from orchestration.storage.postgres.schema import TYPES, order_term, quoted
from orchestration.storage.postgres.texts import original_text, stored_text
from orchestration.storage.schema import Column, Table


def read_rows(
    connection: psycopg.Connection,
    table: Table,
    columns: Sequence[Column],
    batch: Sequence[ManifestRow],
    where: Mapping[str, Any],
) -> pa.Table:
    """Return the columns of some generations of one symbol; see ``RowSource.select_rows``."""
    symbol = batch[0].symbol
    conditions, values = _conditions(table, batch, where)
    # The symbol is one for all rows, and need not be sent with each.
    read = [column for column in columns if column.name != "symbol"]
    inner = ", ".join(f'"{column.name}"' for column in read) or "1"
    order = ["trading_day"] if len({row.trading_day for row in batch}) > 1 else []
    order += [order_term(c) for c in table.order_of([column.name for column in columns])]
    block = f"position / {ROWS_PER_BLOCK}"
    sql = (
        f"SELECT {aggregates(read)} FROM (SELECT {inner}, "
        f"row_number() OVER (ORDER BY {', '.join(order)}) - 1 AS position FROM {quoted(table)} "
        f"WHERE {conditions}) AS ordered GROUP BY {block} ORDER BY {block}"
    )
    empty = pa.schema([(column.name, column.arrow_type) for column in columns]).empty_table()
    with column_cursor(connection) as cursor:
        blocks = [_block(columns, read, symbol, found) for found in cursor.stream(sql, values)]
    return pa.concat_tables(blocks) if blocks else empty


def _block(
    columns: Sequence[Column], read: Sequence[Column], symbol: str, found: tuple
) -> pa.Table:
    arrays = {c.name: array for c, array in zip(read, columns_of(read, found), strict=True)}
    zeros = pa.array(np.zeros(found[0], np.int32))
    arrays["symbol"] = pa.DictionaryArray.from_arrays(zeros, pa.array([symbol]))
    return pa.table({column.name: arrays[column.name] for column in columns})


def count_by_time(
    connection: psycopg.Connection,
    table: Table,
    labels: Sequence[str],
    batch: Sequence[ManifestRow],
    where: Mapping[str, Any],
    time: str,
    n_stretches: int,
) -> list[TimeCount]:
    """Return how many rows have a time of each stretch; see ``Engine.count_by_time``."""
    low, high = where[time]
    width = max(-(-(high - low) // n_stretches), 1)
    conditions, values = _conditions(table, batch, where)
    chosen = "".join(f'"{name}", ' for name in labels)
    in_order = "".join(f"{order_term(table.column(name))}, " for name in labels)
    sql = (
        f'SELECT {chosen}("{time}" - %s) / %s AS stretch, count(*) FROM {quoted(table)} '
        f"WHERE {conditions} GROUP BY {chosen}stretch ORDER BY {in_order}stretch"
    )
    found = connection.execute(sql, [low, width, *values]).fetchall()
    return [
        TimeCount(
            tuple(original_text(name) for name in names),
            low + k * width,
            min(low + (k + 1) * width, high),
            rows,
        )
        for *names, k, rows in found
    ]


def _conditions(
    table: Table, batch: Sequence[ManifestRow], where: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    days = sorted({row.trading_day for row in batch})
    conditions = ["symbol = %s", "trading_day = ANY(%s)", "generation = ANY(%s)"]
    generations = [row.generation for row in batch]
    values: list[Any] = [stored_text(batch[0].symbol), days, generations]
    for name, value in where.items():
        column = table.column(name)
        if isinstance(value, Between):
            conditions.append(f'"{name}" >= %s AND "{name}" < %s')
            values += [value.low, value.high]
            continue
        is_list = isinstance(value, (list, tuple, set, frozenset))
        kept = [
            stored_text(v) if isinstance(v, str) else v for v in (value if is_list else [value])
        ]
        conditions.append(f'"{name}" = ANY(%s::{TYPES[column.type]}[])')
        values.append(kept)
    return " AND ".join(conditions), values
