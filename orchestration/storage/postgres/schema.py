"""The tables' definitions as PostgreSQL's SQL."""

from orchestration.storage.schema import DATE, FLOAT64, INT8, INT64, LABEL, STRING, Column, Table

TYPES = {
    INT64: "bigint",
    INT8: "smallint",
    FLOAT64: "double precision",
    STRING: "text",
    LABEL: "text",
    DATE: "date",
}


def quoted(table: Table) -> str:
    """Return a table's name as SQL."""
    schema, name = table.name.split(".")
    return f'"{schema}"."{name}"'


def order_term(column: Column) -> str:
    """Return a column as ORDER BY takes it; texts are by their bytes already (COLLATE "C")."""
    # Floats by their bits, as the content hash orders them: NaN and -0.0 have a place too.
    return f'float8send("{column.name}")' if column.type == FLOAT64 else f'"{column.name}"'


def create_statement(table: Table) -> str:
    """Return CREATE TABLE for a definition, as a migration states it.

    ``@by_month(...)`` names the columns that order the rows of a day: `migrations.statements` puts
    the partitions or the hypertable in its place.
    """
    lines = [_column_ddl(column) for column in table.columns]
    lines += [f'CONSTRAINT "{name}" CHECK ({rule})' for name, rule in table.checks.items()]
    body = ",\n".join(f"    {line}" for line in lines)
    order = ", ".join(table.sort)
    return f"CREATE TABLE {quoted(table)}\n(\n{body}\n)\n@by_month({order})"


def _column_ddl(column: Column) -> str:
    kind = TYPES[column.type]
    collation = ' COLLATE "C"' if kind == "text" else ""
    default = f" DEFAULT '{column.default}'" if column.default else ""
    return f'"{column.name}" {kind}{collation} NOT NULL{default}'
