"""Small pictures beside a run: is a forecast what it says."""

from io import BytesIO
from typing import Any

import numpy as np

from models.bootstrap import estimate, ratio
from models.evaluate import equal_count_bins
from models.results import WalkForward
from models.tasks import BASE_RATE, RUNGS
from orderflow_core.types import Bool, Float64

_COLOURS = dict(zip(RUNGS, ("#7f7f7f", "#1f77b4", "#d62728"), strict=True))


def reliability_png(found: WalkForward) -> bytes:
    """Return the reliability plot of all rungs: forecast against outcome, 95 % bars, equal-count bins.

    For a direction: the probability of an up move against how often it went up. For a return: the
    forecast against the mean return. Rows are out of fold; bars are block-bootstrapped.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for rung in RUNGS:
        _draw(axes, found, rung)
    outcome, base = _outcome(found), found.predictions[BASE_RATE]
    axes.axhline(outcome.mean(), color="#bbbbbb", linewidth=1, label="mean outcome")
    axes.axline(
        (float(np.mean(base)), float(np.mean(base))), slope=1, color="#bbbbbb", linestyle=":"
    )
    is_direction = found.task.kind == "direction"
    axes.set_xlabel("forecast probability of up" if is_direction else "forecast (bp)")
    axes.set_ylabel("share that went up" if is_direction else "mean return (bp)")
    axes.set_title(f"{found.task.name}: {len(found.row_idx):,} out-of-fold rows")
    axes.legend(fontsize=8)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _outcome(found: WalkForward) -> Float64:
    label = found.dataset.label[found.row_idx]
    return (label > 0).astype(np.float64) if found.task.kind == "direction" else label


def _forecast(found: WalkForward, rung: str) -> Float64:
    prediction = found.predictions[rung]
    return prediction[:, 2] if found.task.kind == "direction" else prediction


def _draw(axes: Any, found: WalkForward, rung: str) -> None:
    forecast, outcome = _forecast(found, rung), _outcome(found)
    bins = equal_count_bins(forecast)
    points = [_point(found, forecast, outcome, bins == b) for b in np.unique(bins)]
    x, y, low, high = np.array(points).T
    reach = np.maximum(np.nan_to_num([y - low, high - y]), 0)
    axes.errorbar(
        x, y, yerr=reach, color=_COLOURS[rung], marker="o", markersize=4, capsize=2, label=rung
    )


def _point(
    found: WalkForward, forecast: Float64, outcome: Float64, is_in: Bool
) -> tuple[float, float, float, float]:
    inside = is_in.astype(np.float64)
    columns = np.column_stack([outcome * inside, inside])
    mean = estimate(columns, ratio, found.blocks)
    return float(forecast[is_in].mean()), mean.value, mean.low, mean.high
