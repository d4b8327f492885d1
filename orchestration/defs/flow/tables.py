"""Bars, footprint and volume profile of one symbol-day, from its classified trades."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from orchestration.arrays import (
    bar_columns,
    column,
    constant,
    gap_positions,
    table_of,
    trade_arrays,
)
from orchestration.quote_proxy import named_clock
from orderflow_core.bars import time_bar_index
from orderflow_core.flow_bars import flow_bars
from orderflow_core.footprint import FootprintCells, footprint
from orderflow_core.imbalance import imbalance_by_rule
from orderflow_core.imbalance_presets import ATAS_STACKED_IMBALANCE, ImbalanceRule
from orderflow_core.profile import volume_profile
from orderflow_core.types import BarIndex

_NS_PER_S = 1_000_000_000

STACKED_MIN_LEVELS = 3


def imbalance_rule(min_lots: int) -> ImbalanceRule:
    """Return the rule of the stored imbalances.

    ATAS "Stacked Imbalance", but for two things: its volume filter (above 30 contracts) is a
    setting, as a lot is not the same everywhere, and neighbours are neighbours by price.
    """
    return replace(ATAS_STACKED_IMBALANCE.rule(), min_lots=min_lots, gap_policy="zero")


def bar_index(ts_event_ns: np.ndarray, bar_seconds: int) -> BarIndex:
    """Return the time bars of the day's trades."""
    return time_bar_index(ts_event_ns, bar_seconds * _NS_PER_S)


def bars(
    classified: pa.Table,
    gaps: pa.Table,
    *,
    clock: str,
    bar_seconds: int,
    quote_proxy: bool = False,
) -> pa.Table:
    """Return ``flow.bars``: OHLCV, delta with its extremes, CVD candle and VWAP of each bar.

    CVD and VWAP start from nothing at the session's start and after each recorded gap, as the
    features do, each at the first trade after the gap. Where that trade lies inside a bar, the
    bar's CVD candle spans both runs: it opens in the one before and closes in the one after.
    Rows made of quotes are refused unless ``quote_proxy`` asks for them; their clock carries the word.
    """
    trades = trade_arrays(classified, quote_proxy=quote_proxy)
    index = bar_index(trades.ts_event_ns, bar_seconds)
    starts = np.concatenate([np.zeros(min(1, len(trades)), np.int64), gap_positions(trades, gaps)])
    made = flow_bars(
        trades.price_ticks, trades.qty_lots, trades.sign, index, session_start_idx=starts
    )
    flows = {name: array for name, array in table_of(made).items() if name != "bars"}
    return pa.table(
        {"clock": constant(named_clock(clock, classified), len(index))}
        | bar_columns(index)
        | table_of(made.bars)
        | flows
    )


def footprint_cells(
    classified: pa.Table,
    *,
    clock: str,
    bar_seconds: int,
    ticks_per_row: int,
    min_lots: int,
    quote_proxy: bool = False,
) -> pa.Table:
    """Return ``flow.footprint``: volume at bid and ask of each bar and row, imbalances marked.

    Rows made of quotes are refused unless ``quote_proxy`` asks for them; their clock carries the word.
    """
    trades = trade_arrays(classified, quote_proxy=quote_proxy)
    index = bar_index(trades.ts_event_ns, bar_seconds)
    cells = footprint(
        trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=ticks_per_row
    )
    is_buy, is_sell = imbalance_by_rule(
        cells, imbalance_rule(min_lots), ticks_per_row=ticks_per_row
    )
    n = len(cells.bar_id)
    t0 = index.t0_ns[np.searchsorted(index.bar_id, cells.bar_id)]
    return pa.table(
        {
            "clock": constant(named_clock(clock, classified), n),
            "t0_ns": t0,
            "ticks_per_row": np.full(n, ticks_per_row),
        }
        | table_of(cells)
        | {"is_buy_imbalance": is_buy.astype(np.int8), "is_sell_imbalance": is_sell.astype(np.int8)}
    )


def profile_rows(classified: pa.Table, *, ticks_per_row: int) -> pa.Table:
    """Return ``flow.volume_profile``: the day's volume by price row."""
    trades = trade_arrays(classified)
    rows = volume_profile(
        trades.price_ticks, trades.qty_lots, trades.sign, ticks_per_row=ticks_per_row
    )
    return pa.table(
        table_of(rows) | {"ticks_per_row": np.full(len(rows.price_tick), ticks_per_row)}
    )


def footprint_bundle(cells: pa.Table) -> FootprintCells:
    """Return a stored footprint as the bundle that the core works on."""
    return FootprintCells(
        **{name: column(cells, name) for name in FootprintCells.__dataclass_fields__}
    )
