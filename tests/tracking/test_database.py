import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from orchestration.storage.errors import StoreLockedError
from orchestration.storage.lock import StoreLock
from orchestration.tracking.database import Database
from orchestration.tracking.tracking import Tracking
from tests.models.synthetic import synthetic
from tests.tracking.conftest import train

PNG = b"\x89PNG\r\n\x1a\n"


def open_and_write(home: str, name: str) -> str:
    tracking = Tracking.open(Path(home))
    return tracking._experiment(name)


def test_three_processes_that_start_together_all_work(tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db.new").write_bytes(b"another was killed while making it")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=3, mp_context=context) as pool:
        pending = [pool.submit(open_and_write, str(tmp_path), f"experiment-{i}") for i in range(3)]
        ids = {future.result() for future in pending}
    assert len(ids) == 3
    assert not (tmp_path / "mlflow" / "mlflow.db.new").exists()


def test_an_open_database_of_another_version_is_upgraded(tmp_path, monkeypatch):
    database = Database(tmp_path / "mlflow")
    upgraded = []

    def upgrade(path):
        upgraded.append(path.name)
        path.touch()

    monkeypatch.setattr("orchestration.tracking.database._upgrade", upgrade)
    database.prepare(1)
    database.prepare(1)
    assert upgraded == ["mlflow.db.new"]
    (database.folder / "schema_of_mlflow_version").write_text("2.0.0")
    database.prepare(1)
    assert upgraded == ["mlflow.db.new", "mlflow.db"]


def test_waiting_for_another_upgrade_ends_with_its_holder_named(tmp_path):
    (tmp_path / "mlflow").mkdir()
    lock = StoreLock(tmp_path / "mlflow" / ".lock")
    lock.acquire(1)
    try:
        with pytest.raises(StoreLockedError, match="is in use by pid"):
            Tracking.open(tmp_path, lock_timeout_s=0.2)
    finally:
        lock.release()


def test_importing_models_or_tracking_imports_neither_mlflow_nor_lightgbm():
    code = (
        "import sys, models.train, models.artifact, orchestration.tracking.tracking;"
        "print(sorted({'mlflow', 'lightgbm', 'sklearn', 'matplotlib', 'dagster'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["direction", "return"])
def test_reliability_plot_is_a_small_png_and_the_same_each_time(kind):
    from orchestration.tracking.plots import reliability_png

    found = train(kind, n=800)
    assert len(found.dataset) == len(synthetic(kind, n=800))
    drawn = reliability_png(found)
    assert drawn.startswith(PNG)
    assert len(drawn) < 60_000
    assert reliability_png(found) == drawn
