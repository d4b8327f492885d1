"""Which data a training saw: its manifest rows, and one digest of them and of the rows themselves."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.datasets import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a training was given.

    Attributes
    ----------
    manifest : list of dict
        The published rows of ``meta.manifest`` that were read, as plain data.
    dataset_digest : str
        SHA-256 of features, labels, times and ids as they entered the training.
    digest : str
        SHA-256 of both.
    """

    manifest: list[dict[str, Any]]
    dataset_digest: str
    digest: str


def fingerprint(dataset: Dataset, manifest: Sequence[Mapping[str, Any]]) -> Fingerprint:
    """Return the fingerprint; dates and other values of the manifest are written as text."""
    rows = json.loads(json.dumps([dict(row) for row in manifest], default=str))
    dataset_digest = dataset.digest()
    canonical = json.dumps(rows, sort_keys=True, separators=(",", ":")) + dataset_digest
    return Fingerprint(
        manifest=rows,
        dataset_digest=dataset_digest,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )
