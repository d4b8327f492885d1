import databento_dbn as dbn
import pyarrow as pa
import pytest

from orchestration.sources.databento import parse_dbn, read
from orchestration.sources.records import SourceError
from tests.sources.cases import column, reasons, require_whole
from tests.sources.dbn_cases import OTHER, T0_NS, TOP, dbn_file, framed, order, trade
from tests.sources.file_cases import instrument

ESM4 = instrument("ESM4", "0.25", kind="future")
CLEAR = order(0, "R", "N", None, 0, 0, flags=0x28)


def parse(schema, *records):
    batches = parse_dbn(dbn_file(schema, *records), ESM4)
    for batch in batches:
        require_whole(batch)
        assert batch.n_lines == len(records)
    return batches


def tops(batch):
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    return list(zip(*(column(batch.quotes, name) for name in names), strict=True))


def test_a_trade_in_full():
    (batch,) = parse("trades", trade(7, side="A"))
    assert batch.trades.to_pylist() == [{
        "ts_event_ns": T0_NS + 7, "ts_recv_ns": T0_NS + 507, "trade_id": 1, "venue_id": "7",
        "price_ticks": 20857, "qty_lots": 3, "native_sign": -1, "is_market": 1,
        "is_outside_session": 0, "source": "databento", "unit": "0" * 64, "line": 1,
    }]  # fmt: skip


def test_each_side_and_what_is_none():
    (batch,) = parse(
        "trades", *(trade(k, side=s) for k, s in enumerate("BANX")),
        trade(9, price=None), trade(10, size=0), trade(11, price="5214.25", action="Q"),
        trade(12, instrument=OTHER), trade(13, instrument=1), framed(23, 0, 0, b"\0" * 24),
        framed(99, 0, 0, b"\0" * 24),
    )  # fmt: skip
    assert column(batch.trades, "native_sign") == [1, -1, 0]
    assert batch.other == {"other_symbol": 1, "system": 1}
    assert reasons(batch) == {
        4: "malformed", 5: "off_grid", 6: "out_of_range", 7: "malformed", 9: "malformed",
        11: "malformed",
    }  # fmt: skip


def test_the_quote_that_a_trade_met_stands_before_it():
    trades, quotes = parse("tbbo", trade(7, top=TOP), trade(7, top=TOP), trade(9, top=TOP))
    assert column(trades.trades, "ts_event_ns") == [T0_NS + 7, T0_NS + 7, T0_NS + 9]
    assert column(quotes.quotes, "ts_event_ns") == [T0_NS + 6, T0_NS + 7, T0_NS + 8]
    assert tops(quotes)[0] == (20857, 7, 20858, 9)
    assert trades.unit != quotes.unit


def test_updates_of_the_best_prices_give_quotes_and_trades_give_none():
    other = (TOP[0], 8, TOP[2], TOP[3])
    empty = ((1 << 63) - 1, 0, TOP[2], TOP[3])
    trades, quotes = parse(
        "mbp-1", trade(1, action="A", top=TOP), trade(2, action="C", top=TOP),
        trade(3, top=other), trade(4, action="M", top=empty), trade(5, action="A", top=TOP),
    )  # fmt: skip
    assert column(trades.trades, "line") == [3]
    assert column(quotes.quotes, "line") == [1, 5]
    assert quotes.other == {"one_sided": 1, "trade": 1, "unchanged": 1}


