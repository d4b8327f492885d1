"""Events on the footprint drawing: one SVG group a kind, which the page's switches hide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts.formatting import escape, local_times, quantity_text
from orchestration.charts.ladder import Ladder
from orchestration.charts.marks import GROUPS, Group, mark_size, side_colour

SIGN_PX, MOST_PX = 5.0, 8.0
SIGN_ROOM = 15  # pixels at the right of each cell, so that no sign hides a number


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where columns and rows of a footprint drawing lie, in pixels."""

    left: float
    column: float
    row_height: float
    row_y: Callable[[float], float]


def visible_marks(marks: pd.DataFrame, ladder: Ladder, row_size: float) -> pd.DataFrame:
    """Return the marks that meet the drawn bars and rows, with ``first``, ``last``, ``low_row``, ``high_row``.

    Columns count from the oldest bar; a mark that began earlier begins at the first. Rows count
    from the lowest; what lies outside of the rows is cut off.
    """
    if marks.empty:
        return marks
    starts = ladder.times.to_numpy(dtype="datetime64[ns]")
    zone = ladder.times.dt.tz
    t_from, t_to = (
        local_times(marks[name], str(zone)).to_numpy(dtype="datetime64[ns]")
        for name in ("t_from", "t_to")
    )
    # What is known at a bar's close belongs to that bar, not to the one that begins then.
    first = np.searchsorted(starts, t_from, "right") - 1
    is_close = np.isin(t_from, starts) & ~marks["group"].isin(["large"]).to_numpy()
    is_span = ~marks["group"].isin([g.name for g in GROUPS if g.symbol]).to_numpy()
    first = np.where(is_close & ~is_span, first - 1, first)
    last = np.searchsorted(starts, t_to, "right") - 1
    height = row_size * ladder.merged
    low, high = (
        np.floor((marks[name].to_numpy(np.float64) - ladder.row_prices[0]) / height + 1e-9)
        for name in ("low", "high")
    )
    n_rows = len(ladder.row_prices)
    placed = marks.assign(
        first=np.maximum(first, 0), last=last, low_row=np.maximum(low, 0),
        high_row=np.minimum(high, n_rows - 1),
    )  # fmt: skip
    is_seen = (last >= 0) & (low < n_rows) & (high >= 0) & (is_span | (first >= 0))
    # Of several trades in one cell the largest is drawn: the others would lie under it.
    seen = placed[is_seen].sort_values("size", kind="stable")
    is_hidden = seen.duplicated(["group", "first", "low_row", "sign"], keep="last") & seen[
        "group"
    ].isin([group.name for group in GROUPS if group.symbol])
    return seen[~is_hidden].sort_values("t_from", kind="stable")


def has_signs(marks: pd.DataFrame) -> bool:
    """Return whether a mark is drawn as a sign beside its cell."""
    names = [group.name for group in GROUPS if group.symbol]
    return len(marks) > 0 and bool(marks["group"].isin(names).any())


def mark_groups(marks: pd.DataFrame, place: Place, unit: str) -> list[str]:
    """Return the SVG of the marks that `visible_marks` gave."""
    parts = []
    for group in GROUPS:
        found = marks[marks["group"] == group.name] if len(marks) else marks
        if found.empty:
            continue
        hidden = "" if group.is_shown else ' style="display:none"'
        sizes = mark_size(found["size"], SIGN_PX, MOST_PX)
        drawn = [
            _mark(row, group, place, size, unit)
            for row, size in zip(found.to_dict("records"), sizes, strict=True)
        ]
        parts.append(f'<g class="mark-{group.name}"{hidden}>{"".join(drawn)}</g>')
    return parts


def _mark(row: dict[str, Any], group: Group, place: Place, size: float, unit: str) -> str:
    colour, sign = side_colour(row["sign"]), row["sign"]
    x0 = place.left + row["first"] * place.column
    x1 = place.left + (row["last"] + 1) * place.column
    top, bottom = place.row_y(row["high_row"]), place.row_y(row["low_row"]) + place.row_height
    size_text = f", {quantity_text(row['size'])} {escape(unit)}" if row["size"] else ""
    title = f"<title>{escape(row['kind'])}{size_text}</title>"
    if group.symbol is None and group.dash is None:
        return (
            f'<rect x="{x0:.1f}" y="{top:.1f}" width="{x1 - x0:.1f}" height="{bottom - top:.1f}" '
            f'fill="{colour}" fill-opacity="0.10" stroke="{colour}" stroke-width="2">{title}</rect>'
        )
    if group.dash:
        dashes = "7 4" if group.dash == "dash" else "2 3"
        return (
            f'<line x1="{x0:.1f}" x2="{x1:.1f}" y1="{bottom - 1:.1f}" y2="{bottom - 1:.1f}" '
            f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}">{title}</line>'
        )
    x, y = x0 + place.column - 8, (top + bottom) / 2
    if group.name == "large":
        tip = -1 if sign >= 0 else 1
        corners = [(0.0, tip * size), (-size, -0.7 * tip * size), (size, -0.7 * tip * size)]
        return _polygon(x, y, corners, f'fill="{colour}" stroke="#fff"', title)
    look = f'fill="#fff" stroke="{colour}" stroke-width="2.5"'
    if group.name == "divergence":
        return _polygon(x, y, [(0.0, -6.0), (6.0, 0.0), (0.0, 6.0), (-6.0, 0.0)], look, title)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" {look}>{title}</circle>'


def _polygon(x: float, y: float, corners: list[tuple[float, float]], look: str, title: str) -> str:
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {look}>{title}</polygon>'
