"""The published tables (``meta.*`` is the store's own book-keeping and stands in the SQL alone).

Codecs: ids DoubleDelta, ticks and times Delta, lots and counts T64, everything ZSTD(1); stamps and sizes
that lie on a venue's grid GCD before it. ``benchmarks/stored_codecs.py`` measures them. NaN in a Float64 column means null.
"""

from orchestration.storage.schema import FLOAT64, INT8, INT64, LABEL, STRING, Column, Table


def _ints(codec: str, names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=INT64, codec=codec) for name in names.split())


def _times(names: str) -> tuple[Column, ...]:
    return _ints("Delta, ZSTD(1)", names)


def _stamps(names: str) -> tuple[Column, ...]:
    # Times as venues give them, most on a grid of milliseconds or microseconds.
    return _ints("GCD, Delta, ZSTD(1)", names)


def _sizes_of_quotes(names: str) -> tuple[Column, ...]:
    return _ints("GCD, T64, ZSTD(1)", names)


def _ids(names: str) -> tuple[Column, ...]:
    return _ints("DoubleDelta, ZSTD(1)", names)


def _ticks(names: str) -> tuple[Column, ...]:
    return _ints("Delta, ZSTD(1)", names)


def _lots(names: str) -> tuple[Column, ...]:
    return _ints("T64, ZSTD(1)", names)


def _small(names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=INT8, codec="T64, ZSTD(1)") for name in names.split())


def _labels(names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=LABEL) for name in names.split())


def _texts(names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=STRING, codec="ZSTD(1)") for name in names.split())


def _floats(names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=FLOAT64, codec="ZSTD(1)") for name in names.split())


def _later_floats(names: str) -> tuple[Column, ...]:
    # Added to a table that had rows already: null in those.
    return tuple(
        Column(name=name, type=FLOAT64, codec="ZSTD(1)", default="nan") for name in names.split()
    )


# Added to labels that belonged to no order.
_ORDER = (
    Column(name="order_sign", type=INT8, codec="T64, ZSTD(1)", default="0"),
    Column(name="order_lots", type=INT64, codec="T64, ZSTD(1)", default="0"),
)

# Where a record came from says nothing about what it is: left out of the content hash.
_SOURCE = Column(name="source", type=LABEL, is_hashed=False)
_UNIT = Column(name="unit", type=LABEL, is_hashed=False)
_LINE = Column(name="line", type=INT64, codec="DoubleDelta, ZSTD(1)", is_hashed=False)

_SIGN = {"sign_domain": "sign IN (-1, 0, 1)"}
_TRADE = {"price_positive": "price_ticks > 0", "qty_positive": "qty_lots > 0"}
_CELL = {
    "lots_not_negative": "bid_lots >= 0 AND ask_lots >= 0 AND unsigned_lots >= 0",
    "row_height_positive": "ticks_per_row > 0",
}

RAW_TRADES = Table(
    name="raw.trades",
    payload=(
        *_stamps("ts_event_ns ts_recv_ns"),
        *_ids("trade_id"),
        *_texts("venue_id"),
        *_ticks("price_ticks"),
        *_lots("qty_lots"),
        *_small("native_sign is_market is_outside_session"),
        _SOURCE,
        _UNIT,
        _LINE,
    ),
    sort=("ts_event_ns", "trade_id"),
    checks={
        **_TRADE,
        "sign_domain": "native_sign IN (-1, 0, 1)",
        "flag_domain": "is_market IN (0, 1) AND is_outside_session IN (0, 1)",
    },
    has_units=True,
)

RAW_QUOTES = Table(
    name="raw.quotes",
    payload=(
        *_stamps("ts_event_ns ts_recv_ns"),
        *_small("ts_source"),
        *_stamps("quote_id"),  # of a dealer the time itself
        *_ticks("bid_ticks"),
        *_sizes_of_quotes("bid_lots"),
        *_ticks("ask_ticks"),
        *_sizes_of_quotes("ask_lots"),
        _SOURCE,
        _UNIT,
        _LINE,
    ),
    sort=("ts_event_ns", "quote_id"),
    checks={
        "lots_not_negative": "bid_lots >= 0 AND ask_lots >= 0",
        "time_source_domain": "ts_source IN (0, 1)",
    },
    has_units=True,
)

