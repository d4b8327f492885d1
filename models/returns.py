"""Expected values: how far the mid goes over the next X seconds, in basis points, and the like."""

from dataclasses import asdict
from functools import partial

import numpy as np

from models.baselines import Standardizer
from models.config import RidgeConfig
from models.datasets import Dataset
from models.forecast import forecast_reader
from models.linear import LinearScore, fit_linear
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import trees_rung
from orderflow_core.types import Float64


def fit_ridge(training: Training) -> Fitted:
    """Fit a ridge regression on standardised columns; the slope pulls its forecast towards no move."""
    return fit_linear(training, partial(fit_ridge_score, config=training.config.ridge))


def fit_ridge_score(train: Dataset, weight: Float64, config: RidgeConfig) -> LinearScore:
    """Return the ridge regression of the rows' labels on their standardised features.

    Parameters
    ----------
    train : Dataset
    weight : ndarray of float64, shape (n,), mean 1
    config : RidgeConfig
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    centre = np.average(columns, axis=0, weights=weight)
    mean = float(np.average(train.label, weights=weight))
    with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
        spread = columns - centre
        weighted = spread * weight[:, None]
        normal = weighted.T @ spread
        normal[np.diag_indices_from(normal)] += config.penalty_per_row * len(train)
        solved = np.linalg.solve(normal, weighted.T @ (train.label - mean))
    coefficient = np.asarray(solved, np.float64)
    return LinearScore(
        standardizer=standardizer,
        coefficient=coefficient[None, :],
        intercept=np.array([mean - float(centre @ coefficient)]),
    )


RUNGS_OF_VALUE: RungTable = {
    ("value", "linear"): Rung(
        fit=fit_ridge,
        load=forecast_reader("value", LinearScore.from_json),
        settings=lambda config: asdict(config.ridge),
    ),
    ("value", "lightgbm"): trees_rung("value"),
}
