"""The volume profile beside the price: one trading day at a time, on the price's own axis."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.data import DayLevels, ReportData, day_key
from orchestration.charts.formatting import (
    decimals_of,
    escape,
    price_text,
    quantity_text,
    rounded,
)

OUTSIDE_OPACITY = 0.38


@dataclass(frozen=True)
class DayProfile:
    """Traces, line labels and the volume range of one day's profile."""

    day: str
    traces: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    max_volume: float


def day_profiles(data: ReportData) -> list[DayProfile]:
    """Return each day's profile in day order: stacked volume, POC and value area.

    Rows outside the value area are paler. A day without levels has no lines.
    """
    if data.profile.empty:
        return []
    levels = data.day_levels()
    days = data.profile["trading_day"].map(day_key)
    return [
        _day_profile(data, day, rows.sort_values("price"), levels.get(day))
        for day, rows in data.profile.groupby(days, sort=True)
    ]


def _day_profile(
    data: ReportData, day: str, rows: pd.DataFrame, level: DayLevels | None
) -> DayProfile:
    total = (rows["bid"] + rows["ask"] + rows["unsigned"]).to_numpy(dtype=np.float64)
    largest = float(total.max())
    return DayProfile(
        day=day,
        traces=[*_volume_bars(data, rows, total, level), *_level_lines(level, largest)],
        annotations=[*_level_labels(data, level), _title(data, day)],
        max_volume=largest,
    )


def _title(data: ReportData, day: str) -> dict[str, Any]:
    return {
        "xref": "x2 domain", "x": 0.0, "xanchor": "left", "yref": "paper", "y": 0.445,
        "yanchor": "top", "showarrow": False, "align": "left",
        "text": f"{escape(data.size_unit)} at price<br>{escape(day)}",
        "font": {"size": 12, "color": theme.MUTED},
    }  # fmt: skip


def _volume_bars(
    data: ReportData, rows: pd.DataFrame, total: np.ndarray, level: DayLevels | None
) -> list[dict[str, Any]]:
    price = rows["price"].to_numpy(dtype=np.float64)
    is_inside = np.ones(len(price), dtype=bool)
    if level is not None:
        half = data.tick_size / 2
        is_inside = (price > level.val - half) & (price < level.vah + half)
    opacity = np.where(is_inside, 0.9, OUTSIDE_OPACITY).tolist()
    text = _hover(data, rows, total)
    bars = []
    for column, colour in (("bid", theme.SELL), ("ask", theme.BUY), ("unsigned", theme.UNSIGNED)):
        if column == "unsigned" and not rows[column].any():
            continue
        bars.append(
            {
                "type": "bar", "orientation": "h", "xaxis": "x2", "yaxis": "y",
                "x": rounded(rows[column], 8), "y": rounded(row_middle(data, price), 8),
                "width": data.row_size * 0.86,
                "marker": {"color": colour, "opacity": opacity, "line": {"width": 0}},
                "customdata": text, "hovertemplate": "%{customdata}<extra></extra>",
            }
        )  # fmt: skip
    return bars


def row_middle(data: ReportData, price: np.ndarray) -> np.ndarray:
    """Return the middle of price rows from their lowest prices: a 1-tick row's is its price."""
    return price + (data.row_size - data.tick_size) / 2


def _hover(data: ReportData, rows: pd.DataFrame, total: np.ndarray) -> list[str]:
    decimals = decimals_of(data.tick_size)
    columns = zip(rows["price"], rows["bid"], rows["ask"], rows["unsigned"], total, strict=True)
    return [
        f"<b>{price_text(price, decimals)}</b><br>total {quantity_text(volume)}"
        f"<br>at bid {quantity_text(bid)}<br>at ask {quantity_text(ask)}"
        + (f"<br>unsigned {quantity_text(unsigned)}" if unsigned else "")
        for price, bid, ask, unsigned, volume in columns
    ]


def scale_width(data: ReportData) -> int:
    """Return the pixels that a tag such as "VAH 1,649.50" needs between candles and profile."""
    prices = data.bars["high"] if not data.bars.empty else data.profile["price"]
    return 52 + 8 * len(price_text(float(prices.max()), decimals_of(data.tick_size)))


LEVEL_STYLE = {
    "poc": {"color": theme.INK, "width": 1.4},
    "val": {"color": theme.MUTED, "width": 1.3, "dash": "dash"},
    "vah": {"color": theme.MUTED, "width": 1.3, "dash": "dash"},
}


def _level_lines(level: DayLevels | None, largest: float) -> list[dict[str, Any]]:
    if level is None:
        return []
    return [
        {
            "type": "scatter", "mode": "lines", "xaxis": "x2", "yaxis": "y", "hoverinfo": "skip",
            "x": [0.0, largest * 1.04], "y": [getattr(level, name)] * 2, "line": LEVEL_STYLE[name],
        }
        for name in ("poc", "val", "vah")
    ]  # fmt: skip


# Tags on the price scale between the candles and the profile; the script moves VAH up and VAL
# down where they would lie on POC.
def _level_labels(data: ReportData, level: DayLevels | None) -> list[dict[str, Any]]:
    if level is None:
        return []
    decimals = decimals_of(data.tick_size)
    return [
        {
            "xref": "x2 domain", "x": 0.0, "xanchor": "right", "xshift": -3, "yref": "y",
            "y": getattr(level, name), "yanchor": "middle", "name": name,
            "showarrow": False, "borderpad": 2,
            "text": f"{name.upper()} {price_text(getattr(level, name), decimals)}",
            "font": {"size": 12, "color": theme.PAPER if name == "poc" else theme.INK},
            "bgcolor": theme.INK if name == "poc" else theme.GRID,
            "width": scale_width(data) - 9, "align": "right",  # hides the axis label below it
        }
        for name in ("vah", "val", "poc")
    ]  # fmt: skip
