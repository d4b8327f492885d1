"""Pages: small pieces of published generations, packed, each found by one key in one query.

Planning is what a small query costs, and it grows with each condition and each column
(docs/reading_and_storing.md has the profile). A page has one key and one column. Generations never
change, so neither do pages: one that is there is right, one that is missing is read from its table.
"""

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.storage.clickhouse import ClickHouse
from orchestration.storage.connection import Connection
from orchestration.storage.engine import Between, Engine
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.readers import read_generations
from orchestration.storage.schema import Table
from orchestration.storage.tables import table_named

PAGE_BARS = 64
_BY_BAR, _WHOLE, _NEWEST = "by bar", "whole", "newest"
PAGED = {
    "flow.bars": _BY_BAR,
    "flow.footprint": _BY_BAR,
    "flow.volume_profile": _WHOLE,
    "research.features": _NEWEST,
}
# The newest rows are looked for in stretches: few enough to count, short enough to read one.
_ANY_NS, _STRETCH_NS = 2**62, 10_000_000_000
_SCHEMA = pa.schema([("key", pa.string()), ("generation", pa.int64()), ("body", pa.binary())])

# One thread: handing the parts to several takes longer than to look into them.
_ONE_PAGE = """
SELECT body FROM meta.answer_pages PREWHERE key = {key:String} LIMIT 1 SETTINGS max_threads = 1
"""
_SOME_PAGES = """
SELECT body FROM meta.answer_pages PREWHERE key IN {keys:Array(String)} SETTINGS max_threads = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One piece of a generation, before it is packed."""

    key: str
    generation: int
    rows: pa.Table


def page_key(generation: int, clock: str = "", number: int = 0) -> str:
    """Return the key of a page; ``number`` is that of its bars, ``bar_id // PAGE_BARS``."""
    return f"{generation} {clock} {number}"


def page_columns(table: Table) -> list[str]:
    """Names of the columns that a page of the table holds: the clock stands in its key."""
    return [column.name for column in table.payload if column.name != "clock"]


@cache
def page_schema(name: str) -> pa.Schema:
    """Arrow schema of a page's rows of the table with this name."""
    table = table_named(name)
    return pa.schema([table.arrow_schema().field(column) for column in page_columns(table)])


def connection_of(engine: Engine) -> Connection | None:
    """Return the connection by which an engine's pages are read; None where it has none."""
    return engine.connection if isinstance(engine, ClickHouse) else None


def make_pages(engine: Engine, row: ManifestRow) -> list[Page]:
    """Return the pages of one published generation; none for tables that have none."""
    how, table = PAGED.get(row.table), table_named(row.table)
    if how is None or not row.rows:
        return []
    if how == _NEWEST:
        newest = newest_rows(engine, [row])
        return [_page(row, rows, clock) for clock, rows in newest.items()]
    rows = read_generations(engine, table, [row], columns=[c.name for c in table.payload])
    if how == _WHOLE:
        return [_page(row, rows)]
    return [
        _page(row, part.select(page_columns(table)), clock, number)
        for clock, part in _by_clock(rows)
        for number, part in _by_bars(part)
    ]


def store_pages(engine: Engine, rows: Iterable[ManifestRow]) -> int:
    """Make and store the pages of published generations; return how many there are.

    Only generations that are the whole of their day: what stands in segments is read from the tables.
    On an engine without pages none.
    """
    connection = connection_of(engine)
    if connection is None:
        return 0
    pages = [page for row in rows if not row.unit for page in make_pages(engine, row)]
    if pages:
        columns = (
            [page.key for page in pages],
            [page.generation for page in pages],
            [pack(page.rows) for page in pages],
        )
        block = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], _SCHEMA
        )
        connection.insert("meta.answer_pages", block, token=f"pages-{pages[0].key}-{len(pages)}")
    return len(pages)


