"""Who was the aggressor of a trade: the venue's flag and the classical rules, in layers.

Signs are +1 (buy), -1 (sell) and 0 (not decided). Nothing is decided at random, ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.classify import _agreement_nb, _layer_nb
from orderflow_core.quote_rules import clnv, depth_rule, emo, lee_ready, quote_rule, trade_size_rule
from orderflow_core.tick_rules import TickState, reverse_tick_rule, tick_rule
from orderflow_core.types import Float64, Int8, Int64, QuoteAtTrade
from orderflow_core.validate import require_int64, require_same_length, require_sign

RULES: tuple[str, ...] = (
    "native", "quote", "tick", "lee_ready", "emo", "clnv", "depth", "trade_size",
)  # fmt: skip
# Rules that look ahead: `classify` takes them only where the caller says so.
RESEARCH_RULES: tuple[str, ...] = ("reverse_tick",)
QUOTE_RULES: frozenset[str] = frozenset(
    {"quote", "lee_ready", "emo", "clnv", "depth", "trade_size"}
)
_CODES = {name: code for code, name in enumerate(RULES + RESEARCH_RULES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """Signs with the rule that decided each.

    Attributes
    ----------
    sign : ndarray of int8, shape (n_trades,)
        0 where no rule decided.
    rule : ndarray of int8, shape (n_trades,)
        Position in ``RULES + RESEARCH_RULES``, -1 where no rule decided.
    confidence : ndarray of float64, shape (n_trades,)
        1 for the venue's own flag; else the share of two tests that back the sign, whichever rule
        gave it: the side of the quote's mid, and the last price change. 1: both, 0.5: one (the
        other silent or contrary), 0: none; NaN where no rule decided. No probability.
    state : TickState
        The tick memory after the last trade, for the next chunk of the same session.
    """

    sign: Int8
    rule: Int8
    confidence: Float64
    state: TickState

    def __len__(self) -> int:
        return len(self.sign)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    # What the rules look at, and the two tests that several of them share.
    price: Int64
    native_sign: ArrayLike | None
    at_trade: QuoteAtTrade | None
    qty_lots: ArrayLike | None
    starts: ArrayLike | None
    memory: TickState | None
    by_tick: Int8

    def by_quote(self) -> Int8:
        if self.at_trade is None:
            return np.zeros(len(self.price), np.int8)
        return quote_rule(self.price, self.at_trade)


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


def classify(
    price_ticks: ArrayLike,
    *,
    rules: Sequence[str] = ("native", "lee_ready", "tick"),
    native_sign: ArrayLike | None = None,
    at_trade: QuoteAtTrade | None = None,
    qty_lots: ArrayLike | None = None,
    session_start_idx: ArrayLike | None = None,
    state: TickState | None = None,
    allow_look_ahead: bool = False,
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
        The quote strictly before each trade, for the rules of `QUOTE_RULES`.
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0, optional
        For ``trade_size``.
    session_start_idx : ndarray of int64, strictly increasing from 0, optional
        Where the tick memory starts empty: sessions, recorded gaps. One session without it.
    state : TickState, optional
        Memory of the preceding chunk, when the first trade continues its session.
    allow_look_ahead : bool
        Take names from `RESEARCH_RULES` too, whose signs are known only later. For studies alone.

    Returns
    -------
    Classified

    Raises
    ------
    TypeError, ValueError
        An unknown or repeated rule, one that looks ahead uninvited, no rule that has its input, or as
        the rules themselves.

    Notes
    -----
    Causal unless ``allow_look_ahead`` is set. Chunks that hand on `Classified.state` give the result
    of the whole, bit for bit (with rules that do not look ahead). No trades: nothing, and the state
    as it came. How often a sign of each confidence is right: docs/glossary.md.

    Examples
    --------
    >>> found = classify(np.array([10, 11, 11]), native_sign=np.array([-1, 0, 0]))
    >>> found.rule
    array([0, 2, 2], dtype=int8)
    >>> found.confidence
    array([1. , 0.5, 0.5])
    """
    price = require_int64("price_ticks", price_ticks)
    given = {"native_sign": native_sign, "qty_lots": qty_lots}
    lengths = {name: np.asarray(column) for name, column in given.items() if column is not None}
    if at_trade is not None:
        lengths["at_trade"] = at_trade.is_known
    require_same_length(price_ticks=price, **lengths)
    runnable = _runnable(rules, {*lengths}, allow_look_ahead)
    by_tick, after = tick_rule(price, state, session_start_idx=session_start_idx)
    evidence = _Evidence(
        price=price, native_sign=native_sign, at_trade=at_trade, qty_lots=qty_lots,
        starts=session_start_idx, memory=state, by_tick=by_tick,
    )  # fmt: skip
    sign, rule = np.zeros(len(price), np.int8), np.full(len(price), -1, np.int8)
    for name in runnable:
        if _layer_nb(sign, rule, _candidate(name, evidence), _CODES[name]) == 0:
            break
    return Classified(
        sign=sign, rule=rule, confidence=_confidence(sign, rule, evidence), state=after
    )


def _runnable(rules: Sequence[str], given: set[str], allow_look_ahead: bool) -> list[str]:
    if any(name not in _CODES for name in rules) or len(set(rules)) != len(rules):
        raise ValueError(f"rules must be different names out of {RULES}, got {rules!r}")
    ahead = [name for name in rules if name in RESEARCH_RULES]
    if ahead and not allow_look_ahead:
        raise ValueError(f"rules must not look ahead without allow_look_ahead, got {ahead[0]!r}")
    runnable = [name for name in rules if _needs(name) <= given]
    if not runnable:
        absent = sorted({need for name in rules for need in _needs(name)} - given)
        raise ValueError(
            f"rules must hold one that has its input, got {tuple(rules)} with "
            f"{', '.join(absent) or 'nothing'} absent"
        )
    return runnable


def _needs(name: str) -> set[str]:
    needs = {"at_trade"} if name in QUOTE_RULES else set()
    return needs | {"native": {"native_sign"}, "trade_size": {"qty_lots"}}.get(name, set())


def _candidate(name: str, evidence: _Evidence) -> Int8:
    price, quotes = evidence.price, evidence.at_trade
    starts, memory = evidence.starts, evidence.memory
    if name == "native" and evidence.native_sign is not None:
        return native_rule(evidence.native_sign)
    if name == "reverse_tick":
        return reverse_tick_rule(price, session_start_idx=starts).sign
    if quotes is not None:
        if name == "quote":
            return evidence.by_quote()
        if name == "depth":
            return depth_rule(price, quotes)
        if name == "trade_size" and evidence.qty_lots is not None:
            return trade_size_rule(evidence.qty_lots, quotes)
        hybrids = {"lee_ready": lee_ready, "emo": emo, "clnv": clnv}
        if name in hybrids:
            return hybrids[name](price, quotes, memory, session_start_idx=starts)[0]
    return evidence.by_tick


def _confidence(sign: Int8, rule: Int8, evidence: _Evidence) -> Float64:
    is_native = (rule == _CODES["native"]).view(np.int8)
    if is_native.all():
        return np.ones(len(sign))
    confidence = np.empty(len(sign))
    _agreement_nb(sign, is_native, evidence.by_quote(), evidence.by_tick, confidence)
    return confidence
