"""Events on the small images: the groups that a page shows at first, without a legend to switch."""

from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.marks import GROUPS, Group, group_marks, mark_size, side_colour

_MARKERS = {"large": "^v", "absorption": "oo", "divergence": "DD"}


def draw_on_prices(axes: Any, marks: pd.DataFrame) -> None:
    """Draw marks with ``x_from`` and ``x_to`` on a matplotlib price axis."""
    y_limits = axes.get_ylim()
    for group, sign, found in _shown(marks):
        if group.symbol:
            x, y = found["x_from"].to_numpy(), found["low"].to_numpy()
            _points(axes, group, sign, (x, y), mark_size(found["size"], 3.0, 9.0))
        elif group.dash:
            left, right = found["x_from"].to_numpy(), found["x_to"].to_numpy() + 0.5
            axes.hlines(
                found["low"], left, right, color=side_colour(sign), linestyle="--", linewidth=0.9
            )
        else:
            _boxes(axes, sign, found["x_from"], found["x_to"] + 0.5, found["low"], found["high"])
    axes.set_ylim(y_limits)  # a level far away must not flatten the price


def draw_on_ladder(axes: Any, marks: pd.DataFrame) -> None:
    """Draw marks with columns and rows, of `visible_marks`, on a footprint of bars and rows."""
    for group, sign, found in _shown(marks):
        if group.symbol:
            x, y = found["first"].to_numpy() + 0.42, found["low_row"].to_numpy()
            _points(axes, group, sign, (x, y), np.full(len(found), 5.0))
        elif group.dash:
            left, right = found["first"].to_numpy() - 0.5, found["last"].to_numpy() + 0.5
            axes.hlines(
                found["low_row"].to_numpy() - 0.5, left, right, color=side_colour(sign),
                linestyle="--", linewidth=1.2,
            )  # fmt: skip
        else:
            low, high = found["low_row"] - 0.5, found["high_row"] + 0.5
            _boxes(axes, sign, found["first"] - 0.48, found["last"] + 0.48, low, high)


def _shown(marks: pd.DataFrame) -> list[tuple[Group, int, pd.DataFrame]]:
    if marks.empty:
        return []
    return [
        (group, sign, found)
        for group in GROUPS
        if group.is_shown
        for sign, found in group_marks(marks, group.name)
    ]


def _points(
    axes: Any, group: Group, sign: int, at: tuple[np.ndarray, np.ndarray], sizes: np.ndarray
) -> None:
    marker = _MARKERS[group.name][0 if sign >= 0 else 1]
    face = side_colour(sign) if group.name == "large" else theme.PAPER
    edge = theme.INK if group.name == "large" else side_colour(sign)
    axes.scatter(
        *at, s=sizes**2, marker=marker, facecolor=face, edgecolor=edge, linewidth=0.9, zorder=4
    )


def _boxes(axes: Any, sign: int, left: Any, right: Any, low: Any, high: Any) -> None:
    from matplotlib.patches import Rectangle

    colour = side_colour(sign)
    for x0, x1, y0, y1 in zip(left, right, low, high, strict=True):
        patch = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=0.9)
        axes.add_patch(patch)
