"""Where runs and models live: one sqlite file and one folder of artifacts, made ready once."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.storage.lock import StoreLock

_SCHEMA_MARK = "schema_of_mlflow_version"


def mlflow_module() -> Any:
    """Import MLflow with its telemetry off and its routine messages silenced."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    with warnings.catch_warnings():
        # about type hints in a class of MLflow's own, on first import
        warnings.filterwarnings(
            "ignore", message=".*Any type hint is inferred", category=UserWarning
        )
        import mlflow.pyfunc

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


@dataclass(frozen=True, slots=True)
class Database:
    """The MLflow database and artifact folder under one home.

    Parameters
    ----------
    folder : Path
        Absolute; holds ``mlflow.db`` and ``artifacts/``.
    """

    folder: Path

    @property
    def uri(self) -> str:
        """Tracking and registry URI, absolute; ``mlflow ui --backend-store-uri`` takes the same."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def artifact_location(self, name: str) -> str:
        """Return the absolute URI of an experiment's artifacts."""
        return (self.folder / "artifacts" / name).as_uri()

    def prepare(self, lock_timeout_s: float) -> None:
        """Create or upgrade the schema, one process at a time.

        MLflow does this on first use without a lock: four processes that start together break the
        file for good. A new database is made beside its place and moved there whole, so that a
        kill leaves nothing half made.

        Raises
        ------
        StoreLockedError
            Another process still holds the lock after the timeout.
        """
        (self.folder / "artifacts").mkdir(parents=True, exist_ok=True)
        mlflow = mlflow_module()
        mark = self.folder / _SCHEMA_MARK
        with self.locked(lock_timeout_s):
            path = self.folder / "mlflow.db"
            if path.exists() and mark.exists() and mark.read_text() == mlflow.__version__:
                return
            if path.exists():
                _upgrade(path)
            else:
                new = self.folder / "mlflow.db.new"
                new.unlink(missing_ok=True)
                _upgrade(new)
                new.rename(path)
            mark.write_text(mlflow.__version__)

    @contextmanager
    def locked(self, timeout_s: float) -> Iterator[None]:
        """Hold the folder's lock: one process upgrades or promotes at a time."""
        lock = StoreLock(self.folder / ".lock")
        lock.acquire(timeout_s)
        try:
            yield
        finally:
            lock.release()


# The body of the command `mlflow db upgrade`: it creates an empty database and upgrades an old one.
def _upgrade(path: Path) -> None:
    from mlflow.db import upgrade

    upgrade.callback(f"sqlite:///{path}")
