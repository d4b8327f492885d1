"""Bars, footprint, volume profile and events of one symbol-day, from its classified trades."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.arrays import (
    bar_columns,
    column,
    constant,
    gap_positions,
    table_of,
    trade_arrays,
)
from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.delta import cvd_candles
from orderflow_core.footprint import FootprintCells, footprint
from orderflow_core.imbalance import diagonal_imbalance, stacked_levels
from orderflow_core.profile import value_area, volume_profile
from orderflow_core.types import BarIndex, TradeArrays
from orderflow_core.vwap import session_vwap

_NS_PER_S = 1_000_000_000

# ATAS "stacked imbalance": 300 %, strictly greater, zero opposite volume counts, neighbours by
# price. Its volume filter (30 contracts) is a setting, as a lot is not the same everywhere.
IMBALANCE = {
    "ratio_num": 3,
    "ratio_den": 1,
    "compare": "gt",
    "zero_opposite": "counts",
    "gap_policy": "zero",
}
STACKED_MIN_LEVELS = 3


def bar_index(classified: pa.Table, bar_seconds: int) -> BarIndex:
    """Return the time bars of the day's trades."""
    return time_bar_index(column(classified, "ts_event_ns"), bar_seconds * _NS_PER_S)


def bars(classified: pa.Table, gaps: pa.Table, *, clock: str, bar_seconds: int) -> pa.Table:
    """Return ``flow.bars``: OHLCV, delta with its extremes, CVD candle and VWAP of each bar.

    CVD and VWAP start from nothing at the session's start and after each recorded gap, as the
    features do, each at the first trade after the gap. Where that trade lies inside a bar, the
    bar's CVD candle spans both runs: it opens in the one before and closes in the one after.
    """
    trades = trade_arrays(classified)
    index = bar_index(classified, bar_seconds)
    made = aggregate_bars(trades.price_ticks, trades.qty_lots, trades.sign, index)
    starts = np.concatenate([np.zeros(min(1, len(trades)), np.int64), gap_positions(trades, gaps)])
    cvd = _cvd_candles(trades, index, starts)
    vwap = session_vwap(trades.price_ticks, trades.qty_lots, starts)
    last = index.end_idx - 1
    return pa.table(
        {"clock": constant(clock, len(index))}
        | bar_columns(index)
        | table_of(made)
        | dict(
            zip(
                ("cvd_open_lots", "cvd_high_lots", "cvd_low_lots", "cvd_close_lots"),
                cvd,
                strict=True,
            )
        )
        | {"vwap_ticks": vwap.vwap_ticks[last], "vwap_sd_ticks": vwap.sd_ticks[last]}
    )


# Bars are cut where the running delta restarts; a bar's candle is that of its pieces together.
def _cvd_candles(
    trades: TradeArrays, index: BarIndex, start_idx: np.ndarray
) -> tuple[np.ndarray, ...]:
    first = np.union1d(index.first_idx, start_idx)
    number = np.arange(len(first))
    pieces = BarIndex(
        bar_id=number,
        t0_ns=number,
        t1_ns=number + 1,
        first_idx=first,
        end_idx=np.r_[first[1:], len(trades)][: len(first)],
    )
    made = aggregate_bars(trades.price_ticks, trades.qty_lots, trades.sign, pieces)
    opened, high, low, close = cvd_candles(made, np.searchsorted(first, start_idx))
    of_bar = np.searchsorted(first, index.first_idx)
    last = np.searchsorted(pieces.end_idx, index.end_idx)
    return (
        opened[of_bar],
        np.maximum.reduceat(high, of_bar) if len(high) else high,
        np.minimum.reduceat(low, of_bar) if len(low) else low,
        close[last],
    )


