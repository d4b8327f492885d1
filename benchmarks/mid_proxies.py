"""Stand-ins for the mid where there are no quotes, beside the mid of recorded files that have them.

    python -m benchmarks.mid_proxies FOLDER

FOLDER is what ``ORDERFLOW_TEST_DATA`` names: Binance futures, a LOBSTER day of a share with a wide spread, and two shares
of Lean, one of them with a spread of a tick. Sides are the venue's; of Lean's trades, which have none,
the tick rule's. At the last trade of each sweep: autocorrelation at lag one of the moves from sweep to sweep; over the
next 10 sweeps the correlation of the move with the last sweep's side, and with the mid's own move; the
root mean square of the distance to the mid, in ticks. What a stand-in has of the second less the mid's is bounce
(below it) or delay (above it), which a model would be rewarded for. A table in Markdown goes to standard output.
"""

import argparse
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestration.arrays import column
from orchestration.instruments import load_instruments
from orchestration.sources import lean, lobster
from orchestration.sources.capture import read_capture
from orderflow_core.instrument import Instrument
from orderflow_core.rolling import last_known_idx
from orderflow_core.side_mid import half_spread_mid2, side_mid2
from orderflow_core.sweeps import assign_sweeps, sweep_bounds
from orderflow_core.tick_rules import tick_rule

CAPTURES = (
    ("BTCUSDT", "usdm/btcusdt_20240719.gz"),
    ("ETHUSDT", "usdm/ethusdt_20240808.gz"),
    ("BTCUSD_PERP", "cm/btcusd_perp_20240808.gz"),
)
LOBSTER = "lobster/LOBSTER_SampleFile_AAPL_2012-06-21_1.zip"
N_AHEAD = 10


def share(symbol: str) -> Instrument:
    """Return a share of New York, priced in ten-thousandths and quoted in cents."""
    return Instrument(
        symbol=symbol, venue="", venue_symbol=symbol, kind="equity", price_step=Decimal("0.0001"),
        tick_size=Decimal("0.01"), lot_step=Decimal(1), contract_value=Decimal(1),
        quote_currency="USD", day_rule="utc", timezone="America/New_York", max_id_step=0,
    )  # fmt: skip


def recorded(folder: Path) -> Iterator[tuple[str, Instrument, pa.Table, pa.Table]]:
    """Yield name, instrument, trades and quotes of each file."""
    for symbol in ("BAC", "IBM"):
        one, day = share(symbol), folder / f"lean/equity/usa/tick/{symbol.lower()}"
        (trades,) = lean.read([day / "20131007_trade.zip"], one)
        (quotes,) = lean.read([day / "20131007_quote.zip"], one)
        yield f"{symbol} 2013-10-07", one, trades.trades, quotes.quotes
    one = share("AAPL")
    batches = lobster.read([folder / LOBSTER], one)
    trades_of = next(batch.trades for batch in batches if batch.trades.num_rows)
    yield "AAPL 2012-06-21", one, trades_of, next(b.quotes for b in batches if b.quotes.num_rows)
    known = load_instruments()
    for symbol, name in CAPTURES:
        batch = read_capture(folder / "binance_ws" / "hftbacktest" / name, known[symbol])
        yield name, known[symbol], batch.trades, batch.quotes


def paths(
    trades: pa.Table, quotes: pa.Table, tick_steps: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return each sweep's side and, at its last trade, twice the mid and twice each stand-in."""
    trades = trades.sort_by([("ts_event_ns", "ascending"), ("trade_id", "ascending")])
    trades = trades.filter(pa.array(column(trades, "is_market") == 1))
    quotes = quotes.sort_by([("ts_event_ns", "ascending"), ("quote_id", "ascending")])
    is_sane = column(quotes, "bid_ticks") <= column(quotes, "ask_ticks")
    quotes = quotes.filter(pa.array(is_sane))
    ts, price, sign = (column(trades, n) for n in ("ts_event_ns", "price_ticks", "native_sign"))
    if not sign.any():
        sign, _ = tick_rule(price)
    # Ids of files without any are the row's: each fill counts as the next one.
    _, end = sweep_bounds(assign_sweeps(ts, np.arange(len(ts)), price, sign))
    last = end - 1
    known = last_known_idx(column(quotes, "ts_event_ns"), ts[last])
    last, known = last[known >= 0], known[known >= 0]
    start = np.zeros(1, np.int64)
    return sign[last], {
        "quote_mid": (column(quotes, "bid_ticks") + column(quotes, "ask_ticks"))[known],
        "last_trade": 2 * price[last],
        "side_mid": side_mid2(price, sign, start)[last],
        "half_spread_mid": half_spread_mid2(price, sign, start, tick_steps=tick_steps)[last],
    }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two series."""
    return float(np.corrcoef(a, b)[0, 1])


def measure(sign: np.ndarray, path: np.ndarray, mid2: np.ndarray) -> list[float]:
    """Return autocorrelation, correlations ahead with the side and with the mid, and distance."""
    moves, ahead = np.diff(path), path[N_AHEAD:] - path[:-N_AHEAD]
    return [
        correlation(moves[1:], moves[:-1]),
        correlation(sign[:-N_AHEAD], ahead),
        correlation(mid2[N_AHEAD:] - mid2[:-N_AHEAD], ahead),
        float(np.sqrt(np.mean((path - mid2) ** 2.0)) / 2),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    print("| file | sweeps | path | autocorrelation | with the side | with the mid | ticks off |")
    print("|---|---|---|---|---|---|---|")
    for name, one, trades, quotes in recorded(parser.parse_args().folder):
        sign, by_name = paths(trades, quotes, one.tick_steps)
        for path, values in by_name.items():
            *figures, off = measure(sign, values, by_name["quote_mid"])
            cells = [name, f"{len(sign):,}", path, *(f"{figure:+.3f}" for figure in figures)]
            print("| " + " | ".join([*cells, f"{off / one.tick_steps:.2f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
