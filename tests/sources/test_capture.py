import json

import pytest

from orchestration.sources.capture import fetch
from orchestration.sources.records import SourceError
from tests.sources.cases import (
    MS,
    PERP,
    SPOT,
    T0_MS,
    aggregate,
    column,
    depth,
    frame,
    parse,
    quote,
    reasons,
    spot_quote,
    trade,
)


def test_both_sides():
    batch = parse([trade(1, m=True), trade(2, m=False)])
    # The buyer was the maker: the seller's order made the trade.
    assert column(batch.trades, "native_sign") == [-1, 1]


@pytest.mark.parametrize("token", ["false", "true", "False", 0, 1, None, [], {}])
def test_anything_but_a_boolean_is_no_side(token):
    batch = parse([trade(1), trade(2, m=token)])
    assert reasons(batch) == {2: "malformed"}
    assert "m must be true or false" in column(batch.quarantine, "detail")[0]


def test_a_trade_in_full():
    batch = parse([trade(7, ms=3, p="63943.90", q="0.310", m=True)])
    row = batch.trades.to_pylist()[0]
    assert row == {
        "ts_event_ns": (T0_MS + 3) * MS, "ts_recv_ns": (T0_MS + 8) * MS, "trade_id": 7,
        "venue_id": "", "price_ticks": 6_394_390, "qty_lots": 310, "native_sign": -1,
        "is_market": 1, "is_outside_session": 0, "source": "capture", "unit": "0" * 64, "line": 1,
    }  # fmt: skip


def test_quotes_with_and_without_exchange_time():
    row = parse([quote(5, ms=2)]).quotes.to_pylist()[0]
    assert (row["ts_event_ns"], row["ts_recv_ns"]) == ((T0_MS + 2) * MS, (T0_MS + 7) * MS)
    assert (row["ts_source"], row["quote_id"], row["bid_ticks"], row["ask_lots"]) == (
        0,
        5,
        9990,
        2000,
    )
    row = parse([spot_quote(5, ms=2)], SPOT).quotes.to_pylist()[0]
    assert row["ts_event_ns"] == row["ts_recv_ns"] == (T0_MS + 7) * MS
    assert row["ts_source"] == 1


def test_a_futures_quote_that_lost_its_time_is_not_stamped_by_our_clock():
    batch = parse([quote(1), quote(2).replace('"T":', '"U":')])
    assert reasons(batch) == {2: "malformed"}


def test_prints_that_no_order_made():
    batch = parse([trade(1), trade(2, X="INSURANCE_FUND"), trade(3, X="ADL"), trade(4, X=7)])
    assert column(batch.trades, "is_market") == [1, 0, 0]
    assert batch.counts["trades_without_order"] == 2
    assert reasons(batch) == {4: "malformed"}


def test_trades_win_over_aggregates():
    batch = parse([aggregate(1, 1, 2), trade(1), trade(2), aggregate(2, 3, 3), trade(3)])
    assert column(batch.trades, "trade_id") == [1, 2, 3]
    assert batch.other == {"aggTrade": 2}


def test_a_damaged_aggregate_beside_trades_is_no_offered_record():
    cut = aggregate(2, 3, 3)[:90]
    assert parse([trade(1), cut, trade(2)]).other == {"aggTrade": 1}
    assert reasons(parse([aggregate(1, 1, 2), cut])) == {2: "malformed"}


def test_aggregates_alone_are_stored_under_their_own_ids():
    batch = parse([aggregate(8, 20, 22), aggregate(9, 23, 23)])
    assert column(batch.trades, "trade_id") == [8, 9]
    assert column(batch.trades, "venue_id") == ["20-22", "23-23"]


