"""What benchmarks of models call a comparison is the verdict on it, and so do the tables in docs."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.order_models import ladder_lines
from models.train import walk_forward
from models.verdict import verdict
from tests.models.synthetic import SECOND, TASKS, synthetic

DOCS = Path(__file__).parents[1] / "docs"
INTERVAL = re.compile(
    r"[+-]\d+\.\d+ [(\[]([+-]\d+\.\d+)(?: to |, )([+-]\d+\.\d+)[)\]] \| ([a-z ,:]+) \|$"
)


@pytest.mark.parametrize(("page", "n_least"), [("execution_models.md", 45), ("levels.md", 9)])
def test_documented_verdicts_are_those_of_the_documented_intervals(page, n_least):
    lines = (DOCS / page).read_text().splitlines()
    found = [match for line in lines if (match := INTERVAL.search(line))]
    assert len(found) >= n_least
    for match in found:
        low, high = float(match[1]), float(match[2])
        assert match[3] in ("yes", "no", "not shown"), match[0]
        assert match[3] == verdict(low, high, 100), match[0]


def test_a_rung_that_is_not_shown_to_be_worse_is_not_called_so():
    found = walk_forward(
        synthetic("return", n=1200),
        TASKS["return"],
        n_folds=3,
        embargo_ns=SECOND,
        seed=1,
        n_boot=200,
    )
    for low, high, said in ((-0.1, 0.1, "not shown"), (0.1, 0.2, "no"), (-0.2, -0.1, "yes")):
        settled = tuple(
            replace(c, low=low, high=high, n_blocks=50, beats=high < 0) for c in found.comparisons
        )
        lines = ladder_lines(replace(found, comparisons=settled))
        assert len(lines) == len(found.rungs)
        assert all(line.endswith(f"| {said} |") for line in lines), lines
