"""Model scores as a forest table: each number beside its interval and the naive base."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from orchestration.charts import theme
from orchestration.charts.formatting import MISSING, escape, quantity_text, score_text

WIDTH, HEIGHT, MARGIN = 240, 26, 12
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "mse", "pinball", "miscalibration"})
HIGHER_IS_BETTER = frozenset(
    {
        "accuracy",
        "hit_rate",
        "auc_up_down",
        "auc",
        "r2_zero",
        "r2_train_mean",
        "rank_ic",
        "pinball_skill",
    }
)


def score_table(scores: Sequence[Mapping[str, Any]]) -> str:
    """Return scores grouped by task and metric, in the order given, as an HTML table.

    Every group shares one scale; the dashed mark is the base. A missing number shows a dash.
    """
    if not scores:
        return '<p class="empty">No model was scored in this period.</p>'
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for score in scores:
        groups.setdefault((str(score["task"]), str(score["metric"])), []).append(score)
    rows = "".join(_group(task, metric, members) for (task, metric), members in groups.items())
    return (
        '<div class="scroll"><table><thead><tr><th class="l">Rung</th><th>Value</th>'
        "<th>95 % interval</th><th class='l'>Point, interval and base</th><th class='wide'>Rows</th>"
        "<th>Base</th><th class='l'>Beats the rung below?</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def direction_text(metric: str) -> str:
    """Return whether lower or higher is better, or nothing for a metric not known here."""
    key = metric.lower().replace(" ", "_")
    if key in LOWER_IS_BETTER:
        return "lower is better"
    return "higher is better" if key in HIGHER_IS_BETTER else ""


def _group(task: str, metric: str, members: list[Mapping[str, Any]]) -> str:
    bounds = _bounds(members)
    better = direction_text(metric)
    head = (
        f'<tr class="group"><td colspan="3">{escape(task)} · {escape(metric)} '
        f'<span class="muted">{better}</span></td><td class="plot">{_scale(bounds)}</td>'
        '<td colspan="3"></td></tr>'
    )
    return head + "".join(_row(score, bounds) for score in members)


def _row(score: Mapping[str, Any], bounds: tuple[float, float] | None) -> str:
    low, high = score_text(score["low"]), score_text(score["high"])
    interval = MISSING if MISSING in (low, high) else f"[{low}, {high}]"
    words = str(score["beats_below"])
    kind = "yes" if words.lower().startswith("yes") else "no"
    n = score["n"]
    return (
        f'<tr><td class="l">{escape(score["rung"])}</td><td><b>{score_text(score["value"])}</b>'
        f'</td><td>{interval}</td><td class="plot">{_interval(score, bounds)}</td>'
        f"<td class='wide'>{MISSING if n is None else quantity_text(float(n))}</td>"
        f"<td>{score_text(score.get('base'))}</td>"
        f'<td class="l wrap {kind}">{escape(words) or MISSING}</td></tr>'
    )


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _bounds(members: list[Mapping[str, Any]]) -> tuple[float, float] | None:
    values = [
        float(member[key])
        for member in members
        for key in ("value", "low", "high", "base")
        if _finite(member.get(key))
    ]
    if not values:
        return None
    low, high = min(values), max(values)
    pad = (high - low) * 0.04 or abs(high) * 0.01 or 1.0
    return low - pad, high + pad


def _x(value: float, bounds: tuple[float, float]) -> float:
    return MARGIN + (value - bounds[0]) / (bounds[1] - bounds[0]) * (WIDTH - 2 * MARGIN)


def _scale(bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return ""
    texts = [(MARGIN, "start", bounds[0]), (WIDTH - MARGIN, "end", bounds[1])]
    marks = "".join(
        f'<text x="{x}" y="19" text-anchor="{anchor}">{score_text(value)}</text>'
        for x, anchor, value in texts
    )
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" font-size="11.5" fill="{theme.MUTED}" '
        f'aria-hidden="true">{marks}<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="25" y2="25" '
        f'stroke="{theme.LINE}"/></svg>'
    )


def _interval(score: Mapping[str, Any], bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return ""
    middle = HEIGHT / 2
    parts = []
    if _finite(score.get("base")):
        x = _x(score["base"], bounds)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="{HEIGHT - 1}" stroke="{theme.MUTED}" '
            'stroke-dasharray="3 2"/>'
        )
    if _finite(score["low"]) and _finite(score["high"]):
        low, high = _x(score["low"], bounds), _x(score["high"], bounds)
        parts += [
            f'<path d="M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8M{low:.1f} {middle}'
            f'H{high:.1f}" stroke="{theme.BUY}" stroke-width="2" fill="none"/>'
        ]
    if _finite(score["value"]):
        x = _x(score["value"], bounds)
        parts.append(f'<circle cx="{x:.1f}" cy="{middle}" r="4.5" fill="{theme.BUY_DARK}"/>')
    return f'<svg width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'


def reliability_panels(calibration: pd.DataFrame) -> str:
    """Return one reliability diagram a task and rung: predicted against observed frequency."""
    if calibration.empty:
        return '<p class="empty">No calibration was measured.</p>'
    panels = [
        _reliability(f"{task} · {rung}", rows.sort_values("predicted"))
        for (task, rung), rows in calibration.groupby(["task", "rung"], sort=False)
    ]
    return f'<div class="reliability">{"".join(panels)}</div>'


def _reliability(title: str, rows: pd.DataFrame) -> str:
    size, left, top = 210, 40, 26
    largest = max(float(rows["n"].max()), 1.0)
    points = [
        (left + size * float(predicted), top + size * (1 - float(observed)), float(n))
        for predicted, observed, n in zip(rows["predicted"], rows["observed"], rows["n"], strict=True)
    ]  # fmt: skip
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 4 * math.sqrt(n / largest):.1f}" '
        f'fill="{theme.BUY}" fill-opacity="0.75"><title>{quantity_text(n)} rows</title></circle>'
        for x, y, n in points
    )
    ticks = "".join(
        f'<text x="{left + size * part:.0f}" y="{top + size + 16}" text-anchor="middle">{part:g}'
        f'</text><text x="{left - 6}" y="{top + size * (1 - part) + 4:.0f}" text-anchor="end">'
        f"{part:g}</text>"
        for part in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg width="{left + size + 12}" height="{top + size + 38}" font-size="12" '
        f'fill="{theme.MUTED}" role="img" aria-label="{escape(title)}">'
        f'<text x="{left}" y="16" fill="{theme.INK}" font-weight="600">{escape(title)}</text>'
        f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" '
        f'stroke="{theme.LINE}"/><line x1="{left}" y1="{top + size}" x2="{left + size}" '
        f'y2="{top}" stroke="{theme.LINE}" stroke-dasharray="4 3"/><polyline points="{path}" '
        f'fill="none" stroke="{theme.BUY}" stroke-width="1.5"/>{dots}{ticks}'
        f'<text x="{left + size / 2}" y="{top + size + 33}" text-anchor="middle">predicted; '
        "observed upwards</text></svg>"
    )