def footprint_cells(
    classified: pa.Table, *, clock: str, bar_seconds: int, ticks_per_row: int, min_lots: int
) -> pa.Table:
    """Return ``flow.footprint``: volume at bid and ask of each bar and row, imbalances marked."""
    trades = trade_arrays(classified)
    index = bar_index(classified, bar_seconds)
    cells = footprint(
        trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=ticks_per_row
    )
    is_buy, is_sell = diagonal_imbalance(
        cells, ticks_per_row=ticks_per_row, min_lots=min_lots, **IMBALANCE
    )
    n = len(cells.bar_id)
    t0 = index.t0_ns[np.searchsorted(index.bar_id, cells.bar_id)]
    return pa.table(
        {"clock": constant(clock, n), "t0_ns": t0, "ticks_per_row": np.full(n, ticks_per_row)}
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


def events(
    profile: pa.Table, cells: pa.Table, *, session_end_ns: int, bar_seconds: int
) -> pa.Table:
    """Return ``flow.events``: the session's POC and value area, and stacked imbalances.

    Each event stands at the time when it was known: the profile's levels at the session's end, a
    stacked imbalance at its bar's end.
    """
    return pa.concat_tables(
        [_session_levels(profile, session_end_ns), _stacked(cells, bar_seconds)]
    )


_EVENT_SCHEMA = pa.schema(
    [
        ("ts_event_ns", pa.int64()),
        ("kind", pa.string()),
        ("bar_id", pa.int64()),
        ("price_tick", pa.int64()),
        ("sign", pa.int8()),
        ("qty_lots", pa.int64()),
        ("value", pa.float64()),
    ]
)


def _session_levels(profile: pa.Table, session_end_ns: int) -> pa.Table:
    if not profile.num_rows:
        return _EVENT_SCHEMA.empty_table()
    volume = sum(column(profile, name) for name in ("bid_lots", "ask_lots", "unsigned_lots"))
    area = value_area(
        column(profile, "price_tick"), volume, ticks_per_row=profile["ticks_per_row"][0].as_py()
    )
    rows = [
        (session_end_ns, kind, -1, tick, 0, area.volume_lots, area.volume_lots / area.total_lots)
        for kind, tick in (
            ("session_poc", area.poc_tick),
            ("session_vah", area.vah_tick),
            ("session_val", area.val_tick),
        )
    ]
    return pa.table(list(map(list, zip(*rows, strict=True))), schema=_EVENT_SCHEMA)


def _stacked(cells: pa.Table, bar_seconds: int) -> pa.Table:
    if not cells.num_rows:
        return _EVENT_SCHEMA.empty_table()
    flags = [column(cells, f"is_{side}_imbalance").astype(bool) for side in ("buy", "sell")]
    runs = stacked_levels(
        footprint_bundle(cells),
        *flags,
        ticks_per_row=cells["ticks_per_row"][0].as_py(),
        gap_policy=IMBALANCE["gap_policy"],
    )
    sides = (("stacked_buy", 1, "ask_lots"), ("stacked_sell", -1, "bid_lots"))
    return pa.concat_tables(
        [
            _stacked_side(cells, run, bar_seconds, *side)
            for run, side in zip(runs, sides, strict=True)
        ]
    )


def _stacked_side(
    cells: pa.Table, run: np.ndarray, bar_seconds: int, kind: str, sign: int, lots: str
) -> pa.Table:
    is_stacked = run >= STACKED_MIN_LEVELS
    picked = cells.filter(pa.array(is_stacked))
    n = picked.num_rows
    return pa.table(
        {
            "ts_event_ns": pc.add(picked["t0_ns"], bar_seconds * _NS_PER_S),
            "kind": pa.array([kind] * n, pa.string()),
            "bar_id": picked["bar_id"],
            "price_tick": picked["price_tick"],
            "sign": np.full(n, sign, np.int8),
            "qty_lots": picked[lots],
            "value": run[is_stacked].astype(float),
        },
        schema=_EVENT_SCHEMA,
    )


def footprint_bundle(cells: pa.Table) -> FootprintCells:
    """Return a stored footprint as the bundle that the core works on."""
    return FootprintCells(
        **{name: column(cells, name) for name in FootprintCells.__dataclass_fields__}
    )
