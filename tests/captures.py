"""Recorded-looking Binance USD-M frames of a market that we made, for tests end to end."""

import gzip
import json
from pathlib import Path

import numpy as np

DAY_START_MS = 1_723_075_200_000  # 2024-08-08 00:00 UTC


def write_capture(path: Path, *, n_trades: int = 3000, seed: int = 1, day: int = 0) -> Path:
    """Write a gzip of bookTicker and trade frames: each trade hits the quote strictly before it."""
    rng = np.random.default_rng(seed)
    gap_ms = rng.exponential(900, n_trades).astype(int) + 20
    time_ms = DAY_START_MS + day * 86_400_000 + np.cumsum(gap_ms)
    sign = np.where(rng.random(n_trades) < 0.5, 1, -1)
    drift = np.repeat(rng.choice([-1, 0, 1], n_trades // 50 + 1), 50)[:n_trades]
    # Flow leads the price: what the ladder of models can learn.
    sign = np.where(rng.random(n_trades) < 0.35 * np.abs(drift), drift, sign)
    bid = 600_000 + np.cumsum(rng.choice([-1, 0, 0, 1], n_trades) + drift * (rng.random(n_trades) < 0.3))
    with gzip.open(path, "wt", encoding="ascii") as out:
        for i in range(n_trades):
            t = int(time_ms[i])
            quote = {"e": "bookTicker", "u": 10 * i + 1, "s": "BTCUSDT", "b": f"{bid[i] / 10:.2f}",
                     "B": f"{1 + i % 7}.000", "a": f"{(bid[i] + 1) / 10:.2f}", "A": f"{1 + i % 5}.000",
                     "T": t - 5, "E": t - 4}  # fmt: skip
            price = bid[i] + (sign[i] > 0)
            trade = {"e": "trade", "E": t + 1, "T": t, "s": "BTCUSDT", "t": 1000 + i,
                     "p": f"{price / 10:.2f}", "q": f"{0.001 * (1 + i % 40):.3f}", "X": "MARKET",
                     "m": bool(sign[i] < 0)}  # fmt: skip
            for offset, stream, data in ((-4, "bookTicker", quote), (2, "trade", trade)):
                frame = {"stream": f"btcusdt@{stream}", "data": data}
                out.write(f"{(t + offset) * 1_000_000} {json.dumps(frame, separators=(',', ':'))}\n")
    return path
