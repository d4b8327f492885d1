"""Other tasks' outcomes beside a task's own: joined by time, forgotten at every border, judged by none."""

from dataclasses import replace

import numpy as np
import pytest

from models.auxiliary import Auxiliary, auxiliary_at
from models.combinatorial import combinatorial_losses
from models.config import LadderConfig
from models.footprint_batch import HEADS
from models.footprint_file import network_bytes
from models.footprint_rung import fit_network
from models.ladder import find_rung, fit_rung
from models.rung import Training
from models.tasks import Task
from models.train import walk_forward
from tests.models.synthetic import synthetic
from tests.models.test_footprint_rung import CONFIG, SECOND, market

NONE = np.nan
QUICK = replace(CONFIG, network=replace(CONFIG.network, max_epochs=1))
TASK = Task("direction_2s")
MOVE, LEVEL = HEADS.index("move"), HEADS.index("level")


def with_moves(rows, *, horizon_s=5, seed=1):
    """A move head whose outcomes are known ``horizon_s`` after each decision; every tenth is unknown."""
    n = len(rows)
    target = np.full((n, len(HEADS)), NONE, np.float32)
    target[:, MOVE] = np.random.default_rng(seed).integers(0, 2, n)
    target[::10, MOVE] = NONE
    t1_ns = np.where(np.isnan(target), 0, rows.t0_ns[:, None] + horizon_s * SECOND)
    return replace(rows, auxiliary=Auxiliary(target=target, t1_ns=t1_ns))


@pytest.fixture(scope="module")
def planted():
    return market(300, is_planted=True)


def test_outcomes_are_joined_by_time():
    found = auxiliary_at(
        [3, 5, 5, 7, 9],
        {
            "move": ([1, 3, 5, 9], [9, 8, 7, 12], [1.0, 1.0, NONE, 0.0]),
            # Two levels touched at 5 that both held, two at 7 of which one did.
            "level": ([5, 5, 7, 7], [6, 11, 8, 9], [1.0, 1.0, 0.0, 1.0]),
        },
    )
    assert found.target[:, MOVE].tolist()[0] == 1
    assert found.target[4, MOVE] == 0
    assert np.isnan(found.target[1:4, MOVE]).all()
    np.testing.assert_array_equal(found.target[:, LEVEL], [NONE, 1, 1, NONE, NONE])
    assert found.t1_ns[:, MOVE].tolist() == [8, 0, 0, 0, 12]
    assert found.t1_ns[:, LEVEL].tolist() == [0, 11, 11, 0, 0]
    assert np.isnan(found.target[:, [0, 3]]).all()
    nothing = auxiliary_at([3], {"move": ([], [], [])} | {"level": ([3], [4], [NONE])})
    assert np.isnan(nothing.target).all()


def test_bad_outcomes_are_named():
    with pytest.raises(ValueError, match="head must be one of"):
        auxiliary_at([1], {"size": ([1], [1], [1.0])})
    with pytest.raises(ValueError, match="t0_ns of move"):
        auxiliary_at([1], {"move": ([2, 1], [3, 3], [1.0, 1.0])})
    rows = synthetic("direction", n=40)
    with pytest.raises(ValueError, match="auxiliary must be one a row"):
        replace(rows, auxiliary=with_moves(rows.take(slice(1, None))).auxiliary)
    with pytest.raises(ValueError, match="must have the shape"):
        Auxiliary(target=np.zeros((2, 3), np.float32), t1_ns=np.zeros((2, 3), np.int64))


def test_rows_keep_their_outcomes_and_a_border_forgets_those_that_reach_over_it():
    rows = with_moves(synthetic("direction", n=60), horizon_s=4)
    part = rows.take(slice(10, 50))
    np.testing.assert_array_equal(part.auxiliary.target, rows.auxiliary.target[10:50])
    border = int(part.t0_ns[20])
    heard = part.heard_by(border)
    assert len(heard) == len(part)
    known, before = (~np.isnan(d.auxiliary.target[:, MOVE]) for d in (heard, part))
    assert (
        known == before & ((part.auxiliary.t1_ns[:, MOVE] <= border) | (part.t0_ns > border))
    ).all()
    assert known.sum() < before.sum()
    bare = replace(part, auxiliary=None)
    assert bare.heard_by(border) is bare
    assert len({bare.digest(), part.digest(), heard.digest()}) == 3


def training(rows):
    return Training(task=TASK, rows=rows, embargo_ns=SECOND, config=QUICK, seed=0)


