"""Features of trades and sweeps beyond the core: running deltas by size, tape, costs, order flow of the book.

One table holds the trades that a window may still look at, and every concept's kernel goes on in it
from row of the matrix to row: a live stream cannot afford to check and copy them for each concept.
"""

from dataclasses import dataclass

import numpy as np

from orderflow_core.feature_input import Book, Chunk
from orderflow_core.feature_registry import FEATURES
from orderflow_core.feature_settings import SECOND_NS, FeatureSettings
from orderflow_core.kernels.large_trades import _large_sweeps_nb
from orderflow_core.kernels.price_impact import _impact_nb
from orderflow_core.kernels.rolling_spreads import _spreads_nb
from orderflow_core.kernels.tape import _pace_nb
from orderflow_core.kernels.trade_tier import _book_and_signals_nb, _take_rows_nb
from orderflow_core.large_trades import N_RANKS
from orderflow_core.price_impact import MAX_LOTS, MAX_ROWS
from orderflow_core.spreads import require_price
from orderflow_core.tape import WINDOW_NS as TAPE_WINDOW_NS
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import INT64_MAX, require_differences_fit

COLUMNS = (
    "cvd_trades", "tape_pace_15s", "tape_is_fast", "effective_half_spread_60s_ticks",
    "realised_half_spread_60s_ticks", "kyle_lambda_60s", "roll_spread_60s_ticks", "amihud_60s",
    "cvd_large_lots", "cvd_small_lots", "cluster_sign", "big_buy_lots_60s", "big_sell_lots_60s",
    "ofi_10s_lots", "ofi_60s_lots", "vwap_trend", "vwap_reversal", "cvd_price_divergence_60s",
)  # fmt: skip
_N_TABLE, _LEAST_ROOM = 11, 4_096
_WINDOW_NS = 60 * SECOND_NS
_FAST_PERCENT, _SHARE = 150, (95, 100)
_FIRST = len(FEATURES)
_OF_CORE = np.array(
    [
        [feature.name for feature in FEATURES].index(name)
        for name in (
            "buy_lots_60s", "sell_lots_60s", "imbalance_60s", "vwap_dev_sd", "return_60s_ticks",
        )
    ]
)  # fmt: skip
_NO_QUOTES = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))
_NO_BOOK = (np.empty(0, np.int64), np.empty(0, np.bool_))


@dataclass(slots=True, kw_only=True)
class TradeTierState:
    """The trades that a window may still look at, and what each concept holds. Consumed by a call.

    Attributes
    ----------
    rows : ndarray of int64, shape (room, 11)
        As in the kernels.
    columns : tuple of ndarray
        Time, lots and starts of the table, as views.
    size : int
        How many of its rows are in use.
    tape, spreads, impact, sweeps, book : ndarray of int64
        What the kernels hold: positions in the table first.
    spread_sums, impact_sums : ndarray of int64
    reach : ndarray of float64, shape (1,)
        Tells whether a sum of integers could have left int64.
    tape_ring, size_ring, size_count : ndarray of int64
        Last paces; last sizes of sweeps by rank, and how many of each rank.
    """

    rows: Int64
    columns: tuple[Int64, Int64, Int64]
    size: int
    tape: Int64
    spreads: Int64
    impact: Int64
    sweeps: Int64
    book: Int64
    spread_sums: Int64
    impact_sums: Int64
    reach: Float64
    tape_ring: Int64
    size_ring: Int64
    size_count: Int64

    def make_room(self, n: int) -> None:
        """Drop what no window reaches, and move to a larger table if less than half becomes free."""
        held = (self.tape[:2], self.spreads[:4], self.impact[:3], self.sweeps[:2], self.book[:4])
        # The row before a window is looked at, too.
        drop = max(0, min(int(positions.min()) for positions in held) - 1)
        size = self.size - drop
        rows = np.empty((max(_LEAST_ROOM, len(self.rows), 2 * (size + n)), _N_TABLE), np.int64)
        rows[:size] = self.rows[drop : self.size]
        for positions in held:
            positions -= drop
        self.rows, self.columns, self.size = rows, (rows[:, 0], rows[:, 2], rows[:, 6]), size


def new_trade_tier(settings: FeatureSettings) -> TradeTierState:
    """Return the state before the first trade of a stream."""

    def zeros(n: int) -> Int64:
        return np.zeros(n, np.int64)

    rows = np.empty((0, _N_TABLE), np.int64)
    return TradeTierState(
        rows=rows,
        columns=(rows[:, 0], rows[:, 2], rows[:, 6]),
        size=0,
        tape=zeros(6),
        spreads=zeros(4),
        impact=zeros(3),
        sweeps=zeros(16),
        book=zeros(5),
        spread_sums=zeros(5),
        impact_sums=zeros(11),
        reach=np.zeros(1),
        tape_ring=zeros(settings.tape_trades),
        size_ring=zeros(settings.large_trailing),
        size_count=zeros(N_RANKS),
    )


