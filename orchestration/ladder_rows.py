"""The ladder of every task as rows: rung, score with interval, and whether it beats the one below."""

from collections.abc import Iterable, Mapping
from typing import Any

from models.tasks import BASE_RATE
from models.verdict import verdict


def shown_versions(models: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the newest version of each model, and the champion where that is another one."""
    return [model for model in models if model["is_newest"] or "champion" in model["aliases"]]


def ladder_rows(models: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a (version, rung), from `Tracking.models`.

    Returns
    -------
    list of dict
        symbol, task, version, aliases, is_registered (whether this rung is the version), rung,
        metric, value, low, high (95 % interval), n, below, difference, difference_low,
        difference_high, p_value, n_blocks (None where the rung has none below), beats_below: yes,
        no, not shown, or nothing.
    """
    return [
        _row(model, score)
        for model in models
        for score in model["scores"]
        if score["metric"] == model["loss"] and score["rung"] != BASE_RATE
    ]


def _row(model: Mapping[str, Any], score: Mapping[str, Any]) -> dict[str, Any]:
    # the first comparison of a rung is the one with the rung below
    own = next((c for c in model["comparisons"] if c["upper"] == score["rung"]), None)
    against = {
        "below": None if own is None else own["below"],
        "difference": None if own is None else own["difference"],
        "difference_low": None if own is None else own["low"],
        "difference_high": None if own is None else own["high"],
        "p_value": None if own is None else own["p_value"],
        "n_blocks": None if own is None else own["n_blocks"],
        "beats_below": "" if own is None else verdict(own["low"], own["high"], own["n_blocks"]),
    }
    return {
        "symbol": model["symbol"],
        "task": model["task"],
        "version": model["version"],
        "aliases": list(model["aliases"]),
        "is_registered": score["rung"] == model["rung"],
        **{name: score[name] for name in ("rung", "metric", "value", "low", "high", "n")},
        **against,
    }
