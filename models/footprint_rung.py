"""The rung ``network``: our footprint network, calibrated like the other rungs, for the rows with a window.

It is trained on the first four fifths of the training rows and stopped by the rest (purged), which also
calibrate it. Heads beside the task's own learn from other tasks' outcomes at the same decisions, where the
rows carry them; what stops, calibrates and judges it is the task's own label. It is not trained again on all of them, as other rungs are: another run ends with scores on another
scale, for which the calibration was not made.
"""

import base64
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.calibrate import calibrated, prior_of, slope_of
from models.config import NetworkConfig
from models.datasets import Dataset
from models.footprint_batch import (
    HEADS,
    Float32,
    FootprintBatch,
    head_of,
    target_of,
    uniqueness_weights,
)
from models.footprint_dataset import FootprintDays, in_memory
from models.footprint_file import n_parameters, network_bytes, network_of
from models.footprint_net import FootprintNet, NetConfig
from models.footprint_train import Network, scores, train_network
from models.footprint_windows import FootprintWindows, days_of_windows
from models.rung import Fitted, Training
from models.tasks import Family
from orderflow_core.types import Float64

FILE = "network.safetensors.base64"
_BATCH = 64
_NO_WINDOWS = "the network reads footprint windows: give it the rows of a data set that has them"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPredictor:
    """A trained network and how strongly to believe it.

    Attributes
    ----------
    net : FootprintNet
    family : {"classes", "binary", "value"}
    head : str
        Which of `models.footprint_batch.HEADS` it answers by.
    prior : tuple of float
        `models.calibrate.prior_of` the rows that it was fitted on.
    unit : float
        What a value is learned in, its standard deviation about the prior; 1 of other families.
    slope : float
        Calibration: see `models.calibrate`.
    n_epochs : int
    beside : dict of str to int
        How many outcomes of each other head it was fitted on as well.
    """

    net: Network
    family: Family
    head: str
    prior: tuple[float, ...]
    unit: float
    slope: float
    n_epochs: int
    beside: dict[str, int]

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Refuse: a matrix of features holds no window.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(f"{_NO_WINDOWS}, got features of shape {features.shape}")

    def predict_windows(self, windows: FootprintWindows) -> Float64:
        """Return calibrated predictions of windows, of the shape that the task's family says."""
        n = len(windows)
        zero = np.zeros(n, np.int64)
        return self._predict(days_of_windows(windows, self._unknown(n), zero, zero))

    def predict_tensors(self, rows: Float32, beside: Float32) -> Float64:
        """Return calibrated predictions of windows that are tensors already.

        Parameters
        ----------
        rows, beside : ndarray of float32, shapes (n, 100, 20, 2) and (n, 100, 5)
            As `orderflow_core.footprint_tensor.normalised_tensors` makes them.
        """
        zero = np.zeros(len(rows), np.int64)
        unknown = self._unknown(len(rows))
        batch = FootprintBatch(
            rows=rows, beside=beside, target=unknown, weight=unknown, t0_ns=zero, t1_ns=zero
        )
        return self._predict(in_memory(batch))

    def _unknown(self, n: int) -> Float32:
        return target_of(self.head, np.full(n, np.nan))

    def _predict(self, source: FootprintDays) -> Float64:
        score = _scores(self.net, source, self.head, self.prior, self.unit)
        return calibrated(self.family, score, self.prior, self.slope)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        beside = {f"n_{head}": float(n) for head, n in self.beside.items()}
        return {"slope": self.slope, "n_epochs": float(self.n_epochs)} | beside

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers; the network is in `texts`."""
        return {
            "family": self.family,
            "head": self.head,
            "prior": list(self.prior),
            "unit": self.unit,
            "slope": self.slope,
            "n_epochs": self.n_epochs,
            "beside": self.beside,
            "n_parameters": n_parameters(self.net),
        }

    def texts(self) -> dict[str, str]:
        """Return the network's safetensors file, as text."""
        return {FILE: base64.b64encode(network_bytes(self.net)).decode("ascii")}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NetworkPredictor":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(
            net=network_of(base64.b64decode(texts[FILE], validate=True)),
            family=data["family"],
            head=data["head"],
            prior=tuple(float(x) for x in data["prior"]),
            unit=float(data["unit"]),
            slope=float(data["slope"]),
            n_epochs=int(data["n_epochs"]),
            beside={head: int(n) for head, n in data.get("beside", {}).items()},
        )


def fit_network(training: Training) -> Fitted:
    """Fit on the rows before the held-out ones, which stop and calibrate the fit.

    Raises
    ------
    ValueError
        The rows carry no windows, or there are too few to hold some out.
    """
    train, inner, config = training.rows, training.inner(), training.config.network
    task = training.task
    family, head = task.family, head_of(task.subject, task.family)
    fit, held = training.fit_rows(), train.take(inner.held_idx)
    prior = prior_of(task, fit.label)
    unit = (float((fit.label - prior[0]).std()) or 1.0) if family == "value" else 1.0
    to_stop = _source(held, _targets(held, head, prior, unit))
    learned, weight = _learned(fit, head, prior, unit)
    trial = train_network(
        _network, _source(fit, learned, weight), to_stop, config, seed=training.seed
    )
    score = _scores(trial.net, to_stop, head, prior, unit)
    slope = slope_of(family, score, prior, held.label)
    said = calibrated(family, score, prior, slope)
    known = dict(zip(HEADS, np.count_nonzero(~np.isnan(learned), axis=0).tolist(), strict=True))
    predictor = NetworkPredictor(
        net=trial.net,
        family=family,
        head=head,
        prior=prior,
        unit=unit,
        slope=slope,
        n_epochs=trial.best_epoch,
        beside={name: n for name, n in known.items() if n and name != head},
    )
    return Fitted(predictor=predictor, held=said)


def network_settings(config: NetworkConfig) -> dict[str, Any]:
    """Return the settings of training and the sizes of the network as plain values."""
    return {**asdict(config), **{key: str(value) for key, value in asdict(NetConfig()).items()}}


def _network() -> FootprintNet:
    return FootprintNet(NetConfig())


def _source(rows: Dataset, target: Float32, weight: Float32 | None = None) -> FootprintDays:
    if rows.windows is None:
        raise ValueError(_NO_WINDOWS)
    return days_of_windows(rows.windows, target, rows.t0_ns, rows.t1_ns, weight=weight)


# Of the task's own head.
def _targets(rows: Dataset, head: str, prior: tuple[float, ...], unit: float) -> Float32:
    return target_of(head, (rows.label - prior[0]) / unit if head == "value" else rows.label)


# Of all heads, and how much each outcome counts.
def _learned(
    rows: Dataset, head: str, prior: tuple[float, ...], unit: float
) -> tuple[Float32, Float32]:
    target = _targets(rows, head, prior, unit)
    t1_ns = np.tile(rows.t1_ns[:, None], len(HEADS))
    if rows.auxiliary is not None:
        others = [column for column, name in enumerate(HEADS) if name != head]
        target[:, others] = rows.auxiliary.target[:, others]
        t1_ns[:, others] = rows.auxiliary.t1_ns[:, others]
    return target, uniqueness_weights(rows.t0_ns, t1_ns, target)


# In the label's unit: a value is learned from the prior, in units of its standard deviation.
def _scores(
    net: Network, source: FootprintDays, head: str, prior: tuple[float, ...], unit: float
) -> Float64:
    score = scores(net, source.batches(_BATCH), head)
    return prior[0] + unit * score if head == "value" else score
