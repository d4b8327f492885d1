"""How many rows must have a footprint window before all rungs are judged on those alone."""

from dataclasses import replace

import pytest

from orchestration.config import Settings
from orchestration.defs.training import assets
from tests.models.synthetic import synthetic


@pytest.mark.parametrize(
    ("n_rows", "n_with", "is_taken"),
    [
        (2000, 1000, True),
        (2000, 999, False),  # the fewer part would decide for all
        (600, 500, True),
        (600, 499, False),  # too few to judge by
    ],
)
def test_rungs_are_judged_on_rows_with_windows_where_those_are_most(
    monkeypatch, n_rows, n_with, is_taken
):
    rows = synthetic("return", n=n_rows)

    def first(dataset, *_, **__):
        return replace(dataset.take(slice(n_with)), n_without_window=n_rows - n_with)

    monkeypatch.setattr(assets, "with_windows", first)
    found = assets._windowed(rows, None, "BTCUSDT", Settings(), 0)
    expected = (n_with, n_rows - n_with) if is_taken else (n_rows, 0)
    assert (len(found), found.n_without_window) == expected
