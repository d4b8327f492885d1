"""Pictures inside of bars: the footprint, its imbalances and their significance, its extremes."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.axes import candles, clock, panels, plain, seconds, side_colours
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import new_figure
from orderflow_core.extremes import delta_turnaround, exhaustion_levels, zero_prints
from orderflow_core.imbalance import diagonal_pairs, imbalance_by_rule
from orderflow_core.imbalance_presets import ATAS_STACKED_IMBALANCE
from orderflow_core.significance import significant_imbalances, sweep_footprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RULE = ATAS_STACKED_IMBALANCE.rule()
# Colour behind the bid (-1) or the ask (+1) of a cell; None for none.
_Mark: TypeAlias = Callable[[int, int], str | None]


def footprint(picture: Picture) -> "Figure":
    """Bid x ask of the five minutes about the busiest, imbalances marked."""
    is_buy, is_sell = imbalance_by_rule(picture.cells, _RULE, ticks_per_row=picture.row_ticks)
    busiest = int(np.argmax(picture.flow.bars.volume_lots))
    shown = picture.bars.bar_id[max(0, busiest - 2) : busiest + 3]

    def mark(cell: int, side: int) -> str | None:
        flag, colour = (is_buy, theme.BUY) if side > 0 else (is_sell, theme.SELL)
        return colour if flag[cell] else None

    figure, axes = _ladder(picture, shown, mark, (7.6, 4.4))
    axes.set_title("Bid | ask at each price; 300 % diagonal imbalances", fontsize=9, loc="left")
    return figure


def diagonal(picture: Picture) -> "Figure":
    """What the busiest minute compares: each ask with the bid a row below it."""
    cells, step = picture.cells, float(picture.instrument.price_step) * picture.row_ticks
    is_buy, is_sell = imbalance_by_rule(cells, _RULE, ticks_per_row=picture.row_ticks)
    bar = picture.bars.bar_id[int(np.argmax(picture.flow.bars.volume_lots))]
    figure, axes = _ladder(picture, [bar], None, (5.0, 4.2), apart=0.16, size=8)
    pairs = diagonal_pairs(
        cells, ticks_per_row=picture.row_ticks, gap_policy=_RULE.gap_policy, quantity="lots"
    )
    for i in np.flatnonzero(cells.bar_id == bar):
        price = float(picture.price(cells.price_tick[i : i + 1])[0])
        for flag, own, other, side in (
            (is_buy[i], pairs.ask[i], pairs.bid_below[i], 1),
            (is_sell[i], pairs.bid[i], pairs.ask_above[i], -1),
        ):
            colour = theme.BUY if side > 0 else theme.SELL
            if (pairs.has_buy_test if side > 0 else pairs.has_sell_test)[i]:
                y = (price, price - side * step)
                style = {"color": colour, "lw": 2.0} if flag else {"color": theme.LINE, "lw": 0.8}
                axes.plot((0.13 * side, -0.13 * side), y, zorder=int(flag), **style)
            if flag:
                axes.text(
                    side * 0.34, price, f"{own} : {other}", color=colour, fontsize=8,
                    fontweight="bold", va="center", ha="center",
                )  # fmt: skip
    axes.set_title("Ask against the bid one row below; imbalances coloured", fontsize=9, loc="left")
    axes.set_xticks([-0.34, -0.16, 0.16, 0.34], ["sells", "bid", "ask", "buys"])
    return figure


def significance(picture: Picture) -> "Figure":
    """Every test of the day: sweeps against sweeps, and what is more than chance."""
    trades = picture.trades
    cells = sweep_footprint(
        trades.price_ticks, trades.qty_lots, trades.sign, picture.sweep, picture.bars,
        ticks_per_row=picture.row_ticks,
    )  # fmt: skip
    rule: dict[str, Any] = {"ticks_per_row": picture.row_ticks, "gap_policy": "skip"}
    found = significant_imbalances(cells, **rule, false_discovery_rate=0.05)
    pairs = diagonal_pairs(cells, **rule, quantity="trades")
    own, other = (
        np.concatenate([pairs.ask, pairs.bid]),
        np.concatenate([pairs.bid_below, pairs.ask_above]),
    )
    is_tested = np.concatenate([pairs.has_buy_test, pairs.has_sell_test])
    is_found = np.concatenate([found.is_buy, found.is_sell])
    is_large = own > 3 * other
    figure = new_figure(6.4, 4.0)
    axes = figure.add_subplot()
    plain(axes)
    for chosen, colour, name in (
        (~is_large & ~is_found, theme.LINE, "neither"),
        (is_large & ~is_found, theme.NOTE, "300 %, but no more than chance"),
        (~is_large & is_found, theme.STRATEGY, "significant below 300 %"),
        (is_large & is_found, theme.INK, "300 % and significant"),
    ):
        at = is_tested & chosen
        axes.scatter(other[at] + 1, own[at] + 1, s=7, color=colour, label=f"{name}: {at.sum():,}")
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("1 + sweeps of the other side, a row away", fontsize=8)
    axes.set_ylabel("1 + own sweeps", fontsize=8)
    for scale in (axes.xaxis, axes.yaxis):
        scale.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.legend(
        fontsize=8, frameon=False, markerscale=2, ncols=2, loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
    )  # fmt: skip
    axes.set_title("Diagonal tests of a day, false discoveries held at 5 %", fontsize=9, loc="left")
    return figure


def extremes(picture: Picture) -> "Figure":
    """Zero prints inside of bars, and exhaustion at their ends."""
    cells = picture.cells
    no_bid, no_ask = zero_prints(cells, ticks_per_row=picture.row_ticks)
    is_high, is_low = exhaustion_levels(
        cells, ticks_per_row=picture.row_ticks, n_levels=3, volume="side"
    )
    ids = np.unique(cells.bar_id)
    # The minutes that show most: each zero, and the ends of four bars with an exhaustion.
    counted = np.bincount(cells.bar_id - ids[0], no_bid | no_ask)[ids - ids[0]]
    per_bar = np.minimum(counted, 1) + is_high + is_low
    first = int(np.argmax(np.convolve(per_bar, np.ones(6), "valid")))
    shown = ids[first : first + 6]
    rows = {int(bar): np.flatnonzero(cells.bar_id == bar) for bar in shown}

    def mark(cell: int, side: int) -> str | None:
        bar = int(cells.bar_id[cell])
        own, at = rows[bar], int(np.searchsorted(ids, bar))
        if (side > 0 and is_high[at] and cell in own[-3:]) or (
            side < 0 and is_low[at] and cell in own[:3]
        ):
            return theme.STRATEGY
        return theme.NOTE if (no_ask if side > 0 else no_bid)[cell] else None

    figure, axes = _ladder(picture, shown, mark, (7.6, 3.6))
    axes.set_title(
        "Zero prints (ochre) and exhaustion over three rows (green)", fontsize=9, loc="left"
    )
    return figure


def turnaround(picture: Picture) -> "Figure":
    """Delta turnarounds: two bars one way, the third back with delta behind it."""
    bars, index = picture.flow.bars, picture.bars
    found = delta_turnaround(
        bars.open_ticks, bars.high_ticks, bars.low_ticks, bars.close_ticks, bars.delta_lots,
        session_start_bar=[0],
    )  # fmt: skip
    n_shown = 40
    first_bar = int(np.argmax(np.convolve(found != 0, np.ones(n_shown), "valid")))
    shown = slice(first_bar, first_bar + n_shown)
    first = int(index.t0_ns[shown][0])
    x = seconds(index.t0_ns[shown], first)
    width = 0.7 * (index.t1_ns[0] - index.t0_ns[0]) / 1e9
    figure, (price, delta) = panels(
        2.6, 1.1, title="Delta turnaround, at the bar that completes it"
    )
    ohlc = [getattr(bars, f"{k}_ticks")[shown] for k in ("open", "high", "low", "close")]
    candles(price, x, tuple(picture.price(values) for values in ohlc), width)
    at = np.flatnonzero(found[shown])
    sign = found[shown][at]
    beyond = np.where(sign > 0, ohlc[2][at] - 2, ohlc[1][at] + 2)
    for side, marker in ((1, "^"), (-1, "v")):
        own = sign == side
        price.scatter(
            x[at][own], picture.price(beyond[own]), marker=marker, s=42, zorder=3,
            color=side_colours([side])[0], edgecolors=theme.INK,
        )  # fmt: skip
    lots = bars.delta_lots[shown]
    delta.bar(x, lots, width, color=side_colours(lots))
    delta.set_ylabel("delta", fontsize=8)
    clock(delta, picture, first, int(index.t1_ns[shown][-1]))
    return figure


def _ladder(
    picture: Picture,
    shown: Iterable[int],
    mark: _Mark | None,
    inches: tuple[float, float],
    *,
    apart: float = 0.04,
    size: int = 6,
) -> tuple["Figure", Any]:
    # Lots at the bid and at the ask of every cell of some bars, side by side.
    cells, bars = picture.cells, list(shown)
    figure = new_figure(*inches)
    axes = figure.add_subplot()
    plain(axes)
    for x, bar in enumerate(bars):
        for i in np.flatnonzero(cells.bar_id == bar):
            y = float(picture.price([cells.price_tick[i]])[0])
            for side, where, lots in ((-1, "right", cells.bid_lots), (1, "left", cells.ask_lots)):
                colour, style = mark and mark(int(i), side), {"color": theme.INK}
                if colour is not None:
                    style = {"color": theme.PAPER, "backgroundcolor": colour, "fontweight": "bold"}
                axes.text(
                    x + side * apart, y, f"{lots[i]}", ha=where, va="center", fontsize=size,
                    in_layout=False, **style,
                )  # fmt: skip
    prices = picture.price(cells.price_tick[np.isin(cells.bar_id, bars)])
    step = float(picture.instrument.price_step) * picture.row_ticks
    axes.set(xlim=(-0.5, len(bars) - 0.5), ylim=(min(prices) - step, max(prices) + step))
    axes.set_xticks(range(len(bars)), [f"minute {n + 1}" for n in range(len(bars))])
    return figure, axes


PICTURES = {
    "footprint": ("ES", footprint),
    "diagonal": ("ES", diagonal),
    "significance": ("ES", significance),
    "extremes": ("ES", extremes),
    "turnaround": ("ES", turnaround),
}
