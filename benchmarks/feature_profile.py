"""What the feature matrix spends its time on, step by step, and what polars does for its columns.

python -m benchmarks.feature_profile                  2,000,000 trades
python -m benchmarks.feature_profile --rows 5000000
python -m benchmarks.feature_profile --stream         a quarter of the rows and all, in blocks: peak memory

CPU time of the process, the least of some runs, so that what else runs on the machine counts little.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.data import make_market
from benchmarks.items import features as core_item
from benchmarks.items import features_whole
from benchmarks.items.features_whole import SETTINGS, arguments
from benchmarks.peers import polars_frame
from benchmarks.timing import with_peak_mb
from orderflow_core import core_features, further_features, trade_tier
from orderflow_core.decision_clocks import next_sweep_decisions
from orderflow_core.feature_input import checked_chunk
from orderflow_core.feature_state import new_state
from orderflow_core.feature_stream import feature_blocks
from orderflow_core.features import ALL_NAMES, NAMES, decision_features

RUNS = 5
N_POLARS_CORE, N_POLARS_WHOLE = 24, 30


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--stream", action="store_true", help="in blocks: peak of memory")
    chosen = parser.parse_args()
    decision_features(**arguments(make_market(5_000)))  # compiles
    if chosen.stream:
        _stream(chosen.rows)
    else:
        _steps(chosen.rows)
        _against_polars(chosen.rows)


def least(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the least CPU and wall seconds of some runs."""
    cpu, wall = [], []
    for _ in range(RUNS):
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return min(cpu), min(wall)


def _steps(n: int) -> None:
    given = arguments(make_market(n))
    arrays = [given[name] for name in ("trades", "sweep", "at_trade")]
    starts = (given["session_start_idx"], given["gap_idx"])

    def fresh(is_whole: bool = True) -> Any:
        return new_state(is_whole=is_whole)

    def checked() -> Any:
        return checked_chunk(*arrays, *starts, given["ofi"], fresh().clock.last)

    chunk = checked()
    times = (chunk.ts, chunk.trade_id, chunk.sweep)
    due = next_sweep_decisions(fresh().clock, times, chunk.starts, True)
    values = np.zeros((len(ALL_NAMES), len(due)))

    def windows(is_whole: bool) -> None:
        for task in core_features.window_tasks(fresh(is_whole), chunk, due, values):
            task()

    def further(k: int) -> None:
        further_features.further_tasks(chunk, due, values, SETTINGS)[k]()

    steps: list[tuple[str, int, Callable[[], Any]]] = [
        ("checks of order and domain", 0, checked),
        (
            "sweep clock",
            0,
            lambda: next_sweep_decisions(fresh().clock, times, chunk.starts, True),
        ),
        (
            "session sums, sweep, touch",
            13,
            lambda: core_features.fill_running(fresh(), chunk, due.end_idx, values),
        ),
        ("windows and quantile, core", 13, lambda: windows(False)),
        ("windows and quantile, all", 18, lambda: windows(True)),
        ("tape, costs, large sweeps", 10, lambda: further(1)),
        ("closed bars", 24, lambda: further(0)),
        ("signals", 3, lambda: trade_tier.fill_signals(values, SETTINGS)),
        ("fresh pages of all columns", 68, lambda: np.empty_like(values).fill(0.0)),
        ("written pages of all columns", 68, lambda: values.fill(0.0)),
    ]
    print(f"\n{n:,} trades, {len(due):,} rows\n\n| step | columns | CPU ns a trade | MB written |")
    print("|---|---|---|---|")
    for name, n_columns, work in steps:
        cpu, _ = least(work)
        print(
            f"| {name} | {n_columns} | {cpu / n * 1e9:.1f} | {8e-6 * n_columns * len(due):,.0f} |"
        )


def _against_polars(n: int) -> None:
    market = make_market(n)
    given = arguments(market)
    core = {name: given[name] for name in given if name not in ("settings", "ofi")}
    frame = polars_frame(features_whole.all_columns(market), in_order_of="ts_ns")
    out = np.zeros((len(ALL_NAMES), n + 1))
    contestants: list[tuple[str, int, Callable[[], Any]]] = [
        ("orderflow, core", len(NAMES), lambda: decision_features(**core)),
        ("orderflow, core, out=", len(NAMES), lambda: decision_features(**core, out=out[:26])),
        ("polars, core", N_POLARS_CORE, lambda: core_item.core_decisions(frame)),
        ("orderflow, all", len(ALL_NAMES), lambda: decision_features(**given)),
        ("orderflow, all, out=", len(ALL_NAMES), lambda: decision_features(**given, out=out)),
        ("polars, all that it can", N_POLARS_WHOLE, lambda: features_whole.some_columns(frame)),
    ]
    print("\n| what | columns | M trades/s | M values/s | CPU ns a trade |\n|---|---|---|---|---|")
    for name, n_columns, work in contestants:
        cpu, wall = least(work)
        rates = f"{n / wall / 1e6:.1f} | {n * n_columns / wall / 1e6:.0f} | {cpu / n * 1e9:.0f}"
        print(f"| {name} | {n_columns} | {rates} |")


def _stream(n: int) -> None:
    print("\n| trades | rows | M trades/s | MB above the input | MB of the whole matrix |")
    print("|---|---|---|---|---|")
    for n_trades in (n // 4, n):
        given = arguments(make_market(n_trades))
        start = time.perf_counter()
        n_rows, peak = with_peak_mb(lambda: sum(len(b) for b in feature_blocks(**given)))  # noqa: B023
        rate = n_trades / (time.perf_counter() - start) / 1e6
        whole = 8e-6 * len(ALL_NAMES) * n_rows
        print(f"| {n_trades:,} | {n_rows:,} | {rate:.1f} | {peak:,.0f} | {whole:,.0f} |")


if __name__ == "__main__":
    main()
