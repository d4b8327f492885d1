"""Features of trades and sweeps beyond the core: running deltas by size, tape, costs, order flow of the book.

One call goes on with the trades of one session, or of the part of one between gaps.
"""

from dataclasses import dataclass, replace

import numpy as np

from orderflow_core.cvd_variants import continue_cumulative_count
from orderflow_core.divergence import flow_against_price
from orderflow_core.feature_settings import SECOND_NS, FeatureSettings
from orderflow_core.large_trades import (
    ClusterState,
    LargeTradeState,
    continue_large_trade_clusters,
    continue_large_trades,
)
from orderflow_core.ofi import OfiAtTrade
from orderflow_core.price_impact import RollingImpactState, continue_rolling_impact
from orderflow_core.rolling_spreads import RollingSpreadsState, continue_rolling_spreads
from orderflow_core.tape import TapeState, continue_tape_speed
from orderflow_core.types import Bool, Float64, Int8, Int64, QuoteAtTrade, TradeArrays
from orderflow_core.vwap import vwap_deviation_signal

COLUMNS = (
    "cvd_trades", "tape_pace_15s", "tape_is_fast", "effective_half_spread_60s_ticks",
    "realised_half_spread_60s_ticks", "kyle_lambda_60s", "roll_spread_60s_ticks", "amihud_60s",
    "cvd_large_lots", "cvd_small_lots", "cluster_sign", "big_buy_lots_60s", "big_sell_lots_60s",
    "ofi_10s_lots", "ofi_60s_lots", "vwap_trend", "vwap_reversal", "cvd_price_divergence_60s",
)  # fmt: skip
_N_BY_TRADE = 8
_WINDOW_NS = 60 * SECOND_NS
_START = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Trades of one session, or of a part of one between gaps, and the rows that know them last.

    Attributes
    ----------
    trades : TradeArrays
    sweep : ndarray of int64
    at_trade : QuoteAtTrade or None
    ofi : OfiAtTrade or None
    end_idx, known_ns : ndarray of int64, shape (n_rows,)
        Positions in the segment's trades; the last time that a row may know.
    is_closed : bool
        Whether nothing follows the segment's last trade.
    closes_sweep : bool
        Whether the last sweep that a row knows is known to be over.
    """

    trades: TradeArrays
    sweep: Int64
    at_trade: QuoteAtTrade | None
    ofi: OfiAtTrade | None
    end_idx: Int64
    known_ns: Int64
    is_closed: bool
    closes_sweep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTail:
    """The open sweep, and the closed ones that a window may still look at.

    Attributes
    ----------
    ordinal, sign, lots, ts_ns : int
        Of the open sweep; lots 0 before the first trade.
    closed : ndarray of int64, shape (n_kept, 6)
        Time; then, since the segment's start, lots bought less sold in large sweeps and in others,
        the sign of the cluster, lots of large buys and of large sells.
    """

    ordinal: int
    sign: int
    lots: int
    ts_ns: int
    closed: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeTierState:
    """What each concept carries from chunk to chunk; None before a segment's first trade.

    Attributes
    ----------
    by_trade : ndarray of float64, shape (8,)
        Columns by trade at the last trade.
    n_signed : int
        Running count of signs.
    ofi : ndarray of int64, shape (n_kept, 3)
        Time, running imbalance and whether it is known, of the trades of the last 60 s.
    tape, spreads, impact, sweeps, large, clusters
        States of the concepts.
    """

    by_trade: Float64
    n_signed: int
    ofi: Int64
    tape: TapeState | None
    spreads: RollingSpreadsState | None
    impact: RollingImpactState | None
    sweeps: SweepTail
    large: LargeTradeState | None
    clusters: ClusterState | None


def new_trade_tier() -> TradeTierState:
    """Return the state before the first trade of a segment."""
    return TradeTierState(
        by_trade=np.full(_N_BY_TRADE, np.nan),
        n_signed=0,
        ofi=np.empty((0, 3), np.int64),
        tape=None,
        spreads=None,
        impact=None,
        sweeps=SweepTail(ordinal=0, sign=0, lots=0, ts_ns=0, closed=np.empty((0, 6), np.int64)),
        large=None,
        clusters=None,
    )


def continue_trade_tier(
    state: TradeTierState, part: Segment, core: dict[str, Float64], settings: FeatureSettings
) -> tuple[Float64, TradeTierState]:
    """Return the columns of the rows that know the next trades of a segment last.

    Parameters
    ----------
    state : TradeTierState
        Of `new_trade_tier`, or what the preceding call returned.
    part : Segment
    core : dict of str to ndarray of float64, shape (n_rows,)
        Core features of the same rows.
    settings : FeatureSettings

    Returns
    -------
    values : ndarray of float64, shape (n_columns, n_rows)
        `COLUMNS`.
    state : TradeTierState

    Notes
    -----
    Causal: figures by trade are those at the last known trade, figures by sweep those of the sweeps
    that are known to be over. Calls together give the columns of the whole, bit for bit.
    """
    values = np.full((len(COLUMNS), len(part.end_idx)), np.nan)
    state = _columns_by_trade(state, part, settings, values[:8])
    is_warm = ~np.isnan(core["buy_lots_60s"])
    state = _columns_by_sweep(state, part, settings, values[8:13])
    values[11:13, ~is_warm] = np.nan
    state = _columns_of_ofi(state, part, values[13:15])
    values[15:18] = _signals(core, settings)
    return values, state


def _columns_by_trade(
    state: TradeTierState, part: Segment, settings: FeatureSettings, values: Float64
) -> TradeTierState:
    trades, n = part.trades, len(part.trades)
    by_trade = np.full((_N_BY_TRADE, n + 1), np.nan)  # the last trade before the segment in front
    by_trade[:, 0] = state.by_trade
    tape, spreads, impact, count = state.tape, state.spreads, state.impact, state.n_signed
    if n:
        ts, price, signs = trades.ts_event_ns, trades.price_ticks, trades.sign
        by_trade[0, 1:], count = continue_cumulative_count(count, signs, _START)
        speed, tape = continue_tape_speed(tape, ts, trades.qty_lots, n_average=settings.tape_trades)
        by_trade[1, 1:], by_trade[2, 1:] = speed.pace, speed.is_fast
        if part.at_trade is not None:
            costs, spreads = continue_rolling_spreads(
                spreads,
                ts,
                price,
                signs,
                part.at_trade,
                _START,
                window_ns=_WINDOW_NS,
                horizon_ns=settings.spread_horizon_ns,
            )
            by_trade[3, 1:] = costs.effective_half_spread_ticks
            by_trade[4, 1:] = costs.realised_half_spread_ticks
        found, impact = continue_rolling_impact(
            impact, ts, price, trades.qty_lots, signs, part.at_trade, _START, window_ns=_WINDOW_NS
        )
        by_trade[5, 1:], by_trade[6, 1:] = found.kyle_lambda, found.roll_spread_ticks
        by_trade[7, 1:] = found.amihud
    values[:] = by_trade[:, part.end_idx]
    return replace(
        state, by_trade=by_trade[:, -1].copy(), n_signed=count, tape=tape, spreads=spreads,
        impact=impact,
    )  # fmt: skip


def _columns_by_sweep(
    state: TradeTierState, part: Segment, settings: FeatureSettings, values: Float64
) -> TradeTierState:
    ends, table, still_open = _closed_sweeps(state.sweeps, part)
    large, large_state = continue_large_trades(
        state.large,
        table[2],
        n_trailing=settings.large_trailing,
        n_least=settings.large_least,
    )
    clusters, cluster_state = continue_large_trade_clusters(
        state.clusters,
        table[0],
        table[1],
        table[2],
        large.is_large,
        max_gap_ns=settings.cluster_gap_ns,
        n_least=settings.cluster_least,
    )
    closed = _with_closed(state.sweeps.closed, table, large.is_large, clusters.sign)
    # A sweep that ends where the row does is over if nothing of its time can follow.
    n_over = np.searchsorted(ends, part.end_idx + (1 if part.closes_sweep else 0), side="left")
    now = len(closed) - len(ends) - 1 + n_over
    past = np.searchsorted(closed[:, 0], part.known_ns - _WINDOW_NS, side="right") - 1
    values[0], values[1], values[2] = closed[now, 1], closed[now, 2], closed[now, 3]
    past = np.minimum(np.maximum(past, 0), now)
    values[3], values[4] = (closed[now] - closed[past])[:, 4:].T
    latest = still_open.ts_ns if still_open.lots else closed[-1, 0]
    drop = max(int(np.searchsorted(closed[:, 0], latest - _WINDOW_NS - 1, side="right")) - 1, 0)
    sweeps = replace(still_open, closed=closed[drop:].copy())
    return replace(state, sweeps=sweeps, large=large_state, clusters=cluster_state)


def _with_closed(
    kept: Int64, table: tuple[Int64, Int64, Int64], is_large: Bool, cluster: Int8
) -> Int64:
    # The closed sweeps with new ones; a row of zeros stands for the time before the first.
    ts, sign, lots = table
    if len(kept) == 0:
        kept = np.array([[-(2**62), 0, 0, 0, 0, 0]], np.int64)
    fresh = np.empty((len(ts), 6), np.int64)
    fresh[:, 0], fresh[:, 3] = ts, cluster
    bought, sold = np.where(sign > 0, lots, 0), np.where(sign < 0, lots, 0)
    steps = (
        np.where(is_large, bought - sold, 0),
        np.where(is_large, 0, bought - sold),
        np.where(is_large, bought, 0),
        np.where(is_large, sold, 0),
    )
    for column, step in zip((1, 2, 4, 5), steps, strict=True):
        fresh[:, column] = kept[-1, column] + np.cumsum(step)
    return np.concatenate((kept, fresh))


def _closed_sweeps(
    before: SweepTail, part: Segment
) -> tuple[Int64, tuple[Int64, Int64, Int64], SweepTail]:
    # Where sweeps end in the segment (0: the one that was open before it), their time, sign and
    # lots, and the open sweep.
    trades, n = part.trades, len(part.trades)
    ordinal = np.append(before.ordinal, part.sweep)
    is_end = np.zeros(n + 1, np.bool_)
    is_end[:-1] = ordinal[1:] != ordinal[:-1]
    is_end[0] &= before.lots > 0
    is_end[-1] = part.is_closed and (n > 0 or before.lots > 0)
    ends = np.flatnonzero(is_end)
    lots = np.concatenate(([0], np.cumsum(trades.qty_lots))) + before.lots
    ts = np.append(before.ts_ns, trades.ts_event_ns)
    first_sign = before.sign if before.lots else int(trades.sign[0]) if n else 0
    signs = np.append(trades.sign.astype(np.int64), 0)  # the last one opens nothing
    begin = np.concatenate(([0], lots[ends])) if len(ends) else np.zeros(1, np.int64)
    sign = np.concatenate(([first_sign], signs[ends]))
    table = (ts[ends], sign[: len(ends)], lots[ends] - begin[: len(ends)])
    still_open = SweepTail(
        ordinal=int(ordinal[-1]),
        sign=int(sign[len(ends)]),
        lots=int(lots[-1] - begin[len(ends)]),
        ts_ns=int(ts[-1]),
        closed=before.closed,
    )
    return ends, table, still_open


def _columns_of_ofi(state: TradeTierState, part: Segment, values: Float64) -> TradeTierState:
    if part.ofi is None:
        return state
    fresh = np.column_stack([part.trades.ts_event_ns, part.ofi.ofi_lots, part.ofi.is_known])
    known = np.concatenate((state.ofi, fresh.astype(np.int64)))
    now = len(state.ofi) + part.end_idx - 1
    for row, seconds in enumerate((10, 60)):
        past = np.searchsorted(known[:, 0], part.known_ns - seconds * SECOND_NS, side="right") - 1
        is_known = (past >= 0) & (known[past, 2] > 0) & (known[now, 2] > 0)
        values[row, is_known] = (known[now, 1] - known[past, 1])[is_known]
    if len(known):
        left = known[-1, 0] - _WINDOW_NS - 1
        drop = max(int(np.searchsorted(known[:, 0], left, side="right")) - 1, 0)
        known = known[drop:].copy()
    return replace(state, ofi=known)


def _signals(core: dict[str, Float64], settings: FeatureSettings) -> Float64:
    deviation, imbalance = core["vwap_dev_sd"], core["imbalance_60s"]
    trend, reversal = vwap_deviation_signal(
        deviation, imbalance, min_imbalance=settings.min_imbalance
    )
    price, flow = core["return_60s_ticks"], core["buy_lots_60s"] - core["sell_lots_60s"]
    found = flow_against_price(_whole(price), _whole(flow)).divergence
    is_unknown: Bool = np.isnan(deviation) | np.isnan(imbalance)
    rows = np.array([trend, reversal, found], np.float64)
    rows[:2, is_unknown] = np.nan
    rows[2, np.isnan(price) | np.isnan(flow)] = np.nan
    return rows


def _whole(values: Float64) -> Int64:
    # Differences of ticks and of lots, as integers; their signs are looked at.
    return np.nan_to_num(np.sign(values)).astype(np.int64)
