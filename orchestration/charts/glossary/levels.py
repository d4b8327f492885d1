"""Pictures of volume at price: profile, value areas, levels in time, zones."""

from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.axes import candles, clock, panels, plain, seconds
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import new_figure
from orderflow_core.developing import developing_levels
from orderflow_core.imbalance_presets import ATAS_STACKED_IMBALANCE
from orderflow_core.initial_balance import balance_extensions, initial_balance
from orderflow_core.naked_pocs import covering_session
from orderflow_core.profile import ProfileRows, volume_profile
from orderflow_core.profile_nodes import profile_nodes
from orderflow_core.significant_levels import significant_levels
from orderflow_core.stacks import stacked_imbalances
from orderflow_core.tpo import tpo_letters
from orderflow_core.unfinished import unfinished_levels
from orderflow_core.value_area import ValueAreaAlgorithm, point_of_control, value_area
from orderflow_core.zones import NEVER, stacked_zones

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RULE = ATAS_STACKED_IMBALANCE.rule()


def profile(picture: Picture) -> "Figure":
    """The day's profile with POC, value area and nodes."""
    rows = _profile(picture)
    area = value_area(rows.price_tick, rows.volume_lots, ticks_per_row=picture.row_ticks)
    nodes = profile_nodes(
        rows.price_tick, rows.volume_lots, ticks_per_row=picture.row_ticks,
        bandwidth_rows=1.5, min_prominence=0.05,
    )  # fmt: skip
    figure = new_figure(5.0, 4.2)
    axes = figure.add_subplot()
    plain(axes)
    prices, step = picture.price(rows.price_tick), float(picture.instrument.price_step)
    axes.barh(prices, rows.bid_lots, step * 0.9, color=theme.SELL, label="sold")
    axes.barh(
        prices, rows.ask_lots, step * 0.9, left=rows.bid_lots, color=theme.BUY, label="bought"
    )
    for name, tick in (("POC", area.poc_tick), ("VAH", area.vah_tick), ("VAL", area.val_tick)):
        y = float(picture.price([tick])[0])
        axes.axhline(y, color=theme.INK, lw=0.9, ls="-" if name == "POC" else "--")
        axes.text(rows.volume_lots.max(), y, name, fontsize=7, va="bottom", ha="right")
    for kind, marker, name in ((1, ">", "high volume node"), (-1, "<", "low volume node")):
        at = nodes.kind == kind
        axes.scatter(
            nodes.smoothed_lots[at], picture.price(nodes.price_tick[at]), marker=marker, s=28,
            color=theme.NOTE, edgecolors=theme.INK, label=name, zorder=3,
        )  # fmt: skip
    axes.legend(fontsize=7, frameon=False)
    axes.set_title("Volume profile of the day, lots by side", fontsize=9, loc="left")
    return figure


def value_areas(picture: Picture) -> "Figure":
    """The value areas of each hour's profile by four algorithms."""
    first = int(picture.trades.ts_event_ns[0])
    hour = (picture.trades.ts_event_ns - first) // 3_600_000_000_000
    figure, (axes,) = panels(3.0, title="Value area of each hour by four algorithms")
    colours = (theme.INK, theme.BUY, theme.SELL, theme.VWAP)
    for h in np.unique(hour):
        rows = _profile(picture, hour == h)
        for k, algorithm in enumerate(get_args(ValueAreaAlgorithm)):
            tie = "above" if algorithm == "two_row_B" else None
            area = value_area(
                rows.price_tick, rows.volume_lots, ticks_per_row=picture.row_ticks,
                algorithm=algorithm, tie=tie,
            )  # fmt: skip
            low, high = picture.price([area.val_tick, area.vah_tick])
            axes.vlines(
                h + 0.2 * k,
                low,
                high,
                color=colours[k],
                lw=2.2,
                label=algorithm if h == hour[0] else None,
            )
    axes.legend(fontsize=7, frameon=False, ncols=4)
    axes.set_xlabel("hour of the session", fontsize=8)
    return figure


