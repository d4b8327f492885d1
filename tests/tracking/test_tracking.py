import json

import numpy as np
import pandas as pd
import pytest

from models.tasks import RUNGS
from orchestration.tracking import tracking as tracking_module
from orchestration.tracking.errors import UnknownModelError
from orchestration.tracking.tracking import Tracking
from tests.tracking.conftest import train


def client(tracking):
    import mlflow

    return mlflow.MlflowClient(tracking.uri, tracking.uri)


def artifacts(tracking, run_id):
    api, folders, files = client(tracking), [""], set()
    while folders:
        for found in api.list_artifacts(run_id, folders.pop()):
            (folders.append if found.is_dir else files.add)(found.path)
    return files


def test_first_champion_beats_the_naive_rung(tracking, register, planted, symbol):
    found = register(planted)
    assert found.alias_champion
    assert found.rung == planted.candidate != "naive"
    assert found.reason.startswith(f"promoted: {found.rung} beats naive: log_loss difference -")
    assert (found.name, found.version) == (f"orderflow-direction_10-{symbol}", 1)
    assert found.model_version == f"{found.name}/1"
    [model] = [m for m in tracking.models() if m["symbol"] == symbol]
    assert model["aliases"] == ["challenger", "champion"]
    assert model["promoted"]
    assert model["is_newest"]
    assert model["reason"] == found.reason


def test_without_a_model_that_beats_naive_there_is_no_champion_and_the_reason_is_kept(
    tracking, register, noise, symbol
):
    found = register(noise)
    assert not found.alias_champion
    [model] = [m for m in tracking.models() if m["symbol"] == symbol]
    assert model["aliases"] == ["challenger"]
    assert "naive" in model["reason"]
    assert model["reason"] == found.reason
    assert tracking.champion(found.name) is None
    with pytest.raises(UnknownModelError, match=r"has no champion: .*naive"):
        tracking.load(found.name)
    registered = client(tracking).get_registered_model(found.name)
    assert registered.description.startswith("champion: none. Version 1: ")
    assert found.reason in client(tracking).get_model_version(found.name, "1").description
    assert tracking.load(found.name, "challenger").version == 1


def test_a_failed_check_forbids_the_promotion(register, planted):
    found = register(planted, checks={"out_of_fold": True, "prefix_equal": False})
    assert not found.alias_champion
    assert found.reason == "not promoted: failed prefix_equal"


def test_the_same_training_again_does_not_replace_the_champion_and_both_load(
    tracking, register, planted, symbol
):
    first, second = register(planted), register(planted)
    assert (first.alias_champion, second.alias_champion) == (True, False)
    assert "does not beat champion version 1" in second.reason
    assert "both trainings predicted out of fold" in second.reason
    one, two = (m for m in tracking.models() if m["symbol"] == symbol)
    assert (one["aliases"], two["aliases"]) == (["champion"], ["challenger"])
    assert (one["is_newest"], two["is_newest"]) == (False, True)
    features = planted.dataset.features
    expected = planted.models[planted.candidate].predict(features)
    for wanted in (1, 2, "1", "champion", "challenger"):
        np.testing.assert_array_equal(
            tracking.load(first.name, wanted).model.predict(features), expected
        )
    assert (second.n_trials, second.n_trials_total) == (4, 8)


def test_a_better_challenger_replaces_the_champion_and_the_old_one_still_loads(
    tracking, register, symbol
):
    # the champion learned while the signal was weak; the later months know it is strong
    weak = train("direction", strength=0.25, n=1500)
    strong = train("direction", strength=0.9, n=4000)
    first, second = register(weak), register(strong)
    assert first.alias_champion
    assert second.alias_champion
    assert "rows after the champion's training" in second.reason
    assert [m["aliases"] for m in tracking.models() if m["symbol"] == symbol] == [
        [],
        ["challenger", "champion"],
    ]
    assert tracking.load(first.name).version == 2
    assert tracking.load(first.name, 1).model.n_train == len(weak.dataset)


