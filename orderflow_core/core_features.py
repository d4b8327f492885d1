"""Core columns of the feature matrix: a chunk of a stream, or a whole stream side by side.

Each kernel carries a few figures, so that a whole day and one trade at a time give the same bits.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from orderflow_core.decision_clocks import Decisions
from orderflow_core.feature_blocks import Rows, blocks_of, known_rows
from orderflow_core.feature_input import Chunk
from orderflow_core.feature_state import FeatureState
from orderflow_core.kernels.features import _running_nb
from orderflow_core.kernels.rolling_quantile import _rolling_quantile_nb
from orderflow_core.rolling import size_counters, window_start
from orderflow_core.row_ranges import ranges_of
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import INT64_MAX, read_only
from orderflow_core.window_tier import WINDOW_NS, begun_windows, fill_windows

SHARE = (95, 100)  # the quantile from which on trades are large
_NONE = read_only(np.empty(0, np.int64))
_NO_QUOTES = (_NONE, _NONE, _NONE, _NONE, read_only(np.empty(0, np.bool_)))


def fill(state: FeatureState, chunk: Chunk, decisions: Decisions, values: Float64) -> Int64:
    """Write the core columns of a chunk that the state's history already holds, and all in windows.

    Parameters
    ----------
    state : FeatureState
        Goes on in place.
    chunk : Chunk
    decisions : Decisions
        Of the chunk.
    values : ndarray of float64, shape (n_features, n_rows)

    Returns
    -------
    ndarray of int64
        Positions in the history of the starts that these rows pass.
    """
    n_before = state.n_known() - len(chunk.ts)
    rows = known_rows(decisions)
    starts = chunk.starts + n_before if n_before else chunk.starts
    passed = np.concatenate((state.starts, starts)) if len(state.starts) else starts
    # Rows make the quantile go on: a start after the last row is still to come.
    if len(decisions):
        ends = rows[0] + n_before
        _fill_large_ratios(state, (ends, rows[1]), passed, values)
        if len(passed):
            is_done = passed < ends[-1]
            passed, state.starts = passed[is_done], passed[~is_done]
    else:
        passed, state.starts = _NONE, passed
    fill_windows(state.windows, chunk, rows, values)
    fill_running(state, chunk, rows[0], values)
    return passed


def _fill_large_ratios(state: FeatureState, rows: Rows, starts: Int64, values: Float64) -> None:
    history, (ends, known_ns) = state.history, rows
    trades = (history.ts, history.qty, history.sign)
    large = (np.empty(len(ends), np.int64), values[7], values[8])
    left = (ends, known_ns - WINDOW_NS)
    _rolling_quantile_nb(trades, left, starts, SHARE, state.counters, state.quantile, large)


def fill_running(state: FeatureState, chunk: Chunk, end_idx: Int64, values: Float64) -> None:
    """Write the core columns that go on from a session's first trade, and those of the touch.

    Parameters
    ----------
    state : FeatureState
        Goes on in place.
    chunk : Chunk
    end_idx : ndarray of int64, shape (n_rows,)
        How many of the chunk's trades each row knows.
    values : ndarray of float64, shape (n_features, n_rows)
    """
    trades = (chunk.ts, chunk.price, chunk.qty, chunk.sign, chunk.sweep)
    held, quotes = (state.running, state.quote), chunk.quotes or _NO_QUOTES
    _running_nb(trades, quotes, end_idx, chunk.starts, held, state.moments, values)


def window_tasks(
    state: FeatureState, chunk: Chunk, decisions: Decisions, values: Float64
) -> list[Callable[[], None]]:
    """Return work that writes all columns in windows of a whole stream, independent of each other.

    Parameters
    ----------
    state : FeatureState
        Before the stream's first trade. It gets the magnitudes that sums reached.
    chunk, decisions, values
        As in `fill`, of the whole stream.
    """
    rows, is_whole = known_rows(decisions), len(state.windows.moves) > 0

    def windows(part: slice) -> None:
        of_part, into = (rows[0][part], rows[1][part]), values[:, part]
        _fill_large_ratios_from(chunk, of_part, into)
        begun, first = begun_windows(chunk, of_part, into, is_whole=is_whole)
        for block, due, cut in blocks_of(chunk, of_part, first, int(of_part[0][-1])):
            fill_windows(begun, block, due, into[:, cut])
        np.maximum(state.windows.sizes[0], begun.sizes[0], out=state.windows.sizes[0])

    return [partial(windows, part) for part in ranges_of(len(decisions), per_core=3)]


def _fill_large_ratios_from(chunk: Chunk, rows: Rows, values: Float64) -> None:
    left = (rows[0], rows[1] - WINDOW_NS)
    held, starts = window_start(chunk.ts, left, chunk.starts, 8)
    large = (np.empty(len(rows[0]), np.int64), values[7], values[8])
    trades, counters = (chunk.ts, chunk.qty, chunk.sign), size_counters(len(chunk.ts))
    _rolling_quantile_nb(trades, left, starts, SHARE, counters, held, large)


def require_sums_fit(state: FeatureState) -> None:
    """Demand that no integer sum can have left int64, after rows were written."""
    squares, farthest = state.windows.sizes[0].tolist()
    reach = max(state.moments.item(2), squares + farthest**2)
    if reach > INT64_MAX // 2:
        raise ValueError(
            "trades.price_ticks and trades.qty_lots overflow int64: sums of squared price changes, "
            f"or of lots times price changes, reach {reach:.3g}"
        )
