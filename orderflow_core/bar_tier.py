"""Features of closed base bars: footprint, profile, absorption, divergence and toxicity, one row a bar.

One call goes on with the bars of one session, or of the part of one between gaps.
"""

from dataclasses import dataclass, replace

import numpy as np

from orderflow_core.absorption import BarAbsorptionState, continue_bar_absorption
from orderflow_core.bar_vpin import BarVpinState, continue_bar_vpin
from orderflow_core.bars import BarArrays, aggregate_bars, delta_share, time_bar_index
from orderflow_core.bulk_volume import BulkVolumeState, continue_bulk_volume
from orderflow_core.developing import continue_developing_levels
from orderflow_core.divergence import PivotState, continue_pivot_divergence
from orderflow_core.extremes import TurnaroundState, continue_delta_turnaround, exhaustion_levels
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.footprint import FootprintCells, footprint
from orderflow_core.initial_balance import BalanceState, continue_initial_balance
from orderflow_core.profile import ProfileRows
from orderflow_core.significant_levels import LevelState, continue_significant_levels
from orderflow_core.stacks import imbalance_columns, stacked_imbalances
from orderflow_core.types import BarIndex, Float64, Int64, TradeArrays
from orderflow_core.unfinished import UnfinishedState, continue_unfinished_levels
from orderflow_core.zones import ZoneState, continue_stacked_zones

