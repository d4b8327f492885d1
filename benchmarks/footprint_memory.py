"""Print the peak memory of training on some stored days and on ten times as many.

    python -m benchmarks.footprint_memory [--days 2] [--trades 60000]

``stream`` trains from `footprint_days`; ``rung`` is the ladder's own way, the rows of `with_windows` and
`fit_network`, once with a single feature and once with as many as the product's rungs read. Each training
runs in a process of its own, which opens a store that holds just its days, for two epochs. Its peak is
that of the whole process, engine and libraries included.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.footprint_days import BAR_CLOCK, FIRST_DAY, TASK, day_rows, publish_days
from models.config import LadderConfig, NetworkConfig
from models.datasets import Dataset
from orderflow_core.features import ALL_FEATURES
from orderflow_core.instrument import Instrument

SYMBOL, EPOCHS, NS_PER_S = "MEMORY", 2, 1_000_000_000
CONFIG = LadderConfig(network=NetworkConfig(max_epochs=EPOCHS, patience=EPOCHS, room=1_024))
# Decisions seen, seconds, MB of what is kept of the days, MB before and at most.
Measured = tuple[int, float, str, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--days", type=int, default=2, help="and ten times as many")
    parser.add_argument("--trades", type=int, default=60_000, help="of a day")
    arguments = parser.parse_args()
    print("| way | features | days | decisions seen | seconds | MB kept | MB before | MB at most |")
    print("|---|---|---|---|---|---|---|---|")
    for n_days in (arguments.days, 10 * arguments.days):
        with TemporaryDirectory() as folder:
            _alone(_publish, folder, n_days, arguments.trades)
            for way, n_features in (("stream", 0), ("rung", 1), ("rung", len(ALL_FEATURES))):
                work = _stream if way == "stream" else _rung
                seen, seconds, kept, before, peak = _alone(work, folder, n_days, n_features)
                print(
                    f"| {way} | {n_features} | {n_days} | {seen:,} | {seconds:.0f} | {kept} "
                    f"| {before:.0f} | {peak:.0f} |",
                    flush=True,
                )


def _alone(work, *terms):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *terms).result()


def _publish(folder: str, n_days: int, n_trades: int) -> None:
    from orchestration.storage.store import Store

    with Store.open(path=Path(folder)) as store:
        publish_days(store, SYMBOL, n_days, n_trades)


def _stream(folder: str, n_days: int, _n_features: int) -> Measured:
    from models.footprint_dataset import held_out
    from models.footprint_net import FootprintNet, NetConfig
    from models.footprint_train import train_network
    from orchestration.footprint_batches import footprint_days
    from orchestration.storage.store import Store

    instrument, days = _instrument(), _days(n_days)
    with Store.open(path=Path(folder)) as store:
        source = footprint_days(
            store, instrument, days, tasks={"direction": TASK}, bar_clock=BAR_CLOCK,
            snapshot=store.snapshot(),
        )  # fmt: skip
        last_day_ns = instrument.trading_day_window(days[-1])[0]
        fit, held = held_out(source, last_day_ns, embargo_ns=NS_PER_S)
        # The libraries are there before it is looked at: only days are to count.
        seen = sum(len(piece) for piece in source.pieces())
        before, start = _status_mb("VmRSS"), time.perf_counter()
        train_network(lambda: FootprintNet(NetConfig()), fit, held, CONFIG.network, seed=0)
        return EPOCHS * seen, time.perf_counter() - start, "-", before, _status_mb("VmHWM")


def _rung(folder: str, n_days: int, n_features: int) -> Measured:
    from models.footprint_rung import fit_network
    from models.rung import Training
    from models.tasks import Task
    from orchestration.footprint_batches import with_windows
    from orchestration.storage.store import Store

    instrument, days = _instrument(), _days(n_days)
    with Store.open(path=Path(folder)) as store:
        snapshot = store.snapshot()

        def rows(chosen: list[date]) -> Dataset:
            return with_windows(
                day_rows(store, SYMBOL, chosen, n_features, snapshot), store, instrument,
                bar_clock=BAR_CLOCK, snapshot=snapshot,
            )  # fmt: skip

        rows(days[:1]).take(slice(0, 512)).windows.read()
        before, start = _status_mb("VmRSS"), time.perf_counter()
        found = rows(days)
        fit_network(
            Training(task=Task(TASK), rows=found, embargo_ns=NS_PER_S, config=CONFIG, seed=0)
        )
        seconds, peak = time.perf_counter() - start, _status_mb("VmHWM")
        return EPOCHS * len(found), seconds, _kept(found), before, peak


def _kept(rows: Dataset) -> str:
    cells = [footprint.cells for footprint in rows.windows.footprints]
    n_bytes = sum(getattr(day, field.name).nbytes for day in cells for field in fields(day))
    return f"{n_bytes / 2**20:.1f} of cells, {rows.features.nbytes / 2**20:.1f} of features"


def _days(n_days: int) -> list[date]:
    return [FIRST_DAY + timedelta(days=k) for k in range(n_days)]


def _instrument() -> Instrument:
    from orchestration.instruments import load_instruments

    return replace(load_instruments()["BTCUSDT"], symbol=SYMBOL)


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
