"""Several files that together are one unit: the hours of a day, say."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from orchestration.sources.records import SourceBatch, with_figures


def joined(batches: Sequence[SourceBatch], names: Sequence[str], tick_steps: int) -> SourceBatch:
    """Return batches as one unit; their lines are numbered one file after the other.

    Parameters
    ----------
    batches : sequence of SourceBatch
        In the order of time, no two with a common time or id.
    names : sequence of str
        What a refused record's detail calls its file.
    tick_steps : int
        The instrument's.

    Notes
    -----
    The unit is the SHA-256 of the files' own, so that the same files are the same unit wherever
    they lie; one file alone keeps its own.
    """
    if len(batches) == 1:
        return batches[0]
    unit = hashlib.sha256("\n".join(batch.unit for batch in batches).encode()).hexdigest()
    offsets = np.cumsum([0, *(batch.n_lines for batch in batches)]).tolist()
    tables = {
        name: pa.concat_tables(
            _renamed(getattr(batch, name), unit, offset)
            for batch, offset in zip(batches, offsets, strict=False)
        ).unify_dictionaries()
        for name in ("trades", "quotes", "gaps")
    }
    refused = [
        _with_file(_renamed(batch.quarantine, unit, offset), batch.quarantine["line"], name)
        for batch, offset, name in zip(batches, offsets, names, strict=False)
    ]
    other, counts = Counter[str](), Counter[str]()
    for batch in batches:
        other.update(batch.other)
        counts.update(batch.counts)
    made = replace(
        batches[0],
        unit=unit,
        **tables,
        quarantine=pa.concat_tables(refused).unify_dictionaries(),
        quarantine_ns=np.concatenate([batch.quarantine_ns for batch in batches]),
        offered=sum(batch.offered for batch in batches),
        n_lines=offsets[-1],
        other=dict(other),
        counts=dict(counts),
    )
    return with_figures(made, tick_steps)


def _renamed(rows: pa.Table, unit: str, offset: int) -> pa.Table:
    codes = pa.array(np.zeros(len(rows), np.int32))
    columns = {"unit": pa.DictionaryArray.from_arrays(codes, pa.array([unit]))}
    if "line" in rows.column_names:
        columns["line"] = pa.array(rows["line"].to_numpy() + offset)
    for name, values in columns.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(name), values)
    return rows


def _with_file(refused: pa.Table, lines: pa.ChunkedArray, name: str) -> pa.Table:
    details = [
        f"record {line} of {name}: {detail}"
        for line, detail in zip(lines.to_pylist(), refused["detail"].to_pylist(), strict=True)
    ]
    at = refused.schema.get_field_index("detail")
    return refused.set_column(at, refused.schema.field("detail"), pa.array(details, pa.string()))
