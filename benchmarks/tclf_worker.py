"""tclf's tick rule and Lee-Ready, in the interpreter of an environment of its own.

python tclf_worker.py FOLDER RULE

reads the inputs from FOLDER as .npy files, then answers each line on standard input: ``run`` with
the seconds of wall time, of all cores and the megabytes that one run took, ``save`` once the signs
of the last run are in FOLDER/sign.npy. Nothing of ours is imported.
"""

import gc
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tclf.classical_classifier import ClassicalClassifier

RULES = {"tick": "tick", "lee_ready": "lr"}


def main(folder: Path, rule: str) -> None:
    given = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    sign = np.empty(0, np.int8)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "save":
            np.save(folder / "sign.npy", sign)
            print("saved", flush=True)
            continue
        gc.collect()
        before_kb = reset_peak_kb()
        started, cpu = time.perf_counter(), time.process_time()
        sign = predict(features(given), RULES[rule])
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
        print(seconds, cpu_s, (status_kb("VmHWM") - before_kb) / 1024, flush=True)


def features(given: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return what tclf wants: the last different price, and the quote strictly before the trade."""
    price = pd.Series(given["price_ticks"])
    is_change = price.ne(price.shift())
    frame = pd.DataFrame({"trade_price": price, "price_ex_lag": price.shift().where(is_change)})
    frame["price_ex_lag"] = frame["price_ex_lag"].ffill()
    if "quote_ts_ns" in given:
        trades = pd.DataFrame({"ts_ns": given["ts_ns"]})
        quotes = pd.DataFrame(
            {
                "ts_ns": given["quote_ts_ns"],
                "bid_ex": given["bid_ticks"],
                "ask_ex": given["ask_ticks"],
            }
        )
        met = pd.merge_asof(trades, quotes, on="ts_ns", allow_exact_matches=False)
        frame["bid_ex"], frame["ask_ex"] = met["bid_ex"], met["ask_ex"]
    return frame.astype(np.float64)


def predict(frame: pd.DataFrame, rule: str) -> np.ndarray:
    """Return tclf's signs, 0 where it decides nothing."""
    model = ClassicalClassifier(layers=[(rule, "ex")], strategy="const")
    return model.fit(frame).predict(frame).astype(np.int8)


def reset_peak_kb() -> int:
    """Forget the highest memory so far and return what is held now; 0 where nothing is told."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return 0
    reset.write_text("5")
    return status_kb("VmRSS")


def status_kb(name: str) -> int:
    """Return one figure of this process's memory; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
