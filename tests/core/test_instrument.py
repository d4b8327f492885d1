import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.instrument import (
    DAY_NS,
    EPOCH,
    BeyondRangeError,
    Instrument,
    OffGridError,
    Sessions,
)
from tests.naive import instrument as naive

STEPS = ("0.25", "0.01", "0.1", "1", "5", "0.00000001", "0.0000001", "12.5")


def make(**changes) -> Instrument:
    fields = {
        "symbol": "X", "venue": "v", "venue_symbol": "X", "kind": "spot",
        "price_step": Decimal("0.25"), "tick_size": Decimal("0.25"), "lot_step": Decimal("0.001"),
        "contract_value": Decimal("1"), "quote_currency": "USD", "day_rule": "utc",
    }  # fmt: skip
    return Instrument(**(fields | changes))


def on_grid(step: str) -> Instrument:
    return make(price_step=Decimal(step), tick_size=Decimal(step))


# -- decimal text ---------------------------------------------------------------------------------


def test_golden_conversions():
    # 1640.25 / .25 = 6561; 9.378e-05 / 1e-8 = 9378; .001 / .001 = 1; 1e3 / .25 = 4000.
    assert make().price_to_ticks("1640.25") == 6561
    assert on_grid("0.00000001").price_to_ticks("9.378e-05") == 9378
    assert on_grid("0.00000001").price_to_ticks("0.00009378") == 9378
    assert make().qty_to_lots("0.001") == 1
    assert make().price_to_ticks("1e3") == 4000
    assert make().price_to_ticks("1640.2500000000000000000") == 6561
    assert make().price_to_ticks("-37.75") == -151  # crude oil, April 2020
    assert make().price_to_ticks("0") == 0
    assert on_grid("12.5").price_to_ticks("37.5") == 3


@pytest.mark.parametrize(
    "text",
    [
        "", " 1", "1 ", "1_000", "nan", "NaN", "inf", "-inf", "1,5", "0x10", "٣", "1..2", ".", "e5",
        "1e", "--1", "+-1", "1\n", "1\x00", "1e9999", "true", "9" * 65,
    ],
)  # fmt: skip
def test_what_is_no_plain_decimal_is_refused(text):
    with pytest.raises(ValueError, match=r"price .* is not a decimal number"):
        make().price_to_ticks(text)


def test_off_grid_says_value_and_grid():
    with pytest.raises(OffGridError, match=r"price 10\.001 is off the 0\.25 grid"):
        make().price_to_ticks("10.001")
    with pytest.raises(OffGridError, match=r"quantity 0\.0005 is off the 0\.001 grid"):
        make().qty_to_lots("0.0005")


def test_beyond_int64_is_refused():
    # (2^63 - 1) * .25 = 2305843009213693951.75 is the last that fits.
    assert make().price_to_ticks("2305843009213693951.75") == 2**63 - 1
    with pytest.raises(BeyondRangeError, match="int64"):
        make().price_to_ticks("2305843009213693952")
    with pytest.raises(BeyondRangeError):
        make().price_to_ticks("1e300")


@pytest.mark.parametrize("value", [1640.25, 1640, b"1640.25", None, Decimal("1640.25")])
def test_only_text_is_taken(value):
    with pytest.raises(TypeError, match="price must be decimal text"):
        make().price_to_ticks(value)


@given(
    st.sampled_from(STEPS),
    st.integers(-(10**12), 10**12),
    st.integers(0, 4),
    st.sampled_from(["plain", "zeros", "exponent"]),
)
def test_conversion_agrees_with_decimal(step, units, places, style):
    number = Decimal(units).scaleb(-places * 2)
    text = f"{number:f}"
    if style == "zeros":
        text += "000" if "." in text else ".000"
    if style == "exponent":
        text = f"{number:e}"
    expected = naive.to_steps(text, step)
    if expected is None:
        with pytest.raises(OffGridError):
            on_grid(step).price_to_ticks(text)
    else:
        assert on_grid(step).price_to_ticks(text) == expected


@given(st.text(max_size=12))
def test_any_text_gives_a_number_or_a_value_error(text):
    try:
        ticks = make().price_to_ticks(text)
    except ValueError:
        return
    assert ticks == naive.to_steps(text, "0.25")


