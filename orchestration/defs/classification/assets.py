"""Classified trades."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration import quote_proxy
from orchestration.arrays import QuoteProxyRefused, column
from orchestration.defs import publishing
from orchestration.defs.classification import tables
from orchestration.defs.day_asset import Made, day_asset
from orchestration.defs.inputs import DayReader
from orchestration.quality.invariants import check_conservation, check_order
from orchestration.runtime import instrument, settings


@day_asset(
    "flow.classified_trades",
    group="classification",
    deps=["raw.trades", "raw.quotes", "raw.gaps"],
    checks=["order", "volume_conserved"],
)
def classified_trades(day: DayReader) -> Made:
    """Aggressor sign, the rule that decided it, the sweep, and the quote strictly before.

    The venue's own flag decides, else Lee-Ready where there are quotes, else the tick rule.
    """
    trades, quotes = day.read("raw.trades"), day.read("raw.quotes")
    known = instrument(day.symbol)
    if quote_proxy.has_quotes_only(trades, quotes, known):
        return _of_quotes(day, quotes)
    made = tables.classified_trades(trades, quotes, known)
    sign = column(made, "sign")
    conserved = check_conservation(
        "volume_conserved", tables.market_trades(trades), made, "qty_lots"
    )
    metadata = {
        "unsigned_share": float(np.mean(sign == 0)) if len(sign) else 0.0,
        "sweeps": int(made["sweep"][-1].as_py()) + 1 if len(sign) else 0,
        "rules": tables.rule_counts(made),
    } | publishing.time_range(made, "ts_event_ns")
    return Made(table=made, outcomes=(check_order(made), conserved), metadata=metadata)


def _of_quotes(day: DayReader, quotes: pa.Table) -> Made:
    """Return what stands in for trades, where the settings ask for it by name."""
    try:
        quote_proxy.require_asked(day.symbol, day.day, is_asked=settings().quote_proxy)
    except QuoteProxyRefused as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    made = quote_proxy.proxy_trades(quotes, day.read("raw.gaps"))
    # What is offered on the side of the last move, counted from the quotes themselves.
    sides = {int(s): made.filter(pc.equal(made["sign"], s)) for s in (-1, 1)}
    offered = [
        column(quotes.filter(pc.is_in(quotes["quote_id"], rows["trade_id"])), name)
        for rows, name in ((sides[1], "ask_lots"), (sides[-1], "bid_lots"))
    ]
    whole = pa.table({"qty_lots": np.concatenate(offered)})
    conserved = check_conservation("volume_conserved", whole, made, "qty_lots")
    metadata = {"rules": tables.rule_counts(made), "note": quote_proxy.NOTE}
    return Made(
        table=made,
        outcomes=(check_order(made), conserved),
        metadata=metadata | publishing.time_range(made, "ts_event_ns"),
    )
