"""Order-flow imbalance at the best quotes: by event, over a number of events, at each trade.

Order-flow imbalance counts what happens to the queues at the best bid and ask (orders that come,
are cancelled or met), not trades: it needs quotes and no signs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.alignment import prevailing_quote_idx
from orderflow_core.kernels.ofi import _ofi_nb, _running_nb, _trailing_nb
from orderflow_core.types import Bool, Int64, QuoteArrays
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_not_negative,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sorted,
    require_sum_fits,
)

_N_SIZES = 4  # that meet in one event
_TOUCH = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteState:
    """The last quote of a chunk: what the next one is compared with."""

    ts_event_ns: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingOfiState:
    """The last quote and, of its session, the last events: at most as many as the window holds."""

    last_quote: QuoteState | None
    events: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class OfiAtTrade:
    """Running order-flow imbalance strictly before each trade.

    Attributes
    ----------
    ofi_lots : ndarray of int64, shape (n_trades,), unit lots
        0 where ``is_known`` is false.
    is_known : ndarray of bool, shape (n_trades,)
        Whether the trade's session had a quote before the trade.
    """

    ofi_lots: Int64
    is_known: Bool

    def __len__(self) -> int:
        return len(self.is_known)

    def slice(self, start: int, stop: int) -> "OfiAtTrade":
        """Return the values of the trades ``start <= i < stop`` as views."""
        return OfiAtTrade(ofi_lots=self.ofi_lots[start:stop], is_known=self.is_known[start:stop])


@dataclass(frozen=True, slots=True, kw_only=True)
class OfiAtTradeState:
    """What the next chunk of trades and quotes needs to know.

    Attributes
    ----------
    last_quote : QuoteState or None
    asked_ns : int or None
        The last trade's time less the lag: later chunks must bring no quote before it.
    quote_ts_ns, ofi_lots : ndarray of int64, shape (n_kept,)
        The last quote that a trade met and those that none has met yet, with the running sum.
    """

    last_quote: QuoteState | None
    asked_ns: int | None
    quote_ts_ns: Int64
    ofi_lots: Int64


def ofi_events(quotes: QuoteArrays, session_start_idx: ArrayLike) -> Int64:
    """Return the order-flow imbalance of each change of the best quotes.

    Parameters
    ----------
    quotes : QuoteArrays, n_quotes elements in time order
        Sizes not negative. Locked, crossed and one-sided quotes are events like any other.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Positions of the quotes that open a session or follow a gap.

    Returns
    -------
    ndarray of int64, shape (n_quotes,), unit lots
        0 at a session start, where there is nothing to compare with.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times that run back, a negative size, or a sum beyond int64.

    Notes
    -----
    ``e_n = B_n [b_n >= b_{n-1}] - B_{n-1} [b_n <= b_{n-1}] - A_n [a_n <= a_{n-1}] +
    A_{n-1} [a_n >= a_{n-1}]`` with prices b, a and sizes B, A of bid and ask; at an unchanged price
    both terms count, which leaves the change of the size. Causal: element i uses quotes i - 1 and
    i. No quotes: empty. Source: Cont, Kukanov, Stoikov (2014), *Journal of Financial Econometrics*
    12.

    Examples
    --------
    A bid that grows from 5 to 8 at one price: +3. A bid that rises a tick and brings 2: +2. An ask
    that rises a tick, leaving 4 behind: +4.
    """
    return continue_ofi_events(None, quotes, session_start_idx)[0]


def continue_ofi_events(
    state: QuoteState | None, quotes: QuoteArrays, session_start_idx: ArrayLike
) -> tuple[Int64, QuoteState | None]:
    """Do as `ofi_events` for the next chunk of quotes.

    Parameters
    ----------
    state : QuoteState or None
        What the preceding chunk returned; None where the chunk's first quote opens a session.
    quotes, session_start_idx
        As in `ofi_events`; position 0 is the chunk's first quote.

    Returns
    -------
    ofi : ndarray of int64, shape (n_quotes,), unit lots
        Chunks together give the events of the whole.
    state : QuoteState or None
        For the next chunk; as it came where there are no quotes.

    Raises
    ------
    TypeError, ValueError
        As `ofi_events`, also between the state and the first quote.
    """
    ts, touch = _checked_quotes(quotes)
    starts = require_session_starts("session_start_idx", session_start_idx, len(ts))
    is_start = np.zeros(len(ts), np.bool_)
    is_start[starts] = True
    if state is not None:  # the last quote known goes in front, so that its neighbour meets it
        is_start[:1] = False
        is_start = np.concatenate((np.ones(1, np.bool_), is_start))
        ts = np.concatenate(([state.ts_event_ns], ts))
        touch = tuple(
            np.concatenate(([getattr(state, name)], column))
            for name, column in zip(_TOUCH, touch, strict=True)
        )
        require_sorted("quotes.ts_event_ns", ts)
    if len(ts) == 0:
        return np.empty(0, np.int64), state
    ofi = np.empty((len(ts), 1), np.int64)
    bid, bid_lots, ask, ask_lots = (column[:, np.newaxis] for column in touch)
    _ofi_nb(bid, bid_lots, ask, ask_lots, is_start, ofi)
    last = {name: int(column[-1]) for name, column in zip(_TOUCH, touch, strict=True)}
    after = QuoteState(ts_event_ns=int(ts[-1]), **last)
    return ofi[0 if state is None else 1 :, 0], after


def rolling_ofi(quotes: QuoteArrays, session_start_idx: ArrayLike, *, n_events: int) -> Int64:
    """Return the order-flow imbalance of the last ``n_events`` changes of the best quotes.

    Parameters
    ----------
    quotes, session_start_idx
        As in `ofi_events`.
    n_events : int, > 0

    Returns
    -------
    ndarray of int64, shape (n_quotes,), unit lots
        Over fewer events where the session has not had so many; the session's first quote counts as
        an event of 0.

    Raises
    ------
    TypeError, ValueError
        As `ofi_events`, or a number of events that is not positive.

    Notes
    -----
    Causal, and exact: integers leave the window as they came. A window of time is a difference of
    `ofi_at_trade` instead. Source: Cont, Kukanov, Stoikov (2014).

    Examples
    --------
    Events 0, +3, +2, +4 and two at a time: 0, 3, 5, 6.
    """
    return continue_rolling_ofi(None, quotes, session_start_idx, n_events=n_events)[0]


def continue_rolling_ofi(
    state: RollingOfiState | None,
    quotes: QuoteArrays,
    session_start_idx: ArrayLike,
    *,
    n_events: int,
) -> tuple[Int64, RollingOfiState]:
    """Do as `rolling_ofi` for the next chunk of quotes.

    Parameters
    ----------
    state : RollingOfiState or None
        What the preceding chunk returned; None where the chunk's first quote opens a session.
    quotes, session_start_idx, n_events
        As in `rolling_ofi`; position 0 is the chunk's first quote.

    Returns
    -------
    ofi : ndarray of int64, shape (n_quotes,), unit lots
    state : RollingOfiState

    Raises
    ------
    TypeError, ValueError
        As `rolling_ofi`.
    """
    n_window = require_positive_scalar("n_events", n_events)
    before = state or RollingOfiState(last_quote=None, events=np.empty(0, np.int64))
    event, last_quote = continue_ofi_events(before.last_quote, quotes, session_start_idx)
    starts = require_session_starts("session_start_idx", session_start_idx, len(event))
    known = np.concatenate((before.events, event))
    _require_reach(known, 0)
    # Position 0 of the chunk goes on with the events before it, wherever there are any.
    starts = np.concatenate((np.zeros(1, np.int64), starts[1:] + len(before.events)))
    position = np.arange(len(known))
    since = position - starts[np.searchsorted(starts, position, "right") - 1]
    trailing = np.empty(len(known), np.int64)
    _trailing_nb(known, since, n_window, trailing)
    kept = max(int(starts[-1]), len(known) - n_window)
    after = RollingOfiState(last_quote=last_quote, events=known[kept:].copy())
    return trailing[len(before.events) :], after


def ofi_at_trade(
    trade_ts_ns: ArrayLike, quotes: QuoteArrays, session_start_ns: ArrayLike, *, lag_ns: int = 0
) -> OfiAtTrade:
    """Return the session's order-flow imbalance so far, strictly before each trade.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
        Or any other times of decision.
    quotes : QuoteArrays, n_quotes elements in time order
    session_start_ns : ndarray of int64, shape (n_sessions,), unit ns, strictly increasing
        Times at which a session begins or a recorded gap ends: a quote or trade at or after one and
        before the next belongs to it. The running sum starts at 0 there.
    lag_ns : int, unit ns, >= 0
        As in `orderflow_core.alignment.prevailing_quote_idx`.

    Returns
    -------
    OfiAtTrade
        The difference of two of its elements is the imbalance between those two trades.

    Raises
    ------
    TypeError, ValueError
        As `ofi_events` and `orderflow_core.alignment.prevailing_quote_idx`.

    Notes
    -----
    Causal: element i uses quotes with time before ``trade_ts_ns[i] - lag_ns``. Quotes of the
    trade's own time are what the trade left behind. Without trades: empty; without quotes: nothing
    is known. Source: Cont, Kukanov, Stoikov (2014); the strict join as in docs/glossary.md.
    """
    return continue_ofi_at_trade(None, trade_ts_ns, quotes, session_start_ns, lag_ns=lag_ns)[0]


def continue_ofi_at_trade(
    state: OfiAtTradeState | None,
    trade_ts_ns: ArrayLike,
    quotes: QuoteArrays,
    session_start_ns: ArrayLike,
    *,
    lag_ns: int = 0,
) -> tuple[OfiAtTrade, OfiAtTradeState]:
    """Do as `ofi_at_trade` for the next chunk of trades and quotes.

    Parameters
    ----------
    state : OfiAtTradeState or None
        What the preceding chunk returned; None before the first.
    trade_ts_ns, quotes
        As in `ofi_at_trade`, of this chunk. It holds every quote before its last trade that no
        earlier chunk held; quotes may run ahead of the trades.
    session_start_ns
        All session starts so far; those before the chunk may be left out but for the last.
    lag_ns : int, unit ns, >= 0

    Returns
    -------
    ofi : OfiAtTrade
        Chunks together give the result of the whole.
    state : OfiAtTradeState

    Raises
    ------
    TypeError, ValueError
        As `ofi_at_trade`; or a quote that an answered trade should have met came late.
    """
    starts = require_int64("session_start_ns", session_start_ns)
    require_sorted("session_start_ns", starts, strict=True)
    before = state or OfiAtTradeState(
        last_quote=None,
        asked_ns=None,
        quote_ts_ns=np.empty(0, np.int64),
        ofi_lots=np.empty(0, np.int64),
    )
    quote_ts = require_int64("quotes.ts_event_ns", quotes.ts_event_ns)
    if before.asked_ns is not None and len(quote_ts) and quote_ts[0] < before.asked_ns:
        raise ValueError(
            f"quotes.ts_event_ns must not lie before {before.asked_ns}, which trades were answered "
            f"for, got {quote_ts[0]}"
        )
    running, last_quote = _running_ofi(before, quote_ts, quotes, starts)
    known_ts = np.concatenate((before.quote_ts_ns, quote_ts))
    known_ofi = np.concatenate((before.ofi_lots, running))
    trade_ts = require_int64("trade_ts_ns", trade_ts_ns)
    idx = prevailing_quote_idx(trade_ts, known_ts, lag_ns=lag_ns)
    if before.asked_ns is not None and len(trade_ts) and trade_ts[0] - lag_ns < before.asked_ns:
        raise ValueError(
            f"trade_ts_ns must be non-decreasing, got {trade_ts[0]} after "
            f"{before.asked_ns + lag_ns}"
        )
    is_known = idx >= 0
    session = np.searchsorted(starts, trade_ts[is_known], "right")
    is_known[is_known] = session == np.searchsorted(starts, known_ts[idx[is_known]], "right")
    ofi = np.zeros(len(trade_ts), np.int64)
    ofi[is_known] = known_ofi[idx[is_known]]
    asked, met = before.asked_ns, 0
    if len(trade_ts):
        asked, met = int(trade_ts[-1]) - int(lag_ns), max(int(idx[-1]), 0)
    after = OfiAtTradeState(
        last_quote=last_quote,
        asked_ns=asked,
        quote_ts_ns=known_ts[met:].copy(),
        ofi_lots=known_ofi[met:].copy(),
    )
    return OfiAtTrade(ofi_lots=ofi, is_known=is_known), after


def _checked_quotes(quotes: QuoteArrays) -> tuple[Int64, tuple[Int64, ...]]:
    ts = require_int64("quotes.ts_event_ns", quotes.ts_event_ns)
    columns = {name: require_int64(f"quotes.{name}", getattr(quotes, name)) for name in _TOUCH}
    require_same_length(ts_event_ns=ts, **columns)
    require_sorted("quotes.ts_event_ns", ts)
    for name in ("bid_lots", "ask_lots"):
        require_not_negative(f"quotes.{name}", columns[name])
        require_sum_fits(f"quotes.{name}", int(columns[name].max(initial=0)), _N_SIZES)
    return ts, tuple(columns.values())


def _running_ofi(
    before: OfiAtTradeState, quote_ts: Int64, quotes: QuoteArrays, session_start_ns: Int64
) -> tuple[Int64, QuoteState | None]:
    last = before.last_quote
    session = np.searchsorted(session_start_ns, quote_ts, "right")
    is_start = np.diff(session, prepend=session[:1]) > 0
    if last is None or (
        len(quote_ts) and session[0] > np.searchsorted(session_start_ns, last.ts_event_ns, "right")
    ):
        last = None
        is_start[:1] = True
    starts = np.union1d(np.zeros(min(len(quote_ts), 1), np.int64), np.flatnonzero(is_start))
    event, after = continue_ofi_events(last, quotes, starts)
    carried = 0 if last is None else int(before.ofi_lots[-1])
    _require_reach(event, carried)
    running = np.empty(len(event), np.int64)
    _running_nb(event, is_start, carried, running)
    return running, after if len(quote_ts) else before.last_quote


def _require_reach(event: Int64, carried: int) -> None:
    # No running sum passes the sum of the magnitudes; half of the range leaves room for rounding.
    reach = abs(carried) + float(np.abs(event.astype(np.float64)).sum())
    if reach > INT64_MAX // 2:
        raise ValueError(f"quotes overflow int64: sizes of events sum to {reach:.3g}")
