"""The contract of each table, as Great Expectations expectations.

A rule on ``extremes`` holds for every row of the day; a rule on ``sample`` compares columns on an
evenly strided sample (the same comparisons hold for all rows as ``CHECK`` constraints or in
``invariants.py`` where a wrong value would poison what follows).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Expectation = tuple[str, Mapping[str, Any]]

# Nothing that this project reads was traded before 1970 or will be after 2200.
_YEAR_2200_NS = 7_258_118_400_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Expectations of one table: on the extremes of all rows, and on a sample."""

    extremes: tuple[Expectation, ...] = ()
    sample: tuple[Expectation, ...] = field(default=())


def between(column: str, low: float | None, high: float | None = None) -> tuple[Expectation, ...]:
    """Return the rules "no value of ``column`` lies below ``low`` or above ``high``"."""
    rules: list[Expectation] = []
    if low is not None:
        rules.append(("ExpectColumnMinToBeBetween", {"column": f"{column}__min", "min_value": low}))
    if high is not None:
        rules.append(
            ("ExpectColumnMaxToBeBetween", {"column": f"{column}__max", "max_value": high})
        )
    return tuple(rules)


def not_less(larger: str, smaller: str) -> Expectation:
    """Return the rule ``larger >= smaller`` row by row."""
    return (
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": larger, "column_B": smaller, "or_equal": True},
    )


def _many(
    columns: tuple[str, ...], low: float | None, high: float | None = None
) -> tuple[Expectation, ...]:
    return tuple(rule for column in columns for rule in between(column, low, high))


# docs/events.md says what each one is.
EVENT_KINDS = (
    "session_poc", "session_vah", "session_val", "zone_birth", "zone_touch", "zone_fill",
    "zone_expiry", "big_trade", "absorption", "absorption_at_price", "divergence",
    "unfinished_auction", "unfinished_covered", "exhaustion", "ratio_low", "ratio_high",
    "delta_turnaround", "significant_level", "initial_balance_high", "initial_balance_low",
    "naked_poc", "naked_poc_covered",
)  # fmt: skip

_TIME = between("ts_event_ns", 1, _YEAR_2200_NS)
_SIGN = between("sign", -1, 1)
_CELL_LOTS = _many(("bid_lots", "ask_lots", "unsigned_lots"), 0)

CONTRACTS: Mapping[str, Contract] = {
    "raw.trades": Contract(
        extremes=(
            *_TIME,
            *between("price_ticks", 1),
            *between("qty_lots", 1),
            *between("native_sign", -1, 1),
            *between("is_market", 0, 1),
        ),
    ),
    "raw.quotes": Contract(
        extremes=(
            *_TIME,
            *_many(("bid_ticks", "ask_ticks"), 1),
            *_many(("bid_lots", "ask_lots"), 0),
            *between("ts_source", 0, 1),
        ),
    ),
    "raw.depth": Contract(
        extremes=(
            *_TIME,
            *_many(("first_id", "last_id", "change_idx", "price_ticks", "qty_lots"), 0),
            *between("side", -1, 1),
            *_many(("is_snapshot", "ts_source"), 0, 1),
        ),
        sample=(not_less("last_id", "first_id"),),
    ),
    "raw.gaps": Contract(
        extremes=_many(("n_missing",), 0), sample=(not_less("end_ns", "start_ns"),)
    ),
    "raw.quarantine": Contract(
        sample=(("ExpectColumnValueLengthsToBeBetween", {"column": "reason", "min_value": 1}),),
    ),
    "flow.classified_trades": Contract(
        extremes=(
            *_TIME,
            *_SIGN,
            *between("price_ticks", 1),
            *between("qty_lots", 1),
            *between("sweep", 0),
            *between("has_quote", 0, 1),
        ),
    ),
    "flow.bars": Contract(
        extremes=_many(("volume_lots", "n_trades", "low_ticks"), 1)
        + _many(("buy_lots", "sell_lots", "unsigned_lots", "vwap_sd_ticks"), 0),
        sample=(
            not_less("high_ticks", "low_ticks"),
            not_less("high_ticks", "open_ticks"),
            not_less("high_ticks", "close_ticks"),
            not_less("open_ticks", "low_ticks"),
            not_less("close_ticks", "low_ticks"),
            not_less("max_delta_lots", "min_delta_lots"),
            not_less("cvd_high_lots", "cvd_low_lots"),
        ),
    ),
    "flow.footprint": Contract(
        extremes=(
            *_CELL_LOTS,
            *between("ticks_per_row", 1),
            *_many(("is_buy_imbalance", "is_sell_imbalance"), 0, 1),
        ),
    ),
    "flow.volume_profile": Contract(extremes=(*_CELL_LOTS, *between("ticks_per_row", 1))),
    "flow.events": Contract(
        extremes=(*_TIME, *_SIGN, *between("qty_lots", 0)),
        sample=(
            ("ExpectColumnValuesToBeInSet", {"column": "kind", "value_set": list(EVENT_KINDS)}),
        ),
    ),
    "research.features": Contract(
        extremes=(
            *between("t0_ns", 1, _YEAR_2200_NS),
            *_many(("imbalance_60s",), -1, 1),
            *_many(("large_buy_ratio_60s", "large_sell_ratio_60s"), 0, 1),
            *_many(("buy_lots_60s", "sell_lots_60s", "volatility_60s_ticks"), 0),
            *between("last_tick_sign", -1, 1),
        ),
    ),
    "research.labels": Contract(
        extremes=(
            *between("t0_ns", 1, _YEAR_2200_NS),
            *between("order_sign", -1, 1),
            *between("order_lots", 0),
        ),
        sample=(not_less("t1_ns", "t0_ns"),),
    ),
    "research.predictions": Contract(
        extremes=_many(("p_down", "p_flat", "p_up"), 0, 1),
        sample=(not_less("t1_ns", "t0_ns"),),
    ),
    "backtest.direction_signal": Contract(extremes=(*_TIME, *_SIGN, *between("qty_lots", 0))),
    "backtest.direction_summary": Contract(extremes=between("seq", 0)),
}
