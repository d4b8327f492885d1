"""What every test shares: seeds, real data, one embedded store a test process."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "orderflow",
    deadline=None,  # the first call of a kernel compiles it
    derandomize=True,
    max_examples=int(os.environ.get("ORDERFLOW_TEST_EXAMPLES", "50")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("orderflow")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of recorded market data; the test is skipped where there is none."""
    folder = os.environ.get("ORDERFLOW_TEST_DATA")
    if not folder:
        pytest.skip("needs recorded market data: ORDERFLOW_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def embedded_store(tmp_path_factory):
    """One embedded store for the whole test process (chDB allows one path a process)."""
    from orchestration.storage.store import Store

    with Store.open(path=tmp_path_factory.mktemp("store")) as opened:
        yield opened


@pytest.fixture(scope="session")
def store(embedded_store):
    """The store of most tests; a module may put another in its place."""
    return embedded_store


@pytest.fixture(scope="session")
def postgres_databases():
    """Makes databases, each with a url of its own, on a PostgreSQL server that lives as long as the tests.

    ORDERFLOW_TEST_POSTGRES_URL names another server, whose user may create databases.
    """
    from tests.storage.postgres_server import NoPostgresError, databases_on, running_server

    named = os.environ.get("ORDERFLOW_TEST_POSTGRES_URL")
    try:
        with (
            contextlib.nullcontext(named) if named else running_server() as url,
            databases_on(url) as make,
        ):
            yield make
    except NoPostgresError as error:
        pytest.skip(str(error))
