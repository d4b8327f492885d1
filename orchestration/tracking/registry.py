"""Registered models: versions that hold data only, their aliases, and how they are read back."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from models.artifact import load_model, save_model
from models.bootstrap import MIN_BLOCKS
from models.ladder import Model
from models.results import WalkForward
from models.verdict import verdict
from orchestration.tracking.database import mlflow_module
from orchestration.tracking.errors import UnknownModelError
from orchestration.tracking.integrity import file_digests, require_digests, require_seal, seal
from orchestration.tracking.loader import output_columns
from orchestration.tracking.model_card import CARD_FILE
from orchestration.tracking.promotion import Decision
from orchestration.tracking.runs import SCORES_FILE, artifact_file
from orchestration.tracking.window_input import SHAPES, window_input

CHAMPION, CHALLENGER = "champion", "challenger"
NAME_PREFIX = "orderflow-"
MODEL_FOLDER = "model"
_LOADER = "orchestration.tracking.loader"
_DIGEST_TAG = "sha256"
_EXAMPLE_ROWS = 5


def registered_name(task: str, symbol: str) -> str:
    """Return the registered model's name of a task and symbol."""
    return f"{NAME_PREFIX}{task}-{symbol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A verified model and which version it is; predict with ``model``."""

    model: Model
    name: str
    version: int
    run_id: str

    @property
    def model_version(self) -> str:
        """Name of the version in ``research.predictions``."""
        return f"{self.name}/{self.version}"


def log_model(found: WalkForward, run_id: str) -> str:
    """Log the candidate as a data-only pyfunc of the run and return its URI.

    MLflow reloads it and predicts the example, so that a model that cannot be loaded is not logged.
    """
    mlflow = mlflow_module()
    model = found.models[found.candidate]
    with TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id, nested=True):
        data = Path(folder) / MODEL_FOLDER
        data.mkdir()
        save_model(model, data)
        seal(data)
        info = mlflow.pyfunc.log_model(
            name=MODEL_FOLDER,
            loader_module=_LOADER,
            data_path=str(data),
            pip_requirements=_requirements(model),
            signature=_signature(model),
            input_example=_example(found, model),
        )
    return str(info.model_uri)


# Explicit: guessing them takes MLflow seconds and imports the world.
def _requirements(model: Model) -> list[str]:
    own = ("torch", "safetensors") if model.reads_windows else ("lightgbm", "scikit-learn")
    return [f"{name}=={installed_version(name)}" for name in ("orderflow", "numpy", "pandas", *own)]


def _signature(model: Model) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    outputs = output_columns(model)
    inputs = (
        [TensorSpec(np.dtype(np.float32), shape, name) for name, shape in SHAPES.items()]
        if model.reads_windows
        else [ColSpec("double", name) for name in model.names]
    )
    return ModelSignature(
        inputs=Schema(inputs),
        outputs=Schema([ColSpec("double", name) for name in outputs]),
    )


def _example(found: WalkForward, model: Model) -> pd.DataFrame | dict[str, np.ndarray]:
    if model.reads_windows and found.dataset.windows is not None:
        return window_input(found.dataset.windows.take(slice(-1, None)))
    rows = found.dataset.features[-_EXAMPLE_ROWS:]
    # all columns float64, and NaN may be among them: that is what the model takes
    return pd.DataFrame(np.array(rows), columns=list(found.dataset.names))


def register(client: Any, name: str, model_uri: str, run_id: str, tags: Mapping[str, str]) -> int:
    """Create the next version with the digests of its files, and return its number."""
    if name not in {model.name for model in client.search_registered_models(f"name = '{name}'")}:
        client.create_registered_model(name)
    created = client.create_model_version(
        name,
        source=model_uri,
        run_id=run_id,
        model_id=model_uri.rpartition("/")[2],
        tags=dict(tags),
    )
    with _copied(client, name, created.version) as folder:
        digests = json.dumps(file_digests(folder), separators=(",", ":"))
    client.set_model_version_tag(name, created.version, _DIGEST_TAG, digests)
    return int(created.version)


def record_decision(client: Any, name: str, version: int, decision: Decision, origin: str) -> None:
    """Move the aliases and write down why."""
    client.set_registered_model_alias(name, CHALLENGER, str(version))
    if decision.promote:
        client.set_registered_model_alias(name, CHAMPION, str(version))
    champion = aliases_of(client, name).get(CHAMPION)
    standing = f"champion: version {champion}" if champion else "champion: none"
    client.set_model_version_tag(name, str(version), "promoted", str(decision.promote).lower())
    client.set_model_version_tag(name, str(version), "reason", decision.reason)
    client.update_model_version(name, str(version), description=f"{decision.reason}\n\n{origin}")
    client.update_registered_model(name, f"{standing}. Version {version}: {decision.reason}")


def aliases_of(client: Any, name: str) -> dict[str, int]:
    """Return the version that each alias of a model names."""
    found = client.search_registered_models(f"name = '{name}'")
    return {alias: int(version) for model in found for alias, version in model.aliases.items()}


