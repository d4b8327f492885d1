"""A store of any size: one synthetic day, published as the pipeline publishes, replicated in the engine.

The day is a `make_market` of ``DAY_TRADES`` trades, stretched over 24 hours. Its trades, bars, footprint,
profile, features and newest features go through `Store.publish`; further days are its rows, by INSERT
SELECT, with days, times, ids and generations shifted. The manifest gets a row a day and table like
any other day's, but for the hash, which is the first day's: ``verify(deep=True)`` would object.
"""

# ruff: noqa: S608  identifiers come from the tables' own definitions

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from benchmarks.data import DAY_NS, make_market
from orchestration.arrays import constant
from orchestration.defs.features.tables import feature_settings, features
from orchestration.defs.flow.tables import bars, footprint_cells, profile_rows
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.pages import connection_of
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES, table_named
from orderflow_core.sweeps import assign_sweeps

SYMBOL = "BENCH"
FIRST_DAY = date(2020, 1, 1)
DAY_TRADES = 2_000_000
ROW_TICKS = 1
CLOCK, BAR_SECONDS = "time:60s", 60
DAYS_A_PART = 4
# What a day's shift moves.
_TIMES = ("ts_event_ns", "t0_ns", "t1_ns")
_IDS = {"trade_id": 2 * DAY_TRADES, "sweep": 2 * DAY_TRADES}


def one_day(n_trades: int = DAY_TRADES) -> dict[str, pa.Table]:
    """Return the tables of the first day."""
    trades = make_market(n_trades).trades
    ts, first = trades.ts_event_ns, trades.ts_event_ns[0]
    share = (ts - first).astype(float) / max(float(ts[-1] - first), 1.0)
    start = (FIRST_DAY - date(1970, 1, 1)).days * DAY_NS
    ts = start + (share * (DAY_NS - 1_000_000_000)).astype(np.int64) // 1_000_000 * 1_000_000
    sweep = assign_sweeps(ts, trades.trade_id, trades.price_ticks, trades.sign, max_id_step=1)
    zero = np.zeros(n_trades, np.int64)
    classified = pa.table(
        {
            "ts_event_ns": ts, "trade_id": trades.trade_id, "price_ticks": trades.price_ticks,
            "qty_lots": trades.qty_lots, "sign": trades.sign, "rule": constant("native", n_trades),
            "sweep": sweep, "bid_ticks": zero, "ask_ticks": zero, "bid_lots": zero,
            "ask_lots": zero, "has_quote": zero.astype(np.int8),
        }
    )  # fmt: skip
    gaps, quotes = (
        TABLES[name].arrow_schema().empty_table() for name in ("raw.gaps", "raw.quotes")
    )
    settings = feature_settings(
        row_ticks=ROW_TICKS, min_lots=10, bar_seconds=BAR_SECONDS, bucket_lots=100_000
    )
    return {
        "flow.classified_trades": classified,
        "flow.bars": bars(classified, gaps, clock=CLOCK, bar_seconds=BAR_SECONDS),
        "flow.footprint": footprint_cells(
            classified, clock=CLOCK, bar_seconds=BAR_SECONDS, ticks_per_row=ROW_TICKS, min_lots=10
        ),
        "flow.volume_profile": profile_rows(classified, ticks_per_row=ROW_TICKS),
        "research.features": features(classified, gaps, quotes, settings=settings),
    }


def publish_first_day(store: Store, n_trades: int = DAY_TRADES) -> list[ManifestRow]:
    """Publish the first day and return its manifest rows."""
    with store.publish(SYMBOL, FIRST_DAY, run_id="bench", code_version="1") as publication:
        for name, rows in one_day(n_trades).items():
            publication.write(name, rows)
        return publication.commit()


def replicate(store: Store, days: range, tables: Iterable[str]) -> float:
    """Store the first day's rows of some tables again as each of ``days``; return the seconds.

    Parameters
    ----------
    days : range
        Days after the first one; several go into one part, as merges would bring them together.
    """
    started = time.perf_counter()
    chosen = set(tables)
    first = [row for row in store.published(symbol=SYMBOL, day=FIRST_DAY) if row.table in chosen]
    connection = connection_of(store._engine)
    manifest = store._engine.manifest
    for part in _parts(days):
        for row in first:
            connection.command(_shifted_insert(row, part))
        shifted = [_shifted_row(row, k, manifest.last_seq() + 1) for k in part for row in first]
        if not manifest.append(shifted):
            raise RuntimeError("another process publishes into the store of the benchmark")
    return time.perf_counter() - started


def settle(store: Store) -> None:
    """Wait until the engine merges nothing more."""
    while store.query("SELECT count() AS n FROM system.merges")["n"][0].as_py():
        time.sleep(1)


def _parts(days: range) -> list[range]:
    # Of few days, and of one month, as the tables are partitioned.
    parts: list[range] = []
    for day in days:
        month = (FIRST_DAY + timedelta(days=day)).replace(day=1)
        last = parts[-1] if parts else None
        is_new = last is None or len(last) == DAYS_A_PART
        if is_new or (FIRST_DAY + timedelta(days=last.start)).replace(day=1) != month:
            parts.append(range(day, day + 1))
        else:
            parts[-1] = range(last.start, day + 1)
    return parts


def _shifted_row(row: ManifestRow, shift: int, seq: int) -> ManifestRow:
    return replace(
        row,
        seq=seq,
        trading_day=row.trading_day + timedelta(days=shift),
        generation=row.generation + shift,
    )


def _shifted_insert(row: ManifestRow, days: range) -> str:
    table, names = table_named(row.table), table_named(row.table).column_names()
    columns = ", ".join(f"`{name}`" for name in names)
    selects = [
        f"SELECT {', '.join(_shifted(name, shift) for name in names)} FROM {table.quoted} "
        f"WHERE symbol = '{SYMBOL}' AND trading_day = '{FIRST_DAY}' "
        f"AND generation = {row.generation}"
        for shift in days
    ]
    n_rows = row.rows * len(days) + 1
    return (
        f"INSERT INTO {table.quoted} ({columns}) {' UNION ALL '.join(selects)} "
        f"SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_bytes = 0, "
        f"min_insert_block_size_rows = {n_rows}, max_insert_block_size = {n_rows}"
    )


def _shifted(name: str, shift: int) -> str:
    steps = {"trading_day": 1, "generation": 1, **_IDS, **dict.fromkeys(_TIMES, DAY_NS)}
    steps["bar_id"] = DAY_NS // (BAR_SECONDS * 1_000_000_000)
    return f"`{name}` + {shift * steps[name]}" if name in steps else f"`{name}`"
