"""Price, volume, delta and CVD over one session axis, with the profile beside the price."""

from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.axis import SessionAxis
from orchestration.charts.data import DayLevels, ReportData
from orchestration.charts.formatting import (
    decimals_of,
    escape,
    price_text,
    quantity_text,
    rounded,
    signed_text,
)
from orchestration.charts.interaction import ChartSpec, LevelSpec, TraceRole, ViewButton
from orchestration.charts.marks import GROUPS, mark_traces
from orchestration.charts.profile import LEVEL_STYLE, DayProfile, day_profiles, scale_width
from orchestration.charts.zoom import Level, PreparedBars

HEIGHT = 900
MAX_NAMED_SESSIONS = 10
DOMAINS = {"y": (0.47, 1.0), "y2": (0.35, 0.445), "y3": (0.185, 0.325), "y4": (0.0, 0.16)}
PANES = {
    "y2": "VOLUME  bought and sold",
    "y3": "DELTA  whiskers: least and greatest within the bar",
    "y4": "CVD  since session start",
}
READOUT = ("O", "H", "L", "C", "VWAP", "volume", "bought", "sold", "unsigned", "delta", "range",
           "CVD")  # fmt: skip


def flow_chart(data: ReportData, prepared: PreparedBars) -> ChartSpec:
    """Return the chart of every bar: candles, VWAP bands, levels, volume, delta, CVD, profile."""
    profiles, decimals = day_profiles(data), decimals_of(data.tick_size)
    traces: list[dict[str, Any]] = []
    roles: list[TraceRole] = []
    for number, level in enumerate(prepared.levels):
        _add(traces, roles, _price_traces(data, level), level=number)
        _add(traces, roles, [(None, trace) for trace in _flow_traces(data, level)], level=number)
    lines = _level_segments(data.day_levels(), prepared)
    _add(traces, roles, [("levels", trace) for trace in lines])
    marks = mark_traces(
        data.marks, prepared.bars, tick=data.tick_size, timezone=data.timezone, unit=data.size_unit
    )
    _add(traces, roles, list(marks))
    for day, profile in enumerate(profiles):
        _add(traces, roles, [(None, trace) for trace in profile.traces], day=day)
    # The first drawing is of the coarsest level alone; every level at once would take minutes.
    first = {None, len(prepared.levels) - 1}, {None, len(profiles) - 1}
    off = {group.name for group in GROUPS if not group.is_shown}
    for trace, role in zip(traces, roles, strict=True):
        is_on = role.group not in off
        trace["visible"] = is_on and role.level in first[0] and role.day in first[1]
    return ChartSpec(
        element_id="flow-chart",
        data=traces,
        layout=_layout(data, prepared, profiles),
        roles=roles,
        levels=[_level_spec(data, level) for level in prepared.levels],
        tick_levels=prepared.axis.tick_levels,
        full_range=prepared.axis.x_range,
        price_decimals=decimals,
        price_step=data.tick_size,
        buttons=_buttons(prepared),
        days=_profile_days(prepared, profiles),
        readout_names=list(READOUT),
        scale_px=scale_width(data),
        joined_label=data.bar_label,
    )


def _add(
    traces: list[dict[str, Any]],
    roles: list[TraceRole],
    new: list[tuple[str | None, dict[str, Any]]],
    *,
    level: int | None = None,
    day: int | None = None,
) -> None:
    for group, trace in new:
        traces.append(trace)
        roles.append(TraceRole(level=level, group=group, day=day))


def _price_traces(data: ReportData, level: Level) -> list[tuple[str | None, dict[str, Any]]]:
    bars, decimals = level.bars, decimals_of(data.tick_size)
    candles = _candles(bars, ("open", "high", "low", "close"), "y", decimals)
    x, vwap = _broken_line(bars, "vwap", decimals + 2)
    line = {
        "type": "scatter", "mode": "lines", "xaxis": "x", "yaxis": "y", "hoverinfo": "skip",
        "x": x, "y": vwap, "line": {"color": theme.VWAP, "width": 1.8},
    }  # fmt: skip
    return [
        ("bands", _band(bars, 2.0, 0.07, decimals + 2)),
        ("bands", _band(bars, 1.0, 0.11, decimals + 2)),
        (None, candles),
        ("vwap", line),
    ]


