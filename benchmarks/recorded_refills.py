"""Print how often best prices are refilled on recorded markets, where no truth is known, and on simulated.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.recorded_refills

The setting is the one that benchmarks/detector_scores.py chooses. All times in whole milliseconds.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.detectors import CHOSEN_REFILLS, MS
from benchmarks.simulator_calibration import markets
from orderflow_core.refills import refill_absorption


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    print("| market | minutes | hits | refilled hits | refilled of taken lots | alarms | an hour |")
    print("|---|---|---|---|---|---|---|")
    for name, (trades, quotes, _, _) in markets(Path(data)):
        found = refill_absorption(
            replace(trades, ts_event_ns=trades.ts_event_ns // MS * MS),
            replace(quotes, ts_event_ns=quotes.ts_event_ns // MS * MS),
            np.array([0]), rule=CHOSEN_REFILLS,
        )  # fmt: skip
        hours = float(trades.ts_event_ns[-1] - trades.ts_event_ns[0]) / 3.6e12
        n = int(found.is_onset.sum())
        print(
            f"| {name} | {60 * hours:.0f} | {len(found):,} | {(found.refilled_lots > 0).mean():.3f} | "
            f"{found.refilled_lots.sum() / found.taken_lots.sum():.3f} | {n} | {n / hours:.1f} |"
        )


if __name__ == "__main__":
    main()
