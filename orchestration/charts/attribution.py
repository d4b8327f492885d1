"""Which cells a prediction rests on, drawn onto the footprint: all bars at once, and the last ones with sizes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.formatting import cell_decimals, cell_text, decimals_of, price_text
from orchestration.charts.png import least_step, new_figure, small_png

LAST_BARS = 8


@dataclass(frozen=True, kw_only=True)
class ExplainedWindow:
    """A window's footprint and what each part of it adds to a score.

    Attributes
    ----------
    times : DatetimeIndex, length n_bars
        End of each bar, in the zone to be shown.
    prices : ndarray of float64, shape (n_rows,)
        Lower edge of each row.
    buy, sell : ndarray of float64, shape (n_bars, n_rows)
        What was traded, in units of size.
    buy_part, sell_part : ndarray of float64, shape (n_bars, n_rows)
        What that adds to the score: positive for up.
    """

    times: pd.DatetimeIndex
    prices: np.ndarray
    buy: np.ndarray
    sell: np.ndarray
    buy_part: np.ndarray
    sell_part: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.prices))
        for name in ("buy", "sell", "buy_part", "sell_part"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {getattr(self, name).shape}")


def attribution_png(window: ExplainedWindow, *, title: str = "", n_last: int = LAST_BARS) -> bytes:
    """Return the explained footprint as a PNG of at most 30 KB.

    Above, all bars: a cell is as strongly coloured as buys and sells in it together move the score,
    blue up, orange down. Below, the last bars as a footprint, bid x ask: the left half of a cell says what
    its sells add, the right half what its buys add.
    """
    figure = new_figure(9.6, 7.2)
    above, below = figure.subplots(2, 1, height_ratios=(1, 1.5))
    strongest = max(np.abs(window.buy_part).max(), np.abs(window.sell_part).max(), 1e-12)
    _draw_all(above, window)
    _draw_last(below, window, n_last, float(strongest))
    above.set_title(title, loc="left", fontsize=10, color=theme.INK)
    return small_png(figure)


def _draw_all(axes: Any, window: ExplainedWindow) -> None:
    part = (window.buy_part + window.sell_part).T
    strongest = max(float(np.abs(part).max()), 1e-12)
    axes.imshow(
        _colours(part / strongest), aspect="auto", origin="lower", interpolation="nearest",
        extent=(-0.5, len(window.times) - 0.5, -0.5, len(window.prices) - 0.5),
    )  # fmt: skip
    every = max(1, len(window.times) // 8)
    ticks = np.arange(0, len(window.times), every)
    axes.set_xticks(ticks, [window.times[i].strftime("%H:%M:%S") for i in ticks], fontsize=7)
    _price_axis(axes, window)


def _draw_last(axes: Any, window: ExplainedWindow, n_last: int, strongest: float) -> None:
    n_bars, n_rows = len(window.times), len(window.prices)
    first = max(0, n_bars - n_last)
    sizes = np.concatenate([window.buy[first:].ravel(), window.sell[first:].ravel()])
    decimals = cell_decimals(sizes)
    for bar in range(first, n_bars):
        for row in range(n_rows):
            sell, buy = window.sell[bar, row], window.buy[bar, row]
            if not sell and not buy:
                continue
            parts = (window.sell_part[bar, row], window.buy_part[bar, row])
            for half, part in enumerate(parts):
                colour = _colours(np.array([[part / strongest]]))[0, 0]
                axes.add_patch(_half(bar - first, row, half, colour))
            text = f"{cell_text(sell, decimals)} × {cell_text(buy, decimals)}"
            axes.text(
                bar - first, row, text, ha="center", va="center", fontsize=6.5, color=theme.INK
            )
    traded = np.flatnonzero((window.buy[first:] + window.sell[first:]).any(axis=0))
    low, high = (traded[0], traded[-1]) if len(traded) else (0, n_rows - 1)
    axes.set(xlim=(-0.5, n_bars - first - 0.5), ylim=(low - 1.5, high + 1.5))
    axes.set_xlabel(
        "bid × ask; blue moves the score up, orange down, by sells (left) and buys (right)",
        fontsize=8, color=theme.MUTED,
    )  # fmt: skip
    shown = range(first, n_bars)
    axes.set_xticks(
        [bar - first for bar in shown],
        [window.times[bar].strftime("%H:%M:%S") for bar in shown],
        fontsize=7,
    )
    _price_axis(axes, window, low - 1, high + 1)


def _half(x: int, row: int, half: int, colour: np.ndarray) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48 + 0.48 * half, row - 0.45), 0.48, 0.9, facecolor=colour, linewidth=0)


def _colours(share: np.ndarray) -> np.ndarray:
    # From white to the colour of the side that the score is moved to; shares in [-1, 1].
    ends = [np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (theme.SELL, theme.BUY)]
    end = np.where(share[..., None] < 0, ends[0], ends[1])
    strength = np.abs(share)[..., None] ** 0.7
    return ((1 - strength) * 255 + strength * end) / 255


def _price_axis(axes: Any, window: ExplainedWindow, low: int = 0, high: int | None = None) -> None:
    step = least_step(pd.Series(window.prices))
    end = len(window.prices) if high is None else min(high + 1, len(window.prices))
    rows = np.arange(max(low, 0), end, max(1, (end - low) // 10))
    texts = [price_text(window.prices[row], decimals_of(step)) for row in rows]
    axes.set_yticks(rows, texts, fontsize=7)
    axes.tick_params(length=2, colors=theme.MUTED)
    for spine in axes.spines.values():
        spine.set_color(theme.LINE)
