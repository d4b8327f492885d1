"""Who was the aggressor of each trade: raw trades and quotes in, classified trades out."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.arrays import column, on_exchange_clock, quote_arrays
from orderflow_core.alignment import quote_at_trade
from orderflow_core.classify import RULES, classify
from orderflow_core.instrument import Instrument
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.types import QuoteArrays, QuoteAtTrade

DEFAULT_RULES = ("native", "lee_ready", "tick")
_NS_PER_MS = 1_000_000


def market_trades(trades: pa.Table) -> pa.Table:
    """Return the prints that a market order made; the others enter no order-flow figure."""
    return trades.filter(pc.equal(trades["is_market"], 1))


def strict_quotes(
    trades: pa.Table, quotes: pa.Table, instrument: Instrument, *, inclusive: bool = False
) -> QuoteAtTrade:
    """Return the quote strictly before each trade, on the clock that the quotes are stamped by.

    Quotes without an exchange time carry our receive time: they are joined to the receive time of
    the trade less the venue's lag. ``inclusive`` is the usual, wrong join: a negative control.
    """
    is_stamped = on_exchange_clock(quotes)
    clock = "ts_event_ns" if is_stamped else "ts_recv_ns"
    # A receive clock may step back between frames; the join needs each trade's own past only.
    time = np.maximum.accumulate(column(trades, clock))
    lag_ns = 0 if is_stamped else instrument.quote_lag_ms * _NS_PER_MS
    return quote_at_trade(time, quote_arrays(quotes), lag_ns=lag_ns, inclusive=inclusive)


def classified_trades(
    trades: pa.Table,
    quotes: pa.Table,
    instrument: Instrument,
    rules: tuple[str, ...] = DEFAULT_RULES,
) -> pa.Table:
    """Return ``flow.classified_trades`` of one symbol-day.

    Parameters
    ----------
    trades, quotes : pyarrow.Table
        ``raw.trades`` and ``raw.quotes`` of the day, in the order of the store.
    instrument : Instrument
    rules : sequence of str
        Layers, the first that decides wins; a trade that none decides keeps sign 0 and rule "".
    """
    trades = market_trades(trades)
    price = column(trades, "price_ticks")
    has_quotes = quotes.num_rows > 0
    at_trade = strict_quotes(trades, quotes, instrument) if has_quotes else _no_quote(len(price))
    usable = tuple(r for r in rules if has_quotes or r not in {"lee_ready", "quote"})
    found = classify(
        price, rules=usable, native_sign=column(trades, "native_sign"), at_trade=at_trade
    )
    sweep = assign_sweeps(
        column(trades, "ts_event_ns"),
        column(trades, "trade_id"),
        price,
        found.sign,
        max_id_step=instrument.max_id_step,
    )
    names = pa.array(["", *RULES])
    return pa.table(
        {
            "ts_event_ns": trades["ts_event_ns"],
            "trade_id": trades["trade_id"],
            "price_ticks": price,
            "qty_lots": trades["qty_lots"],
            "sign": found.sign,
            "rule": pa.DictionaryArray.from_arrays(found.rule.astype(np.int32) + 1, names),
            "sweep": sweep,
            "bid_ticks": at_trade.bid_ticks,
            "ask_ticks": at_trade.ask_ticks,
            "bid_lots": at_trade.bid_lots,
            "ask_lots": at_trade.ask_lots,
            "has_quote": at_trade.is_known.astype(np.int8),
        }
    )


def _no_quote(n: int) -> QuoteAtTrade:
    none = QuoteArrays(**{name: np.empty(0, np.int64) for name in QuoteArrays.__dataclass_fields__})
    return quote_at_trade(np.zeros(n, np.int64), none)


def rule_counts(classified: pa.Table) -> dict[str, int]:
    """Return how many trades each rule decided; "" stands for those that none did."""
    counts = pc.value_counts(classified["rule"].cast(pa.string()))
    return {entry["values"]: entry["counts"] for entry in counts.to_pylist()}
