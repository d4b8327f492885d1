"""Pictures of who traded: signs by rule, their scores, bulk volume, sweeps, what moves price."""

from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.axes import clock, forest, panels, plain, seconds, side_colours
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import new_figure
from orderflow_core.alignment import quote_at_trade
from orderflow_core.bulk_volume import bulk_volume
from orderflow_core.classify import classify
from orderflow_core.price_impact import rolling_impact
from orderflow_core.scoring import score_report, score_volume
from orderflow_core.sweeps import sweep_bounds, sweep_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NS_PER_S = 1_000_000_000
_SHOWN_NS = 90 * _NS_PER_S
_CALM_TICKS = 100
_RULES = ("quote", "lee_ready", "emo", "clnv", "tick", "reverse_tick")


def trade_signs(picture: Picture) -> "Figure":
    """Trades on the quotes before them: sign by colour, confidence by what is filled."""
    trades, quotes = picture.trades, picture.quotes
    found = classify(
        trades.price_ticks, rules=("lee_ready",), at_trade=quote_at_trade(trades.ts_event_ns, quotes)
    )  # fmt: skip
    ts = trades.ts_event_ns
    first = _calm_and_busy(picture) - 2 * _NS_PER_S
    last = first + _SHOWN_NS
    figure, (axes,) = panels(
        3.2, title="Signs by Lee-Ready: buys blue, sells vermilion, bid and ask grey"
    )
    inside = (quotes.ts_event_ns >= first) & (quotes.ts_event_ns < last)
    x, step = seconds(quotes.ts_event_ns[inside], first), float(picture.instrument.price_step)
    for ticks in (quotes.bid_ticks, quotes.ask_ticks):
        axes.step(x, ticks[inside] * step, color=theme.UNSIGNED, where="post", lw=0.9)
    at = np.flatnonzero((ts >= first) & (ts < last))
    for is_sure, name in ((True, "1: both tests back the sign"), (False, "0.5: one does")):
        rows = at[(found.confidence[at] == 1) == is_sure]
        colours = side_colours(found.sign[rows])
        axes.scatter(
            seconds(ts[rows], first), picture.price(trades.price_ticks[rows]), s=26, zorder=3,
            facecolors=colours if is_sure else theme.PAPER, edgecolors=colours, linewidths=1.1,
            label=f"confidence {name}",
        )  # fmt: skip
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, last)
    return figure


def _calm_and_busy(picture: Picture) -> int:
    # Start of the stretch in which both sides traded most often, among those in which price moves
    # little: else the steps of the quotes could not be seen.
    trades = picture.trades
    first, _ = sweep_bounds(picture.sweep)
    best, found = -1, 0
    for k, start in enumerate(first):
        end = np.searchsorted(trades.ts_event_ns, trades.ts_event_ns[start] + _SHOWN_NS)
        signs = trades.sign[first[k:]][first[k:] < end]
        n_both = min((signs > 0).sum(), (signs < 0).sum())
        if np.ptp(trades.price_ticks[start:end]) <= _CALM_TICKS and n_both > best:
            best, found = n_both, start
    return int(trades.ts_event_ns[found])


def rule_scores(picture: Picture) -> "Figure":
    """Share of right signs of each rule, per fill, per sweep and by volume, with intervals."""
    trades = picture.trades
    met = quote_at_trade(trades.ts_event_ns, picture.quotes)
    figure = new_figure(6.4, 3.0)
    axes = figure.add_subplot()
    rows = []
    for rule in _RULES:
        sign = classify(trades.price_ticks, rules=(rule,), at_trade=met, allow_look_ahead=True).sign
        report = score_report(sign, trades.sign, qty_lots=trades.qty_lots, sweep=picture.sweep)
        scores = [getattr(report, name) for name in ("per_fill", "per_sweep", "by_volume")]
        rows.append((rule, [(score.low, score.accuracy, score.high) for score in scores]))
    forest(axes, rows, ("per fill", "per sweep", "by volume"))
    axes.axvline(0.5, color=theme.LINE, lw=0.8)
    axes.set_title("Share of right signs and its 95 % interval", fontsize=9, loc="left")
    return figure