RAW_DEPTH = Table(
    name="raw.depth",
    payload=(
        *_times("ts_event_ns ts_recv_ns"),
        *_small("ts_source"),
        *_ids("first_id last_id previous_id"),
        *_small("is_snapshot"),
        *_lots("change_idx"),
        *_small("side"),
        *_ticks("price_ticks"),
        *_lots("qty_lots"),
        _SOURCE,
        _UNIT,
        _LINE,
    ),
    sort=("ts_event_ns", "last_id", "is_snapshot", "change_idx"),
    checks={
        "lots_not_negative": "qty_lots >= 0",
        "side_domain": "side IN (-1, 0, 1)",
        "price_of_a_side": "side = 0 OR price_ticks > 0",
        "flag_domain": "is_snapshot IN (0, 1) AND ts_source IN (0, 1)",
        "ids_forward": "last_id >= first_id AND previous_id >= -1 AND change_idx >= 0",
    },
    has_units=True,
)

RAW_GAPS = Table(
    name="raw.gaps",
    payload=(
        *_labels("kind"),
        *_times("start_ns end_ns"),
        *_ids("first_missing_id"),
        *_lots("n_missing"),
        *_labels("reason"),
        _SOURCE,
        _UNIT,
    ),
    sort=("kind", "start_ns"),
    checks={"gap_forward": "end_ns >= start_ns", "missing_not_negative": "n_missing >= 0"},
    has_units=True,
)

RAW_QUARANTINE = Table(
    name="raw.quarantine",
    payload=(
        *_labels("kind"),
        *_times("ts_recv_ns"),
        *_labels("reason"),
        *_texts("detail record"),
        _SOURCE,
        _UNIT,
        *_ids("line"),
    ),
    sort=("line", "reason"),
    has_units=True,
)

FLOW_CLASSIFIED_TRADES = Table(
    name="flow.classified_trades",
    payload=(
        *_stamps("ts_event_ns"),
        *_ids("trade_id"),
        *_ticks("price_ticks"),
        *_lots("qty_lots"),
        *_small("sign"),
        *_labels("rule"),
        *_ids("sweep"),
        *_ticks("bid_ticks ask_ticks"),
        *_lots("bid_lots ask_lots"),
        *_small("has_quote"),
    ),
    sort=("ts_event_ns", "trade_id"),
    checks={**_TRADE, **_SIGN, "flag_domain": "has_quote IN (0, 1)"},
)

FLOW_BARS = Table(
    name="flow.bars",
    payload=(
        *_labels("clock"),
        *_ids("bar_id"),
        *_times("t0_ns t1_ns"),
        *_ticks("open_ticks high_ticks low_ticks close_ticks"),
        *_lots("volume_lots buy_lots sell_lots unsigned_lots n_trades n_buy n_sell"),
        *_lots("delta_lots min_delta_lots max_delta_lots"),
        *_ticks("cvd_open_lots cvd_high_lots cvd_low_lots cvd_close_lots"),
        *_floats("vwap_ticks vwap_sd_ticks"),
    ),
    sort=("clock", "bar_id"),
    checks={
        "volume_conserved": "volume_lots = buy_lots + sell_lots + unsigned_lots",
        "delta_is_difference": "delta_lots = buy_lots - sell_lots",
        "range_holds": "low_ticks <= least(open_ticks, close_ticks)"
        " AND high_ticks >= greatest(open_ticks, close_ticks)",
        "time_forward": "t1_ns >= t0_ns",
    },
)

FLOW_FOOTPRINT = Table(
    name="flow.footprint",
    payload=(
        *_labels("clock"),
        *_ids("bar_id"),
        *_times("t0_ns"),
        *_ticks("price_tick"),
        *_lots("ticks_per_row bid_lots ask_lots unsigned_lots n_bid n_ask n_unsigned"),
        *_small("is_buy_imbalance is_sell_imbalance"),
    ),
    sort=("clock", "bar_id", "price_tick"),
    checks={**_CELL, "flag_domain": "is_buy_imbalance IN (0, 1) AND is_sell_imbalance IN (0, 1)"},
)

FLOW_VOLUME_PROFILE = Table(
    name="flow.volume_profile",
    payload=(
        *_lots("ticks_per_row"),
        *_ticks("price_tick"),
        *_lots("bid_lots ask_lots unsigned_lots"),
    ),
    sort=("price_tick",),
    checks=_CELL,
)

FLOW_EVENTS = Table(
    name="flow.events",
    payload=(
        *_times("ts_event_ns"),
        *_labels("kind"),
        *_ids("bar_id"),
        *_ticks("price_tick"),
        *_small("sign"),
        *_lots("qty_lots"),
        *_floats("value"),
    ),
    sort=("ts_event_ns", "kind", "price_tick"),
    checks=_SIGN,
)

