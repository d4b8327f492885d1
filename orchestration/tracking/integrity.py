"""SHA-256 of a model's files: written when it is registered, checked before it is loaded."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from orchestration.tracking.errors import TamperedModelError

DIGESTS_FILE = "sha256.json"
# Written by MLflow into the folder when somebody loads the model: not part of the model.
_WRITTEN_LATER = frozenset({"registered_model_meta"})


def file_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under ``folder`` by its relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.name not in _WRITTEN_LATER
    }


def require_digests(folder: Path, expected: Mapping[str, str], what: str) -> None:
    """Demand exactly the expected files with the expected contents.

    Raises
    ------
    TamperedModelError
        A file is missing, new or changed; the message names it.
    """
    found = file_digests(folder)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) == expected.get(name):
            continue
        state = (
            "is missing"
            if name not in found
            else "is new"
            if name not in expected
            else "was changed"
        )
        raise TamperedModelError(
            f"{what}: {name} {state} since the model was registered; not loaded"
        )


def seal(folder: Path) -> None:
    """Write the digests of a folder's files beside them.

    This finds damage when MLflow itself loads the folder. Whoever can change the folder can change
    this file too: `Tracking.load` checks against the registry's own record instead.
    """
    (folder / DIGESTS_FILE).write_text(json.dumps(file_digests(folder), indent=1), encoding="utf-8")


def require_seal(folder: Path) -> None:
    """Demand that the files are those that `seal` saw.

    Raises
    ------
    TamperedModelError
        They are not, or there is no seal.
    """
    path = folder / DIGESTS_FILE
    if not path.exists():
        raise TamperedModelError(f"{folder}: {DIGESTS_FILE} is missing; not loaded")
    expected = json.loads(path.read_text(encoding="utf-8"))
    own = {DIGESTS_FILE: hashlib.sha256(path.read_bytes()).hexdigest()}
    require_digests(folder, expected | own, str(folder))
