from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest

from models.combinatorial import PathLosses
from models.economics import Economics
from models.judging import judge, leak_checks
from models.levels import touch_lift
from models.tasks import Task
from orchestration.tracking.card_words import label_in_words
from orchestration.tracking.fingerprint import fingerprint
from orchestration.tracking.model_card import CARD_FILE, CardFacts, card_files, card_markdown
from orchestration.tracking.runs import training_metrics
from tests.tracking.conftest import train
from tests.tracking.test_database import PNG


def facts(found, **changes):
    terms = {
        "model_version": "orderflow-direction_10-X/1",
        "symbol": "X",
        "code_version": "7",
        "data": fingerprint(found.dataset, [{"table": "research.features"}]),
        "mid_proxy": "last_trade",
        "is_champion": False,
        "reason": "not promoted: because",
        "n_trials_of_model": 8,
        "n_trials_of_symbol": 31,
        "checks": leak_checks(found),
    }
    return CardFacts(**(terms | changes))


def section(card, title):
    return card.partition(f"## {title}")[2].partition("\n## ")[0]


def test_card_states_what_a_reader_must_know(planted):
    given = facts(planted)
    card = card_markdown(planted, judge(planted), given)
    assert card.startswith("# orderflow-direction_10-X/1")
    assert "sign of the mid's move over the next 10 sweeps" in card
    assert "The mid in this label: last_trade" in card
    assert given.data.digest in section(card, "Data")
    assert "1 trading day from 1970-01-01" in section(card, "Data")
    assert "later than 1 s (the embargo)" in section(card, "Splits")
    assert "4 in this training, 8 in all trainings of this model, 31" in section(card, "Trials")
    assert section(card, "Leak checks").count("- held: ") == 1
    assert "- not checked: whether a feature foretells too much" in section(card, "Leak checks")
    forbidden = section(card, "Must not be used for")
    for words in ("Other symbols", "before costs", "not champion", "saw 1 trading day"):
        assert words in forbidden
    assert "licence of the market data is not known" in card


def test_rows_that_lack_a_window_are_told(planted):
    few = replace(planted, dataset=replace(planted.dataset, n_without_window=1234))
    told = section(card_markdown(few, judge(few), facts(few)), "Data")
    # 2,000 rows have one
    assert "1,234 of 3,234 labelled decisions have no footprint window" in told
    assert few.to_json()["left_out"]["n_without_window"] == 1234
    assert "footprint window" not in card_markdown(planted, judge(planted), facts(planted))


def test_rows_that_were_thinned_are_told(planted):
    thin = replace(planted, dataset=replace(planted.dataset, n_thinned=57_551))
    told = section(card_markdown(thin, judge(thin), facts(thin)), "Data")
    assert "57,551 of 59,551 labelled decisions by the hash of their id" in told
    assert thin.to_json()["left_out"]["n_thinned"] == 57_551
    assert training_metrics(thin)["n_thinned"] == 57_551
    assert "by the hash" not in card_markdown(planted, judge(planted), facts(planted))


def test_every_rung_stands_with_its_interval_and_verdict(planted):
    scores = section(card_markdown(planted, judge(planted), facts(planted)), "Scores")
    for rung in planted.rungs:
        loss = next(s for s in planted.scores[rung] if s.metric == "log_loss")
        assert f"| {rung} | {loss.value:.4g} [{loss.low:.4g}, {loss.high:.4g}] |" in scores
    found = planted.comparison("linear", "naive")
    assert f"[{found.low:.4g}, {found.high:.4g}]" in scores
    assert found.beats
    assert "| linear | naive |" in scores
    assert scores.partition("| linear | naive |")[2].partition("\n")[0].endswith("| yes |")


def test_a_failed_check_and_a_champion_are_told(planted):
    checks = leak_checks(planted) | {"prefix_equal": False}
    card = card_markdown(planted, judge(planted), facts(planted, checks=checks, is_champion=True))
    assert "- **FAILED**: prefix_equal" in card
    assert "not checked" not in section(card, "Leak checks")
    assert "**champion**" in card
    assert "Production: it is not champion" not in card


def test_every_leak_check_fails_of_a_training_that_ended_too_late(planted):
    late = replace(planted, train_end_ns=planted.train_end_ns + planted.embargo_ns + 10**12)
    found = leak_checks(late)
    assert found == {
        "every training outcome was known an embargo before the decisions it was judged on": False
    }
    assert leak_checks(planted) == dict.fromkeys(found, True)


def test_a_leak_that_is_found_forbids_the_promotion(register, planted):
    late = replace(planted, train_end_ns=planted.train_end_ns + 10**12)
    found = register(late)
    assert not found.alias_champion
    assert "failed every training outcome was known an embargo before" in found.reason


def test_economic_value_is_told_with_costs_and_verdict(planted):
    value = Economics(
        rung="linear", min_edge=0.1, min_return_bp=2.0, n_days=1, n_signals=5, n_fills=4,
        n_round_trips=2, gross_pnl=-100.0, crossing_cost=250.0, fees=30.0, net_pnl=-130.0,
        turnover=1e6, net_bp_of_turnover=-1.3, buy_and_hold_net_pnl=5.0, p_shuffled=0.4,
        p_shuffled_before_costs=0.02, sharpe=-0.1, sharpe_low=-0.3, sharpe_high=-0.01,
        p_above_zero=0.01, p_above_best_of_trials=0.001, n_trials=31, earns="no", is_quoted=False,
    )  # fmt: skip
    told = section(
        card_markdown(planted, judge(planted, economics=value), facts(planted)), "Economic value"
    )
    assert "| before costs, at mids | 150.00 |" in told
    assert "| net | -130.00 |" in told
    assert "earns after costs: **no**" in told
    assert "no spread was observed" in told
    none = section(card_markdown(planted, judge(planted), facts(planted)), "Economic value")
    assert "None is claimed" in none


