"""A model as files that hold data only: ``model.json``, for trees LightGBM's text, for a network safetensors.

Numbers are written so that they read back to the same bits.
"""

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.footprint_windows import WindowTerms
from models.interval import load_interval
from models.ladder import Model
from models.predictors import find_rung
from models.tasks import Task

FORMAT = 1
MODEL_FILE = "model.json"
_AS_BYTES = ".base64"  # a text of this name stands for bytes, which the file holds as they are


def save_model(model: Model, folder: Path) -> list[Path]:
    """Write the model's files into an existing folder and return their paths."""
    texts = model.predictor.texts()
    header: dict[str, Any] = {
        "format": FORMAT,
        "task": model.task.name,
        "rung": model.rung,
        "names": list(model.names),
        "train_start_ns": model.train_start_ns,
        "train_end_ns": model.train_end_ns,
        "embargo_ns": model.embargo_ns,
        "n_train": model.n_train,
        "seed": model.seed,
        "n_configurations": model.n_configurations,
        "tuned": model.tuned,
        "texts": sorted(texts),
        "fitted": model.predictor.to_json(),
        "interval": None if model.interval is None else model.interval.to_json(),
        "windows": None if model.windows is None else asdict(model.windows),
    }
    contents = {MODEL_FILE: json.dumps(header, indent=1, allow_nan=False), **texts}
    paths = []
    for name, content in contents.items():
        path = folder / name.removesuffix(_AS_BYTES)
        is_bytes = name.endswith(_AS_BYTES)
        path.write_bytes(base64.b64decode(content) if is_bytes else content.encode())
        paths.append(path)
    return paths


def load_model(folder: Path) -> Model:
    """Read a model that `save_model` wrote. Nothing in the files is executed.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        The format or the kind of model is unknown.
    """
    header = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    if header.get("format") != FORMAT:
        raise ValueError(
            f"{folder / MODEL_FILE}: format must be {FORMAT}, got {header.get('format')!r}"
        )
    task = Task(header["task"])
    rung = find_rung(task, header["rung"])
    texts = {name: _read_beside(folder, name) for name in header["texts"]}
    predictor = rung.load(header["fitted"], texts)
    return Model(
        task=task,
        rung=header["rung"],
        names=tuple(header["names"]),
        predictor=predictor,
        interval=load_interval(header["interval"]) if header.get("interval") else None,
        train_start_ns=int(header["train_start_ns"]),
        train_end_ns=int(header["train_end_ns"]),
        embargo_ns=int(header["embargo_ns"]),
        n_train=int(header["n_train"]),
        seed=int(header["seed"]),
        n_configurations=int(header.get("n_configurations", predictor.n_configurations)),
        tuned=dict(header.get("tuned", {})),
        windows=WindowTerms(**header["windows"]) if header.get("windows") else None,
    )


def _read_beside(folder: Path, name: str) -> str:
    if Path(name).name != name:
        raise ValueError(f"{folder / MODEL_FILE}: file {name!r} must lie beside it")
    data = (folder / name.removesuffix(_AS_BYTES)).read_bytes()
    return (base64.b64encode(data) if name.endswith(_AS_BYTES) else data).decode("utf-8")
