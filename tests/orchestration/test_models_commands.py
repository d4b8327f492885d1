"""`orchestration.ladder_rows` and what `orderflow models` prints of it."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestration import runtime
from orchestration.cli import app
from orchestration.instruments import UnknownSymbol
from orchestration.ladder_rows import ladder_rows, shown_versions
from orchestration.terminal import ladder_table

BLOCKS = 40


def comparison(upper, below, low, high, n_blocks=BLOCKS):
    middle = None if low is None else (low + high) / 2
    return {
        "upper": upper, "below": below, "difference": middle, "low": low, "high": high,
        "p_value": 0.01, "n_blocks": n_blocks,
    }  # fmt: skip


def described(version=1, symbol="ES", *, is_newest=True, aliases=(), **changes):
    scores = [
        {"rung": rung, "metric": metric, "value": value, "low": value - 0.01, "high": value + 0.01,
         "base": 1.1, "n": 1234}
        for rung, value in (("base_rate", 1.1), ("naive", 1.0), ("linear", 0.9), ("lightgbm", 0.95))
        for metric in ("log_loss", "accuracy")
    ]  # fmt: skip
    return {
        "symbol": symbol,
        "task": "direction_200",
        "version": version,
        "aliases": list(aliases),
        "is_newest": is_newest,
        "rung": "linear",
        "loss": "log_loss",
        "card": f"/cards/{symbol}/{version}/model_card.md",
        "scores": scores,
        "comparisons": [
            comparison("naive", "base_rate", -0.2, -0.05),
            comparison("linear", "naive", -0.2, -0.05, n_blocks=4),
            comparison("lightgbm", "linear", 0.02, 0.08),
            comparison("lightgbm", "naive", -0.1, -0.01),
        ],
    } | changes


def test_one_row_a_rung_with_the_verdict_on_the_rung_below():
    rows = ladder_rows([described()])
    assert [(row["rung"], row["below"], row["beats_below"]) for row in rows] == [
        ("naive", "base_rate", "yes"),
        ("linear", "naive", "not shown"),  # too few blocks, whatever the interval
        ("lightgbm", "linear", "no"),
    ]
    assert {row["metric"] for row in rows} == {"log_loss"}
    assert [row["is_registered"] for row in rows] == [False, True, False]
    assert rows[2]["difference"] == pytest.approx(0.05)


def test_a_comparison_that_was_not_possible_is_not_shown():
    rows = ladder_rows([described(comparisons=[comparison("naive", "base_rate", None, None)])])
    assert [row["beats_below"] for row in rows] == ["not shown", "", ""]
    assert rows[1]["below"] is None


def test_the_newest_version_and_an_older_champion_are_shown():
    models = [
        described(1, is_newest=False, aliases=["champion"]),
        described(2, is_newest=False),
        described(3, aliases=["challenger"]),
    ]
    assert [model["version"] for model in shown_versions(models)] == [1, 3]


def test_the_table_tells_score_interval_and_verdict():
    console = Console(width=200, record=True)
    console.print(ladder_table(ladder_rows([described(aliases=["champion"])])))
    text = console.export_text()
    assert "linear* champion" in text
    assert "log_loss 0.9000 [0.8900, 0.9100]" in text
    assert "not shown (naive)" in text
    assert "+0.05 [0.02, 0.08]" in text
    console.print(ladder_table([]))
    assert "no model is registered" in console.export_text()


class Registry:
    """What of `Tracking` the command uses."""

    def __init__(self, models):
        self.found = models

    def models(self):
        return self.found


@pytest.fixture
def run(monkeypatch):
    def invoke(models, *arguments):
        monkeypatch.setattr(runtime, "open_tracking", lambda: Registry(models))
        return CliRunner().invoke(app, ["models", *arguments])

    return invoke


def test_json_has_the_ladder_beside_the_models(run):
    found = json.loads(
        run([described(), described(symbol="NQ")], "--symbol", "ES", "--json").stdout
    )
    assert [model["symbol"] for model in found["models"]] == ["ES"]
    assert len(found["ladder"]) == 3


def test_a_symbol_is_an_instruments_or_a_models(run):
    assert isinstance(run([described()], "--symbol", "NOPE").exception, UnknownSymbol)
    none = run([described()], "--symbol", "AAPL")
    assert (none.exit_code, "no model is registered" in none.stdout) == (0, True)
    gone = run([described(symbol="GONE")], "--symbol", "GONE", "--json")
    assert [model["symbol"] for model in json.loads(gone.stdout)["models"]] == ["GONE"]


def test_card_prints_one_path_a_line(run):
    result = run(
        [described(), described(symbol="NQ"), described(symbol="OLD", card=None)], "--card"
    )
    assert result.stdout.splitlines() == [
        "/cards/ES/1/model_card.md",
        "/cards/NQ/1/model_card.md",
    ]
    assert run([described(card=None)], "--card").exit_code == 1
