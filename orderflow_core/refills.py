"""Absorption by refill: a price keeps more on display than its trades should have left of it.

The quote before a trade says what rests at the best price, the quote of the trade's own time what is
left. Where more is left than that, something was hidden and came forth with the trade: an iceberg.
`price_absorption` asks for the traded lots alone, and takes any large order for an absorber.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from orderflow_core.kernels.refills import _refill_windows_nb
from orderflow_core.types import Bool, Int8, Int64, QuoteArrays, TradeArrays
from orderflow_core.validate import (
    require_count,
    require_differences_fit,
    require_int64,
    require_not_negative,
    require_positions,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sorted,
    require_sum_fits,
    require_window_fits,
)

_QUOTES = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
_HITS = ("ts_ns", "price_ticks", "sign", "taken_lots", "refilled_lots")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefillRule:
    """When refills at a price count as absorption.

    Attributes
    ----------
    window_ns : int, unit ns, > 0
        T: refills of one side at one price are counted over ``(t - T, t]``.
    least_refills : int, > 0
        One can be an order that happened to come at the same time.
    share_num, share_den : int, 0 <= share_num <= share_den, share_den > 0
        Least share of the lots taken at the price that came back.
    """

    window_ns: int
    least_refills: int = 3
    share_num: int = 1
    share_den: int = 2

    def __post_init__(self) -> None:
        for name in ("window_ns", "least_refills", "share_den"):
            require_positive_scalar(name, getattr(self, name))
        require_count("share_num", self.share_num)
        if self.share_num > self.share_den or self.share_den > 1000:
            raise ValueError(
                f"share_num / share_den must be at most 1, and share_den at most 1000, got "
                f"{self.share_num} / {self.share_den}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refills:
    """Hits: what the trades of one time and side took at the best price; shape (n_hits,).

    Attributes
    ----------
    ts_ns, price_ticks : ndarray of int64
        In order of time, hits of sellers first within one time.
    sign : ndarray of int8
        Side that rests: +1 bids, -1 asks.
    taken_lots, refilled_lots : ndarray of int64, unit lots
        Taken by the hit, and what was left beyond what the quote before and the hit account for.
    n_refills, window_taken_lots, window_refilled_lots : ndarray of int64
        Of the hit's price and side within the window, the hit included.
    is_absorbing, is_onset : ndarray of bool
        The rule holds; and no hit at that price and side had it hold in the window before.
    """

    ts_ns: Int64
    price_ticks: Int64
    sign: Int8
    taken_lots: Int64
    refilled_lots: Int64
    n_refills: Int64
    window_taken_lots: Int64
    window_refilled_lots: Int64
    is_absorbing: Bool
    is_onset: Bool

    def __len__(self) -> int:
        return len(self.ts_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefillState:
    """What the next chunk needs.

    Attributes
    ----------
    last_ns, session_ns : int, unit ns
        Latest time seen, and time of the session's first trade.
    quote : QuoteArrays
        The last quote, if there was one.
    ts_ns, price_ticks, sign, taken_lots, refilled_lots, is_absorbing
        Hits of the open session within the window of the last one.
    """

    last_ns: int
    session_ns: int
    quote: QuoteArrays
    ts_ns: Int64
    price_ticks: Int64
    sign: Int8
    taken_lots: Int64
    refilled_lots: Int64
    is_absorbing: Bool


def refill_absorption(
    trades: TradeArrays, quotes: QuoteArrays, session_start_idx: Any, *, rule: RefillRule
) -> Refills:
    """Return where a best price was refilled as it was traded at.

    Parameters
    ----------
    trades : TradeArrays
        In time order; ids are not looked at. Trades without a sign belong to no side.
    quotes : QuoteArrays
        In time order, on the clock of the trades: the quote that a trade leaves behind carries the
        trade's own time, as at Binance's futures and in the simulated market.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Trades that open a session or follow a recorded gap.
    rule : RefillRule

    Returns
    -------
    Refills
        No hit where no quote of the session lies before the trades, where the quote before is locked
        or crossed, or where none carries their own time.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times run back, a domain is broken, or sums beyond int64.

    Notes
    -----
    ``refilled = max(0, left + taken - shown)``: shown is the size at the best price in the last
    quote strictly before, left its size in the last quote of the hit's own time, 0 if another price
    is best by then. Absorbing: ``n_refills >= least_refills`` and
    ``refilled * share_den >= taken * share_num`` over ``(t - T, t]``. A hit is known once a record
    of a later time has come. Causal: element i uses records up to its time. What others add at the
    same time counts as a refill, too: the coarser the clock, the more; and a refill that comes later
    than the clock can tell is not seen. Source: own definition (docs/detectors.md).

    Examples
    --------
    A bid shows 5; 4 are taken and 5 are left, three times: an order behind it fills up what it shows.

    >>> ts, five = np.arange(4), np.full(4, 5)
    >>> quotes = QuoteArrays(
    ...     ts_event_ns=ts, bid_ticks=five, bid_lots=five, ask_ticks=five + 1, ask_lots=five)
    >>> trades = TradeArrays(ts_event_ns=ts, trade_id=ts, price_ticks=five, qty_lots=five - 1,
    ...                      sign=np.full(4, -1, np.int8))
    >>> found = refill_absorption(trades, quotes, [0], rule=RefillRule(window_ns=10))
    >>> found.refilled_lots, found.is_onset
    (array([4, 4, 4]), array([False, False,  True]))
    """
    starts = require_session_starts("session_start_idx", session_start_idx, len(trades))
    return continue_refill_absorption(None, trades, quotes, starts, rule=rule)[0]


def continue_refill_absorption(
    state: RefillState | None,
    trades: TradeArrays,
    quotes: QuoteArrays,
    session_start_idx: Any,
    *,
    rule: RefillRule,
) -> tuple[Refills, RefillState | None]:
    """Do as `refill_absorption` for the next trades and quotes.

    Parameters
    ----------
    state : RefillState or None
        What the preceding chunk returned; None before the first.
    trades, quotes
        All of both streams up to a time, later than all of the chunk before: equal times stay
        together.
    session_start_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1
        Positions in this chunk; empty where no session opens in it.
    rule : RefillRule

    Returns
    -------
    found : Refills
        Of this chunk. Chunks together give the whole, bit for bit.
    state : RefillState or None
        For the next chunk; as it came where the chunk is empty.

    Raises
    ------
    TypeError, ValueError
        As `refill_absorption`, also between the state and the chunk.
    """
    columns = _checked(trades, quotes, state)
    ts = columns["trades.ts_event_ns"]
    starts = require_positions("session_start_idx", session_start_idx, len(ts))
    last = max((int(c[-1]) for c in (ts, columns["quotes.ts_event_ns"]) if len(c)), default=None)
    if last is None:
        return _result([np.empty(0, np.int64)] * 5, _room(0), np.empty(0, np.bool_)), state
    book = _book(columns, state)
    carried = state.session_ns if state else int(ts[0] if len(ts) else last)
    session_ns = np.append(carried, ts[starts])[
        np.searchsorted(starts, np.arange(len(ts)), side="right")
    ]
    hits = _hits(columns, book, session_ns)
    return _windows(state, hits, rule, last, int(session_ns[-1] if len(ts) else carried), book)


def _checked(
    trades: TradeArrays, quotes: QuoteArrays, state: RefillState | None
) -> dict[str, Int64]:
    named: dict[str, Int64] = {
        f"trades.{name}": require_int64(f"trades.{name}", getattr(trades, name))
        for name in ("ts_event_ns", "price_ticks", "qty_lots")
    }
    sign = require_sign("trades.sign", trades.sign)
    require_same_length(sign=sign, **named)
    own = {
        f"quotes.{name}": require_int64(f"quotes.{name}", getattr(quotes, name)) for name in _QUOTES
    }
    require_same_length(**own)
    named |= own | {"trades.sign": sign.astype(np.int64)}
    for stream in ("trades", "quotes"):
        ts = named[f"{stream}.ts_event_ns"]
        require_differences_fit(f"{stream}.ts_event_ns", ts)
        require_sorted(f"{stream}.ts_event_ns", ts)
        if state is not None and len(ts) and ts[0] <= state.last_ns:
            raise ValueError(
                f"{stream}.ts_event_ns must lie after the chunk before, got {ts[0]} after "
                f"{state.last_ns}"
            )
    require_positive("trades.qty_lots", named["trades.qty_lots"])
    for name in ("quotes.bid_lots", "quotes.ask_lots"):
        require_not_negative(name, named[name])
        # Times 1000: the largest denominator of a share.
        require_sum_fits(name, 2000 * int(named[name].max(initial=0)), len(sign) + 1)
    require_sum_fits(
        "trades.qty_lots", 2000 * int(named["trades.qty_lots"].max(initial=0)), len(sign) + 1
    )
    return named


def _book(columns: dict[str, Int64], state: RefillState | None) -> dict[str, Int64]:
    # The quotes of the chunk behind the last one before it.
    own = {name: columns[f"quotes.{name}"] for name in _QUOTES}
    if state is None:
        return own
    return {name: np.append(getattr(state.quote, name), own[name]) for name in _QUOTES}


def _hits(columns: dict[str, Int64], book: dict[str, Int64], session_ns: Int64) -> list[Int64]:
    ts, price, qty, sign = (
        columns[f"trades.{name}"] for name in ("ts_event_ns", "price_ticks", "qty_lots", "sign")
    )
    before = np.searchsorted(book["ts_event_ns"], ts, side="left") - 1
    after = np.searchsorted(book["ts_event_ns"], ts, side="right") - 1
    at = np.flatnonzero((before >= 0) & (after > before) & (sign != 0))
    ts, price, qty, sign, before, after, session = (
        c[at] for c in (ts, price, qty, sign, before, after, session_ns)
    )
    is_ask = sign > 0
    best, shown = (
        np.where(is_ask, book[f"ask_{unit}"][before], book[f"bid_{unit}"][before])
        for unit in ("ticks", "lots")
    )
    is_sound = book["bid_ticks"][before] < book["ask_ticks"][before]
    kept = (price == best) & is_sound & (book["ts_event_ns"][before] >= session)
    ts, price, qty, sign, after, shown, is_ask, session = (
        c[kept] for c in (ts, price, qty, sign, after, shown, is_ask, session)
    )
    later, left = (
        np.where(is_ask, book[f"ask_{unit}"][after], book[f"bid_{unit}"][after])
        for unit in ("ticks", "lots")
    )
    left = np.where(later == price, left, 0)
    order = np.lexsort((sign, ts))  # stable: by time, sellers first
    ts, price, qty, sign, left, shown, session = (
        c[order] for c in (ts, price, qty, sign, left, shown, session)
    )
    first = np.flatnonzero(np.diff(ts, prepend=ts[:1] - 1) | np.diff(sign, prepend=0))
    taken = np.add.reduceat(qty, first) if len(first) else first
    refilled = np.maximum(left[first] + taken - shown[first], 0)
    return [ts[first], price[first], -sign[first], taken, refilled, session[first]]


def _windows(
    state: RefillState | None,
    hits: list[Int64],
    rule: RefillRule,
    last_ns: int,
    session_ns: int,
    book: dict[str, Int64],
) -> tuple[Refills, RefillState]:
    n, n_tail = len(hits[0]), 0 if state is None else len(state.ts_ns)
    fresh, session = hits[:5], hits[5]
    together, is_above = fresh, np.zeros(n_tail + n, np.bool_)
    if state is not None:
        tail = [getattr(state, name).astype(np.int64) for name in _HITS]
        together = [np.append(old, new) for old, new in zip(tail, fresh, strict=True)]
        session = np.append(np.full(n_tail, state.session_ns), session)
        is_above[:n_tail] = state.is_absorbing
    ts, price, sign, taken, refilled = together
    require_window_fits("ts_event_ns", ts, rule.window_ns)
    require_sum_fits(
        "qty_lots", 1000 * int(max(taken.max(initial=0), refilled.max(initial=0))), len(ts)
    )
    prices, row = np.unique(price, return_inverse=True)
    cell = 2 * row + (sign > 0)
    zeros = np.zeros(2 * len(prices), np.int64)
    cells = (zeros, zeros.copy(), zeros.copy(), np.full(2 * len(prices), -1, np.int64))
    opens = np.diff(session, prepend=session[:1]) != 0
    out = _room(n)
    settings = (rule.window_ns, rule.least_refills, rule.share_num, rule.share_den)
    _refill_windows_nb((ts, cell, taken, refilled), opens, n_tail, cells, settings, is_above, out)
    found = _result(fresh, out, is_above[n_tail:])
    keep = (ts > last_ns - rule.window_ns) & (session == session_ns)
    kept: dict[str, Any] = {
        name: column[keep] for name, column in zip(_HITS, together, strict=True)
    }
    quote: dict[str, Any] = {name: column[-1:].copy() for name, column in book.items()}
    after = RefillState(
        last_ns=last_ns, session_ns=session_ns, quote=QuoteArrays(**quote),
        is_absorbing=is_above[keep], **kept | {"sign": kept["sign"].astype(np.int8)},
    )  # fmt: skip
    return found, after


def _room(n: int) -> tuple[Int64, Int64, Int64, Bool]:
    lots = np.empty((3, n), np.int64)
    return lots[0], lots[1], lots[2], np.empty(n, np.bool_)


def _result(hits: list[Int64], out: tuple[Int64, Int64, Int64, Bool], is_above: Bool) -> Refills:
    ts, price, sign, taken, refilled = hits
    return Refills(
        ts_ns=ts,
        price_ticks=price,
        sign=sign.astype(np.int8),
        taken_lots=taken,
        refilled_lots=refilled,
        n_refills=out[0],
        window_taken_lots=out[1],
        window_refilled_lots=out[2],
        is_absorbing=is_above,
        is_onset=out[3],
    )
