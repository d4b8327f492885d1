"""Trainings recorded, models registered, promoted and loaded: MLflow behind few calls."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.judging import Judging, judge
from models.results import WalkForward
from models.tasks import Task
from orchestration.tracking.card_levels import lift_metrics
from orchestration.tracking.card_paths import path_metrics
from orchestration.tracking.database import Database, mlflow_module
from orchestration.tracking.errors import UnknownModelError
from orchestration.tracking.fingerprint import fingerprint
from orchestration.tracking.model_card import CARD_FILE, CardFacts, card_files
from orchestration.tracking.promotion import Decision, Incumbent, decide
from orchestration.tracking.registry import (
    CHAMPION,
    LoadedModel,
    aliases_of,
    describe_versions,
    load_version,
    log_model,
    record_decision,
    register,
    registered_name,
)
from orchestration.tracking.runs import (
    KIND_TAG,
    MANIFEST_FILE,
    OUT_OF_FOLD_FILE,
    TRAINING,
    Origin,
    artifact_file,
    comparison_metrics,
    log_batch,
    log_files,
    log_parent,
)
from orderflow_core.types import Float64

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What became of a training.

    Attributes
    ----------
    name, version, model_version : str, int, str
        Registered model, its new version, and both as ``name/version``.
    run_id : str
        Parent run.
    rung : str
        The candidate that was registered.
    alias_champion : bool
        Whether it became champion.
    reason : str
        Why, or why not.
    n_trials, n_trials_total : int
        Configurations judged in this training, and in all trainings of this model.
    card_path : str
        File of the model card.
    """

    name: str
    version: int
    model_version: str
    run_id: str
    rung: str
    alias_champion: bool
    reason: str
    n_trials: int
    n_trials_total: int
    card_path: str


