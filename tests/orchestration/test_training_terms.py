"""A training is repeated when its data or its terms have changed, and only then."""

import dagster as dg
import pytest

from models.tasks import Task
from orchestration.config import Settings
from orchestration.defs.training.assets import register, training_terms
from orchestration.defs.training.judging import Market
from orchestration.instruments import load_instruments
from orchestration.tracking.fingerprint import fingerprint
from tests.models.synthetic import synthetic

ROWS = synthetic("return", n=120)  # too few to train on, which is said in place of "unchanged"
TASK = Task("return_60s")


class Registry:
    """One version, registered under the terms of a configuration."""

    def __init__(self, config: Settings) -> None:
        self._config = config

    def models(self):
        return [
            {
                "model_version": "orderflow-return_60s-ES/1", "is_newest": True, "symbol": "ES",
                "task": TASK.name, "data_fingerprint": fingerprint(ROWS, []).digest,
                "code_version": training_terms(self._config),
            }
        ]  # fmt: skip


def reason(before: Settings, now: Settings, rows=ROWS) -> str:
    market = Market(
        store=None, instrument=load_instruments()["ES"], days=[], snapshot=0, config=now
    )
    context = dg.build_asset_context(partition_key="ES")
    return register(context, Registry(before), market, TASK, rows, [])["reason"]


def test_the_same_data_and_terms_are_not_trained_on_again():
    config = Settings(combinatorial=True, learning_curve=True)
    assert reason(config, config) == "same data and terms: unchanged"
    assert "too little data" in reason(config, config, ROWS.take(slice(1, None)))


@pytest.mark.parametrize(
    "change",
    [
        {"combinatorial": True}, {"learning_curve": True}, {"n_tuning_trials": 3}, {"n_blocks": 4},
        {"embargo_seconds": 61}, {"seed": 8}, {"network": True},
    ],
)  # fmt: skip
def test_other_terms_train_again(change):
    before = Settings()
    assert "too little data" in reason(before, Settings(**change))
    assert "too little data" in reason(Settings(**change), before)


def test_the_epochs_count_where_there_is_a_network():
    with_network = Settings(network=True)
    assert "too little" in reason(with_network, Settings(network=True, network_epochs=3))
    assert "unchanged" in reason(Settings(), Settings(network_epochs=3))
