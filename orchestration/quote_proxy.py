"""Order-flow figures of a market without trades, under a name that says what they are.

A dealer's feed has quotes only. Where a user asks for it by name, each quote after the first move
of the mid stands in for a trade: on the side of the last move, at the price and with the size that
were offered there (:func:`~orchestration.sources.dukascopy.proxy.proxy_flow`). Such rows carry the
word ``quote_proxy`` as their rule; the bars and footprints of them carry it in their clock's name,
pictures and reports in their titles. Everything else (profile, events, features, labels, models,
backtests) refuses them: what is not known to be traded says nothing there.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.arrays import QuoteProxyRefused, column, constant, is_quote_proxy
from orchestration.sources.dukascopy import NAME
from orchestration.sources.dukascopy.proxy import proxy_flow
from orchestration.sources.records import QUOTE_PROXY
from orderflow_core.instrument import Instrument

# Assets that a quote proxy may pass through; the raw ones are made by one step.
TABLES = (
    "raw.trades", "raw.quotes", "raw.depth", "raw.gaps", "raw.quarantine",
    "flow.classified_trades", "flow.bars", "flow.footprint",
)  # fmt: skip
NOTE = (
    "quote_proxy: this market reports no trades. Sizes and sides stand in for them: the side of the "
    "last move of the mid, the size offered there. Nothing here was traded."
)
_DEALT = ("forex", "cfd")


def has_quotes_only(trades: pa.Table, quotes: pa.Table, instrument: Instrument) -> bool:
    """Return whether a day's rows are a dealer's quotes and no trades."""
    if len(trades) or not len(quotes):
        return False
    is_dealer = pc.all(pc.equal(quotes["source"].cast(pa.string()), NAME)).as_py()
    return bool(is_dealer) or instrument.kind in _DEALT


def require_asked(symbol: str, day: object, *, is_asked: bool) -> None:
    """Refuse to make figures of quotes unless they were asked for by name."""
    if not is_asked:
        raise QuoteProxyRefused(
            f"{symbol} {day} has quotes of a dealer and no trades; figures made of them are a "
            f"{QUOTE_PROXY}: ask for them by name, orderflow run --quote-proxy --symbol {symbol}"
        )


def proxy_trades(quotes: pa.Table, gaps: pa.Table) -> pa.Table:
    """Return rows of ``flow.classified_trades`` that stand in for trades.

    Parameters
    ----------
    quotes, gaps : pyarrow.Table
        ``raw.quotes`` and ``raw.gaps`` of a day. Over a gap between quotes nothing is carried.
    """
    ts = column(quotes, "ts_event_ns")
    after = np.searchsorted(ts, column(gaps, "end_ns")[_of_quotes(gaps)])
    starts = np.unique(np.concatenate([np.zeros(1, np.int64), after]))
    flow = proxy_flow(quotes, starts[starts < len(ts)])
    sign = column(flow, "proxy_sign")
    kept = np.flatnonzero(sign)
    at = pa.array(kept)
    sign, n = sign[kept], len(kept)
    ask, bid = (column(quotes, f"{side}_ticks")[kept] for side in ("ask", "bid"))
    zeros = np.zeros(n, np.int64)
    return pa.table(
        {
            "ts_event_ns": quotes["ts_event_ns"].take(at),
            "trade_id": quotes["quote_id"].take(at),
            "price_ticks": np.where(sign > 0, ask, bid),
            "qty_lots": flow["proxy_lots"].take(at),
            "sign": sign,
            "rule": constant(QUOTE_PROXY, n),
            "sweep": np.arange(n),
            **{f"{side}_{unit}": zeros for side in ("bid", "ask") for unit in ("ticks", "lots")},
            "has_quote": np.zeros(n, np.int8),
        }
    )


def _of_quotes(gaps: pa.Table) -> np.ndarray:
    found: np.ndarray = pc.equal(gaps["kind"].cast(pa.string()), "quote").to_numpy()
    return found


def named_clock(clock: str, classified: pa.Table) -> str:
    """Return a clock's name, with the word before it where its rows are no trades."""
    return f"{QUOTE_PROXY}:{clock}" if is_quote_proxy(classified) else clock


def is_named(rows: pa.Table) -> bool:
    """Return whether stored bars or cells carry the word in their clock."""
    if not len(rows):
        return False
    clocks = pc.unique(rows["clock"].cast(pa.string())).to_pylist()
    return any(clock.startswith(f"{QUOTE_PROXY}:") for clock in clocks)


def titled(title: str, rows: pa.Table) -> str:
    """Return a picture's title, with the word where its rows carry it."""
    return f"{title} {QUOTE_PROXY}, no trades" if is_named(rows) else title