class Tracking:
    """Runs and models of one home. Open it with `Tracking.open`."""

    def __init__(self, database: Database, lock_timeout_s: float) -> None:
        self._database = database
        self._lock_timeout_s = lock_timeout_s

    @classmethod
    def open(cls, home: Path, *, lock_timeout_s: float = 60) -> "Tracking":
        """Open, or create, the database and artifacts under ``home/mlflow``.

        Raises
        ------
        StoreLockedError
            Another process is still upgrading the schema after ``lock_timeout_s`` seconds.
        """
        database = Database(Path(home).absolute() / "mlflow")
        database.prepare(lock_timeout_s)
        opened = cls(database, lock_timeout_s)
        opened._bind()
        return opened

    @property
    def uri(self) -> str:
        """Absolute sqlite URI: MLflow's tracking, registry and backend store URI."""
        return self._database.uri

    def log_training(
        self,
        found: WalkForward,
        dataset_manifest: Sequence[Mapping[str, Any]],
        *,
        symbol: str,
        code_version: str,
        dagster_run_id: str,
        checks: Mapping[str, bool] | None = None,
        judging: Judging | None = None,
        mid_proxy: str = "",
    ) -> Registered:
        """Record a training, register its candidate, promote it or say why not, write its card.

        Parameters
        ----------
        found : WalkForward
        dataset_manifest : sequence of mapping
            The rows of ``meta.manifest`` that the features and labels were read from.
        symbol, code_version, dagster_run_id : str
        checks : mapping of name to bool, optional
            Leak tests that ran before; one that failed forbids the promotion.
        judging : Judging, optional
            For the card; None: by `judge`, without learning curve and economic value.
        mid_proxy : str
            What stood for the mid in the label, for the card.

        Returns
        -------
        Registered

        Raises
        ------
        StoreLockedError
            Another process is still deciding about a promotion.
        """
        client = self._bind()
        name = registered_name(found.task.name, symbol)
        origin = Origin(
            symbol=symbol,
            code_version=code_version,
            dagster_run_id=dagster_run_id,
            data=fingerprint(found.dataset, dataset_manifest),
        )
        judged = judging or judge(found)
        held = judged.leak_checks | dict(checks or {})
        run_id = log_parent(client, self._experiment(name), found, origin)
        try:
            _log_further(client, run_id, judged)
            version, decision = self._register(client, found, name, run_id, origin, held)
            facts = CardFacts(
                model_version=f"{name}/{version}",
                symbol=symbol,
                code_version=code_version,
                data=origin.data,
                mid_proxy=mid_proxy,
                is_champion=decision.promote,
                reason=decision.reason,
                n_trials_of_model=self.n_trials(name),
                n_trials_of_symbol=self.n_trials_of_symbol(symbol),
                checks=held,
            )
            log_files(client, run_id, card_files(found, judged, facts))
        except BaseException:
            client.set_terminated(run_id, status="FAILED")
            raise
        client.set_terminated(run_id)
        return Registered(
            name=name,
            version=version,
            model_version=facts.model_version,
            run_id=run_id,
            rung=found.candidate,
            alias_champion=decision.promote,
            reason=decision.reason,
            n_trials=found.n_trials,
            n_trials_total=facts.n_trials_of_model,
            card_path=self.card_path(run_id),
        )

    def models(self) -> list[dict[str, Any]]:
        """Return every registered version, oldest first, as plain data for JSON.

        Returns
        -------
        list of dict
            name, task, symbol, version, model_version, aliases, is_newest, rung, promoted, reason,
            run_id, card (file of the model card, or None), created, train_start_ns, train_end_ns, embargo_ns, code_version,
            data_fingerprint, loss, n_trials, labels, blocks, left_out, comparisons, and scores: one
            dict a (rung, metric) with rung, metric, value, low, high, base, n, beats_below.
        """
        return describe_versions(self._bind())

    def load(self, name: str, alias_or_version: str | int = CHAMPION) -> LoadedModel:
        """Load a registered version after checking the SHA-256 of its files.

        Raises
        ------
        UnknownModelError
            No such model, version or alias; for a missing champion the message says why.
        TamperedModelError
            A file is not the one that was registered.
        """
        return load_version(self._bind(), name, alias_or_version)

    def champion(self, name: str) -> LoadedModel | None:
        """Return the champion, or None where the model has none."""
        if CHAMPION not in aliases_of(self._bind(), name):
            return None
        return self.load(name, CHAMPION)

    def read_oof(self, run_id: str) -> pa.Table:
        """Return every rung's out-of-fold predictions of a training.

        Returns
        -------
        pyarrow.Table
            rung, trading_day (days since 1970), t0_ns, t1_ns, decision_id, label, fold,
            train_end_ns, p_down, p_flat, p_up, value, low, high and the task's own columns; rung by
            rung in time order.
        """
        return pq.read_table(artifact_file(self._bind(), run_id, OUT_OF_FOLD_FILE))

    def card_path(self, run_id: str) -> str:
        """Return the file of a training's model card; its pictures lie beside it.

        Raises
        ------
        UnknownModelError
            The training is of a version that wrote no card.
        """
        path = artifact_file(self._bind(), run_id, CARD_FILE)
        if not path.exists():
            raise UnknownModelError(f"run {run_id} has no model card: train again to get one")
        return str(path)

    def data_generations(self) -> set[int]:
        """Return the store's generations that registered versions were trained on."""
        client = self._bind()
        found: set[int] = set()
        for run_id in {model["run_id"] for model in describe_versions(client)}:
            rows = json.loads(artifact_file(client, run_id, MANIFEST_FILE).read_bytes())
            found |= {int(row["generation"]) for row in rows}
        return found

    def run_path(self, run_id: str) -> str:
        """Return where a run's page is under the root of the MLflow UI."""
        experiment = self._bind().get_run(run_id).info.experiment_id
        return f"#/experiments/{experiment}/runs/{run_id}"

    def n_trials(self, name: str) -> int:
        """Return how many configurations were ever judged for a registered name."""
        client = self._bind()
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return 0
        total, token = 0, None
        while True:
            page = client.search_runs(
                [experiment.experiment_id], f"tags.`{KIND_TAG}` = '{TRAINING}'",
                max_results=_PAGE, page_token=token,
            )  # fmt: skip
            total += sum(int(run.data.metrics.get("n_trials", 0)) for run in page)
            token = page.token
            if not token:
                return total

    def n_trials_of_symbol(self, symbol: str) -> int:
        """Return how many configurations were ever judged for any model of a symbol.

        Trainings that registered nothing count too: they were looked at.
        """
        suffix = registered_name("", symbol).rpartition("-")[2]
        experiments = self._bind().search_experiments(max_results=_PAGE)
        names = [e.name for e in experiments if e.name.rpartition("-")[2] == suffix]
        return sum(self.n_trials(name) for name in names)

    # MLflow's functions that log and load models read a global URI: set before each use.
    def _bind(self) -> Any:
        mlflow = mlflow_module()
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(self.uri, self.uri)

    def _experiment(self, name: str) -> str:
        client = self._bind()
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(
            client.create_experiment(name, artifact_location=self._database.artifact_location(name))
        )

    def _log_model(self, found: WalkForward, run_id: str, origin: Origin) -> str:
        mlflow = mlflow_module()
        source = mlflow.data.code_dataset_source.CodeDatasetSource(
            tags={"fingerprint": origin.data.digest, "table": "research.features, research.labels"}
        )
        dataset = mlflow.data.meta_dataset.MetaDataset(
            source, name=f"{found.task.name}-{origin.symbol}", digest=origin.data.digest[:36]
        )
        with mlflow.start_run(run_id=run_id, nested=True):
            mlflow.log_input(dataset, context="training")
        return log_model(found, run_id)

    # Of two trainings at once the second decides against what the first has promoted.
    def _register(
        self,
        client: Any,
        found: WalkForward,
        name: str,
        run_id: str,
        origin: Origin,
        checks: Mapping[str, bool],
    ) -> tuple[int, Decision]:
        model_uri = self._log_model(found, run_id, origin)
        with self._database.locked(self._lock_timeout_s):
            decision = decide(found, self._incumbent(found.task, name), checks)
            version = register(client, name, model_uri, run_id, _version_tags(found, origin))
            record_decision(
                client, name, version, decision, f"Run {run_id}, data {origin.data.digest}"
            )
        _log_decision(client, run_id, version, decision)
        return version, decision

    def _incumbent(self, task: Task, name: str) -> Incumbent | None:
        champion = self.champion(name)
        if champion is None:
            return None
        rows = self.read_oof(champion.run_id)
        rows = rows.filter(pc.equal(rows["rung"].cast(pa.string()), champion.model.rung))
        return Incumbent(
            name=f"version {champion.version}",
            model=champion.model,
            t0_ns=rows["t0_ns"].to_numpy(),
            decision_id=rows["decision_id"].to_numpy(),
            out_of_fold=_prediction(task, rows),
        )


