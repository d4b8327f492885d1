import numpy as np

from orchestration.charts.equity import drawdown, equity_chart, thin_rows
from tests.charts import market


def test_drawdown_counts_the_start_as_a_peak():
    # peaks so far with the start at 0: 0, 0, 3, 3, 5
    assert drawdown(np.array([-2.0, -1.0, 3.0, 1.0, 5.0])).tolist() == [-2, -1, 0, -2, 0]


def test_thinning_keeps_ends_and_extremes():
    frame = market.equity(20_000)
    thin = thin_rows(frame, 600)
    assert len(thin) <= 600
    assert thin["equity"].max() == frame["equity"].max()
    assert thin["equity"].min() == frame["equity"].min()
    assert thin["t"].iloc[-1] == frame["t"].iloc[-1]
    assert thin["t"].is_monotonic_increasing
    worst = [drawdown(part["equity"].to_numpy()).min() for part in (thin, frame)]
    assert worst[0] == worst[1]


def test_the_band_is_drawn_only_when_given():
    assert len(equity_chart(market.report()).data) == 5
    assert len(equity_chart(market.report(equity=market.equity(band=False))).data) == 4


def test_money_has_cents_and_a_sign():
    frame = market.equity(3, band=False).assign(equity=[0.0, -1234.5, 10.0])
    readout = equity_chart(market.report(equity=frame)).levels[0].readout
    assert [row[0] for row in readout] == ["+0.00", "−1,234.50", "+10.00"]