def developing(picture: Picture) -> "Figure":
    """Developing POC and value area, initial balance and its extensions."""
    index, bars = picture.bars, picture.flow.bars
    levels = developing_levels(picture.cells, [0], ticks_per_row=picture.row_ticks)
    first = int(index.t0_ns[0])
    x = seconds(index.t1_ns, first)
    figure, (axes,) = panels(
        3.4, title="Developing POC and value area; initial balance, extended by half"
    )
    axes.plot(x, picture.price(bars.close_ticks), color=theme.LINE, lw=0.8)
    axes.step(x, picture.price(levels.poc_tick), color=theme.INK, lw=1.4, where="post", label="POC")
    for ticks in (levels.val_tick, levels.vah_tick):
        axes.step(x, picture.price(ticks), color=theme.BUY, lw=1, where="post")
    balance = initial_balance(
        index.t0_ns, index.t1_ns, bars.high_ticks, bars.low_ticks, [0],
        np.full(len(index), first),
    )  # fmt: skip
    at = np.flatnonzero(balance.is_complete)[:1]
    lower, upper = balance_extensions(balance.high_ticks[at], balance.low_ticks[at], 0.5)
    step = float(picture.instrument.price_step)
    for ticks, style in (
        (balance.high_ticks[at], "-"), (balance.low_ticks[at], "-"), (lower, ":"), (upper, ":"),
    ):  # fmt: skip
        axes.axhline(float(ticks[0]) * step, color=theme.NOTE, lw=1, ls=style)
    axes.legend(fontsize=8, frameon=False)
    clock(axes, picture, first, int(index.t1_ns[-1]))
    return figure


def naked_pocs(picture: Picture) -> "Figure":
    """The point of control of each hour until an hour's range comes back to it."""
    trades, row = picture.trades, picture.row_ticks
    hour = (trades.ts_event_ns - trades.ts_event_ns[0]) // 3_600_000_000_000
    hours = np.unique(hour)
    first, last = np.searchsorted(hour, hours), np.searchsorted(hour, hours, side="right")
    rows = [_profile(picture, hour == h) for h in hours]
    poc = np.array(
        [
            r.price_tick[point_of_control(r.price_tick, r.volume_lots, ticks_per_row=row)]
            for r in rows
        ]
    )
    price = trades.price_ticks
    low, high = (f.reduceat(price, first) for f in (np.minimum, np.maximum))
    covered = covering_session(poc, high, low, ticks_per_row=row)
    figure, (axes,) = panels(
        3.2, title="POC of each hour, naked until a later hour's range holds it"
    )
    ohlc = tuple(picture.price(values) for values in (price[first], high, low, price[last - 1]))
    axes.vlines(hours, ohlc[2], ohlc[1], color=theme.LINE, lw=5)
    for h, tick, by in zip(hours, poc, covered, strict=True):
        y = float(picture.price([tick])[0])
        axes.hlines(y, h - 0.35, h + 0.35, color=theme.INK, lw=2.2, zorder=3)
        stop = by if by >= 0 else len(hours)
        axes.hlines(y, h, stop, color=theme.STRATEGY if by >= 0 else theme.SELL, lw=1.2)
    for colour, name in ((theme.STRATEGY, "until covered"), (theme.SELL, "naked at the end")):
        axes.plot([], [], color=colour, lw=1, label=name)
    axes.legend(fontsize=8, frameon=False)
    axes.set_xlabel("hour of the session", fontsize=8)
    return figure


