"""Who was the aggressor of a trade: the venue's flag, the quote rule, the tick rule, Lee-Ready.

Signs are +1 (buy), -1 (sell) and 0 (not decided). Nothing is decided at random, ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.classify import (
    _extremes_nb,
    _last_change_nb,
    _layer_nb,
    _lee_ready_nb,
    _quote_rule_nb,
    _tick_rule_nb,
)
from orderflow_core.scoring import Score as Score
from orderflow_core.scoring import score_signs as score_signs
from orderflow_core.types import Bool, Int8, Int64, QuoteAtTrade
from orderflow_core.validate import (
    require_int64,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sum_fits,
)

RULES: tuple[str, ...] = ("native", "quote", "tick", "lee_ready")
_WHOLE = np.zeros(1, np.int64)  # one session from the first trade on


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
class Classified:
    """Signs with the rule that decided each.

    Attributes
    ----------
    sign : ndarray of int8, shape (n_trades,)
        0 where no rule decided.
    rule : ndarray of int8, shape (n_trades,)
        Position in `RULES`, -1 where no rule decided.
    state : TickState
        The tick memory after the last trade, for the next chunk of the same session.
    """

    sign: Int8
    rule: Int8
    state: TickState

    def __len__(self) -> int:
        return len(self.sign)


def native_rule(native_sign: ArrayLike) -> Int8:
    """Return the venue's own sign, checked.

    Parameters
    ----------
    native_sign : ndarray of integers, shape (n_trades,), in {-1, 0, +1}
        0 where the venue tells nothing.

    Returns
    -------
    ndarray of int8, shape (n_trades,)

    Raises
    ------
    TypeError, ValueError
        Not integers, or outside the domain.
    """
    return require_sign("native_sign", native_sign)


def tick_rule(price_ticks: ArrayLike, state: TickState | None = None) -> tuple[Int8, TickState]:
    """Return the sign of each trade's step from the last different trade price.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, one session in trade order
    state : TickState, optional
        The memory that the preceding chunk of the same session returned.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
        0 from the session's first trade up to its first price change.
    state : TickState
        For the next chunk. Chunks give the signs of the whole, bit for bit.

    Raises
    ------
    TypeError
        Prices are not integers.

    Notes
    -----
    Causal: element i uses prices 0..i. Ties: a trade at the price before it keeps the sign of the
    last change (zero uptick, zero downtick). No trades: no signs, and the state as it came.
    Source: Lee and Ready (1991), the tick test.

    Examples
    --------
    >>> tick_rule(np.array([10, 10, 11, 11, 9]))[0]
    array([ 0,  0,  1,  1, -1], dtype=int8)
    """
    price = require_int64("price_ticks", price_ticks)
    sign = np.empty(len(price), np.int8)
    _tick_rule_nb(price, _WHOLE, *_memory(price, state), sign)
    return sign, _state_after(price, 0, state)


def quote_rule(price_ticks: ArrayLike, at_trade: QuoteAtTrade) -> Int8:
    """Return the side of the quote's mid on which each trade was made.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, magnitude below 2**62
    at_trade : QuoteAtTrade, n_trades elements
        The quote strictly before each trade (`orderflow_core.alignment.quote_at_trade`).

    Returns
    -------
    ndarray of int8, shape (n_trades,)
        +1 above the mid, -1 below.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or twice a price leaves int64.

    Notes
    -----
    Causal, as the join is. Ties: 0 at the mid exactly, also in a locked market; 0 where the quote
    is crossed (bid above ask) or not known. Twice the price is compared with bid + ask, in
    integers, so that no tolerance is needed. Source: Lee and Ready (1991), the quote test.

    Examples
    --------
    A bid of 10 and an ask of 13 have their mid at 11.5: trades at 11 and 12 sell and buy.
    """
    price = require_int64("price_ticks", price_ticks)
    sign = np.empty(len(price), np.int8)
    _quote_rule_nb(price, *_checked_quotes(price, at_trade), sign)
    return sign


def lee_ready(
    price_ticks: ArrayLike, at_trade: QuoteAtTrade, state: TickState | None = None
) -> tuple[Int8, TickState]:
    """Return the quote rule's sign, and the tick rule's where the quote rule decides nothing.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, one session in trade order
    at_trade : QuoteAtTrade, n_trades elements
    state : TickState, optional
        The memory that the preceding chunk of the same session returned.

    Returns
    -------
    sign : ndarray of int8, shape (n_trades,)
    state : TickState
        For the next chunk. Chunks give the signs of the whole, bit for bit.

    Raises
    ------
    TypeError, ValueError
        As `quote_rule`.

    Notes
    -----
    Causal. The tick leg looks at the last different trade *price*, not at the last sign given:
    10.0 after 9.9 at the mid is a buy although the trade at 9.9 may have been signed by its quote.
    Source: Lee and Ready (1991).
    """
    price = require_int64("price_ticks", price_ticks)
    quotes, memory = _checked_quotes(price, at_trade), _memory(price, state)
    sign = np.empty(len(price), np.int8)
    _lee_ready_nb(price, *quotes, _WHOLE, *memory, sign)
    return sign, _state_after(price, 0, state)


def classify(
    price_ticks: ArrayLike,
    *,
    rules: Sequence[str] = ("native", "lee_ready", "tick"),
    native_sign: ArrayLike | None = None,
    at_trade: QuoteAtTrade | None = None,
    session_start_idx: ArrayLike | None = None,
    state: TickState | None = None,
) -> Classified:
    """Sign each trade by the first rule that decides it.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks, in trade order
    rules : sequence of str
        Names from `RULES`, the most trusted first. A rule whose input is absent decides nothing.
    native_sign : ndarray of integers, shape (n_trades,), optional
        The venue's flag, 0 where it gives none.
    at_trade : QuoteAtTrade, optional
        The quote strictly before each trade, for ``quote`` and ``lee_ready``.
    session_start_idx : ndarray of int64, strictly increasing from 0, optional
        Where the tick memory starts empty: sessions, recorded gaps. One session without it.
    state : TickState, optional
        Memory of the preceding chunk, when the first trade continues its session.

    Returns
    -------
    Classified

    Raises
    ------
    TypeError, ValueError
        An unknown or repeated rule, no rule that has its input, or as the rules themselves.

    Notes
    -----
    Causal. Chunks that hand on `Classified.state` give the result of the whole, bit for bit.

    Examples
    --------
    >>> classify(np.array([10, 11, 11]), native_sign=np.array([-1, 0, 0])).rule
    array([0, 2, 2], dtype=int8)
    """
    price = require_int64("price_ticks", price_ticks)
    starts = (
        _WHOLE[: len(price)]
        if session_start_idx is None
        else require_session_starts("session_start_idx", session_start_idx, len(price))
    )
    given = {
        "price_ticks": price,
        "native_sign": price if native_sign is None else np.asarray(native_sign),
        "at_trade": price if at_trade is None else at_trade.is_known,
    }
    require_same_length(**given)
    memory = _memory(price, state)
    sign, rule = np.zeros(len(price), np.int8), np.full(len(price), -1, np.int8)
    for name in _runnable(rules, native_sign is not None, at_trade is not None):
        candidate = _candidate(name, price, native_sign, at_trade, starts, memory)
        if _layer_nb(sign, rule, candidate, RULES.index(name)) == 0:
            break
    last_start = int(starts[-1]) if len(starts) else 0
    return Classified(sign=sign, rule=rule, state=_state_after(price, last_start, state))


def _memory(price: Int64, state: TickState | None) -> tuple[int, int]:
    # An empty memory equals one that has just seen the first price: no change yet.
    if state is not None and state.is_set:
        return state.last_price_ticks, state.last_sign
    return (int(price[0]), 0) if len(price) else (0, 0)


def _state_after(price: Int64, last_start: int, state: TickState | None) -> TickState:
    if len(price) == 0:
        return state if state is not None else TickState()
    if last_start > 0:
        state = None  # a later session has begun
    last_price, last_sign = _memory(price[last_start:], state)
    change = int(_last_change_nb(price, last_start, last_price, last_sign))
    return TickState(last_price_ticks=int(price[-1]), last_sign=change, is_set=True)


def _checked_quotes(price: Int64, at_trade: QuoteAtTrade) -> tuple[Int64, Int64, Bool]:
    bid = require_int64("at_trade.bid_ticks", at_trade.bid_ticks)
    ask = require_int64("at_trade.ask_ticks", at_trade.ask_ticks)
    is_known = np.ascontiguousarray(at_trade.is_known)
    if is_known.dtype != np.bool_:
        raise TypeError(f"at_trade.is_known must hold bools, got dtype {is_known.dtype}")
    require_same_length(price_ticks=price, bid_ticks=bid, ask_ticks=ask, is_known=is_known)
    for name, ticks in (("price_ticks", price), ("bid_ticks", bid), ("ask_ticks", ask)):
        low, high = _extremes_nb(ticks)  # the rule forms twice the price and bid + ask
        require_sum_fits(name, max(-int(low), int(high)), 2)
    return bid, ask, is_known


def _runnable(rules: Sequence[str], has_native: bool, has_quotes: bool) -> list[str]:
    if any(name not in RULES for name in rules) or len(set(rules)) != len(rules):
        raise ValueError(f"rules must be different names out of {RULES}, got {rules!r}")
    is_ready = {"native": has_native, "quote": has_quotes, "tick": True, "lee_ready": has_quotes}
    runnable = [name for name in rules if is_ready[name]]
    if not runnable:
        raise ValueError(
            f"rules must hold one that has its input, got {tuple(rules)} with "
            f"native_sign {'given' if has_native else 'absent'} and "
            f"at_trade {'given' if has_quotes else 'absent'}"
        )
    return runnable


def _candidate(
    name: str,
    price: Int64,
    native_sign: ArrayLike | None,
    at_trade: QuoteAtTrade | None,
    starts: Int64,
    memory: tuple[int, int],
) -> Int8:
    if name == "native" and native_sign is not None:
        return native_rule(native_sign)
    if name == "quote" and at_trade is not None:
        return quote_rule(price, at_trade)
    sign = np.empty(len(price), np.int8)
    if name == "lee_ready" and at_trade is not None:
        _lee_ready_nb(price, *_checked_quotes(price, at_trade), starts, *memory, sign)
    else:
        _tick_rule_nb(price, starts, *memory, sign)
    return sign
