"""Random footprints of consecutive bars, as arrays and as plain lists."""

from dataclasses import fields

import numpy as np
from hypothesis import strategies as st

from orderflow_core.footprint import FootprintCells

LOTS = st.integers(0, 6)


def session_bars(n):
    """Those of n bars that open a session, in order; the first bar may be none of them."""
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    return flags.map(lambda drawn: [i for i, opens in enumerate(drawn) if opens])


def starts_of_part(starts, first, end):
    """Session starts within the bars [first, end), counted from the first of them."""
    return [i - first for i in starts if first <= i < end]


@st.composite
def bars_of_cells(draw, height=1, max_bars=8):
    """(bars, starts, closes): each bar a list of (price, bid, ask, unsigned) that holds a lot."""
    n = draw(st.integers(0, max_bars))
    bars, closes = [], []
    for _ in range(n):
        rows = draw(st.dictionaries(st.integers(-9, 9), st.tuples(LOTS, LOTS, LOTS), min_size=1))
        cells = [(p * height, *lots) for p, lots in sorted(rows.items()) if sum(lots)]
        bars.append(cells or [(0, 1, 0, 0)])
        closes.append(draw(st.integers(-12, 12)) * height)
    return bars, draw(session_bars(n)), closes


def as_cells(bars, first_bar=0):
    """The footprint of the bars; bar i has the id 100 + 3 i."""
    rows = [
        (100 + 3 * (first_bar + i), price, bid, ask, unsigned, bid, ask, unsigned)
        for i, cells in enumerate(bars)
        for price, bid, ask, unsigned in cells
    ]
    columns = np.array(rows, np.int64).reshape(-1, 8).T
    names = [field.name for field in fields(FootprintCells)]
    return FootprintCells(**dict(zip(names, columns, strict=True)))


def as_rows(columns):
    """Tuples of plain numbers from equally long arrays."""
    return list(zip(*(column.tolist() for column in columns), strict=True))
