"""Where the mid goes next: down, flat or up, as calibrated probabilities."""

from dataclasses import asdict
from functools import partial

import numpy as np

from models.baselines import Standardizer
from models.calibrate import class_shares
from models.config import LogitConfig
from models.datasets import Dataset
from models.forecast import forecast_reader
from models.linear import LinearScore, fit_linear
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import trees_rung
from orderflow_core.types import Float64


def fit_logit(training: Training) -> Fitted:
    """Fit a multinomial logit on standardised columns."""
    return fit_linear(training, partial(_fit_score, config=training.config.logit))


# A class that the rows lack gets no coefficients and the (smoothed) prior as its score.
def _fit_score(train: Dataset, weight: Float64, config: LogitConfig) -> LinearScore:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    coefficient = np.zeros((3, columns.shape[1]))
    intercept = np.log(class_shares(train.label))
    classes = np.unique(train.label).astype(np.int64) + 1
    if len(classes) > 1:
        logit = LogisticRegression(
            C=1 / (config.penalty_per_row * len(train)), max_iter=config.max_iterations
        )
        with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
            logit.fit(columns, train.label, sample_weight=weight)
        if len(classes) == 3:
            coefficient[classes], intercept[classes] = logit.coef_, logit.intercept_
        else:  # two classes: one row of coefficients, for the second against the first
            coefficient[classes[1]] = logit.coef_[0]
            intercept[classes[1]] = intercept[classes[0]] + logit.intercept_[0]
    return LinearScore(standardizer=standardizer, coefficient=coefficient, intercept=intercept)


RUNGS_OF_CLASSES: RungTable = {
    ("classes", "linear"): Rung(
        fit=fit_logit,
        load=forecast_reader("classes", LinearScore.from_json),
        settings=lambda config: asdict(config.logit),
    ),
    ("classes", "lightgbm"): trees_rung("classes"),
}
