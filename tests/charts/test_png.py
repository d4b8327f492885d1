import io

import pandas as pd
import pytest

from orchestration.charts.png import MAX_BYTES, cvd_png, footprint_png, least_step
from tests.charts import market


def size(png: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return image.size


def test_footprint_is_small_and_the_same_each_time():
    frame = market.footprint(market.bars(n_bars=12))
    png = footprint_png(frame, title="TEST")
    assert len(png) <= MAX_BYTES
    assert min(size(png)) > 250
    assert footprint_png(frame, title="TEST") == png


def test_footprint_of_many_rows_stays_small():
    frame = market.footprint(market.bars(n_days=1, n_bars=8))
    tall = pd.concat([frame.assign(price=frame["price"] + 5 * step) for step in range(40)])
    assert len(footprint_png(tall, row_size=0.25)) <= MAX_BYTES


@pytest.mark.parametrize("n_bars", [1, 40, 900])
def test_cvd_is_small_for_any_length(n_bars):
    frame = market.bars(n_bars=n_bars).drop(columns="trading_day")
    png = cvd_png(frame, timezone="America/Chicago")
    assert len(png) <= MAX_BYTES
    assert min(size(png)) > 150


def test_nothing_to_draw_says_so():
    assert len(footprint_png(pd.DataFrame())) < MAX_BYTES
    assert len(cvd_png(pd.DataFrame())) < MAX_BYTES


def test_row_size_is_the_least_step():
    assert least_step(pd.Series([100.5, 100.0, 100.25, 101.0])) == 0.25
    assert least_step(pd.Series([100.0, 100.0])) == 1.0
