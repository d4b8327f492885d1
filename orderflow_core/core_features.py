"""Core columns of the feature matrix: kernels that run through the trades once.

Each carries a few figures, so that a whole day and one trade at a time give the same bits.
"""

from functools import partial
from typing import TypeAlias

import numpy as np

from orderflow_core.decision_clocks import Decisions
from orderflow_core.feature_input import Chunk
from orderflow_core.feature_state import FeatureState
from orderflow_core.kernels.features import _core_rows_nb, _past_nb, _running_nb, _touch_nb
from orderflow_core.kernels.rolling import (
    _flow_rows_nb,
    _rolling_quantile_nb,
    _rolling_sums_nb,
)
from orderflow_core.rolling import size_counters, window_start
from orderflow_core.row_ranges import ranges_of, side_by_side
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import INT64_MAX

_WINDOW_NS = 60 * 1_000_000_000
_SHARE = (95, 100)  # the quantile from which on trades are large
_Rows: TypeAlias = tuple[Int64, Int64]
_NONE = np.empty(0, np.int64)
_NO_QUOTES = (_NONE, _NONE, _NONE, _NONE, np.empty(0, np.bool_))


def fill(
    state: FeatureState, chunk: Chunk, decisions: Decisions, n_before: int, values: Float64
) -> Int64:
    """Write the core columns of a chunk that the state's history already holds.

    Parameters
    ----------
    state : FeatureState
        Goes on: its figures are those after the chunk's last row.
    chunk : Chunk
    decisions : Decisions
        Of the chunk.
    n_before : int
        Trades of the history that precede the chunk.
    values : ndarray of float64, shape (n_features, n_rows)

    Returns
    -------
    ndarray of int64
        Positions in the history of the starts that these rows pass.
    """
    ts, price, qty, sign, sweep = state.history.columns()
    starts = chunk.starts + n_before if n_before else chunk.starts
    starts = np.concatenate((state.starts, starts)) if len(state.starts) else starts
    # Rows make the kernels go on: a start after the last row is still to come.
    n_done = int(decisions.end_idx[-1]) + n_before if len(decisions) else int(state.running[0])
    passed = starts
    if len(starts):
        passed, state.starts = starts[starts < n_done], starts[starts >= n_done]
    if len(decisions) == 0:
        _keep_quote(state, chunk)
        return passed
    end_idx = decisions.end_idx + n_before
    known_ns = decisions.t0_ns if decisions.is_end_included else decisions.t0_ns - 1
    rows, held = (end_idx, known_ns), (state.sums, state.quantile)
    rule = (_WINDOW_NS, *_SHARE)
    _flow_rows_nb((ts, qty, sign), rows, starts, rule, state.counters, held, values)
    _core_rows_nb(
        (ts, price, qty, sign, sweep),
        rows,
        starts,
        (state.past, state.running, state.quote),
        (state.reach, state.moments),
        chunk.quotes or _NO_QUOTES,
        (n_before, chunk.quotes is not None),
        values,
    )
    return passed


def _keep_quote(state: FeatureState, chunk: Chunk) -> None:
    # The quote of the last trade, for rows that a later chunk brings.
    if chunk.quotes is not None and len(chunk.ts):
        for i, column in enumerate(chunk.quotes):
            state.quote[i] = column[-1]


def fill_side_by_side(
    state: FeatureState, chunk: Chunk, decisions: Decisions, values: Float64
) -> None:
    """Do as `fill` for a whole stream at once, whose trades need no history.

    Windows need no earlier rows, so that ranges of rows are independent.
    """
    known_ns = decisions.t0_ns if decisions.is_end_included else decisions.t0_ns - 1
    rows = (decisions.end_idx, known_ns)

    def running() -> None:
        trades = (chunk.price, chunk.qty, chunk.sign, chunk.sweep)
        _running_nb(trades, rows[0], chunk.starts, state.running, state.moments, values[9:21])

    def windows(part: slice) -> None:
        ends, known, into = rows[0][part], rows[1][part], values[:, part]
        _fill_windows(chunk, (ends, known), into, state.reach)
        if chunk.quotes is None:
            into[22:26] = np.nan
        else:
            _touch_nb(chunk.price, chunk.quotes, ends, 0, state.quote, into[22:26])

    parts = ranges_of(len(decisions))
    if len(parts) == 1:
        running()
        windows(parts[0])
    else:
        side_by_side([running, *(partial(windows, part) for part in parts)])


def _fill_windows(chunk: Chunk, rows: _Rows, values: Float64, reach: Float64) -> None:
    end_idx, known_ns = rows
    if len(end_idx) == 0:
        return
    flow, left = (chunk.ts, chunk.qty, chunk.sign), (end_idx, known_ns - _WINDOW_NS)
    is_warm = np.empty(len(end_idx), np.bool_)
    held, starts = window_start(chunk.ts, left, chunk.starts, 7)
    _rolling_sums_nb(flow, left, starts, held, tuple(values[:7]), is_warm)
    held, starts = window_start(chunk.ts, left, chunk.starts, 8)
    large = (np.empty(len(end_idx), np.int64), values[7], values[8])
    counters = size_counters(len(chunk.ts))
    _rolling_quantile_nb(flow, left, starts, _SHARE, counters, held, large)
    _hide_cold(values, is_warm)
    held, starts = window_start(chunk.ts, left, chunk.starts, 10)
    begin, floor = int(held[0]), int(held[2])
    close = chunk.price[begin - 1] if begin > floor else chunk.price[floor]
    held[:] = begin, floor, begin, begin, begin, 0, close, 0, close, 0
    own_reach = np.zeros(2)
    past = (chunk.ts, chunk.price, chunk.sweep)
    _past_nb(past, rows, starts, held, own_reach, values[11:22])
    np.maximum(reach, own_reach, out=reach)


def _hide_cold(values: Float64, is_warm: Bool) -> None:
    if np.count_nonzero(is_warm) < len(is_warm):
        values[:9, ~is_warm] = np.nan


def require_sums_fit(state: FeatureState) -> None:
    """Demand that no integer sum can have left int64, after rows were written."""
    reach = max(state.moments.item(2), state.reach.item(0) + state.reach.item(1) ** 2)
    if reach > INT64_MAX // 2:
        raise ValueError(
            "trades.price_ticks and trades.qty_lots overflow int64: sums of squared price changes, "
            f"or of lots times price changes, reach {reach:.3g}"
        )
