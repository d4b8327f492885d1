"""What the pictures of the glossary have in common: axes of time, colours of sides."""

from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.charts import theme
from orchestration.charts.glossary.market import Picture
from orchestration.charts.png import bare_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.6
_NS_PER_S = 1_000_000_000


def panels(*heights: float, title: str) -> tuple["Figure", list[Any]]:
    """Return a figure with panels under each other that share the time axis."""
    figure = new_figure(WIDTH, sum(heights))
    made = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    found = [row[0] for row in made]
    for axes in found:
        plain(axes)
    found[0].set_title(title, fontsize=9, loc="left")
    return figure, found


def plain(axes: Any) -> None:
    """Give axes the house's look."""
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(useOffset=False)
    axes.grid(color=theme.GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    bare_axes(axes)


def clock(axes: Any, picture: Picture, first_ns: int, last_ns: int) -> None:
    """Label the x axis, which counts seconds since ``first_ns``, with local times."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(picture.instrument.timezone)
    ticks = np.linspace(0, (last_ns - first_ns) / _NS_PER_S, 7)
    times = [
        datetime.fromtimestamp(first_ns / _NS_PER_S + tick, UTC).astimezone(zone) for tick in ticks
    ]
    axes.set_xticks(
        ticks, [f"{time:%H:%M:%S}" if ticks[-1] < 3600 else f"{time:%H:%M}" for time in times]
    )
    axes.set_xlim(0, ticks[-1])


def seconds(ns: Any, first_ns: int) -> Any:
    """Return times as seconds since ``first_ns``."""
    return (np.asarray(ns) - first_ns) / _NS_PER_S


def side_colours(sign: Any) -> list[str]:
    """Return a colour a sign: buyers blue, sellers vermilion, neither grey."""
    names = {1: theme.BUY, -1: theme.SELL, 0: theme.UNSIGNED}
    return [names[int(np.sign(s))] for s in sign]


def candles(axes: Any, x: Any, ohlc: tuple[Any, Any, Any, Any], width: float) -> None:
    """Draw candles: open, high, low and close at each x."""
    opened, high, low, close = (np.asarray(values, np.float64) for values in ohlc)
    colours = side_colours(close - opened)
    axes.vlines(x, low, high, colors=colours, linewidth=0.8)
    axes.bar(x, close - opened, width, bottom=opened, color=colours)


def forest(
    axes: Any,
    rows: list[tuple[str, list[tuple[float, float, float]]]],
    names: tuple[str, ...],
) -> None:
    """Draw figures with their intervals: a line a row, beside each other what a row has of each name.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows : list of (label, list of (low, value, high))
        From the top down.
    names : tuple of str
        One for each interval of a row.
    """
    plain(axes)
    colours = (theme.INK, theme.BUY, theme.NOTE)
    for k, name in enumerate(names):
        low, value, high = (np.array([row[1][k][part] for row in rows]) for part in range(3))
        y = np.arange(len(rows)) + 0.22 * (k - (len(names) - 1) / 2)
        axes.hlines(y, low, high, color=colours[k], lw=1.4)
        axes.scatter(value, y, s=18, color=colours[k], zorder=3, label=name)
    axes.set_yticks(range(len(rows)), [row[0].replace("_", " ") for row in rows], fontsize=8)
    axes.invert_yaxis()
    if len(names) > 1:
        axes.legend(fontsize=8, frameon=False)
