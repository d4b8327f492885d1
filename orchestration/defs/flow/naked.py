"""Naked points of control in ``flow.events``: those of earlier days that no later day traded."""

from itertools import takewhile

import numpy as np
import pyarrow as pa

from orchestration.arrays import column
from orchestration.defs.flow.event_rows import event_rows
from orderflow_core.naked_pocs import covering_session, first_cover
from orderflow_core.types import Int64
from orderflow_core.value_area import value_area

NAKED_DAYS = 20  # published days that are looked back on


def naked_poc_events(
    earlier: pa.Table, bars: pa.Table, *, ticks_per_row: int, day_start_ns: int
) -> list[pa.Table]:
    """Return ``naked_poc`` at the day's start and ``naked_poc_covered`` at bars' closes.

    Parameters
    ----------
    earlier : pyarrow.Table
        ``flow.volume_profile`` of the published days before, with their ``trading_day``.
    bars : pyarrow.Table
        ``flow.bars`` of the day.
    ticks_per_row : int
        Row height of the day. A day of another height ends what is looked back on: rows of two
        heights are not the same rows.
    day_start_ns : int
        Begin of the trading day, at which all earlier sessions are over.
    """
    sessions = _sessions(earlier, ticks_per_row)
    poc, lots, low, high = sessions.T
    age = len(poc) - np.arange(len(poc))
    rows = np.flatnonzero(covering_session(poc, high, low, ticks_per_row=ticks_per_row) < 0)
    at = first_cover(
        poc[rows],
        column(bars, "high_ticks"),
        column(bars, "low_ticks"),
        ticks_per_row=ticks_per_row,
    )
    is_covered = at >= 0
    gone, covering = rows[is_covered], at[is_covered]
    return [
        event_rows(
            "naked_poc", ts_event_ns=np.full(len(rows), day_start_ns), price_tick=poc[rows],
            qty_lots=lots[rows], value=age[rows].astype(np.float64),
        ),
        event_rows(
            "naked_poc_covered", ts_event_ns=column(bars, "t1_ns")[covering],
            bar_id=column(bars, "bar_id")[covering], price_tick=poc[gone], qty_lots=lots[gone],
            value=age[gone].astype(np.float64),
        ),
    ]  # fmt: skip


def _sessions(earlier: pa.Table, ticks_per_row: int) -> Int64:
    # A row (POC, its lots, lowest and highest row) a day, oldest first, as long as heights are ours.
    days = earlier["trading_day"].to_numpy(zero_copy_only=False)
    profiles = [earlier.filter(pa.array(days == day)) for day in np.unique(days)[::-1]]
    ours = takewhile(lambda rows: rows["ticks_per_row"][0].as_py() == ticks_per_row, profiles)
    found = [_session(rows, ticks_per_row) for rows in ours]
    return np.array(found[::-1], np.int64).reshape(-1, 4)


def _session(profile: pa.Table, ticks_per_row: int) -> tuple[int, int, int, int]:
    tick = column(profile, "price_tick")
    lots = sum(column(profile, name) for name in ("bid_lots", "ask_lots", "unsigned_lots"))
    poc = value_area(tick, lots, ticks_per_row=ticks_per_row).poc_tick
    return poc, int(lots[np.searchsorted(tick, poc)]), int(tick.min()), int(tick.max())