def take_trades(state: TradeTierState, chunk: Chunk, ofi: Book | None) -> int:
    """Append checked trades to the table, and return where they begin in it.

    Parameters
    ----------
    state : TradeTierState
        Changed in place.
    chunk : Chunk
    ofi : tuple of ndarray or None, n_trades elements
        Running imbalance, whether it is known.

    Raises
    ------
    ValueError
        A time beyond 2**62, a price, quote or size beyond 2**40.
    """
    n = len(chunk.ts)
    if state.size + n > len(state.rows):
        state.make_room(n)
    first, quotes, book = state.size, _NO_QUOTES, _NO_BOOK
    if chunk.quotes is not None:
        bid, _, ask, _, is_known = chunk.quotes
        quotes = (bid, ask, is_known)
    if ofi is not None:
        book = ofi
    trades = (chunk.ts, chunk.price, chunk.qty, chunk.sign, chunk.sweep)
    if _take_rows_nb(trades, quotes, book, chunk.starts, first, state.rows):
        _raise_fault(chunk)
    state.size = first + n
    return first


def fill_trade_tier(
    state: TradeTierState,
    known: tuple[Int64, Int64],
    values: Float64,
    settings: FeatureSettings,
    *,
    closes_sweep: bool,
) -> None:
    """Write the columns of rows, from trades that the table already holds.

    Parameters
    ----------
    state : TradeTierState
        Goes on: it is that after the last row.
    known : tuple of ndarray of int64, shape (n_rows,)
        A row knows the trades before the first in the table, and times up to the second.
    values : ndarray of float64, shape (n_features, n_rows)
        Of the whole matrix; its core rows are filled.
    settings : FeatureSettings
        The same for all calls.
    closes_sweep : bool
        Whether the last sweep that a row knows is known to be over.

    Raises
    ------
    ValueError
        Integer sums could leave int64.

    Notes
    -----
    Causal: figures by trade are those at the last known trade, figures by sweep those of the sweeps
    that are known to be over. Calls together give the columns of the whole, bit for bit.
    """
    ends, rows = known[0], state.rows
    into = values[_FIRST:]
    pace = (TAPE_WINDOW_NS, _FAST_PERCENT)
    # The threshold of the tape comes first, in a row that the count overwrites.
    _pace_nb(state.columns, ends, state.tape, pace, state.tape_ring, into)
    horizon_ns = settings.spread_horizon_ns
    costs = into[3:]  # the third cost gives way to the first figure of impact
    _spreads_nb(rows, ends, _WINDOW_NS, horizon_ns, state.spreads, state.spread_sums, costs)
    largest = _impact_nb(
        rows, ends, _WINDOW_NS, state.impact, state.impact_sums, state.reach, into[5:]
    )
    _require_impact_fits(state, largest)
    by_size = (
        settings.large_least, *_SHARE, settings.cluster_gap_ns, settings.cluster_least,
        closes_sweep,
    )  # fmt: skip
    _large_sweeps_nb(
        rows, known, _WINDOW_NS, by_size, state.sweeps, state.size_count, state.size_ring, into[8:]
    )
    least = settings.min_imbalance
    _book_and_signals_nb(rows, known, state.book, values, _OF_CORE, _FIRST, least)


def _require_impact_fits(state: TradeTierState, largest: float) -> None:
    n_rows = state.impact[0] - state.impact[1]
    if n_rows > MAX_ROWS:
        raise ValueError(f"trades must be at most 2**22 in 60 s, got {n_rows}")
    if largest > INT64_MAX // 2:
        raise ValueError(
            "trades.price_ticks and trades.qty_lots overflow int64: products in a window sum to "
            f"{largest:.3g}"
        )


def _raise_fault(chunk: Chunk) -> None:
    # The kernel only sees that something is too large; here is what.
    require_differences_fit("trades.ts_event_ns", chunk.ts)
    require_price("trades.price_ticks", chunk.price)
    if chunk.quotes is not None:
        require_price("at_trade.bid_ticks", chunk.quotes[0])
        require_price("at_trade.ask_ticks", chunk.quotes[2])
    raise ValueError(f"trades.qty_lots must be at most {MAX_LOTS}, got {chunk.qty.max()}")
