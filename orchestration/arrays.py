"""Arrow tables of the store to the array bundles of the core, without a copy where possible."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.records import QUOTE_PROXY
from orderflow_core.level_book import DepthUpdates
from orderflow_core.types import BarIndex, QuoteArrays, QuoteAtTrade, TradeArrays

_EXCHANGE_TIME, _RECEIVE_TIME = 0, 1


def column(table: pa.Table, name: str) -> np.ndarray:
    """Return one numeric column as a contiguous array of its own dtype."""
    return np.ascontiguousarray(table[name].combine_chunks().to_numpy(zero_copy_only=False))


class QuoteProxyRefused(ValueError):  # noqa: N818  says what happened
    """Rows that stand in for trades were given to what wants trades."""


def is_quote_proxy(classified: pa.Table) -> bool:
    """Return whether rows of ``flow.classified_trades`` were made of quotes."""
    if not len(classified) or "rule" not in classified.column_names:
        return False
    return bool(pc.any(pc.equal(classified["rule"].cast(pa.string()), QUOTE_PROXY)).as_py())


def trade_arrays(classified: pa.Table, *, quote_proxy: bool = False) -> TradeArrays:
    """Return the trades of ``flow.classified_trades``.

    Raises
    ------
    QuoteProxyRefused
        They were made of quotes, and ``quote_proxy`` does not allow it.
    """
    if not quote_proxy and is_quote_proxy(classified):
        raise QuoteProxyRefused(
            f"the rows are a {QUOTE_PROXY}, made of quotes: nothing was traded, and only bars and "
            "footprints are made of them, where they are asked for by name (--quote-proxy)"
        )
    return TradeArrays(
        ts_event_ns=column(classified, "ts_event_ns"),
        trade_id=column(classified, "trade_id"),
        price_ticks=column(classified, "price_ticks"),
        qty_lots=column(classified, "qty_lots"),
        sign=column(classified, "sign"),
    )


def quote_arrays(quotes: pa.Table) -> QuoteArrays:
    """Return the quotes of ``raw.quotes``."""
    return QuoteArrays(
        ts_event_ns=column(quotes, "ts_event_ns"),
        bid_ticks=column(quotes, "bid_ticks"),
        bid_lots=column(quotes, "bid_lots"),
        ask_ticks=column(quotes, "ask_ticks"),
        ask_lots=column(quotes, "ask_lots"),
    )


def depth_updates(depth: pa.Table) -> DepthUpdates:
    """Return the updates of a book of ``raw.depth``, in the order of their ids."""
    order = np.lexsort(
        [column(depth, name) for name in ("change_idx", "is_snapshot", "last_id")]
    )  # the table is sorted by time, in which a snapshot may stand before changes of one time
    names = ("ts_event_ns", "first_id", "last_id", "previous_id", "side", "price_ticks", "qty_lots")
    return DepthUpdates(
        is_snapshot=column(depth, "is_snapshot")[order] != 0,
        **{name: column(depth, name)[order] for name in names},
    )


def on_exchange_clock(quotes: pa.Table) -> bool:
    """Return whether the quotes' ``ts_event_ns`` is the exchange's time, as that of trades is.

    Where the venue stamps no quotes it is our receive time, which no exchange time may be compared
    with. No quotes: True.

    Raises
    ------
    ValueError
        The day mixes both clocks: its quotes have no common order.
    """
    on_receive = int((column(quotes, "ts_source") == _RECEIVE_TIME).sum())
    if 0 < on_receive < quotes.num_rows:
        raise ValueError(
            f"quotes must be on one clock (ts_source all {_EXCHANGE_TIME} or all {_RECEIVE_TIME}), "
            f"got {quotes.num_rows - on_receive} with an exchange time and {on_receive} with our "
            "receive time only: ingest the day from one source"
        )
    return on_receive == 0


def quote_at_trade_arrays(classified: pa.Table) -> QuoteAtTrade:
    """Return the quote that each trade of ``flow.classified_trades`` met."""
    return QuoteAtTrade(
        bid_ticks=column(classified, "bid_ticks"),
        bid_lots=column(classified, "bid_lots"),
        ask_ticks=column(classified, "ask_ticks"),
        ask_lots=column(classified, "ask_lots"),
        is_known=column(classified, "has_quote").astype(bool),
    )


def gap_positions(trades: TradeArrays, gaps: pa.Table) -> np.ndarray:
    """Return the position of the first trade after each recorded gap, each position once.

    That is the first trade at or after the gap's end. Where both sides of a gap carry one time,
    trades of that time lie on both: it is the first past the missing ids, or, where ids do not say
    where the gap is (fills within an aggregate, quotes), the first trade after that time. A gap
    before the first trade or after the last one has no position.
    """
    gaps = without_depth(gaps)
    start_ns, end_ns = column(gaps, "start_ns"), column(gaps, "end_ns")
    first = np.searchsorted(trades.ts_event_ns, end_ns, side="left")
    past = np.searchsorted(trades.ts_event_ns, end_ns, side="right")
    found = np.where(start_ns == end_ns, past, first)
    missing_id = column(gaps, "first_missing_id")
    for i in np.flatnonzero((start_ns == end_ns) & _names_trade_ids(gaps)):
        found[i] = first[i] + np.searchsorted(trades.trade_id[first[i] : past[i]], missing_id[i])
    found = np.unique(found)
    return found[(found > 0) & (found < len(trades))]


def without_depth(gaps: pa.Table) -> pa.Table:
    """Return the gaps between trades and quotes: where only the book is unknown, nothing of those is missing."""
    return gaps.filter(pc.not_equal(gaps["kind"].cast(pa.string()), "depth"))


# Reasons of ``raw.gaps`` whose ``first_missing_id`` is an id of a trade.
_TRADE_ID_REASONS = pa.array(["missing_ids", "id_leap"])


def _names_trade_ids(gaps: pa.Table) -> np.ndarray:
    return pc.is_in(gaps["reason"].cast(pa.string()), _TRADE_ID_REASONS).to_numpy()


def constant(value: str, n: int) -> pa.DictionaryArray:
    """Return a text column that says ``value`` in all ``n`` rows."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def table_of(bundle: Any, names: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a core bundle by field name, renamed by ``names``."""
    fields = type(bundle).__dataclass_fields__
    return {(names or {}).get(name, name): getattr(bundle, name) for name in fields}


def bar_columns(index: BarIndex) -> dict[str, np.ndarray]:
    """Return the columns that name a bar."""
    return {"bar_id": index.bar_id, "t0_ns": index.t0_ns, "t1_ns": index.t1_ns}
