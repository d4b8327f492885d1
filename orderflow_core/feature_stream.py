"""The feature matrix of any number of trades in constant memory, block by block."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.features import ALL_NAMES, NAMES, FeatureMatrix, continue_decision_features
from orderflow_core.ofi import OfiAtTrade
from orderflow_core.sessions import starts_within
from orderflow_core.types import QuoteAtTrade, TradeArrays
from orderflow_core.validate import require_int64, require_positive_scalar, require_session_starts


def feature_blocks(
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    *,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
    clock: str = "sweep",
    settings: FeatureSettings | None = None,
    ofi: OfiAtTrade | None = None,
    block_trades: int = 2**17,
) -> Iterator[FeatureMatrix]:
    """Yield the rows of `orderflow_core.features.decision_features` in order, some trades at a time.

    Parameters
    ----------
    trades, sweep, at_trade, session_start_idx, gap_idx, session_ended, settings, ofi
        As in `orderflow_core.features.decision_features`. Memory-mapped arrays are read block by
        block.
    clock : str
        ``"sweep"`` or ``"time:<n>s"``.
    block_trades : int, > 0

    Yields
    ------
    FeatureMatrix
        Rows that a block of trades closed, perhaps none; ``last_idx`` counts in all trades. Its
        values lie in memory that the next block writes over: copy what is to stay.

    Raises
    ------
    TypeError, ValueError
        As `decision_features`, at the block that breaks a rule.

    Notes
    -----
    Causal, and bit for bit the rows of the whole. Memory: the block's rows, and the trades of the
    longest window.
    """
    step = require_positive_scalar("block_trades", block_trades)
    n = len(trades)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    gaps, ordinal = require_int64("gap_idx", gap_idx), np.asarray(sweep)
    state, room = None, np.empty((len(ALL_NAMES if settings else NAMES), step + 1))
    for first in range(0, n, step):
        stop = min(first + step, n)
        matrix, state = continue_decision_features(
            state,
            trades.slice(first, stop),
            ordinal[first:stop],
            None if at_trade is None else at_trade.slice(first, stop),
            session_start_idx=starts_within(starts, first, stop),
            gap_idx=starts_within(gaps, first, stop),
            session_ended=session_ended and stop == n,
            clock=clock,
            settings=settings,
            ofi=None if ofi is None else ofi.slice(first, stop),
            out=room if clock == "sweep" else None,
        )
        yield replace(matrix, last_idx=matrix.last_idx + first)
