"""Columns of texts out of a text or a table, by the first map of columns that fits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from orchestration.sources.column_map import ColumnMap, fitting
from orchestration.sources.files import SourceFile
from orchestration.sources.gate import Gate
from orchestration.sources.members import Member
from orchestration.sources.records import SourceError
from orchestration.sources.rows import text_rows
from orchestration.sources.whole_tables import NUMBERS, RowTexts, decimal_texts, read_arrow
from orderflow_core.instrument import Instrument


@dataclass(slots=True, kw_only=True)
class TextTable:
    """Columns of texts by what they are, the line of each row, and what takes the refused ones."""

    file: SourceFile
    gate: Gate
    line: list[int]
    columns: dict[str, list[str]]
    other: Counter[str] = field(default_factory=Counter)

    def keep(self, is_kept: Sequence[bool]) -> None:
        """Drop rows that are counted or refused elsewhere."""
        if all(is_kept):
            return
        at = np.flatnonzero(is_kept).tolist()
        self.line = [self.line[i] for i in at]
        self.columns = {name: [v[i] for i in at] for name, v in self.columns.items()}


def text_table(
    member: Member, instrument: Instrument, maps: Sequence[ColumnMap], kind: str
) -> tuple[ColumnMap, TextTable]:
    """Return the rows of a text, and the map that fits it; rows of another width are refused.

    Raises
    ------
    SourceError
        The text has the columns of no map.
    """
    one, width, at = text_map(member, instrument, maps)
    rows = text_rows(
        member, instrument, kind=kind, n_fields=(width,), delimiter=one.delimiter,
        n_header=int(one.has_header), is_last_field_used=width - 1 in at.values(),
    )  # fmt: skip
    columns = {name: [row[i].strip('"') for row in rows.texts] for name, i in at.items()}
    return one, TextTable(
        file=member.file, gate=rows.gate, line=rows.number, columns=columns, other=rows.other
    )


def text_map(
    member: Member, instrument: Instrument, maps: Sequence[ColumnMap]
) -> tuple[ColumnMap, int, dict[str, int]]:
    """Return the first map that fits a text, the number of fields, and which field is what."""
    first = member.file.data.split(b"\n", 1)[0].removesuffix(b"\r").decode("latin-1")
    for one in maps:
        names = {name.strip().strip('"'): i for i, name in enumerate(first.split(one.delimiter))}
        if fitting([one], names) is None:
            continue
        width = len(first.split(one.delimiter)) if one.has_header else _usual_width(member, one)
        at = {
            name: names[column] if isinstance(column, str) else column
            for name, column in one.columns().items()
        }
        if max(at.values()) < width:
            return one, width, at
    raise SourceError(
        member.file.path,
        f"has the columns of none of the {len(maps)} maps of {instrument.symbol}: "
        f"line 1 is {first[:120]!r}",
    )


def _usual_width(member: Member, one: ColumnMap) -> int:
    # Without a header the file's own habit decides, so that no single damaged row can.
    mark = one.delimiter.encode()
    widths = Counter(line.count(mark) + 1 for line in member.file.data.split(b"\n") if line)
    return widths.most_common(1)[0][0] if widths else 0


def arrow_table(
    member: Member, instrument: Instrument, maps: Sequence[ColumnMap], kind: str
) -> tuple[ColumnMap, TextTable]:
    """Return the rows of a Parquet or Feather file; see `text_table`."""
    del kind  # no row of a table can be damaged in its form
    table = read_arrow(member.file)
    names = {name: i for i, name in enumerate(table.schema.names)}
    one = fitting([m for m in maps if m.has_header], names)
    if one is None:
        held = ", ".join(names)
        raise SourceError(
            member.file.path, f"has the columns of no map of {instrument.symbol}, only: {held}"
        )
    gate = Gate(instrument=instrument, lines=RowTexts(table))
    columns = {
        name: _texts(member.file, table, str(column), is_number=name in NUMBERS)
        for name, column in one.columns().items()
    }
    line = list(range(1, table.num_rows + 1))
    return one, TextTable(file=member.file, gate=gate, line=line, columns=columns)


def _texts(file: SourceFile, table: pa.Table, name: str, *, is_number: bool) -> list[str]:
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            column = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
        texts = decimal_texts(column) if is_number else column.cast(pa.string()).to_pylist()
        return [text or "" for text in texts]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise SourceError(file.path, f"column {name} cannot be read as text: {error}") from error
