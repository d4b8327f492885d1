"""What became of levels: oracle, known times, golden cases, random rows, lift, recorded levels."""

from dataclasses import astuple
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.footprint import footprint
from orderflow_core.level_outcomes import LevelOutcomes, level_lift, level_outcomes, random_rows
from orderflow_core.significant_levels import significant_levels
from orderflow_core.tick_rules import tick_rule
from tests.core.cell_cases import as_rows
from tests.naive import level_outcomes as naive

SETTINGS = {"ticks_per_row": 2, "turn_ticks": 3, "pass_ticks": 2, "horizon_ns": 9}


def outcomes(price, levels, **options):
    """Levels are (tick, first, end); a trade a nanosecond."""
    tick, first, end = np.array(levels, np.int64).reshape(-1, 3).T
    return level_outcomes(price, np.arange(len(price)), tick, first, end, **SETTINGS | options)


@st.composite
def cases(draw):
    price = np.cumsum(draw(st.lists(st.integers(-2, 2), min_size=1, max_size=40)))
    ts = np.cumsum(draw(st.lists(st.integers(0, 3), min_size=len(price), max_size=len(price))))
    n = len(price)
    span = st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted)
    levels = draw(st.lists(st.tuples(st.integers(-5, 5), span), max_size=5))
    return price, ts, [(tick, *ends) for tick, ends in levels]


@given(cases())
def test_outcomes_agree_with_the_obvious_loop_and_need_no_more_than_is_said(case):
    price, ts, levels = case
    tick, first, end = np.array(levels, np.int64).reshape(-1, 3).T
    got = level_outcomes(price, ts, tick, first, end, **SETTINGS)
    expected = [
        naive.level_outcome(
            price.tolist(), ts.tolist(), *level, height=2, turn=3, passage=2, horizon=9
        )
        for level in levels
    ]
    assert as_rows(astuple(got)) == expected
    assert len(got) == len(levels)
    for k, known in enumerate(got.known_idx.tolist()):
        if got.outcome[k]:
            seen = slice(known + 1)
            again = level_outcomes(
                price[seen], ts[seen], tick[k : k + 1], first[k : k + 1], [known + 1], **SETTINGS
            )
            assert again.outcome.tolist() == [got.outcome[k]]


@pytest.mark.parametrize(
    ("price", "touch", "known", "outcome"),
    [
        # Row 100..101. From above: a turn needs 104, a passage 98.
        ([103, 101, 99, 104], 1, 3, 1),
        ([103, 101, 98, 104], 1, 2, -1),
        ([103, 95, 104], 1, 1, -1),  # touched and passed in one trade
        ([103, 101, 99, 103], 1, 4, 0),  # neither
        # From below: a turn needs 97, a passage 103.
        ([99, 100, 97], 1, 2, 1),
        ([99, 100, 103], 1, 2, -1),
        # Price is in the row at first, and has to leave it.
        ([100, 101, 102, 101, 104], 3, 4, 1),
        ([103, 102, 104], -1, 3, 0),  # never touched
    ],
)
def test_turns_and_passages(price, touch, known, outcome):
    got = outcomes(price, [(100, 0, len(price))])
    assert as_rows(astuple(got)) == [(touch, known, outcome)]


def test_time_is_up_after_the_horizon():
    # Touched at 1; with 2 ns the trade at 3 still counts, with 1 ns it does not.
    price = [103, 101, 101, 104]
    assert outcomes(price, [(100, 0, 4)], horizon_ns=2).outcome.tolist() == [1]
    got = outcomes(price, [(100, 0, 4)], horizon_ns=1)
    assert as_rows(astuple(got)) == [(1, 3, 0)]


def test_random_rows_keep_their_distance_and_session():
    close = np.array([10, 20, 30, 110, 120])
    starts = [3]
    tick, bar = np.array([12, 27, 125] * 50), np.array([0, 2, 4] * 50)
    got, at = random_rows(tick, bar, close, starts, seed=1)
    assert ((got - close[at]) == (tick - close[bar])).all()
    assert ((at < 3) == (bar < 3)).all()
    assert set(at.tolist()) == set(range(5))
    again, _ = random_rows(tick, bar, close, starts, seed=1)
    assert got.tolist() == again.tolist()
    assert len(random_rows([], [], [], [], seed=1)[0]) == 0


