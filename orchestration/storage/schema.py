"""What a stored table is: columns, order, invariants; its SQL and its Arrow schema follow from it.

The tables themselves stand in ``tables.py``. The numbered SQL files are history, written once and
never changed; a test creates every table from this module too and demands that ClickHouse describes
both alike, so the definition and the migrations cannot drift apart.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import pyarrow as pa

INT64, INT8, FLOAT64 = "Int64", "Int8", "Float64"
STRING, LABEL, DATE = "String", "LowCardinality(String)", "Date"

ARROW_TYPES: dict[str, pa.DataType] = {
    INT64: pa.int64(),
    INT8: pa.int8(),
    FLOAT64: pa.float64(),
    STRING: pa.string(),
    LABEL: pa.dictionary(pa.int32(), pa.string()),
    DATE: pa.date32(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: ClickHouse type, codec, what rows without it hold, and whether it is hashed."""

    name: str
    type: str
    codec: str = ""
    default: str = ""
    is_hashed: bool = True

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type in which the column travels in and out."""
        return ARROW_TYPES[self.type]

    def ddl(self) -> str:
        """Return the column as it stands in CREATE TABLE."""
        codec = f" CODEC({self.codec})" if self.codec else ""
        default = f" DEFAULT {self.default}" if self.default else ""
        return f"`{self.name}` {self.type}{default}{codec}"


# The columns that the store itself fills; every table starts with them.
STORE_COLUMNS = (
    Column(name="symbol", type=LABEL),
    Column(name="trading_day", type=DATE, codec="ZSTD(1)"),
    Column(name="generation", type=INT64, codec="Delta, ZSTD(1)", is_hashed=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One published table.

    Attributes
    ----------
    name : str
        ``database.table``, which is also the asset's key.
    payload : tuple of Column
        What a writer hands over, in schema order, without the store's own columns.
    sort : tuple of str
        The order in which rows are read and hashed. Rows that agree in it are ordered by the
        remaining columns, so the order never depends on how they were written.
    checks : dict
        Constraint name -> SQL condition that every row meets.
    has_units : bool
        True: one generation a unit (file, range, segment) lives side by side. False: a new
        generation replaces all earlier ones.
    """

    name: str
    payload: tuple[Column, ...]
    sort: tuple[str, ...]
    checks: dict[str, str] = field(default_factory=dict)
    has_units: bool = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, the store's own first."""
        return STORE_COLUMNS + self.payload

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        database, table = self.name.split(".")
        return f"`{database}`.`{table}`"

    def column(self, name: str) -> Column:
        """Return one column; ValueError names those that exist."""
        for column in self.columns:
            if column.name == name:
                return column
        raise ValueError(f"{self.name} has no column {name!r}; it has {self.column_names()}")

    def column_names(self) -> list[str]:
        """Names of all columns in schema order."""
        return [column.name for column in self.columns]

    def arrow_schema(self) -> pa.Schema:
        """Schema of the payload in Arrow."""
        return pa.schema([pa.field(c.name, c.arrow_type, nullable=False) for c in self.payload])

    def order_columns(self) -> list[Column]:
        """Sort columns, then every other column that can break a tie: a total order of the rows."""
        rest = [c for c in self.payload if c.name not in self.sort]
        unhashed_last = sorted(rest, key=lambda c: not c.is_hashed)
        return [self.column(name) for name in self.sort] + unhashed_last

    def order_of(self, names: Collection[str]) -> list[Column]:
        """Columns that put rows of these columns in that order too.

        Where all are sort columns (or the same in all rows of a day), rows that agree in the sort
        columns up to the last of them are alike, and no other column needs to be read.
        """
        wanted = set(names) - {"symbol", "trading_day"}
        if not wanted <= set(self.sort):
            return self.order_columns()
        last = max((self.sort.index(name) for name in wanted), default=0)
        return [self.column(name) for name in self.sort[: last + 1]]

    def create_statement(self) -> str:
        """Return CREATE TABLE IF NOT EXISTS for this definition."""
        lines = [column.ddl() for column in self.columns]
        lines += [f"CONSTRAINT {name} CHECK {rule}" for name, rule in self.checks.items()]
        body = ",\n".join(f"    {line}" for line in lines)
        key = ", ".join(("symbol", "trading_day", "generation", *self.sort))
        return (
            f"CREATE TABLE IF NOT EXISTS {self.quoted}\n(\n{body}\n)\nENGINE = MergeTree\n"
            f"PARTITION BY toYYYYMM(trading_day)\nORDER BY ({key})\n"
            f"SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