def test_what_is_not_ours_is_counted_by_kind():
    lines = [
        "wss://stream.example/stream?streams=btcusdt@trade", "configuration: {}", "", "  ",
        "https://api.example/depth?symbol=BTCUSDT -> 1700000000.5: {\"lastUpdateId\":1}",
        trade(1), depth(), depth(symbol="ETHUSDT"), trade(2).replace("BTC", "ETH").replace("btc", "eth"),
        frame({"e": "markPriceUpdate", "s": "BTCUSDT"}, stream="btcusdt@markPrice@1s"),
        frame({"e": "kline", "s": "BTCUSDT"}, stream="btcusdt@kline_1m"),
        frame({"e": "forceOrder", "s": "BTCUSDT"}),
        frame({"lastUpdateId": 1, "bids": [], "s": ""}, stream="btcusdt@depth20@100ms"),
        f'{T0_MS} {{"stream":"!ticker@arr","data":[]}}',
        f'{T0_MS} {{"stream":"!serverShutdown","data":{{"e":"serverShutdown","E":1}}}}',
        f'{T0_MS} {{"lastUpdateId":1,"bids":[],"asks":[]}}',
        f'{T0_MS} {{"result":null,"id":1}}',
        f'{T0_MS} {{"id":1,"error":{{"code":2}}}}',
    ]  # fmt: skip
    batch = parse(lines)
    assert (batch.offered, batch.depth_offered) == (1, 1)
    assert batch.other == {
        "blank": 2, "control": 3, "depth": 2, "forceOrder": 1, "kline": 1, "markPrice": 1,
        "other_symbol": 1, "reply": 2, "serverShutdown": 1, "snapshot": 1, "ticker": 1,
    }  # fmt: skip


def test_frames_without_the_stream_wrapper():
    def bare(line):
        recv, _, body = line.partition(" ")
        return f"{recv} {json.dumps(json.loads(body)['data'])}"

    batch = parse([bare(trade(1)), bare(quote(1)), bare(depth())])
    assert (len(batch.trades), len(batch.quotes), batch.depth_stored) == (1, 1, 1)
    assert len(parse([bare(spot_quote(1))], SPOT).quotes) == 1


def test_the_stream_of_all_symbols():
    line = quote(1).replace("btcusdt@bookTicker", "!bookTicker")
    assert len(parse([line]).quotes) == 1
    assert parse([line.replace('"BTCUSDT"', '"ETHUSDT"')]).other == {"other_symbol": 1}


@pytest.mark.parametrize(
    "recv", ["1700000000", "1700000000000", "1700000000000000", "1700000000.25"]
)
def test_receive_times_of_any_unit(recv):
    body = trade(1).partition(" ")[2]
    for sep in (" ", ": "):
        row = parse([f"{recv}{sep}{body}"]).trades.to_pylist()[0]
        assert row["ts_recv_ns"] == 1_700_000_000 * 10**9 + (250_000_000 if "." in recv else 0)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"t":1', '"t":1.0', "malformed"), ('"t":1', '"t":"1"', "malformed"),
        ('"t":1', '"t":true', "malformed"), ('"t":1', '"t":-1', "out_of_range"),
        ('"t":1', '"t":99999999999999999999', "out_of_range"), ('"t":1', '"u":1', "malformed"),
        ('"T":1', '"T":9', "out_of_range"), ('"T":1700000000000', '"T":17', "out_of_range"),
        ('"T":1700000000000', '"T":null', "malformed"), ('"p":"', '"p":"x', "malformed"),
        ('"p":"100.00"', '"p":100.00', "malformed"), ('"q":"0.001"', '"q":NaN', "malformed"),
        ('"e":"trade"', '"e":"tradf"', "malformed"), ('"e":"trade"', '"e":["trade"]', "malformed"),
        ("@trade", "@trada", "malformed"), ("btcusdt@", "btcusdx@", "malformed"),
        ('"s":"BTCUSDT"', '"s":"BTCUSDX"', "malformed"), ('"s":"BTCUSDT"', '"s":7', "malformed"),
        ('"data":{', '"data":[{', "malformed"), ('"E":', '"T":', "malformed"),
        ("}}", "}", "malformed"), ("17000000000", "x7000000000", "malformed"), ("{", "", "malformed"),
        ('"m":', '"m', "malformed"), ("stream", "str\xffam", "malformed"), ("1700", "99", "malformed"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_one_offered_and_one_refused(before, after, reason):
    good = trade(1)
    assert before in good
    bad = good.replace(before, after, 1)
    batch = parse([trade(5, ms=9), bad, quote(1, ms=9)])
    assert reasons(batch) == {2: reason}
    assert (batch.offered, batch.stored) == (3, 2)
    assert column(batch.quarantine, "record") == [bad]


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [(7, 6, "malformed"), (7, -1, "out_of_range"), (-1, -1, "out_of_range"), (7, 7, None)],
)
def test_fills_of_an_aggregate_run_upwards(first, last, reason):
    batch = parse([aggregate(1, 1, 2), aggregate(2, first, last, ms=1), aggregate(3, 8, 8, ms=2)])
    assert reasons(batch) == ({2: reason} if reason else {})


