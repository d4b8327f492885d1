"""The manifest: which generations of which table, symbol and day are published, and since when.

One row a generation; the rows of one publication share a ``seq`` and are inserted as one block, which
is the moment when the whole publication becomes visible. Nothing is ever updated or deleted here.
"""

# ruff: noqa: S608  identifiers come from the tables' own definitions; values are bound

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import pyarrow as pa

from orchestration.storage.connection import Connection
from orchestration.storage.known_rows import Asked, KnownRows


class Input(NamedTuple):
    """One published input: table, trading day, content hash."""

    table: str
    trading_day: date
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One published generation.

    Attributes
    ----------
    seq : int
        Number of the publication; a snapshot is the highest ``seq`` that a reader may see.
    table, symbol, trading_day, unit
        What the generation holds; ``unit`` is empty for tables that are written whole.
    generation : int
        Unique, increasing with time.
    replaces : tuple of int
        Generations of the same table, symbol and day that it takes the place of.
    rows : int
    hash : str
        Content hash of the generation's rows.
    inputs : tuple of Input
        What it was computed from, sorted.
    code_version, run_id : str
    published_at : int
        Nanoseconds UTC.
    """

    seq: int
    table: str
    symbol: str
    trading_day: date
    generation: int
    replaces: tuple[int, ...]
    unit: str
    rows: int
    hash: str
    inputs: tuple[Input, ...]
    code_version: str
    run_id: str
    published_at: int


_INPUT = pa.struct([("table", pa.string()), ("trading_day", pa.date32()), ("hash", pa.string())])
MANIFEST_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("table", pa.string()),
        ("symbol", pa.string()),
        ("trading_day", pa.date32()),
        ("generation", pa.int64()),
        ("replaces", pa.list_(pa.int64())),
        ("unit", pa.string()),
        ("rows", pa.int64()),
        ("hash", pa.string()),
        ("inputs", pa.list_(_INPUT)),
        ("code_version", pa.string()),
        ("run_id", pa.string()),
        ("published_at", pa.int64()),
    ]
)
_COLUMNS = ", ".join(f"`{name}`" for name in MANIFEST_SCHEMA.names)


class Manifest:
    """Reads and appends manifest rows.

    Parameters
    ----------
    connection : Connection
    is_only_writer : bool
        Nobody else appends: what was asked is remembered, and brought up to date by each append.
    """

    def __init__(self, connection: Connection, *, is_only_writer: bool = False) -> None:
        self._connection = connection
        self._is_only_writer = is_only_writer
        self._known = KnownRows()
        # How often this process has appended: tells who remembers what is published to look again.
        self.n_appended = 0

    def last_seq(self) -> int:
        """Number of the latest publication; 0 before the first."""
        return self._highest("seq")

    def last_seq_at(self, at_ns: int) -> int:
        """Number of the last publication at or before a time; 0 before the first."""
        found = self._connection.select(
            "SELECT max(seq) AS seq FROM meta.manifest WHERE published_at <= {at_ns:Int64}",
            {"at_ns": at_ns},
        )
        return int(found.column("seq")[0].as_py())

    def last_generation(self) -> int:
        """Highest published generation; 0 before the first publication."""
        return self._highest("generation")

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
        if not self._is_only_writer or symbol is None or after is not None:
            return self._read(table, symbol, days, snapshot, after)
        asked = Asked(table, symbol, None if days is None else tuple(days))
        found = self._known.rows(asked, lambda: self._read(table, symbol, days, None, None))
        return [row for row in found if snapshot is None or row.seq <= snapshot]

    def _read(
        self,
        table: str | None,
        symbol: str | None,
        days: Sequence[date] | None,
        snapshot: int | None,
        after: int | None,
    ) -> list[ManifestRow]:
        conditions, params = ["1"], {}
        for name, condition, value in (
            ("table", "`table` = {table:String}", table),
            ("symbol", "symbol = {symbol:String}", symbol),
            ("days", "trading_day IN {days:Array(Date)}", None if days is None else list(days)),
            ("snapshot", "seq <= {snapshot:Int64}", snapshot),
            ("after", "seq > {after:Int64}", after),
        ):
            if value is not None:
                conditions.append(condition)
                params[name] = value
        sql = f"SELECT {_COLUMNS} FROM meta.manifest WHERE {' AND '.join(conditions)}"
        found = self._connection.select(f"{sql} ORDER BY seq, `table`, generation", params)
        return [_row(values) for values in found.to_pylist()]

    def current_of_unit(self, symbol: str, day: date, unit: str) -> list[ManifestRow]:
        """Return what is current of one unit or segment, in all tables; its cost stays the same."""
        known = self._known.known(Asked(None, symbol, (day,))) if self._is_only_writer else None
        if known is not None:
            return [row for row in current(known) if row.unit == unit]
        mine = "symbol = {symbol:String} AND trading_day = {day:Date}"
        sql = (
            f"SELECT {_COLUMNS} FROM meta.manifest WHERE {mine} AND unit = {{unit:String}} AND "
            f"generation NOT IN (SELECT arrayJoin(replaces) FROM meta.manifest WHERE {mine}) "
            "ORDER BY seq, `table`, generation"
        )
        found = self._connection.select(sql, {"symbol": symbol, "day": day, "unit": unit})
        return [_row(values) for values in found.to_pylist()]

    def generations_at(self, seq: int) -> list[int]:
        """Generations that publication ``seq`` holds, whoever made it."""
        found = self._connection.select(
            "SELECT generation FROM meta.manifest WHERE seq = {seq:Int64} ORDER BY generation",
            {"seq": seq},
        )
        return found.column("generation").to_pylist()

    def append(self, rows: Sequence[ManifestRow]) -> bool:
        """Insert one publication; False when another writer had taken its ``seq``."""
        seq = rows[0].seq
        values = [{name: getattr(row, name) for name in MANIFEST_SCHEMA.names} for row in rows]
        for value in values:
            value["inputs"] = [entry._asdict() for entry in value["inputs"]]
        block = pa.Table.from_pylist(values, schema=MANIFEST_SCHEMA)
        # Of two inserts with one token the store keeps the first, so one seq has one writer.
        self._known.begin()
        try:
            try:
                self._connection.insert("meta.manifest", block, token=f"publication-{seq}")
            finally:  # one whose answer is lost may be done all the same
                self.n_appended += 1
            is_mine = self.generations_at(seq) == sorted(row.generation for row in rows)
        except BaseException:
            self._known.forget()
            raise
        if is_mine:
            self._known.add(rows, {"seq": seq, "generation": max(row.generation for row in rows)})
        return is_mine

    def forget(self) -> None:
        """Ask for everything again: somebody else has changed the table."""
        self._known.forget()

    def _highest(self, column: str) -> int:
        def read() -> int:
            found = self._connection.select(f"SELECT max({column}) AS n FROM meta.manifest")
            return int(found.column("n")[0].as_py())

        return self._known.number(column, read) if self._is_only_writer else read()


def current(rows: Iterable[ManifestRow]) -> list[ManifestRow]:
    """Return the rows that no other row replaces."""
    listed = list(rows)
    replaced = {generation for row in listed for generation in row.replaces}
    return [row for row in listed if row.generation not in replaced]


def _row(values: dict[str, Any]) -> ManifestRow:
    inputs = tuple(Input(**entry) for entry in values.pop("inputs"))
    return ManifestRow(inputs=inputs, replaces=tuple(values.pop("replaces")), **values)
