import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from models.artifact import save_model
from orchestration.tracking.errors import TamperedModelError
from orchestration.tracking.integrity import file_digests, require_digests, seal
from orchestration.tracking.loader import _load_pyfunc
from tests.tracking.test_tracking import client


def files_of(tracking, found) -> Path:
    uri = client(tracking).get_model_version_download_uri(found.name, str(found.version))
    return Path(uri.removeprefix("file://"))


@pytest.fixture
def registered(tracking, champion, tmp_path):
    """The shared champion, whose files are put back after the test."""
    folder = files_of(tracking, champion)
    shutil.copytree(folder, tmp_path / "kept")
    yield champion
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "kept", folder)


def test_artifact_is_data_only_and_every_file_is_recorded(tracking, registered):
    folder = files_of(tracking, registered)
    data = {path.name for path in (folder / "data" / "model").iterdir()}
    assert data <= {"model.json", "booster.txt", "sha256.json"}
    assert "loader_module: orchestration.tracking.loader" in (folder / "MLmodel").read_text()
    assert not [
        p
        for p in folder.rglob("*")
        if p.suffix in {".pkl", ".pickle", ".py", ".joblib", ".skops", ".pt"}
    ]
    recorded = json.loads(client(tracking).get_model_version(registered.name, "1").tags["sha256"])
    assert recorded == file_digests(folder)
    model = folder / "data" / "model" / "model.json"
    assert recorded["data/model/model.json"] == hashlib.sha256(model.read_bytes()).hexdigest()


def tamper(path: Path) -> None:
    path.write_text(path.read_text().replace('"slope": ', '"slope": 1'))


def test_a_changed_file_is_refused_by_us_and_by_mlflow(tracking, registered):
    import mlflow

    tamper(files_of(tracking, registered) / "data" / "model" / "model.json")
    with pytest.raises(TamperedModelError, match=r"version 1: data/model/model.json was changed"):
        tracking.load(registered.name, 1)
    with pytest.raises(TamperedModelError, match=r"model.json was changed"):
        mlflow.pyfunc.load_model(f"models:/{registered.name}/1")


def test_a_changed_file_with_a_matching_seal_is_still_refused(tracking, registered):
    data = files_of(tracking, registered) / "data" / "model"
    tamper(data / "model.json")
    (data / "sha256.json").unlink()
    seal(data)
    with pytest.raises(TamperedModelError, match="was changed"):
        tracking.load(registered.name, 1)


@pytest.mark.parametrize(("name", "state"), [("extra.txt", "is new"), ("../evil.py", "is new")])
def test_an_added_file_is_refused(tracking, registered, name, state):
    (files_of(tracking, registered) / "data" / "model" / name).write_text("x")
    with pytest.raises(TamperedModelError, match=state):
        tracking.load(registered.name, 1)


def test_a_removed_file_is_refused(tracking, registered):
    (files_of(tracking, registered) / "data" / "model" / "model.json").unlink()
    with pytest.raises(TamperedModelError, match=r"model.json is missing"):
        tracking.load(registered.name, 1)


def test_what_mlflow_writes_on_load_is_no_tampering(tracking, registered):
    import mlflow

    mlflow.pyfunc.load_model(f"models:/{registered.name}/1")
    assert (files_of(tracking, registered) / "registered_model_meta").exists()
    assert tracking.load(registered.name, 1).version == 1


def test_loader_needs_a_seal(planted, tmp_path):
    save_model(planted.models["linear"], tmp_path)
    with pytest.raises(TamperedModelError, match=r"sha256.json is missing"):
        _load_pyfunc(str(tmp_path))
    seal(tmp_path)
    model = _load_pyfunc(str(tmp_path))
    frame = pd.DataFrame(
        planted.dataset.features[:3], columns=list(planted.dataset.names), index=[7, 8, 9]
    )
    assert list(model.predict(frame).index) == [7, 8, 9]


def test_digests_name_the_first_difference(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("2")
    digests = file_digests(tmp_path)
    assert list(digests) == ["a", "b/c"]
    require_digests(tmp_path, digests, "it")
    with pytest.raises(TamperedModelError, match=r"it: b/c was changed since"):
        require_digests(tmp_path, digests | {"b/c": "0"}, "it")