RESEARCH_FEATURES = Table(
    name="research.features",
    payload=(
        *_labels("clock"),
        *_times("t0_ns"),
        *_ids("decision_id"),
        *_floats("buy_lots_60s sell_lots_60s n_buy_60s n_sell_60s imbalance_60s"),
        *_floats("avg_buy_lots_60s avg_sell_lots_60s large_buy_ratio_60s large_sell_ratio_60s"),
        *_floats("cvd_lots vwap_dev_sd return_1s_ticks return_10s_ticks return_60s_ticks"),
        *_floats("volatility_60s_ticks last_tick_sign sweep_sign sweep_lots sweep_n_fills"),
        *_floats("sweep_sign_lag1 sweep_sign_lag2 sweeps_10s"),
        *_floats("spread_ticks queue_imbalance microprice_dev_ticks mid_dev_ticks"),
        *_later_floats("cvd_trades tape_pace_15s tape_is_fast effective_half_spread_60s_ticks"),
        *_later_floats("realised_half_spread_60s_ticks kyle_lambda_60s roll_spread_60s_ticks"),
        *_later_floats("amihud_60s cvd_large_lots cvd_small_lots cluster_sign big_buy_lots_60s"),
        *_later_floats("big_sell_lots_60s ofi_10s_lots ofi_60s_lots vwap_trend vwap_reversal"),
        *_later_floats("cvd_price_divergence_60s bar_delta_lots bar_delta_share n_buy_imbalances"),
        *_later_floats("n_sell_imbalances stacked_buy stacked_sell buy_zone_dev_ticks"),
        *_later_floats(
            "sell_zone_dev_ticks unfinished_high unfinished_low exhaustion delta_turnaround"
        ),
        *_later_floats(
            "poc_dev_ticks vah_dev_ticks val_dev_ticks ib_high_dev_ticks ib_low_dev_ticks"
        ),
        *_later_floats(
            "level_dev_ticks level_sign absorption_z absorption_sign divergence_sign vpin"
        ),
        *_later_floats("vpin_bulk"),
    ),
    sort=("clock", "t0_ns", "decision_id"),
)

RESEARCH_LABELS = Table(
    name="research.labels",
    payload=(
        *_labels("clock task"),
        *_times("t0_ns t1_ns"),
        *_ids("decision_id"),
        *_floats("label"),
        *_labels("mid_proxy"),
        *_ORDER,
    ),
    sort=("clock", "task", "t0_ns", "decision_id"),
    checks={"known_after_decision": "t1_ns >= t0_ns"},
)

RESEARCH_PREDICTIONS = Table(
    name="research.predictions",
    payload=(
        *_labels("clock task"),
        *_times("t0_ns t1_ns"),
        *_ids("decision_id"),
        *_labels("rung"),
        # Which registered version it came from says nothing about what was predicted.
        Column(name="model_version", type=STRING, codec="ZSTD(1)", is_hashed=False),
        *_lots("fold"),
        *_labels("role"),
        *_times("train_end_ns"),
        *_floats("p_down p_flat p_up value"),
        *_later_floats("low high"),
    ),
    sort=("clock", "task", "rung", "t0_ns", "decision_id"),
    # A model that saw the outcome may not predict it: the backtest's leak check, held by the store.
    checks={"trained_before_decision": "train_end_ns < t0_ns"},
)

BACKTEST_DIRECTION_SIGNAL = Table(
    name="backtest.direction_signal",
    payload=(
        *_labels("kind"),
        *_times("ts_event_ns"),
        *_ids("seq"),
        *_small("sign"),
        *_lots("qty_lots"),
        *_ticks("price_ticks"),
        *_lots("position_lots"),
        *_floats("fee equity benchmark_equity"),
    ),
    sort=("ts_event_ns", "kind", "seq"),
    checks=_SIGN,
)

BACKTEST_DIRECTION_SUMMARY = Table(
    name="backtest.direction_summary",
    payload=(*_labels("metric"), *_ids("seq"), *_floats("value")),
    sort=("metric", "seq"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_TRADES,
        RAW_QUOTES,
        RAW_DEPTH,
        RAW_GAPS,
        RAW_QUARANTINE,
        FLOW_CLASSIFIED_TRADES,
        FLOW_BARS,
        FLOW_FOOTPRINT,
        FLOW_VOLUME_PROFILE,
        FLOW_EVENTS,
        RESEARCH_FEATURES,
        RESEARCH_LABELS,
        RESEARCH_PREDICTIONS,
        BACKTEST_DIRECTION_SIGNAL,
        BACKTEST_DIRECTION_SUMMARY,
    )
}


def table_named(name: str) -> Table:
    """Return the definition of a table; ValueError names those that exist."""
    if name not in TABLES:
        raise ValueError(f"no table {name!r}; there are {sorted(TABLES)}")
    return TABLES[name]
