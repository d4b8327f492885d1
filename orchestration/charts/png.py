"""Small images of the same charts, for run metadata and experiment trackers."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.axis import TickLevel, gap_sessions, session_axis
from orchestration.charts.footprint_marks import visible_marks
from orchestration.charts.formatting import (
    cell_text,
    decimals_of,
    local_times,
    price_text,
    quantity_text,
    signed_text,
)
from orchestration.charts.ladder import Ladder, last_ladder
from orchestration.charts.marks import placed_marks
from orchestration.charts.png_marks import draw_on_ladder, draw_on_prices
from orchestration.charts.zoom import FACTORS, MAX_CANDLES, join_bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES = 30 * 1024
PICTURE_BARS = 8
MAX_ROWS = 28
MIN_BARS, MAX_CELLS = 3, 90
COLOURS = 96
FULL_DPI, LEAST_DPI = 110.0, 40.0


def footprint_png(
    footprint: pd.DataFrame,
    *,
    title: str = "",
    row_size: float | None = None,
    timezone: str = "UTC",
    n_bars: int = PICTURE_BARS,
    marks: pd.DataFrame | None = None,
) -> bytes:
    """Return the footprint of the last bars as a PNG of at most 30 KB.

    Where ``n_bars`` hold more cells than are legible in 30 KB, fewer bars are drawn, at least 3.

    Parameters
    ----------
    footprint : DataFrame of ``FOOTPRINT_COLUMNS``
        An empty frame gives an image that says so.
    row_size : float or None
        Height of a row in price units; None takes the least step between the prices given.
    marks : DataFrame of ``MARK_COLUMNS``, optional
        Events to be drawn, of the groups that a page shows at first.
    """
    if footprint.empty:
        return small_png(_statement("No footprint: no bar holds a trade."))
    size = row_size if row_size is not None else least_step(footprint["price"])
    for shown in range(n_bars, min(n_bars, MIN_BARS) - 1, -1):
        ladder = last_ladder(footprint, size, timezone, n_bars=shown, max_rows=MAX_ROWS)
        if len(ladder.cells) <= MAX_CELLS:
            break
    figure = _footprint_figure(ladder, size, title, timezone)
    if marks is not None:
        draw_on_ladder(figure.axes[0], visible_marks(marks, ladder, size))
    return small_png(figure)


def least_step(price: pd.Series) -> float:
    """Return the least step between the prices of a column; 1.0 for a single price."""
    steps = np.diff(np.unique(np.round(price.to_numpy(dtype=np.float64), 10)))
    return float(np.round(steps.min(), 10)) if len(steps) else 1.0


def cvd_png(
    bars: pd.DataFrame,
    *,
    title: str = "",
    timezone: str = "UTC",
    marks: pd.DataFrame | None = None,
) -> bytes:
    """Return price with VWAP, delta and CVD of the bars as a PNG of at most 30 KB.

    Parameters
    ----------
    bars : DataFrame of ``BAR_COLUMNS``; ``trading_day`` is not needed
        An empty frame gives an image that says so.
    marks : DataFrame of ``MARK_COLUMNS``, optional
        Events to be drawn on the price, of the groups that a page shows at first.
    """
    if bars.empty:
        return small_png(_statement("No bars: no trade."))
    frame = bars.sort_values("t0", kind="stable").reset_index(drop=True)
    frame["t0"] = local_times(frame["t0"], timezone)
    frame["t_last"], frame["n_bars"] = frame["t0"], 1
    frame["session"] = gap_sessions(frame["t0"])
    frame["trading_day"] = frame["session"]
    factor = next((f for f in FACTORS if len(frame) <= f * MAX_CANDLES), FACTORS[-1])
    axis = session_axis(frame["t0"], frame["session"].to_numpy(), block=factor)
    frame["x"] = axis.x
    figure = _cvd_figure(join_bars(frame, factor), factor, axis.ticks(9), title, timezone)
    if marks is not None:
        draw_on_prices(figure.axes[0], placed_marks(marks, frame, timezone))
    return small_png(figure)


# matplotlib without pyplot: no global figure list, no display, no state between calls.
def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure on paper; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=theme.PAPER, layout="constrained")


def _statement(text: str) -> "Figure":
    figure = new_figure(6, 1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=theme.MUTED, fontsize=11)
    return figure


# Few colours and no alpha: text stays sharp at a third of the bytes. The limit is a promise to
# stores that keep the image inside a record, so the resolution gives way, not the limit.
def small_png(figure: "Figure") -> bytes:
    """Return a figure as a PNG of at most 30 KB, at as much resolution as that allows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    dpi = FULL_DPI
    while dpi >= LEAST_DPI:
        figure.set_dpi(dpi)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy(), "RGB")
        buffer = io.BytesIO()
        image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MAX_BYTES:
            return buffer.getvalue()
        dpi *= min(0.9, 0.92 * (MAX_BYTES / buffer.tell()) ** 0.5)
    raise ValueError(f"image needs {buffer.tell()} bytes, the limit is {MAX_BYTES}")


