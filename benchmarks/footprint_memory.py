"""Print the peak memory of training on some stored days and on ten times as many.

    python -m benchmarks.footprint_memory [--days 2] [--trades 60000]

Each training runs in a process of its own, which opens a store that holds just its days, and reads them
anew in each of two epochs. Its peak is that of the whole process, engine and libraries included.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.footprint_days import BAR_CLOCK, FIRST_DAY, TASK, publish_days

SYMBOL, EPOCHS = "MEMORY", 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--days", type=int, default=2, help="and ten times as many")
    parser.add_argument("--trades", type=int, default=60_000, help="of a day")
    arguments = parser.parse_args()
    print("| days | decisions seen | seconds | MB before training | MB at most |")
    print("|---|---|---|---|---|")
    for n_days in (arguments.days, 10 * arguments.days):
        with TemporaryDirectory() as folder:
            _alone(_publish, folder, n_days, arguments.trades)
            seen, seconds, before, peak = _alone(_train, folder, n_days)
        print(f"| {n_days} | {seen:,} | {seconds:.0f} | {before:.0f} | {peak:.0f} |", flush=True)


def _alone(work, *terms):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *terms).result()


def _publish(folder: str, n_days: int, n_trades: int) -> None:
    from orchestration.storage.store import Store

    with Store.open(path=Path(folder)) as store:
        publish_days(store, SYMBOL, n_days, n_trades)


def _train(folder: str, n_days: int) -> tuple[int, float, float, float]:
    from models.config import NetworkConfig
    from models.footprint_dataset import held_out
    from models.footprint_net import FootprintNet, NetConfig
    from models.footprint_train import train_network
    from orchestration.footprint_batches import footprint_days
    from orchestration.instruments import load_instruments
    from orchestration.storage.store import Store

    instrument = replace(load_instruments()["BTCUSDT"], symbol=SYMBOL)
    days: list[date] = [FIRST_DAY + timedelta(days=k) for k in range(n_days)]
    with Store.open(path=Path(folder)) as store:
        source = footprint_days(
            store, instrument, days, tasks={"direction": TASK}, bar_clock=BAR_CLOCK,
            snapshot=store.snapshot(),
        )  # fmt: skip
        last_day_ns = instrument.trading_day_window(days[-1])[0]
        fit, held = held_out(source, last_day_ns, embargo_ns=1_000_000_000)
        # The libraries and a first step are there before it is looked at: only days are to count.
        config = NetworkConfig(max_epochs=EPOCHS, patience=EPOCHS, room=1_024)
        seen = sum(len(piece) for piece in source.pieces())
        before, start = _status_mb("VmRSS"), time.perf_counter()
        train_network(lambda: FootprintNet(NetConfig()), fit, held, config, seed=0)
        return EPOCHS * seen, time.perf_counter() - start, before, _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
