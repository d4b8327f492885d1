"""Bounded pandas frames of a table of any length, for expectations to run on.

Great Expectations needs half a second a million rows and rule (stack measurements in
docs/adr/0004-quality.md), so it sees two small frames: the extremes of every column over ALL
rows, computed by Arrow, and an evenly strided sample for the rules that compare columns.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

SAMPLE_ROWS = 50_000


def extremes(table: pa.Table) -> pd.DataFrame:
    """Return one row: ``rows`` and, per numeric column, ``<column>__min`` and ``<column>__max``.

    NaN is "not known" in float columns and is left out; a column without any value has no
    extremes and is left out too, as its rules have nothing to judge.
    """
    row: dict[str, float | int] = {"rows": table.num_rows}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_floating(column.type):
            column = pc.filter(column, pc.invert(pc.is_nan(column)))
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            continue
        if len(column):
            bounds = pc.min_max(column).as_py()
            row |= {f"{name}__min": bounds["min"], f"{name}__max": bounds["max"]}
    return pd.DataFrame([row])


def sample(table: pa.Table, limit: int = SAMPLE_ROWS) -> pd.DataFrame:
    """Return at most ``limit`` evenly strided rows, the first among them."""
    stride = max(1, -(-table.num_rows // limit))
    return table.take(pa.array(range(0, table.num_rows, stride), pa.int64())).to_pandas()
