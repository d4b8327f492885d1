"""Small tables of the store, written by hand."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

NS_PER_S = 1_000_000_000


def label(value: str, n: int) -> pa.DictionaryArray:
    """A text column that says the same in each row."""
    return pa.array([value] * n, pa.string()).dictionary_encode()


def raw_trades(
    *,
    ts: Sequence[int],
    trade_id: Sequence[int],
    price: Sequence[int],
    native: Sequence[int],
    qty: Sequence[int] | None = None,
    recv: Sequence[int] | None = None,
    is_market: Sequence[int] | None = None,
) -> pa.Table:
    """``raw.trades``; times in ns, one lot each unless said otherwise."""
    n = len(ts)
    return pa.table(
        {
            "ts_event_ns": np.array(ts, np.int64),
            "ts_recv_ns": np.array(ts if recv is None else recv, np.int64),
            "trade_id": np.array(trade_id, np.int64),
            "venue_id": [str(i) for i in trade_id],
            "price_ticks": np.array(price, np.int64),
            "qty_lots": np.ones(n, np.int64) if qty is None else np.array(qty, np.int64),
            "native_sign": np.array(native, np.int8),
            "is_market": np.ones(n, np.int8) if is_market is None else np.array(is_market, np.int8),
            "is_outside_session": np.zeros(n, np.int8),
            "source": label("test", n),
            "line": np.arange(1, n + 1),
        }
    )


def raw_quotes(
    *, ts: Sequence[int], bid: Sequence[int], ask: Sequence[int], ts_source: int = 0
) -> pa.Table:
    """``raw.quotes``; a lot on each side."""
    n = len(ts)
    return pa.table(
        {
            "ts_event_ns": np.array(ts, np.int64),
            "ts_recv_ns": np.array(ts, np.int64),
            "ts_source": np.full(n, ts_source, np.int8),
            "quote_id": np.arange(1, n + 1),
            "bid_ticks": np.array(bid, np.int64),
            "bid_lots": np.ones(n, np.int64),
            "ask_ticks": np.array(ask, np.int64),
            "ask_lots": np.ones(n, np.int64),
            "source": label("test", n),
            "line": np.arange(1, n + 1),
        }
    )


def no_gaps() -> pa.Table:
    """``raw.gaps`` of a day without one."""
    return gaps()


def gaps(
    *spans: tuple[int, int], reason: str = "missing_ids", first_missing_id: int = 0
) -> pa.Table:
    """``raw.gaps`` with the given (start, end) in ns."""
    start, end = ([span[i] for span in spans] for i in (0, 1))
    n = len(spans)
    return pa.table(
        {
            "kind": label("trade", n),
            "start_ns": np.array(start, np.int64),
            "end_ns": np.array(end, np.int64),
            "first_missing_id": np.full(n, first_missing_id),
            "reason": label(reason, n),
        }
    )


def classified(*trades: tuple[float, int, int, int]) -> pa.Table:
    """``flow.classified_trades`` from (seconds, price, lots, sign); each trade is its own sweep."""
    seconds, price, lots, sign = (np.array([t[i] for t in trades]) for i in range(4))
    n = len(trades)
    zeros = np.zeros(n, np.int64)
    return pa.table(
        {
            "ts_event_ns": (seconds * NS_PER_S).astype(np.int64),
            "trade_id": np.arange(1, n + 1),
            "price_ticks": price.astype(np.int64),
            "qty_lots": lots.astype(np.int64),
            "sign": sign.astype(np.int8),
            "rule": label("native", n),
            "sweep": np.arange(n),
            "bid_ticks": zeros,
            "ask_ticks": zeros,
            "bid_lots": zeros,
            "ask_lots": zeros,
            "has_quote": np.zeros(n, np.int8),
        }
    )


def rows_of(table: pa.Table, *columns: str) -> list[tuple[object, ...]]:
    """The rows of some columns, to compare with what stands in a test."""
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))