def test_vector_form_reports_the_bad_ones_and_converts_the_rest():
    texts = ["1.25", "1.3", "x", "2.5", "1.3", "1e30"]
    ticks, rejects = make().prices_to_ticks(texts)
    assert ticks.tolist() == [5, 0, 0, 10, 0, 0]
    assert [i for i, _ in rejects] == [1, 2, 4, 5]
    for i, reason in rejects:
        with pytest.raises(ValueError, match=re.escape(reason)):
            make().price_to_ticks(texts[i])
    lots, rejects = make().qtys_to_lots(["0.002", "0.0001"])
    assert lots.tolist() == [2, 0]
    assert len(rejects) == 1


@given(st.lists(st.sampled_from(["1", "1.25", "1.3", "", "7e-1", "-2"]), max_size=20))
def test_vector_form_equals_one_by_one(texts):
    ticks, rejects = make().prices_to_ticks(texts)
    bad = dict(rejects)
    for i, text in enumerate(texts):
        if i not in bad:
            assert ticks[i] == make().price_to_ticks(text)


@given(st.sampled_from(STEPS), st.integers(-(10**10), 10**10))
def test_human_prices_are_the_nearest_floats_and_go_back(step, ticks):
    known = on_grid(step)
    price = known.ticks_to_price(np.array([ticks]))[0]
    assert price == float(Decimal(ticks) * Decimal(step))
    assert known.price_to_ticks(f"{Decimal(ticks) * Decimal(step):f}") == ticks


def test_derived_figures():
    known = make(price_step=Decimal("0.01"), tick_size=Decimal("0.1"), contract_value=Decimal(50))
    assert known.tick_steps == 10
    assert known.tick_value == 0.01 * 0.001 * 50
    assert known.lots_to_qty(np.array([3])).tolist() == [0.003]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price_step": Decimal(0)}, "price_step must be a positive Decimal"),
        ({"lot_step": 0.001}, "lot_step must be a positive Decimal"),
        ({"price_step": Decimal("NaN")}, "price_step must be a positive Decimal"),
        ({"tick_size": Decimal("0.3")}, "tick_size must be a multiple"),
        ({"day_rule": "weekly"}, "day_rule must be in"),
        ({"max_id_step": -1}, "max_id_step must be >= 0"),
    ],
)
def test_impossible_instruments_are_refused(changes, message):
    with pytest.raises(ValueError, match=f"X: {message}"):
        make(**changes)


def test_equal_fields_make_equal_instruments():
    assert make() == make()
    assert len({make(), make()}) == 1


# -- trading days ---------------------------------------------------------------------------------

HOUR = DAY_NS // 24
DAY = 16_000  # any day
WEEK = [
    (DAY, DAY * DAY_NS - 2 * HOUR, DAY * DAY_NS + 17 * HOUR),  # a short one: closes 17:00
    (DAY + 1, DAY * DAY_NS + 22 * HOUR, DAY * DAY_NS + 46 * HOUR),
    (DAY + 2, DAY * DAY_NS + 46 * HOUR, DAY * DAY_NS + 70 * HOUR),  # touches the one before
    (DAY + 5, DAY * DAY_NS + 118 * HOUR, DAY * DAY_NS + 142 * HOUR),  # after a weekend
]


def roll() -> Instrument:
    day, opens, closes = map(np.array, zip(*WEEK, strict=True))
    sessions = Sessions(day=day, open_ns=opens, close_ns=closes)
    return make(day_rule="roll", calendar="T", sessions=sessions)


def day_at(number: int) -> date:
    return EPOCH + timedelta(days=number)


