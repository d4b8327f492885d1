"""The rung network on the ladder: identical rows, calibrated, found in files again, and where it is refused."""

from dataclasses import replace

import numpy as np
import pytest

from models.auxiliary import Auxiliary
from models.config import LadderConfig, NetworkConfig
from models.datasets import Dataset
from models.footprint_rung import fit_network
from models.footprint_windows import DayFootprint, windows_of
from models.ladder import fit_rung
from models.predictors import find_rung
from models.rung import Training
from models.tasks import Task
from models.tuning import tune
from orderflow_core.footprint import FootprintCells
from orderflow_core.footprint_tensor import WindowBars

SECOND = 1_000_000_000
CONFIG = LadderConfig(
    network=NetworkConfig(max_epochs=6, patience=6, batch=32, room=512, learning_rate=4e-3)
)
NONE = np.empty(0, np.int64)


def market(n_bars=460, *, is_planted, seed=0):
    """Bars of a second, the last two of which say by who bought where the next one goes."""
    rng = np.random.default_rng(seed)
    pressure = rng.integers(-1, 2, n_bars)
    rows = []
    for bar in range(n_bars):
        for price in range(95, 106):
            bid, ask = rng.poisson(2, 2) + 1
            if is_planted and abs(price - 100) < 4:
                bid, ask = bid + 6 * (pressure[bar] < 0), ask + 6 * (pressure[bar] > 0)
            rows.append((bar, price, bid, ask, 0, 1, 1, 0))
    columns = np.array(rows, np.int64).T
    cells = FootprintCells(**dict(zip(FootprintCells.__dataclass_fields__, columns, strict=True)))
    ends = (np.arange(n_bars) + 1) * SECOND
    footprint = DayFootprint(
        cells=cells, t1_ns=ends, gap_start_ns=NONE, gap_end_ns=NONE, session_start_ns=NONE,
        bars=WindowBars(
            bar_id=np.arange(n_bars), close_ticks=np.full(n_bars, 100), run=np.zeros(n_bars, np.int64)
        ),
        cell_ticks=1, ticks_per_row=1,
    )  # fmt: skip
    position, windows = windows_of([footprint], np.zeros(n_bars, np.int64), ends)
    assert position.tolist() == list(range(99, n_bars))
    n = len(position)
    return Dataset(
        features=np.column_stack([rng.choice([-1.0, 1.0], n), rng.normal(size=n)]),
        names=("last_tick_sign", "noise"), label=pressure[position].astype(np.float64),
        t0_ns=ends[position], t1_ns=ends[position] + 2 * SECOND, decision_id=position,
        trading_day=np.zeros(n, np.int64), windows=windows,
    )  # fmt: skip


@pytest.fixture(scope="module")
def planted():
    return market(is_planted=True)


@pytest.mark.parametrize(
    ("task", "shape", "score"),
    [
        ("return_2s", (40,), 0.5),
        pytest.param("move_2s", (40,), 0.5, marks=pytest.mark.soak),
        pytest.param("level_2s", (40,), 0.5, marks=pytest.mark.soak),
    ],
)
def test_events_and_values_have_the_shape_and_scale_of_their_family(planted, task, shape, score):
    up = (planted.label > 0).astype(np.float64)
    label = 7 * planted.label if task.startswith("return") else up
    rows = replace(planted, label=label)
    model = fit_rung(
        Task(task), "network", rows.take(slice(0, 200)), embargo_ns=SECOND, config=CONFIG, seed=1
    )
    test = rows.take(slice(210, 250))
    prediction = model.predict_rows(test)
    assert prediction.shape == shape
    assert np.corrcoef(prediction, test.label)[0, 1] > score
    if not task.startswith("return"):
        assert ((prediction > 0) & (prediction < 1)).all()
    else:
        assert 2 < np.abs(prediction).max() < 40


def test_rows_without_windows_and_matrices_are_refused(planted):
    bare = replace(planted, windows=None)
    with pytest.raises(ValueError, match="footprint windows"):
        fit_rung(Task("direction_2s"), "network", bare, embargo_ns=0, config=CONFIG, seed=0)
    with pytest.raises(ValueError, match="rung must be one of"):
        fit_rung(Task("slippage"), "network", planted, embargo_ns=0, config=CONFIG, seed=0)
    quick = replace(CONFIG, network=replace(CONFIG.network, max_epochs=1))
    model = fit_rung(
        Task("direction_2s"), "network", planted.take(slice(0, 150)), embargo_ns=0, config=quick,
        seed=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="must carry windows"):
        model.predict_rows(bare)
    with pytest.raises(ValueError, match="reads footprint windows"):
        model.predict(planted.features)


def test_the_network_that_answers_is_the_one_that_was_calibrated(planted):
    training = Training(
        task=Task("return_2s"), rows=planted.take(slice(0, 150)), embargo_ns=0, seed=0,
        config=replace(CONFIG, network=replace(CONFIG.network, max_epochs=1)),
    )  # fmt: skip
    fitted = fit_network(training)
    held = training.rows.take(training.inner().held_idx)
    np.testing.assert_array_equal(fitted.predictor.predict_windows(held.windows), fitted.held)


def test_trials_of_the_network_are_counted_and_the_given_configuration_is_the_first(
    planted, monkeypatch
):
    n, task = 130, Task("direction_2s")
    # Outcomes of other heads, which may be known later than the row's own label.
    heard = np.full((n, 4), 30 * SECOND) + planted.t0_ns[:n, None]
    rows = replace(
        planted.take(slice(0, n)),
        auxiliary=Auxiliary(target=np.ones((n, 4), np.float32), t1_ns=heard),
    )
    config = replace(CONFIG, network=replace(CONFIG.network, max_epochs=1), n_trials=2)
    training = Training(task=task, rows=rows, embargo_ns=SECOND, config=config, seed=1)
    rung, seen = find_rung(task, "network"), []

    def fit(trial):
        seen.append(trial)
        return rung.fit(trial)

    monkeypatch.setattr("models.tuning.find_rung", lambda *_: replace(rung, fit=fit))
    found = tune(training, "network")
    assert found.n_tried == len(seen) == 2
    assert seen[0].config.network == config.network
    assert set(found.values) == {"learning_rate", "weight_decay"}
    assert found.config in [trial.config for trial in seen]
    # Nothing of the rows that judge a trial is among what it learns from.
    judged_from = rows.t0_ns[training.inner().held_idx[0]]
    for trial in seen:
        assert trial.rows.auxiliary.t1_ns.max() <= judged_from - SECOND
        assert trial.rows.t1_ns.max() <= judged_from - SECOND
