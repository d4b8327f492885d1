"""Linear merges of trades with quotes; results go into the caller's arrays."""

from numba import njit, uintp

from orderflow_core.types import Bool, Int64


@njit(cache=True, nogil=True)
def _advance_nb(quote_ts: Int64, n_before: int, bound: int) -> int:
    # ``n_before`` quotes lie before an earlier bound; return how many lie before this one. Four are
    # looked at together: how many of them count is a sum and no jump that a processor has to guess.
    # An unsigned position spares the test for counting from the end.
    while n_before + 4 <= len(quote_ts):
        step = int(quote_ts[uintp(n_before)] < bound) + int(quote_ts[uintp(n_before + 1)] < bound)
        step += int(quote_ts[uintp(n_before + 2)] < bound)
        step += int(quote_ts[uintp(n_before + 3)] < bound)
        n_before += step
        if step < 4:
            return n_before
    while n_before < len(quote_ts) and quote_ts[n_before] < bound:
        n_before += 1
    return n_before


@njit(cache=True, nogil=True)
def _prevailing_quote_idx_nb(trade_ts: Int64, quote_ts: Int64, shift: int, idx: Int64) -> None:
    n_before = 0
    for i in range(len(trade_ts)):
        n_before = _advance_nb(quote_ts, n_before, trade_ts[i] - shift)
        idx[i] = n_before - 1


@njit(cache=True, nogil=True)
def _quote_at_trade_nb(
    trade_ts: Int64,
    quote_ts: Int64,
    shift: int,
    quotes: tuple[Int64, ...],
    met: tuple[Int64, ...],
    is_known: Bool,
) -> None:
    bid, bid_size, ask, ask_size = quotes
    met_bid, met_bid_size, met_ask, met_ask_size = met
    n_before = 0
    for i in range(len(trade_ts)):
        n_before = _advance_nb(quote_ts, n_before, trade_ts[i] - shift)
        is_known[i] = n_before > 0
        met_bid[i] = bid[n_before - 1] if n_before > 0 else 0
        met_bid_size[i] = bid_size[n_before - 1] if n_before > 0 else 0
        met_ask[i] = ask[n_before - 1] if n_before > 0 else 0
        met_ask_size[i] = ask_size[n_before - 1] if n_before > 0 else 0
