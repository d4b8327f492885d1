"""Whether the store gives back the rows that were handed in: value by value, without a second hash."""

import numpy as np
import pyarrow as pa

from orchestration.storage.content_hash import content_hash, row_order
from orchestration.storage.schema import FLOAT64, LABEL, Column, Table


def has_rows_of(table: Table, stored: pa.Table, sent: pa.Table, sent_hash: str) -> bool:
    """Return whether ``stored``, in the table's order, has the rows of ``sent``.

    Parameters
    ----------
    table : Table
    stored, sent : pyarrow.Table
        Both with all hashed columns.
    sent_hash : str
        Content hash of ``sent``.

    Notes
    -----
    Rows that came in the table's order without repeated keys, as nearly all do, are compared one
    with the other in every column that both have. Otherwise the hashes are compared, which see the
    hashed columns only.
    """
    if len(stored) != len(sent):
        return False
    if row_order(table, sent) is not None:
        return content_hash(table, stored) == sent_hash
    shared = [c for c in table.columns if c.name in stored.column_names]
    return all(_is_equal(c, stored.column(c.name), sent.column(c.name)) for c in shared)


def _is_equal(column: Column, stored: pa.ChunkedArray, sent: pa.ChunkedArray) -> bool:
    if column.type == LABEL:
        # One dictionary for both: equal texts have equal codes then, whatever the order was.
        both = pa.chunked_array([*stored.chunks, *sent.chunks]).unify_dictionaries()
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in both.chunks] or [[]])
        return bool((codes[: len(stored)] == codes[len(stored) :]).all())
    if column.type == FLOAT64:  # by their bits: NaN equals itself
        stored, sent = (
            pa.chunked_array([chunk.view(pa.int64()) for chunk in values.chunks], pa.int64())
            for values in (stored, sent)
        )
    return bool(stored.equals(sent))
