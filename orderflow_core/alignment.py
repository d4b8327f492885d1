"""Which quote a trade met: the last one strictly before it.

The strictness is worth more than the classification rule. A quote stamped in the trade's own
millisecond is usually the quote that the trade left behind, so that a join that takes it in
compares a trade with its own consequence.
"""

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.alignment import _prevailing_quote_idx_nb, _quote_at_trade_nb
from orderflow_core.types import Int64, QuoteArrays, QuoteAtTrade
from orderflow_core.validate import INT64_MAX, require_int64, require_same_length, require_sorted


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
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    columns = {name: require_int64(f"quotes.{name}", getattr(quotes, name)) for name in names}
    require_same_length(ts_event_ns=quote_ts, **columns)
    met = {name: np.empty(len(trade_ts), np.int64) for name in names}
    is_known = np.empty(len(trade_ts), np.bool_)
    _quote_at_trade_nb(
        trade_ts, quote_ts, shift, tuple(columns.values()), tuple(met.values()), is_known
    )
    return QuoteAtTrade(**met, is_known=is_known)


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
