"""Time Orderflow and its peers, side by side, on what both can do.

python -m benchmarks.run                        all items, 5 M and 20 M rows: results.json, .md
python -m benchmarks.run --quick                300,000 rows, 3 runs: printed only
python -m benchmarks.run --items bars features --rows 1000000 --output /tmp/bench
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.contest import OURS, Contestant, agreed_runs
from benchmarks.data import make_market
from benchmarks.items import ITEMS
from benchmarks.report import Result
from benchmarks.timing import copy_bandwidth, measure, timed, with_peak_mb

FOLDER = Path(__file__).resolve().parent
ROWS, RUNS = (5_000_000, 20_000_000), 5
QUICK_ROWS, QUICK_RUNS = (300_000,), 3
WARM_UP_ROWS = 5_000


def main() -> None:
    arguments = _arguments()
    rows, runs = (QUICK_ROWS, QUICK_RUNS) if arguments.quick else (ROWS, RUNS)
    is_whole = not (arguments.quick or arguments.items or arguments.rows)
    folder = arguments.output or (FOLDER if is_whole else None)
    bandwidth = copy_bandwidth()
    results: list[Result] = []
    for n_rows in sorted(arguments.rows or rows):
        for name in arguments.items or ITEMS:
            results += _in_own_process(name, n_rows, runs, bandwidth)
            if folder:  # after each item: a later one may run out of memory
                report.write(folder, results, bandwidth)
    print(report.markdown(results, bandwidth))


def run_item(name: str, n_rows: int, min_runs: int, bandwidth: float) -> list[Result]:
    """Check that all contestants of an item agree, then time them.

    Parameters
    ----------
    name : str
    n_rows, min_runs : int
    bandwidth : float, bytes a second

    Returns
    -------
    list of Result
        Ours first.
    """
    item = ITEMS[name]
    for contestant in item.entered(make_market(WARM_UP_ROWS)):
        contestant.run()  # compiles, starts thread pools
    market = make_market(n_rows)
    contestants = item.entered(market)
    n_bytes = sum(array.nbytes for array in item.inputs(market))
    peaks, first_s = {}, {}

    def observed(contestant: Contestant) -> Any:
        (found, peak), seconds = timed(lambda: with_peak_mb(contestant.run))
        peaks[contestant.name], first_s[contestant.name] = peak, seconds
        return found

    for contestant, columns in agreed_runs(name, contestants, observed):
        if contestant.name == OURS:
            n_bytes += sum(column.nbytes for column in columns.values())
        del columns
    timings = measure(contestants, first_s, min_runs)
    return [
        Result(
            item=name,
            peer=contestant.name,
            rows=n_rows,
            seconds_median=timings[contestant.name].median,
            runs=len(timings[contestant.name].counted),
            peak_mb=peaks[contestant.name],
            is_disturbed=timings[contestant.name].is_disturbed,
            limit_s=n_bytes / bandwidth,
            goal=item.goal,
            work=item.work,
        )
        for contestant in contestants
    ]


def _in_own_process(name: str, n_rows: int, runs: int, bandwidth: float) -> list[Result]:
    # Memory that one item's libraries keep would blur the peaks of the next.
    start = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        results = pool.submit(run_item, name, n_rows, runs, bandwidth).result()
    ours, peer = results[0], report.best_peer(results, results[0])
    against = f"{peer.seconds_median / ours.seconds_median:.1f}x {peer.peer}" if peer else "no peer"
    busy = ", on a busy machine" if any(result.is_disturbed for result in results) else ""
    print(
        f"{name}, {n_rows:,} rows: {n_rows / ours.seconds_median / 1e6:.1f} M rows/s, {against}"
        f"{busy} ({time.perf_counter() - start:.0f} s)",
        file=sys.stderr,
    )
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", help="5,000,000 and 20,000,000 by default")
    parser.add_argument(
        "--items", nargs="+", choices=list(ITEMS), metavar="ITEM", help=", ".join(ITEMS)
    )
    parser.add_argument("--quick", action="store_true", help="300,000 rows, 3 runs")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of results.json and results.md; benchmarks/ by default if everything ran",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
