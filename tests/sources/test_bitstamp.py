from datetime import date

import numpy as np
import pytest

from orchestration.instruments import load_instruments
from orchestration.sources.bitstamp import (
    ORDERS_HEADER,
    TRADES_HEADER,
    parse_orders,
    parse_trades,
    read_bitstamp,
)
from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import SourceError
from tests.sources.cases import BITSTAMP, T0_MS, column, reasons, require_whole, source_file


def orders(*rows: str, end: str = "\n"):
    batch = parse_orders(source_file("\n".join([ORDERS_HEADER.decode(), *rows]) + end), BITSTAMP)
    require_whole(batch)
    return batch


def trades(*rows: str, end: str = "\n"):
    batch = parse_trades(source_file("\n".join([TRADES_HEADER.decode(), *rows]) + end), BITSTAMP)
    require_whole(batch)
    return batch


def event(order: int, ms: int, price: str, qty: str, action: str, side: str) -> str:
    return f"{order},{T0_MS + ms + 70},{T0_MS + ms},{price},{qty},{action},{side}"


def best(batch):
    names = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    rows = zip(*(column(batch.quotes, n) for n in names), strict=True)
    return [(t // 10**6 - T0_MS, *rest) for t, *rest in rows]


BID = event(1, 0, "100.0", "1.5", "created", "bid")
ASK = event(2, 0, "101.0", "0.25", "created", "ask")
# 100.0 / .1 = 1000 ticks; 1.5 / 1e-8 = 150,000,000 lots.
FIRST = (0, 1000, 150_000_000, 1010, 25_000_000)


def test_a_quote_is_the_state_after_the_last_event_of_a_millisecond():
    batch = orders(
        BID,
        ASK,
        event(3, 5, "100.5", "1", "created", "bid"),  # gone within the millisecond: no quote
        event(3, 5, "100.5", "1", "deleted", "bid"),
        event(4, 6, "100.0", "0.5", "created", "bid"),
        event(2, 9, "101.0", "0.125", "changed", "ask"),
        event(4, 10, "100.0", "0.5", "deleted", "bid"),
    )
    assert best(batch) == [
        FIRST,
        (6, 1000, 200_000_000, 1010, 25_000_000),  # two orders at one price
        (9, 1000, 200_000_000, 1010, 12_500_000),
        (10, 1000, 150_000_000, 1010, 12_500_000),
    ]
    assert column(batch.quotes, "line") == [3, 6, 7, 8]
    assert column(batch.quotes, "quote_id") == [2, 5, 6, 7]
    assert column(batch.quotes, "ts_source") == [0, 0, 0, 0]
    assert column(batch.quotes, "ts_recv_ns")[0] == (T0_MS + 70) * 10**6
    assert batch.other == {"header": 1, "order_event": 3}


def test_what_does_not_change_the_best_gives_no_quote():
    batch = orders(
        BID,
        ASK,
        event(3, 1, "99.0", "1", "created", "bid"),
        event(4, 2, "102.0", "1", "created", "ask"),
        event(3, 3, "99.0", "2", "changed", "bid"),
        event(9, 4, "50.0", "1", "deleted", "bid"),  # never created here
    )
    assert best(batch) == [FIRST]
    assert batch.counts["events_of_unknown_orders"] == 1


def test_a_side_that_is_empty_has_no_quote():
    batch = orders(BID, ASK, event(1, 5, "100.0", "1.5", "deleted", "bid"), event(3, 7, "99.0", "1", "created", "bid"))  # fmt: skip
    assert best(batch) == [FIRST, (7, 990, 100_000_000, 1010, 25_000_000)]


def test_a_taker_crosses_within_its_millisecond_only():
    # Order 3 buys 0.4 at 105: takes 0.25 at 101, the rest rests at its own limit, not at 101.
    batch = orders(
        BID, ASK,
        event(3, 5, "105.0", "0.4", "created", "bid"),
        event(3, 5, "101.0", "0.15", "changed", "bid"),
        event(2, 5, "101.0", "0.0", "deleted", "ask"),
        event(4, 6, "106.0", "1", "created", "ask"),
    )  # fmt: skip
    assert best(batch) == [FIRST, (6, 1050, 15_000_000, 1060, 100_000_000)]
    assert "crossed_states" not in batch.counts


@pytest.mark.parametrize("price", ["101.0", "102.0"])
def test_an_order_that_stays_crossed_was_deleted_unseen(price):
    # The older one goes: the ask of millisecond 0. Its own deletion comes later and is unknown.
    batch = orders(
        BID, ASK,
        event(3, 0, "103.0", "1", "created", "ask"),
        event(4, 5, price, "1", "created", "bid"),
        event(2, 9, "101.0", "0.25", "deleted", "ask"),
    )  # fmt: skip
    assert best(batch)[1:] == [(5, int(float(price) * 10), 100_000_000, 1030, 100_000_000)]
    kind = "locked_states" if price == "101.0" else "crossed_states"
    assert batch.counts == {kind: 1, "stale_orders": 1, "events_of_unknown_orders": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (event(3, 1, "100.05", "1", "created", "bid"), "off_grid"),
        (event(3, 1, "0.0", "1", "created", "bid"), "out_of_range"),
        (event(3, 1, "-1.0", "1", "created", "bid"), "out_of_range"),
        (event(3, 1, "100.0", "-1", "created", "bid"), "out_of_range"),
        (event(3, 1, "100.0", "1e-9", "created", "bid"), "off_grid"),
        (event(3, 1, "x", "1", "created", "bid"), "malformed"),
        (event(3, 1, "100.0", "1", "Created", "bid"), "malformed"),
        (event(3, 1, "100.0", "1", "created", "buy"), "malformed"),
        (event(3, 1, "100.0", "1", "created", "bid").replace("3,", "-3,", 1), "malformed"),
        ("1,2", "malformed"),
        (BID, "duplicate"),
        (event(3, -1, "100.0", "1", "created", "bid"), "time_inversion"),
    ],
)
def test_a_damaged_event_is_one_offered_and_one_refused(row, reason):
    batch = orders(BID, ASK, row, event(4, 2, "99.0", "1", "created", "bid"))
    assert reasons(batch) == {4: reason}
    assert best(batch) == [FIRST]


def test_trades_have_both_sides():
    row = "7,{0},{1},100.0,0.00000001,11,12,{2}"
    batch = trades(*(row.format(T0_MS + 9, T0_MS, s).replace("7", str(i), 1) for i, s in [(1, "buy"), (2, "sell")]))  # fmt: skip
    assert column(batch.trades, "native_sign") == [1, -1]
    assert column(batch.trades, "qty_lots") == [1, 1]
    assert column(batch.trades, "ts_recv_ns") == [(T0_MS + 9) * 10**6] * 2


@pytest.mark.parametrize("side", ["Buy", "", "b", "0", "buy ", "true"])
def test_another_side_is_malformed(side):
    good = f"1,{T0_MS},{T0_MS},100.0,1,11,12,buy"
    batch = trades(good, f"2,{T0_MS},{T0_MS},100.0,1,11,12,{side}")
    assert reasons(batch) == {3: "malformed"}


def test_last_rows_that_were_cut():
    assert reasons(orders(BID, ASK, ASK.replace("2,", "3,", 1)[:-1], end="")) == {4: "truncated"}
    assert orders(BID, ASK, end="").quarantined == 0  # the last word is complete
    good = f"1,{T0_MS},{T0_MS},100.0,1,11,12,buy"
    assert reasons(trades(good, good[:-9], end="")) == {3: "truncated"}


def test_another_file_is_refused():
    with pytest.raises(SourceError, match="line 1 must be 'trade_id,"):
        parse_trades(source_file(ORDERS_HEADER + b"\n"), BITSTAMP)
    with pytest.raises(SourceError, match="line 1 must be 'id,"):
        parse_orders(source_file(b""), BITSTAMP)


@pytest.fixture(scope="module")
def recorded(test_data):
    folder = test_data / "bitstamp_ob_analytics"
    known = load_instruments()["BTCUSD.BITSTAMP"]
    return read_bitstamp(folder / "orders.csv.gz", folder / "trades.csv", known)


def test_recorded_sample(recorded):
    known = load_instruments()["BTCUSD.BITSTAMP"]
    quotes, fills = recorded
    for batch in (quotes, fills):
        require_whole(batch)
        assert list(split_by_day(batch, known)) == [date(2026, 5, 2)]
    assert quotes.unit != fills.unit
    assert (quotes.offered, quotes.stored, quotes.quarantined) == (22_312, 22_263, 49)
    assert quotes.other == {"header": 1, "order_event": 291_745}  # 314,057 events in all
    assert set(column(quotes.quarantine, "reason")) == {"out_of_range"}  # orders at price 0.0
    assert quotes.counts == {"crossed_states": 2, "events_of_unknown_orders": 23, "stale_orders": 2}
    assert (fills.offered, fills.stored, fills.quarantined) == (284, 284, 0)
    assert fills.counts == {}
    assert (quotes.first_ns, quotes.last_ns) == (
        1_777_689_380_521_000_000,
        1_777_691_180_400_000_000,
    )
    assert (fills.first_ns, fills.last_ns) == (1_777_689_383_817_000_000, 1_777_691_174_280_000_000)


def test_the_rebuilt_quotes_explain_every_recorded_trade(recorded):
    quotes, fills = recorded
    ts = quotes.quotes["ts_event_ns"].to_numpy()
    mid2 = quotes.quotes["bid_ticks"].to_numpy() + quotes.quotes["ask_ticks"].to_numpy()
    price2 = 2 * fills.trades["price_ticks"].to_numpy()
    when, side = fills.trades["ts_event_ns"].to_numpy(), fills.trades["native_sign"].to_numpy()
    before = np.searchsorted(ts, when, side="left") - 1
    assert np.array_equal(np.sign(price2 - mid2[before]), side)  # all 284, none undecided
    # The negative control: quotes of the trade's own millisecond already show its effect.
    same = np.searchsorted(ts, when, side="right") - 1
    assert np.mean(np.sign(price2 - mid2[same]) == side) < 0.7
