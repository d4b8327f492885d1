import math

import pytest

from orchestration.charts.formatting import (
    cell_decimals,
    cell_text,
    decimals_of,
    escape,
    price_text,
    quantity_text,
    rounded,
    score_text,
    signed_text,
)


@pytest.mark.parametrize(
    ("step", "decimals"), [(0.25, 2), (0.1, 1), (1e-05, 5), (5.0, 0), (10.0, 0), (0.00005, 5)]
)
def test_decimals_show_every_multiple_of_the_step(step, decimals):
    assert decimals_of(step) == decimals


def test_prices_have_separators_and_the_tick_decimals():
    assert price_text(1640.25, 2) == "1,640.25"
    assert price_text(-9.0, 2) == "−9.00"
    assert price_text(math.nan, 2) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.0, "1,234,567"), (0.0, "0"), (0.1 + 0.2, "0.3"), (0.0012345, "0.001234"),
     (-1500.4, "−1,500"), (math.nan, "–"), (233.31, "233.3")],
)  # fmt: skip
def test_quantities(value, text):
    assert quantity_text(value) == text


def test_signs():
    assert [signed_text(value) for value in (5, -5, 0)] == ["+5", "−5", "0"]


@pytest.mark.parametrize(
    ("values", "decimals"), [([1, 20, 300], 0), ([0.5, 12.25], 2), ([0.25], 3), ([], 0), ([0], 0)]
)
def test_cells_share_their_decimals(values, decimals):
    assert cell_decimals(values) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1265, 0, "1,265"), (12345, 0, "12.3k"), (250_000, 0, "250k"), (4_500_000, 0, "4.5M"),
     (0, 2, "0"), (0.004, 2, "<0.01"), (1.5, 2, "1.50")],
)  # fmt: skip
def test_cells_are_short_and_never_round_something_to_nothing(value, decimals, text):
    assert cell_text(value, decimals) == text


def test_scores():
    assert [score_text(value) for value in (1.0986123, -0.0005, 0.0, 2e-06, None, 1234.5)] == [
        "1.0986", "−0.0005", "0.0000", "2.00e−06", "–", "1,234.50",
    ]  # fmt: skip


def test_json_numbers_hold_no_nan():
    assert rounded([1.005, math.nan, math.inf], 2) == [1.0, None, None]


def test_escape_covers_attributes():
    assert escape("<a href='x'>\"&") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;"
