"""Explained footprints: drawn small, with what is strongest in the colour of its direction."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestration.charts.attribution import ExplainedWindow, attribution_png
from orchestration.charts.png import MAX_BYTES


def window(part=1.0, **changed):
    rng = np.random.default_rng(1)
    buy, sell = rng.integers(0, 40, (2, 100, 20)).astype(float)
    parts = np.zeros((100, 20))
    parts[40:60, 5:15] = part
    columns = {
        "times": pd.date_range("2026-03-14 14:00", periods=100, freq="s", tz="UTC"),
        "prices": 1.36 + 0.0001 * np.arange(20), "buy": buy, "sell": sell, "buy_part": parts,
        "sell_part": np.zeros((100, 20)),
    }  # fmt: skip
    return ExplainedWindow(**(columns | changed))


def colours(png):
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    return (pixels[:, 2] - pixels[:, 0] > 100).mean(), (pixels[:, 0] - pixels[:, 2] > 100).mean()


def test_what_moves_the_score_up_is_blue_and_down_orange():
    up, down = attribution_png(window(1.0), title="T"), attribution_png(window(-1.0), title="T")
    assert max(len(up), len(down)) <= MAX_BYTES
    assert attribution_png(window(1.0), title="T") == up
    assert colours(up)[0] > 0.01 > colours(up)[1]
    assert colours(down)[1] > 0.01 > colours(down)[0]


def test_nothing_that_moves_it_and_nothing_traded_are_drawn_too():
    none = np.zeros((100, 20))
    for drawn in (window(0.0), window(0.0, buy=none, sell=none)):
        assert len(attribution_png(drawn)) <= MAX_BYTES


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"sell must have shape \(100, 20\)"):
        window(sell=np.zeros((99, 20)))
