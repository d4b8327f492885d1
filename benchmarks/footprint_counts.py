"""Print how many footprint tensors each recorded market gives, and how high its rows have to be.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.footprint_counts

A tensor needs 100 bars with a trade and no hole between them; a bar that a hole reaches into is none. The
height is the least of 1, 2, 5, 10, ... ticks at which at most a tenth of the volume lies beyond the 20 rows.
"""

import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.signal_hit_rates import CAPTURES, print_row
from orchestration.instruments import load_instruments
from orchestration.sources.capture import read_capture
from orchestration.sources.emini import read_emini
from orderflow_core.bars import time_bar_index
from orderflow_core.footprint import footprint
from orderflow_core.footprint_tensor import (
    WindowBars,
    bar_runs,
    footprint_tensors,
    last_ended_bar,
    whole_windows,
)
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import Int8, Int64

SECOND = 1_000_000_000
SECONDS = (1, 5, 10, 60)
HEIGHTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
LOOKED_AT = 200  # windows that the height is found by, evenly spread
MOST_BEYOND = 0.1
# Time, price, lots, sign, and whether a hole precedes each trade but the first.
Trades = tuple[Int64, Int64, Int64, Int8, np.ndarray]


def main() -> None:
    folder = Path(os.environ["ORDERFLOW_TEST_DATA"])
    print_row(
        "market", "trades", "holes", "bar, s", "bars", "cells, MB", "tensors", "row, ticks", "beyond"
    )  # fmt: skip
    print_row(*("---",) * 9)
    for name, trades in markets(folder):
        for seconds in SECONDS:
            print_row(name, f"{len(trades[0]):,}", int(trades[4].sum()), *counts(trades, seconds))


def markets(folder: Path) -> Iterator[tuple[str, Trades]]:
    """Name and trades of each market."""
    yield "XRPUSDT spot", xrp_trades(folder)
    yield "ES", _emini(folder)
    for prefix in sorted(p for p in CAPTURES if p.startswith("usdm/")):
        for path in sorted((folder / "binance_ws/hftbacktest").glob(f"{prefix}_*.gz")):
            yield f"usdm {path.name.split('.')[0]}", _capture(path, CAPTURES[prefix])


def counts(trades: Trades, seconds: int) -> tuple[str, ...]:
    """Bars, their cells, tensors at the bars' ends, height of a row, and share of the volume beyond."""
    ts, price, lots, sign, is_hole = trades
    index = time_bar_index(ts, seconds * SECOND)
    before = np.flatnonzero(is_hole)
    holes = {"gap_start_ns": ts[before], "gap_end_ns": ts[before + 1]}
    run = bar_runs(index.t0_ns, index.t1_ns, **holes)
    own = bar_runs(index.t1_ns, index.t1_ns, **holes)
    last = last_ended_bar(index.t1_ns, run, index.t1_ns, own)
    found = last[whole_windows(last, run)]
    cells = footprint(price, lots, sign, index, ticks_per_row=1)
    n_bytes = sum(getattr(cells, field.name).nbytes for field in fields(cells))
    held = str(seconds), f"{len(index):,}", f"{n_bytes / 2**20:.2f}"
    if len(found) == 0:
        return *held, "0", "-", "-"
    bars = WindowBars(bar_id=index.bar_id, close_ticks=price[index.end_idx - 1], run=run)
    chosen = found[np.linspace(0, len(found) - 1, min(LOOKED_AT, len(found))).astype(np.int64)]
    for height in HEIGHTS:
        made = footprint_tensors(cells, bars, chosen, ticks_per_row=height)
        beyond, within = int(made.overflow_lots.sum()), int(made.lots.sum())
        share = beyond / (beyond + within)
        if share <= MOST_BEYOND:
            break
    return *held, f"{len(found):,}", str(height), f"{100 * share:.1f} %"


def xrp_trades(folder: Path) -> Trades:
    """Binance spot in runs of consecutive ids of a quarter of an hour."""
    table = pq.read_table(folder / "trades_xrpusdt_ska/XRPUSDT_trades.parquet")
    trade_id, ts_ms, price, size, is_maker = (
        table[name].to_numpy()
        for name in ("trade_id", "ts_ms", "price", "quantity", "is_buyer_maker")
    )
    sign = np.where(is_maker, -1, 1).astype(np.int8)
    ticks, lots = np.rint(price * 1e4).astype(np.int64), np.rint(size * 10).astype(np.int64)
    return ts_ms * 1_000_000, ticks, lots, sign, np.diff(trade_id) != 1


def _emini(folder: Path) -> Trades:
    # No ids and no side: the tick rule signs, half an hour without a trade is a halt.
    batch = read_emini(folder / "emini_mlfinpy/tick_data.csv.gz", load_instruments()["ES"])
    ts, price, lots = (
        batch.trades[name].to_numpy() for name in ("ts_event_ns", "price_ticks", "qty_lots")
    )
    return ts, price, lots, tick_rule(price)[0], np.diff(ts) >= 1_800 * SECOND


def _capture(path: Path, symbol: str) -> Trades:
    instrument = load_instruments()[symbol]
    trades = read_capture(path, instrument).trades
    ts, trade_id, price, lots, sign = (
        trades[name].to_numpy()
        for name in ("ts_event_ns", "trade_id", "price_ticks", "qty_lots", "native_sign")
    )
    return ts, price, lots, sign.astype(np.int8), np.diff(trade_id) > instrument.max_id_step


if __name__ == "__main__":
    main()
