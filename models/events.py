"""Whether something happens: calibrated probabilities of an event, by logit and by boosted trees."""

from dataclasses import asdict
from functools import partial

import numpy as np

from models.baselines import Standardizer
from models.calibrate import event_share, log_odds
from models.config import LogitConfig
from models.datasets import Dataset
from models.forecast import forecast_reader
from models.linear import LinearScore, fit_linear
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import trees_rung
from orderflow_core.types import Float64


def fit_logit(training: Training) -> Fitted:
    """Fit a logit on standardised columns."""
    return fit_linear(training, partial(_fit_score, config=training.config.logit))


# Rows of one kind only: no coefficients, and the (smoothed) share as the score.
def _fit_score(train: Dataset, weight: Float64, config: LogitConfig) -> LinearScore:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    coefficient = np.zeros((1, columns.shape[1]))
    intercept = np.array([log_odds(event_share(train.label))])
    if np.ptp(train.label) > 0:
        logit = LogisticRegression(
            C=1 / (config.penalty_per_row * len(train)), max_iter=config.max_iterations
        )
        with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
            logit.fit(columns, train.label, sample_weight=weight)
        coefficient, intercept = logit.coef_, logit.intercept_
    return LinearScore(standardizer=standardizer, coefficient=coefficient, intercept=intercept)


RUNGS_OF_EVENTS: RungTable = {
    ("binary", "linear"): Rung(
        fit=fit_logit,
        load=forecast_reader("binary", LinearScore.from_json),
        settings=lambda config: asdict(config.logit),
    ),
    ("binary", "lightgbm"): trees_rung("binary"),
}
