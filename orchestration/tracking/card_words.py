"""A task in words, and what a model of it must not be used for."""

from models.judging import Judging
from models.results import WalkForward
from models.tasks import Task

_LABELS = {
    "direction": "sign of the mid's move over the next {horizon}: down, flat or up",
    "barrier": "which of two barriers, k sigma above and below, is touched first within {horizon}: "
    "down, neither or up",
    "move": "whether the mid moves by more than k sigma and more than the costs within {horizon}",
    "return": "return of the mid over the next {horizon}, in basis points",
    "impact": "move of the mid in the order's direction from just before a marketable order to "
    "{horizon} after it, in basis points; the order's side and size are given",
    "markout": "what the fills of a marketable order are worth {horizon} later, mid against average "
    "fill price in the order's direction, in basis points; the order's side and size are given",
    "fill": "whether an order that joins the queue at the touch is filled within {horizon}",
    "adverse": "markout of a filled resting order {horizon} after its fill, in basis points",
    "slippage": "signed average fill price of a marketable order against the mid at its arrival, in "
    "basis points; quantiles",
    "sizing": "move of the mid in the order's direction from just before a marketable order to "
    "{horizon} after it, in basis points; quantiles that do not fall as the order grows",
    "level": "whether this price level holds at its next touch within {horizon}",
}
_FORECASTS = {
    "classes": "probabilities of down, flat and up",
    "binary": "probability of the event",
    "value": "expected value",
    "quantiles": "quantiles at 5, 25, 50, 75 and 95 %",
}
_UNITS = {"s": "seconds", "t": "trades", "": "sweeps"}


def label_in_words(task: Task) -> str:
    """Return what the label is, with its horizon."""
    return _LABELS[task.subject].format(horizon=_horizon(task))


def forecast_in_words(task: Task) -> str:
    """Return what a prediction is."""
    return f"{_FORECASTS[task.family]} ({', '.join(task.prediction_columns)})"


def _horizon(task: Task) -> str:
    text = task.name.partition("_")[2]
    number = text.rstrip("st")
    return f"{number} {_UNITS[text.removeprefix(number)]}" if number else ""


def forbidden_uses(
    found: WalkForward, judging: Judging, *, symbol: str, is_champion: bool
) -> list[str]:
    """Return what the model must not be used for, one sentence each, from what was found."""
    said = [
        f"Other symbols, venues or feeds than {symbol}: nothing was measured there.",
        "Decisions before its training end plus the embargo, which it has seen.",
        "Decisions without the same features, made in the same way from the same kinds of records.",
    ]
    if judging.volatility_range is not None:
        low, high = judging.volatility_range
        said.append(
            f"Markets whose {judging.volatility} lies outside [{low:.4g}, {high:.4g}], the 1st and "
            "99th percentile of its training rows."
        )
    n_days = len(set(found.dataset.trading_day.tolist()))
    if n_days < 20:
        said.append(
            f"A claim about other days: it saw {n_days} trading {'day' if n_days == 1 else 'days'}, "
            "so that day-to-day changes of the market are not in the intervals."
        )
    said.append(
        "A result before costs: a score says nothing about what is left after spread, fees and latency."
    )
    if not is_champion:
        said.append("Production: it is not champion (see the verdict above for why).")
    if found.candidate == "naive":
        said.append("A claim that the features help: the naive rung scored best.")
    return said
