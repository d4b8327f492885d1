"""One training as MLflow runs: a parent for the walk-forward, a child for each fold."""

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.evaluate import Comparison, Score
from models.ladder import rung_settings
from models.results import FoldScores, WalkForward, plain
from orchestration.tracking.fingerprint import Fingerprint

KIND_TAG = "orderflow.kind"
TRAINING, FOLD = "training", "fold"
OUT_OF_FOLD_FILE = "oof/predictions.parquet"
MANIFEST_FILE = "data/manifest.json"
SCORES_FILE = "scores.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a training comes from; becomes tags of its runs and of the model version."""

    symbol: str
    code_version: str
    dagster_run_id: str
    data: Fingerprint

    def tags(self, task: str) -> dict[str, str]:
        """Return the tags."""
        return {
            "task": task,
            "symbol": self.symbol,
            "code_version": self.code_version,
            "dagster_run_id": self.dagster_run_id,
            "data_fingerprint": self.data.digest,
        }


def log_parent(client: Any, experiment_id: str, found: WalkForward, origin: Origin) -> str:
    """Create the parent run with params, metrics and artifacts; it stays open. Return its id."""
    tags = origin.tags(found.task.name) | {KIND_TAG: TRAINING, "candidate": found.candidate}
    run = client.create_run(experiment_id, tags=tags, run_name=f"{found.task.name} {origin.symbol}")
    run_id: str = run.info.run_id
    try:
        log_batch(client, run_id, training_metrics(found), params=training_params(found))
        with TemporaryDirectory() as folder:
            _write_artifacts(Path(folder), found, origin)
            client.log_artifacts(run_id, folder)
        for fold in found.folds:
            _log_fold(client, experiment_id, run_id, fold, origin.tags(found.task.name))
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    return run_id


def training_params(found: WalkForward) -> dict[str, str]:
    """Return what the training was run with: its terms and each rung's settings."""
    terms = {
        "task": found.task.name,
        "n_folds": found.n_folds,
        "embargo_ns": found.embargo_ns,
        "seed": found.seed,
        "n_rows": len(found.dataset),
        "n_features": len(found.dataset.names),
        "n_boot": found.blocks.n_boot,
        "label_overlap_rows": found.blocks.label_overlap,
        "block_len_rows": found.blocks.block_len,
    }
    settings = {
        f"{rung}.{key}": value
        for rung in found.rungs
        for key, value in rung_settings(found.task, rung, found.config).items()
    }
    return {key: str(value) for key, value in (terms | settings).items()}


def training_metrics(found: WalkForward) -> dict[str, float]:
    """Return pooled scores and comparisons, NaN left out.

    ``<rung>.<metric>`` with ``_low``, ``_high``; the candidate's also as plain ``<metric>``;
    ``<upper>_vs_<below>.difference`` with ``_low``, ``_high``, ``.p_value``, ``.beats`` (0 or 1),
    ``.miscalibration_difference`` with ``_low``, ``_high``, ``.calibration_no_worse``; label shares;
    ``n_trials``, ``n_oof_rows``, ``n_blocks``, ``n_null_labels``, ``n_unlabelled``, ``n_thinned``.
    """
    metrics: dict[str, float] = dict(found.label_shares())
    for rung, scores in found.scores.items():
        metrics |= _score_metrics(f"{rung}.", scores)
    metrics |= _score_metrics("", found.scores[found.candidate])
    for comparison in found.comparisons:
        metrics |= comparison_metrics(f"{comparison.upper}_vs_{comparison.below}", comparison)
    metrics |= {
        "n_trials": found.n_trials,
        "n_oof_rows": len(found.row_idx),
        "n_blocks": found.blocks.n_blocks,
        "n_null_labels": found.dataset.n_null_labels,
        "n_unlabelled": found.dataset.n_unlabelled,
        "n_thinned": found.dataset.n_thinned,
    }
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def _score_metrics(prefix: str, scores: tuple[Score, ...]) -> dict[str, float]:
    metrics = {}
    for found in scores:
        metrics[f"{prefix}{found.metric}"] = found.value
        metrics[f"{prefix}{found.metric}_low"] = found.low
        metrics[f"{prefix}{found.metric}_high"] = found.high
    return metrics


