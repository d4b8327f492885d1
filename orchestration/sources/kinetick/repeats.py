"""Blocks of rows that a faulty export wrote twice.

Equal rows next to each other, and equal times, are trades of their own: one user who dropped them
lost more than half of the volume. A repeated block is told from them by the clock: it begins with
a row whose time runs back, and its rows repeat earlier ones byte for byte. A block inside a single
stamp cannot be told from real trades and stays.
"""

from collections.abc import Sequence

import numpy as np

# Equal rows at one stamp may all begin the block: more of them than this are not compared.
_MAX_STARTS = 64


def repeated_rows(rows: Sequence[bytes], ts_ns: np.ndarray) -> dict[int, int]:
    """Return the rows of repeated blocks and what each repeats.

    Parameters
    ----------
    rows : sequence of bytes
        Raw text of the rows, in the order of the file.
    ts_ns : ndarray of int64, shape (n,)
        Their times.

    Returns
    -------
    dict of int to int
        Position of a row in a block -> position of the row that it repeats.
    """
    found: dict[int, int] = {}
    backs = (np.flatnonzero(np.diff(ts_ns) < 0) + 1).tolist()
    if not backs:
        return found
    wanted = {rows[i] for i in backs}
    starts: dict[bytes, list[int]] = {}
    for i, row in enumerate(rows):
        if row in wanted:
            starts.setdefault(row, []).append(i)
    end = 0
    for back in backs:
        if back < end:  # inside the block found last: the same rows a third time
            continue
        earlier = [i for i in starts[rows[back]][:_MAX_STARTS] if i < back]
        if not earlier:
            continue
        length, origin = max((_run(rows, i, back), i) for i in earlier)
        found.update((back + k, origin + k) for k in range(length))
        end = back + length
    return found


def _run(rows: Sequence[bytes], origin: int, start: int) -> int:
    length = 0
    while start + length < len(rows) and rows[origin + length] == rows[start + length]:
        length += 1
    return length
