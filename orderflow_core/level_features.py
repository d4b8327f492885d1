"""What is known of a level at the decision in which it is touched: one row a touch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.feature_registry import Feature
from orderflow_core.footprint import row_of
from orderflow_core.level_touches import LevelTouches
from orderflow_core.live_levels import LevelKind, LiveLevels
from orderflow_core.types import Float64, Int64, TradeArrays
from orderflow_core.validate import require_int64, require_session_starts

_NS_PER_S = 1_000_000_000
_SOURCE = "docs/levels.md"


def _of_level(name: str, definition: str, unit: str, window: str = "level") -> Feature:
    return Feature(name=name, definition=definition, unit=unit, window=window, source=_SOURCE)


KIND_NAMES = {kind: f"level_is_{kind.name.lower()}" for kind in LevelKind}
LEVEL_FEATURES: tuple[Feature, ...] = (
    *(
        _of_level(name, f"1 where the level's kind is {kind.name}, else 0", "flag")
        for kind, name in KIND_NAMES.items()
    ),
    _of_level("level_side", "side that price came from: 1 above, -1 below", "sign"),
    _of_level(
        "level_defended",
        "1 where the side that made the level is the one that would hold it (buyers, price from "
        "above), -1 the other one, 0 for levels without a side",
        "sign",
    ),
    _of_level("level_height_ticks", "ticks between its edges, both included", "ticks"),
    _of_level("level_age_s", "time since it was known", "s"),
    _of_level("level_lots", "lots traded in its rows", "lots", "session"),
    _of_level(
        "level_lots_share", "these over all lots since the session start or gap", "ratio", "session"
    ),
    _of_level(
        "level_delta_defended",
        "level_side x (buy - sell) / all lots traded in its rows; NaN without a trade there",
        "ratio",
        "session",
    ),
    _of_level("level_touches", "touches of it before this one", "touches"),
    _of_level("level_turns", "touches of it before this one at which price turned", "touches"),
    _of_level(
        "level_travel_ticks",
        "from its near edge to the price farthest from it since it was left",
        "ticks",
    ),
    _of_level("level_depth_ticks", "how far the decision's price is past its near edge", "ticks"),
    *(
        _of_level(
            f"level_approach_{seconds}s_ticks",
            f"how far price came towards it in the last {seconds} s; NaN without a trade so long ago "
            "since the session start or gap",
            "ticks",
            f"{seconds}s",
        )
        for seconds in (1, 10, 60)
    ),
)
LEVEL_NAMES = tuple(feature.name for feature in LEVEL_FEATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    # Trades sorted by row, then by position, with running sums of lots and signed lots.
    lowest: int  # rows are counted from it
    key: Int64
    lots: Int64
    delta: Int64


def level_features(
    trades: TradeArrays,
    levels: LiveLevels,
    touches: LevelTouches,
    decision_end_idx: ArrayLike,
    *,
    start_idx: ArrayLike,
    ticks_per_row: int,
) -> Float64:
    """Return the features of `LEVEL_FEATURES`, one row a touch.

    Parameters
    ----------
    trades : TradeArrays, n_trades elements
    levels : LiveLevels
    touches : LevelTouches, n_touches elements
    decision_end_idx : ndarray of int64, shape (n_touches,), in 1..n_trades
        End of the trades that each row knows: those of the sweep that touched, and before.
    start_idx : ndarray of int64, strictly increasing from 0
        Session start and first trades after gaps; sums begin anew there.
    ticks_per_row : int, > 0
        Of the levels' grid.

    Returns
    -------
    ndarray of float64, shape (n_touches, n_features)

    Raises
    ------
    TypeError, ValueError
        Not integers, or positions outside of the trades or at or before the touch.

    Notes
    -----
    Causal: a row uses the trades before its ``decision_end_idx``. Source: docs/levels.md.

    Examples
    --------
    A row of 7 bought and 3 sold lots, touched from above: level_delta_defended is 0.4.
    """
    last = ends_behind(decision_end_idx, touches.touch_idx, len(trades)) - 1
    starts = require_session_starts("start_idx", start_idx, len(trades))
    if not len(touches):
        return np.empty((0, len(LEVEL_FEATURES)))
    chosen = levels.take(touches.level_idx)
    start = starts[np.searchsorted(starts, last, side="right") - 1]
    side, ts, price = touches.side.astype(np.int64), trades.ts_event_ns, trades.price_ticks
    near = np.where(side > 0, chosen.high_tick, chosen.low_tick)
    known = np.maximum(chosen.first_idx - 1, 0)
    lots, delta = _volume_at(trades, chosen, (start, last + 1), ticks_per_row)
    running = np.concatenate([[0], np.cumsum(trades.qty_lots)])
    columns = {name: chosen.kind == kind for kind, name in KIND_NAMES.items()}
    columns |= {
        "level_side": side,
        "level_defended": side * chosen.sign,
        "level_height_ticks": chosen.high_tick - chosen.low_tick + 1,
        "level_age_s": (ts[last] - ts[known]) / _NS_PER_S,
        "level_lots": lots,
        "level_lots_share": lots / (running[last + 1] - running[start]),
        "level_delta_defended": _over(side * delta, lots),
        "level_touches": touches.n_earlier,
        "level_turns": touches.n_turned,
        "level_travel_ticks": side * (touches.farthest_ticks - near),
        "level_depth_ticks": side * (near - price[last]),
    }
    for seconds in (1, 10, 60):
        before = np.searchsorted(ts, ts[last] - seconds * _NS_PER_S, side="right") - 1
        came = side * (price[np.maximum(before, 0)] - price[last])
        columns[f"level_approach_{seconds}s_ticks"] = np.where(before >= start, came, np.nan)
    return np.column_stack([np.asarray(columns[name], np.float64) for name in LEVEL_NAMES])


def ends_behind(end_idx: ArrayLike, touch_idx: Int64, n: int) -> Int64:
    """Return the ends of what rows know, once each lies behind its touch and within n trades.

    Raises
    ------
    TypeError, ValueError
        Not integers, another length, or a position out of range.
    """
    ends = require_int64("decision_end_idx", end_idx)
    if ends.shape != touch_idx.shape or (ends <= touch_idx).any() or (ends > n).any():
        raise ValueError(
            f"decision_end_idx must lie behind each of the {len(touch_idx)} touches and within {n} "
            f"trades, got {ends}"
        )
    return ends


def _over(part: Int64, whole: Int64) -> Float64:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _volume_at(
    trades: TradeArrays, levels: LiveLevels, span: tuple[Int64, Int64], ticks_per_row: int
) -> tuple[Int64, Int64]:
    # Lots and signed lots of each level's rows within its span of trades.
    rows = _rows(trades, ticks_per_row)
    low = row_of(levels.low_tick, ticks_per_row) - rows.lowest
    high = row_of(levels.high_tick, ticks_per_row) - rows.lowest
    lots, delta = np.zeros(len(low), np.int64), np.zeros(len(low), np.int64)
    for k in range(int((high - low).max()) + 1):
        row = np.minimum(low + k, high)
        first, end = (np.searchsorted(rows.key, row * len(trades) + at) for at in span)
        is_there = low + k <= high
        lots += np.where(is_there, rows.lots[end] - rows.lots[first], 0)
        delta += np.where(is_there, rows.delta[end] - rows.delta[first], 0)
    return lots, delta


def _rows(trades: TradeArrays, ticks_per_row: int) -> _Rows:
    row = row_of(trades.price_ticks, ticks_per_row)
    lowest = int(row.min())
    row = row - lowest
    order = np.argsort(row, kind="stable")
    signed = trades.qty_lots * trades.sign
    return _Rows(
        lowest=lowest,
        key=row[order] * len(trades) + order,
        lots=np.concatenate([[0], np.cumsum(trades.qty_lots[order])]),
        delta=np.concatenate([[0], np.cumsum(signed[order])]),
    )
