"""Which quote a trade met: the last one strictly before it.

The strictness is worth more than the classification rule. A quote stamped in the trade's own
millisecond is usually the quote that the trade left behind, so that a join that takes it in
compares a trade with its own consequence.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.alignment import _prevailing_quote_idx_nb, _quote_at_trade_nb
from orderflow_core.types import Int64, QuoteArrays, QuoteAtTrade
from orderflow_core.validate import INT64_MAX, require_int64, require_same_length, require_sorted

_QUOTE_COLUMNS = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteJoinState:
    """What later trades may still meet.

    Attributes
    ----------
    last_ns, lag_ns : int, unit ns
        Time of the last trade, and the lag that it was joined with.
    quotes : QuoteArrays
        The quote that the last trade met and all after it.
    """

    last_ns: int | None
    lag_ns: int
    quotes: QuoteArrays


def prevailing_quote_idx(
    trade_ts_ns: ArrayLike, quote_ts_ns: ArrayLike, *, lag_ns: int = 0, inclusive: bool = False
) -> Int64:
    """Return the position of the last quote strictly before each trade.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    quote_ts_ns : ndarray of int64, shape (n_quotes,), unit ns, non-decreasing
    lag_ns : int, unit ns, >= 0
        How much later than its cause a quote is stamped, for venues whose quotes carry only the
        time of receipt. The quote must lie before ``trade_ts_ns - lag_ns``.
    inclusive : bool
        Let a quote with the trade's own time through (``<=``). This looks at the consequence of
        the trade: it exists as a negative control and is no way to classify.

    Returns
    -------
    ndarray of int64, shape (n_trades,)
        -1 where no quote lies before the trade. Of quotes with one time the last one counts.

    Raises
    ------
    TypeError
        A time is not an integer.
    ValueError
        Times run back, the lag is negative, or a time less the lag leaves int64.

    Notes
    -----
    Causal: element i uses quotes stamped before trade i only. One merge, linear in the trades and
    quotes together. Source: Lee and Ready (1991), whose five seconds of delay become the least
    that a clock can tell, one nanosecond, plus the venue's own lag.

    Examples
    --------
    >>> prevailing_quote_idx(np.array([5, 10, 10, 11]), np.array([7, 10]))
    array([-1,  0,  0,  1])
    """
    trade_ts, quote_ts, shift = checked_times(trade_ts_ns, quote_ts_ns, lag_ns, inclusive)
    idx = np.empty(len(trade_ts), np.int64)
    _prevailing_quote_idx_nb(trade_ts, quote_ts, shift, idx)
    return idx


def quote_at_trade(
    trade_ts_ns: ArrayLike, quotes: QuoteArrays, *, lag_ns: int = 0, inclusive: bool = False
) -> QuoteAtTrade:
    """Return the best bid and ask that each trade met.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    quotes : QuoteArrays, n_quotes elements in time order
        Crossed and locked quotes pass as they are: the rules decide what they make of them.
    lag_ns, inclusive
        As in `prevailing_quote_idx`.

    Returns
    -------
    QuoteAtTrade
        n_trades elements; ``is_known`` is false, and the integers 0, where no quote lies before.

    Raises
    ------
    TypeError, ValueError
        As in `prevailing_quote_idx`, or the columns of the quotes differ in length.

    Notes
    -----
    Causal, and equal to indexing the quotes with `prevailing_quote_idx`, in one pass.
    """
    trade_ts, quote_ts, shift = checked_times(trade_ts_ns, quotes.ts_event_ns, lag_ns, inclusive)
    columns = {
        name: require_int64(f"quotes.{name}", getattr(quotes, name)) for name in _QUOTE_COLUMNS
    }
    require_same_length(ts_event_ns=quote_ts, **columns)
    met = {name: np.empty(len(trade_ts), np.int64) for name in _QUOTE_COLUMNS}
    is_known = np.empty(len(trade_ts), np.bool_)
    _quote_at_trade_nb(
        trade_ts, quote_ts, shift, tuple(columns.values()), tuple(met.values()), is_known
    )
    return QuoteAtTrade(**met, is_known=is_known)


def continue_quote_at_trade(
    state: QuoteJoinState | None, trade_ts_ns: ArrayLike, quotes: QuoteArrays, *, lag_ns: int = 0
) -> tuple[QuoteAtTrade, QuoteJoinState]:
    """Do as `quote_at_trade` for the next chunk of trades and quotes.

    Parameters
    ----------
    state : QuoteJoinState or None
        What the preceding chunk returned; None before the first.
    trade_ts_ns, quotes
        As in `quote_at_trade`, of this chunk. It holds every quote before its last trade that no
        earlier chunk held; quotes may run ahead of the trades.
    lag_ns : int, unit ns, >= 0
        The same for all chunks.

    Returns
    -------
    at_trade : QuoteAtTrade
        Chunks together give the result of the whole.
    state : QuoteJoinState

    Raises
    ------
    TypeError, ValueError
        As `quote_at_trade`, also between the state and the chunk; another lag than before, or a
        quote that came too late for a trade that should have met it.

    Notes
    -----
    The state holds the quotes that run ahead of the trades and one more, however long the stream is.

    Examples
    --------
    >>> at = np.array([5])
    >>> quotes = QuoteArrays(ts_event_ns=at, bid_ticks=at, bid_lots=at, ask_ticks=at + 2, ask_lots=at)
    >>> met, state = continue_quote_at_trade(None, np.array([5]), quotes)
    >>> none = QuoteArrays(**{field.name: at[:0] for field in fields(QuoteArrays)})
    >>> met.is_known, continue_quote_at_trade(state, np.array([6]), none)[0].bid_ticks
    (array([False]), array([5]))
    """
    trade_ts = require_int64("trade_ts_ns", trade_ts_ns)
    last_ns = None
    if state is not None:
        if lag_ns != state.lag_ns:
            raise ValueError(f"lag_ns must stay {state.lag_ns} in all chunks, got {lag_ns}")
        last_ns = state.last_ns
        _require_in_time(last_ns, lag_ns, trade_ts, quotes)
        quotes = _joined(state.quotes, quotes)
    at_trade = quote_at_trade(trade_ts, quotes, lag_ns=lag_ns)
    first = 0  # of the quotes that later trades may meet
    if len(trade_ts):
        last_ns = int(trade_ts[-1])
        first = max(int(np.searchsorted(quotes.ts_event_ns, last_ns - lag_ns)) - 1, 0)
    kept = {
        field.name: np.asarray(getattr(quotes, field.name), np.int64)[first:].copy()
        for field in fields(QuoteArrays)
    }
    return at_trade, QuoteJoinState(last_ns=last_ns, lag_ns=int(lag_ns), quotes=QuoteArrays(**kept))


def _require_in_time(
    last_ns: int | None, lag_ns: int, trade_ts: Int64, quotes: QuoteArrays
) -> None:
    if last_ns is None:
        return
    if len(trade_ts) and trade_ts[0] < last_ns:
        raise ValueError(f"trade_ts_ns must be non-decreasing, got {trade_ts[0]} after {last_ns}")
    quote_ts = require_int64("quotes.ts_event_ns", quotes.ts_event_ns)
    if len(quote_ts) and quote_ts[0] < last_ns - lag_ns:
        raise ValueError(
            f"quotes.ts_event_ns must not lie before {last_ns - lag_ns}, which trades have met, "
            f"got {quote_ts[0]}"
        )


def _joined(earlier: QuoteArrays, later: QuoteArrays) -> QuoteArrays:
    columns = {
        field.name: np.append(
            getattr(earlier, field.name),
            require_int64(f"quotes.{field.name}", getattr(later, field.name)),
        )
        for field in fields(QuoteArrays)
    }
    return QuoteArrays(**columns)


def checked_times(
    trade_ts_ns: ArrayLike,
    quote_ts_ns: ArrayLike,
    lag_ns: int,
    inclusive: bool = False,
    *,
    is_order_checked: bool = True,
) -> tuple[Int64, Int64, int]:
    """Return the times, and the shift by which a join tells what lies before a trade.

    Parameters
    ----------
    trade_ts_ns, quote_ts_ns, lag_ns, inclusive
        As in `prevailing_quote_idx`.
    is_order_checked : bool
        False where the join itself finds times that run back.

    Returns
    -------
    trade_ts_ns, quote_ts_ns : ndarray of int64
    shift : int
        A quote lies before trade i where ``quote_ts < trade_ts[i] - shift``.

    Raises
    ------
    TypeError, ValueError
        As in `prevailing_quote_idx`.
    """
    # Times are integers, so "<= t" is "< t + 1": one kernel serves both joins, told by its shift.
    trade_ts = require_int64("trade_ts_ns", trade_ts_ns)
    quote_ts = require_int64("quote_ts_ns", quote_ts_ns)
    if is_order_checked:
        require_sorted("trade_ts_ns", trade_ts)
        require_sorted("quote_ts_ns", quote_ts)
    if isinstance(lag_ns, bool) or not isinstance(lag_ns, int | np.integer):
        raise TypeError(f"lag_ns must be an integer, got {lag_ns!r}")
    if not 0 <= lag_ns <= INT64_MAX:
        raise ValueError(f"lag_ns must be in [0, 2**63), as it joins no later quote, got {lag_ns}")
    shift = int(lag_ns) - int(inclusive)
    if len(trade_ts):
        first, last = int(trade_ts[0]) - shift, int(trade_ts[-1]) - shift
        if first < -INT64_MAX or last > INT64_MAX:
            raise ValueError(f"trade_ts_ns less a lag_ns of {lag_ns} leaves int64")
    return trade_ts, quote_ts, shift
