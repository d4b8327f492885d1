"""Print how often price turns after absorption and divergence, against the same signals' shuffled signs.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.absorption_hit_rates [market ...]

Shares are per cent. A hit: within the next ten bars price reaches the target on the side to which
the signal points before it reaches the same distance on the other. The target is twice the median
range of a bar. Signals that overlap the last one counted are left out. A signal has to beat its
control too: pivots without divergence, a bet against the price whatever the running delta does, a bet
against a bar's delta whatever its volume. What the bounce between bid and ask gives, they have as well.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from orchestration.instruments import load_instruments
from orchestration.sources.capture import read_capture
from orchestration.sources.emini import read_emini
from orderflow_core.absorption import BarAbsorptionRule, bar_absorption
from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.divergence import pivot_divergence, window_divergence
from orderflow_core.null_tests import FutureMoves, HitRate, future_moves, hit_rate
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import Int8, Int64

SECOND = 1_000_000_000
HORIZON_BARS = 10
# A stretch of trades without a hole: time, price in ticks, lots, sign.
Stretch = tuple[Int64, Int64, Int64, Int8]
CAPTURES = {
    "usdm/btcusdt": "BTCUSDT",
    "usdm/ethusdt": "ETHUSDT",
    "cm/btcusd_perp": "BTCUSD_PERP",
    "cm/ethusd_perp": "ETHUSD_PERP",
    "spot/btcusdt": "BTCUSDT.SPOT",
    "spot/ethusdt": "ETHUSDT.SPOT",
}
HEADER = (
    "market", "bars", "signal", "signals", "scored", "hits", "shuffled", "p more", "p less",
)  # fmt: skip


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    print_row(*HEADER)
    print_row(*("---",) * len(HEADER))
    chosen = sys.argv[1:]
    for market, seconds, load in markets(Path(data)):
        if not chosen or market in chosen:
            print_market(market, seconds, load())


def markets(folder: Path) -> Iterator[tuple[str, int, Callable[[], list[Stretch]]]]:
    """Name, seconds a bar and reader of each market."""
    for seconds in (60, 10):
        yield "ES", seconds, lambda: emini(folder)
    yield "XRPUSDT", 10, lambda: xrp(folder)
    for name in ("AAPL", "AMZN"):
        yield name, 60, lambda name=name: lobster(folder, name)
    for prefix, symbol in CAPTURES.items():
        yield prefix, 1, lambda prefix=prefix, symbol=symbol: captures(folder, prefix, symbol)


def print_market(market: str, seconds: int, stretches: list[Stretch]) -> None:
    bars, absorbed = bars_of(stretches, seconds * SECOND)
    span = float(np.median(bars["high"] - bars["low"]))
    target = max(2, round(2 * span))
    moves = future_moves(
        bars["high"],
        bars["low"],
        bars["close"],
        bars["starts"],
        n_bars=HORIZON_BARS,
        target_ticks=target,
        stop_ticks=target,
    )
    name = f"{market}, {seconds} s, {target} ticks"
    for signal, sign in signals(bars, absorbed, max(1, int(span) // 3)).items():
        print_row(name, len(sign), signal, *cells(sign, moves))


def signals(bars: dict[str, Int64], absorbed: Int8, ticks_per_step: int) -> dict[str, Int8]:
    rule = BarAbsorptionRule(n_windows=120, ticks_per_step=ticks_per_step)
    by_bar = bar_absorption(
        *(bars[name] for name in ("open", "close", "volume", "delta", "starts")), rule=rule
    )
    pivots = pivot_divergence(bars["high"], bars["low"], bars["cvd"], bars["starts"], width=3)
    window = window_divergence(bars["close"], bars["cvd"], bars["starts"], n_bars=HORIZON_BARS)
    move = bars["close"] - bars["open"]
    is_still = np.abs(move) // ticks_per_step <= rule.still_steps
    fade_delta = -np.sign(bars["delta"])
    turn = pivots.is_low_pivot.astype(np.int8) - pivots.is_high_pivot.astype(np.int8)
    return {
        "absorption by price": absorbed,
        "absorption by bar": by_bar.sign,
        "pivot divergence": pivots.sign,
        "window divergence": window.divergence,
        "control: other pivots": np.where(pivots.sign == 0, turn, 0),
        "control: fade ten bars' move": window.divergence - window.confirmation,
        "control: fade delta of still bars": np.where(
            is_still & ~by_bar.is_absorbed, fade_delta, 0
        ),
        "control: fade delta of all bars": fade_delta,
        "control: fade move of all bars": -np.sign(move),
    }


def bars_of(stretches: list[Stretch], interval_ns: int) -> tuple[dict[str, Int64], Int8]:
    """Bars of all stretches one after the other, and the side that absorbs by price in each bar."""
    # Ten seconds at a price, or a bar where it is shorter; usual is what the last 60 of them hold.
    window_ns = min(interval_ns, 10 * SECOND)
    rule = PriceAbsorptionRule(window_ns=window_ns, lookback_ns=60 * window_ns, multiplier=4.0)
    parts: dict[str, list[Int64]] = {name: [] for name in ("open", "high", "low", "close", "volume", "delta")}  # fmt: skip
    absorbed, starts, n_bars = [], [], 0
    for ts, price, lots, sign in stretches:
        index = time_bar_index(ts, interval_ns)
        bars = aggregate_bars(price, lots, sign, index)
        for name, part in parts.items():
            part.append(
                getattr(bars, f"{name}_{'lots' if name in ('volume', 'delta') else 'ticks'}")
            )
        found = price_absorption(ts, price, lots, sign, [0], rule=rule)
        votes = np.where(found.is_onset, found.sign, 0).astype(np.int64)
        absorbed.append(np.sign(np.add.reduceat(votes, index.first_idx)))
        starts.append(n_bars)
        n_bars += len(index)
    columns = {name: np.concatenate(part) for name, part in parts.items()}
    # No window looks across a stretch's start, so one running sum does for all of them.
    columns |= {"cvd": np.cumsum(columns["delta"]), "starts": np.array(starts, np.int64)}
    return columns, np.concatenate(absorbed).astype(np.int8)


def emini(folder: Path) -> list[Stretch]:
    """Tick rule: the file has no side. Half an hour without a trade is a halt."""
    batch = read_emini(folder / "emini_mlfinpy/tick_data.csv.gz", load_instruments()["ES"])
    ts, price, lots = (
        batch.trades[name].to_numpy() for name in ("ts_event_ns", "price_ticks", "qty_lots")
    )
    return split(ts, price, lots, tick_rule(price)[0], np.diff(ts) >= 1_800 * SECOND)


def xrp(folder: Path) -> list[Stretch]:
    """Binance spot in runs of consecutive ids of a quarter of an hour: nothing crosses a hole."""
    table = pq.read_table(folder / "trades_xrpusdt_ska/XRPUSDT_trades.parquet")
    trade_id, ts_ms, price, size, is_maker = (
        table[name].to_numpy()
        for name in ("trade_id", "ts_ms", "price", "quantity", "is_buyer_maker")
    )
    sign = np.where(is_maker, -1, 1).astype(np.int8)
    ticks, lots = np.rint(price * 1e4).astype(np.int64), np.rint(size * 10).astype(np.int64)
    return split(ts_ms * 1_000_000, ticks, lots, sign, np.diff(trade_id) != 1)


def lobster(folder: Path, name: str) -> list[Stretch]:
    """NASDAQ executions of displayed orders; the side is the opposite of the resting order's."""
    (path,) = (folder / "lobster").glob(f"*_{name}_*.zip")
    with zipfile.ZipFile(path) as archive:
        (member,) = (entry for entry in archive.namelist() if "_message_" in entry)
        with archive.open(member) as lines:
            rows = np.loadtxt(lines, delimiter=",", usecols=(0, 1, 3, 4, 5)).T
    is_displayed = rows[1] == 4
    seconds, size, price, resting = rows[[0, 2, 3, 4]][:, is_displayed]
    ts = np.rint(seconds * SECOND).astype(np.int64)
    cents = np.rint(price / 100).astype(np.int64)
    return [(ts, cents, size.astype(np.int64), (-resting).astype(np.int8))]


