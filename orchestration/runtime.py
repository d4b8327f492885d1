"""What one process opens: its home folder, the store, the model registry, Dagster's instance.

The embedded store may be opened once a process and by one process at a time, so it is opened
here, on first use, and closed when the process ends.
"""

import atexit
import difflib
import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.config import Settings, SettingsFileError
from orchestration.errors import writing
from orchestration.instruments import Instruments, load_instruments
from orderflow_core.instrument import Instrument

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from orchestration.storage.store import Store
    from orchestration.tracking.tracking import Tracking

# Read by the tests alone.
_TEST_VARIABLES = ("ORDERFLOW_TEST_", "ORDERFLOW_SOAK_")
DAGSTER_YAML = Path(__file__).with_name("dagster.yaml")


def refuse_unknown_settings(environment: Mapping[str, str]) -> None:
    """Refuse a variable that looks like a setting and is none: a misspelt one would do nothing.

    Raises
    ------
    SettingsFileError
        Names it and the settings that are near.
    """
    known = [f"ORDERFLOW_{name.upper()}" for name in Settings.model_fields]
    for name in environment:
        if not name.startswith("ORDERFLOW_") or name.startswith(_TEST_VARIABLES) or name in known:
            continue
        near = ", ".join(difflib.get_close_matches(name, known, n=3)) or "none is like it"
        raise SettingsFileError(f"{name} is no setting: {near}")


@cache
def settings() -> Settings:
    """Return the settings of this process; the home folder exists afterwards."""
    refuse_unknown_settings(os.environ)
    found = Settings()
    for folder in (found.root, found.samples_path, found.reports_path, found.dagster_path):
        with writing(folder):
            # For its owner alone: event logs, models and market data are nobody else's.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    url = config.server_url
    store = Store.open(
        path=None if url else config.store_path,
        url=url,
        cluster=config.clickhouse_cluster,
        lock_timeout_s=config.store_lock_timeout_s,
        memory_gb=config.store_memory_gb,
        query_timeout_s=config.store_query_timeout_s,
        retry_s=config.store_retry_s,
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
    if not target.exists() or target.read_bytes() != DAGSTER_YAML.read_bytes():
        shutil.copyfile(DAGSTER_YAML, target)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@cache
def dagster_instance() -> "DagsterInstance":
    """Return the embedded Dagster instance, which `orderflow ui` shows."""
    import dagster as dg

    prepare_dagster_home()
    return dg.DagsterInstance.get()
