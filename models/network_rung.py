"""The rung ``network`` in the table of rungs. PyTorch is imported when one is fitted or read."""

from typing import Any

from models.config import LadderConfig
from models.rung import Fitted, Predictor, Rung, RungTable, Training
from models.tasks import NETWORK


def _fit(training: Training) -> Fitted:
    from models.footprint_rung import fit_network

    return fit_network(training)


def _load(data: dict[str, Any], texts: dict[str, str]) -> Predictor:
    from models.footprint_rung import NetworkPredictor

    return NetworkPredictor.from_json(data, texts)


def _settings(config: LadderConfig) -> dict[str, Any]:
    from models.footprint_rung import network_settings

    return network_settings(config.network)


RUNGS_OF_WINDOWS: RungTable = {
    (family, NETWORK): Rung(fit=_fit, load=_load, settings=_settings)
    for family in ("classes", "binary", "value")
}