def captures(folder: Path, prefix: str, symbol: str) -> list[Stretch]:
    """Recorded Binance streams, some minutes each; the venue's own side."""
    instrument, found = load_instruments()[symbol], []
    for path in sorted((folder / "binance_ws/hftbacktest").glob(f"{prefix}_*.gz")):
        trades = read_capture(path, instrument).trades
        ts, price, lots, sign = (
            trades[name].to_numpy()
            for name in ("ts_event_ns", "price_ticks", "qty_lots", "native_sign")
        )
        found.append((ts, price, lots, sign.astype(np.int8)))
    return found


def split(ts: Int64, price: Int64, lots: Int64, sign: Int8, is_hole: np.ndarray) -> list[Stretch]:
    cuts = np.flatnonzero(is_hole) + 1
    return list(zip(*(np.split(column, cuts) for column in (ts, price, lots, sign)), strict=True))


def cells(sign: Int8, moves: FutureMoves) -> tuple[str, ...]:
    found: HitRate = hit_rate(sign, moves)
    hits = found.hits
    return (
        str(found.n_signals),
        str(hits.n),
        f"{100 * hits.value:.1f} [{100 * hits.low:.1f}, {100 * hits.high:.1f}]",
        f"{100 * found.null_mean:.1f} [{100 * found.null_low:.1f}, {100 * found.null_high:.1f}]",
        f"{found.p_more:.4f}",
        f"{found.p_less:.4f}",
    )


def print_row(*row: object) -> None:
    print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


if __name__ == "__main__":
    main()