def comparison_metrics(name: str, found: Comparison) -> dict[str, float]:
    """Return one comparison as metrics."""
    return {
        f"{name}.difference": found.difference,
        f"{name}.difference_low": found.low,
        f"{name}.difference_high": found.high,
        f"{name}.p_value": found.p_value,
        f"{name}.beats": float(found.beats),
        f"{name}.miscalibration_difference": found.miscalibration_difference,
        f"{name}.miscalibration_difference_low": found.miscalibration_low,
        f"{name}.miscalibration_difference_high": found.miscalibration_high,
        f"{name}.calibration_no_worse": float(found.calibration_no_worse),
    }


def _log_fold(
    client: Any, experiment_id: str, parent_id: str, fold: FoldScores, tags: Mapping[str, str]
) -> None:
    own = {KIND_TAG: FOLD, "mlflow.parentRunId": parent_id}
    run = client.create_run(experiment_id, tags=dict(tags) | own, run_name=f"fold {fold.fold}")
    metrics: dict[str, float] = {"n_train": fold.n_train, "n_test": fold.n_test}
    for rung, scores in fold.scores.items():
        metrics |= _score_metrics(f"{rung}.", scores)
    for rung, settings in fold.settings.items():
        metrics |= {f"{rung}.{key}": value for key, value in settings.items()}
    params = {
        "fold": fold.fold,
        "train_end_ns": fold.train_end_ns,
        "test_start_ns": fold.test_start_ns,
        "test_end_ns": fold.test_end_ns,
    }
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    log_batch(
        client,
        run.info.run_id,
        finite,
        step=fold.fold,
        params={k: str(v) for k, v in params.items()},
    )
    client.set_terminated(run.info.run_id)


def log_batch(
    client: Any,
    run_id: str,
    metrics: Mapping[str, float],
    *,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    step: int = 0,
) -> None:
    """Write metrics, params and tags of a run in one transaction."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, step) for name, value in metrics.items()],
        params=[Param(name, value) for name, value in (params or {}).items()],
        tags=[RunTag(name, value) for name, value in (tags or {}).items()],
    )


def artifact_file(client: Any, run_id: str, name: str) -> Path:
    """Return where an artifact of a run lies: artifacts are files under the home."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(client.get_run(run_id).info.artifact_uri)) / name


def log_files(client: Any, run_id: str, contents: Mapping[str, bytes]) -> None:
    """Log files by their path in the run's artifacts."""
    with TemporaryDirectory() as folder:
        _write(Path(folder), contents)
        client.log_artifacts(run_id, folder)


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _write_artifacts(folder: Path, found: WalkForward, origin: Origin) -> None:
    result = found.to_json()
    contents: dict[str, bytes] = {
        SCORES_FILE: _json(result),
        "scores.csv": _csv(result["scores"]),
        "comparisons.csv": _csv(plain([asdict(c) for c in found.comparisons])),
        MANIFEST_FILE: _json(origin.data.manifest),
        "data/dataset.json": _json(
            {
                "digest": origin.data.digest,
                "dataset_digest": origin.data.dataset_digest,
                "n_rows": len(found.dataset),
                "features": list(found.dataset.names),
                "left_out": result["left_out"],
            }
        ),
    }
    _write(folder, contents)
    (folder / OUT_OF_FOLD_FILE).parent.mkdir()
    pq.write_table(out_of_fold_table(found), folder / OUT_OF_FOLD_FILE, compression="zstd")


def out_of_fold_table(found: WalkForward) -> pa.Table:
    """Return every rung's out-of-fold predictions; `WalkForward.prediction_table` names the columns."""
    columns = found.prediction_table()
    rung = pa.array(columns.pop("rung"), pa.string()).dictionary_encode()
    return pa.table({"rung": rung} | columns)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()
