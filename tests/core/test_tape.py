"""Speed of the tape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.tape import continue_tape_speed, tape_speed
from tests.core import bar_cases, captures
from tests.core import trade_cases as cases
from tests.naive import tape as naive


@st.composite
def tapes(draw):
    drawn = draw(cases.trades())
    amount = drawn["qty"] * drawn["sign"] if draw(st.booleans()) else drawn["qty"]
    rule = {
        "window_ns": draw(st.integers(1, 9)),
        "n_average": draw(st.integers(1, 4)),
        "threshold_percent": draw(st.sampled_from([50, 100, 150])),
    }
    return drawn["ts"], amount, drawn["starts"][draw(st.integers(0, 1)) :], rule


def bits(rows):
    return np.array(rows, np.float64).tobytes()


@given(tapes())
def test_speed_equals_the_obvious_loop_to_the_bit(drawn):
    ts, amount, starts, rule = drawn
    got = tape_speed(ts, amount, **rule, session_start_idx=starts)
    expected = naive.tape_speed(ts.tolist(), amount.tolist(), *rule.values(), starts.tolist())
    assert bits(bar_cases.rows(got)) == bits(expected)


@given(st.data(), tapes())
def test_chunks_equal_the_whole(data, drawn):
    ts, amount, starts, rule = drawn

    def step(state, first, end, inside, is_last):
        return continue_tape_speed(
            state, ts[first:end], amount[first:end], **rule, session_start_idx=inside
        )

    got = bar_cases.in_chunks(data, len(ts), starts, step)
    whole = tape_speed(ts, amount, **rule, session_start_idx=starts)
    bar_cases.same_bits(got, bar_cases.columns(whole))


@given(st.data(), tapes())
def test_later_trades_change_nothing(data, drawn):
    ts, amount, starts, rule = drawn
    cut = data.draw(st.integers(0, len(ts)))
    prefix = tape_speed(ts[:cut], amount[:cut], **rule, session_start_idx=starts[starts < cut])
    whole = tape_speed(ts, amount, **rule, session_start_idx=starts)
    assert bits(bar_cases.rows(prefix)) == bits(bar_cases.rows(whole)[:cut])


def test_a_tape_by_hand():
    # Window 10. At 5: 3 lots in 5 ns, scaled by 10 / 5: 6. At 10: (0, 10] holds 1 + 1 = 2. At 20: 4,
    # at 21: 4 + 5 = 9. Averages of two: (2 + 4) / 2 * 1.5 = 4.5, (4 + 9) / 2 * 1.5 = 9.75: 9 is below.
    got = tape_speed([0, 5, 10, 20, 21], [2, 1, 1, 4, 5], n_average=2, window_ns=10)
    assert bits(got.pace) == bits([np.nan, 6.0, 2.0, 4.0, 9.0])
    assert bits(got.threshold) == bits([np.nan, np.nan, np.nan, 4.5, 9.75])
    assert not got.is_fast.any()
    # At 100 % of an average of one the pace stands at its own threshold, which isn't above it.
    same = tape_speed([0, 10], [1, 5], n_average=1, window_ns=10, threshold_percent=100)
    assert (same.pace[1], same.threshold[1], same.is_fast[1]) == (5.0, 5.0, False)
    # Nor at 115 % of (130 + 115 + 55) / 3 = 100: 115, though 1.15 is no float and 1.15 * 100 is less.
    same = tape_speed(
        [0, 10, 20, 30], [1, 130, 55, 115], n_average=3, window_ns=10, threshold_percent=115
    )
    assert (same.pace[3], same.threshold[3], same.is_fast[3]) == (115.0, 115.0, False)
    # 1, 1, 1, 9 lots with 3 averaged: (1 + 1 + 9) / 3 * 1.5 = 5.5: 9 is fast, and so is -9.
    for sign in (1, -1):
        fast = tape_speed([0, 10, 20, 30], np.array([1, 1, 1, 9]) * sign, n_average=3, window_ns=10)
        assert fast.threshold[3] == 5.5
        assert fast.is_fast.tolist() == [False, False, False, True]


def test_bursts_of_recorded_trades_are_fast(test_data):
    (_, ts, _, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / "usdm/btcusdt_20240719.gz"
    )
    speed = tape_speed(ts, qty, n_average=2000)
    assert 0.01 < speed.is_fast.mean() < 0.4
    window = (ts > ts[-1] - 15 * 10**9).nonzero()[0]
    assert speed.pace[-1] == qty[window].sum()
    state, parts = None, []
    for first in range(0, len(ts), 501):
        part, state = continue_tape_speed(
            state, ts[first : first + 501], (qty * sign)[first : first + 501], n_average=2000
        )
        parts.append(part)
    whole = tape_speed(ts, qty * sign, n_average=2000)
    assert np.concatenate([p.pace for p in parts]).tobytes() == whole.pace.tobytes()
    assert np.concatenate([p.threshold for p in parts]).tobytes() == whole.threshold.tobytes()


def test_nothing_and_errors():
    speed, state = continue_tape_speed(None, [], [], n_average=5)
    assert (len(speed), state) == (0, None)
    for name in ("n_average", "window_ns", "threshold_percent"):
        with pytest.raises(ValueError, match=name):
            tape_speed([1], [1], **({"n_average": 1} | {name: 0}))
        with pytest.raises(ValueError, match=name):
            tape_speed([1], [1], **({"n_average": 1} | {name: 2**63}))
    with pytest.raises(ValueError, match="ts_ns"):
        tape_speed([2, 1], [1, 1], n_average=1)
    with pytest.raises(TypeError, match="amount"):
        tape_speed([1], [np.nan], n_average=1)
    with pytest.raises(ValueError, match="amount may overflow"):
        tape_speed([1, 1], [2**62, 2**62], n_average=1)
    with pytest.raises(ValueError, match="ts_ns must span"):
        tape_speed([-(2**63), 2**62], [1, 1], n_average=1)
    # A bound that is too wide alone is no error: the magnitudes add up to 2**60 + 99.
    amounts = [2**60] + [1] * 99
    assert tape_speed([0] * 100, amounts, n_average=1).pace.shape == (100,)
    _, state = continue_tape_speed(None, [5], [1], n_average=2)
    with pytest.raises(ValueError, match="ts_ns"):
        continue_tape_speed(state, [4], [1], n_average=2)
    with pytest.raises(ValueError, match="n_average must stay 2"):
        continue_tape_speed(state, [5], [1], n_average=3)
