"""The core columns of the feature matrix, one row a sweep, from classified trades and the quotes they met."""

import numpy as np
import polars as pl

from benchmarks.contest import OURS, Columns, Contestant, Item, Reused
from benchmarks.data import MS_NS, Market
from benchmarks.items import rolling, rolling_quantile
from benchmarks.peers import Arrays, polars_columns, polars_frame, trade_columns
from orderflow_core.alignment import quote_at_trade
from orderflow_core.features import NAMES, FeatureMatrix, decision_features
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.types import Float64, Int64, QuoteAtTrade

SECOND_NS = 1_000 * MS_NS
LARGE = ("large_buy_ratio_60s", "large_sell_ratio_60s")
FLOWS = ("buy_lots", "sell_lots", "n_buy", "n_sell")
TOUCH = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots", "is_known")
IS_START = pl.col("session") != pl.col("session").shift(1, fill_value=-1)
OUTPUT = (
    "t0_ns", "decision_id", "cvd_lots", "vwap_dev_sd", "last_tick_sign", "sweep_sign", "sweep_lots",
    "sweep_n_fills", "sweep_sign_lag1", "sweep_sign_lag2",
)  # fmt: skip


def contestants(market: Market) -> list[Contestant]:
    sweep, at_trade = sweep_and_quotes(market)
    columns = columns_given(market, sweep, at_trade)
    frame = polars_frame(columns, in_order_of="ts_ns")
    return [
        Contestant(
            name=OURS,
            run=Reused(lambda room: _ours(market, sweep, at_trade, room)),
            columns=lambda made: matrix_columns(made[0]),
        ),
        Contestant(
            name="polars",
            run=lambda: core_decisions(frame),
            columns=polars_columns,
            leaves_out=LARGE,
        ),
        Contestant(
            name="polars with rolling.agg",
            run=lambda: _with_large_ratios(frame),
            columns=polars_columns,
            max_rows=20_000,
        ),
    ]


def sweep_and_quotes(market: Market) -> tuple[Int64, QuoteAtTrade]:
    trades = market.trades
    sweep = assign_sweeps(trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign)
    return sweep, quote_at_trade(trades.ts_event_ns, market.quotes)


def columns_given(market: Market, sweep: Int64, at_trade: QuoteAtTrade) -> Arrays:
    met = {name: getattr(at_trade, name) for name in TOUCH}
    return trade_columns(market) | met | {"sweep": sweep}


def room_of(
    made: tuple[FeatureMatrix, Float64] | None, market: Market, names: tuple[str, ...]
) -> Float64:
    """Return the memory of an earlier result, or enough for a row a trade."""
    return made[1] if made else np.empty((len(names), len(market) + 1))


def _ours(
    market: Market,
    sweep: Int64,
    at_trade: QuoteAtTrade,
    made: tuple[FeatureMatrix, Float64] | None,
) -> tuple[FeatureMatrix, Float64]:
    room = room_of(made, market, NAMES)
    matrix = decision_features(
        market.trades,
        sweep,
        at_trade,
        session_start_idx=market.session_start_idx,
        gap_idx=np.empty(0, np.int64),
        session_ended=True,
        out=room,
    )
    return matrix, room


def matrix_columns(matrix: FeatureMatrix) -> Columns:
    known = {"t0_ns": matrix.t0_ns, "decision_id": matrix.decision_id}
    return known | dict(zip(matrix.names, matrix.values.T, strict=True))


def core_decisions(trades: pl.DataFrame) -> pl.DataFrame:
    # All columns but those of large trades. Collected once between: each window joins the rows
    # with themselves, and a lazy plan would count the trades again for each.
    rows = _last_fills(_known_at_trades(trades.lazy())).collect()
    joined = rows.lazy()
    for seconds in (1, 10, 60):
        joined = joined.join_asof(
            _past(rows, seconds), left_on=f"before_{seconds}s_ns", right_on=f"past_{seconds}s_ns"
        )
    return joined.select(*OUTPUT, *_windows(), *_returns(), *_touch()).collect(engine="streaming")


def _known_at_trades(trades: pl.LazyFrame) -> pl.LazyFrame:
    qty, sign = pl.col("qty_lots"), pl.col("sign")
    from_start = pl.col("price_ticks") - _at_start(pl.col("price_ticks"))
    q_d = qty * from_start
    step = pl.col("price_ticks").diff().sign().cast(pl.Float64)
    q, mean = session_sum(qty), pl.col("mean")
    # 0 between changes becomes null and is filled; a session's first trade brings NaN.
    last_tick = pl.when(IS_START).then(pl.lit(float("nan"))).when(step != 0).then(step)
    return trades.select(
        *("ts_ns", "trade_id", "price_ticks", "sign", "session", "sweep", *TOUCH),
        buy_lots=pl.when(sign > 0).then(qty).otherwise(0).cum_sum(),
        sell_lots=pl.when(sign < 0).then(qty).otherwise(0).cum_sum(),
        n_buy=(sign > 0).cast(pl.Int64).cum_sum(),
        n_sell=(sign < 0).cast(pl.Int64).cum_sum(),
        lots=qty.cum_sum(),
        n_trades=pl.int_range(1, pl.len() + 1),
        start_ns=_at_start(pl.col("ts_ns")),
        cvd_lots=session_sum(sign.cast(pl.Int64) * qty),
        d=from_start,
        mean=session_sum(q_d) / q,
        square=session_sum(q_d * from_start) / q,
        last_tick_sign=last_tick.forward_fill(),
    ).with_columns(sd=(pl.col("square") - mean * mean).clip(0).sqrt())


def _at_start(value: pl.Expr) -> pl.Expr:
    # The value at the session's first trade: several times as fast as first().over("session").
    return pl.when(IS_START).then(value).forward_fill()


