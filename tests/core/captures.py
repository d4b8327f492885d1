"""Recorded Binance frames as arrays, read by a parser of its own: no code of the product.

Prices are counted in hundredths, sizes in units of 1e-8, times in ns. Trades are ordered by id and
quotes by update id; a record whose time runs back in that order is dropped and counted.
"""

import gzip
import json
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np

FUTURES = (
    "usdm/btcusdt_20230404.dat.gz",
    "usdm/btcusdt_20230405.dat.gz",
    "usdm/btcusdt_20240718.gz",
    "usdm/btcusdt_20240719.gz",
    "usdm/ethusdt_20240718.gz",
    "usdm/ethusdt_20240719.gz",
    "usdm/ethusdt_20240808.gz",
    "cm/btcusd_perp_20240808.gz",
    "cm/btcusd_perp_20240809.gz",
    "cm/ethusd_perp_20240808.gz",
)
SPOT = (
    "spot/btcusdt_20230405.dat.gz",
    "spot/btcusdt_20240808.gz",
    "spot/btcusdt_20240809.gz",
    "spot/ethusdt_20240808.gz",
)
FOLDER = Path("binance_ws/hftbacktest")
MS = 1_000_000


def read_frames(path):
    """Yield the data object of each frame."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            frame = json.loads(line.split(" ", 1)[1])
            if "data" in frame:  # the rest answers the recorder's own requests
                yield frame["data"]


def steps(text, step):
    """Decimal text as a whole number of steps."""
    number = Decimal(text) / Decimal(step)
    assert number == int(number), f"{text} is off the {step} grid"
    return int(number)


def forward_in_time(rows):
    """Rows sorted by their first element (the id) whose second (the time) never runs back."""
    kept, last = [], None
    for row in sorted(rows):
        if last is None or row[1] >= last:
            kept.append(row)
            last = row[1]
    return np.array(kept, np.int64).T, len(rows) - len(kept)


@cache
def read_capture(path):
    """Return trades (id, ts, price, qty, true sign) of market orders, quotes (id, ts, bid, bid
    size, ask, ask size) that carry a time (None without), and how many of each ran back in time.
    """
    trades, quotes = [], []
    for data in read_frames(path):
        if data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
            price, qty = steps(data["p"], "0.01"), steps(data["q"], "0.00000001")
            # The buyer was resting: a sell order made the trade.
            sign = {True: -1, False: 1}[data["m"]]
            trades.append((data["t"], data["T"] * MS, price, qty, sign))
        elif data.get("e") == "bookTicker":
            best = [
                steps(data[name], step)
                for name, step in (
                    ("b", "0.01"),
                    ("B", "0.00000001"),
                    ("a", "0.01"),
                    ("A", "0.00000001"),
                )
            ]
            quotes.append((data["u"], data["T"] * MS, *best))
    trades, n_trades_back = forward_in_time(trades)
    quotes, n_quotes_back = forward_in_time(quotes) if quotes else (None, 0)
    return trades, quotes, n_trades_back, n_quotes_back
