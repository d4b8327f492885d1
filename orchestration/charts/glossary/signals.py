"""Pictures of signals at a price and of their tests: absorption by price and by refill, hit rates."""

from typing import TYPE_CHECKING

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.axes import clock, forest, panels, seconds, side_colours
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import new_figure
from orderflow_core.absorption import BarAbsorptionRule, bar_absorption
from orderflow_core.divergence import pivot_divergence
from orderflow_core.extremes import delta_turnaround
from orderflow_core.null_tests import future_moves, hit_rate
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.refills import RefillRule, refill_absorption
from orderflow_core.vwap import vwap_deviation_signal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NS_PER_S = 1_000_000_000
_SHOWN_NS = 1_200 * _NS_PER_S


def price_absorption_of_trades(picture: Picture) -> "Figure":
    """Where one side traded unusually much at one price within ten seconds."""
    trades = picture.trades
    rule = PriceAbsorptionRule(
        window_ns=10 * _NS_PER_S, lookback_ns=600 * _NS_PER_S, multiplier=5.0
    )
    found = price_absorption(
        trades.ts_event_ns, trades.price_ticks, trades.qty_lots, trades.sign, [0], rule=rule
    )
    onset = np.flatnonzero(found.is_onset)
    # The twenty minutes with most of them.
    began = trades.ts_event_ns[onset]
    n_within = np.searchsorted(began, began + _SHOWN_NS) - np.arange(len(onset))
    first = int(began[np.argmax(n_within)]) - 60 * _NS_PER_S
    last = first + _SHOWN_NS
    inside = np.flatnonzero((trades.ts_event_ns >= first) & (trades.ts_event_ns < last))
    figure, (price, lots) = panels(
        2.2, 1.6, title="Lots of one side at one price within 10 s, above what is usual"
    )
    shown = inside[::4]
    x = seconds(trades.ts_event_ns[shown], first)
    price.plot(x, picture.price(trades.price_ticks[shown]), color=theme.LINE, lw=0.8)
    lots.plot(x, found.lots[shown], color=theme.UNSIGNED, lw=0.5)
    usual = "usual size: mean + 5 deviations"
    lots.plot(x, found.size_lots[shown], color=theme.INK, lw=1.3, label=usual)
    at = onset[(onset >= inside[0]) & (onset <= inside[-1])]
    where = seconds(trades.ts_event_ns[at], first)
    for axes, values in ((price, picture.price(trades.price_ticks[at])), (lots, found.lots[at])):
        axes.scatter(
            where, values, s=36, marker="D", c=side_colours(found.sign[at]),
            edgecolors=theme.INK, linewidths=0.8, zorder=4,
        )  # fmt: skip
    lots.set_ylabel("lots", fontsize=8)
    lots.legend(fontsize=8, frameon=False)
    clock(lots, picture, first, last)
    return figure


def refills(picture: Picture) -> "Figure":
    """What orders took at the best price, and what of it came back at once."""
    rule = RefillRule(window_ns=60 * _NS_PER_S)
    found = refill_absorption(picture.trades, picture.quotes, [0], rule=rule)
    lots = float(picture.instrument.lot_step)
    figure, (axes,) = panels(
        2.8,
        title=f"Hits on the best price: {(found.refilled_lots > 0).sum()} of {len(found)} refilled, "
        f"{found.is_absorbing.sum()} absorbing",
    )
    first = int(picture.trades.ts_event_ns[0])
    x = seconds(found.ts_ns, first)
    axes.scatter(x, found.taken_lots * lots, s=9, c=side_colours(found.sign), label="taken")
    at = np.flatnonzero(found.refilled_lots > 0)
    axes.scatter(
        x[at], found.refilled_lots[at] * lots, s=46, marker="D", facecolors="none",
        edgecolors=theme.INK, label="refilled", zorder=3,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylabel("BTC", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, int(picture.trades.ts_event_ns[-1]))
    return figure


def hit_rates(picture: Picture) -> "Figure":
    """Hit rates of signals, beside what their signs would hit if they were shuffled."""
    flow = picture.flow
    bars = flow.bars
    moves = future_moves(
        bars.high_ticks, bars.low_ticks, bars.close_ticks, [0], n_bars=10, target_ticks=4,
        stop_ticks=4,
    )  # fmt: skip
    rule = BarAbsorptionRule(n_windows=120, ticks_per_step=picture.row_ticks)
    share = bars.delta_lots / np.maximum(bars.volume_lots, 1)
    trend, reversal = vwap_deviation_signal(
        bars.close_ticks - flow.vwap_ticks, share, min_imbalance=0.3
    )
    signals = {
        "absorption": bar_absorption(
            bars.open_ticks, bars.close_ticks, bars.volume_lots, bars.delta_lots, [0], rule=rule
        ).sign,
        "divergence": pivot_divergence(
            bars.high_ticks, bars.low_ticks, flow.cvd_close_lots, [0], width=3
        ).sign,
        "delta turnaround": delta_turnaround(
            bars.open_ticks, bars.high_ticks, bars.low_ticks, bars.close_ticks, bars.delta_lots,
            session_start_bar=[0],
        ),
        "VWAP, trend": trend,
        "VWAP, reversal": reversal,
    }  # fmt: skip
    rows = []
    for name, sign in signals.items():
        rate = hit_rate(sign, moves, n_null=2_000)
        rows.append(
            (
                f"{name} ({rate.hits.n})",
                [
                    (rate.hits.low, rate.hits.value, rate.hits.high),
                    (rate.null_low, rate.null_mean, rate.null_high),
                ],
            )
        )
    figure = new_figure(6.8, 2.8)
    axes = figure.add_subplot()
    forest(axes, rows, ("hit rate, 95 % interval", "shuffled signs, 95 % of the draws"))
    axes.set_title(
        "One point before one point against, within ten minutes (signals counted)",
        fontsize=9, loc="left",
    )  # fmt: skip
    return figure


PICTURES = {
    "price_absorption": ("ES", price_absorption_of_trades),
    "refills": ("BTCUSD.BITSTAMP", refills),
    "hit_rates": ("ES", hit_rates),
}
