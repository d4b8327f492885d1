"""The tour runs as it stands, on the sample, and is as short as it says."""

import re
from pathlib import Path

import numpy as np

TOUR = Path(__file__).resolve().parents[1] / "docs" / "tour.md"
MAX_LINES = 60


def blocks():
    return re.findall(r"```python\n(.*?)```", TOUR.read_text(encoding="utf-8"), re.DOTALL)


def test_the_tour_is_short():
    lines = [line for block in blocks() for line in block.splitlines() if line.strip()]
    assert 0 < len(lines) < MAX_LINES


def test_the_tour_goes_from_ticks_to_features(test_data, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TOUR_TICKS", str(test_data / "emini_mlfinpy" / "tick_data.csv.gz"))
    monkeypatch.setenv("ORDERFLOW_HOME", str(tmp_path))
    known = {}
    for block in blocks():
        exec(compile(block, str(TOUR), "exec"), known)  # noqa: S102 - our own page
    # The session of 2013-09-03, as the sample's calendar has it.
    assert len(known["ts"]) == 444_201
    assert len(known["matrix"]) == known["sweep"][-1] + 1
    assert np.isfinite(known["matrix"].values).any(axis=0).mean() > 0.5
    said = capsys.readouterr().out
    assert re.search(r"POC 16\d\d\.\d+ zones \d+", said)
    assert "decisions of 444,201 trades" in said
