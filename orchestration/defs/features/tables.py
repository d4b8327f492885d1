"""Features of one symbol-day: one row a decision time of the sweep clock."""

import numpy as np
import pyarrow as pa

from orchestration.arrays import (
    column,
    constant,
    gap_positions,
    on_exchange_clock,
    quote_arrays,
    quote_at_trade_arrays,
    trade_arrays,
    without_depth,
)
from orchestration.defs.flow.tables import imbalance_rule
from orderflow_core.absorption import BarAbsorptionRule
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.features import decision_features
from orderflow_core.ofi import OfiAtTrade, ofi_at_trade
from orderflow_core.types import TradeArrays

CLOCK = "sweep"
_NS_PER_S = 1_000_000_000


def feature_settings(
    *, row_ticks: int, min_lots: int, bar_seconds: int, bucket_lots: int
) -> FeatureSettings:
    """Return what the features of bars, profile and costs are made with, as the stored bars are."""
    return FeatureSettings(
        ticks_per_row=row_ticks,
        imbalance=imbalance_rule(min_lots),
        vpin_bucket_lots=bucket_lots,
        bar_ns=bar_seconds * _NS_PER_S,
        unfinished_lots=min_lots,
        absorption=BarAbsorptionRule(n_windows=240, ticks_per_step=row_ticks),
    )


def features(
    classified: pa.Table, gaps: pa.Table, quotes: pa.Table, *, settings: FeatureSettings
) -> pa.Table:
    """Return ``research.features``: what was known after each closed sweep.

    The end of what is published closes the last sweep, whatever the clock says: the same raw rows
    must give the same features whenever they were taken in. Raw rows come in whole files, after
    whose last trade nothing follows; another file of the day makes the day's rows anew.
    """
    trades = trade_arrays(classified)
    has_quotes = bool(column(classified, "has_quote").any())
    matrix = decision_features(
        trades,
        column(classified, "sweep"),
        quote_at_trade_arrays(classified) if has_quotes else None,
        session_start_idx=np.zeros(min(1, len(trades)), np.int64),
        gap_idx=gap_positions(trades, gaps),
        session_ended=True,
        settings=settings,
        ofi=_order_flow_imbalance(trades, gaps, quotes),
    )
    keys = {
        "clock": constant(CLOCK, len(matrix.t0_ns)),
        "t0_ns": matrix.t0_ns,
        "decision_id": matrix.decision_id,
    }
    return pa.table(keys | dict(zip(matrix.names, matrix.values.T, strict=True)))


def _order_flow_imbalance(
    trades: TradeArrays, gaps: pa.Table, quotes: pa.Table
) -> OfiAtTrade | None:
    # Quotes that carry our receive time only are not compared with the trades' exchange times.
    if not quotes.num_rows or not on_exchange_clock(quotes) or not len(trades):
        return None
    book = quote_arrays(quotes)
    first = min(int(trades.ts_event_ns[0]), int(book.ts_event_ns[0]))
    ends = column(without_depth(gaps), "end_ns")
    starts = np.unique(np.concatenate([[first], ends[ends > first]]))
    return ofi_at_trade(trades.ts_event_ns, book, starts)
