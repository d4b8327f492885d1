import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.instruments import load_instruments
from orchestration.sources import binance
from orchestration.sources.binance.replies import parse_replies, split_records
from orchestration.sources.records import SourceError
from tests.sources.cases import PERP, SPOT, T0_MS, column, reasons, require_whole, source_file

KNOWN = load_instruments()
FINE = {name: Decimal("1e-8") for name in ("price_step", "tick_size", "lot_step")}


def item(i: int, **more) -> dict:
    found = {"a": i, "p": "100.00", "q": "0.001", "f": i, "l": i, "T": T0_MS + i, "m": False}
    return found | more


def parse(items, instrument=PERP, name="made.json"):
    data = items if isinstance(items, str | bytes) else json.dumps(items)
    batch = parse_replies(source_file(data, name), instrument)
    require_whole(batch)
    return batch


def test_both_sides():
    batch = parse([item(1, m=True), item(2, m=False)])
    assert column(batch.trades, "native_sign") == [-1, 1]
    found = {"id": 1, "price": "1", "qty": "1", "time": T0_MS, "isBuyerMaker": True}
    batch = parse([found, found | {"id": 2, "isBuyerMaker": False}])
    assert column(batch.trades, "native_sign") == [-1, 1]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"m": ""}, "malformed"),  # as in a recording whose sides were removed
        ({"m": "false"}, "malformed"),
        ({"m": 0}, "malformed"),
        ({"M": "x"}, "malformed"),
        ({"a": "2"}, "malformed"),
        ({"a": True}, "malformed"),
        ({"a": -2}, "out_of_range"),
        ({"a": 1 << 70}, "out_of_range"),
        ({"p": 100.0}, "malformed"),
        ({"p": "x"}, "malformed"),
        ({"p": "100.001"}, "off_grid"),
        ({"q": "0"}, "out_of_range"),
        ({"f": 3, "l": 2}, "malformed"),
        ({"f": -1, "l": -1}, "out_of_range"),
        ({"f": 1, "l": 1 << 70}, "malformed"),
        ({"T": None}, "malformed"),
        ({"T": 10}, "out_of_range"),
    ],
)
def test_a_bad_record_is_refused_and_no_other(more, reason):
    batch = parse([item(1), item(2, **more), item(3)])
    assert reasons(batch) == {2: reason}
    assert column(batch.trades, "trade_id") == [1, 3]


def test_a_key_that_stands_twice():
    texts = [json.dumps(item(1)), json.dumps(item(2))[:-1] + ',"p":"200"}']
    assert reasons(parse("\n".join(texts))) == {2: "malformed"}


def test_how_records_may_be_divided():
    one, two = (json.dumps(item(i)).encode() for i in (1, 2))
    for data in (
        b"[" + one + b"," + two + b"]", one + b"\n" + two + b"\n", one + b",\n" + two,
        b"[" + one + b"]\n[" + two + b"]\r\n", b"[\n  " + one + b" ,\n " + two + b"\n]\n",
    ):  # fmt: skip
        assert split_records(data) == [one, two]
    assert split_records(b"[]") == []
    # Nothing but white space and the arrays' marks is left out.
    assert split_records(b"x\n[y") == [b"x", b"y"]


def test_a_cut_file():
    text = json.dumps([item(1), item(2)])
    assert reasons(parse(text[:-9])) == {2: "truncated"}


def test_what_is_no_trade():
    with pytest.raises(SourceError, match="is an error reply"):
        parse('{"code":-2014,"msg":"API-key format invalid."}')
    with pytest.raises(SourceError, match="all 1 are damaged"):
        parse('[{"symbol":"BTCUSDT","bidPrice":"1"}]')
    with pytest.raises(SourceError, match="is named after ETHUSDT"):
        parse([item(1)], name="ETHUSDT-aggTrades-ids-1-1.ndjson")


def test_a_reply_of_the_other_market_is_refused():
    with pytest.raises(SourceError, match="are futures"):
        parse([item(1)], SPOT)
    with pytest.raises(SourceError, match="are spot"):
        parse([item(1, M=True)], PERP)
    # One record without the mark among spot's is damage, not another market.
    assert len(parse([item(1, M=True), item(2)], SPOT).trades) == 2


RECORDED = {
    "spot_aggTrades_BTCUSDT_fromId202790190": ("BTCUSDT.SPOT", "BTCUSDT", 1000),
    "spot_trades_ETHBTC_limit1000": ("ETHUSDT.SPOT", "ETHBTC", 1000),
    "um_aggTrades_LTCUSDT": ("BTCUSDT", "LTCUSDT", 500),
    "spot_historicalTrades_BTCUSDT": ("BTCUSDT.SPOT", "BTCUSDT", 5),
    "um_trades_BTCUSDT": ("BTCUSDT", "BTCUSDT", 5),
    "cm_trades_BTCUSD_PERP": ("BTCUSD_PERP", "BTCUSD_PERP", 6),
    "cm_aggTrades_BTCUSD_PERP": ("BTCUSD_PERP", "BTCUSD_PERP", 5),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_replies_in_full(test_data: Path, name):
    base, symbol, n = RECORDED[name]
    known = replace(KNOWN[base], venue_symbol=symbol, **FINE)
    path = test_data / "binance_rest" / "split" / f"{name}.json"
    (batch,) = binance.read([path], known)
    require_whole(batch)
    assert (len(batch.trades), batch.quarantined) == (n, 0)
    plain = {item.get("a", item.get("id")): item for item in json.loads(path.read_bytes())}
    for row in batch.trades.to_pylist():
        found = plain.pop(row["trade_id"])
        assert row["ts_event_ns"] == found.get("T", found.get("time")) * 10**6
        assert row["price_ticks"] == Decimal(found.get("p", found.get("price"))) * 10**8
        assert row["qty_lots"] == Decimal(found.get("q", found.get("qty"))) * 10**8
        is_maker = found.get("m", found.get("isBuyerMaker"))
        assert row["native_sign"] == (-1 if is_maker else 1)
    assert not plain


def test_a_recorded_error_is_one(test_data):
    path = test_data / "binance_rest" / "split" / "cm_error_minus2014.json"
    with pytest.raises(SourceError, match=r"is an error reply: .*-2014"):
        binance.read([path], KNOWN["BTCUSD_PERP"])
