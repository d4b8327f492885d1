"""Stored tables in the units that a person reads."""

import pandas as pd
import pyarrow as pa

from orchestration.defs.flow import tables
from orchestration.frames import bars_frame, footprint_frame, profile_frame
from orchestration.instruments import load_instruments
from tests.orchestration.rows import classified, no_gaps

# Steps of 0.01 USDT and 0.001 BTC.
BTC = load_instruments()["BTCUSDT"]
#                    s     price    lots sign
TRADES = classified((1, 6_000_000, 500, 1), (2, 6_000_010, 300, -1), (61, 6_000_010, 200, 0))
BARS = {"clock": "time:60s", "bar_seconds": 60}


def footprint(**more):
    cells = tables.footprint_cells(TRADES, **BARS, ticks_per_row=10, min_lots=1)
    return footprint_frame(cells, BTC, **more)


def test_bars_in_quote_currency_and_base_units():
    frame = bars_frame(tables.bars(TRADES, no_gaps(), **BARS), BTC)
    assert frame["t0"].tolist() == [pd.Timestamp(0, tz="UTC"), pd.Timestamp(60, unit="s", tz="UTC")]
    first = frame.iloc[0]
    assert (first["open"], first["high"], first["low"], first["close"]) == (
        60000.0,
        60000.1,
        60000.0,
        60000.1,
    )
    assert (first["volume"], first["buy"], first["sell"], first["unsigned"]) == (0.8, 0.5, 0.3, 0.0)
    assert (first["delta"], first["min_delta"], first["max_delta"]) == (0.2, 0.0, 0.5)
    assert frame["unsigned"].tolist() == [0.0, 0.2]
    assert frame["cvd_close"].tolist() == [0.2, 0.2]
    # 300 of 800 lots at 0.10 above the others: 60000 + 0.10 * 3/8.
    assert round(first["vwap"], 9) == 60000.0375
    assert round(first["vwap_sd"], 6) == 0.048412  # 0.10 times the root of 5/8 * 3/8


def test_footprint_cells_in_human_units():
    frame = footprint()
    assert frame["price"].tolist() == [60000.0, 60000.1, 60000.1]
    assert frame["ask"].tolist() == [0.5, 0.0, 0.0]
    assert frame["bid"].tolist() == [0.0, 0.3, 0.0]
    assert frame["unsigned"].tolist() == [0.0, 0.0, 0.2]
    assert {str(frame[f"is_{side}_imbalance"].dtype) for side in ("buy", "sell")} == {"bool"}


def test_last_bars_of_a_footprint():
    assert footprint(last_bars=1)["price"].tolist() == [60000.1]
    assert len(footprint(last_bars=2)) == len(footprint(last_bars=99)) == 3


def test_profile_in_human_units():
    frame = profile_frame(tables.profile_rows(TRADES, ticks_per_row=10), BTC)
    assert frame["price"].tolist() == [60000.0, 60000.1]
    assert frame[["bid", "ask", "unsigned"]].to_numpy().tolist() == [[0, 0.5, 0], [0.3, 0, 0.2]]


def test_empty_tables_give_empty_frames():
    empty = TRADES.slice(0, 0)
    cells = tables.footprint_cells(empty, **BARS, ticks_per_row=10, min_lots=1)
    assert footprint_frame(cells, BTC, last_bars=8).empty
    assert bars_frame(tables.bars(empty, no_gaps(), **BARS), BTC).empty
    assert profile_frame(tables.profile_rows(empty, ticks_per_row=10), BTC).empty


def test_frames_read_what_the_store_gives_back(store):
    bars = tables.bars(TRADES, no_gaps(), **BARS)
    day = pd.Timestamp("2024-08-08").date()
    with store.publish("frames", day, run_id="test", code_version="1") as publication:
        publication.write("flow.bars", bars)
        publication.commit()
    stored = store.read("flow.bars", "frames", day)
    assert pa.types.is_dictionary(stored["clock"].type)
    pd.testing.assert_frame_equal(bars_frame(stored, BTC), bars_frame(bars, BTC))