def outcome_counts(turned, passed, untouched=0):
    n = turned + passed + untouched
    touch = np.repeat([0, 0, -1], [turned, passed, untouched])
    return LevelOutcomes(
        touch_idx=touch,
        known_idx=np.zeros(n, np.int64),
        outcome=np.repeat(np.array([1, -1, 0], np.int8), [turned, passed, untouched]),
    )


def test_lift_of_shares():
    # Wilson of 6 in 10: (0.6 + 3.8415 / 20 -+ 1.96 sqrt(0.24 / 10 + 3.8415 / 400)) / 1.38415 =
    # 0.3127, 0.8318; of 40 in 100: 0.3094, 0.4980. 0.2 - sqrt(0.2873^2 + 0.0980^2) = -0.1036,
    # 0.2 + sqrt(0.2318^2 + 0.0906^2) = 0.4489.
    got = level_lift(outcome_counts(6, 4, 5), outcome_counts(40, 60))
    assert (got.n_touched, got.n_turned, got.n_passed) == (10, 6, 4)
    assert (got.n_random_touched, got.n_random_turned) == (100, 40)
    assert (got.low, got.lift, got.high) == pytest.approx((-0.1036, 0.2, 0.4489), abs=1e-4)
    assert isnan(level_lift(outcome_counts(0, 0, 3), outcome_counts(1, 1)).lift)


@pytest.mark.parametrize(
    ("levels", "options", "message"),
    [
        ([(1, 0, 4)], {}, r"within 3 trades, got \[0, 4\) at position 0"),
        ([(1, 2, 1)], {}, r"got \[2, 1\)"),
        ([(2**62, 0, 3)], {}, "level_tick must lie within 2"),
        ([(-(2**63), 0, 3)], {}, "level_tick must lie within 2"),
        ([(1, 0, 3)], {"turn_ticks": 0}, "turn_ticks must be positive"),
        ([(1, 0, 3)], {"turn_ticks": 2**62}, "settings must lie within 2"),
        ([(1, 0, 3)], {"horizon_ns": 2**63 - 1}, "leads beyond int64"),
    ],
)
def test_broken_contracts_are_named(levels, options, message):
    with pytest.raises(ValueError, match=message):
        outcomes([1, 2, 3], levels, **options)


def test_broken_bars_are_named():
    with pytest.raises(ValueError, match="bar must lie within 1 bars, got 1 to 1"):
        random_rows([1], [1], [5], [0], seed=0)
    with pytest.raises(ValueError, match="one length"):
        level_outcomes([1], [1], [1], [0, 0], [1], **SETTINGS)


def emini_day(test_data):
    """Trades of 2013-09-03, 20:00 to 20:00 in the file's clock, and their signs by the tick rule."""
    pd = pytest.importorskip("pandas")
    frame = pd.read_csv(test_data / "emini_mlfinpy/tick_data.csv.gz")
    ts = pd.to_datetime(frame["DateTime"]).to_numpy().astype("datetime64[ns]").astype(np.int64)
    price = np.rint(frame["Price"].to_numpy() * 4).astype(np.int64)
    sign, _ = tick_rule(price)
    return ts, price, frame["Volume"].to_numpy().astype(np.int64), sign


def test_recorded_levels_are_too_few_to_beat_random_rows(test_data):
    """A null result, kept as one: 3 turns at 5 levels, 50 at 100 random rows."""
    ts, price, qty, sign = emini_day(test_data)
    index = time_bar_index(ts, 60_000_000_000)
    cells = footprint(price, qty, sign, index, ticks_per_row=1)
    close = aggregate_bars(price, qty, sign, index).close_ticks
    births = significant_levels(cells, close, [0], ticks_per_row=1).births
    bar = np.searchsorted(index.bar_id, births.bar_id)
    settings = {
        "ticks_per_row": 1, "turn_ticks": 4, "pass_ticks": 4, "horizon_ns": 1_800_000_000_000,
    }  # fmt: skip

    def outcomes_of(rows, bars):
        end = np.full(len(bars), len(ts))
        return level_outcomes(price, ts, rows, index.end_idx[bars], end, **settings)

    n = 20
    many = random_rows(np.repeat(births.level_tick, n), np.repeat(bar, n), close, [0], seed=1)
    lift = level_lift(outcomes_of(births.level_tick, bar), outcomes_of(*many))
    assert (lift.n_touched, lift.n_turned) == (5, 3)
    assert (lift.n_random_touched, lift.n_random_turned) == (100, 50)
    assert lift.low < 0 < lift.high