def fetch_pages(connection: Connection, keys: Sequence[str], table: str) -> list[pa.Table] | None:
    """Return the rows of the pages with these keys, by their first row's time or price.

    None where one is missing, or was stored before the table got its present columns.
    """
    if len(keys) == 1:
        data = connection.fetch(_ONE_PAGE, {"key": keys[0]})
    else:
        data = connection.fetch(_SOME_PAGES, {"keys": list(keys)})
    pages = [unpack(body) for body in _strings(data)]
    if len(pages) > 1:
        # Two processes may have stored the same page, and a merge has not made one of it yet.
        by_time = {page["t0_ns"][0].as_py(): page for page in pages}
        pages = [by_time[t0] for t0 in sorted(by_time)]
    is_whole = len(pages) == len(keys) and all(p.schema == page_schema(table) for p in pages)
    return pages if is_whole else None


def paged_generations(connection: Connection, generations: Collection[int]) -> set[int]:
    """Return which of these generations have pages."""
    found = connection.select(
        "SELECT DISTINCT generation AS g FROM meta.answer_pages WHERE generation IN {g:Array(Int64)}",
        {"g": sorted(generations)},
    )
    return set(found.column("g").to_pylist())


def remove_stale_pages(engine: Engine, current: Collection[int]) -> int:
    """Delete the pages of generations that are not among ``current``; return how many."""
    connection = connection_of(engine)
    if connection is None:
        return 0
    found = connection.select(
        "SELECT generation AS g, count() AS n FROM meta.answer_pages GROUP BY generation"
    )
    stale = {row["g"]: row["n"] for row in found.to_pylist() if row["g"] not in current}
    if stale:
        connection.delete(
            "ALTER TABLE meta.answer_pages DELETE WHERE generation IN {g:Array(Int64)}",
            {"g": sorted(stale)},
        )
    return sum(stale.values())


def pack(rows: pa.Table) -> bytes:
    """Return rows as an Arrow stream of one batch; the engine's codec makes it small."""
    whole = rows.combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_batch(whole.to_batches()[0])
    return sink.getvalue()


def unpack(body: bytes | memoryview) -> pa.Table:
    """Return what was packed, without a copy."""
    stream = pa.ipc.open_stream(pa.py_buffer(body))
    return pa.Table.from_batches([stream.read_next_batch()])


def _page(row: ManifestRow, rows: pa.Table, clock: str = "", number: int = 0) -> Page:
    key = page_key(row.generation, clock, number)
    return Page(key=key, generation=row.generation, rows=rows)


def _by_clock(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    for clock in pc.unique(rows["clock"]).to_pylist():
        yield clock, rows.filter(pc.equal(rows["clock"], clock))


def _by_bars(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    number = rows["bar_id"].to_numpy() // PAGE_BARS
    starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield int(number[start]), rows.slice(start, stop - start)


def newest_rows(
    engine: Engine, rows: Sequence[ManifestRow], *, clock: str | None = None
) -> dict[str, pa.Table]:
    """Return the last row of each clock (or of one) in the generations of one table's symbol-day.

    By clock, as a table of one row in the page's columns. The newest time's rows are read, not the day's.
    """
    table = table_named(rows[0].table)
    where: dict[str, Any] = {"t0_ns": Between(-_ANY_NS, _ANY_NS)}
    if clock is not None:
        where["clock"] = clock
    n_stretches = 2 * _ANY_NS // _STRETCH_NS
    counted = engine.count_by_time(table, ["clock"], rows, where, "t0_ns", n_stretches)
    newest = {}
    for last in {found.labels: found for found in counted}.values():
        (name,) = last.labels
        at_last = {"clock": name, "t0_ns": Between(last.low, last.high)}
        read = read_generations(engine, table, rows, columns=page_columns(table), where=at_last)
        newest[name] = read.slice(len(read) - 1)
    return newest


def _strings(data: bytes) -> Iterator[memoryview]:
    # RowBinary: each string is its length, seven bits a byte, and its bytes.
    view, at = memoryview(data), 0
    while at < len(view):
        length = shift = 0
        while True:
            byte = view[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield view[at : at + length]
        at += length
