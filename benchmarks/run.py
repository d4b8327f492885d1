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

from benchmarks import report, tclf_peer
from benchmarks.contest import OURS, Contestant, Elsewhere, agreed_runs
from benchmarks.data import make_market
from benchmarks.items import ITEMS
from benchmarks.report import LeftOut, Result
from benchmarks.timing import copy_bandwidth, measure, timed, with_peak_mb

FOLDER = Path(__file__).resolve().parent
ROWS, RUNS = (5_000_000, 20_000_000), 5
QUICK_ROWS, QUICK_RUNS = (300_000,), 3
WARM_UP_ROWS = 5_000
# A peer that would take longer than this for one run is left out, as the report says.
CAP_S = 60.0


def main() -> None:
    arguments = _arguments()
    rows, runs = (QUICK_ROWS, QUICK_RUNS) if arguments.quick else (ROWS, RUNS)
    is_whole = not (arguments.quick or arguments.items or arguments.rows)
    folder = arguments.output or (FOLDER if is_whole else None)
    tclf_peer.install()
    bandwidth = copy_bandwidth()
    results: list[Result] = []
    left_out: list[LeftOut] = []
    done = set()
    for n_asked in sorted(arguments.rows or rows):
        for name in arguments.items or ITEMS:
            n_rows = ITEMS[name].n_rows(n_asked)
            if (name, n_rows) in done:
                continue
            done.add((name, n_rows))
            found = _in_own_process(name, n_rows, runs, bandwidth, too_slow(results, name, n_rows))
            results += found[0]
            left_out += found[1]
            if folder:  # after each item: a later one may run out of memory
                report.write(folder, results, left_out, bandwidth)
    print(report.markdown(results, left_out, bandwidth))


def too_slow(results: list[Result], item: str, n_rows: int) -> dict[str, str]:
    """Return the peers of an item that, by their time on fewer rows, would take over `CAP_S`."""
    reasons = {}
    for result in results:
        expected_s = result.seconds_median / result.rows * n_rows
        if result.item == item and result.peer != OURS and expected_s > CAP_S:
            reasons[result.peer] = (
                f"{result.seconds_median:.0f} s at {result.rows:,} rows, so more than the cap of "
                f"{CAP_S:.0f} s a run"
            )
    return reasons


def run_item(
    name: str, n_rows: int, min_runs: int, bandwidth: float, left_out: dict[str, str]
) -> tuple[list[Result], list[LeftOut]]:
    """Check that all contestants of an item agree, then time them.

    Parameters
    ----------
    name : str
    n_rows, min_runs : int
    bandwidth : float, bytes a second
    left_out : dict of str to str
        Peers that are not to take part, and why.

    Returns
    -------
    results : list of Result
        Ours first.
    left_out : list of LeftOut
    """
    item = ITEMS[name]
    for contestant in item.entered(make_market(WARM_UP_ROWS))[0]:
        contestant.run()  # compiles, starts thread pools
    market = make_market(n_rows)
    contestants, why = item.entered(market, left_out)
    n_bytes = sum(array.nbytes for array in item.inputs(market))
    peaks, first_s = {}, {}

    def observed(contestant: Contestant) -> Any:
        (found, peak), seconds = timed(lambda: with_peak_mb(contestant.run))
        if isinstance(found, Elsewhere):
            peak, seconds = found.peak_mb, found.seconds
        peaks[contestant.name], first_s[contestant.name] = peak, seconds
        return found

    for contestant, columns in agreed_runs(name, contestants, observed):
        if contestant.name == OURS:
            n_bytes += sum(column.nbytes for column in columns.values())
        del columns
    timings = measure(contestants, first_s, min_runs)
    results = [
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
            goal_peer=item.goal_peer,
            limit_goal=item.limit_goal,
            row_goal_us=item.row_goal_us,
            work=item.work,
        )
        for contestant in contestants
    ]
    return results, [LeftOut(item=name, peer=p, rows=n_rows, why=w) for p, w in why.items()]


def _in_own_process(
    name: str, n_rows: int, runs: int, bandwidth: float, left_out: dict[str, str]
) -> tuple[list[Result], list[LeftOut]]:
    # Memory that one item's libraries keep would blur the peaks of the next.
    start = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        results, without = pool.submit(run_item, name, n_rows, runs, bandwidth, left_out).result()
    ours, peer = results[0], report.compared_peer(results, results[0])
    against = (
        f"{report.times(peer.seconds_median / ours.seconds_median)} {peer.peer}"
        if peer
        else "no peer"
    )
    busy = ", on a busy machine" if any(result.is_disturbed for result in results) else ""
    print(
        f"{name}, {n_rows:,} rows: {n_rows / ours.seconds_median / 1e6:.1f} M rows/s, {against}"
        f"{busy} ({time.perf_counter() - start:.0f} s)",
        file=sys.stderr,
    )
    return results, without


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
