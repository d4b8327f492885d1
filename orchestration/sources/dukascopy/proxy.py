"""What quotes can stand in for order flow with, under a name that says that it is a stand-in.

Nobody reports trades of this market. A quote that moves up is a sign of buyers, one that moves
down of sellers, and the size that was offered where it moved is a guess at the size that was
taken. Every row says so itself: ``record_type`` is ``quote_proxy`` and ``side_source``
``quote_tick``. The table has no ``qty_lots``, ``price_ticks`` or ``sign``, so nothing that wants
trades takes it for trades.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from orchestration.arrays import column, quote_arrays
from orchestration.sources.dukascopy.quotes import RECORD_TYPE
from orchestration.sources.records import table
from orderflow_core.ofi import ofi_events
from orderflow_core.tick_rules import tick_rule

SIDE_SOURCE = "quote_tick"
_LABEL = pa.dictionary(pa.int32(), pa.string())
PROXY_FLOW = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in {
            "ts_event_ns": pa.int64(), "quote_id": pa.int64(), "proxy_sign": pa.int8(),
            "proxy_lots": pa.int64(), "ofi_lots": pa.int64(), "record_type": _LABEL,
            "side_source": _LABEL,
        }.items()
    ]
)  # fmt: skip


def proxy_flow(quotes: pa.Table, session_start_idx: ArrayLike) -> pa.Table:
    """Return a stand-in for order flow, one row a quote.

    Parameters
    ----------
    quotes : pyarrow.Table
        Rows of ``raw.quotes`` in time order.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Positions of the quotes that open a session or follow a gap: nothing is carried over them.

    Returns
    -------
    pyarrow.Table
        Schema :data:`PROXY_FLOW`.

        ``proxy_sign``
            Sign of the last change of the mid price: 0 before the session's first change.
        ``proxy_lots``
            Size offered where the price moved: the ask's with sign +1, the bid's with -1, else 0.
        ``ofi_lots``
            Order-flow imbalance of the quote's change, Cont, Kukanov, Stoikov (2014).

    Raises
    ------
    TypeError, ValueError
        As the core's: times run back, or the starts are not positions in order.

    Notes
    -----
    Causal: row i uses quotes 0..i. No quotes: no rows.
    """
    book = quote_arrays(quotes)
    # Twice the mid is a whole number; its differences have the signs of the mid's.
    sign, _ = tick_rule(book.bid_ticks + book.ask_ticks, session_start_idx=session_start_idx)
    offered = np.where(sign > 0, book.ask_lots, book.bid_lots)
    columns: dict[str, object] = {
        "ts_event_ns": book.ts_event_ns,
        "quote_id": column(quotes, "quote_id"),
        "proxy_sign": sign,
        "proxy_lots": np.where(sign == 0, 0, offered),
        "ofi_lots": ofi_events(book, session_start_idx),
        "record_type": RECORD_TYPE,
        "side_source": SIDE_SOURCE,
    }
    return table(PROXY_FLOW, columns, len(quotes))
