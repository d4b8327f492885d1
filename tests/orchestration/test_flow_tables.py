"""Classified trades, bars, footprint and profile on trades that fit in a comment."""

import numpy as np
import pyarrow as pa
import pytest

from orchestration.arrays import column
from orchestration.defs.classification import tables as classification
from orchestration.defs.flow import tables as flow
from orchestration.instruments import load_instruments
from tests.orchestration.rows import (
    NS_PER_S,
    classified,
    gaps,
    no_gaps,
    raw_quotes,
    raw_trades,
    rows_of,
)

BTC = load_instruments()["BTCUSDT"]
BARS = {"clock": "time:60s", "bar_seconds": 60}
MS = 1_000_000

#                    s    price lots sign
TRADES = classified((1, 100, 5, 1), (2, 101, 3, -1), (61, 101, 2, 1), (62, 100, 4, 0))


def classify(trades, quotes, instrument=BTC, **more):
    made = classification.classified_trades(trades, quotes, instrument, **more)
    return rows_of(made, "trade_id", "sign", "rule")


def test_native_side_wins_then_the_quote_then_the_tick():
    # Trade 1: native. Trade 2: at the ask, so a buy. Trade 3: at the mid of 100 and 102, so the
    # tick leg: 101 after 102 is a sell.
    trades = raw_trades(
        ts=[10, 20, 30], trade_id=[1, 2, 3], price=[100, 102, 101], native=[-1, 0, 0]
    )
    quotes = raw_quotes(ts=[5], bid=[100], ask=[102])
    assert classify(trades, quotes) == [
        (1, -1, "native"),
        (2, 1, "lee_ready"),
        (3, -1, "lee_ready"),
    ]


def test_without_quotes_the_tick_rule_decides_and_the_first_trade_stays_open():
    trades = raw_trades(ts=[10, 20, 30], trade_id=[1, 2, 3], price=[100, 101, 101], native=[0] * 3)
    none = raw_quotes(ts=[], bid=[], ask=[])
    assert classify(trades, none) == [(1, 0, ""), (2, 1, "tick"), (3, 1, "tick")]
    assert classification.rule_counts(classification.classified_trades(trades, none, BTC)) == {
        "": 1,
        "tick": 2,
    }


def test_a_quote_at_the_time_of_the_trade_is_not_joined():
    trades = raw_trades(ts=[10, 20], trade_id=[1, 2], price=[100, 100], native=[0, 0])
    quotes = raw_quotes(ts=[5, 20], bid=[100, 99], ask=[101, 100])
    made = classification.classified_trades(trades, quotes, BTC)
    assert rows_of(made, "bid_ticks", "ask_ticks", "sign") == [(100, 101, -1), (100, 101, -1)]
    joined = classification.strict_quotes(trades, quotes, BTC, inclusive=True)
    assert joined.bid_ticks.tolist() == [100, 99]


def test_a_trade_before_the_first_quote_has_none():
    trades = raw_trades(ts=[5, 10], trade_id=[1, 2], price=[100, 100], native=[1, 1])
    made = classification.classified_trades(trades, raw_quotes(ts=[5], bid=[9], ask=[11]), BTC)
    assert rows_of(made, "has_quote", "bid_ticks", "ask_ticks") == [(0, 0, 0), (1, 9, 11)]


def test_quotes_on_the_receive_clock_join_by_it_less_the_venues_lag():
    # The spot book carries no exchange time. Trade received at 200 ms, less the lag of L ms: the
    # quotes received at 199 - L and 201 - L lie before and after that.
    spot = load_instruments()["BTCUSDT.SPOT"]
    lag = spot.quote_lag_ms
    trades = raw_trades(ts=[50 * MS], recv=[200 * MS], trade_id=[1], price=[100], native=[0])
    quotes = raw_quotes(
        ts=[(199 - lag) * MS, (201 - lag) * MS], bid=[100, 90], ask=[110, 95], ts_source=1
    )
    made = classification.classified_trades(trades, quotes, spot)
    assert rows_of(made, "bid_ticks", "sign") == [(100, -1)]
    stamped = raw_quotes(ts=[1], bid=[1], ask=[2])
    mixed = pa.concat_tables([stamped, quotes]).unify_dictionaries()
    with pytest.raises(ValueError, match="1 with an exchange time and 2 with our receive time"):
        classification.classified_trades(trades, mixed, spot)


def test_prints_that_no_market_order_made_enter_no_figure():
    trades = raw_trades(
        ts=[1, 2, 3], trade_id=[1, 2, 3], price=[5, 6, 7], native=[1, 1, 1], is_market=[1, 0, 1]
    )
    assert [row[0] for row in classify(trades, raw_quotes(ts=[], bid=[], ask=[]))] == [1, 3]


