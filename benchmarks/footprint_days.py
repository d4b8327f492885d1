"""Stored days of one-second bars and their footprints, to train networks on: made up, any number of them."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from benchmarks.data import DAY_NS, START_NS, make_market
from models.datasets import Dataset
from orchestration.arrays import column, constant
from orchestration.defs.flow.tables import bars, footprint_cells
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES

FIRST_DAY = date(2024, 1, 2)
BAR_SECONDS, BAR_CLOCK = 1, "time:1s"
TASK, HORIZON_BARS = "direction_5s", 5
_NS_PER_S = 1_000_000_000


def market_trades(n_trades: int, day: date, seed: int) -> pa.Table:
    """Return a made-up market's trades as ``flow.classified_trades``, from two minutes after midnight."""
    trades = make_market(n_trades, seed).trades
    start = (day - date(1970, 1, 1)).days * DAY_NS + 120 * _NS_PER_S
    zero = np.zeros(n_trades, np.int64)
    return pa.table(
        {
            "ts_event_ns": trades.ts_event_ns - START_NS + start, "trade_id": trades.trade_id,
            "price_ticks": trades.price_ticks, "qty_lots": trades.qty_lots, "sign": trades.sign,
            "rule": constant("native", n_trades), "sweep": trades.trade_id, "bid_ticks": zero,
            "ask_ticks": zero, "bid_lots": zero, "ask_lots": zero,
            "has_quote": zero.astype(np.int8),
        }
    )  # fmt: skip


def day_tables(classified: pa.Table, gaps: pa.Table) -> dict[str, pa.Table]:
    """Return bars, footprint, gaps, and a label at each bar's end: where the close is five bars later."""
    made = bars(classified, gaps, clock=BAR_CLOCK, bar_seconds=BAR_SECONDS)
    cells = footprint_cells(
        classified, clock=BAR_CLOCK, bar_seconds=BAR_SECONDS, ticks_per_row=1, min_lots=10
    )
    close, t1_ns = column(made, "close_ticks"), column(made, "t1_ns")
    n = max(len(close) - HORIZON_BARS, 0)
    zero = np.zeros(n, np.int64)
    labels = pa.table(
        {
            "clock": constant("bar", n), "task": constant(TASK, n), "t0_ns": t1_ns[:n],
            "t1_ns": t1_ns[HORIZON_BARS:], "decision_id": np.arange(n),
            "label": np.sign(close[HORIZON_BARS:] - close[:n]).astype(np.float64),
            "mid_proxy": constant("close", n), "order_sign": zero.astype(np.int8),
            "order_lots": zero,
        }
    )  # fmt: skip
    return {
        "flow.bars": made, "flow.footprint": cells, "research.labels": labels, "raw.gaps": gaps,
    }  # fmt: skip


def publish_days(store: Store, symbol: str, n_days: int, n_trades: int) -> list[date]:
    """Publish so many days, each of a market of its own, and return them."""
    gaps = TABLES["raw.gaps"].arrow_schema().empty_table()
    days = [FIRST_DAY + timedelta(days=k) for k in range(n_days)]
    for k, day in enumerate(days):
        with store.publish(symbol, day, run_id="bench", code_version="1") as publication:
            for name, rows in day_tables(market_trades(n_trades, day, seed=k), gaps).items():
                publication.write(name, rows, unit="file" if name.startswith("raw.") else "")
            publication.commit()
    return days


def day_rows(
    store: Store, symbol: str, days: Sequence[date], n_features: int, snapshot: int
) -> Dataset:
    """Return the labelled rows of published days, with features that say nothing."""
    labels = store.read("research.labels", symbol, days, snapshot=snapshot, where={"task": TASK})
    n = labels.num_rows
    return Dataset(
        features=np.random.default_rng(0).normal(size=(n, n_features)),
        names=tuple(f"feature_{k}" for k in range(n_features)),
        label=column(labels, "label"),
        t0_ns=column(labels, "t0_ns"),
        t1_ns=column(labels, "t1_ns"),
        decision_id=column(labels, "decision_id"),
        trading_day=column(labels, "trading_day").astype("datetime64[D]").astype(np.int64),
    )
