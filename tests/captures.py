"""Recorded-looking Binance USD-M frames of a market that we made, for tests end to end."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

DAY_START_MS = 1_723_075_200_000  # 2024-08-08 00:00 UTC
_DAY_MS = 86_400_000
_BLOCK = 50  # trades that share a drift


def capture_lines(
    *, n_trades: int = 3000, seed: int = 1, day: int = 0, symbol: str = "BTCUSDT"
) -> list[str]:
    """Return bookTicker and trade frames: each trade hits the quote strictly before it.

    ``day`` counts from 2024-08-08. Ids run on from the day before when it has as many trades.
    """
    rng = np.random.default_rng(seed)
    time_ms = (
        DAY_START_MS + day * _DAY_MS + np.cumsum(rng.exponential(900, n_trades).astype(int) + 20)
    )
    bid, sign = _market(rng, n_trades)
    lines = []
    for i in range(n_trades):
        lines += _two_frames(symbol, day * n_trades + i, int(time_ms[i]), int(bid[i]), int(sign[i]))
    return lines


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    """Write lines as a recorder does: gzip where the name says so."""
    text = "".join(f"{line}\n" for line in lines).encode("ascii")
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def write_capture(
    path: Path, *, n_trades: int = 3000, seed: int = 1, day: int = 0, symbol: str = "BTCUSDT"
) -> Path:
    """Write the frames of one day to a file; see `capture_lines`."""
    return write_lines(path, capture_lines(n_trades=n_trades, seed=seed, day=day, symbol=symbol))


def _market(rng: np.random.Generator, n_trades: int) -> tuple[np.ndarray, np.ndarray]:
    # Flow leads the price: what the ladder of models can learn.
    sign = np.where(rng.random(n_trades) < 0.5, 1, -1)
    drift = np.repeat(rng.choice([-1, 0, 1], n_trades // _BLOCK + 1), _BLOCK)[:n_trades]
    sign = np.where(rng.random(n_trades) < 0.35 * np.abs(drift), drift, sign)
    steps = rng.choice([-1, 0, 0, 1], n_trades) + drift * (rng.random(n_trades) < 0.3)
    return 600_000 + np.cumsum(steps), sign


def _two_frames(symbol: str, i: int, t: int, bid: int, sign: int) -> list[str]:
    # The quote is stamped 5 ms before the trade that hits it; prices are tenths.
    quote = {
        "e": "bookTicker", "u": 10 * i + 1, "s": symbol, "b": f"{bid / 10:.2f}",
        "B": f"{1 + i % 7}.000", "a": f"{(bid + 1) / 10:.2f}", "A": f"{1 + i % 5}.000",
        "T": t - 5, "E": t - 4,
    }  # fmt: skip
    trade = {
        "e": "trade", "E": t + 1, "T": t, "s": symbol, "t": 1000 + i,
        "p": f"{(bid + (sign > 0)) / 10:.2f}", "q": f"{0.001 * (1 + i % 40):.3f}", "X": "MARKET",
        "m": sign < 0,
    }  # fmt: skip
    return [_line(symbol, t - 4, "bookTicker", quote), _line(symbol, t + 2, "trade", trade)]


def _line(symbol: str, received_ms: int, stream: str, data: dict[str, object]) -> str:
    frame = {"stream": f"{symbol.lower()}@{stream}", "data": data}
    return f"{received_ms * 1_000_000} {json.dumps(frame, separators=(',', ':'))}"
