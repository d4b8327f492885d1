"""A small made-up market for chart tests: two trading days of one-minute bars on a 0.25 grid."""

from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts.data import ReportData

STEP = 0.25


def bars(n_days: int = 2, n_bars: int = 40, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = [_day(day, n_bars, rng) for day in range(n_days)]
    return pd.concat(days, ignore_index=True)


def _day(day: int, n: int, rng: np.random.Generator) -> pd.DataFrame:
    start = pd.Timestamp("2024-03-04 14:30", tz="UTC") + pd.Timedelta(days=day)
    close = 100 + STEP * np.cumsum(rng.integers(-2, 3, n))
    opened = np.concatenate([[100.0], close[:-1]])
    buy, sell, unsigned = (rng.integers(1, 40, n).astype(float) for _ in range(3))
    delta = buy - sell
    cvd = np.cumsum(delta)
    least, most = np.minimum(0, delta) - 3, np.maximum(0, delta) + 2
    return pd.DataFrame(
        {
            "t0": start + pd.to_timedelta(np.arange(n), unit="min"),
            "trading_day": (start + pd.Timedelta(hours=1)).date(),
            "open": opened, "high": np.maximum(opened, close) + STEP,
            "low": np.minimum(opened, close) - STEP, "close": close,
            "volume": buy + sell + unsigned, "buy": buy, "sell": sell, "unsigned": unsigned,
            "delta": delta, "min_delta": least, "max_delta": most, "cvd_open": cvd - delta,
            "cvd_high": cvd - delta + most, "cvd_low": cvd - delta + least, "cvd_close": cvd,
            "vwap": close + 0.1, "vwap_sd": np.linspace(0, 1, n),
        }
    )  # fmt: skip


def footprint(frame: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cells = []
    for bar in frame.itertuples():
        for price in np.arange(bar.low, bar.high + STEP / 2, STEP):
            bid, ask, unsigned = rng.integers(0, 1500, 3)
            cells.append((bar.t0, price, bid, ask, unsigned // 1000, bid > 1200, ask > 1200))
    columns = ["t0", "price", "bid", "ask", "unsigned", "is_buy_imbalance", "is_sell_imbalance"]
    return pd.DataFrame(cells, columns=columns)


def profile(frame: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for day, rows in frame.groupby("trading_day"):
        price = np.arange(rows["low"].min(), rows["high"].max() + STEP / 2, STEP)
        sizes = {name: rng.integers(1, 900, len(price)) for name in ("bid", "ask", "unsigned")}
        parts.append(pd.DataFrame({"trading_day": day, "price": price} | sizes))
    return pd.concat(parts, ignore_index=True)


def equity(n: int = 500, *, band: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    t = pd.date_range("2024-03-04 14:30", periods=n, freq="10s", tz="UTC")
    walk = np.cumsum(rng.normal(size=n))
    frame = pd.DataFrame(
        {"t": t, "equity": walk, "benchmark": walk[::-1], "position": rng.integers(-1, 2, n)}
    )
    return frame.assign(null_low=-5.0, null_high=5.0) if band else frame


def score(rung: str = "linear", **changed: Any) -> dict[str, Any]:
    record = {
        "task": "direction_200", "rung": rung, "metric": "log_loss", "value": 1.05, "low": 1.04,
        "high": 1.06, "n": 12345, "base": 1.0986, "beats_below": "yes, against naive: -0.01",
    }  # fmt: skip
    return record | changed


def report(**changed: Any) -> ReportData:
    frame = bars()
    days = sorted(frame["trading_day"].unique())
    fields: dict[str, Any] = {
        "symbol": "TEST", "title": "Order-flow report", "period": "two days", "bars": frame,
        "footprint": footprint(frame), "profile": profile(frame),
        "levels": dict.fromkeys(days, (100.0, 99.5, 100.75)), "row_size": STEP,
        "tick_size": STEP, "scores": [score("naive", beats_below=""), score()],
        "champion": ["direction_200: champion is version 3"], "equity": equity(),
        "backtest": {"Net result": "-1,245.00 USD"}, "provenance": {"flow.bars sha256": "ab" * 32},
        "notes": ["No quotes: no claim about mids is made."], "bar_label": "60 s",
        "quote_currency": "USD", "size_unit": "contracts",
        "calibration": pd.DataFrame(
            {"task": "up", "rung": "linear", "predicted": [0.2, 0.6], "observed": [0.25, 0.5],
             "n": [10, 30]}
        ),
    }  # fmt: skip
    return ReportData(**(fields | changed))


def empty_report() -> ReportData:
    nothing = pd.DataFrame()
    return report(
        bars=nothing, footprint=nothing, profile=nothing, equity=nothing, calibration=nothing,
        levels={}, scores=[], champion=[], backtest={}, provenance={}, notes=[],
    )  # fmt: skip
