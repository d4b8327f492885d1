"""Streams and clocks for the tests of bars, and results as plain rows."""

import csv
import gzip
from dataclasses import fields, is_dataclass
from datetime import datetime
from itertools import islice, pairwise

import numpy as np
from hypothesis import strategies as st

from orderflow_core.bar_clocks import BAR_KINDS, BarClock
from orderflow_core.types import TradeArrays
from tests.core import trade_cases as cases

EMINI = "emini_mlfinpy/tick_data.csv.gz"


@st.composite
def streams(draw, max_size=40):
    """Trades and positions at which sessions start, the first trade not always among them."""
    drawn = draw(cases.trades(max_size=max_size))
    starts = drawn["starts"][draw(st.integers(0, 1)) :]
    return bundle(drawn), starts


def bundle(drawn):
    return TradeArrays(
        ts_event_ns=drawn["ts"],
        trade_id=drawn["trade_id"],
        price_ticks=drawn["price"],
        qty_lots=drawn["qty"],
        sign=drawn["sign"],
    )


def clocks():
    sizes = {"time": 9, "count": 6, "volume": 30, "notional": 3000, "delta": 20, "range": 6}
    return st.sampled_from(BAR_KINDS).flatmap(
        lambda kind: st.integers(1, sizes[kind]).map(lambda size: BarClock(kind=kind, size=size))
    )


def columns(bundle_of_arrays):
    """All arrays of a bundle by name, those of bundles within it included."""
    found = {}
    for field in fields(bundle_of_arrays):
        value = getattr(bundle_of_arrays, field.name)
        found |= columns(value) if is_dataclass(value) else {field.name: value}
    return found


def rows(bundle_of_arrays):
    values = columns(bundle_of_arrays).values()
    return list(zip(*(column.tolist() for column in values), strict=True))


def in_chunks(data, n, starts, step):
    """Call ``step(state, first, end, starts of the chunk, is last)`` for drawn chunks, join results."""
    edges, state, parts = data.draw(cases.cuts(n)), None, []
    for k, (first, end) in enumerate(pairwise(edges)):
        inside = starts[(starts >= first) & (starts < end)] - first
        *found, state = step(state, first, end, inside, k == len(edges) - 2)
        parts.append({k: v for bundle in found for k, v in columns(bundle).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def same_bits(got, expected):
    assert set(got) == set(expected)
    for name, values in expected.items():
        assert got[name].tobytes() == values.tobytes(), name


def emini(test_data, n=20_000):
    """The first prints of a recorded E-mini session: quarter points, contracts, signs by the tick rule."""
    with gzip.open(test_data / EMINI, "rt") as lines:
        picked = list(islice(csv.DictReader(lines), n))
    price = np.array([round(float(row["Price"]) * 4) for row in picked])
    start = datetime(2013, 9, 1)  # noqa: DTZ001 - the file tells no zone
    ts = [
        round((datetime.fromisoformat(row["DateTime"]) - start).total_seconds() * 1000)
        for row in picked
    ]
    sign, last = [], 0
    for step in np.diff(price, prepend=price[0]).tolist():
        last = (step > 0) - (step < 0) or last
        sign.append(last)
    return TradeArrays(
        ts_event_ns=np.maximum.accumulate(np.array(ts)) * 1_000_000,
        trade_id=np.arange(n),
        price_ticks=price,
        qty_lots=np.array([int(row["Volume"]) for row in picked]),
        sign=np.array(sign, np.int8),
    )
