from dataclasses import replace

import pytest

from orchestration.instruments import load_instruments
from orchestration.sources.binance.archive import parse_archive
from orchestration.sources.binance.layouts import is_header, parse_name
from orchestration.sources.binance.packed import Unpacked
from orchestration.sources.records import SourceError
from tests.sources.cases import PERP, SPOT, T0_MS, column, reasons, require_whole, source_file

KNOWN = load_instruments()
COIN = replace(
    KNOWN["BTCUSD_PERP"], symbol="BTCUSD_260327", venue_symbol="BTCUSD_260327", kind="future"
)
UM_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
NS = T0_MS * 10**6


def aggregate(a: int, *, p="100.00", q="0.001", f=None, last=None, t=0, m="false") -> str:
    f = 2 * a if f is None else f
    last = f + 1 if last is None else last
    return f"{a},{p},{q},{f},{last},{T0_MS + t},{m}"


def spot_aggregate(a: int, *, t=0, m="True", p="100.00000000", q="0.00100000") -> str:
    return f"{a},{p},{q},{a},{a},{(T0_MS + t) * 1000},{m},True"


def trade(i: int, *, p="100.00", q="0.001", t=0, m="false") -> str:
    return f"{i},{p},{q},0.1,{T0_MS + t},{m}"


def spot_trade(i: int, *, t=0, m="False") -> str:
    return f"{i},100.00000000,0.00100000,0.1,{T0_MS + t},{m},True"


def ticker(u: int, *, t=0, b="99.90", a="100.00") -> str:
    return f"{u},{b},1.000,{a},2.000,{T0_MS + t},{T0_MS + t + 3}"


def parse(rows, instrument=PERP, name="made.csv", **more):
    data = "".join(row + "\n" for row in rows) if isinstance(rows, list) else rows
    batch = parse_archive(Unpacked(file=source_file(data, name), **more), instrument)
    require_whole(batch)
    return batch


# -- the layouts ---------------------------------------------------------------------------------


def test_a_futures_aggregate_in_full():
    row = parse([UM_HEADER, aggregate(7, p="26951.0", q="0.003", f=41, last=43)]).trades.to_pylist()
    # 26951.0 on a .01 grid, .003 on a .001 grid; the buyer's order made it.
    assert row == [{
        "ts_event_ns": NS, "ts_recv_ns": NS, "trade_id": 7, "venue_id": "41-43",
        "price_ticks": 2_695_100, "qty_lots": 3, "native_sign": 1, "is_market": 1,
        "is_outside_session": 0, "source": "binance", "unit": "0" * 64, "line": 2,
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "instrument"),
    [(aggregate, PERP), (trade, PERP), (spot_aggregate, SPOT), (spot_trade, SPOT)],
)
@pytest.mark.parametrize("has_header", [False, True])
def test_both_sides_of_every_layout(row, instrument, has_header):
    header = [",".join(["name"] * (row(1).count(",") + 1))] * has_header
    for yes, no in (("true", "false"), ("True", "False"), ("TRUE", "FALSE")):
        batch = parse([*header, row(1, m=yes), row(2, m=no)], instrument)
        # The buyer was the maker: the seller's order made the trade.
        assert column(batch.trades, "native_sign") == [-1, 1]
        assert batch.other == ({"header": 1} if has_header else {})
        assert column(batch.trades, "line") == [1 + has_header, 2 + has_header]
        for token in ("", "1", "yes", "fals", "falsee", "\u212a"):
            bad = parse([row(1, m=yes), row(2, m=token), row(3, m=no)], instrument)
            assert reasons(bad) == {2: "malformed"}


def test_a_quote_in_full():
    rows = parse([ticker(5), ticker(6, t=1)]).quotes.to_pylist()
    assert rows[0] == {
        "ts_event_ns": NS, "ts_recv_ns": NS + 3_000_000, "ts_source": 0, "quote_id": 5,
        "bid_ticks": 9990, "bid_lots": 1000, "ask_ticks": 10_000, "ask_lots": 2000,
        "source": "binance", "unit": "0" * 64, "line": 1,
    }  # fmt: skip


def test_crossed_and_locked_quotes_are_counted():
    batch = parse([ticker(1, b="100.10"), ticker(2, b="100.00"), ticker(3)])
    assert batch.counts == {"crossed_quotes": 1, "locked_quotes": 1}


