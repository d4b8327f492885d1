"""Features and labels of one symbol-day: one row a decision time of the sweep clock."""

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
from orderflow_core.labels import LabelArrays, direction_labels, return_labels
from orderflow_core.ofi import OfiAtTrade, ofi_at_trade
from orderflow_core.types import TradeArrays

CLOCK = "sweep"
_NS_PER_S = 1_000_000_000
# Trades alternate between bid and ask: over few sweeps the last price's way back is foreseeable,
# and a label measured on it would reward that and nothing else.
MIN_SWEEPS_ON_TRADES = 200


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


def reference_path(classified: pa.Table, quotes: pa.Table) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the times and twice the price that labels are measured on, and its name.

    The mid of the best quotes on the exchange's clock, crossed ones left out. The last trade where
    there are none, or they carry our receive time only, which decisions at exchange times cannot be
    compared with: then no claim about mids is made, and the name says so.
    """
    if not quotes.num_rows or not on_exchange_clock(quotes):
        price = column(classified, "price_ticks")
        return column(classified, "ts_event_ns"), 2 * price, "last_trade"
    book = quote_arrays(quotes)
    sane = book.bid_ticks <= book.ask_ticks
    return book.ts_event_ns[sane], (book.bid_ticks + book.ask_ticks)[sane], "quote_mid"


def labels(
    features_table: pa.Table,
    classified: pa.Table,
    quotes: pa.Table,
    gaps: pa.Table,
    *,
    session_end_ns: int,
    direction_task: tuple[str, int],
    return_task: tuple[str, int],
) -> pa.Table:
    """Return ``research.labels`` for both tasks; NaN where the outcome is not known.

    Parameters
    ----------
    features_table : pyarrow.Table
        ``research.features``: its rows are the decision times.
    direction_task, return_task : (str, int)
        Name and horizon, in sweeps and in seconds.

    Raises
    ------
    ValueError
        The labels rest on trade prices and the direction's horizon is below `MIN_SWEEPS_ON_TRADES`
        sweeps, or quotes of two clocks are mixed.
    """
    t0 = column(features_table, "t0_ns")
    gaps = without_depth(gaps)
    ref_ts, ref_mid2, mid_proxy = reference_path(classified, quotes)
    if len(t0):
        _require_beyond_bounce(mid_proxy, *direction_task)
    common = {
        "session_end_ns": np.full(len(t0), session_end_ns),
        "gap_start_ns": np.sort(column(gaps, "start_ns")),
        "gap_end_ns": np.sort(column(gaps, "end_ns")),
        "known_until_ns": int(ref_ts[-1]) if len(ref_ts) else 0,
    }
    name, horizon = direction_task
    direction = direction_labels(t0, ref_ts, ref_mid2, horizon_sweeps=horizon, **common)
    made = [(name, direction)]
    name, horizon = return_task
    made.append(
        (name, return_labels(t0, ref_ts, ref_mid2, horizon_ns=horizon * _NS_PER_S, **common))
    )
    ids = column(features_table, "decision_id")
    rows = [_task_rows(task, found, ids, mid_proxy) for task, found in made]
    return pa.concat_tables(rows).unify_dictionaries()


def _require_beyond_bounce(mid_proxy: str, task: str, sweeps: int) -> None:
    if mid_proxy == "last_trade" and sweeps < MIN_SWEEPS_ON_TRADES:
        raise ValueError(
            f"direction_sweeps must be at least {MIN_SWEEPS_ON_TRADES} without quotes on the "
            f"exchange clock, got {sweeps} ({task}): on last trades the bounce between bid and ask "
            "alone would score"
        )


def _task_rows(task: str, found: LabelArrays, ids: np.ndarray, mid_proxy: str) -> pa.Table:
    n = len(found.t0_ns)
    return pa.table(
        {
            "clock": constant(CLOCK, n),
            "task": constant(task, n),
            "t0_ns": found.t0_ns,
            "t1_ns": found.t1_ns,
            "decision_id": ids,
            "label": found.label,
            "mid_proxy": constant(mid_proxy, n),
            "order_sign": np.zeros(n, np.int8),
            "order_lots": np.zeros(n, np.int64),
        }
    )