def _footprint_figure(ladder: Ladder, row_size: float, title: str, timezone: str) -> "Figure":
    n_bars, n_rows = len(ladder.times), len(ladder.row_prices)
    figure = new_figure(1.1 + 1.06 * n_bars, 1.0 + 0.2 * (n_rows + 2))
    axes = figure.add_subplot()
    axes.set(xlim=(-0.5, n_bars - 0.5), ylim=(-2.6, n_rows - 0.4))
    strongest = max(float(ladder.cells["delta"].abs().max()), 1e-12)
    for cell in ladder.cells.to_dict("records"):
        _draw_cell(axes, cell, strongest, ladder.decimals)
    for bar, cells in ladder.cells.groupby("bar"):
        _draw_totals(axes, int(bar), float(cells["delta"].sum()), float(cells["total"].sum()))
    step = max(1, n_rows // 18)
    rows = np.arange(0, n_rows, step)
    decimals = decimals_of(row_size)
    axes.set_yticks(
        [*rows, -1.0, -2.0],
        [*(price_text(ladder.row_prices[row], decimals) for row in rows), "delta", "volume"],
        fontsize=8,
    )
    axes.set_xticks(range(n_bars), ladder.times.dt.strftime("%H:%M:%S").tolist(), fontsize=8)
    bare_axes(axes)
    joined = f", {ladder.merged} rows joined" if ladder.merged > 1 else ""
    last = ladder.times.iloc[-1].strftime("%Y-%m-%d")
    heading = f"{title}  " if title else ""
    axes.set_title(f"{heading}bid x ask, {last}, {timezone}{joined}", fontsize=9, loc="left")
    return figure


def _draw_cell(axes: Any, cell: dict[str, Any], strongest: float, decimals: int) -> None:
    from matplotlib.patches import Rectangle

    x, y = cell["bar"], cell["row"]
    colour = theme.BUY if cell["delta"] > 0 else theme.SELL
    strength = 0.06 + 0.5 * abs(cell["delta"]) / strongest if cell["delta"] else 0.02
    outline = {"edgecolor": theme.INK, "linewidth": 1.4, "zorder": 2} if cell["is_poc"] else {}
    patch = Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=theme.blend(colour, strength))
    patch.set(**outline)
    axes.add_patch(patch)
    # Left out of the layout, which would measure each of hundreds of texts several times.
    axes.text(x, y, "×", ha="center", va="center", fontsize=6.5, color=theme.MUTED, in_layout=False)
    for side, where, name, flag in (
        (-0.08, "right", "bid", "is_sell_imbalance"),
        (0.08, "left", "ask", "is_buy_imbalance"),
    ):
        text = axes.text(
            x + side, y, cell_text(cell[name], decimals), ha=where, va="center_baseline", fontsize=7.5,
            color=theme.INK, zorder=3, in_layout=False,
        )  # fmt: skip
        if cell[flag]:
            side_colour = theme.SELL if name == "bid" else theme.BUY
            text.set(color=theme.PAPER, fontweight="bold")
            text.set_bbox({"facecolor": side_colour, "edgecolor": "none", "pad": 1.2})


def _draw_totals(axes: Any, bar: int, delta: float, volume: float) -> None:
    colour = theme.BUY if delta >= 0 else theme.SELL
    style = {"ha": "center", "va": "center", "fontsize": 8}
    axes.text(bar, -1.0, signed_text(delta), color=colour, fontweight="bold", **style)
    axes.text(bar, -2.0, quantity_text(volume), color=theme.INK, **style)


def bare_axes(axes: Any) -> None:
    """Take the frame and the tick marks away."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=theme.INK)


def _cvd_figure(
    bars: pd.DataFrame, factor: int, ticks: TickLevel, title: str, timezone: str
) -> "Figure":
    from matplotlib.ticker import StrMethodFormatter

    figure = new_figure(8.4, 4.6)
    price, delta, cvd = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.2, 1.6))
    x = bars["x"].to_numpy()
    breaks = np.flatnonzero(np.diff(bars["session"])) + 1
    price.vlines(x, bars["low"], bars["high"], color=theme.UNSIGNED, linewidth=0.9)
    for column, axes, colour, label in (
        ("close", price, theme.INK, "close"),
        ("vwap", price, theme.VWAP, "VWAP"),
        ("cvd_close", cvd, theme.STRATEGY, None),
    ):
        line = np.insert(bars[column].to_numpy(dtype=np.float64), breaks, np.nan)
        axes.plot(np.insert(x, breaks, np.nan), line, color=colour, linewidth=1.2, label=label)
    price.legend(fontsize=8, frameon=False, ncols=2, loc="upper left")
    colours = np.where(bars["delta"] >= 0, theme.BUY, theme.SELL)
    delta.bar(x, bars["delta"], width=factor * 0.8, color=colours)
    cvd.axhline(0, color=theme.LINE, linewidth=0.8)
    for axes, name in ((price, "price"), (delta, "delta"), (cvd, "CVD")):
        axes.set_ylabel(name, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axes.grid(color=theme.GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        bare_axes(axes)
    cvd.set_xticks(ticks.x, [text.replace("<br>", "\n") for text in ticks.text])
    heading = f"{title}  " if title else ""
    joined = f", {factor} bars joined" if factor > 1 else ""
    price.set_title(f"{heading}{timezone}{joined}", fontsize=9, loc="left")
    return figure