@pytest.mark.parametrize("factor", [1, 1000])
def test_the_unit_of_time_follows_from_the_magnitude(factor):
    rows = [f"{i},100,0.001,{i},{i},{(T0_MS + i) * factor},true,true" for i in range(3)]
    batch = parse(rows, SPOT)
    assert column(batch.trades, "ts_event_ns") == [NS + i * 10**6 for i in range(3)]


def test_a_file_may_change_its_unit_of_time():
    # A month that the venue put together from days in both units.
    batch = parse([spot_aggregate(1), f"2,100,0.001,2,2,{T0_MS + 1},True,True"], SPOT)
    assert column(batch.trades, "ts_event_ns") == [NS, NS + 10**6]


# -- what the files are known to do ---------------------------------------------------------------


def test_interleaved_rows_are_sorted_by_id():
    late = [aggregate(i, t=i) for i in range(50, 60)]
    early = [aggregate(i, t=i) for i in range(40, 50)]
    mixed = [row for pair in zip(late, early, strict=True) for row in pair]
    batch = parse(mixed)
    assert column(batch.trades, "trade_id") == list(range(40, 60))
    assert not batch.quarantined
    assert not len(batch.gaps)


def test_repeated_and_contradicting_rows():
    other = aggregate(3, q="0.002")
    batch = parse([aggregate(1), aggregate(2), aggregate(2), aggregate(3), other, aggregate(4)])
    assert column(batch.trades, "trade_id") == [1, 2, 4]
    assert reasons(batch) == {3: "duplicate", 4: "conflict", 5: "conflict"}


def test_what_the_venue_marked_invalid_is_quarantined_as_such():
    marker = f"2,0.00000000,0.00000000,-1,-1,{T0_MS * 1000},False,True"
    batch = parse([spot_aggregate(1), marker, spot_aggregate(3)], SPOT)
    assert reasons(batch) == {2: "out_of_range"}
    assert column(batch.quarantine, "detail")[0].startswith("marked invalid by the venue")
    assert batch.quarantine_ns.tolist() == [NS]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (aggregate(2, q="0.0"), "out_of_range"),
        (aggregate(2, q="-1"), "out_of_range"),
        (aggregate(2, p="0"), "out_of_range"),
        (aggregate(2, p="100.001"), "off_grid"),
        (aggregate(2, q="0.0001"), "off_grid"),
        (aggregate(2, p="1e400"), "out_of_range"),
        (aggregate(2, p="1e4000"), "malformed"),
        (aggregate(2, p="99999999999999999999"), "out_of_range"),
        (aggregate(2, p="NaN"), "malformed"),
        (aggregate(2, p=""), "malformed"),
        (aggregate(2, f=9, last=8), "malformed"),
        (aggregate(2, f="x", last=5), "malformed"),
        (aggregate(2, t=-T0_MS), "out_of_range"),
        (aggregate(2) + ",", "malformed"),
        (aggregate(2).rsplit(",", 1)[0], "malformed"),
        (aggregate(2).replace("2,", "9" * 25 + ",", 1), "malformed"),
        (" " + aggregate(2), "malformed"),
        (aggregate(2) + "\r\r", "malformed"),
    ],
)
def test_a_bad_row_is_refused_and_no_other(row, reason):
    batch = parse([aggregate(1), row, aggregate(3)])
    assert reasons(batch) == {2: reason}
    assert column(batch.trades, "trade_id") == [1, 3]


def test_numbers_in_unusual_but_equal_text_are_read():
    # All of them are 100 and .001; only the first is plain.
    texts = [("100.00", "0.001"), ("1e2", "1E-3"), ("+100", "00.001"), ("100.", "0.0010000000")]
    batch = parse([aggregate(i, p=p, q=q) for i, (p, q) in enumerate(texts)])
    assert column(batch.trades, "price_ticks") == [10_000] * 4
    assert column(batch.trades, "qty_lots") == [1] * 4


def test_the_quote_quantity_is_never_read():
    # Files were seen whose base quantities lack their exponent.
    rows = [trade(1), trade(2).replace(",0.1,", ",8.83020920,"), trade(3).replace(",0.1,", ",x,")]
    assert not parse(rows).quarantined


def test_line_ends_and_blank_lines():
    batch = parse("\r\n".join([aggregate(1), "", aggregate(2)]) + "\r\n")
    assert column(batch.trades, "line") == [1, 3]
    assert batch.other == {"blank": 1}