def _prediction(task: Task, rows: pa.Table) -> Float64:
    columns = [rows[name].to_numpy() for name in task.prediction_columns]
    return np.column_stack(columns) if len(columns) > 1 else columns[0]


def _version_tags(found: WalkForward, origin: Origin) -> dict[str, str]:
    model = found.models[found.candidate]
    numbers = {
        "train_start_ns": model.train_start_ns,
        "train_end_ns": model.train_end_ns,
        "embargo_ns": model.embargo_ns,
        "n_train": model.n_train,
        "n_trials": found.n_trials,
    }
    return origin.tags(found.task.name) | {
        "rung": found.candidate,
        **{key: str(value) for key, value in numbers.items()},
    }


def _log_further(client: Any, run_id: str, judged: Judging) -> None:
    if judged.lift is not None:
        log_batch(client, run_id, lift_metrics(judged.lift))
    if judged.paths is not None:
        log_batch(client, run_id, path_metrics(judged.paths))


def _log_decision(client: Any, run_id: str, version: int, decision: Decision) -> None:
    tags = {
        "promoted": str(decision.promote).lower(),
        "reason": decision.reason,
        "model_version": str(version),
    }
    metrics = (
        {} if decision.comparison is None else comparison_metrics("promotion", decision.comparison)
    )
    finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
    log_batch(client, run_id, finite, tags=tags)
