"""Features of trades and sweeps that go on from a session's first trade: tape, costs, large sweeps.

One table holds what a later row may still look at, and every concept's kernel goes on in it from row
of the matrix to row: a live stream cannot afford to check and copy trades for each concept.
"""

from dataclasses import dataclass

import numpy as np

from orderflow_core.feature_blocks import Rows, moved, room_for
from orderflow_core.feature_input import BOUNDS, Chunk
from orderflow_core.feature_registry import FEATURES
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.kernels.large_trades import _large_sweeps_nb
from orderflow_core.kernels.trade_tier import _signals_nb, _trade_rows_nb
from orderflow_core.large_trades import N_RANKS
from orderflow_core.tape import WINDOW_NS as TAPE_WINDOW_NS
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import read_only
from orderflow_core.window_tier import WINDOW_NS

COLUMNS = (
    "cvd_trades", "tape_pace_15s", "tape_is_fast", "effective_half_spread_60s_ticks",
    "realised_half_spread_60s_ticks", "kyle_lambda_60s", "roll_spread_60s_ticks", "amihud_60s",
    "cvd_large_lots", "cvd_small_lots", "cluster_sign", "big_buy_lots_60s", "big_sell_lots_60s",
    "ofi_10s_lots", "ofi_60s_lots", "vwap_trend", "vwap_reversal", "cvd_price_divergence_60s",
)  # fmt: skip
FAST_PERCENT, _SHARE = 150, (95, 100)
_FIRST = len(FEATURES)
OF_CORE = np.array(
    [
        [feature.name for feature in FEATURES].index(name)
        for name in (
            "buy_lots_60s", "sell_lots_60s", "imbalance_60s", "vwap_dev_sd", "return_60s_ticks",
        )
    ]
)  # fmt: skip
_N_TABLE, _FLOOR = 18, 13
_FIGURE_POSITIONS, _SWEEP_POSITIONS = [0, 1, 2, 3, 8], [0, 1]
_NO_PRICES = read_only(np.empty(0, np.int64))
_NO_QUOTES = (_NO_PRICES, _NO_PRICES, read_only(np.empty(0, np.bool_)))


@dataclass(slots=True, kw_only=True)
class TradeTierState:
    """Totals of the trades that a window may still look at, and what each concept holds.

    Attributes
    ----------
    table : ndarray of int64, shape (18, room)
        As in the kernels.
    figures, sweeps : ndarray of int64
        What the kernels of tape and costs, and of sweeps, hold.
    tape_ring, size_ring, size_count : ndarray of int64
        Last paces; last sizes of sweeps by rank, and how many of each rank.
    step_rule : ndarray of int64
        Bounds, windows and settings, as the kernel of a usual call takes them.
    """

    table: Int64
    figures: Int64
    sweeps: Int64
    tape_ring: Int64
    size_ring: Int64
    size_count: Int64
    step_rule: Int64

    def make_room(self, n: int) -> None:
        """Drop what no window reaches, and move to a larger table if less than half becomes free."""
        used = int(self.figures[0])
        reached = min(int(self.figures[[1, 2, 3]].min()), int(self.sweeps[1]))
        drop = max(0, min(reached, used - 1))
        room = room_for(self.table.shape[1], used - drop, n)
        self.table = moved(self.table, slice(drop, used + 1), room, axis=1)
        self.table[_FLOOR, : used - drop] -= drop
        self.figures[_FIGURE_POSITIONS] -= drop
        self.sweeps[_SWEEP_POSITIONS] -= drop


def new_trade_tier(settings: FeatureSettings) -> TradeTierState:
    """Return the state before the first trade of a stream."""

    def zeros(n: int) -> Int64:
        return np.zeros(n, np.int64)

    of_tape = (settings.spread_horizon_ns, TAPE_WINDOW_NS, FAST_PERCENT)
    of_sweeps = (settings.large_least, settings.cluster_gap_ns, settings.cluster_least)

    return TradeTierState(
        table=np.zeros((_N_TABLE, 1), np.int64),
        figures=zeros(9),
        sweeps=zeros(16),
        tape_ring=zeros(settings.tape_trades),
        size_ring=zeros(settings.large_trailing),
        size_count=zeros(N_RANKS),
        step_rule=np.array([*BOUNDS, *_SHARE, WINDOW_NS, *of_tape, *of_sweeps]),
    )


def fill_trade_tier(
    state: TradeTierState,
    chunk: Chunk,
    rows: Rows,
    values: Float64,
    settings: FeatureSettings,
    *,
    closes_sweep: bool,
) -> None:
    """Take the next trades, and write the columns of the rows due in them.

    Parameters
    ----------
    state : TradeTierState
        Goes on in place.
    chunk : Chunk
    rows : tuple of ndarray of int64, shape (n_rows,)
        A row knows the trades before a position in the chunk, and times up to another.
    values : ndarray of float64, shape (n_features, n_rows)
    settings : FeatureSettings
        The same for all calls.
    closes_sweep : bool
        Whether the last sweep that a row knows is known to be over.

    Notes
    -----
    Causal: figures by trade are those at the last known trade, figures by sweep those of the sweeps
    that are known to be over. Calls together give the columns of the whole, bit for bit.
    """
    if state.figures.item(0) + len(chunk.ts) >= state.table.shape[1]:
        state.make_room(len(chunk.ts))
    quotes = _NO_QUOTES
    if chunk.quotes is not None:
        bid, _, ask, _, is_known = chunk.quotes
        quotes = (bid, ask, is_known)
    trades, columns = (chunk.ts, chunk.price, chunk.qty, chunk.sign, chunk.sweep), values[_FIRST:]
    spans = (WINDOW_NS, settings.spread_horizon_ns, TAPE_WINDOW_NS, FAST_PERCENT)
    held = (state.figures, state.tape_ring)
    _trade_rows_nb(trades, quotes, chunk.starts, spans, rows[0], held, state.table, columns)
    by_size = (
        settings.large_least, *_SHARE, settings.cluster_gap_ns, settings.cluster_least, WINDOW_NS,
        closes_sweep,
    )  # fmt: skip
    counted = (state.size_count, state.size_ring)
    _large_sweeps_nb(
        trades, chunk.starts, rows, by_size, state.sweeps, counted, state.table, columns
    )


def fill_signals(values: Float64, settings: FeatureSettings) -> None:
    """Write the columns that are made of core ones, which are filled; hide those of a cold window.

    Parameters
    ----------
    values : ndarray of float64, shape (n_features, n_rows)
    settings : FeatureSettings
    """
    _signals_nb(values, OF_CORE, _FIRST, settings.min_imbalance)