def load_version(client: Any, name: str, alias_or_version: str | int) -> LoadedModel:
    """Load a version whose files are exactly those that were registered.

    Raises
    ------
    UnknownModelError
        There is no such model, version or alias.
    TamperedModelError
        A file differs from its recorded SHA-256.
    """
    found = _find(client, name, str(alias_or_version))
    with _copied(client, name, found.version) as folder:
        what = f"{name} version {found.version}"
        require_digests(folder, json.loads(found.tags[_DIGEST_TAG]), what)
        data = folder / "data" / MODEL_FOLDER
        require_seal(data)
        model = load_model(data)
    return LoadedModel(model=model, name=name, version=int(found.version), run_id=found.run_id)


def _find(client: Any, name: str, alias_or_version: str) -> Any:
    versions = {str(v.version): v for v in client.search_model_versions(f"name = '{name}'")}
    if not versions:
        raise UnknownModelError(f"no model is registered as {name!r}")
    number = alias_or_version
    if not number.isdecimal():
        aliases = aliases_of(client, name)
        if number not in aliases:
            newest = versions[max(versions, key=int)]
            why = newest.tags.get("reason", "no decision is recorded")
            raise UnknownModelError(f"{name} has no {number}: {why}")
        number = str(aliases[number])
    if number not in versions:
        raise UnknownModelError(
            f"{name} has no version {number}, only {', '.join(sorted(versions, key=int))}"
        )
    return versions[number]


class _copied:  # noqa: N801  a context manager, used like a function
    """A private copy of a version's files: what was checked is what is loaded."""

    def __init__(self, client: Any, name: str, version: str | int) -> None:
        self._uri = client.get_model_version_download_uri(name, str(version))
        self._folder = TemporaryDirectory()

    def __enter__(self) -> Path:
        local = mlflow_module().artifacts.download_artifacts(artifact_uri=self._uri)
        return Path(shutil.copytree(local, Path(self._folder.name) / "version"))

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


def describe_versions(client: Any) -> list[dict[str, Any]]:
    """Return every version of every model as plain data; see `Tracking.models`."""
    described = []
    for model in client.search_registered_models(f"name LIKE '{NAME_PREFIX}%'"):
        versions = client.search_model_versions(f"name = '{model.name}'")
        newest = max((int(v.version) for v in versions), default=0)
        for found in sorted(versions, key=lambda v: int(v.version)):
            aliases = sorted(a for a, v in model.aliases.items() if int(v) == int(found.version))
            described.append(
                _describe(client, found, aliases) | {"is_newest": int(found.version) == newest}
            )
    return described


def _describe(client: Any, found: Any, aliases: list[str]) -> dict[str, Any]:
    scores = json.loads(artifact_file(client, found.run_id, SCORES_FILE).read_text())
    card = artifact_file(client, found.run_id, CARD_FILE)
    created = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    tags = found.tags
    return {
        "name": found.name,
        "task": tags["task"],
        "symbol": tags["symbol"],
        "version": int(found.version),
        "model_version": f"{found.name}/{found.version}",
        "aliases": aliases,
        "rung": tags["rung"],
        "promoted": tags.get("promoted") == "true",
        "reason": tags.get("reason", ""),
        "run_id": found.run_id,
        "card": str(card) if card.exists() else None,
        "created": created.isoformat(timespec="seconds"),
        "train_start_ns": int(tags["train_start_ns"]),
        "train_end_ns": int(tags["train_end_ns"]),
        "embargo_ns": int(tags["embargo_ns"]),
        "code_version": tags["code_version"],
        "data_fingerprint": tags["data_fingerprint"],
        **{
            key: scores[key]
            for key in ("loss", "n_trials", "labels", "blocks", "left_out", "comparisons")
        },
        "scores": with_verdicts(scores["scores"], scores["comparisons"], scores["loss"]),
    }


def with_verdicts(
    scores: list[dict[str, Any]], comparisons: list[dict[str, Any]], loss: str
) -> list[dict[str, Any]]:
    """Return score rows with ``beats_below``: the verdict, on the row of the deciding loss."""
    verdict: dict[str, str] = {}
    for found in comparisons:
        # the first comparison of a rung is the one with the rung below
        verdict.setdefault(found["upper"], _verdict(found))
    return [
        {**row, "beats_below": verdict.get(row["rung"], "") if row["metric"] == loss else ""}
        for row in scores
    ]


def _verdict(found: dict[str, Any]) -> str:
    word = verdict(found["low"], found["high"], found["n_blocks"])
    against = f"{word}, against {found['below']}"
    if any(found[key] is None for key in ("difference", "low", "high")):
        return f"{against}: too few rows or outcomes"
    said = f"{against}: {found['difference']:.3g} [{found['low']:.3g}, {found['high']:.3g}], p = {found['p_value']:.2g}"
    few = f", only {found['n_blocks']} independent blocks"
    return said + few if found["n_blocks"] < MIN_BLOCKS else said
