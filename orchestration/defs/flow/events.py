"""``flow.events`` of one symbol-day: what stood out, each at the time when it was known.

docs/glossary.md says what each kind is; docs/events.md what its columns hold.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from orchestration.arrays import column, gap_positions, trade_arrays
from orchestration.config import Settings
from orchestration.defs.flow.event_rows import SCHEMA, event_rows
from orchestration.defs.flow.naked import naked_poc_events
from orchestration.defs.flow.tables import (
    STACKED_MIN_LEVELS,
    bar_index,
    footprint_bundle,
    imbalance_rule,
)
from orderflow_core.absorption import BarAbsorptionRule, bar_absorption
from orderflow_core.divergence import pivot_divergence
from orderflow_core.extremes import delta_turnaround, exhaustion_levels, exhaustion_ratio
from orderflow_core.footprint import FootprintCells
from orderflow_core.initial_balance import initial_balance
from orderflow_core.instrument import Instrument
from orderflow_core.large_trades import large_trades
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.significant_levels import significant_levels
from orderflow_core.stacks import stacked_imbalances
from orderflow_core.sweeps import sweep_table
from orderflow_core.types import Int64, TradeArrays
from orderflow_core.unfinished import NEVER, unfinished_levels
from orderflow_core.value_area import value_area
from orderflow_core.zones import stacked_zones

_NS_PER_S = 1_000_000_000
# A sweep is big from the 99th percentile of the thousand before it on.
BIG_SHARE = (99, 100)
ABSORPTION_BARS, ABSORPTION_Z = 120, 2.0
AT_PRICE = PriceAbsorptionRule(
    window_ns=10 * _NS_PER_S, lookback_ns=900 * _NS_PER_S, multiplier=4.0
)
PIVOT_WIDTH = 5
EXHAUSTION_ROWS = 5  # ATAS


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """What depends on the symbol: height of a footprint row, smallest volume, bar width, session."""

    row_ticks: int
    min_lots: int
    bar_seconds: int
    day_start_ns: int
    session_start_ns: int
    session_end_ns: int


def event_rules(config: Settings, known: Instrument, day: date) -> EventRules:
    """Return the rules of a symbol-day; its session opens with the calendar's hours."""
    day_start_ns, day_end_ns = known.trading_day_window(day)
    return EventRules(
        row_ticks=config.row_ticks(known),
        min_lots=config.imbalance_min_lots,
        bar_seconds=config.bar_seconds,
        day_start_ns=day_start_ns,
        session_start_ns=known.session_window(day)[0],
        session_end_ns=day_end_ns,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    # One symbol-day with trades; ``opening`` has the bars that open the session or follow a gap.
    trades: TradeArrays
    sweep: Int64
    start_idx: Int64
    bars: pa.Table
    cells: FootprintCells
    opening: Int64

    def of_bar(self, name: str) -> np.ndarray:
        return column(self.bars, name)


def events(
    classified: pa.Table,
    gaps: pa.Table,
    bars: pa.Table,
    footprint: pa.Table,
    profile: pa.Table,
    *,
    rules: EventRules,
    earlier: pa.Table | None = None,
) -> pa.Table:
    """Return ``flow.events``: levels, zones, large trades, absorption, divergence and extremes.

    ``earlier`` has the profiles of the published days before, with their ``trading_day``; without
    it no naked point of control is looked for.
    """
    if not classified.num_rows:
        return SCHEMA.empty_table()
    day = _day(classified, gaps, bars, footprint)
    parts = [
        session_levels(profile, rules.session_end_ns),
        *_zones(day, rules),
        _big_trades(day),
        _absorption(day, rules),
        _absorption_at_price(day),
        _divergence(day),
        *_unfinished(day, rules),
        *_exhaustion(day, rules),
        _turnaround(day),
        _levels(day, rules),
        _initial_balance(day, rules),
        *_naked_pocs(day, rules, earlier),
    ]
    return pa.concat_tables(parts).sort_by([("ts_event_ns", "ascending"), ("kind", "ascending")])


def _day(classified: pa.Table, gaps: pa.Table, bars: pa.Table, footprint: pa.Table) -> _Day:
    trades = trade_arrays(classified)
    start_idx = np.concatenate([np.zeros(1, np.int64), gap_positions(trades, gaps)])
    # A bar that holds the first trade after a gap belongs to what comes after it.
    end = np.searchsorted(trades.ts_event_ns, column(bars, "t1_ns"))
    return _Day(
        trades=trades,
        sweep=column(classified, "sweep"),
        start_idx=start_idx,
        bars=bars,
        cells=footprint_bundle(footprint),
        opening=np.unique(np.searchsorted(end, start_idx, side="right")),
    )


def session_levels(profile: pa.Table, session_end_ns: int) -> pa.Table:
    """Return the session's POC and value area, known at its end."""
    if not profile.num_rows:
        return SCHEMA.empty_table()
    volume = sum(column(profile, name) for name in ("bid_lots", "ask_lots", "unsigned_lots"))
    area = value_area(
        column(profile, "price_tick"), volume, ticks_per_row=profile["ticks_per_row"][0].as_py()
    )
    return event_rows(
        np.array(["session_poc", "session_vah", "session_val"]),
        ts_event_ns=[session_end_ns] * 3,
        price_tick=[area.poc_tick, area.vah_tick, area.val_tick],
        qty_lots=[area.volume_lots] * 3,
        value=[area.volume_lots / area.total_lots] * 3,
    )


def _zones(day: _Day, rules: EventRules) -> list[pa.Table]:
    index = bar_index_of(day, rules)
    stacks = stacked_imbalances(
        day.cells,
        imbalance_rule(rules.min_lots),
        ticks_per_row=rules.row_ticks,
        min_levels=STACKED_MIN_LEVELS,
    )
    _, zones = stacked_zones(
        day.trades.ts_event_ns,
        day.trades.price_ticks,
        index,
        stacks,
        session_start_bar=day.opening,
        max_age_bars=None,
    )
    is_buy = zones.sign > 0
    near = np.where(is_buy, zones.high_tick, zones.low_tick)
    far = np.where(is_buy, zones.low_tick, zones.high_tick)
    times = {
        "zone_birth": zones.birth_ns,
        "zone_touch": zones.touch_ns,
        "zone_fill": zones.fill_ns,
        "zone_expiry": zones.expiry_ns,
    }
    return [
        event_rows(
            kind,
            ts_event_ns=ts[ts != NEVER],
            bar_id=zones.birth_bar_id[ts != NEVER],
            price_tick=near[ts != NEVER],
            sign=zones.sign[ts != NEVER],
            value=far[ts != NEVER].astype(np.float64),
        )
        for kind, ts in times.items()
    ]


def bar_index_of(day: _Day, rules: EventRules):
    """Return the day's bars as ranges of its trades."""
    return bar_index(day.trades.ts_event_ns, rules.bar_seconds)


def _big_trades(day: _Day) -> pa.Table:
    sweeps = sweep_table(day.sweep, day.trades)
    num, den = BIG_SHARE
    starts = np.unique(np.searchsorted(sweeps.end_idx, day.start_idx, side="right"))
    found = large_trades(sweeps.qty_lots, share_num=num, share_den=den, session_start_idx=starts)
    big = found.is_large
    return event_rows(
        "big_trade",
        ts_event_ns=sweeps.ts_ns[big],
        price_tick=sweeps.last_ticks[big],
        sign=sweeps.sign[big],
        qty_lots=sweeps.qty_lots[big],
        value=found.threshold_lots[big].astype(np.float64),
    )


def _absorption(day: _Day, rules: EventRules) -> pa.Table:
    found = bar_absorption(
        day.of_bar("open_ticks"),
        day.of_bar("close_ticks"),
        day.of_bar("volume_lots"),
        day.of_bar("delta_lots"),
        day.opening,
        rule=BarAbsorptionRule(
            n_windows=ABSORPTION_BARS, least_z=ABSORPTION_Z, ticks_per_step=rules.row_ticks
        ),
    )
    at = found.is_absorbed
    return _at_close(
        day, "absorption", at, sign=found.sign[at], value=found.z[at],
        qty_lots=day.of_bar("volume_lots")[at],
    )  # fmt: skip


def _at_close(day: _Day, kind: str, at: np.ndarray, **columns: np.ndarray) -> pa.Table:
    # Events of closed bars, at their close unless a price is given.
    default = {"price_tick": day.of_bar("close_ticks")[at]}
    return event_rows(
        kind, ts_event_ns=day.of_bar("t1_ns")[at], bar_id=day.of_bar("bar_id")[at],
        **(default | columns),
    )  # fmt: skip


def _absorption_at_price(day: _Day) -> pa.Table:
    trades = day.trades
    found = price_absorption(
        trades.ts_event_ns, trades.price_ticks, trades.qty_lots, trades.sign, day.start_idx,
        rule=AT_PRICE,
    )  # fmt: skip
    at = found.is_onset
    return event_rows(
        "absorption_at_price",
        ts_event_ns=trades.ts_event_ns[at],
        price_tick=trades.price_ticks[at],
        sign=found.sign[at],
        qty_lots=found.lots[at],
        value=found.size_lots[at],
    )


def _divergence(day: _Day) -> pa.Table:
    high, low = day.of_bar("high_ticks"), day.of_bar("low_ticks")
    found = pivot_divergence(
        high, low, day.of_bar("cvd_close_lots"), day.opening, width=PIVOT_WIDTH
    )
    sides = [(found.is_bearish, -1, high), (found.is_bullish, 1, low)]
    return pa.concat_tables(
        _at_close(
            day, "divergence", np.flatnonzero(is_there),
            price_tick=price[np.flatnonzero(is_there) - PIVOT_WIDTH],
            sign=np.full(np.count_nonzero(is_there), sign),
            value=np.full(np.count_nonzero(is_there), float(PIVOT_WIDTH)),
        )
        for is_there, sign, price in sides
    )  # fmt: skip


def _unfinished(day: _Day, rules: EventRules) -> list[pa.Table]:
    _, levels = unfinished_levels(
        day.cells,
        bar_index_of(day, rules),
        ticks_per_row=rules.row_ticks,
        filter_lots=rules.min_lots,
        session_start_bar=day.opening,
    )
    times = {"unfinished_auction": levels.birth_ns, "unfinished_covered": levels.covered_ns}
    return [
        event_rows(
            kind,
            ts_event_ns=ts[ts != NEVER],
            bar_id=levels.birth_bar_id[ts != NEVER],
            price_tick=levels.price_tick[ts != NEVER],
            sign=levels.sign[ts != NEVER],
        )
        for kind, ts in times.items()
    ]


def _exhaustion(day: _Day, rules: EventRules) -> list[pa.Table]:
    # Exhausted buyers at the high point down, exhausted sellers at the low point up.
    is_high, is_low = exhaustion_levels(
        day.cells, ticks_per_row=rules.row_ticks, n_levels=EXHAUSTION_ROWS, volume="side"
    )
    ratio = exhaustion_ratio(
        day.cells,
        day.of_bar("open_ticks"),
        day.of_bar("close_ticks"),
        ticks_per_row=rules.row_ticks,
    )
    high, low = day.of_bar("high_ticks"), day.of_bar("low_ticks")
    is_up = day.of_bar("close_ticks") > day.of_bar("open_ticks")
    extreme, side = np.where(is_up, low, high), np.where(is_up, 1, -1)
    return [
        _at_close(
            day,
            "exhaustion",
            is_high,
            price_tick=high[is_high],
            sign=-is_high[is_high].astype(np.int8),
        ),
        _at_close(
            day, "exhaustion", is_low, price_tick=low[is_low], sign=is_low[is_low].astype(np.int8)
        ),
        *(
            _at_close(day, kind, at, price_tick=extreme[at], sign=side[at], value=ratio.ratio[at])
            for kind, at in (("ratio_low", ratio.is_low), ("ratio_high", ratio.is_high))
        ),
    ]


def _turnaround(day: _Day) -> pa.Table:
    prices = (day.of_bar(f"{name}_ticks") for name in ("open", "high", "low", "close"))
    delta = day.of_bar("delta_lots")
    sign = delta_turnaround(*prices, delta, session_start_bar=day.opening)
    at = sign != 0
    return _at_close(
        day, "delta_turnaround", at, sign=sign[at], qty_lots=np.abs(delta[at]),
        value=delta[at].astype(np.float64),
    )  # fmt: skip


def _levels(day: _Day, rules: EventRules) -> pa.Table:
    births = significant_levels(
        day.cells, day.of_bar("close_ticks"), day.opening, ticks_per_row=rules.row_ticks
    ).births
    at = np.searchsorted(day.of_bar("bar_id"), births.bar_id)
    return _at_close(
        day, "significant_level", at, price_tick=births.level_tick, sign=births.level_sign,
        qty_lots=births.level_lots,
    )  # fmt: skip


def _initial_balance(day: _Day, rules: EventRules) -> pa.Table:
    high, low, t1 = (day.of_bar(name) for name in ("high_ticks", "low_ticks", "t1_ns"))
    n = len(t1)
    balance = initial_balance(
        day.of_bar("t0_ns"), t1, high, low, [0], np.full(n, rules.session_start_ns)
    )
    first = np.flatnonzero(balance.is_complete & balance.is_known)[:1]
    return pa.concat_tables(
        [
            _at_close(day, "initial_balance_high", first, price_tick=balance.high_ticks[first]),
            _at_close(day, "initial_balance_low", first, price_tick=balance.low_ticks[first]),
        ]
    )


def _naked_pocs(day: _Day, rules: EventRules, earlier: pa.Table | None) -> list[pa.Table]:
    if earlier is None:
        return []
    return naked_poc_events(
        earlier, day.bars, ticks_per_row=rules.row_ticks, day_start_ns=rules.day_start_ns
    )