def test_bytes_that_are_no_text_are_shown_as_escapes():
    line = trade(1).encode().replace(b"BTC", b"\xff\xfeC")
    batch = parse(trade(2).encode() + b"\n" + line + b"\n")
    assert reasons(batch) == {2: "malformed"}
    assert r"\xff\xfeC" in column(batch.quarantine, "record")[0]


def test_deep_and_long_lines_do_not_break_the_reader():
    deep = f"{T0_MS} " + '{"a":' * 100_000
    long = f"{T0_MS} " + '{"a":"' + "x" * 100_000
    batch = parse([trade(1), deep, long])
    assert reasons(batch) == {2: "malformed", 3: "malformed"}
    assert all(len(text) == 4096 for text in column(batch.quarantine, "record"))


def test_a_lost_line_end_does_not_hide_a_record():
    batch = parse([trade(1), depth() + trade(2), depth() + depth(), trade(3)])
    assert reasons(batch) == {2: "malformed", 3: "malformed"}
    assert column(batch.quarantine, "kind") == ["unknown", "depth"]
    assert (batch.quarantined, batch.depth_quarantined) == (1, 1)


def test_a_last_line_that_was_cut():
    whole = "".join(line + "\n" for line in (trade(1), quote(1)))
    for n in (5, 25, 60, len(trade(2)) - 1):
        batch = parse(whole + trade(2)[:n])
        assert reasons(batch) == {3: "truncated"}
    assert parse(whole + trade(2)).quarantined == 0  # complete, only the line end is missing
    batch = parse(whole + depth()[:130])
    assert (reasons(batch), batch.depth_quarantined) == ({3: "truncated"}, 1)
    cut = depth(symbol="ETHUSDT")[:130]
    assert parse(whole + cut).other == {"depth": 1}  # surely no record of ours
    eth = trade(2).replace("btc", "eth")
    assert parse(whole + eth[:70]).other == {"other_symbol": 1}


def test_other_line_ends():
    text = "\r\n".join([trade(1), quote(1), ""])
    batch = parse(text)
    assert (batch.stored, batch.quarantined, batch.n_lines) == (2, 0, 2)


def test_reconnect_leaves_a_gap_of_quotes():
    address = "wss://stream.example/stream?streams=btcusdt@trade"
    lines = [address, quote(1), trade(1), address, quote(2, ms=500), trade(2, ms=500), address]
    batch = parse(lines)
    assert batch.gaps.to_pylist() == [
        {
            "kind": "quote", "start_ns": T0_MS * MS, "end_ns": (T0_MS + 500) * MS,
            "first_missing_id": 0, "n_missing": 0, "reason": "reconnect",
            "source": "capture", "unit": "0" * 64,
        }
    ]  # fmt: skip
    again = [address, trade(1), trade(2), address, trade(2), trade(3), trade(9, ms=1)]
    batch = parse(again)
    assert column(batch.trades, "trade_id") == [1, 2, 3, 9]
    assert reasons(batch) == {5: "duplicate"}
    assert column(batch.gaps, "first_missing_id") == [4]


def test_nothing_of_the_symbol_is_an_empty_batch():
    of_eth = trade(1).replace("BTC", "ETH").replace("btc", "eth")
    batch = parse([depth(symbol="ETHUSDT"), "", of_eth])
    assert (batch.offered, batch.depth_offered) == (0, 0)
    assert (batch.first_ns, batch.last_ns) == (0, 0)
    assert parse(b"").n_lines == 0


def test_nothing_readable_is_an_error():
    with pytest.raises(SourceError, match=r"made\.dat: holds no readable record of BTCUSDT: all 2"):
        parse(["garbage", "more of it"])


def test_recorded_files_must_be_named(tmp_path):
    with pytest.raises(SourceError, match="--path FILE"):
        fetch(PERP, tmp_path)
