"""Equity of the strategy against buy-and-hold and the band of shuffled signals, with drawdown."""

from typing import Any

import numpy as np
import pandas as pd

from orchestration.charts import theme
from orchestration.charts.axis import SessionAxis, gap_sessions, session_axis
from orchestration.charts.data import NULL_COLUMNS, ReportData
from orchestration.charts.formatting import MINUS, escape, local_times, rounded, signed_text
from orchestration.charts.interaction import ChartSpec, LevelSpec, TraceRole
from orchestration.charts.price import x_axis

HEIGHT = 560
MAX_POINTS = 3000
DOMAINS = {"y": (0.44, 1.0), "y2": (0.22, 0.39), "y3": (0.0, 0.17)}


def thin_rows(equity: pd.DataFrame, max_points: int = MAX_POINTS) -> pd.DataFrame:
    """Keep at most ``max_points`` rows, with each stretch's last row and extremes of equity.

    The extremes stay, so the largest drawdown that the chart shows is the one that happened.
    """
    n = len(equity)
    if n <= max_points:
        return equity
    stretch = np.arange(n) // -(-n * 3 // max_points)
    by_stretch = equity["equity"].reset_index(drop=True).groupby(stretch)
    rows = np.concatenate(
        [by_stretch.idxmin(), by_stretch.idxmax(), np.flatnonzero(np.diff(stretch, append=-1))]
    )
    return equity.iloc[np.unique(rows.astype(np.int64))].reset_index(drop=True)


def drawdown(equity: np.ndarray) -> np.ndarray:
    """Return equity minus its highest value so far, counting the start at 0; never positive."""
    return equity - np.maximum(np.maximum.accumulate(equity), 0.0)


def equity_chart(data: ReportData) -> ChartSpec:
    """Return equity, drawdown and position over one axis; ``data.equity`` must hold rows."""
    frame = data.equity.sort_values("t", kind="stable").reset_index(drop=True)
    frame = frame.assign(drawdown=drawdown(frame["equity"].to_numpy(dtype=np.float64)))
    frame = thin_rows(frame)
    frame["t"] = local_times(frame["t"], data.timezone)
    axis = session_axis(frame["t"], gap_sessions(frame["t"]))
    frame["x"] = axis.x
    traces = [*_null_band(frame), *_lines(frame)]
    return ChartSpec(
        element_id="equity-chart",
        data=traces,
        layout=_layout(data, axis),
        roles=[TraceRole() for _ in traces],
        levels=[_level_spec(frame)],
        tick_levels=axis.tick_levels,
        full_range=axis.x_range,
        price_decimals=2,
        readout_names=["strategy", "buy and hold", "drawdown", "position"],
        max_candles=MAX_POINTS * 2,
    )


def has_null_band(equity: pd.DataFrame) -> bool:
    """Return whether the frame carries the shuffled-signal band."""
    return all(column in equity.columns for column in NULL_COLUMNS)


def _null_band(frame: pd.DataFrame) -> list[dict[str, Any]]:
    if not has_null_band(frame):
        return []
    rows = frame[np.isfinite(frame["null_low"]) & np.isfinite(frame["null_high"])]
    x = rounded(rows["x"], 1)
    y = [*rounded(rows["null_high"], 4), *reversed(rounded(rows["null_low"], 4))]
    return [
        {
            "type": "scatter", "mode": "lines", "x": [*x, *reversed(x)], "y": y, "fill": "toself",
            "fillcolor": theme.rgba(theme.UNSIGNED, 0.22), "hoverinfo": "skip",
            "line": {"width": 0.6, "color": theme.rgba(theme.UNSIGNED, 0.6)},
        }
    ]  # fmt: skip


def _lines(frame: pd.DataFrame) -> list[dict[str, Any]]:
    x = rounded(frame["x"], 1)
    base = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "x": x}
    return [
        base | {
            "y": rounded(frame["benchmark"], 4),
            "line": {"color": theme.BENCHMARK, "width": 1.6, "dash": "dot"},
        },
        base | {
            "y": rounded(frame["equity"], 4), "line": {"color": theme.STRATEGY, "width": 2.2},
        },
        base | {
            "y": rounded(frame["drawdown"], 4), "yaxis": "y2", "fill": "tozeroy",
            "fillcolor": theme.rgba(theme.SELL, 0.28), "line": {"color": theme.SELL, "width": 1},
        },
        base | {
            "y": rounded(frame["position"], 8), "yaxis": "y3", "fill": "tozeroy",
            "fillcolor": theme.rgba(theme.STRATEGY, 0.25),
            "line": {"color": theme.STRATEGY, "width": 1, "shape": "hv"},
        },
    ]  # fmt: skip


def _level_spec(frame: pd.DataFrame) -> LevelSpec:
    columns = ["equity", "benchmark", *(NULL_COLUMNS if has_null_band(frame) else ())]
    zero = [0.0] * len(frame)
    position = frame["position"]
    return LevelSpec(
        factor=1,
        x=[float(value) for value in frame["x"]],
        time=[str(text) for text in frame["t"].dt.strftime("%a %d %b %Y %H:%M:%S")],
        readout=[
            [_money(equity), _money(benchmark), _money(down), signed_text(float(held))]
            for equity, benchmark, down, held in zip(
                frame["equity"], frame["benchmark"], frame["drawdown"], position, strict=True
            )
        ],
        fit={
            "yaxis": (
                rounded(frame[columns].min(axis=1), 4),
                rounded(frame[columns].max(axis=1), 4),
            ),
            "yaxis2": (rounded(frame["drawdown"], 4), zero),
            "yaxis3": (rounded(np.minimum(position, 0), 8), rounded(np.maximum(position, 0), 8)),
        },
    )


def _money(value: float) -> str:
    return f"{value:+,.2f}".replace("-", MINUS)


def _layout(data: ReportData, axis: SessionAxis) -> dict[str, Any]:
    unit = f" ({escape(data.quote_currency)})" if data.quote_currency else ""
    titles = {
        "y": f"EQUITY{unit}", "y2": f"DRAWDOWN{unit}", "y3": f"POSITION ({escape(data.size_unit)})",
    }  # fmt: skip
    layout: dict[str, Any] = {
        "height": HEIGHT, "hovermode": "closest", "dragmode": "zoom", "showlegend": False,
        "margin": {"l": 20, "r": 8, "t": 24, "b": 44}, "paper_bgcolor": theme.PAPER,
        "plot_bgcolor": theme.PAPER,
        "font": {"family": theme.FONT, "size": 12, "color": theme.INK},
        "xaxis": x_axis(axis, "y3", (0.0, 0.93)), "annotations": [],
    }  # fmt: skip
    for name, domain in DOMAINS.items():
        layout["yaxis" + name[1:]] = {
            "domain": domain, "anchor": "x", "side": "right", "fixedrange": True,
            "gridcolor": theme.GRID, "zeroline": True, "zerolinecolor": theme.MUTED,
            "tickformat": ",~r" if name == "y3" else ",.4~r", "nticks": 8 if name == "y" else 4,
        }  # fmt: skip
        layout["annotations"].append(
            {
                "xref": "paper", "yref": "paper", "x": 0, "y": domain[1], "xanchor": "left",
                "yanchor": "bottom", "showarrow": False, "text": titles[name],
                "font": {"size": 12, "color": theme.MUTED},
            }
        )  # fmt: skip
    return layout
