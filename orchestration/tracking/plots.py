"""Small pictures beside a run: is a forecast what it says."""

from io import BytesIO
from typing import Any

import numpy as np

from models.evaluate import reliability
from models.results import WalkForward
from models.tasks import ALL_RUNGS, BASE_RATE, LEVELS
from orderflow_core.types import Float64

COLOURS = dict(zip(ALL_RUNGS, ("#7f7f7f", "#1f77b4", "#d62728", "#9467bd"), strict=True))
# Family -> axes: what was said, what happened.
_AXES = {
    "classes": ("forecast probability of up", "share that went up"),
    "binary": ("forecast probability", "share of the event"),
    "value": ("forecast (bp)", "mean outcome (bp)"),
    "quantiles": ("forecast median (bp)", "mean outcome (bp)"),
}


def reliability_png(found: WalkForward) -> bytes:
    """Return the reliability plot of all rungs: forecast against outcome, 95 % bars, equal-count bins.

    For classes: the probability of an up move against how often it went up. For an event: its
    probability against its share. For a value: the forecast against the mean outcome; for quantiles
    the median. Rows are out of fold; bars are block-bootstrapped.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for rung in found.rungs:
        _draw(axes, found, rung)
    base = float(np.mean(_forecast(found, BASE_RATE)))
    axes.axhline(_outcome(found).mean(), color="#bbbbbb", linewidth=1, label="mean outcome")
    axes.axline((base, base), slope=1, color="#bbbbbb", linestyle=":")
    said, happened = _AXES[found.task.family]
    axes.set_xlabel(said)
    axes.set_ylabel(happened)
    axes.set_title(f"{found.task.name}: {len(found.row_idx):,} out-of-fold rows")
    axes.legend(fontsize=8)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _outcome(found: WalkForward) -> Float64:
    label = found.dataset.label[found.row_idx]
    return (label > 0).astype(np.float64) if found.task.family == "classes" else label


def _forecast(found: WalkForward, rung: str) -> Float64:
    prediction = found.predictions[rung]
    column = {"classes": 2, "quantiles": LEVELS.index(0.5)}.get(found.task.family)
    return prediction if column is None else prediction[:, column]


def _draw(axes: Any, found: WalkForward, rung: str) -> None:
    bins = reliability(_forecast(found, rung), _outcome(found), found.blocks)
    x, y, low, high = np.array([(b.forecast, b.outcome, b.low, b.high) for b in bins]).T
    reach = np.maximum(np.nan_to_num([y - low, high - y]), 0)
    axes.errorbar(
        x, y, yerr=reach, color=COLOURS[rung], marker="o", markersize=4, capsize=2, label=rung
    )