def test_pictures_are_small_pngs_the_same_each_time_and_all_are_shown(planted):
    judging = judge(planted, with_learning_curve=True)
    files = card_files(planted, judging, facts(planted))
    card = files.pop(CARD_FILE).decode()
    assert {Path(name).name for name in files} == {
        "ladder.png", "reliability.png", "stability.png", "learning_curve.png",
    }  # fmt: skip
    for name, content in files.items():
        assert content.startswith(PNG)
        assert len(content) < 80_000
        assert f"]({Path(name).name})" in card
    again = card_files(planted, judging, facts(planted))
    assert again[CARD_FILE].decode() == card
    assert {name: again[name] for name in files} == files


def test_without_a_learning_curve_the_card_says_how_to_get_one(planted):
    files = card_files(planted, judge(planted), facts(planted))
    assert "card/learning_curve.png" not in files
    assert "ORDERFLOW_LEARNING_CURVE=true" in section(files[CARD_FILE].decode(), "Learning curve")


def test_regimes_and_the_range_of_volatility_are_told():
    found = train("return", strength=0.3, n=1500)
    data = found.dataset
    volatility = np.linspace(1, 100, len(data))
    found = replace(
        found,
        dataset=replace(
            data,
            names=("volatility_60s_ticks", *data.names),
            features=np.column_stack([volatility, data.features]),
        ),
    )
    card = card_markdown(found, judge(found), facts(found))
    assert "| volatile | naive |" in section(card, "Stability")
    assert "volatility_60s_ticks lies outside [1.99, 99.01]" in card


def test_the_registered_card_is_the_one_that_the_path_names(tracking, champion):
    path = Path(champion.card_path)
    assert path.name == "model_card.md"
    assert f"# {champion.model_version}" in path.read_text()
    assert "**champion**: promoted: " in path.read_text()
    assert (path.parent / "stability.png").read_bytes().startswith(PNG)
    assert tracking.card_path(champion.run_id) == champion.card_path


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("direction_50t", "over the next 50 trades"),
        ("direction_600s", "over the next 600 seconds"),
        ("barrier_60s", "within 60 seconds"),
        ("move_5s", "costs within 5 seconds"),
        ("return_300s", "the next 300 seconds, in basis points"),
        ("impact_10s", "10 seconds after it"),
        ("markout_1s", "are worth 1 seconds later"),
        ("fill_30s", "is filled within 30 seconds"),
        ("adverse_5s", "5 seconds after its fill"),
        ("slippage", "against the mid at its arrival"),
        ("level_900s", "holds at its next touch within 900 seconds"),
    ],
)
def test_each_task_has_words(task, words):
    assert words in label_in_words(Task(task))


def test_levels_are_told_and_logged_beside_random_ones(tracking, register, planted):
    cells = np.repeat(np.arange(400), 2)
    held = (np.arange(800) % 4 != 0).astype(np.float64)
    random = (np.arange(800) % 2).astype(np.float64)
    lift = touch_lift((cells * 10, held), (cells * 10, random), cell_ns=10)
    judging = judge(planted, lift=lift)
    told = section(card_markdown(planted, judging, facts(planted)), "Lift over random levels")
    assert "| levels | 800 | 0.75 |" in told
    assert "| random | 800 | 0.5 |" in told
    assert "Lift +0.25 [" in told
    assert "often than random ones: **yes**" in told
    assert "Lift over random levels" not in card_markdown(planted, judge(planted), facts(planted))
    run_id = register(planted, judging=judging).run_id
    metrics = mlflow.MlflowClient(tracking.uri).get_run(run_id).data.metrics
    assert metrics["lift_over_random"] == 0.25
    assert metrics["lift_over_random_low"] == lift.lift.low
    assert (metrics["n_touches"], metrics["hold_rate_random"]) == (800, 0.5)


def test_combinatorial_paths_are_told_and_logged_where_they_were_asked_for(
    tracking, register, planted
):
    losses = {"base_rate": np.array([1.0, 1.2]), "linear": np.array([0.5, 0.75])}
    paths = PathLosses(task=planted.task, n_groups=6, n_test_groups=2, n_folds=15, losses=losses)
    judging = judge(planted, paths=paths)
    told = section(card_markdown(planted, judging, facts(planted)), "Combinatorial paths")
    assert "| linear | 0.625 | 0.5 | 0.75 |" in told
    assert "15 folds make 2 paths" in told
    metrics = (
        mlflow.MlflowClient(tracking.uri)
        .get_run(register(planted, judging=judging).run_id)
        .data.metrics
    )
    assert (metrics["linear.paths_mean"], metrics["base_rate.paths_most"]) == (0.625, 1.2)
    bare = card_markdown(planted, judge(planted), facts(planted))
    assert "ORDERFLOW_COMBINATORIAL=true" in section(bare, "Combinatorial paths")