def test_roll_boundaries():
    known = roll()
    _, open_0, close_0 = WEEK[0]
    _, open_1, close_1 = WEEK[1]
    times = [open_0, close_0 - 1, close_0, open_1 - 1, open_1, close_1 - 1, close_1]
    # The close itself and the break belong to the next session and lie outside.
    assert (known.trading_day_of(times) - DAY).tolist() == [0, 0, 1, 1, 1, 1, 2]
    # close_1 is the open of the session that follows without a break.
    assert known.is_outside_session(times).tolist() == [
        False,
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    assert known.trading_day_window(day_at(DAY + 1)) == (close_0, close_1)
    assert known.session_window(day_at(DAY + 1)) == (open_1, close_1)
    assert known.trading_day_window(day_at(DAY)) == (open_0, close_0)


def test_a_day_without_session_and_a_time_without_calendar_are_errors():
    known = roll()
    with pytest.raises(ValueError, match="T has no session on"):
        known.trading_day_window(day_at(DAY + 3))
    for t in (WEEK[0][1] - 1, WEEK[-1][2]):
        with pytest.raises(ValueError, match="outside the sessions known of T"):
            known.trading_day_of([t])
    with pytest.raises(ValueError, match="needs sessions"):
        make(day_rule="roll").trading_day_of([0])


@given(st.lists(st.integers(WEEK[0][1], WEEK[-1][2] - 1), max_size=20))
def test_roll_agrees_with_the_loop_and_with_its_window(times):
    known = roll()
    days = known.trading_day_of(np.array(times, np.int64)).tolist()
    assert days == [naive.roll_day(t, WEEK) for t in times]
    outside = known.is_outside_session(np.array(times, np.int64)).tolist()
    assert outside == [naive.is_outside(t, WEEK) for t in times]
    for t, day in zip(times, days, strict=True):
        start, end = known.trading_day_window(day_at(day))
        assert start <= t < end


@given(st.lists(st.integers(0, 2 * 10**18), min_size=1, max_size=10))
def test_utc_and_local_agree_with_the_loop_and_with_their_windows(times):
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        known = make(day_rule="local", timezone=zone) if zone != "UTC" else make()
        small = times[:1] if zone != "UTC" else times  # local: a span of days is walked through
        days = known.trading_day_of(np.array(small, np.int64)).tolist()
        assert days == [naive.local_day(t, zone) for t in small]
        for t, day in zip(small, days, strict=True):
            start, end = known.trading_day_window(day_at(day))
            assert start <= t < end


def test_local_days_have_23_and_25_hours_when_clocks_change():
    known = make(day_rule="local", timezone="America/New_York")
    lengths = [
        np.diff(known.trading_day_window(day))[0] // HOUR
        for day in (date(2024, 3, 10), date(2024, 7, 1), date(2024, 11, 3))
    ]
    assert lengths == [23, 24, 25]
    start, end = known.trading_day_window(date(2024, 11, 3))
    days = known.trading_day_of([start - 1, start, end - 1, end])
    assert np.diff(days).tolist() == [1, 0, 1]


def test_utc_market_never_closes():
    assert not make().is_outside_session([0, 1]).any()
    assert make().session_window(date(2024, 1, 1)) == make().trading_day_window(date(2024, 1, 1))
    assert len(make().trading_day_of(np.empty(0, np.int64))) == 0


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ([], [], []),
        ([1, 1], [0, 2], [1, 3]),
        ([1, 2], [0, 1], [2, 3]),
        ([1], [2], [1]),
        ([1], [1, 2], [3]),
    ],
)
def test_impossible_sessions_are_refused(day, opens, closes):
    with pytest.raises(ValueError, match=r".+"):
        Sessions(day=day, open_ns=opens, close_ns=closes)


# -- the daily halt -------------------------------------------------------------------------------


@given(
    st.integers(0, 37 * 365 * 86_400),
    st.sampled_from(["America/Chicago", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_the_halt_is_of_the_clock_on_the_wall(seconds, zone):
    known = make(timezone=zone, daily_halt="16:20-17:05")
    moment = datetime.fromtimestamp(978_307_200 + seconds, UTC)
    local = moment.astimezone(ZoneInfo(zone))
    within = (16, 20) <= (local.hour, local.minute) < (17, 5)
    ts = np.array([int(moment.timestamp()) * 10**9 + 999_999_999])
    assert known.is_in_halt(ts).tolist() == known.is_outside_session(ts).tolist() == [within]


def test_the_halt_is_outside_the_session_that_holds_it():
    # A session of 60 to 180 minutes after 1970, a halt of 01:30-02:00, half-open.
    sessions = Sessions(day=[0], open_ns=[HOUR], close_ns=[3 * HOUR])
    known = make(day_rule="roll", sessions=sessions, daily_halt="01:30-02:00")
    times = [HOUR - 1, HOUR, 3 * HOUR // 2 - 1, 3 * HOUR // 2, 2 * HOUR - 1, 2 * HOUR]
    assert known.is_outside_session(times).tolist() == [True, False, False, True, True, False]
    assert known.trading_day_of(times[1:]).tolist() == [0] * 5
    assert known.is_in_halt(np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize(
    "halt", ["16-17", "17:00-16:00", "16:00-16:00", "16:60-17:00", "16:00-24:01"]
)
def test_a_halt_must_be_hours_of_a_day(halt):
    with pytest.raises(ValueError, match="X: daily_halt must be HH:MM-HH:MM"):
        make(daily_halt=halt)
