import math

import pandas as pd

from orchestration.charts.scores import direction_text, reliability_panels, score_table
from tests.charts.market import score


def test_table_says_everything_in_words_and_numbers():
    table = score_table([score("naive", beats_below="first rung"), score("linear")])
    for text in (
        "direction_200 · log_loss", "lower is better", "1.0500", "[1.0400, 1.0600]", "12,345",
        "1.0986", "first rung", "yes, against naive",
    ):  # fmt: skip
        assert text in table


def test_one_scale_a_group_puts_equal_values_at_equal_places():
    table = score_table([score("a"), score("b", low=1.0), score("c", metric="auc")])
    places = [part.split('"')[0] for part in table.split('<circle cx="')[1:]]
    assert places[0] == places[1]
    assert places[0] != places[2]


def test_missing_numbers_are_dashes_not_zeros():
    table = score_table([score(value=math.nan, low=None, high=None, n=None, base=None)])
    assert table.count("–") >= 4
    assert "nan" not in table.lower()
    assert "<circle" not in table


def test_direction_is_only_claimed_for_known_metrics():
    assert direction_text("Log loss") == "lower is better"
    assert direction_text("AUC up down") == "higher is better"
    assert direction_text("something new") == ""


def test_no_scores_is_a_statement():
    assert "No model was scored" in score_table([])
    assert "No calibration" in reliability_panels(pd.DataFrame())
