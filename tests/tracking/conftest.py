"""One MLflow home for all tracking tests; each test uses a symbol of its own."""

from datetime import date
from pathlib import Path

import pytest

from models.results import WalkForward
from models.tasks import Task
from models.train import walk_forward
from orchestration.tracking.tracking import Tracking
from tests.models.synthetic import SECOND, synthetic


def train(kind: str, **keywords) -> WalkForward:
    task = Task({"direction": "direction_10", "return": "return_10s"}[kind])
    data = synthetic(kind, n=keywords.pop("n", 2000), **keywords)
    return walk_forward(data, task, n_folds=4, embargo_ns=SECOND, seed=1, n_boot=300)


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def tracking(home) -> Tracking:
    return Tracking.open(home)


@pytest.fixture(scope="session")
def planted() -> WalkForward:
    return train("direction", strength=0.4)


@pytest.fixture(scope="session")
def planted_return() -> WalkForward:
    return train("return", strength=0.4)


@pytest.fixture(scope="session")
def noise() -> WalkForward:
    return train("direction")


@pytest.fixture(scope="session")
def champion(tracking, planted):
    """One registered champion for tests that only read it; its symbol is SHARED."""
    manifest = [{"table": "research.features", "trading_day": date(2013, 9, 3), "hash": "ff"}]
    return tracking.log_training(
        planted, manifest, symbol="SHARED", code_version="7", dagster_run_id="dagster-1"
    )


@pytest.fixture
def symbol(request) -> str:
    return f"T{abs(hash(request.node.nodeid)) % 10**8}"


@pytest.fixture
def register(tracking, symbol):
    """Register a training under the test's own symbol."""

    def logged(found: WalkForward, **keywords):
        terms = {"symbol": symbol, "code_version": "7", "dagster_run_id": "dagster-1"}
        manifest = [{"table": "research.features", "symbol": symbol, "hash": "ab", "rows": 5}]
        return tracking.log_training(found, manifest, **(terms | keywords))

    return logged
