"""Print the simulated market's figures beside those of recorded markets, as a table in Markdown.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.simulator_calibration

The clock of signs and volatility is the market order (sweep), so that a market with a hundred orders
a second and one with an order every two seconds can be compared. Volatility is that of the mid just
before each order, over the lag's root, relative to a lag of ten orders.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestration.instruments import load_instruments
from orchestration.sources.capture import read_capture
from orderflow_core.alignment import quote_at_trade
from orderflow_core.market_facts import (
    sign_autocorrelation,
    tail_exponent,
    time_weighted_spread,
    volatility_signature,
)
from orderflow_core.simulator import SimulatorSettings, simulate
from orderflow_core.sweeps import assign_sweeps, sweep_table
from orderflow_core.types import QuoteArrays, TradeArrays

CAPTURES = {
    "BTCUSDT 2023": ("usdm/btcusdt_20230405.dat.gz", "BTCUSDT"),
    "BTCUSDT 2024": ("usdm/btcusdt_20240719.gz", "BTCUSDT"),
    "ETHUSDT": ("usdm/ethusdt_20240808.gz", "ETHUSDT"),
    "BTCUSD perp": ("cm/btcusd_perp_20240809.gz", "BTCUSD_PERP"),
    "ETHUSD perp": ("cm/ethusd_perp_20240808.gz", "ETHUSD_PERP"),
}
SIGN_LAGS = np.array([1, 2, 5, 10, 50, 100])
VOLATILITY_LAGS = np.array([1, 3, 10, 30, 100])
MS = 1_000_000
Market = tuple[TradeArrays, QuoteArrays, int, int]


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    columns = {name: facts(market) for name, market in markets(Path(data))}
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |")


def markets(data: Path) -> Iterator[tuple[str, Market]]:
    known = load_instruments()
    for name, (file, symbol) in CAPTURES.items():
        instrument = known[symbol]
        batch = read_capture(data / "binance_ws/hftbacktest" / file, instrument)
        rows = {n: batch.trades[n].to_numpy() for n in batch.trades.column_names if n not in TEXTS}
        made_by_order = rows["is_market"] == 1
        trades = TradeArrays(
            sign=rows["native_sign"][made_by_order],
            **{n: rows[n][made_by_order] for n in TRADE_COLUMNS},
        )
        quotes = QuoteArrays(**{n: batch.quotes[n].to_numpy() for n in QUOTE_COLUMNS})
        tick = int(instrument.tick_size / instrument.price_step)
        yield name, (trades, quotes, tick, instrument.max_id_step)
    for name, settings in (
        ("simulated", SimulatorSettings()),
        ("nothing planted", SimulatorSettings().without_episodes()),
    ):
        market = simulate(settings, seed=1)
        yield name, (market.trades, market.quotes, 1, 1)


TEXTS = ("venue_id", "source", "unit")
TRADE_COLUMNS = ("ts_event_ns", "trade_id", "price_ticks", "qty_lots")
QUOTE_COLUMNS = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


def facts(market: Market) -> dict[str, str]:
    trades, quotes, tick, max_id_step = market
    # These venues stamp whole milliseconds, so all markets are looked at through them.
    trades = replace(trades, ts_event_ns=trades.ts_event_ns // MS * MS)
    sweep = assign_sweeps(
        trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign,
        max_id_step=max_id_step,
    )  # fmt: skip
    table = sweep_table(sweep, trades)
    hours = (trades.ts_event_ns[-1] - trades.ts_event_ns[0]) / 3.6e12
    mean, share = time_weighted_spread(quotes.ts_event_ns, quotes.bid_ticks, quotes.ask_ticks, tick)
    before = quote_at_trade(table.ts_ns, quotes)
    known = before.bid_ticks > 0
    mid = (before.bid_ticks + before.ask_ticks)[known]
    volatility = volatility_signature(mid, VOLATILITY_LAGS)
    change = np.diff(mid) != 0
    return {
        "hours": f"{hours:.2f}",
        "market orders": f"{len(table):,}",
        "fills per order": f"{len(trades) / len(table):.2f}",
        "mean spread, ticks": f"{mean:.2f}",
        "time at one tick": f"{share:.2f}",
        "tail exponent of order sizes": f"{tail_exponent(table.qty_lots):.2f}",
        "largest 1 % of orders, share of volume": f"{top_share(table.qty_lots):.2f}",
        **{
            f"sign autocorrelation, lag {lag}": f"{value:.2f}"
            for lag, value in zip(
                SIGN_LAGS, sign_autocorrelation(table.sign, SIGN_LAGS), strict=True
            )
        },
        **{
            f"volatility, lag {lag}": f"{value:.2f}"
            for lag, value in zip(VOLATILITY_LAGS, volatility / volatility[2], strict=True)
        },
        "orders after which the mid moved": f"{change.mean():.2f}",
        "spread of gaps between orders (SD / mean)": f"{gap_spread(table.ts_ns):.2f}",
    }


def top_share(lots: np.ndarray) -> float:
    ordered = np.sort(lots)
    return float(ordered[-max(len(lots) // 100, 1) :].sum() / ordered.sum())


def gap_spread(ts_ns: np.ndarray) -> float:
    gaps = np.diff(ts_ns)
    return float(gaps.std() / gaps.mean())


if __name__ == "__main__":
    main()
