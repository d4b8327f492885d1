"""What one process opens: its home folder, the store, the model registry, Dagster's instance.

The embedded store may be opened once a process and by one process at a time, so it is opened
here, on first use, and closed when the process ends.
"""

import atexit
import os
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.config import Settings
from orchestration.errors import writing
from orchestration.instruments import Instruments, load_instruments
from orderflow_core.instrument import Instrument

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from orchestration.storage.store import Store
    from orchestration.tracking.tracking import Tracking

_DAGSTER_YAML = Path(__file__).resolve().parent.parent / "dagster.yaml"


@cache
def settings() -> Settings:
    """Return the settings of this process; the home folder exists afterwards."""
    found = Settings()
    for folder in (found.root, found.samples_path, found.reports_path, found.dagster_path):
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    return found


@cache
def instruments() -> Instruments:
    """Return the instruments that this installation knows."""
    return load_instruments(settings().root)


def instrument(symbol: str) -> Instrument:
    """Return one instrument; an unknown symbol raises and lists those that are near."""
    return instruments()[symbol]


@cache
def open_store() -> "Store":
    """Return the store of this process; waits for another process that holds it."""
    from orchestration.storage.store import Store

    config = settings()
    url = config.clickhouse_url.get_secret_value() if config.clickhouse_url else None
    store = Store.open(
        path=None if url else config.store_path,
        url=url,
        lock_timeout_s=config.store_lock_timeout_s,
        memory_gb=config.store_memory_gb,
        query_timeout_s=config.store_query_timeout_s,
    )
    atexit.register(store.close)
    return store


@cache
def open_tracking() -> "Tracking":
    """Return the run tracker and model registry of this process."""
    from orchestration.tracking.tracking import Tracking

    return Tracking.open(settings().root)


def prepare_dagster_home() -> Path:
    """Make DAGSTER_HOME ready, point this process at it and return it."""
    home = settings().dagster_path
    target = home / "dagster.yaml"
    if not target.exists() or target.read_bytes() != _DAGSTER_YAML.read_bytes():
        shutil.copyfile(_DAGSTER_YAML, target)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@cache
def dagster_instance() -> "DagsterInstance":
    """Return the embedded Dagster instance, which `orderflow ui` shows."""
    import dagster as dg

    prepare_dagster_home()
    return dg.DagsterInstance.get()