def _candles(
    bars: pd.DataFrame, columns: tuple[str, str, str, str], yaxis: str, decimals: int
) -> dict[str, Any]:
    values = {
        name: rounded(bars[column], decimals)
        for name, column in zip(("open", "high", "low", "close"), columns, strict=True)
    }
    return {
        "type": "candlestick", "xaxis": "x", "yaxis": yaxis, "hoverinfo": "skip",
        "x": rounded(bars["x"], 1), **values, "whiskerwidth": 0,
        "increasing": {"line": {"color": theme.BUY, "width": 1}, "fillcolor": theme.BUY},
        "decreasing": {"line": {"color": theme.SELL, "width": 1}, "fillcolor": theme.SELL},
    }  # fmt: skip


# One line over all sessions, broken between them.
def _broken_line(
    bars: pd.DataFrame, column: str, decimals: int
) -> tuple[list[float | None], list[float | None]]:
    x: list[float | None] = []
    y: list[float | None] = []
    for _, rows in bars.groupby("session", sort=True):
        x += [*rounded(rows["x"], 1), None]
        y += [*rounded(rows[column], decimals), None]
    return x[:-1], y[:-1]


# A band is one closed shape a session: plotly's fill between two broken lines crosses the breaks.
def _band(bars: pd.DataFrame, multiple: float, alpha: float, decimals: int) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for _, session in bars.groupby("session", sort=True):
        rows = session[np.isfinite(session["vwap"]) & np.isfinite(session["vwap_sd"])]
        if rows.empty:
            continue
        upper = rounded(rows["vwap"] + multiple * rows["vwap_sd"], decimals)
        lower = rounded(rows["vwap"] - multiple * rows["vwap_sd"], decimals)
        places = rounded(rows["x"], 1)
        x += [*places, *reversed(places), places[0], None]
        y += [*upper, *reversed(lower), upper[0], None]
    return {
        "type": "scatter", "mode": "lines", "xaxis": "x", "yaxis": "y", "hoverinfo": "skip",
        "x": x, "y": y, "fill": "toself", "fillcolor": theme.rgba(theme.VWAP, alpha),
        "line": {"width": 0.6, "color": theme.rgba(theme.VWAP, 0.35)},
    }  # fmt: skip


def _flow_traces(data: ReportData, level: Level) -> list[dict[str, Any]]:
    bars = level.bars
    width = level.factor * (0.78 if level.factor == 1 else 0.72)
    traces = [
        _bars(bars, "sell", "y2", width, theme.SELL),
        _bars(bars, "buy", "y2", width, theme.BUY),
    ]
    if data.bars["unsigned"].any():
        traces.append(_bars(bars, "unsigned", "y2", width, theme.UNSIGNED))
    colours = [theme.BUY if value >= 0 else theme.SELL for value in bars["delta"]]
    delta = _bars(bars, "delta", "y3", width, colours)
    delta["error_y"] = {
        "type": "data", "symmetric": False, "width": 0, "thickness": 1,
        "color": theme.rgba(theme.INK, 0.38),
        "array": rounded(bars["max_delta"] - bars["delta"], 8),
        "arrayminus": rounded(bars["delta"] - bars["min_delta"], 8),
    }  # fmt: skip
    cvd = _candles(bars, ("cvd_open", "cvd_high", "cvd_low", "cvd_close"), "y4", 8)
    return [*traces, delta, cvd]


def _bars(
    bars: pd.DataFrame, column: str, yaxis: str, width: float, colour: str | list[str]
) -> dict[str, Any]:
    return {
        "type": "bar", "xaxis": "x", "yaxis": yaxis, "hoverinfo": "skip", "width": width,
        "x": rounded(bars["x"], 1), "y": rounded(bars[column], 8),
        "marker": {"color": colour, "line": {"width": 0}},
    }  # fmt: skip