def test_sweeps_are_numbered_from_0():
    # Two buys of one stamp, rising, ids one apart: one sweep. Then a sell.
    trades = raw_trades(
        ts=[10, 10, 20], trade_id=[1, 2, 3], price=[100, 101, 100], native=[1, 1, -1]
    )
    made = classification.classified_trades(trades, raw_quotes(ts=[], bid=[], ask=[]), BTC)
    assert column(made, "sweep").tolist() == [0, 0, 1]


def test_bars():
    made = flow.bars(TRADES, no_gaps(), **BARS)
    # Bar 0: 5 bought at 100, 3 sold at 101. Running delta 0 5 2.
    # Bar 1: 2 bought at 101, 4 of unknown side at 100. Running delta 0 2 2.
    prices = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
    assert rows_of(made, "bar_id", *prices) == [(0, 100, 101, 100, 101), (1, 101, 101, 100, 100)]
    lots = ("volume_lots", "buy_lots", "sell_lots", "unsigned_lots", "n_trades")
    assert rows_of(made, *lots) == [(8, 5, 3, 0, 2), (6, 2, 0, 4, 2)]
    deltas = ("delta_lots", "min_delta_lots", "max_delta_lots")
    assert rows_of(made, *deltas) == [(2, 0, 5), (2, 0, 2)]
    # CVD runs on over the session: 0 5 2 | 2 4 4.
    cvd = tuple(f"cvd_{name}_lots" for name in ("open", "high", "low", "close"))
    assert rows_of(made, *cvd) == [(0, 5, 0, 2), (2, 4, 2, 4)]
    # VWAP of the session so far: (500 + 303) / 8; + (202 + 400) over 14.
    assert column(made, "vwap_ticks").tolist() == pytest.approx([803 / 8, 1405 / 14], rel=1e-15)
    # sd: 3 of 8 lots one tick above the others: sqrt(3/8 * 5/8); then 5 of 14.
    expected = [np.sqrt(15 / 64), np.sqrt(5 * 9) / 14]
    assert column(made, "vwap_sd_ticks").tolist() == pytest.approx(expected, rel=1e-12)
    assert rows_of(made, "clock", "t0_ns", "t1_ns") == [
        ("time:60s", 0, 60 * NS_PER_S),
        ("time:60s", 60 * NS_PER_S, 120 * NS_PER_S),
    ]


def cvd_and_vwap(made):
    names = (*(f"cvd_{name}_lots" for name in ("open", "high", "low", "close")), "vwap_ticks")
    return rows_of(made, *names)


def test_cvd_and_vwap_of_bars_restart_after_a_gap():
    # A gap from 2 s to 61 s: bar 1 starts from nothing. Running delta 0 2 2; (202 + 400) / 6.
    made = flow.bars(TRADES, gaps((2 * NS_PER_S, 61 * NS_PER_S)), **BARS)
    assert cvd_and_vwap(made) == [(0, 5, 0, 2, 803 / 8), (0, 2, 0, 2, 602 / 6)]
    whole = flow.bars(TRADES, no_gaps(), **BARS)
    assert column(made, "delta_lots").tolist() == column(whole, "delta_lots").tolist()


def test_a_candle_that_spans_a_gap_opens_before_and_closes_after_it():
    # Bar 1 trades +2 on 2 up to the gap, then -4 from 0: open 2, high 4, low -4, close -4. Bar 2
    # goes on from there: -4 + 1.
    trades = classified(
        (1, 100, 5, 1), (2, 101, 3, -1), (61, 101, 2, 1), (65, 100, 4, -1), (121, 103, 1, 1)
    )
    made = flow.bars(trades, gaps((61 * NS_PER_S, 65 * NS_PER_S)), **BARS)
    # VWAP of bars 1 and 2: 100; (400 + 103) / 5.
    assert cvd_and_vwap(made) == [
        (0, 5, 0, 2, 803 / 8),
        (2, 4, -4, -4, 100),
        (-4, -3, -4, -3, 100.6),
    ]


def test_bars_and_features_agree_on_cvd_after_gaps():
    from orchestration.defs.features.tables import feature_settings, features

    rng = np.random.default_rng(0)
    seconds = np.sort(rng.choice(600, 200, replace=False))
    trades = classified(*[(s, 100 + s % 3, 1 + s % 5, 1 if s % 2 else -1) for s in seconds])
    ends = [seconds[i] for i in (40, 41, 90, 150)]
    holes = gaps(*[((s - 1) * NS_PER_S + 1, s * NS_PER_S) for s in ends])
    settings = feature_settings(row_ticks=1, min_lots=4, bar_seconds=60, bucket_lots=10)
    no_quotes = raw_quotes(ts=[], bid=[], ask=[])
    known = features(trades, holes, no_quotes, settings=settings)
    made = flow.bars(trades, holes, **BARS)
    last = np.searchsorted(column(known, "t0_ns"), column(made, "t1_ns")) - 1
    assert column(made, "cvd_close_lots").tolist() == column(known, "cvd_lots")[last].tolist()