def test_a_book_put_together_from_orders():
    trades, quotes = parse(
        "mbo",
        order(0, "A", "B", "5214.00", 1, 90),  # before the clear nothing is known
        CLEAR,
        order(0, "A", "B", "5214.25", 5, 1, flags=0x28),
        order(0, "A", "A", "5214.50", 4, 2, flags=0xA8),  # the snapshot ends
        order(1005, "A", "A", "5214.50", 2, 3),
        order(1006, "T", "B", "5214.50", 4, 0, flags=0),  # a buyer takes order 2
        order(1006, "F", "A", "5214.50", 4, 2, flags=0),
        order(1006, "C", "A", "5214.50", 4, 2),
        order(1007, "M", "A", "5214.75", 2, 3),
        order(1008, "C", "A", "5214.75", 9, 77),  # unknown
        order(1009, "C", "A", "5214.75", 2, 3),  # a side is empty
    )
    assert (column(trades.trades, "line"), column(trades.trades, "native_sign")) == ([6], [1])
    assert column(quotes.quotes, "line") == [4, 5, 8, 9]
    assert tops(quotes) == [
        (20857, 5, 20858, 4), (20857, 5, 20858, 6), (20857, 5, 20858, 2), (20857, 5, 20859, 2),
    ]  # fmt: skip
    # Orders of a snapshot are old: its quote has the time of receipt.
    assert column(quotes.quotes, "ts_source") == [1, 0, 0, 0]
    assert column(quotes.quotes, "ts_event_ns")[:2] == [T0_NS + 500, T0_NS + 1005]
    assert quotes.counts["events_of_unknown_orders"] == 1
    assert quotes.other == {"before_snapshot": 1, "book_event": 4, "fill": 1, "trade": 1}


def test_a_record_cut_at_the_end_is_refused():
    file = dbn_file("trades", trade(1), trade(2)[:20])
    (batch,) = parse_dbn(file, ESM4)
    require_whole(batch)
    assert reasons(batch) == {2: "truncated"}
    assert batch.stored == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no DBN file"),
        (b"DBN\x03\xff\xff\x00\x00", "is no DBN file"),
        (b"DBN\x03\x04\x00\x00\x00abcd", "has damaged DBN metadata"),
        (dbn_file("trades", b"\x01\x00\x00\x00").data, "a length of 4 is none"),
        (dbn_file("ohlcv-1s").data, "has schema 'ohlcv-1s', can be read: trades"),
    ],
)
def test_a_file_that_is_not_read(data, message):
    import dataclasses

    with pytest.raises(SourceError, match=message):
        parse_dbn(dataclasses.replace(dbn_file("trades"), data=data), ESM4)


def test_a_symbol_that_is_not_there():
    message = (
        'does not hold ES, only: ESM4, ESU4; ESM4, ESU4: contracts of ES.*venue_symbol = "ESM4"'
    )
    with pytest.raises(SourceError, match=message):
        parse_dbn(dbn_file("trades", trade(1)), instrument("ES", "0.25", kind="future"))
    # E and ESM are no roots of contracts named ESM4: no hint.
    for other in ("E", "ESM", "NQ"):
        with pytest.raises(SourceError, match=f"does not hold {other}, only: ESM4, ESU4$"):
            parse_dbn(dbn_file("trades", trade(1)), instrument(other, "0.25", kind="future"))


@pytest.mark.parametrize("cut", [1, 9, 500])
def test_a_cut_zstandard_file(tmp_path, cut):
    packed = pa.compress(dbn_file("trades", *map(trade, range(99))).data, "zstd").to_pybytes()
    path = tmp_path / "a.dbn.zst"
    path.write_bytes(packed)
    assert read([path], ESM4)[0].stored == 99
    path.write_bytes(packed[:-cut])
    with pytest.raises(SourceError, match="is a damaged Zstandard file"):
        read([path], ESM4)


@pytest.mark.parametrize(
    "name",
    [
        "dbn_test_data.tbbo.v3",
        "esh4-glbx-mdp3-20231225.mbo",
        "futures_trades_2024-07-01T23-58_2024-07-02T00-02",
    ],
)
def test_records_agree_with_the_vendors_decoder(test_data, name):
    path = test_data / "databento" / f"{name}.dbn.zst"
    with pa.input_stream(str(path), compression="zstd") as stream:
        decoder = dbn.DBNDecoder()
        metadata, *records = decoder.write_and_decode(stream.read())
    (symbol,) = metadata.symbols
    trades = read([path], instrument(symbol, "0.25", kind="future"))[0].trades
    wanted = [
        (r.ts_event, r.ts_recv, r.price // 250_000_000, r.size, str(r.sequence))
        for r in records
        if r.action == "T"
    ]
    names = ("ts_event_ns", "ts_recv_ns", "price_ticks", "qty_lots", "venue_id")
    assert list(zip(*(column(trades, n) for n in names), strict=True)) == wanted
