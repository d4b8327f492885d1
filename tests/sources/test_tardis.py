import dataclasses

import pytest

from orchestration.sources.records import SourceError
from orchestration.sources.tardis import parse_tardis
from tests.sources.cases import column, reasons, require_whole
from tests.sources.file_cases import instrument, member

PERP = instrument("BTCUSDT", "0.01", lot="0.001", venue="binance_um", max_id_step=2)
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
QUOTES = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"
T0 = 1_582_329_602_000_000  # microseconds


def trade(k, *, at="binance-futures", symbol="BTCUSDT", id_=None, side="buy", price="9682"):
    return (
        f"{at},{symbol},{T0 + k},{T0 + k + 300},{100 + k if id_ is None else id_},{side},{price},1"
    )


def parse(header, *rows, known=PERP, **more):
    batch = parse_tardis(member("\n".join([header, *rows, ""]), **more), known)
    require_whole(batch)
    return batch


def test_a_trade_in_full():
    row = parse(TRADES, trade(7, side="sell", price="9681.92")).trades.to_pylist()[0]
    assert row == {
        "ts_event_ns": (T0 + 7) * 1000, "ts_recv_ns": (T0 + 307) * 1000, "trade_id": 107,
        "venue_id": "", "price_ticks": 968_192, "qty_lots": 1000, "native_sign": -1,
        "is_market": 1, "is_outside_session": 0, "source": "tardis", "unit": "0" * 64, "line": 2,
    }  # fmt: skip


def test_ids_order_the_trades_and_tell_what_is_missing():
    batch = parse(TRADES, trade(3), trade(1), trade(1), trade(9), trade(2, side="unknown"))
    assert column(batch.trades, "trade_id") == [101, 102, 103, 109]
    assert column(batch.trades, "native_sign") == [1, 0, 1, 1]
    assert reasons(batch) == {4: "duplicate"}
    assert column(batch.gaps, "n_missing") == [5]


def test_ids_that_are_no_numbers_become_the_venues_own():
    ids = ["ccc3c1fa-212c", "b46c84da-6942", "77"]
    batch = parse(TRADES, *(trade(k, id_=text) for k, text in enumerate(ids)))
    assert column(batch.trades, "trade_id") == [2, 3, 4]
    assert column(batch.trades, "venue_id") == ids
    assert not len(batch.gaps)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (trade(2, side="BUY"), "malformed"),
        (trade(2, side="false"), "malformed"),
        (trade(2, id_="x"), "malformed"),
        (trade(2, symbol="BTC\x00USDT"), "malformed"),
        (trade(2, price="9682.001"), "off_grid"),
        (trade(2, price="0"), "out_of_range"),
        (trade(2) + ",", "malformed"),
        (trade(2).replace(str(T0 + 2), "x", 1), "malformed"),
        (trade(0, id_=102), "time_inversion"),
    ],
)
def test_a_damaged_row_is_one_refused_trade(row, reason):
    batch = parse(TRADES, trade(1), row, trade(3))
    assert (reasons(batch), batch.stored) == ({3: reason}, 2)


def test_other_symbols_are_counted_and_another_market_is_refused():
    batch = parse(TRADES, trade(1), trade(2, symbol="ETHUSDT"))
    assert batch.other == {"header": 1, "other_symbol": 1}
    with pytest.raises(SourceError, match="line 2: BTCUSDT is of binance, but BTCUSDT is of binan"):
        parse(TRADES, trade(1, at="binance"))
    spot = dataclasses.replace(PERP, venue="binance_spot")
    assert parse(TRADES, trade(1, at="binance"), known=spot).stored == 1


def test_quotes_without_exchange_time_and_with_an_empty_side():
    batch = parse(
        QUOTES,
        f"binance-futures,BTCUSDT,{T0},{T0 + 9},0.84,9682,9681.92,0.67",
        f"binance-futures,BTCUSDT,{T0 + 20},{T0 + 20},0.84,9682,9681.93,0.67",
        f"binance-futures,BTCUSDT,{T0 + 30},{T0 + 30},0.84,9682,,",
        f"binance-futures,BTCUSDT,{T0 + 40},{T0 + 41},0.84,9682,,0.67",
        f"binance-futures,BTCUSDT,x,{T0 + 41},0.84,9682,9681.92,0.67",
    )
    assert column(batch.quotes, "ts_source") == [0, 1]
    assert column(batch.quotes, "bid_ticks") == [968_192, 968_193]
    assert column(batch.quotes, "ask_lots") == [840, 840]
    assert batch.other == {"header": 1, "one_sided": 1}
    assert reasons(batch) == {5: "malformed", 6: "malformed"}


@pytest.mark.parametrize("header", ["", "a,b", TRADES.replace("side", "price"), QUOTES[:-4]])
def test_another_header_is_refused(header):
    with pytest.raises(SourceError, match="line 1 must name the columns of Tardis"):
        parse(header, trade(1))


def test_a_last_row_without_end_is_refused_unless_a_checksum_covers_it():
    text = f"{TRADES}\n{trade(1)}\n{trade(2)}"
    cut = parse_tardis(member(text, is_sealed=False), PERP)
    assert reasons(cut) == {3: "truncated"}
    assert parse_tardis(member(text, is_sealed=True), PERP).stored == 2