def session_sum(term: pl.Expr) -> pl.Expr:
    # Exact in integers, so that the sum before the session's start can be taken off again.
    running = term.cum_sum()
    return running - _at_start(running - term)


def _last_fills(known: pl.LazyFrame) -> pl.LazyFrame:
    # One row a sweep, with what is counted in sweeps.
    is_last = pl.col("sweep") != pl.col("sweep").shift(-1, fill_value=-1)
    sign, ts = pl.col("sign").cast(pl.Float64), pl.col("ts_ns").set_sorted()
    change = pl.when(~IS_START).then(pl.col("price_ticks").diff()).otherwise(0)
    lag1 = pl.when(~IS_START).then(sign.shift(1))
    return known.filter(is_last).with_columns(
        t0_ns=ts,
        decision_id="trade_id",
        elapsed_ns=ts - pl.col("start_ns"),
        vwap_dev_sd=_ratio(pl.col("d") - pl.col("mean"), pl.col("sd")),
        sweep_sign=sign,
        sweep_lots=pl.col("lots") - pl.col("lots").shift(1, fill_value=0),
        sweep_n_fills=pl.col("n_trades") - pl.col("n_trades").shift(1, fill_value=0),
        sweep_sign_lag1=lag1,
        sweep_sign_lag2=pl.when(~IS_START).then(lag1.shift(1)),
        n_sweeps=pl.int_range(pl.len()),
        squares=(change * change).cum_sum(),
        **{f"before_{s}s_ns": (ts - s * SECOND_NS).set_sorted() for s in (1, 10, 60)},
    )


def _past(rows: pl.DataFrame, seconds: int) -> pl.LazyFrame:
    # What was known some seconds ago. Fills of a sweep share a time, so that the last trade at or
    # before any time is the last fill of its sweep.
    names = {1: [], 10: ["n_sweeps"], 60: [*FLOWS, "squares"]}[seconds]
    columns = {f"{n}_{seconds}s": pl.col(n) for n in ("session", "price_ticks", *names)}
    return rows.lazy().select(pl.col("t0_ns").alias(f"past_{seconds}s_ns"), **columns)


def _windows() -> list[pl.Expr]:
    is_warm = pl.col("elapsed_ns") >= 60 * SECOND_NS
    buy, sell, n_buy, n_sell = (pl.col(n) - pl.col(f"{n}_60s") for n in FLOWS)
    columns = {
        "buy_lots_60s": buy,
        "sell_lots_60s": sell,
        "n_buy_60s": n_buy,
        "n_sell_60s": n_sell,
        "imbalance_60s": _ratio(buy - sell, buy + sell),
        "avg_buy_lots_60s": _ratio(buy, n_buy),
        "avg_sell_lots_60s": _ratio(sell, n_sell),
        "volatility_60s_ticks": (pl.col("squares") - pl.col("squares_60s")).sqrt(),
    }
    sweeps = pl.when(pl.col("elapsed_ns") >= 10 * SECOND_NS).then(
        pl.col("n_sweeps") - pl.col("n_sweeps_10s")
    )
    warm = [pl.when(is_warm).then(column).alias(name) for name, column in columns.items()]
    return [*warm, sweeps.alias("sweeps_10s")]


def _returns() -> list[pl.Expr]:
    return [
        pl.when(pl.col("session") == pl.col(f"session_{s}s"))
        .then(pl.col("price_ticks") - pl.col(f"price_ticks_{s}s"))
        .alias(f"return_{s}s_ticks")
        for s in (1, 10, 60)
    ]


def _touch() -> list[pl.Expr]:
    bid, ask = pl.col("bid_ticks"), pl.col("ask_ticks")
    bid_lots, ask_lots = pl.col("bid_lots"), pl.col("ask_lots")
    is_market = pl.col("is_known") & (ask >= bid)
    queue = _ratio(bid_lots - ask_lots, bid_lots + ask_lots)
    columns = {
        "spread_ticks": ask - bid,
        "queue_imbalance": queue,
        "microprice_dev_ticks": (ask - bid) / 2 * queue,
        "mid_dev_ticks": pl.col("price_ticks") - (bid + ask) / 2,
    }
    return [pl.when(is_market).then(column).alias(name) for name, column in columns.items()]


def _ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    return pl.when(denominator != 0).then(numerator / denominator)


def _with_large_ratios(trades: pl.DataFrame) -> pl.DataFrame:
    # A threshold that moves with the window needs the whole window at each trade.
    large = (
        trades.lazy()
        .with_columns(clock=rolling.polars_clock())
        .rolling("clock", period=rolling.PERIOD, closed="right")
        .agg(**rolling_quantile.polars_large_ratios())
        .select(pl.all().exclude("clock").name.suffix("_60s"))
    )
    is_warm = pl.col("ts_ns") - _at_start(pl.col("ts_ns")) >= 60 * SECOND_NS
    is_last = pl.col("sweep") != pl.col("sweep").shift(-1, fill_value=-1)
    at_sweeps = (
        pl.concat([trades.lazy().select("ts_ns", "session", "sweep"), large], how="horizontal")
        .with_columns(pl.when(is_warm).then(pl.col(LARGE)))
        .filter(is_last)
        .select(LARGE)
    )
    return pl.concat([core_decisions(trades), at_sweeps.collect()], how="horizontal")


ITEM = Item(
    name="features",
    work="the 26 core columns of the feature matrix at each sweep (polars is spared the 2 of large trades, "
    "where it would need minutes)",
    goal=20,
    inputs=lambda market: [
        column
        for name, column in columns_given(market, *sweep_and_quotes(market)).items()
        if name != "session"
    ],
    contestants=contestants,
)
