import zipfile
from pathlib import Path

import pytest

from orchestration.sources.lean import parse_lean, read
from orchestration.sources.records import SourceError
from tests.sources.cases import column, reasons, require_whole
from tests.sources.file_cases import equity, instrument, member

BAC = equity("BAC")
GC = instrument("GC201312", "0.1", kind="future", timezone="America/New_York")
MIDNIGHT_NS = 1_381_118_400 * 10**9  # 2013-10-07 04:00Z, midnight in New York


def parse(known, name, *rows):
    batch = parse_lean(member("".join(row + "\n" for row in rows), name), known)
    require_whole(batch)
    return batch


def test_an_equity_trade_in_full():
    batch = parse(BAC, "20131007_bac_Trade_Tick.csv", "14400614,139400,500,P,20002020,1")
    assert batch.trades.to_pylist() == [{
        "ts_event_ns": MIDNIGHT_NS + 14_400_614 * 10**6,
        "ts_recv_ns": MIDNIGHT_NS + 14_400_614 * 10**6, "trade_id": 1, "venue_id": "",
        "price_ticks": 139_400, "qty_lots": 500, "native_sign": 0, "is_market": 1,
        "is_outside_session": 0, "source": "lean", "unit": "0" * 64, "line": 1,
    }]  # fmt: skip
    assert batch.counts == {"suspicious": 1}


def test_an_equity_quote_is_the_latest_of_both_sides_after_each_update():
    batch = parse(
        BAC, "20131007_bac_Quote_Tick.csv",
        "1000,0,0,140200,500,Q,1,0",  # no bid yet
        "2000,138400,700,0,0,P,1,0", "2000,0,0,139500,200,P,1,0",  # one update
        "3000,138400,700,0,0,P,1,0", "3000,0,0,139500,200,P,1,0",  # the same again
        "4000,138500,100,0,0,N,1,0",  # a bid of its own
        "5000,138600,0,139500,200,N,1,0",  # a side without size
        "6000,0,0,0,0,N,1,0",
    )  # fmt: skip
    assert column(batch.quotes, "line") == [3, 6]
    assert column(batch.quotes, "bid_ticks") == [138_400, 138_500]
    assert column(batch.quotes, "ask_ticks") == [139_500, 139_500]
    assert batch.other == {"half": 2, "one_sided": 1, "unchanged": 1}
    assert reasons(batch) == {7: "out_of_range", 8: "malformed"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("4933381,1313.8,0,usa,,0", "out_of_range"),
        ("4933381,1313.85,1,usa,,0", "off_grid"),
        ("4933381,1313.8,1,usa,", "malformed"),
        ("4933381,1313.8,1,usa,,2", "malformed"),
        ("86400000,1313.8,1,usa,,0", "malformed"),
        ("-1,1313.8,1,usa,,0", "malformed"),
        ("4933380,1313.8,1,usa,,0", "time_inversion"),
    ],
)
def test_a_damaged_row_is_one_refused_trade(row, reason):
    good = "4933381,1313.8,1,usa,,0"
    batch = parse(GC, "20131007_gc_tick_trade_201312.csv", good, row, good)
    assert (reasons(batch), batch.stored) == ({2: reason}, 2)


def test_quotes_of_forex_have_no_size():
    known = instrument("EURUSD", "0.00001", lot="1000", kind="forex")
    batch = parse(known, "20140501_eurusd_tick_quote.csv", "62.2662,1.38727,1.38729")
    (quote,) = batch.quotes.to_pylist()
    assert quote["ts_event_ns"] % 86_400_000_000_000 == 62_266_200
    assert (quote["bid_lots"], quote["ask_lots"]) == (1, 1)
    assert batch.counts == {"quotes_without_size": 1}


def test_crypto_with_and_without_the_flag():
    known = instrument("BTCUSD", "0.01", lot="0.001")
    trades = parse(known, "20181007_btcusd_tick_trade.csv", "1,6000.01,0.5", "2,6000.02,0.5,0")
    assert column(trades.trades, "price_ticks") == [600_001, 600_002]
    quotes = parse(known, "20181007_btcusd_tick_quote.csv", "1,6000.01,2,6000.02,3,0")
    assert column(quotes.quotes, "ask_lots") == [3000]


def test_what_the_name_or_the_folder_says_against_the_instrument(tmp_path):
    with pytest.raises(SourceError, match="forex has no trade file"):
        parse(instrument("EURUSD", "0.00001", kind="forex"), "20140501_eurusd_tick_trade.csv", "1")
    with pytest.raises(SourceError, match="is named after no day"):
        parse(BAC, "20131307_bac_Trade_Tick.csv", "1")
    path = tmp_path / "equity" / "20131007_trade.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("20131007_gc_tick_trade_201312.csv", "1,1313.8,1,usa,,0\n")
        archive.writestr("20131007_gc_tick_trade_201402.csv", "1,1313.8,1,usa,,0\n" * 3)
    with pytest.raises(SourceError, match="lies in a folder 'equity', but GC201312 is of kind 'fu"):
        read([path], GC)
    moved = path.rename(Path(tmp_path / path.name))
    (batch,) = read([moved], GC)
    require_whole(batch)
    assert (batch.stored, batch.other) == (1, {"other_contract": 3})
    with pytest.raises(SourceError, match="got 0 among: GC201312, GC201402"):
        read([moved], instrument("GC", "0.1", kind="future"))
