from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from orchestration.calendars import UnknownCalendar, open_sessions
from orchestration.instruments import InstrumentError, UnknownSymbol, load_instruments
from orchestration.sources import SOURCES
from orderflow_core.instrument import EPOCH


def test_packaged_instruments():
    known = load_instruments()
    assert known["BTCUSDT"].tick_steps == 10
    assert known["ES"].tick_value == 12.5
    assert known["BTCUSD_PERP"].contract_value == 100
    assert {i.symbol for i in known.values()} == set(known)
    assert {i.source for i in known.values()} <= set(SOURCES)


def test_a_map_of_columns_is_no_field_of_the_instrument(tmp_path):
    (tmp_path / "instruments.toml").write_text('["BTCUSDT.SPOT".columns]\ntime = "ts_ms"\n')
    known = load_instruments(tmp_path)
    assert known["BTCUSDT.SPOT"] == load_instruments()["BTCUSDT.SPOT"]


def test_es_has_the_short_labor_day_session_of_2013():
    es = load_instruments()["ES"]
    ns = 10**9
    # 2013-09-01 22:00Z = 1378072800; 2013-09-02 17:00Z = 1378141200; 22:00Z = 1378159200.
    assert es.session_window(date(2013, 9, 2)) == (1_378_072_800 * ns, 1_378_141_200 * ns)
    assert es.session_window(date(2013, 9, 3)) == (1_378_159_200 * ns, 1_378_245_600 * ns)
    in_break = 1_378_150_000 * ns
    assert es.trading_day_of([in_break])[0] == (date(2013, 9, 3) - EPOCH).days
    assert es.is_outside_session([in_break]).all()


def test_equities_trade_before_and_after_their_session():
    aapl = load_instruments()["AAPL"]
    ns, day = 10**9, date(2021, 3, 1)
    # 2021-03-01 14:30Z to 21:00Z: 09:30 to 16:00 in New York.
    opened, closed = 1_614_609_000 * ns, 1_614_632_400 * ns
    assert aapl.session_window(day) == (opened, closed)
    times = [opened - 1, opened, closed - 1, closed]
    assert aapl.is_outside_session(times).tolist() == [True, False, False, True]
    assert set(aapl.trading_day_of(times)) == {(day - EPOCH).days}
    sunday = date(2021, 2, 28)
    assert aapl.session_window(sunday) == aapl.trading_day_window(sunday)


def test_futures_of_chicago_pause_unless_the_home_file_says_otherwise(tmp_path):
    known = load_instruments()
    assert (known["ES"].daily_halt, known["SIM"].daily_halt) == ("16:00-17:00", "")
    # The calendar's session of 2013-09-03 goes on to 22:00Z, 17:00 in Chicago.
    at_half_past_four = 1_378_243_800 * 10**9
    assert known["ES"].is_outside_session([at_half_past_four]).all()
    (tmp_path / "instruments.toml").write_text(
        '[ES]\ndaily_halt = "15:15-15:30"\n[MES]\ndaily_halt = ""\n'
    )
    known = load_instruments(tmp_path)
    assert (
        not known["ES"]
        .is_outside_session([at_half_past_four, at_half_past_four - 5000 * 10**9])
        .any()
    )
    assert known["ES"].is_outside_session([at_half_past_four - 4200 * 10**9]).all()  # 15:20
    assert known["MES"].daily_halt == ""


def test_calendar_span_does_not_depend_on_today():
    sessions = open_sessions("CMES")
    assert len(sessions) == 9285
    assert sessions.day[0] == (date(2000, 1, 3) - EPOCH).days
    assert np.all(sessions.open_ns < sessions.close_ns)
    with pytest.raises(UnknownCalendar, match="NOPE"):
        open_sessions("NOPE")


def test_unknown_symbol_names_its_neighbours():
    with pytest.raises(UnknownSymbol) as caught:
        load_instruments()["BTCUSTD"]
    assert caught.value.near[0] == "BTCUSDT"
    assert "BTCUSDT" in str(caught.value)
    with pytest.raises(UnknownSymbol, match="the nearest are BTCUSDT,"):
        load_instruments()["btcusdt"]
    with pytest.raises(UnknownSymbol, match="none is like it"):
        load_instruments()["%%%"]
    assert load_instruments().get("NOPE") is None


def test_home_file_changes_keys_and_adds_symbols(tmp_path):
    (tmp_path / "instruments.toml").write_text(
        """
        [BTCUSDT]
        taker_fee = "0.0004"
        [MINE]
        venue = "v"
        venue_symbol = "m"
        kind = "spot"
        price_step = 0.05
        tick_size = "0.1"
        lot_step = 1
        contract_value = "1"
        quote_currency = "EUR"
        day_rule = "local"
        timezone = "Europe/Berlin"
        """
    )
    known = load_instruments(tmp_path)
    assert known["BTCUSDT"].taker_fee == Decimal("0.0004")
    assert known["BTCUSDT"].maker_fee == Decimal("0.0002")
    assert known["MINE"].price_step == Decimal("0.05")  # exact without quotes, too
    assert load_instruments(tmp_path / "nowhere").keys() == load_instruments().keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[A]\nvenue = 'v'", r"\[A\] misses venue_symbol"),
        ("[BTCUSDT]\ntick_sise = '1'", r"\[BTCUSDT\] has an unknown key 'tick_sise'"),
        ("[BTCUSDT]\ntick_size = 'one'", "tick_size must be decimal text"),
        ("[BTCUSDT]\ntick_size = '0.015'", "tick_size must be a multiple of price_step"),
        ("[BTCUSDT]\nmax_id_step = '2'", "max_id_step must be an integer"),
        ("[BTCUSDT]\nvenue = 3", "venue must be text"),
        ("BTCUSDT = 3", "must be a table"),
        ("[BTCUSDT", "no valid TOML"),
    ],
)
def test_wrong_home_file_says_where(tmp_path, text, message):
    path = tmp_path / "instruments.toml"
    path.write_text(text)
    with pytest.raises(InstrumentError, match=message) as caught:
        load_instruments(tmp_path)
    assert str(path) in str(caught.value)