# Each day's levels over that day's bars only: yesterday's value area is not today's.
def _level_segments(levels: dict[str, DayLevels], prepared: PreparedBars) -> list[dict[str, Any]]:
    axis = prepared.axis
    traces = []
    for name in ("poc", "val", "vah"):
        x: list[float | None] = []
        y: list[float | None] = []
        for day, start, end in zip(prepared.days, axis.starts, axis.ends, strict=True):
            if day in levels:
                x += [float(axis.x[start]) - 0.5, float(axis.x[end - 1]) + 0.5, None]
                y += [getattr(levels[day], name)] * 2 + [None]
        traces.append(
            {
                "type": "scatter", "mode": "lines", "xaxis": "x", "yaxis": "y",
                "hoverinfo": "skip", "x": x, "y": y, "line": LEVEL_STYLE[name],
            }
        )  # fmt: skip
    return traces


def _level_spec(data: ReportData, level: Level) -> LevelSpec:
    bars, decimals = level.bars, decimals_of(data.tick_size)
    spread = 0.0 * bars["vwap"].fillna(0.0)
    return LevelSpec(
        factor=level.factor,
        x=[float(value) for value in bars["x"]],
        time=_time_texts(level),
        readout=[_readout(row, decimals) for row in bars.to_dict("records")],
        fit={
            "yaxis": (rounded(bars["low"], decimals), rounded(bars["high"], decimals)),
            "yaxis2": (rounded(spread, 0), rounded(bars["volume"], 8)),
            "yaxis3": (rounded(bars["min_delta"], 8), rounded(bars["max_delta"], 8)),
            "yaxis4": (rounded(bars["cvd_low"], 8), rounded(bars["cvd_high"], 8)),
        },
    )


def _time_texts(level: Level) -> list[str]:
    clock = "%H:%M:%S" if (level.bars["t0"].dt.second != 0).any() else "%H:%M"
    first = level.bars["t0"].dt.strftime(f"%a %d %b %Y {clock}")
    if level.factor == 1:
        return [str(text) for text in first]
    last = level.bars["t_last"].dt.strftime(clock)
    counts = level.bars["n_bars"]
    return [f"{a} – {b} ({n} bars)" for a, b, n in zip(first, last, counts, strict=True)]


def _readout(row: dict[str, Any], decimals: int) -> list[str]:
    prices = [price_text(row[name], decimals) for name in ("open", "high", "low", "close")]
    sizes = [quantity_text(row[name]) for name in ("volume", "buy", "sell", "unsigned")]
    extremes = f"{signed_text(row['min_delta'])} to {signed_text(row['max_delta'])}"
    flows = [signed_text(row["delta"]), extremes, signed_text(row["cvd_close"])]
    return [*prices, price_text(row["vwap"], decimals), *sizes, *flows]


# What the day selector switches, and where the day lies on the axis if it has bars.
def _profile_days(prepared: PreparedBars, profiles: list[DayProfile]) -> list[dict[str, Any]]:
    axis = prepared.axis
    ranges = {
        day: (float(axis.x[start]) - 1, float(axis.x[end - 1]) + 1)
        for day, start, end in zip(prepared.days, axis.starts, axis.ends, strict=True)
    }
    return [
        {
            "day": profile.day,
            "annotations": profile.annotations,
            "max_volume": profile.max_volume * 1.04,
            "range": ranges.get(profile.day),
        }
        for profile in profiles
    ]


def _buttons(prepared: PreparedBars) -> list[ViewButton]:
    axis = prepared.axis
    buttons = [ViewButton("All", *axis.x_range)]
    if 1 < len(prepared.days) <= 6:
        for day, start, end in zip(prepared.days, axis.starts, axis.ends, strict=True):
            buttons.append(ViewButton(day, float(axis.x[start]) - 1, float(axis.x[end - 1]) + 1))
    last = float(axis.x[-1])
    return buttons + [
        ViewButton(f"Last {count}", last - count + 0.5, last + 1)
        for count in (240, 60)
        if len(axis.x) > count
    ]