def test_footprint_cells_and_imbalances():
    made = flow.footprint_cells(TRADES, **BARS, ticks_per_row=1, min_lots=4)
    sides = ("bid_lots", "ask_lots", "unsigned_lots")
    assert rows_of(made, "bar_id", "price_tick", *sides) == [
        (0, 100, 0, 5, 0),
        (0, 101, 3, 0, 0),
        (1, 100, 0, 0, 4),
        (1, 101, 0, 2, 0),
    ]
    assert column(made, "t0_ns").tolist() == [0, 0, 60 * NS_PER_S, 60 * NS_PER_S]
    # Bar 0: no ask at 101 to compare with the bid below, no bid at 100 with the ask above. Bar 1:
    # ask 2 at 101 against bid 0 at 100 (unsigned volume is on neither side), but 2 < 4 lots.
    assert column(made, "is_buy_imbalance").tolist() == [0, 0, 0, 0]
    assert column(made, "is_sell_imbalance").tolist() == [0, 0, 0, 0]
    loose = flow.footprint_cells(TRADES, **BARS, ticks_per_row=1, min_lots=2)
    assert column(loose, "is_buy_imbalance").tolist() == [0, 0, 0, 1]
    assert column(loose, "is_sell_imbalance").tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("ask", "is_imbalance"), [(30, 0), (31, 1)])
def test_an_imbalance_is_strictly_more_than_three_times_its_opposite(ask, is_imbalance):
    made = flow.footprint_cells(
        classified((1, 100, 10, -1), (2, 101, ask, 1)), **BARS, ticks_per_row=1, min_lots=1
    )
    assert column(made, "is_buy_imbalance").tolist() == [0, is_imbalance]


def test_profile_rows_start_at_multiples_of_their_height():
    fine = flow.profile_rows(TRADES, ticks_per_row=1)
    sides = ("price_tick", "bid_lots", "ask_lots", "unsigned_lots", "ticks_per_row")
    assert rows_of(fine, *sides) == [(100, 0, 5, 4, 1), (101, 3, 2, 0, 1)]
    assert rows_of(flow.profile_rows(TRADES, ticks_per_row=2), *sides) == [(100, 3, 7, 4, 2)]
    assert rows_of(flow.profile_rows(TRADES, ticks_per_row=3), *sides) == [(99, 3, 7, 4, 3)]


def test_a_day_without_trades_gives_empty_tables_of_the_right_columns():
    empty = TRADES.slice(0, 0)
    for made, full in (
        (flow.bars(empty, no_gaps(), **BARS), flow.bars(TRADES, no_gaps(), **BARS)),
        (
            flow.footprint_cells(empty, **BARS, ticks_per_row=1, min_lots=1),
            flow.footprint_cells(TRADES, **BARS, ticks_per_row=1, min_lots=1),
        ),
        (flow.profile_rows(empty, ticks_per_row=1), flow.profile_rows(TRADES, ticks_per_row=1)),
    ):
        assert made.num_rows == 0
        assert made.column_names == full.column_names


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ticks_per_row", [1, 3])
def test_no_lot_is_lost_between_the_tables(seed, ticks_per_row):
    rng = np.random.default_rng(seed)
    n = 500
    trades = classified(
        *zip(
            np.cumsum(rng.exponential(2, n)),
            1000 + np.cumsum(rng.integers(-2, 3, n)),
            rng.integers(1, 50, n),
            rng.integers(-1, 2, n),
            strict=True,
        )
    )
    sign, lots = column(trades, "sign"), column(trades, "qty_lots")
    totals = [int(lots[sign == s].sum()) for s in (-1, 1, 0)]
    bars = flow.bars(trades, no_gaps(), **BARS)
    by_side = [int(column(bars, f"{s}_lots").sum()) for s in ("sell", "buy", "unsigned")]
    assert by_side == totals
    assert int(column(bars, "volume_lots").sum()) == sum(totals)
    assert column(bars, "cvd_close_lots").tolist() == np.cumsum(column(bars, "delta_lots")).tolist()
    cells = flow.footprint_cells(trades, **BARS, ticks_per_row=ticks_per_row, min_lots=9)
    profile = flow.profile_rows(trades, ticks_per_row=ticks_per_row)
    for made in (cells, profile):
        found = [int(column(made, f"{s}_lots").sum()) for s in ("bid", "ask", "unsigned")]
        assert found == totals
    # Bar by bar too: the footprint of a bar holds what the bar holds.
    volume = column(cells, "bid_lots") + column(cells, "ask_lots") + column(cells, "unsigned_lots")
    per_bar = np.bincount(column(cells, "bar_id"), weights=volume)[column(bars, "bar_id")]
    assert per_bar.astype(np.int64).tolist() == column(bars, "volume_lots").tolist()