def tpo(picture: Picture) -> "Figure":
    """One letter for each half hour and row."""
    trades, row = picture.trades, 4 * picture.row_ticks
    letters = tpo_letters(
        trades.ts_event_ns, trades.price_ticks, session_open_ns=int(trades.ts_event_ns[0])
    )
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    plain(axes)
    filled: dict[int, int] = {}
    for n, low, high in zip(letters.letter, letters.low_ticks, letters.high_ticks, strict=True):
        for tick in range(int(low) // row * row, int(high) + 1, row):
            filled[tick] = filled.get(tick, 0) + 1
            axes.text(
                filled[tick], float(picture.price([tick])[0]), _LETTERS[n % len(_LETTERS)],
                fontsize=6, va="center", family="monospace", in_layout=False,
            )  # fmt: skip
    prices = picture.price(sorted(filled))
    axes.set(xlim=(0, max(filled.values()) + 2), ylim=(prices[0] - 1, prices[-1] + 1))
    axes.set_title(
        "Time profile: a letter for each half hour, rows of one point", fontsize=9, loc="left"
    )
    return figure


def zones(picture: Picture) -> "Figure":
    """Zones of stacked imbalances from birth to fill."""
    found = _zones(picture)
    return _in_time(picture, "Zones of stacked imbalances, from birth to fill", found)


def unfinished(picture: Picture) -> "Figure":
    """Unfinished auctions until a later bar covers them."""
    _, levels = unfinished_levels(
        picture.cells, picture.bars, ticks_per_row=picture.row_ticks, filter_lots=20,
        session_start_bar=[0],
    )  # fmt: skip
    bands = [
        (int(birth), int(end), int(tick), int(tick) + picture.row_ticks, int(sign))
        for birth, end, tick, sign in zip(
            levels.birth_ns, levels.covered_ns, levels.price_tick, levels.sign, strict=True
        )
    ]
    return _in_time(picture, "Unfinished auctions until covered", bands)


def significant(picture: Picture) -> "Figure":
    """Where significant levels were born, on the price."""
    bars, index = picture.flow.bars, picture.bars
    births = significant_levels(
        picture.cells, bars.close_ticks, [0], ticks_per_row=picture.row_ticks
    ).births
    at = np.searchsorted(index.bar_id, births.bar_id)
    first = int(index.t0_ns[0])
    figure, (axes,) = panels(3.0, title="Significant levels at the bar that made them known")
    axes.plot(
        seconds(index.t1_ns, first), picture.price(bars.close_ticks), color=theme.LINE, lw=0.8
    )
    colours = np.where(births.level_sign > 0, theme.BUY, theme.SELL)
    axes.scatter(
        seconds(index.t1_ns[at], first), picture.price(births.level_tick), c=colours, s=24, zorder=3
    )
    clock(axes, picture, first, int(index.t1_ns[-1]))
    return figure


def _profile(picture: Picture, part: Any = slice(None)) -> ProfileRows:
    trades = picture.trades
    return volume_profile(
        trades.price_ticks[part], trades.qty_lots[part], trades.sign[part],
        ticks_per_row=picture.row_ticks,
    )  # fmt: skip


def _zones(picture: Picture) -> list[tuple[int, int, int, int, int]]:
    stacks = stacked_imbalances(picture.cells, _RULE, ticks_per_row=picture.row_ticks, min_levels=3)
    _, found = stacked_zones(
        picture.trades.ts_event_ns, picture.trades.price_ticks, picture.bars, stacks,
        session_start_bar=[0], max_age_bars=None,
    )  # fmt: skip
    return [
        (int(birth), int(fill), int(low), int(high) + 1, int(sign))
        for birth, fill, low, high, sign in zip(
            found.birth_ns, found.fill_ns, found.low_tick, found.high_tick, found.sign, strict=True
        )
    ]


def _in_time(picture: Picture, title: str, bands: list[tuple[int, int, int, int, int]]) -> "Figure":
    # Candles of the two hours about the busiest bar, with bands (from, to, low, high, sign).
    from matplotlib.patches import Rectangle

    index, bars = picture.bars, picture.flow.bars
    busiest = int(np.argmax(bars.volume_lots))
    shown = slice(max(0, busiest - 30), busiest + 90)
    first, last = int(index.t0_ns[shown][0]), int(index.t1_ns[shown][-1])
    figure, (axes,) = panels(3.4, title=title)
    ohlc = [getattr(bars, f"{k}_ticks")[shown] for k in ("open", "high", "low", "close")]
    width = 0.7 * (index.t1_ns[0] - index.t0_ns[0]) / 1e9
    candles(axes, seconds(index.t0_ns[shown], first), tuple(picture.price(v) for v in ohlc), width)
    for start, end, low, high, sign in bands:
        stop = last if end == NEVER else min(end, last)
        if stop <= first or start >= last:
            continue
        bottom, top = picture.price([low, high])
        left = max(0.0, (start - first) / 1e9)
        colour = theme.blend(theme.BUY if sign > 0 else theme.SELL, 0.35)
        axes.add_patch(
            Rectangle(
                (left, bottom), (stop - first) / 1e9 - left, top - bottom, color=colour, zorder=0
            )
        )
    clock(axes, picture, first, last)
    return figure


PICTURES = {
    "profile": ("ES", profile),
    "value_areas": ("ES", value_areas),
    "developing": ("ES", developing),
    "naked_pocs": ("ES", naked_pocs),
    "tpo": ("ES", tpo),
    "zones": ("ES", zones),
    "unfinished": ("ES", unfinished),
    "significant_levels": ("ES", significant),
}
