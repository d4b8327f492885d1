"""Train the reference and our network on the same recorded windows, and print what each loses and how fast.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.footprint_networks [--windows 6000] [--seeds 2]
        [--picture FILE.png]

XRPUSDT spot, bars of one second, a decision at each bar's end; the label is where the close stands ten bars
later in the same run without a hole: down, flat, up. Windows are taken evenly over the days; the first 60 % are
learned from, the next fifth stops the training, the last fifth is the test; what reaches from one part into
the next is purged. Both networks get the same batches, settings and seeds, in float32 on one thread. The
reference is trained in its fast arrangement, which has the same scores. Below the table stands what ours loses less
what the reference does, decision by decision, as the mean of the seeds, with the block bootstrap's 95 % interval. The
picture explains a prediction.
"""

import argparse
import os
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from benchmarks.footprint_counts import SECOND, xrp_trades
from benchmarks.signal_hit_rates import print_row
from models.bootstrap import estimate, mean_columns, plan_blocks, ratio
from models.calibrate import class_shares
from models.config import NetworkConfig
from models.footprint_batch import HEADS, target_of
from models.footprint_cnn import CNNConfig, FastFootprintCNN
from models.footprint_dataset import FootprintDays, held_out
from models.footprint_net import FootprintNet, NetConfig
from models.footprint_train import Network, Trained, scores, train_network
from models.footprint_windows import DayFootprint, FootprintWindows, days_of_windows
from orchestration.footprint_explain import explanation_png
from orchestration.instruments import load_instruments
from orderflow_core.bars import time_bar_index
from orderflow_core.footprint import footprint
from orderflow_core.footprint_tensor import WindowBars, bar_runs
from orderflow_core.types import Float64, Int64

HORIZON_BARS = 10
CONFIG = NetworkConfig(max_epochs=5, patience=2, room=2_048, learning_rate=2e-3)
NETWORKS = {
    "reference": lambda: FastFootprintCNN(CNNConfig()),
    "ours": lambda: FootprintNet(NetConfig()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--windows", type=int, default=6_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    day = recorded(Path(os.environ["ORDERFLOW_TEST_DATA"]))
    windows, label, t0_ns, t1_ns = decisions(day, arguments.windows)
    source = days_of_windows(windows, target_of("direction", label), t0_ns, t1_ns)
    edges = t0_ns[[int(0.6 * len(label)), int(0.8 * len(label))]]
    before, test = held_out(source, int(edges[1]), embargo_ns=SECOND)
    fit, held = held_out(before, int(edges[0]), embargo_ns=SECOND)
    print(f"{len(label):,} windows; log loss of the shares of the first 60 %: test "
          f"{base_loss(label, t0_ns, edges):.4f}\n")  # fmt: skip
    print_row("network", "seed", "epochs", "best", "held-out loss", "test loss", "samples/s")
    print_row(*("---",) * 7)
    losses: dict[str, list[tuple[Float64, Float64]]] = {name: [] for name in NETWORKS}
    for seed in range(arguments.seeds):
        for name, make in NETWORKS.items():
            found, speed = trained(make, fit, held, seed)
            held_loss, test_loss = row_losses(found.net, held), row_losses(found.net, test)
            losses[name].append((held_loss, test_loss))
            print_row(name, seed, len(found.held_loss), found.best_epoch,
                      f"{held_loss.mean():.4f}", f"{test_loss.mean():.4f}", f"{speed:.0f}")  # fmt: skip
    for part, (what, source) in enumerate({"held out": held, "test": test}.items()):
        mean = {name: np.mean([of[part] for of in each], axis=0) for name, each in losses.items()}
        print(f"\n{what}: ours less the reference {said(mean['ours'] - mean['reference'], source)}")
    if arguments.picture and isinstance(found.net, FootprintNet):
        symbol = replace(load_instruments()["BTCUSDT.SPOT"], symbol="XRPUSDT.SPOT",
                         price_step=Decimal("0.0001"), tick_size=Decimal("0.0001"), lot_step=Decimal("0.1"))  # fmt: skip
        arguments.picture.write_bytes(explanation_png(found.net, day, int(windows.bar[-1]), symbol))


def recorded(folder: Path) -> DayFootprint:
    """Return the footprint of all days, which holes and midnights part."""
    ts, price, lots, sign, is_hole = xrp_trades(folder)
    index = time_bar_index(ts, SECOND)
    before = np.flatnonzero(is_hole)
    parted = {
        "gap_start_ns": ts[before],
        "gap_end_ns": ts[before + 1],
        "session_start_ns": np.unique(ts // (86_400 * SECOND)) * 86_400 * SECOND,
    }
    return DayFootprint(
        cells=footprint(price, lots, sign, index, ticks_per_row=1),
        bars=WindowBars(
            bar_id=index.bar_id,
            close_ticks=price[index.end_idx - 1],
            run=bar_runs(index.t0_ns, index.t1_ns, **parted),
        ),
        t1_ns=index.t1_ns,
        cell_ticks=1,
        ticks_per_row=1,
        **parted,
    )


def decisions(day: DayFootprint, n: int) -> tuple[FootprintWindows, Float64, Int64, Int64]:
    """Return so many windows that have an outcome, evenly spread, with labels and times."""
    bar = day.window_bar(day.t1_ns)
    later = np.minimum(bar + HORIZON_BARS, len(bar) - 1)
    run, close = day.bars.run, day.bars.close_ticks
    usable = np.flatnonzero((bar >= 0) & (run[later] == run[bar]) & (later == bar + HORIZON_BARS))
    usable = usable[np.linspace(0, len(usable) - 1, min(n, len(usable))).astype(np.int64)]
    windows = FootprintWindows(
        footprints=(day,), day=np.zeros(len(usable), np.int64), bar=bar[usable]
    )
    end = windows.bar + HORIZON_BARS
    label = np.sign(close[end] - close[windows.bar]).astype(np.float64)
    return windows, label, day.t1_ns[usable], day.t1_ns[end]


def base_loss(label: Float64, t0_ns: Int64, edges: Int64) -> float:
    """Return the log loss of the fitted part's class shares on the test."""
    shares = class_shares(label[t0_ns < edges[0]])
    outcome = label[t0_ns >= edges[1]].astype(np.int64) + 1
    return float(-np.log(shares[outcome]).mean())


def row_losses(net: Network, source: FootprintDays) -> Float64:
    """Return the cross entropy of each decision, in time order."""
    score = scores(net, source.batches(64), "direction")
    column = HEADS.index("direction")
    outcome = np.concatenate([piece.target[:, column] for piece in source.pieces()])
    shares: Float64 = log_softmax(score, axis=1)
    return -shares[np.arange(len(outcome)), outcome.astype(np.int64) + 1]


def said(difference: Float64, source: FootprintDays) -> str:
    """Return a mean difference with its interval, and on how many blocks that rests."""
    t0_ns, t1_ns = (
        np.concatenate([getattr(p, name) for p in source.pieces()]) for name in ("t0_ns", "t1_ns")
    )
    blocks = plan_blocks(t0_ns, t1_ns)
    found = estimate(mean_columns(difference), ratio, blocks)
    return (
        f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}] on {len(difference):,} decisions, "
        f"{blocks.n_blocks} blocks"
    )


def trained(make, fit: FootprintDays, held: FootprintDays, seed: int) -> tuple[Trained, float]:
    """Return the trained network, and decisions learned from a second, reading and judging included."""
    n_fit = sum(len(piece) for piece in fit.pieces())
    start = time.perf_counter()
    found = train_network(make, fit, held, CONFIG, seed=seed)
    return found, n_fit * len(found.held_loss) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
