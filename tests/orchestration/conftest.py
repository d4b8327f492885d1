"""The pipeline in this process: its runtime points at the session's store and a home of its own."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from orchestration import runtime
from orchestration.config import Settings
from orchestration.ingest import ingest
from orchestration.pipeline import Materialized, run_jobs
from orchestration.sources import SOURCES
from orchestration.storage.store import Store
from tests.captures import DAY_START_MS, write_capture

SYMBOL = "BTCUSDT"
N_TRADES = 400
SMALL = {
    "ORDERFLOW_DIRECTION_TASKS": "direction_20",
    "ORDERFLOW_N_NULL_RUNS": "20",
    "ORDERFLOW_ORDER_TASKS": "impact_10s",
}
_OPENED = (
    runtime.settings,
    runtime.instruments,
    runtime.open_store,
    runtime.open_tracking,
    runtime.dagster_instance,
)
_CAPTURE_DAY = date(1970, 1, 1) + timedelta(milliseconds=DAY_START_MS)


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Take every setting out of the environment; what only tests read stays."""
    for name in Settings.model_fields:
        patch.delenv(f"ORDERFLOW_{name.upper()}", raising=False)


@pytest.fixture(scope="session")
def home(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """ORDERFLOW_HOME of this process; its store is the session's, by a link to its folder."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "store").symlink_to(store.path)
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        for name, value in {"ORDERFLOW_HOME": str(folder), **SMALL}.items():
            patch.setenv(name, value)
        # Set by the runtime; listed here so that they are taken back.
        for name in ("DAGSTER_HOME", "DAGSTER_SQLITE_DIR"):
            patch.setenv(name, os.environ.get(name, ""))
            patch.delenv(name)
        for opened in _OPENED:
            opened.cache_clear()
        with pytest.MonkeyPatch.context() as here:  # an orderflow.toml of the developer's own
            here.chdir(folder)
            runtime.settings()
        yield folder
        for opened in _OPENED:
            opened.cache_clear()


_DAYS = itertools.count()


@pytest.fixture(scope="session")
def unused_day() -> Callable[[], int]:
    """Return a day of the test market, counted from its first, that no other test uses."""
    return lambda: next(_DAYS)


def date_of(day: int) -> date:
    """Return the trading day of a day of the test market."""
    return _CAPTURE_DAY + timedelta(days=day)


KEPT_TABLES = ("flow.classified_trades", "raw.gaps", "raw.quotes", "research.features")


@dataclass(frozen=True)
class Ran:
    """A day that the day job made, and what it said."""

    day: date
    made: list[Materialized]
    tables: dict[str, pa.Table]  # as published then: later tests correct and replace the day


@pytest.fixture(scope="session")
def ran(
    home: Path,
    store: Store,
    unused_day: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Ran:
    """A day of a market that we made, ingested and run once."""
    n = unused_day()
    known = runtime.instrument(SYMBOL)
    path = write_capture(tmp_path_factory.mktemp("capture") / "a.gz", n_trades=N_TRADES, day=n)
    ingest(store, SOURCES["capture"].read([path], known), known, run_id="test")
    made = run_jobs(SYMBOL, [date_of(n)], jobs=("day",))
    return Ran(
        date_of(n), made, {name: store.read(name, SYMBOL, date_of(n)) for name in KEPT_TABLES}
    )
