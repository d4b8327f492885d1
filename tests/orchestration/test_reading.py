"""Frames of a range of time in the units that a person reads."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestration.arrays import constant
from orchestration.frames import FRAMES, features_frame
from orchestration.instruments import load_instruments
from orchestration.reading import read_frame
from orchestration.storage.tables import TABLES
from tests.orchestration.rows import raw_quotes, raw_trades
from tests.storage.conftest import DAY, NEXT_DAY, publish
from tests.storage.rows import sample_rows
from tests.storage.test_answers import DAY_NS, MINUTE_NS, day_tables, start_of

# Steps of 0.01 USDT and 0.001 BTC.
BTC = load_instruments()["BTCUSDT"]


@pytest.fixture
def instrument(request):
    return replace(BTC, symbol=request.node.name)


def test_every_kind_of_row_by_time(store, instrument):
    opened = start_of(DAY)
    for k, day in enumerate((DAY, NEXT_DAY)):
        tables = day_tables(day, k)
        at = tables["research.features"].column_names.index("t0_ns")
        times = pa.array(start_of(day) + np.arange(50) * MINUTE_NS)
        tables["research.features"] = tables["research.features"].set_column(at, "t0_ns", times)
        events = sample_rows(TABLES["flow.events"], 10, k)
        times = pa.array(start_of(day) + np.arange(10) * MINUTE_NS)
        tables["flow.events"] = events.set_column(0, "ts_event_ns", times)
        ts = start_of(day) + np.arange(4) * MINUTE_NS
        tables["raw.trades"] = raw_trades(
            ts=ts, trade_id=range(1, 5), price=[6_000_000] * 4, native=[1, -1, 0, 1], qty=[500] * 4,
            recv=[0, *ts[1:]],
        )  # fmt: skip
        tables["raw.quotes"] = raw_quotes(ts=ts, bid=[100] * 4, ask=[102] * 4)
        publish(store, instrument.symbol, tables, day=day, unit="file")
    start, end = (
        pd.Timestamp(opened, tz="UTC"),
        pd.Timestamp(opened + DAY_NS + 2 * MINUTE_NS, tz="UTC"),
    )
    n_rows = {}
    for name in FRAMES:
        frame = read_frame(store, name, instrument, start, end)
        n_rows[name] = len(frame)
        time = next((column for column in ("time", "t0") if column in frame), None)
        if time:
            assert str(frame[time].dt.tz) == "UTC"
            assert frame[time].min() >= start
            assert frame[time].max() < end
            assert frame[time].is_monotonic_increasing
        assert len(read_frame(store, name, instrument)) >= len(frame) > 0
        nothing = read_frame(store, name, instrument, datetime(1990, 1, 1, tzinfo=UTC), datetime(1990, 1, 2, tzinfo=UTC))  # fmt: skip
        assert nothing.columns.tolist() == frame.columns.tolist()
        assert len(nothing) == 0
    assert (n_rows["raw.trades"], n_rows["flow.events"], n_rows["research.features"]) == (6, 12, 52)
    trades = read_frame(store, "raw.trades", instrument, start, end)
    assert trades.loc[0, ["price", "qty", "sign"]].tolist() == [60_000.0, 0.5, 1]
    assert trades["received"].isna().tolist() == [True, False, False, False, True, False]
    quotes = read_frame(store, "raw.quotes", instrument, start, end)
    assert quotes.loc[0, ["bid", "ask", "bid_qty"]].tolist() == [1.0, 1.02, 0.001]
    classified = read_frame(store, "flow.classified_trades", instrument, start, end)
    assert classified["bid"].isna().all()
    profile = read_frame(store, "flow.volume_profile", instrument, start, end)
    assert profile["trading_day"].dt.date.unique().tolist() == [DAY, NEXT_DAY]


def test_features_in_units_by_their_names():
    rows = sample_rows(TABLES["research.features"], 5)
    n = rows.column_names.index("clock")
    rows = rows.set_column(n, "clock", constant("sweep", 5))
    frame = features_frame(rows, BTC)
    assert len(frame.columns) == len(rows.column_names) - 2  # the time for three keys
    for name, stored, step in (
        ("return_60s", "return_60s_ticks", 0.01), ("buy_60s", "buy_lots_60s", 0.001),
        ("vpin", "vpin", 1.0), ("kyle_lambda_60s", "kyle_lambda_60s", 1.0), ("cvd", "cvd_lots", 0.001),
    ):  # fmt: skip
        np.testing.assert_array_equal(frame[name], rows[stored].to_numpy() * step)


def test_what_cannot_be_read_is_said(store, instrument):
    with pytest.raises(ValueError, match=r"no frames are made of 'raw\.gaps'"):
        read_frame(store, "raw.gaps", instrument)
    with pytest.raises(ValueError, match="start must have a time zone"):
        read_frame(store, "flow.bars", instrument, datetime(2020, 1, 1))  # noqa: DTZ001