def test_the_fit_hears_no_outcome_that_reaches_into_what_stops_it(planted):
    rows = with_moves(planted.take(slice(0, 160)))
    inner = training(rows).inner()
    border = rows.t0_ns[inner.held_idx[0]] - SECOND
    t1_ns = rows.auxiliary.t1_ns[:, MOVE]
    is_late, is_fit = t1_ns > border, np.isin(np.arange(len(rows)), inner.fit_idx)
    assert (is_late & is_fit).any()

    def fitted(flipped):
        target = rows.auxiliary.target.copy()
        target[flipped, MOVE] = 1 - target[flipped, MOVE]
        found = fit_network(
            training(replace(rows, auxiliary=replace(rows.auxiliary, target=target)))
        )
        return network_bytes(found.predictor.net), found

    nobody = np.zeros(len(rows), bool)
    seen, found = fitted(nobody)
    assert fitted(is_late)[0] == seen  # to the bit, as equal seeds give
    assert fitted(~is_late & is_fit)[0] != seen
    alone = fit_network(training(replace(rows, auxiliary=None)))
    assert network_bytes(alone.predictor.net) != seen
    known = ~np.isnan(rows.auxiliary.target[:, MOVE])
    assert found.predictor.beside == {"move": int((known & is_fit & ~is_late).sum())}
    assert found.predictor.settings()["n_move"] == found.predictor.beside["move"]
    assert alone.predictor.beside == {}
    data, texts = found.predictor.to_json(), found.predictor.texts()
    assert type(found.predictor).from_json(data, texts).beside == found.predictor.beside


def test_other_heads_do_not_take_the_place_of_the_tasks_own(planted):
    rows = with_moves(planted.take(slice(0, 160)))
    target = rows.auxiliary.target.copy()
    target[:, HEADS.index("direction")] = 1  # whatever stands in the own head's column
    t1_ns = rows.auxiliary.t1_ns.copy()
    t1_ns[:, HEADS.index("direction")] = rows.t1_ns
    other = replace(rows, auxiliary=Auxiliary(target=target, t1_ns=t1_ns))
    one, two = (fit_network(training(data)).predictor for data in (rows, other))
    assert network_bytes(one.net) == network_bytes(two.net)


class Spy:
    """The naive rung, which remembers the rows that it was fitted on."""

    def __init__(self):
        self.seen = []

    def fit(self, training):
        self.seen.append(training.rows)
        return find_rung(TASK, "naive").fit(training)


def test_no_rung_is_given_an_outcome_from_beyond_its_training(monkeypatch):
    rows, spy = with_moves(synthetic("direction", n=400), horizon_s=60), Spy()
    monkeypatch.setattr("models.ladder.find_rung", lambda task, rung: spy)  # noqa: ARG005
    found = walk_forward(rows, TASK, n_folds=2, embargo_ns=SECOND, n_boot=50, rungs=("naive",))
    first_test = dict(zip((fold.n_train for fold in found.folds), found.folds, strict=True))
    of_folds = [seen for seen in spy.seen if len(seen) in first_test]
    assert len(of_folds) == 2 < len(spy.seen)
    for seen in of_folds:
        fold = first_test[len(seen)]
        assert 0 < seen.auxiliary.t1_ns.max() <= fold.train_end_ns < fold.test_start_ns
        # There was something to forget.
        assert rows.auxiliary.t1_ns[: len(seen)].max() > fold.test_start_ns
    for seen in spy.seen:  # those of the trial fits and of the last one as well
        assert seen.auxiliary.t1_ns.max() <= seen.t1_ns.max() + SECOND


def test_no_outcome_reaches_into_the_tested_groups_of_a_combinatorial_split(monkeypatch):
    rows, seen = with_moves(synthetic("direction", n=240), horizon_s=120), []

    def remembering(task, rung, train, **terms):
        seen.append(train)
        return fit_rung(task, rung, train, **terms)

    monkeypatch.setattr("models.combinatorial.fit_rung", remembering)
    combinatorial_losses(
        rows, TASK, n_groups=4, n_test_groups=1, embargo_ns=SECOND, config=LadderConfig(), seed=0,
        rungs=("naive",),
    )  # fmt: skip
    assert len(seen) == 4
    for group, train in enumerate(seen):
        first, last = rows.t0_ns[group * 60], rows.t1_ns[group * 60 + 59]
        has = train.auxiliary.t1_ns[:, MOVE] > 0
        begins, ends = train.t0_ns[has], train.auxiliary.t1_ns[has, MOVE]
        assert has.any()
        assert not ((begins < last) & (ends > first)).any()


def test_the_other_rungs_and_what_is_judged_stay_the_same(planted):
    terms = {
        "n_folds": 1, "embargo_ns": SECOND, "n_boot": 50, "config": QUICK,
        "rungs": ("naive", "linear", "network"),
    }  # fmt: skip
    alone, beside = (walk_forward(data, TASK, **terms) for data in (planted, with_moves(planted)))
    assert alone.row_idx.tobytes() == beside.row_idx.tobytes()
    for rung in ("base_rate", "naive", "linear"):
        assert alone.predictions[rung].tobytes() == beside.predictions[rung].tobytes()
        assert alone.scores[rung] == beside.scores[rung]
    assert alone.predictions["network"].tobytes() != beside.predictions["network"].tobytes()
    assert beside.models["network"].train_end_ns == alone.models["network"].train_end_ns
    assert beside.folds[0].settings["network"]["n_move"] > 50
