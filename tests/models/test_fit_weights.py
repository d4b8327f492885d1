"""Which fits weigh rows by the uniqueness of their labels, as docs/models.md says."""

from dataclasses import replace

import numpy as np
import pytest

from models.config import LadderConfig, TreesConfig
from models.datasets import Dataset
from models.impact import LOG_LOTS, SIGN, VOLATILITY, VOLUME
from models.order_rows import PAST_COLUMNS
from models.predictors import find_rung
from models.rung import Training
from models.tasks import Task
from tests.models.synthetic import SECOND, TASKS, synthetic

CONFIG = LadderConfig(trees=TreesConfig(n_trees=5))
# By subject or family and rung: these count each row once.
UNWEIGHTED = {
    ("direction", "naive"), ("return", "naive"), ("slippage", "naive"), ("impact", "naive"),
    ("sizing", "naive"),
}  # fmt: skip
SUBJECTS = ("direction", "return", "move", "slippage", "impact", "sizing")


def rows_of(subject):
    rows = synthetic(subject if subject in TASKS else "return", n=900, strength=0.6)
    if subject == "move":  # the naive rung's own feature, on which the event hangs
        features = rows.features.copy()
        features[:, 2] = np.abs(features[:, 1])
        names = (*rows.names[:2], VOLATILITY, *rows.names[3:])
        return replace(rows, names=names, features=features)
    return rows if subject in TASKS else orders(rows)


def orders(rows):
    rng = np.random.default_rng(0)
    n = len(rows)
    columns = {
        VOLATILITY: rng.uniform(1, 2, n), VOLUME[0]: rng.uniform(10, 20, n),
        VOLUME[1]: rng.uniform(10, 20, n), SIGN: rng.choice([-1.0, 1.0], n),
        LOG_LOTS: rng.uniform(0, 3, n),
        **{name: rng.choice([-1.0, 1.0], n) for name in PAST_COLUMNS},
    }  # fmt: skip
    label = columns[VOLATILITY] * np.exp(columns[LOG_LOTS] / 2) + rng.normal(size=n)
    return replace(
        rows, names=tuple(columns), features=np.column_stack(list(columns.values())), label=label
    )


def shortened(rows: Dataset) -> Dataset:
    """Every second label of the first half ends in a third of its time: only the weights change."""
    is_short = (np.arange(len(rows)) % 2 == 0) & (np.arange(len(rows)) < len(rows) // 2)
    t1_ns = np.where(is_short, rows.t0_ns + (rows.t1_ns - rows.t0_ns) // 3, rows.t1_ns)
    return replace(rows, t1_ns=t1_ns)


@pytest.mark.parametrize("rung", ["naive", "linear", "lightgbm"])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_fits_weigh_rows_but_for_the_rungs_that_the_documentation_names(subject, rung):
    task = TASKS.get(subject) or Task(f"{subject}_10s")
    rows = rows_of(subject)
    said = []
    for data in (rows, shortened(rows)):
        training = Training(task=task, rows=data, embargo_ns=SECOND, config=CONFIG, seed=1)
        said.append(find_rung(task, rung).fit(training).predictor.predict(rows.features))
    assert np.array_equal(*said) == ((subject, rung) in UNWEIGHTED)
