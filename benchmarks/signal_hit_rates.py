"""Print how often price goes where signals point, against the same signals' shuffled signs.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.signal_hit_rates [market ...]

Shares are per cent. A hit: within the next ten bars price reaches the target on the side to which
the signal points before it reaches the same distance on the other. The target is twice the median
range of a bar. Signals that overlap the last one counted are left out. A signal has to beat its
control too: pivots without divergence, a bet against the price whatever the running delta does, a bet
against a bar's delta whatever its volume, the side of the VWAP whatever the flow says. What the bounce
between bid and ask gives, they have as well. A second table says how often price turned at significant
levels, against twenty random rows a level at the same distance from price.
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
from orderflow_core.footprint import footprint
from orderflow_core.level_outcomes import LevelOutcomes, level_lift, level_outcomes, random_rows
from orderflow_core.null_tests import FutureMoves, HitRate, future_moves, hit_rate
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.significant_levels import significant_levels
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.vwap import session_vwap, vwap_deviation_signal

SECOND = 1_000_000_000
HORIZON_BARS = 10
FLOW_NS = 60 * SECOND  # what the imbalance of the deviation signal looks back on
MIN_IMBALANCE = 0.3
LEVEL_HORIZON_NS = 1_800 * SECOND
N_RANDOM = 20
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
LIFT_HEADER = ("market", "levels", "touched", "turned %", "random rows %", "lift, points")


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    print_row(*HEADER)
    print_row(*("---",) * len(HEADER))
    chosen = sys.argv[1:]
    lifts = []
    for market, seconds, load in markets(Path(data)):
        if not chosen or market in chosen:
            stretches = load()
            target = print_market(market, seconds, stretches)
            lifts.append(
                (f"{market}, {seconds} s, {target} ticks", *lift_of(stretches, seconds, target))
            )
    print()
    print_row(*LIFT_HEADER)
    print_row(*("---",) * len(LIFT_HEADER))
    for row in lifts:
        print_row(*row)


def markets(folder: Path) -> Iterator[tuple[str, int, Callable[[], list[Stretch]]]]:
    """Name, seconds a bar and reader of each market."""
    for seconds in (60, 10):
        yield "ES", seconds, lambda: emini(folder)
    yield "XRPUSDT", 10, lambda: xrp(folder)
    for name in ("AAPL", "AMZN"):
        yield name, 60, lambda name=name: lobster(folder, name)
    for prefix, symbol in CAPTURES.items():
        yield prefix, 1, lambda prefix=prefix, symbol=symbol: captures(folder, prefix, symbol)


def print_market(market: str, seconds: int, stretches: list[Stretch]) -> int:
    """Print a market's signals and return the target in ticks."""
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
    return target


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
    trend, reversal = vwap_deviation_signal(
        bars["vwap_dev"], bars["imbalance"], min_imbalance=MIN_IMBALANCE
    )
    side = np.nan_to_num(np.sign(bars["vwap_dev"])).astype(np.int8)
    return {
        "absorption by price": absorbed,
        "absorption by bar": by_bar.sign,
        "pivot divergence": pivots.sign,
        "window divergence": window.divergence,
        "VWAP trend": trend,
        "VWAP reversal": reversal,
        "control: with the side of the VWAP": side,
        "control: against the side of the VWAP": -side,
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
    vwap_dev, imbalance = [], []
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
        vwap = session_vwap(price, lots, [0]).vwap_ticks[index.end_idx - 1]
        vwap_dev.append(bars.close_ticks - vwap)
        imbalance.append(trailing_imbalance(bars.buy_lots, bars.sell_lots, interval_ns))
        starts.append(n_bars)
        n_bars += len(index)
    columns = {name: np.concatenate(part) for name, part in parts.items()}
    # No window looks across a stretch's start, so one running sum does for all of them.
    columns |= {"cvd": np.cumsum(columns["delta"]), "starts": np.array(starts, np.int64)}
    columns |= {"vwap_dev": np.concatenate(vwap_dev), "imbalance": np.concatenate(imbalance)}
    return columns, np.concatenate(absorbed).astype(np.int8)


def trailing_imbalance(buy: Int64, sell: Int64, interval_ns: int) -> Float64:
    """Buys less sells over both, over the bars of a minute, or one bar where it is longer."""
    n_bars = max(1, FLOW_NS // interval_ns)
    bought, sold = (np.concatenate([np.zeros(1, np.int64), np.cumsum(x)]) for x in (buy, sell))
    first = np.maximum(np.arange(1, len(bought)) - n_bars, 0)
    b, s = bought[1:] - bought[first], sold[1:] - sold[first]
    return np.where(b + s > 0, (b - s) / np.maximum(b + s, 1), np.nan)


def lift_of(stretches: list[Stretch], seconds: int, target: int) -> tuple[str, ...]:
    """Turns at significant levels against random rows, all stretches together."""
    own, rows = [], []
    for number, (ts, price, lots, sign) in enumerate(stretches):
        index = time_bar_index(ts, seconds * SECOND)
        height = max(1, target // 6)
        cells_of_bars = footprint(price, lots, sign, index, ticks_per_row=height)
        close = price[index.end_idx - 1]
        births = significant_levels(cells_of_bars, close, [0], ticks_per_row=height).births
        bar = np.searchsorted(index.bar_id, births.bar_id)
        many = random_rows(
            np.repeat(births.level_tick, N_RANDOM), np.repeat(bar, N_RANDOM), close, [0], seed=number
        )  # fmt: skip
        for found, (tick, at) in ((own, (births.level_tick, bar)), (rows, many)):
            found.append(
                level_outcomes(
                    price, ts, tick, index.end_idx[at], np.full(len(tick), len(ts)),
                    ticks_per_row=height, turn_ticks=target, pass_ticks=target,
                    horizon_ns=LEVEL_HORIZON_NS,
                )
            )  # fmt: skip
    lift = level_lift(joined(own), joined(rows))
    return (
        str(sum(map(len, own))), str(lift.n_touched), f"{100 * lift.rate:.1f}",
        f"{100 * lift.random_rate:.1f}",
        f"{100 * lift.lift:+.1f} [{100 * lift.low:+.1f}, {100 * lift.high:+.1f}]",
    )  # fmt: skip


def joined(parts: list[LevelOutcomes]) -> LevelOutcomes:
    names = ("touch_idx", "known_idx", "outcome")
    return LevelOutcomes(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


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