def _layout(data: ReportData, prepared: PreparedBars, profiles: list[DayProfile]) -> dict[str, Any]:
    decimals = decimals_of(data.tick_size)
    right = 0.795 if profiles else 0.93
    layout: dict[str, Any] = {
        "height": HEIGHT, "barmode": "relative", "bargap": 0, "hovermode": "closest",
        "dragmode": "zoom", "showlegend": False, "margin": {"l": 20, "r": 8, "t": 26, "b": 44},
        "paper_bgcolor": theme.PAPER, "plot_bgcolor": theme.PAPER,
        "font": {"family": theme.FONT, "size": 12, "color": theme.INK},
        "xaxis": x_axis(prepared.axis, "y4", (0.0, right)),
        "shapes": _separators(prepared), "annotations": _titles(data, prepared),
    }  # fmt: skip
    for name, domain in DOMAINS.items():
        is_price = name == "y"
        layout["yaxis" + name[1:]] = {
            "domain": domain, "anchor": "x", "side": "right", "fixedrange": True,
            "gridcolor": theme.GRID, "zeroline": not is_price, "zerolinecolor": theme.LINE,
            "tickformat": f",.{decimals}f" if is_price else ",~s", "nticks": 12 if is_price else 5,
            "tickfont": {"size": 12}, "showline": False,
        }  # fmt: skip
    if profiles:
        layout["xaxis2"] = {
            "domain": (0.865, 1.0), "anchor": "y", "fixedrange": True, "gridcolor": theme.GRID,
            "nticks": 4, "tickformat": "~s", "zeroline": False,
            "range": (0.0, profiles[-1].max_volume * 1.04),
        }  # fmt: skip
    return layout


def x_axis(axis: SessionAxis, anchor: str, domain: tuple[float, float]) -> dict[str, Any]:
    """Return the layout of a session axis with the labels of its whole range."""
    ticks = axis.ticks()
    return {
        "domain": domain, "anchor": anchor, "range": axis.x_range, "tickmode": "array",
        "tickvals": ticks.x, "ticktext": ticks.text, "gridcolor": theme.GRID, "zeroline": False,
        "ticks": "outside", "ticklen": 4, "tickcolor": theme.LINE, "tickangle": 0,
        "rangeslider": {"visible": False}, "ticklabeloverflow": "allow", "tickfont": {"size": 12},
    }  # fmt: skip


def _separators(prepared: PreparedBars) -> list[dict[str, Any]]:
    axis = prepared.axis
    return [
        {
            "type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
            "x0": float(axis.x[start] + axis.x[start - 1]) / 2,
            "x1": float(axis.x[start] + axis.x[start - 1]) / 2,
            "line": {"color": theme.MUTED, "width": 1, "dash": "dot"},
        }
        for start in axis.starts[1:]
    ]  # fmt: skip


def _titles(data: ReportData, prepared: PreparedBars) -> list[dict[str, Any]]:
    small = {"size": 12, "color": theme.MUTED}
    titles = [
        {
            "xref": "paper", "yref": "paper", "x": 0, "y": DOMAINS[pane][1], "xanchor": "left",
            "yanchor": "bottom", "showarrow": False, "text": text, "font": small,
        }
        for pane, text in PANES.items()
    ]  # fmt: skip
    if len(prepared.days) <= MAX_NAMED_SESSIONS:
        titles += [
            {
                "xref": "x", "yref": "paper", "x": float(prepared.axis.x[start]), "y": 1.0,
                "xanchor": "left", "yanchor": "bottom", "showarrow": False, "font": small,
                "text": f"trading day {escape(day)}",
            }
            for day, start in zip(prepared.days, prepared.axis.starts, strict=True)
        ]  # fmt: skip
    first, last = (float(prepared.bars[name].iloc[-1]) for name in ("open", "close"))
    titles.append(
        {
            "xref": "x domain", "yref": "y", "x": 1.0, "y": last, "xanchor": "left",
            "yanchor": "middle", "showarrow": False, "borderpad": 2,
            "bgcolor": theme.BUY if last >= first else theme.SELL,
            "text": price_text(last, decimals_of(data.tick_size)),
            "font": {"size": 12, "color": theme.PAPER},
        }
    )  # fmt: skip
    return titles