def test_runs_hold_scores_with_intervals_params_and_a_child_for_each_fold(
    tracking, champion, planted
):
    found = champion
    api = client(tracking)
    run = api.get_run(found.run_id)
    assert run.info.status == "FINISHED"
    metrics = run.data.metrics
    for rung in ("base_rate", *RUNGS):
        for metric in ("log_loss", "accuracy", "auc_up_down", "brier", "ece"):
            low, value, high = (metrics[f"{rung}.{metric}{end}"] for end in ("_low", "", "_high"))
            assert low <= value <= high
    assert metrics["log_loss"] == metrics[f"{planted.candidate}.log_loss"]
    comparison = planted.comparison("linear", "naive")
    assert metrics["linear_vs_naive.difference"] == comparison.difference
    assert metrics["linear_vs_naive.beats"] == 1
    assert metrics["promotion.difference_high"] < 0
    assert metrics["n_trials"] == 4
    assert metrics["share_down"] + metrics["share_flat"] + metrics["share_up"] == pytest.approx(1)
    params = run.data.params
    assert params["label_overlap_rows"] == "19"
    assert int(params["block_len_rows"]) >= 19
    assert params["lightgbm.num_leaves"] == "15"
    children = api.search_runs(
        [run.info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{found.run_id}'",
        order_by=["attributes.start_time"],
    )
    assert sorted(child.data.params["fold"] for child in children) == ["0", "1", "2", "3"]
    for child in children:
        summary = planted.folds[int(child.data.params["fold"])]
        assert child.data.params["train_end_ns"] == str(summary.train_end_ns)
        assert child.data.metrics["lightgbm.log_loss"] == summary.scores["lightgbm"][0].value
        assert child.info.status == "FINISHED"
        assert api.get_metric_history(child.info.run_id, "naive.ece")[0].step == summary.fold


def test_runs_say_which_data_and_code_they_saw(tracking, champion, planted):
    found = champion
    api = client(tracking)
    run = api.get_run(found.run_id)
    tags = run.data.tags
    expected = {"symbol": "SHARED", "code_version": "7", "dagster_run_id": "dagster-1"}
    assert expected.items() <= tags.items()
    [used] = run.inputs.dataset_inputs
    assert tags["data_fingerprint"].startswith(used.dataset.digest)
    path = api.download_artifacts(found.run_id, "data/manifest.json")
    with open(path) as file:
        assert json.load(file) == [
            {"table": "research.features", "trading_day": "2013-09-03", "hash": "ff"}
        ]
    assert {
        "scores.json",
        "scores.csv",
        "comparisons.csv",
        "card/model_card.md",
        "card/ladder.png",
        "card/reliability.png",
        "card/stability.png",
        "data/dataset.json",
    } <= artifacts(tracking, found.run_id)
    version = api.get_model_version(found.name, str(found.version))
    assert version.tags["data_fingerprint"] == tags["data_fingerprint"]
    assert version.tags["train_end_ns"] == str(planted.dataset.t1_ns.max())


def test_out_of_fold_predictions_come_back_as_they_were(
    tracking, champion, register, planted, planted_return
):
    for found, registered in ((planted, champion), (planted_return, register(planted_return))):
        table = tracking.read_oof(registered.run_id)
        expected = found.prediction_table()
        assert table.column_names == list(expected)
        assert table["rung"].to_pylist() == expected.pop("rung").tolist()
        for name, values in expected.items():
            np.testing.assert_array_equal(table[name].to_numpy(), values)
        assert (table["train_end_ns"].to_numpy() < table["t0_ns"].to_numpy()).all()


def test_models_are_plain_json_with_base_interval_and_verdict(tracking, champion, planted):
    symbol = "SHARED"
    [model] = [
        m
        for m in json.loads(json.dumps(tracking.models(), allow_nan=False))
        if m["symbol"] == symbol
    ]
    rows = {(row["rung"], row["metric"]): row for row in model["scores"]}
    verdict = rows["linear", "log_loss"]["beats_below"]
    assert verdict.startswith("yes, against naive: -")
    assert rows["lightgbm", "log_loss"]["beats_below"].partition(",")[0] in (
        "yes",
        "no",
        "not shown",
    )
    assert "against linear" in rows["lightgbm", "log_loss"]["beats_below"]
    assert rows["linear", "brier"]["beats_below"] == ""
    assert rows["linear", "log_loss"]["base"] == rows["base_rate", "log_loss"]["value"]
    assert rows["linear", "log_loss"]["n"] == len(planted.row_idx)
    assert model["n_trials"] == 4
    assert model["blocks"]["label_overlap"] == 19


def test_mlflow_itself_loads_the_model_and_checks_its_columns(
    tracking, champion, register, planted, planted_return
):
    import mlflow
    from mlflow.exceptions import MlflowException

    for found, registered in ((planted, champion), (planted_return, register(planted_return))):
        loaded = mlflow.pyfunc.load_model(f"models:/{registered.name}@challenger")
        data = found.dataset
        frame = pd.DataFrame(data.features[:50], columns=list(data.names))
        expected = tracking.load(registered.name, "challenger").model.predict(data.features[:50])
        result = loaded.predict(frame[list(reversed(data.names))])
        names = list(found.task.prediction_columns)
        assert list(result.columns) == [*names, "low", "high"]
        np.testing.assert_array_equal(result[names].to_numpy().squeeze(), expected)
        with pytest.raises(MlflowException, match=r"missing inputs \['signal'\]"):
            loaded.predict(frame.drop(columns="signal"))
        with pytest.raises(
            MlflowException, match=r"missing inputs \['signal'\].*extra inputs: \['Signal'\]"
        ):
            loaded.predict(frame.rename(columns={"signal": "Signal"}))
        with pytest.raises(MlflowException, match="Incompatible input types"):
            loaded.predict(frame.assign(signal="high"))


def test_a_training_that_cannot_be_registered_is_marked_failed(
    tracking, register, planted, symbol, monkeypatch
):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(tracking_module, "log_model", broken)
    with pytest.raises(OSError, match="disk full"):
        register(planted)
    api = client(tracking)
    experiment = api.get_experiment_by_name(f"orderflow-direction_10-{symbol}")
    runs = api.search_runs([experiment.experiment_id], "tags.`orderflow.kind` = 'training'")
    assert [run.info.status for run in runs] == ["FAILED"]
    assert [m for m in tracking.models() if m["symbol"] == symbol] == []
    # its trials were looked at all the same
    assert tracking.n_trials(experiment.name) == 4
    assert tracking.n_trials_of_symbol(symbol) == 4
    assert tracking.n_trials_of_symbol("none") == 0


def test_unknown_names_and_versions_are_named(tracking, champion):
    with pytest.raises(UnknownModelError, match="no model is registered as 'orderflow-none'"):
        tracking.load("orderflow-none")
    with pytest.raises(UnknownModelError, match="has no version 9, only 1"):
        tracking.load(champion.name, 9)
    assert tracking.n_trials("orderflow-none") == 0


def test_opening_again_finds_everything(home, tracking, champion):
    found = champion
    again = Tracking.open(home)
    assert again.uri == tracking.uri == f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    assert again.load(found.name).version == 1
    location = client(again).get_experiment_by_name(found.name).artifact_location
    assert location == (home / "mlflow" / "artifacts" / found.name).as_uri()
