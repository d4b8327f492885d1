"""Events on the charts: zones and levels as long as they stood, trades and patterns as signs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.formatting import escape, local_times, quantity_text

MARK_COLUMNS = (
    "group", "kind", "trading_day", "t_from", "t_to", "low", "high", "sign", "size", "rank",
)  # fmt: skip
MOST_A_DAY = 25  # more of a group hide each other, and the price


@dataclass(frozen=True, kw_only=True)
class Group:
    """How the marks of one switch look; ``symbol`` is plotly's, up then down, None for a span."""

    name: str
    text: str
    symbol: tuple[str, str] | None = None
    dash: str | None = None
    is_shown: bool = True


GROUPS = (
    Group(name="zones", text="zones"),
    Group(name="large", text="large trades", symbol=("triangle-up", "triangle-down")),
    Group(name="absorption", text="absorption", symbol=("circle", "circle")),
    Group(name="divergence", text="divergence", symbol=("diamond", "diamond")),
    Group(name="naked", text="naked POC", dash="dash"),
    Group(name="unfinished", text="unfinished auctions", dash="dot", is_shown=False),
)


def group_marks(marks: pd.DataFrame, group: str) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the marks of a group side by side: sign +1, -1, 0, each where it has any."""
    for sign in (1, -1, 0):
        found = marks[(marks["group"] == group) & (marks["sign"] == sign)]
        if len(found):
            yield sign, found


def side_colour(sign: int) -> str:
    """Return the colour of a side; ink where there is none."""
    return {1: theme.BUY, -1: theme.SELL}.get(sign, theme.INK)


def mark_size(size: pd.Series, least: float, most: float) -> np.ndarray:
    """Return diameters whose areas grow as the sizes do, the largest being ``most``."""
    amount = size.to_numpy(np.float64)
    top = float(amount.max(initial=0.0))
    return (
        least + (most - least) * np.sqrt(amount / top) if top > 0 else np.full(len(amount), least)
    )


def mark_traces(
    marks: pd.DataFrame, bars: pd.DataFrame, *, tick: float, timezone: str, unit: str
) -> list[tuple[str, dict[str, Any]]]:
    """Return group and plotly trace of the marks on the price pane.

    Parameters
    ----------
    marks : DataFrame of ``MARK_COLUMNS``
    bars : DataFrame
        Bars in time order with ``t0``, ``session`` and their place ``x``.
    tick : float
        Price increment: a row is drawn over its whole height.
    """
    if marks.empty:
        return []
    placed = placed_marks(marks, bars, timezone)
    traces = []
    for group in GROUPS:
        for sign, found in group_marks(placed, group.name):
            if group.symbol:
                traces.append((group.name, _points(found, group, sign, unit)))
            elif group.dash:
                traces.append((group.name, _lines(found, group, sign)))
            else:
                traces.append((group.name, _boxes(found, sign, tick)))
    return traces


def placed_marks(marks: pd.DataFrame, bars: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """Return a day's first marks with ``x_from`` and ``x_to``: the bar of a time, or the edge before it.

    What is known at a bar's close stands at the edge between that bar and the next.
    """
    starts = bars["t0"].to_numpy(dtype="datetime64[ns]")
    x = bars["x"].to_numpy(np.float64)
    placed = marks[marks["rank"] < MOST_A_DAY].copy()
    marks = placed
    for name in ("t_from", "t_to"):
        at = local_times(marks[name], timezone).to_numpy(dtype="datetime64[ns]")
        placed[f"x_{name[2:]}"] = x[
            np.clip(np.searchsorted(starts, at, "right") - 1, 0, len(x) - 1)
        ]
    is_close = np.isin(
        local_times(marks["t_from"], timezone).to_numpy(dtype="datetime64[ns]"), starts
    )
    is_close &= ~marks["group"].isin(["large"]).to_numpy()
    placed["x_from"] = placed["x_from"] - np.where(is_close, 0.5, 0.0)
    placed["x_to"] = np.maximum(placed["x_to"], placed["x_from"])
    return placed


def _trace(**given: Any) -> dict[str, Any]:
    return {"type": "scatter", "xaxis": "x", "yaxis": "y"} | given


def _points(found: pd.DataFrame, group: Group, sign: int, unit: str) -> dict[str, Any]:
    up, down = group.symbol or ("", "")
    sizes = mark_size(found["size"], 7.0, 18.0) if group.name == "large" else 10.0
    texts = [
        f"{escape(kind)}{_side(sign)}" + (f", {quantity_text(size)} {escape(unit)}" if size else "")
        for kind, size in zip(found["kind"], found["size"], strict=True)
    ]
    is_filled = group.name == "large"
    return _trace(
        mode="markers", hoverinfo="text", hovertext=texts, x=found["x_from"].round(2).tolist(),
        y=found["low"].tolist(),
        marker={
            "symbol": up if sign >= 0 else down,
            "size": sizes.round(1).tolist() if is_filled else sizes,
            "color": theme.rgba(side_colour(sign), 0.6) if is_filled else theme.PAPER,
            "line": {"color": theme.INK if is_filled else side_colour(sign),
                     "width": 1 if is_filled else 2.5},
        },
    )  # fmt: skip


def _side(sign: int) -> str:
    return {1: ", up", -1: ", down"}.get(sign, "")


def _lines(found: pd.DataFrame, group: Group, sign: int) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row in found.itertuples():
        x += [row.x_from, row.x_to + 0.5, None]
        y += [row.low, row.low, None]
    return _trace(
        mode="lines", hoverinfo="skip", x=x, y=y,
        line={"color": side_colour(sign), "width": 1.6, "dash": group.dash},
    )  # fmt: skip


def _boxes(found: pd.DataFrame, sign: int, tick: float) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row in found.itertuples():
        left, right, low, high = row.x_from, row.x_to + 0.5, row.low - tick / 2, row.high + tick / 2
        x += [left, right, right, left, left, None]
        y += [low, low, high, high, low, None]
    colour = side_colour(sign)
    return _trace(
        mode="lines", hoverinfo="skip", x=x, y=y, fill="toself",
        fillcolor=theme.rgba(colour, 0.16), line={"color": theme.rgba(colour, 0.55), "width": 0.8},
    )  # fmt: skip


def mark_switches(marks: pd.DataFrame, attribute: str) -> str:
    """Return a switch a group that has marks: what it shows, in which look, and how many."""
    switches = []
    for group in GROUPS:
        n = int((marks["group"] == group.name).sum()) if len(marks) else 0
        if n:
            checked = " checked" if group.is_shown else ""
            switches.append(
                f'<label><input type="checkbox"{checked} {attribute}="{group.name}">'
                f"{_key(group)}{group.text}</label>"
            )
    return "".join(switches)


# The look of a group beside its switch, in the colours of both sides.
def _key(group: Group) -> str:
    if group.symbol is None and group.dash is None:
        return "".join(
            f'<span class="swatch" style="background:{theme.rgba(colour, 0.3)}"></span>'
            for colour in (theme.BUY, theme.SELL)
        )
    if group.dash:
        style = "dashed" if group.dash == "dash" else "dotted"
        colour = theme.INK if group.name == "naked" else theme.BUY
        return f'<span class="swatch line" style="border-top:2px {style} {colour}"></span>'
    up, down = {"large": "▲▼", "absorption": "○○", "divergence": "◇◇"}[group.name]
    return f'<b style="color:{theme.BUY}">{up}</b><b style="color:{theme.SELL}">{down}</b>'
