"""Random bars of trades whose footprints meet the hard cases often: gaps, zeros, single rows."""

import gzip
import json
from functools import cache

import numpy as np
import pytest
from hypothesis import strategies as st

from orderflow_core.footprint import FootprintCells
from orderflow_core.types import BarIndex

BAR_NS = 60


def cells_of(bars):
    """Cells of a list of dicts price -> (bid, ask) or (bid, ask, unsigned), bars counted from 0."""
    flat = [(k, p, *bars[k][p]) for k in range(len(bars)) for p in sorted(bars[k])]
    width = len(flat[0]) if flat else 4
    columns = np.array(flat, np.int64).reshape(-1, width).T
    zero = np.zeros(len(flat), np.int64)
    return FootprintCells(
        bar_id=columns[0], price_tick=columns[1], bid_lots=columns[2], ask_lots=columns[3],
        unsigned_lots=columns[4] if width == 5 else zero, n_bid=zero, n_ask=zero, n_unsigned=zero,
    )  # fmt: skip


def counted(bars):
    """Cells of dicts price -> (sweeps at bid, at ask), with the sweeps counted as trades."""
    cells = cells_of(bars)
    columns = {name: getattr(cells, name) for name in FootprintCells.__slots__}
    return FootprintCells(**columns | {"n_bid": cells.bid_lots, "n_ask": cells.ask_lots})


def part_of_cells(cells, first_bar, end_bar):
    """The cells of the bars first <= id < end."""
    kept = (cells.bar_id >= first_bar) & (cells.bar_id < end_bar)
    return FootprintCells(**{name: getattr(cells, name)[kept] for name in FootprintCells.__slots__})


def bars_of(ranges):
    """A BarIndex of (bar_id, first, end) triples; bar k lasts from 60 k to 60 k + 60."""
    bar_id, first, end = np.array(ranges, np.int64).reshape(-1, 3).T
    return BarIndex(
        bar_id=bar_id,
        t0_ns=bar_id * BAR_NS,
        t1_ns=(bar_id + 1) * BAR_NS,
        first_idx=first,
        end_idx=end,
    )


def part_of_bars(index, first, end):
    """The bars at positions first <= k < end, counting trades from their first one."""
    at = index.first_idx[first] if first < end else 0
    return BarIndex(
        bar_id=index.bar_id[first:end],
        t0_ns=index.t0_ns[first:end],
        t1_ns=index.t1_ns[first:end],
        first_idx=index.first_idx[first:end] - at,
        end_idx=index.end_idx[first:end] - at,
    )


amounts = st.integers(0, 6)
ladders = st.lists(
    st.dictionaries(
        st.integers(-4, 4), st.tuples(amounts, amounts, st.integers(0, 2)), min_size=1, max_size=8
    ),
    max_size=8,
)


def time_bars(ts_ns, interval_ns):
    """A BarIndex of the intervals that hold a trade."""
    bar = ts_ns // interval_ns
    first = np.flatnonzero(np.diff(bar, prepend=bar[0] - 1))
    return BarIndex(
        bar_id=bar[first],
        t0_ns=bar[first] * interval_ns,
        t1_ns=(bar[first] + 1) * interval_ns,
        first_idx=first,
        end_idx=np.append(first[1:], len(ts_ns)),
    )


@cache
def recorded_trades(folder, n_trades):
    """Times in ns, prices in 0.0001, sizes in 0.1 and signs of the first recorded XRPUSDT trades."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = folder / "trades_xrpusdt_ska/XRPUSDT_trades.parquet"
    table = next(parquet.ParquetFile(path).iter_batches(n_trades))
    is_sell = table["is_buyer_maker"].to_numpy(zero_copy_only=False)
    return (
        table["ts_ms"].to_numpy() * 1_000_000,
        np.rint(table["price"].to_numpy() * 10_000).astype(np.int64),
        np.rint(table["quantity"].to_numpy() * 10).astype(np.int64),
        np.where(is_sell, -1, 1).astype(np.int8),
    )


@cache
def captured_trades(folder, file, tick, lot):
    """Times in ns, prices in ticks, sizes in lots and signs of a Binance capture, by trade id."""
    rows = []
    with gzip.open(folder / "binance_ws/hftbacktest" / file, "rt") as frames:
        for line in frames:
            if "@trade" not in line:
                continue
            data = json.loads(line.split(" ", 1)[1])["data"]
            if data.get("X", "MARKET") == "MARKET":
                price, qty = round(float(data["p"]) / tick), round(float(data["q"]) / lot)
                rows.append((data["t"], data["T"] * 1_000_000, price, qty, -1 if data["m"] else 1))
    _, ts, price, qty, sign = np.array(sorted(rows), np.int64).T
    order = np.argsort(ts, kind="stable")  # a few times run back in the order of the ids
    return ts[order], price[order], qty[order], sign[order].astype(np.int8)
