"""Signs from trade prices alone: the tick rule, and its reverse, which looks ahead."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.tick_rules import (
    _reverse_tick_nb,
    _tick_memories_nb,
    _tick_sessions_nb,
)
from orderflow_core.row_ranges import side_by_side
from orderflow_core.types import Bool, Int8, Int64
from orderflow_core.validate import (
    require_apart,
    require_int64,
    require_room,
    require_session_starts,
)

_WHOLE = np.zeros(1, np.int64)  # one session from the first trade on
# Trades that one thread takes at a time: less is not worth a thread, more leaves one idle.
_SEGMENT_TRADES = 2**17
_N_PARTS = 8  # of the segments, for threads to share


@dataclass(frozen=True, slots=True, kw_only=True)
class TickState:
    """What the tick rule remembers between two chunks of one session.

    Attributes
    ----------
    last_price_ticks : int
        Price of the last trade.
    last_sign : int
        Sign of the last price change, 0 before the first change.
    is_set : bool
        False before the first trade of a session.
    """

    last_price_ticks: int = 0
    last_sign: int = 0
    is_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSigns:
    """Signs that are known only after their trade: for research, never for a feature.

    Attributes
    ----------
    sign : ndarray of int8, shape (n_trades,)
    known_idx : ndarray of int64, shape (n_trades,)
        Position of the later trade that reveals the sign, -1 where none does (sign 0).
    """

    sign: Int8
    known_idx: Int64

    def __len__(self) -> int:
        return len(self.sign)


def tick_rule(
    price_ticks: ArrayLike,
    state: TickState | None = None,
    *,
    session_start_idx: ArrayLike | None = None,
    out: Int8 | None = None,
) -> tuple[Int8, TickState]:
    """Return the sign of each trade's step from the last different trade price.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, in trade order
    state : TickState, optional
        The memory that the preceding chunk returned, when the first trade continues its session.
    session_start_idx : ndarray of int64, strictly increasing from 0, optional
        Where the memory starts empty: sessions, recorded gaps. One session without it.
    out : ndarray of int8, shape (n_trades,), optional
        Signs that are no longer needed, to be written over and returned: new memory costs more.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
        0 from the session's first trade up to its first price change.
    state : TickState
        For the next chunk. Chunks give the signs of the whole, bit for bit.

    Raises
    ------
    TypeError, ValueError
        Prices are not integers, or the starts are not positions in order.

    Notes
    -----
    Causal: element i uses prices 0..i. Ties: a trade at the price before it keeps the sign of the
    last change (zero uptick, zero downtick). No trades: no signs, and the state as it came. Long
    input is cut into segments that threads sign side by side, each from its own memory.
    Source: Lee and Ready (1991), the tick test.

    Examples
    --------
    >>> tick_rule(np.array([10, 10, 11, 11, 9]))[0]
    array([ 0,  0,  1,  1, -1], dtype=int8)
    """
    price = require_int64("price_ticks", price_ticks)
    starts = _checked_starts(session_start_idx, len(price))
    sign = np.empty(len(price), np.int8) if out is None else out
    require_room("out", sign, len(price), np.int8)
    require_apart({"out": sign}, {"price_ticks": price, "session_start_idx": starts})
    if len(price) == 0:
        return sign, state if state is not None else TickState()
    edges, is_start = _segments(starts, len(price))
    memory_price, memory_sign = np.empty(len(edges), np.int64), np.empty(len(edges), np.int8)
    is_known = state is not None and state.is_set
    memory_price[0] = state.last_price_ticks if state is not None and is_known else price[0]
    memory_sign[0] = state.last_sign if state is not None and is_known else 0
    _tick_memories_nb(price, edges, is_start, memory_price, memory_sign)
    memories = (memory_price, memory_sign)
    # Where there is little to sign one thread is done before others have begun.
    if len(price) <= _SEGMENT_TRADES:
        _tick_sessions_nb(price, edges, *memories, sign)
    else:
        _sign_side_by_side(price, edges, memories, sign)
    after = TickState(
        last_price_ticks=int(memory_price[-1]), last_sign=int(memory_sign[-1]), is_set=True
    )
    return sign, after


def reverse_tick_rule(
    price_ticks: ArrayLike, *, session_start_idx: ArrayLike | None = None
) -> ForwardSigns:
    """Return the sign of each trade's step back from the next different price: it looks ahead.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, in trade order
    session_start_idx : ndarray of int64, strictly increasing from 0, optional
        What lies beyond a start is not looked at. One session without it.

    Returns
    -------
    ForwardSigns
        +1 where the next different price is lower, -1 where it is higher, 0 where none follows.

    Raises
    ------
    TypeError, ValueError
        Prices are not integers, or the starts are not positions in order.

    Notes
    -----
    NOT causal: ``known_idx`` tells when each sign became known, which may be hours later. Ties: equal
    prices wait for the next different one together. No trades: no signs.
    Source: Lee and Ready (1991), the reverse tick test; Hasbrouck (1988).

    Examples
    --------
    >>> reverse_tick_rule(np.array([10, 10, 9, 12])).sign
    array([ 1,  1, -1,  0], dtype=int8)
    """
    price = require_int64("price_ticks", price_ticks)
    starts = _checked_starts(session_start_idx, len(price))
    sign, known_idx = np.empty(len(price), np.int8), np.empty(len(price), np.int64)
    _reverse_tick_nb(price, starts, sign, known_idx)
    return ForwardSigns(sign=sign, known_idx=known_idx)


def _sign_side_by_side(
    price: Int64, edges: Int64, memories: tuple[Int64, Int8], sign: Int8
) -> None:
    def segments(first: int, end: int) -> None:
        part = slice(first, end + 1)
        _tick_sessions_nb(price, edges[part], memories[0][part], memories[1][part], sign)

    cuts = np.linspace(0, len(edges) - 1, _N_PARTS + 1).astype(np.int64).tolist()
    side_by_side([partial(segments, *cut) for cut in pairwise(cuts)])


def _checked_starts(session_start_idx: ArrayLike | None, n: int) -> Int64:
    if session_start_idx is None:
        return _WHOLE[: min(n, 1)]
    return require_session_starts("session_start_idx", session_start_idx, n)


def _segments(starts: Int64, n: int) -> tuple[Int64, Bool]:
    # Edges of the segments, and which of them open a session: sessions, long ones cut further.
    if len(starts) == 1 and n <= _SEGMENT_TRADES:
        return np.array([0, n]), np.ones(1, np.bool_)
    edges = np.union1d(starts, np.arange(0, n, _SEGMENT_TRADES))
    return np.append(edges, n), np.isin(edges, starts, assume_unique=True)
