"""What this machine allows the items of the benchmarks: bytes a row, bandwidths, parts of our time.

``python -m benchmarks.limits [--rows 5000000]`` prints three tables (about a minute): bandwidths; what
the goals ask of them, by the best peer of ``results.json``; and the parts of our functions, with
ablations: loads alone, stores alone, kernels whose rows stay in the cache, kernels without divisions.
Best of some runs, as other processes only ever add to a time; CPU seconds where one thread works.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from numba import njit

from benchmarks.contest import OURS
from benchmarks.data import MS_NS, Market, make_market
from benchmarks.items import ITEMS
from benchmarks.run import FOLDER
from benchmarks.timing import timed
from orderflow_core.bars import time_bar_index
from orderflow_core.flow_bars import flow_bars
from orderflow_core.kernels.profile import _bounds_nb, _range_lots_nb
from orderflow_core.kernels.rolling import _rolling_sums_nb, _window_sums_nb
from orderflow_core.kernels.rolling_checks import _faults_nb
from orderflow_core.kernels.rolling_quantile import _rolling_quantile_nb, _window_sizes_nb
from orderflow_core.profile import volume_profile
from orderflow_core.quote_rules import lee_ready_joined
from orderflow_core.rolling import rolling_quantile, rolling_sums, size_counters
from orderflow_core.tick_rules import tick_rule

WINDOW_NS = 60_000 * MS_NS
RUNS, THREADS = 7, os.cpu_count() or 1
Rows: TypeAlias = Iterable[tuple[str, ...]]
# Bytes of a trade that are read, and of its result that are written: ts, price, qty 8 each, sign 1.
# Lee-Ready also reads about one quote a trade; rolling also reads a position a row. The feature matrix
# reads the quote met and, as a whole, the book; it has 0.7 rows a trade with their three keys.
BYTES = {
    "tick_rule": (8, 1),
    "lee_ready": (8 + 8 + 24, 1),
    "rolling": (8 + 8 + 1 + 8, 7 * 8 + 1),
    "rolling_quantile": (8 + 8 + 1 + 8, 7 * 8 + 1 + 3 * 8),
    "bars": (8 + 8 + 8 + 1, 0),
    "footprint": (8 + 8 + 8 + 1, 0),
    "profile": (8 + 8 + 1, 0),
    "features": (5 * 8 + 1 + 33, 162),
    "features_whole": (5 * 8 + 1 + 33 + 9, 398),
}


@njit(nogil=True)
def _read(values):  # type: ignore[no-untyped-def]
    total = 0
    for i in range(len(values)):
        total += values[i]
    return total


@njit(nogil=True)
def _write(values):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        values[i] = i


@njit(nogil=True)
def _write_columns(columns, is_warm):  # type: ignore[no-untyped-def]
    a, b, c, d, e, f, g = columns
    for k in range(len(is_warm)):
        a[k] = b[k] = c[k] = d[k] = k
        e[k] = f[k] = g[k] = k
        is_warm[k] = True


@njit(nogil=True)
def _checks_of_profile(price, qty, sign):  # type: ignore[no-untyped-def]
    low = 0
    for a in range(0, len(price), 256):
        low += _bounds_nb(price[a : a + 256], qty[a : a + 256], sign[a : a + 256])[0]
    return low


@njit(nogil=True)
def _sums_in_cache(trades, rows, out, is_warm, sums, parts):  # type: ignore[no-untyped-def]
    # Blocks of 256 rows into the same memory; 1: window sums, 2: all.
    held, longer, none = np.zeros(7, np.int64), np.zeros(8, np.int64), np.zeros(0, np.int64)
    for a in range(0, len(rows[0]) - 255, 256):
        block = (rows[0][a : a + 256], rows[1][a : a + 256])
        if parts == 1:
            _window_sums_nb(trades, block, none, longer, sums, is_warm)
        else:
            _rolling_sums_nb(trades, block, none, held, out, is_warm)


@njit(nogil=True)
def _sizes_in_cache(trades, rows, out, counters, lots, parts):  # type: ignore[no-untyped-def]
    held, longer, none = np.zeros(8, np.int64), np.zeros(9, np.int64), np.zeros(0, np.int64)
    for a in range(0, len(rows[0]) - 255, 256):
        block = (rows[0][a : a + 256], rows[1][a : a + 256])
        if parts == 1:
            _window_sizes_nb(trades, block, none, (95, 100), counters, longer, out[0], lots)
        else:
            _rolling_quantile_nb(trades, block, none, (95, 100), counters, held, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    n = parser.parse_args().rows
    gigabytes = bandwidths()
    table(("bandwidth", "GB/s"), [(name, f"{value:.1f}") for name, value in gigabytes.items()])
    table(
        (
            "item",
            "rows",
            "bytes a row",
            "best peer, M rows/s",
            "goal",
            "needs GB/s",
            "with refills",
        ),
        demands(),
    )
    market = make_market(n)
    table(("part", "ns a row"), [(name, f"{s / n * 1e9:.2f}") for name, s in parts(market)])


def table(head: tuple[str, ...], rows: Rows) -> None:
    """Print a Markdown table."""
    for line in (head, ("---",) * len(head), *rows):
        print("| " + " | ".join(line) + " |", flush=True)
    print(flush=True)


def best_s(work: Callable[[], object], runs: int = RUNS) -> float:
    """Return the least seconds of some runs after one that compiles."""
    work()
    return min(timed(work)[1] for _ in range(runs))


def cpu_s(
    work: Callable[[], object], runs: int = RUNS, clock: Callable[[], float] = time.thread_time
) -> float:
    """Return the least CPU seconds, of this thread alone by default: others use the cores too."""
    work()
    least = float("inf")
    for _ in range(runs):
        start = clock()
        work()
        least = min(least, clock() - start)
    return least


def bandwidths(n_bytes: int = 2**28) -> dict[str, float]:
    """Return GB a second, all threads unless the name says otherwise; copies count both ways."""
    source, target = np.ones(n_bytes // 8, np.int64), np.zeros(n_bytes // 8, np.int64)
    halves = [slice(k * len(source) // THREADS, (k + 1) * len(source) // THREADS) for k in range(THREADS)]  # fmt: skip
    with ThreadPoolExecutor(THREADS) as pool:

        def together(work: Callable[[slice], object]) -> float:
            return n_bytes / best_s(lambda: list(pool.map(work, halves))) / 1e9

        def into_new() -> None:
            new = np.empty_like(source)
            list(pool.map(lambda half: np.copyto(new[half], source[half]), halves))

        return {
            "read, one thread": n_bytes / best_s(lambda: _read(source)) / 1e9,
            "read": together(lambda half: _read(source[half])),
            "write, one thread": n_bytes / best_s(lambda: _write(target)) / 1e9,
            "write": together(lambda half: _write(target[half])),
            "copy, one thread": 2 * n_bytes / best_s(lambda: np.copyto(target, source)) / 1e9,
            "copy": 2 * together(lambda half: np.copyto(target[half], source[half])),
            "copy into fresh pages": 2 * n_bytes / best_s(into_new) / 1e9,
        }


def demands() -> Rows:
    """Yield what each goal asks of the memory, by the best peer of ``results.json``.

    With refills: a store into a line that is not in the cache reads the line first.
    """
    results = json.loads((FOLDER / "results.json").read_text())
    for name, (read, written) in BYTES.items():
        for n_rows in sorted({r["rows"] for r in results if r["item"] == name}):
            here = [r for r in results if r["item"] == name and r["rows"] == n_rows]
            rate = max(n_rows / r["seconds_median"] for r in here if r["peer"] != OURS)
            goal = ITEMS[name].goal or 0
            wanted = goal * rate
            yield (
                name, f"{n_rows:,}", f"{read} + {written}", f"{rate / 1e6:.1f}", f"{goal}x",
                f"{wanted * (read + written) / 1e9:.1f}", f"{wanted * (read + 2 * written) / 1e9:.1f}",
            )  # fmt: skip


def parts(market: Market) -> Iterable[tuple[str, float]]:
    """Yield the seconds of our functions and of their parts."""
    yield from _rolling_parts(market)
    yield from _other_parts(market)


def _rolling_parts(market: Market) -> Iterable[tuple[str, float]]:
    t = market.trades
    n, ends = len(market), np.arange(1, len(market) + 1)
    columns, trades = (t.ts_event_ns, t.qty_lots, t.sign, ends), (t.ts_event_ns, t.qty_lots, t.sign)
    rule = {"window_ns": WINDOW_NS, "session_start_idx": np.zeros(1, np.int64)}
    flow, large = rolling_sums(*columns, **rule), rolling_quantile(*columns, **rule)
    for name, work in {
        "rolling, new arrays": lambda: rolling_sums(*columns, **rule),
        "rolling, out=": lambda: rolling_sums(*columns, **rule, out=flow),
        "rolling_quantile alone, new arrays": lambda: rolling_quantile(*columns, **rule),
        "rolling_quantile alone, out=": lambda: rolling_quantile(*columns, **rule, out=large),
    }.items():
        yield name, best_s(work, 3)
        yield f"{name}, CPU of all threads", cpu_s(work, 3, time.process_time)
    yield "- one thread: checks of the trades", cpu_s(lambda: _faults_nb(*trades))
    out = (
        flow.buy_lots, flow.sell_lots, flow.n_buy, flow.n_sell,
        flow.imbalance, flow.avg_buy_lots, flow.avg_sell_lots,
    )  # fmt: skip
    yield "- one thread: loads alone", cpu_s(lambda: [_read(column) for column in columns])
    yield (
        "- one thread: stores of rolling alone",
        cpu_s(lambda: _write_columns(out, flow.is_warm), 3),
    )
    small = tuple(column[:256].copy() for column in out)
    rows, sums, warm = (ends, t.ts_event_ns - WINDOW_NS), np.empty((4, 256), np.int64), np.empty(256, np.bool_)  # fmt: skip
    for name, which in (("window sums, no division", 1), ("whole kernel", 2)):
        yield (
            f"- one thread, results in the cache: {name}",
            cpu_s(lambda which=which: _sums_in_cache(trades, rows, small, warm, sums, which), 3),
        )
    lots, sizes = (sums[0], sums[1], sums[2]), (small[0], small[4], small[5])
    for name, which in (("quantile, no division", 1), ("whole quantile kernel", 2)):
        yield (
            f"- one thread, results in the cache: {name}",
            cpu_s(
                lambda which=which: _sizes_in_cache(
                    trades, rows, sizes, size_counters(n), lots, which
                ),
                3,
            ),
        )


def _other_parts(market: Market) -> Iterable[tuple[str, float]]:
    t, starts = market.trades, market.session_start_idx
    signs = tick_rule(t.price_ticks)[0]
    yield "tick_rule, new array", best_s(lambda: tick_rule(t.price_ticks))
    yield "tick_rule, out=", best_s(lambda: tick_rule(t.price_ticks, out=signs))
    yield "lee_ready", best_s(lambda: lee_ready_joined(t.ts_event_ns, t.price_ticks, market.quotes))
    index = time_bar_index(t.ts_event_ns, WINDOW_NS)
    yield "bars: index of the times", best_s(lambda: time_bar_index(t.ts_event_ns, WINDOW_NS))
    trades = (t.price_ticks, t.qty_lots, t.sign)
    yield "bars: all columns", best_s(lambda: flow_bars(*trades, index, session_start_idx=starts))
    yield "profile", best_s(lambda: volume_profile(*trades, ticks_per_row=1))
    low, high = int(t.price_ticks.min()), int(t.price_ticks.max()) + 1
    ladder = np.zeros((2, 4 * (high - low)), np.int64)
    yield "- one thread: kernel", cpu_s(lambda: _range_lots_nb(*trades, (low, high), ladder))
    yield "- one thread: its checks alone", cpu_s(lambda: _checks_of_profile(*trades))
    yield "- one thread: loads alone", cpu_s(lambda: [_read(column) for column in trades])


if __name__ == "__main__":
    main()
