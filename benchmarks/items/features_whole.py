"""The whole feature matrix, one row a sweep: core columns and all others, with settings given."""

from typing import Any

import numpy as np
import polars as pl

from benchmarks.contest import OURS, Contestant, Item, Reused
from benchmarks.data import Market
from benchmarks.items.features import (
    LARGE,
    SECOND_NS,
    columns_given,
    core_decisions,
    matrix_columns,
    room_of,
    session_sum,
    sweep_and_quotes,
)
from benchmarks.peers import Arrays, polars_columns, polars_frame
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.features import ALL_NAMES, NAMES, FeatureMatrix, decision_features
from orderflow_core.imbalance_presets import ImbalanceRule
from orderflow_core.ofi import OfiAtTrade, ofi_at_trade
from orderflow_core.types import Float64

SETTINGS = FeatureSettings(
    ticks_per_row=1,
    imbalance=ImbalanceRule(
        ratio_num=3,
        ratio_den=1,
        compare="ge",
        min_lots=10,
        zero_opposite="counts",
        gap_policy="zero",
    ),
    vpin_bucket_lots=5_000,
)
BOOK = ("ofi_lots", "ofi_is_known")
BY_POLARS = (
    "cvd_trades", "ofi_10s_lots", "ofi_60s_lots", "vwap_trend", "vwap_reversal",
    "cvd_price_divergence_60s",
)  # fmt: skip


def contestants(market: Market) -> list[Contestant]:
    given, columns = arguments(market), all_columns(market)
    frame = polars_frame(columns, in_order_of="ts_ns")
    without = tuple(name for name in ALL_NAMES if name not in NAMES + BY_POLARS)
    return [
        Contestant(
            name=OURS,
            run=Reused(lambda made: _ours(market, given, made)),
            columns=lambda made: matrix_columns(made[0]),
        ),
        Contestant(
            name="polars",
            run=lambda: some_columns(frame),
            columns=polars_columns,
            leaves_out=LARGE + without,
        ),
    ]


def _ours(
    market: Market, given: dict[str, Any], made: tuple[FeatureMatrix, Float64] | None
) -> tuple[FeatureMatrix, Float64]:
    room = room_of(made, market, ALL_NAMES)
    return decision_features(**given, out=room), room


def arguments(market: Market) -> dict[str, Any]:
    """Return what `decision_features` takes for the whole matrix."""
    sweep, at_trade = sweep_and_quotes(market)
    return {
        "trades": market.trades,
        "sweep": sweep,
        "at_trade": at_trade,
        "session_start_idx": market.session_start_idx,
        "gap_idx": np.empty(0, np.int64),
        "session_ended": True,
        "settings": SETTINGS,
        "ofi": _book(market),
    }


def all_columns(market: Market) -> Arrays:
    """Return all that is read, as named arrays."""
    sweep, at_trade = sweep_and_quotes(market)
    book = _book(market)
    columns = columns_given(market, sweep, at_trade)
    return columns | {"ofi_lots": book.ofi_lots, "ofi_is_known": book.is_known}


def _book(market: Market) -> OfiAtTrade:
    ts = market.trades.ts_event_ns
    return ofi_at_trade(ts, market.quotes, ts[market.session_start_idx])


def some_columns(trades: pl.DataFrame) -> pl.DataFrame:
    core = core_decisions(trades)
    return pl.concat([core, _from_book(trades), core.select(**_signals())], how="horizontal")


def _from_book(trades: pl.DataFrame) -> pl.DataFrame:
    # Running counts at the last fill of each sweep, and what they were some seconds before.
    is_last = pl.col("sweep") != pl.col("sweep").shift(-1, fill_value=-1)
    count = session_sum(pl.col("sign").cast(pl.Int64))
    rows = (
        trades.lazy()
        .select("ts_ns", "session", "sweep", *BOOK, cvd_trades=count)
        .filter(is_last)
        .with_columns(**{f"before_{s}s": pl.col("ts_ns") - s * SECOND_NS for s in (10, 60)})
        .collect()
    )
    joined = rows.lazy()
    for seconds in (10, 60):
        names = {f"{n}_{seconds}s": pl.col(n) for n in ("session", *BOOK)}
        past = rows.lazy().select(pl.col("ts_ns").set_sorted().alias(f"past_{seconds}s"), **names)
        joined = joined.with_columns(pl.col(f"before_{seconds}s").set_sorted()).join_asof(
            past, left_on=f"before_{seconds}s", right_on=f"past_{seconds}s"
        )
    flows = {f"ofi_{seconds}s_lots": _flow(seconds) for seconds in (10, 60)}
    return joined.select("cvd_trades", **flows).collect(engine="streaming")


def _flow(seconds: int) -> pl.Expr:
    is_known = pl.col("ofi_is_known") & pl.col(f"ofi_is_known_{seconds}s")
    is_known &= pl.col("session") == pl.col(f"session_{seconds}s")
    return pl.when(is_known).then(pl.col("ofi_lots") - pl.col(f"ofi_lots_{seconds}s"))


def _signals() -> dict[str, pl.Expr]:
    least, flow = SETTINGS.min_imbalance, pl.col("imbalance_60s")
    strong = (flow >= least).cast(pl.Int8) - (flow <= -least).cast(pl.Int8)
    side = pl.col("vwap_dev_sd").sign().cast(pl.Int8)
    toward = (pl.col("buy_lots_60s") - pl.col("sell_lots_60s")).sign()
    return {
        "vwap_trend": _where(side == strong, side),
        "vwap_reversal": _where(side == -strong, strong),
        "cvd_price_divergence_60s": _where(pl.col("return_60s_ticks").sign() * toward < 0, toward),
    }


def _where(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    # The value or 0; null where the condition is not known.
    return pl.when(condition.is_not_null()).then(pl.when(condition).then(value).otherwise(0))


ITEM = Item(
    name="features_whole",
    work="all 68 columns of the feature matrix at each sweep; polars is spared the 38 that need trades "
    "moving in and out of a state (large trades, tape, costs, footprint, profile, zones, absorption, "
    "toxicity)",
    goal=20,
    inputs=lambda market: [c for n, c in all_columns(market).items() if n != "session"],
    contestants=contestants,
)
