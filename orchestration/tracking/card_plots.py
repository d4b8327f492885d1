"""Pictures of a model card: scores with intervals, skill over time and regimes, learning curve."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from models.learning_curve import CurvePoint
from models.results import WalkForward
from models.stability import GroupSkill
from models.tasks import BASE_RATE
from orchestration.tracking.plots import COLOURS

_ZERO = {"color": "#999999", "linewidth": 1, "linestyle": ":"}
_SKILL = "skill: 1 - loss / loss of the base rate"
_MOST_LABELS = 12


def ladder_png(found: WalkForward) -> bytes:
    """Return each rung's pooled loss with its 95 % interval; the dotted line is the base rate."""
    figure, axes = _figure(height=1.2 + 0.45 * len(found.rungs))
    for y, rung in enumerate(found.rungs):
        score = next(s for s in found.scores[rung] if s.metric == found.task.loss)
        reach = np.nan_to_num([[score.value - score.low], [score.high - score.value]])
        axes.errorbar([score.value], [y], xerr=reach, color=COLOURS[rung], marker="o", capsize=3)
    base = next(s for s in found.scores[BASE_RATE] if s.metric == found.task.loss)
    axes.axvline(base.value, label="base rate", **_ZERO)
    axes.set_yticks(range(len(found.rungs)), found.rungs)
    axes.set_ylim(len(found.rungs) - 0.5, -0.5)
    axes.set_xlabel(f"{found.task.loss} out of fold, 95 % interval (smaller is better)")
    axes.set_title(f"{found.task.name}: {len(found.row_idx):,} out-of-fold rows")
    axes.legend(fontsize=8)
    return _png(figure)


def stability_png(over_time: Sequence[GroupSkill], by_regime: Sequence[GroupSkill]) -> bytes:
    """Return each rung's skill by stretch of time and by regime of volatility, 95 % bars."""
    from matplotlib.figure import Figure

    parts = [("by time", over_time), ("by volatility known at the decision", by_regime)]
    shown = [(title, skills) for title, skills in parts if skills]
    figure = Figure(figsize=(6.4, 3.4 * max(1, len(shown))), dpi=90, layout="constrained")
    for number, (title, skills) in enumerate(shown, start=1):
        axes = figure.add_subplot(len(shown), 1, number)
        _draw_groups(axes, skills)
        axes.set_title(title)
    if shown:  # beside the panels: inside, it would hide a bar
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names), fontsize=8)
    return _png(figure)


def learning_curve_png(points: Sequence[CurvePoint]) -> bytes:
    """Return each rung's skill against the rows that it was trained on, 95 % bars."""
    figure, axes = _figure(height=3.6)
    for number, rung in enumerate(dict.fromkeys(point.rung for point in points)):
        own = [p for p in points if p.rung == rung and np.isfinite(p.skill)]
        # a few per cent apart, so that bars at the same number of rows do not hide each other
        x = [p.n_train * 1.03**number for p in own]
        _bars(axes, x, own, rung, line="-")
    axes.axhline(0, **_ZERO)
    axes.set_xscale("log")
    sizes = sorted({point.n_train for point in points})
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("rows trained on (mean of the folds; the newest ones are kept)")
    axes.set_ylabel(_SKILL, fontsize=8)
    axes.set_title("the same test rows at every point")
    axes.legend(fontsize=8)
    return _png(figure)


def _draw_groups(axes: Any, skills: Sequence[GroupSkill]) -> None:
    groups = list(dict.fromkeys(skill.group for skill in skills))
    rungs = list(dict.fromkeys(skill.rung for skill in skills))
    for number, rung in enumerate(rungs):
        own = [skill for skill in skills if skill.rung == rung]
        offset = 0.12 * (number - (len(rungs) - 1) / 2)
        _bars(axes, [groups.index(skill.group) + offset for skill in own], own, rung, line="none")
    axes.axhline(0, **_ZERO)
    every = -(-len(groups) // _MOST_LABELS)
    axes.set_xticks(range(0, len(groups), every), [_short(g) for g in groups[::every]],
                    rotation=30 if len(groups) > 3 else 0, ha="right" if len(groups) > 3 else "center",
                    fontsize=8)  # fmt: skip
    axes.set_ylabel(_SKILL, fontsize=8)


# ``3: 2013-09-03 14:10:00`` needs no seconds, ``2013-09-03 to 2013-09-05`` no end.
def _short(group: str) -> str:
    return group.partition(" to ")[0] if " to " in group else group.removesuffix(":00")


def _bars(
    axes: Any, x: Sequence[float], own: Sequence[GroupSkill | CurvePoint], rung: str, *, line: str
) -> None:
    y = np.array([each.skill for each in own])
    reach = np.array([[e.skill - e.low for e in own], [e.high - e.skill for e in own]])
    axes.errorbar(
        x, y, yerr=np.maximum(np.nan_to_num(reach), 0), color=COLOURS[rung], marker="o",
        markersize=4, capsize=2, linestyle=line, label=rung,
    )  # fmt: skip


def _figure(*, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), dpi=90, layout="constrained")
    return figure, figure.add_subplot()


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
