import itertools

import numpy as np
import pandas as pd

from orchestration.charts.axis import gap_sessions, session_axis
from orchestration.charts.zoom import FACTORS, join_bars, prepare_bars
from tests.charts import market


def minutes(start: str, n: int) -> pd.Series:
    return pd.Series(pd.date_range(start, periods=n, freq="min", tz="UTC"))


def test_closed_hours_take_no_room():
    times = pd.concat([minutes("2024-03-04 14:30", 100), minutes("2024-03-06 14:30", 100)])
    axis = session_axis(times, np.repeat([0, 1], 100))
    assert (np.diff(axis.x)[:99] == 1).all()
    assert (np.diff(axis.x)[100:] == 1).all()
    assert 1 < axis.x[100] - axis.x[99] <= 4  # two days apart, at most four bars of room
    assert list(axis.starts) == [0, 100]
    assert list(axis.ends) == [100, 200]


def test_a_session_starts_on_a_multiple_of_the_block():
    axis = session_axis(minutes("2024-03-04 14:30", 30), np.repeat([0, 1, 2], [7, 11, 12]), block=5)
    assert all(axis.x[start] % 5 == 0 for start in axis.starts)


def test_labels_are_local_times_with_the_date_where_it_changes():
    times = minutes("2024-03-05 04:30", 120).dt.tz_convert(
        "America/Chicago"
    )  # 22:30 the day before
    level = next(
        level for level in session_axis(times, np.zeros(120)).tick_levels if level.step_min == 60
    )
    assert level.text == ["22:30<br>4 Mar", "23:00", "00:00<br>5 Mar"]
    assert level.x == [0.0, 30.0, 90.0]


def test_a_label_too_close_to_a_session_start_gives_way():
    # Hourly labels; the first session ends with one at 16:00, one bar before the next one starts.
    times = pd.concat([minutes("2024-03-04 12:00", 241), minutes("2024-03-05 12:00", 200)])
    axis = session_axis(times.reset_index(drop=True), np.repeat([0, 1], [241, 200]))
    hourly = next(level for level in axis.tick_levels if level.step_min == 60)
    assert 240.0 not in hourly.x
    assert axis.x[241] in hourly.x


def test_every_level_is_in_order_and_the_default_is_sparse():
    axis = session_axis(minutes("2024-03-04 00:00", 3000), np.zeros(3000))
    for level in axis.tick_levels:
        assert level.x == sorted(level.x)
    assert len(axis.ticks().x) <= 12


def test_gaps_split_a_series_without_days():
    times = pd.concat([minutes("2024-03-04 14:30", 50), minutes("2024-03-04 20:00", 50)])
    assert gap_sessions(times).tolist() == [0] * 50 + [1] * 50
    assert gap_sessions(times.iloc[:1]).tolist() == [0]


def test_factors_divide_each_other():
    assert all(coarse % fine == 0 for fine, coarse in itertools.pairwise(FACTORS))


def test_joined_bars_keep_sums_extremes_and_running_delta():
    prepared = prepare_bars(market.bars(n_bars=401), "UTC")
    fine, coarse = prepared.levels[0].bars, prepared.levels[-1].bars
    assert [level.factor for level in prepared.levels] == [1, 5]
    for name in ("volume", "buy", "sell", "unsigned", "delta", "n_bars"):
        assert coarse[name].sum() == fine[name].sum()
    assert coarse["high"].max() == fine["high"].max()
    assert coarse["low"].min() == fine["low"].min()
    # A joined candle of CVD and the running delta from its start say the same.
    assert np.allclose(coarse["cvd_open"] + coarse["min_delta"], coarse["cvd_low"])
    assert np.allclose(coarse["cvd_open"] + coarse["max_delta"], coarse["cvd_high"])
    assert (coarse["session"].diff().fillna(0) >= 0).all()
    assert set(np.diff(coarse["x"]) % 5) == {0.0}  # even spacing over the session break


def test_running_delta_of_joined_bars_by_hand():
    frame = market.bars(n_days=1, n_bars=5).assign(
        # running delta after each bar: 4, 1, 6, 6, 2; within the bars it reaches -1 and +9
        delta=[4.0, -3.0, 5.0, 0.0, -4.0],
        min_delta=[-1.0, -3.0, 0.0, 0.0, -4.0],
        max_delta=[4.0, 0.0, 8.0, 1.0, 0.0],
        session=0, x=np.arange(5.0), n_bars=1,
    )  # fmt: skip
    joined = join_bars(frame.assign(t_last=frame["t0"]), 5)
    assert (joined["min_delta"][0], joined["max_delta"][0], joined["delta"][0]) == (-1.0, 9.0, 2.0)
    assert joined["x"][0] == 2.0


def test_bars_may_come_in_any_order():
    frame = market.bars()
    shuffled = frame.sample(frac=1.0, random_state=5)
    expected = prepare_bars(frame, "UTC").bars
    pd.testing.assert_frame_equal(prepare_bars(shuffled, "UTC").bars, expected)
