"""The price path that outcomes of a day are measured on, and what it is called."""

import numpy as np
import pyarrow as pa

from orchestration.arrays import (
    column,
    gap_positions,
    on_exchange_clock,
    quote_arrays,
    trade_arrays,
)
from orderflow_core.side_mid import half_spread_mid2, side_mid2

QUOTE_MID = "quote_mid"
HALF_SPREAD_MID, SIDE_MID, LAST_TRADE = "half_spread_mid", "side_mid", "last_trade"


def reference_path(
    classified: pa.Table,
    quotes: pa.Table,
    gaps: pa.Table,
    *,
    without_quotes: str,
    tick_steps: int,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the times and twice the price that outcomes are measured on, and its name.

    Parameters
    ----------
    classified, quotes, gaps : pyarrow.Table
        ``flow.classified_trades``, ``raw.quotes`` and ``raw.gaps`` of one day.
    without_quotes : {"half_spread_mid", "side_mid", "last_trade"}
        What stands for the mid where there are no quotes, or they carry our receive time only, which
        decisions at exchange times cannot be compared with: then no claim about mids is made, and
        the name says so.
    tick_steps : int
        Quote tick in units of ``price_ticks``.

    Returns
    -------
    ts_ns, mid2 : ndarray of int64
        The mid of the best quotes on the exchange's clock, crossed ones left out; else as asked for.
    name : str
        ``quote_mid``, or what was asked for.

    Raises
    ------
    ValueError
        Quotes of two clocks are mixed, or another stand-in is asked for.
    """
    if quotes.num_rows and on_exchange_clock(quotes):
        book = quote_arrays(quotes)
        sane = book.bid_ticks <= book.ask_ticks
        return book.ts_event_ns[sane], (book.bid_ticks + book.ask_ticks)[sane], QUOTE_MID
    ts, price = column(classified, "ts_event_ns"), column(classified, "price_ticks")
    if without_quotes == LAST_TRADE:
        return ts, 2 * price, LAST_TRADE
    sided = (price, column(classified, "sign"), restarts(classified, gaps))
    if without_quotes == SIDE_MID:
        return ts, side_mid2(*sided), SIDE_MID
    if without_quotes == HALF_SPREAD_MID:
        return ts, half_spread_mid2(*sided, tick_steps=tick_steps), HALF_SPREAD_MID
    allowed = f"{HALF_SPREAD_MID}, {SIDE_MID} or {LAST_TRADE}"
    raise ValueError(f"without_quotes must be {allowed}, got {without_quotes!r}")


def restarts(classified: pa.Table, gaps: pa.Table) -> np.ndarray:
    """Return the positions of the first trade and of the first ones after gaps; none of no trades."""
    if not classified.num_rows:
        return np.empty(0, np.int64)
    return np.concatenate([[0], gap_positions(trade_arrays(classified), gaps)]).astype(np.int64)
