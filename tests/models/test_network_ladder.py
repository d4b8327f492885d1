"""The ladder with the network on it: what only the footprint says is found by it alone, and noise by none."""

import numpy as np
import pytest

from models.artifact import load_model, save_model
from models.tasks import ALL_RUNGS, Task
from models.train import best_rung, walk_forward
from tests.models.test_footprint_rung import CONFIG, SECOND, market, planted

__all__ = ["planted"]


@pytest.mark.soak
def test_what_only_the_footprint_says_is_found_by_the_network_alone(planted, tmp_path):
    found = walk_forward(
        planted, Task("direction_2s"), n_folds=2, embargo_ns=SECOND, rungs=ALL_RUNGS,
        config=CONFIG, n_boot=200,
    )  # fmt: skip
    loss = {rung: found.scores[rung][0].value for rung in ALL_RUNGS}
    assert all(s[0].metric == "log_loss" for s in found.scores.values())
    assert loss["network"] < loss["lightgbm"] - 0.2
    assert {len(prediction) for prediction in found.predictions.values()} == {len(found.row_idx)}
    compared = found.comparison("network", "lightgbm")
    assert compared is not None
    assert compared.difference < 0
    assert found.candidate == "network"
    assert best_rung(found.task, found.scores) == found.candidate
    # From files it is the same model, to the bit.
    model = found.models["network"]
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    rows = planted.take(slice(0, 70))
    assert again.predict_rows(rows).tobytes() == model.predict_rows(rows).tobytes()
    np.testing.assert_allclose(again.predict_rows(rows).sum(axis=1), 1)
    # A row's prediction does not hang on the rows beside it.
    alone = np.concatenate([again.predict_rows(rows.take(slice(i, i + 1))) for i in range(3)])
    np.testing.assert_allclose(alone, again.predict_rows(rows)[:3], atol=1e-6)


@pytest.mark.soak
def test_noise_is_not_believed():
    found = walk_forward(
        market(600, is_planted=False), Task("direction_2s"), n_folds=2, embargo_ns=SECOND,
        rungs=ALL_RUNGS, config=CONFIG, n_boot=200,
    )  # fmt: skip
    network, base = found.scores["network"][0], found.scores["base_rate"][0]
    assert abs(network.value - base.value) < 0.02
