"""Draw the simulated market beside recorded ones, and a hidden order that was found and one that was not.

    ORDERFLOW_TEST_DATA=<folder> python -m benchmarks.market_pictures [folder]

Writes calibration.png, found.png and missed.png; docs/simulator.md and docs/detectors.md show them.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detectors import CHOSEN_REFILLS, MS, Alarms, by_refill, right, seen
from benchmarks.simulator_calibration import Market, markets
from orchestration.charts import theme
from orchestration.charts.png import bare_axes, new_figure, small_png
from orderflow_core.alignment import quote_at_trade
from orderflow_core.market_facts import sign_autocorrelation, volatility_signature
from orderflow_core.planted import HIDDEN
from orderflow_core.simulator import SECOND_NS, SimulatedMarket, SimulatorSettings, simulate
from orderflow_core.sweeps import assign_sweeps, sweep_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAGS = np.unique(np.geomspace(1, 100, 18).astype(np.int64))
AROUND_NS = 15 * SECOND_NS
SEED = 0


def main() -> None:
    data = os.environ.get("ORDERFLOW_TEST_DATA")
    if not data:
        sys.exit("ORDERFLOW_TEST_DATA must name the folder of recorded market data")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures/detectors")
    folder.mkdir(parents=True, exist_ok=True)
    market = simulate(SimulatorSettings(), seed=SEED)
    alarms = by_refill(seen(market), rule=CHOSEN_REFILLS)
    pictures = {"calibration": calibration(dict(markets(Path(data))))}
    for name, is_found in (("found", True), ("missed", False)):
        pictures[name] = hidden_order(market, alarms, episode(market, alarms, is_found), name)
    for name, figure in pictures.items():
        png = small_png(figure)
        (folder / f"{name}.png").write_bytes(png)
        print(f"{folder / name}.png: {len(png):,} bytes")


def plain(axes: Any, title: str) -> None:
    axes.tick_params(labelsize=8)
    axes.grid(color=theme.GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=8, loc="left")
    bare_axes(axes)


def calibration(shown: dict[str, Market]) -> "Figure":
    """Tail of order sizes, memory of signs and volatility by lag: recorded grey, simulated coloured."""
    figure = new_figure(9.0, 2.8)
    sizes, memory, volatility = figure.subplots(1, 3)
    plain(sizes, "Orders larger than x times the median")
    plain(memory, "Autocorrelation of signs by lag, orders")
    plain(volatility, "Volatility by lag, orders (10: 1)")
    for name, (trades, quotes, _, max_id_step) in shown.items():
        trades = replace(trades, ts_event_ns=trades.ts_event_ns // MS * MS)
        sweep = assign_sweeps(
            trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign,
            max_id_step=max_id_step,
        )  # fmt: skip
        table = sweep_table(sweep, trades)
        style = {
            "simulated": {"color": theme.STRATEGY, "lw": 1.8, "label": name},
            "nothing planted": {"color": theme.SELL, "lw": 1.8, "label": name},
        }.get(name, {"color": theme.UNSIGNED, "lw": 0.9})
        if name == "BTCUSDT 2023":
            style["label"] = "recorded"
        lots = np.sort(table.qty_lots) / np.median(table.qty_lots)
        above = 1.0 - np.arange(len(lots)) / len(lots)
        at = np.unique(np.geomspace(1, len(lots), 200).astype(int)) - 1
        at = np.unique(np.concatenate([at, len(lots) - 1 - at]))
        sizes.loglog(lots[at], above[at], **style)
        memory.plot(LAGS, sign_autocorrelation(table.sign, LAGS), **style)
        before = quote_at_trade(table.ts_ns, quotes)
        mid = (before.bid_ticks + before.ask_ticks)[before.is_known]
        seen_at = volatility_signature(mid, LAGS)
        volatility.semilogx(LAGS, seen_at / volatility_signature(mid, np.array([10]))[0], **style)
    memory.axhline(0, color=theme.LINE, lw=0.8)
    memory.set_xscale("log")
    sizes.legend(fontsize=7, frameon=False, loc="lower left")
    return figure


def episode(market: SimulatedMarket, alarms: Alarms, is_found: bool) -> int:
    """The first hidden order of which a quarter was executed that was (or was not) found."""
    own = market.episodes
    counts = np.isin(own.kind, HIDDEN) & (4 * own.executed_lots >= own.planned_lots)
    found = right(alarms, market, HIDDEN).any(axis=0)
    return int(np.flatnonzero(counts & (found == is_found))[0])


def hidden_order(market: SimulatedMarket, alarms: Alarms, i: int, name: str) -> "Figure":
    own, trades, quotes = market.episodes, market.trades, market.quotes
    start, end, price = int(own.start_ns[i]), int(own.end_ns[i]), int(own.price_ticks[i])
    at = (quotes.ts_event_ns >= start - AROUND_NS) & (quotes.ts_event_ns < end + AROUND_NS)
    x = (quotes.ts_event_ns[at] - start) / SECOND_NS
    figure = new_figure(8.0, 3.4)
    top, low = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    side = "bid" if own.side[i] > 0 else "ask"
    plain(
        top,
        f"{name.capitalize()}: a hidden {side} of {own.planned_lots[i]:,} lots that shows "
        f"{own.shown_lots[i]:,}, {own.executed_lots[i]:,} executed",
    )
    plain(low, "Lots that it took, and lots shown at its price")
    top.step(x, quotes.bid_ticks[at], color=theme.BUY, where="post", lw=0.9, label="bid")
    top.step(x, quotes.ask_ticks[at], color=theme.SELL, where="post", lw=0.9, label="ask")
    top.plot([0, (end - start) / SECOND_NS], [price, price], color=theme.NOTE, lw=4, alpha=0.5)
    hits = np.flatnonzero(market.maker_episode == i + 1)
    when = (trades.ts_event_ns[hits] - start) / SECOND_NS
    top.scatter(when, trades.price_ticks[hits], s=9, color=theme.INK, zorder=3, label="its fills")
    told = right(alarms, market, HIDDEN)[:, i]
    top.scatter(
        (alarms.from_ns[told] - start) / SECOND_NS, alarms.low_ticks[told], s=70, marker="v",
        color=theme.VWAP, zorder=4, label="alarm",
    )  # fmt: skip
    top.legend(fontsize=7, frameon=False, ncols=4, loc="upper left")
    best, lots = (
        (quotes.bid_ticks, quotes.bid_lots)
        if own.side[i] > 0
        else (quotes.ask_ticks, quotes.ask_lots)
    )
    shown = np.where(best[at] == price, lots[at], np.nan)
    low.step(x, shown, color=theme.UNSIGNED, where="post", lw=0.9)
    low.step(when, np.cumsum(trades.qty_lots[hits]), color=theme.INK, where="post", lw=1.2)
    top.ticklabel_format(axis="y", useOffset=False)
    low.set_xlabel("seconds from its start", fontsize=8)
    return figure


if __name__ == "__main__":
    main()
