"""Recorded files of every format that anyone has: all that each holds, to the row and the bit."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from orchestration.sources import databento, generic, lean, lobster, sierra, tardis
from orchestration.sources.column_map import ColumnMap
from orchestration.sources.members import read_members
from orchestration.sources.records import SourceError
from orderflow_core.alignment import prevailing_quote_idx
from tests.core import real_trade_files
from tests.sources.cases import column
from tests.sources.file_cases import equity, golden, instrument

AAPL, AMZN = "LOBSTER_SampleFile_AAPL_2012-06-21_1.zip", "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
CME = {
    name: instrument(name, "0.25", kind="future") for name in ("ES", "ESH1", "ESH4", "ESM4", "ESU4")
}
GC = instrument("GC201312", "0.1", kind="future", timezone="America/New_York")
PERP = instrument("BTCUSDT", "0.01", lot="0.001", venue="binance_um", max_id_step=2)
MAKER = ColumnMap(
    time="ts_ms", price="price", qty="quantity", maker="is_buyer_maker", id="trade_id"
)
RAW = ColumnMap(
    time="timestamp", price="price", qty="quantity", maker="is_buyer_market_maker", id="trade_id",
    symbol="symbol",
)  # fmt: skip
KRAKEN = ColumnMap(time=0, price=1, qty=2, has_header=False)
LIBRARY = ColumnMap(time="timestamp", price="price", qty="amount", side="side", id="id")
CUT = ColumnMap(time="timestamp", price="close", qty="quantity", maker="is_buyer_maker")
TRADER = ColumnMap(
    time="timestamp", price="price", qty="quantity", maker="buyer_maker", id="trade_id"
)
TRADER_QUOTES = ColumnMap(
    time="timestamp", symbol="symbol", bid="bid", bid_qty="bid_size", ask="ask", ask_qty="ask_size"
)


def by(module, known, **options):
    return lambda path: module.read([path], known, **options)


# file: reader, and of each batch (offered, trades, quotes, refused, first ns, last ns, checksum)
FILES = {
    f"lobster/{AAPL}": (
        by(lobster, equity("AAPL")),
        [
            (34990, 34990, 0, 0, 1340285400275016159, 1340308799913117637, "90bdc89c201c20d6"),
            (107165, 0, 107165, 0, 1340285400004241176, 1340308799913117637, "630c98336c789b88"),
        ],
    ),
    f"lobster/{AMZN}": (
        by(lobster, equity("AMZN")),
        [
            (11419, 11419, 0, 0, 1340285400017459617, 1340308799545827862, "58a1a457f3d45b80"),
            (55071, 0, 55071, 0, 1340285400017459617, 1340308799959359650, "f59dab36e69541a0"),
        ],
    ),
    "databento/dbn_test_data.tbbo.v3.dbn.zst": (
        by(databento, CME["ESH1"]),
        [
            (2, 2, 0, 0, 1609160400098821953, 1609160400107665963, "bbb70b4725c2df5e"),
            (2, 0, 2, 0, 1609160400098821952, 1609160400107665962, "e421ce04f034f7d4"),
        ],
    ),
    "databento/dbn_test_data.trades.v3.dbn.zst": (
        by(databento, CME["ESH1"]),
        [
            (2, 2, 0, 0, 1609160400098821953, 1609160400107665963, "bbb70b4725c2df5e"),
        ],
    ),
    "databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst": (
        by(databento, CME["ESH4"]),
        [
            (1, 0, 1, 0, 1703422805718200244, 1703422805718200244, "3e6aee9ac96e1a83"),
        ],
    ),
    "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst": (
        by(databento, CME["ESH4"]),
        [
            (2973, 2973, 0, 0, 1703545200000000000, 1703548796799167221, "5b1b1db8807f3c29"),
            (25439, 0, 25439, 0, 1703541600180087113, 1703548799446048065, "20a3f84158c0ab35"),
        ],
    ),
    "databento/futures_trades_2024-07-01T23-58_2024-07-02T00-02.dbn.zst": (
        by(databento, CME["ESU4"]),
        [
            (120, 120, 0, 0, 1719878281218218853, 1719878512813445903, "9e11bc97ad79514a"),
        ],
    ),
    "databento/orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst": (
        by(databento, CME["ESM4"]),
        [
            (5, 5, 0, 0, 1715126401488989583, 1715126401489769837, "d1ea47ba0ad63325"),
            (136, 0, 136, 0, 1715126400000000000, 1715126401922823871, "00102c9295df5585"),
        ],
    ),
    "tardis/binance-futures_trades_BTCUSDT_20200222.csv": (
        by(tardis, PERP),
        [
            (9999, 9999, 0, 0, 1582329602111000000, 1582337147728000000, "6747cc6113967b78"),
        ],
    ),
    "tardis/binance-futures_quotes_BTCUSDT_20200222.csv": (
        by(tardis, PERP),
        [
            (9999, 0, 9999, 0, 1582329601096000000, 1582329827061000000, "95464750d3432811"),
        ],
    ),
    "tardis/bitmex_trades_XBTUSD.csv": (
        by(tardis, instrument("XBTUSD", "0.5")),
        [
            (10, 10, 0, 0, 1583020803145000000, 1583020803276000000, "b50b5f6db7471000"),
        ],
    ),
    "sierra/ES_tbt_2022-01-24.txt": (
        by(sierra, CME["ES"]),
        [
            (2026, 2026, 0, 0, 1643031000005000000, 1643031060955009000, "4c8156c0943b5777"),
            (2026, 0, 2026, 0, 1643031000004999999, 1643031060955008999, "dcd19064e38516cd"),
        ],
    ),
    "lean/equity/usa/tick/bac/20131007_trade.zip": (
        by(lean, equity("BAC")),
        [
            (88172, 88172, 0, 0, 1381132800614000000, 1381190393464000000, "ebdb0ab14ef20603"),
        ],
    ),
    "lean/equity/usa/tick/bac/20131007_quote.zip": (
        by(lean, equity("BAC")),
        [
            (238093, 0, 238093, 0, 1381132800554000000, 1381190400601000000, "ce438e06199c10b7"),
        ],
    ),
    "lean/equity/usa/tick/ibm/20131007_trade.zip": (
        by(lean, equity("IBM")),
        [
            (24293, 24293, 0, 0, 1381132830270000000, 1381188367550000000, "e265b45e1460630b"),
        ],
    ),
    "lean/equity/usa/tick/ibm/20131007_quote.zip": (
        by(lean, equity("IBM")),
        [
            (46492, 0, 46492, 0, 1381132800241000000, 1381190400122000000, "45b891e4549e7bc5"),
        ],
    ),
    "lean/equity/usa/tick/spy/20131007_trade.zip": (
        by(lean, equity("SPY")),
        [
            (250601, 250601, 0, 0, 1381132800464000000, 1381190399536000000, "7e9cdaed0662e669"),
        ],
    ),
    "lean/future/comex/tick/gc/20131007_trade.zip": (
        by(lean, GC),
        [
            (39702, 39610, 0, 92, 1381118400276000000, 1381204792934000000, "30d148d23bdf7f6b"),
        ],
    ),
    "lean/future/comex/tick/gc/20131008_trade.zip": (
        by(lean, GC),
        [
            (52038, 51963, 0, 75, 1381204800374000000, 1381291147794000000, "dc2b553b09976ef6"),
        ],
    ),
    "lean/future/comex/tick/gc/20131009_trade.zip": (
        by(lean, GC),
        [
            (64712, 64583, 0, 129, 1381291200481000000, 1381377598198000000, "2f16a086ab970686"),
        ],
    ),
    "lean/forex/fxcm/tick/eurusd/20140501_quote.zip": (
        by(lean, instrument("EURUSD", "0.00001", kind="forex")),
        [
            (51053, 0, 51053, 0, 1398902401787000000, 1398988787638000000, "02ba3ebd63413194"),
        ],
    ),
    "lean/cfd/oanda/tick/xauusd/20140501_quote.zip": (
        by(lean, instrument("XAUUSD", "0.001", kind="cfd")),
        [
            (129744, 0, 129744, 0, 1398902400043142000, 1398988794432862000, "0cf4067cdf852687"),
        ],
    ),
    "trades_xrpusdt_ska/BTCUSDC_trades_dedup.parquet": (
        by(generic, instrument("BTCUSDC", "0.01", lot="0.00001", max_id_step=1), maps=[MAKER]),
        [
            (3500, 3500, 0, 0, 1774120577491000000, 1774123558546000000, "e8740665bb800400"),
        ],
    ),
    "trades_xrpusdt_ska/BTCUSDT_trades_dedup.parquet": (
        by(generic, instrument("BTCUSDT", "0.01", lot="0.00001", max_id_step=1), maps=[MAKER]),
        [
            (23962, 23962, 0, 0, 1774095518948000000, 1774100417946000000, "95585004355c0e2d"),
        ],
    ),
    "trades_xrpusdt_ska/raw/binance_trades_20260314_141102.csv.gz": (
        by(generic, instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1), maps=[RAW]),
        [
            (3500, 3500, 0, 0, 1773496431201000000, 1773497460797000000, "e95c277bcb3996c7"),
        ],
    ),
    "trades_xrpusdt_ska/raw/binance_trades_20260318_212402.csv.gz": (
        by(generic, instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1), maps=[RAW]),
        [
            (3500, 3500, 0, 0, 1773868526554000000, 1773868965457000000, "9f787264d5665eab"),
        ],
    ),
    "trades_xrpusdt_ska/raw/questdb-query-1751990194216.csv.gz": (
        by(generic, instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1), maps=[RAW]),
        [
            (4008, 4008, 0, 0, 1751989521308000000, 1751989962318000000, "398dc7c85d37f1c6"),
        ],
    ),
    "binance_vision/derived/BNBUSDT-aggTrades-2023-06_9000Rows.parquet": (
        by(generic, instrument("BNBUSDT", "0.01", lot="0.01"), maps=[CUT]),
        [
            (8999, 8999, 0, 0, 1685577605929000000, 1685587645644000000, "c7dd3d89f5145604"),
        ],
    ),
    "binance_vision/derived/nautilus-btcusdt-trades-20210108.parquet": (
        by(generic, instrument("BTCUSDT", "0.01", lot="0.000001", max_id_step=1), maps=[TRADER]),
        [
            (2001, 2001, 0, 0, 1610064000278000000, 1610064046355000000, "42532847dbdc55a7"),
        ],
    ),
    "binance_vision/derived/nautilus-btcusdt-quotes-20210108.parquet": (
        by(generic, instrument("BTC/USDT", "0.01", lot="0.000001"), maps=[TRADER_QUOTES]),
        [
            (451, 0, 451, 0, 1610064001076000000, 1610064046674000000, "591e0a4781f941d0"),
        ],
    ),
    "freqtrade/kraken/trades_csv/BCHEUR.csv": (
        by(generic, instrument("BCHEUR", "0.000001", lot="0.00000001"), maps=[KRAKEN]),
        [
            (148, 148, 0, 0, 1672531436000000000, 1672615187000000000, "882187e2fb29a843"),
        ],
    ),
    "freqtrade/kraken/trades_csv/incremental_q2/BCHEUR.csv": (
        by(generic, instrument("BCHEUR", "0.000001", lot="0.00000001"), maps=[KRAKEN]),
        [
            (486, 486, 0, 0, 1672620536000000000, 1672701423000000000, "c3ed9dd02c648406"),
        ],
    ),
    "freqtrade/XRP_ETH-trades.feather": (
        by(generic, instrument("XRPETH", "0.00000001", lot="0.01"), maps=[LIBRARY]),
        [
            (12477, 12477, 0, 0, 1570752011620000000, 1570965568844000000, "53b47ff875e67e56"),
        ],
    ),
}

# Contracts of a future come one a batch, all others whole.
ALONE = [path for path in FILES if path in real_trade_files.COUNTS and "/gc/" not in path]


@cache
def batches_of(folder, path):
    return FILES[path][0](folder / path)


@pytest.mark.parametrize("path", FILES)
def test_recorded_file(test_data, path):
    assert [golden(batch) for batch in batches_of(test_data, path)] == FILES[path][1]


@pytest.mark.parametrize("path", ALONE)
def test_trades_agree_with_another_reader(test_data, path):
    (other,) = real_trade_files.read(test_data, path)
    trades = batches_of(test_data, path)[0].trades
    ts, sign = trades["ts_event_ns"].to_numpy(), trades["native_sign"].to_numpy()
    assert len(trades) == real_trade_files.COUNTS[path][1]
    # The other reader leaves local clocks as they are: one offset for a day.
    assert len(np.unique(ts - other.ts_ns)) == 1
    assert (sign == other.sign).all()
    for name, values in (("price_ticks", other.price_ticks), ("qty_lots", other.qty_lots)):
        own = trades[name].to_numpy()
        assert max(own.max() * int(values[0]), values.max() * int(own[0])) < 2**62
        assert (own * values[0] == values * own[0]).all()  # the steps differ by one factor


def test_every_contract_of_a_zip_can_be_read(test_data):
    path = test_data / "lean/future/comex/tick/gc/20131007_trade.zip"
    names = [lean.symbol_of(member.name) for member in read_members(path)]
    batches = [
        lean.read([path], dataclasses.replace(GC, symbol=name, venue_symbol=name))[0]
        for name in names
    ]
    assert (len(names), sum(batch.stored for batch in batches)) == (10, 40_045)
    assert sum(batch.quarantined for batch in batches) == 147
    assert len({batch.unit for batch in batches}) == 10
    assert {batch.n_lines for batch in batches} == {40_192}


@pytest.mark.parametrize(
    ("path", "right"),
    [
        (f"lobster/{AAPL}", 0.95),
        ("databento/dbn_test_data.tbbo.v3.dbn.zst", 1.0),
        ("databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst", 0.99),
        ("sierra/ES_tbt_2022-01-24.txt", 1.0),
    ],
)
def test_the_quote_rule_finds_the_aggressors(test_data, path, right):
    # The quote strictly before a trade and the trade's true side come from different columns.
    trades, quotes = (batch for batch in batches_of(test_data, path))
    sign = trades.trades["native_sign"].to_numpy()
    i = prevailing_quote_idx(
        trades.trades["ts_event_ns"].to_numpy(), quotes.quotes["ts_event_ns"].to_numpy()
    )
    twice_mid = quotes.quotes["bid_ticks"].to_numpy()[i] + quotes.quotes["ask_ticks"].to_numpy()[i]
    ruled = np.sign(2 * trades.trades["price_ticks"].to_numpy() - twice_mid)
    known = (i >= 0) & (sign != 0) & (ruled != 0)
    assert known.mean() > 0.9
    assert (ruled == sign)[known].mean() >= right


def test_a_damaged_gzip_is_refused_whole(test_data):
    with pytest.raises(SourceError, match="is a damaged gzip file between byte 0"):
        tardis.read([test_data / "tardis" / "CORRUPT_tardis_trades.csv.gz"], PERP)


def test_files_of_other_formats_are_refused(test_data):
    es = CME["ES"]
    with pytest.raises(SourceError, match="must name Date"):
        sierra.read([test_data / "ninjatrader" / "MES 09-25.Last.txt"], es)
    with pytest.raises(SourceError, match="line 1 must name the columns of Tardis"):
        tardis.read([test_data / "sierra" / "ES_tbt_2022-01-24.txt"], es)
    with pytest.raises(SourceError, match="is no DBN file"):
        databento.read([test_data / "lobster" / AAPL], es)
    with pytest.raises(SourceError, match="holds no file of ES, only: AAPL_2012"):
        lobster.read([test_data / "lobster" / AAPL], es)
    with pytest.raises(SourceError, match="must hold one text of ES, got 0 among"):
        lean.read([test_data / "lobster" / AAPL], es)


def test_the_snapshot_alone_gives_one_quote_and_the_book_no_unknown_order(test_data):
    (book,) = batches_of(test_data, "databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst")
    assert column(book.quotes, "ts_source") == [1]
    path = "databento/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    assert batches_of(test_data, path)[1].counts == {"crossed_quotes": 15}


def test_sizes_that_a_program_computed_leave_no_hole(test_data):
    # A quarter of this file's sizes are like 0.00031099999999999997. Its ids have no hole.
    (batch,) = batches_of(
        test_data, "binance_vision/derived/nautilus-btcusdt-trades-20210108.parquet"
    )
    assert (batch.counts, batch.quarantined) == ({}, 0)


@pytest.mark.soak
def test_four_million_rows(test_data):
    xrp = instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1)
    (batch,) = generic.read(
        [test_data / "trades_xrpusdt_ska" / "XRPUSDT_trades.parquet"], xrp, maps=[MAKER]
    )
    assert (batch.offered, batch.stored) == (4_519_983, 4_519_983)
    # The list of runs beside the file names as many holes and as many ids.
    assert batch.counts == {"gaps": 1_294, "id_leaps": 1, "missing_ids": 6_256_827}