def bulk_volume_of_bars(picture: Picture) -> "Figure":
    """Delta of each bar by the venue's sides and by bulk volume."""
    bars, lots = picture.flow.bars, float(picture.instrument.lot_step)
    found = bulk_volume(bars.close_ticks, bars.volume_lots, window=20, min_changes=10)
    score = score_volume(found.buy_lots, bars.buy_lots, bars.sell_lots)
    first, x = int(picture.bars.t0_ns[0]), seconds(picture.bars.t0_ns, int(picture.bars.t0_ns[0]))
    figure, (price, axes) = panels(
        1.2, 2.0,
        title=f"Delta of 10 s bars: {score.accuracy:.0%} of the volume on the right side, "
        f"halves {score.even_split:.0%}",
    )  # fmt: skip
    price.plot(x, picture.price(bars.close_ticks), color=theme.INK, lw=0.9)
    axes.bar(x, bars.delta_lots * lots, 16, color=theme.blend(theme.INK, 0.3), label="true sides")
    estimate = (found.buy_lots - found.sell_lots) * lots
    axes.scatter(x, estimate, s=12, color=theme.NOTE, zorder=3, label="bulk volume")
    axes.axhline(0, color=theme.LINE, lw=0.8)
    price.set_ylabel("close", fontsize=8)
    axes.set_ylabel("delta, BTC", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, int(picture.bars.t1_ns[-1]))
    return figure


def sweeps(picture: Picture) -> "Figure":
    """Fills in their order, those of one marketable order joined."""
    trades = picture.trades
    table = sweep_table(picture.sweep, trades)
    largest = int(np.argmax(table.n_fills))
    figure = new_figure(7.6, 3.0)
    axes = figure.add_subplot()
    plain(axes)
    chosen = range(max(0, largest - 6), min(len(table), largest + 7))
    rows = np.flatnonzero(np.isin(picture.sweep, chosen))
    for sweep in chosen:
        own = rows[picture.sweep[rows] == sweep]
        colour = side_colours(trades.sign[own[:1]])[0]
        price = picture.price(trades.price_ticks[own])
        axes.axvspan(
            own[0] - 0.45 - rows[0], own[-1] + 0.45 - rows[0], color=theme.blend(colour, 0.12)
        )
        axes.plot(own - rows[0], price, color=colour, lw=1.2)
        area = 12 + 120 * trades.qty_lots[own] / trades.qty_lots[rows].max()
        axes.scatter(own - rows[0], price, s=area, color=colour, zorder=3)
    axes.set_xlabel("fills in the order of their ids; a shaded run is one sweep", fontsize=8)
    axes.set_title(
        f"Sweeps: the largest has {table.n_fills[largest]} fills (area by lots)",
        fontsize=9, loc="left",
    )  # fmt: skip
    return figure


def price_impact(picture: Picture) -> "Figure":
    """Kyle's lambda, Roll's spread and Amihud's ratio of the last five minutes."""
    trades = picture.trades
    found = rolling_impact(
        trades.ts_event_ns, trades.price_ticks, trades.qty_lots, trades.sign,
        quote_at_trade(trades.ts_event_ns, picture.quotes), [0], window_ns=300 * _NS_PER_S,
    )  # fmt: skip
    first, step = int(trades.ts_event_ns[0]), float(picture.instrument.price_step)
    x, lots = seconds(trades.ts_event_ns, first), float(picture.instrument.lot_step)
    figure, found_axes = panels(
        1.2, 1.2, 1.2, title="What trades move and cost: windows of 5 minutes"
    )
    shown: tuple[tuple[str, Any], ...] = (
        ("Kyle's lambda,\nUSD a BTC", found.kyle_lambda * step / lots),
        ("Roll's spread,\nUSD", found.roll_spread_ticks * step),
        ("Amihud's ratio,\n1e9 / USD", found.amihud / step / lots * 1e9),
    )
    for axes, (name, values) in zip(found_axes, shown, strict=True):
        axes.step(x, values, color=theme.INK, where="post", lw=1)
        axes.set_ylabel(name, fontsize=7)
    clock(found_axes[-1], picture, first, int(trades.ts_event_ns[-1]))
    return figure


PICTURES = {
    "trade_signs": ("BTCUSD.BITSTAMP", trade_signs),
    "rule_scores": ("BTCUSD.BITSTAMP", rule_scores),
    "bulk_volume": ("BTCUSD.BITSTAMP", bulk_volume_of_bars),
    "sweeps": ("BTCUSD.BITSTAMP", sweeps),
    "price_impact": ("BTCUSD.BITSTAMP", price_impact),
}
