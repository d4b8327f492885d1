"""The whole feature matrix of a live stream: what it costs when trades come one at a time."""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import Market
from benchmarks.items.features import matrix_columns
from benchmarks.items.features_whole import all_columns, arguments
from orderflow_core.features import FeatureMatrix, continue_decision_features, decision_features
from orderflow_core.sessions import starts_within

MAX_TRADES = 50_000


def contestants(market: Market) -> list[Contestant]:
    given = arguments(market) | {"session_ended": False}
    one, many = _chunks(market, given, 1), _chunks(market, given, 100)
    return [
        Contestant(name=OURS, run=lambda: _stream(one), columns=_joined),
        Contestant(name="orderflow, 100 trades a call", run=lambda: _stream(many), columns=_joined),
        Contestant(
            name="orderflow, all trades at once",
            run=lambda: decision_features(**given),
            columns=matrix_columns,
        ),
    ]


def _chunks(market: Market, given: dict[str, Any], size: int) -> list[dict[str, Any]]:
    starts, at_trade, ofi = given["session_start_idx"], given["at_trade"], given["ofi"]
    chunks = []
    for first in range(0, len(market), size):
        end = min(first + size, len(market))
        chunks.append(
            given
            | {
                "trades": market.trades.slice(first, end),
                "sweep": given["sweep"][first:end],
                "at_trade": at_trade.slice(first, end),
                "ofi": ofi.slice(first, end),
                "session_start_idx": starts_within(starts, first, end),
            }
        )
    return chunks


def _stream(chunks: list[dict[str, Any]]) -> list[FeatureMatrix]:
    state, found = None, []
    for chunk in chunks:
        rows, state = continue_decision_features(state, **chunk)
        if len(rows):
            found.append(rows)
    return found


def _joined(found: list[FeatureMatrix]) -> Columns:
    parts = {
        name: np.concatenate([getattr(m, name) for m in found])
        for name in ("t0_ns", "decision_id", "values")
    }
    return matrix_columns(replace(found[0], **parts))


ITEM = Item(
    name="features_incremental",
    work="all 68 columns of the feature matrix with a call for each trade, of the first 50,000: wanted "
    "are 20 us a call. Beside it calls with 100 trades, and one call for all, whose rows must be the same",
    goal=None,
    row_goal_us=20,
    max_rows=MAX_TRADES,
    inputs=lambda market: [c for n, c in all_columns(market).items() if n != "session"],
    contestants=contestants,
)