def test_a_cut_last_line():
    for n in range(1, len(aggregate(2))):
        batch = parse(aggregate(1) + "\n" + aggregate(2)[:n])
        assert reasons(batch) == {2: "truncated"}
    # true and false are whole or nothing, so the line is.
    assert not parse(aggregate(1) + "\n" + aggregate(2)).quarantined
    # A time that was cut is still a number.
    assert reasons(parse(ticker(1) + "\n" + ticker(2))) == {2: "truncated"}


def test_single_holes_are_gaps_where_the_venue_leaves_none():
    spot = parse([spot_trade(1), spot_trade(3)], SPOT)
    assert column(spot.gaps, "n_missing") == [1]
    assert not len(parse([trade(1), trade(3)]).gaps)
    assert column(parse([trade(1), trade(4)]).gaps, "n_missing") == [2]
    assert column(parse([aggregate(1), aggregate(3)]).gaps, "reason") == ["missing_ids"]
    fills = [f"{i},100,0.001,{3 * i},{3 * i},{T0_MS},true,true" for i in (1, 2)]
    assert column(parse(fills, SPOT).gaps, "reason") == ["missing_fills"]


# -- names, markets, headers ----------------------------------------------------------------------


def test_names():
    found = parse_name("data/BTCUSD_PERP-aggTrades-2024-12.zip")
    assert (found.symbol, found.kind, found.day) == ("BTCUSD_PERP", "aggTrades", 0)
    assert [str(d) for d in found.first_and_end()] == ["2024-12-01", "2025-01-01"]
    found = parse_name("ETHUSDT-bookTicker-2024-02-29.csv")
    assert [str(d) for d in found.first_and_end()] == ["2024-02-29", "2024-03-01"]
    assert parse_name("ETHUSDT-trades-2023-02-29.csv") is None
    assert parse_name("my trades.csv") is None


@pytest.mark.parametrize(
    ("name", "rows", "instrument", "said"),
    [
        ("ETHUSDT-aggTrades-2023-11-14.csv", [aggregate(1)], PERP, "is of ETHUSDT, but BTCUSDT is"),
        ("BTCUSDT-trades-2023-11-14.csv", [aggregate(1)], PERP, "rows are aggTrades"),
        ("made.csv", [aggregate(1)], SPOT, "line 1: the BTCUSDT frames are futures"),
        ("made.csv", [spot_aggregate(1)], PERP, "frames are spot, .* Was --symbol BTCUSDT.SPOT"),
        ("made.csv", ["id,price,qty,base_qty,time,is_buyer_maker", trade(1)], PERP, "COIN-M"),
        ("made.csv", ["price,size", "1,2"], PERP, "line 1: no layout of aggTrades"),
        ("made.csv", [], PERP, "no layout"),
    ],
)
def test_a_file_of_something_else_is_refused_whole(name, rows, instrument, said):
    with pytest.raises(SourceError, match=said):
        parse(rows, instrument, name)


def test_coin_margined_files():
    header = "id,price,qty,base_qty,time,is_buyer_maker"
    rows = [header, f"1,113247.6,1.0,8.83020920,{T0_MS},true"]
    row = parse(rows, COIN).trades.to_pylist()[0]
    assert (row["price_ticks"], row["qty_lots"], row["native_sign"]) == (1_132_476, 1, -1)


def test_what_is_a_header():
    assert is_header(UM_HEADER.encode())
    for row in ("1,2", "true,false", "True,true", "a,1", "", "a", "a,,b", "a;b"):
        assert not is_header(row.encode())


def test_a_damaged_first_line_is_a_record():
    for first in ("x" + aggregate(1), UM_HEADER.replace("price", "pr1ce")):
        batch = parse([first, aggregate(2)])
        assert reasons(batch) == {1: "malformed"}


def test_a_day_that_ends_early_is_told():
    name = "BTCUSDT-aggTrades-2023-11-14.csv"
    # 22:13:20 and no more: 6,400 s to midnight, 80,000 s from it.
    assert parse([aggregate(1)], name=name).counts == {
        "uncovered_seconds_at_start": 80_000, "uncovered_seconds_at_end": 6_400,
    }  # fmt: skip
    rows = [aggregate(1, t=-79_000_000), aggregate(2, t=6_300_000)]
    assert parse(rows, name=name).counts == {}