# Columns in order; those of LEVELS are prices, whose distance from the price of the decision is the
# feature.
COLUMNS = (
    "bar_delta_lots", "bar_delta_share", "n_buy_imbalances", "n_sell_imbalances", "stacked_buy",
    "stacked_sell", "buy_zone_dev_ticks", "sell_zone_dev_ticks", "unfinished_high",
    "unfinished_low", "exhaustion", "delta_turnaround", "poc_dev_ticks", "vah_dev_ticks",
    "val_dev_ticks", "ib_high_dev_ticks", "ib_low_dev_ticks", "level_dev_ticks", "level_sign",
    "absorption_z", "absorption_sign", "divergence_sign", "vpin", "vpin_bulk",
)  # fmt: skip
LEVELS = tuple(i for i, name in enumerate(COLUMNS) if name.endswith("_dev_ticks"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BarTierState:
    """What each concept carries from bar to bar; None before the first bar of a session.

    Attributes
    ----------
    open_ns : int
        Begin of the session's first bar.
    cvd_lots : int
        Running delta at the last bar's close.
    zones, unfinished, turnaround, profile, balance, levels, absorption, pivots, bulk, vpin
        States of the concepts.
    """

    open_ns: int
    cvd_lots: int = 0
    zones: ZoneState | None = None
    unfinished: UnfinishedState | None = None
    turnaround: TurnaroundState | None = None
    profile: ProfileRows | None = None
    balance: BalanceState | None = None
    levels: LevelState | None = None
    absorption: BarAbsorptionState | None = None
    pivots: PivotState | None = None
    bulk: BulkVolumeState | None = None
    vpin: BarVpinState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bars:
    # Complete bars of one session with their trades; ``starts`` holds the session's first bar.
    trades: TradeArrays
    index: BarIndex
    sums: BarArrays
    cells: FootprintCells
    starts: Int64


def continue_bar_tier(
    state: BarTierState | None, trades: TradeArrays, settings: FeatureSettings
) -> tuple[Int64, Float64, BarTierState]:
    """Return the columns of the next closed bars of a session.

    Parameters
    ----------
    state : BarTierState or None
        What the preceding call returned; None where the first trade opens a session.
    trades : TradeArrays, at least one element
        All trades of the next bars, which are closed: no later trade of theirs can come.
    settings : FeatureSettings

    Returns
    -------
    t1_ns : ndarray of int64, shape (n_bars,)
        Ends of the bars that hold a trade.
    values : ndarray of float64, shape (n_columns, n_bars)
        `COLUMNS`; prices where the column's feature is a distance. NaN where there is no value.
    state : BarTierState

    Notes
    -----
    Causal: a bar's column uses bars up to it. Calls together give the columns of the whole.
    """
    index = time_bar_index(trades.ts_event_ns, settings.bar_ns)
    columns = (trades.price_ticks, trades.qty_lots, trades.sign)
    bars = _Bars(
        trades=trades,
        index=index,
        sums=aggregate_bars(*columns, index),
        cells=footprint(*columns, index, ticks_per_row=settings.ticks_per_row),
        starts=np.zeros(int(state is None), np.int64),
    )
    state = state or BarTierState(open_ns=int(index.t0_ns[0]))
    values = np.full((len(COLUMNS), len(index)), np.nan)
    values[0], values[1] = bars.sums.delta_lots, delta_share(bars.sums)
    state = _footprint_columns(state, bars, settings, values[2:12])
    state = _profile_columns(state, bars, settings, values[12:19])
    state = _flow_columns(state, bars, settings, values[19:24])
    return index.t1_ns, values, state


def _footprint_columns(
    state: BarTierState, bars: _Bars, settings: FeatureSettings, values: Float64
) -> BarTierState:
    rows, trades, sums = settings.ticks_per_row, bars.trades, bars.sums
    imbalances = imbalance_columns(bars.cells, settings.imbalance, ticks_per_row=rows)
    values[0], values[1] = imbalances.n_buy, imbalances.n_sell
    values[2], values[3] = imbalances.stacked_buy, imbalances.stacked_sell
    stacks = stacked_imbalances(
        bars.cells, settings.imbalance, ticks_per_row=rows, min_levels=settings.stacked_levels
    )
    nearest, _, zones = continue_stacked_zones(
        state.zones,
        trades.ts_event_ns,
        trades.price_ticks,
        bars.index,
        stacks,
        session_start_bar=bars.starts,
        max_age_bars=settings.zone_age_bars,
    )
    values[4], values[5] = nearest.buy_tick, nearest.sell_tick
    open_levels, _, unfinished = continue_unfinished_levels(
        state.unfinished,
        bars.cells,
        bars.index,
        ticks_per_row=rows,
        filter_lots=settings.unfinished_lots,
        session_start_bar=bars.starts,
    )
    values[6], values[7] = open_levels.is_high, open_levels.is_low
    is_high, is_low = exhaustion_levels(
        bars.cells, ticks_per_row=rows, n_levels=settings.exhaustion_levels, volume="side"
    )
    values[8] = is_low.astype(np.float64) - is_high
    prices = (sums.open_ticks, sums.high_ticks, sums.low_ticks, sums.close_ticks)
    values[9], turnaround = continue_delta_turnaround(
        state.turnaround, *prices, sums.delta_lots, session_start_bar=bars.starts
    )
    return replace(state, zones=zones, unfinished=unfinished, turnaround=turnaround)


def _profile_columns(
    state: BarTierState, bars: _Bars, settings: FeatureSettings, values: Float64
) -> BarTierState:
    rows, index, sums = settings.ticks_per_row, bars.index, bars.sums
    area, profile = continue_developing_levels(
        state.profile, bars.cells, bars.starts, ticks_per_row=rows
    )
    values[0], values[1], values[2] = area.poc_tick, area.vah_tick, area.val_tick
    first_hour, balance = continue_initial_balance(
        state.balance,
        index.t0_ns,
        index.t1_ns,
        sums.high_ticks,
        sums.low_ticks,
        bars.starts,
        np.full(len(index), state.open_ns),
    )
    values[3] = np.where(first_hour.is_known, first_hour.high_ticks, np.nan)
    values[4] = np.where(first_hour.is_known, first_hour.low_ticks, np.nan)
    significant, levels = continue_significant_levels(
        state.levels, bars.cells, sums.close_ticks, bars.starts, ticks_per_row=rows
    )
    values[5] = np.where(significant.level_sign != 0, significant.level_tick, np.nan)
    values[6] = significant.level_sign
    return replace(state, profile=profile, balance=balance, levels=levels)


def _flow_columns(
    state: BarTierState, bars: _Bars, settings: FeatureSettings, values: Float64
) -> BarTierState:
    sums, starts = bars.sums, bars.starts
    absorbed, absorption = continue_bar_absorption(
        state.absorption,
        sums.open_ticks,
        sums.close_ticks,
        sums.volume_lots,
        sums.delta_lots,
        starts,
        rule=settings.absorption,
    )
    values[0], values[1] = absorbed.z, absorbed.sign
    cvd = state.cvd_lots + np.cumsum(sums.delta_lots)
    found, pivots = continue_pivot_divergence(
        state.pivots, sums.high_ticks, sums.low_ticks, cvd, starts, width=settings.pivot_bars
    )
    values[2] = found.is_bullish.astype(np.float64) - found.is_bearish
    split, bulk = continue_bulk_volume(
        state.bulk, sums.close_ticks, sums.volume_lots, window=settings.bulk_bars
    )
    toxicity, vpin = continue_bar_vpin(
        state.vpin,
        bars.trades.qty_lots,
        bars.trades.sign,
        bars.index,
        split.buy_lots,
        np.zeros(1, np.int64),
        bucket_lots=settings.vpin_bucket_lots,
        n_buckets=settings.vpin_buckets,
    )
    values[3], values[4] = toxicity.vpin, toxicity.vpin_bulk
    return replace(
        state, cvd_lots=int(cvd[-1]), absorption=absorption, pivots=pivots, bulk=bulk, vpin=vpin
    )
