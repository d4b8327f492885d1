import math
import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, parquet

from orchestration.instruments import load_instruments
from orchestration.sources.column_map import ColumnMap, column_maps
from orchestration.sources.generic import parse_table, read
from orchestration.sources.records import SourceError
from orchestration.sources.whole_tables import decimal_texts
from tests.sources.cases import column, reasons, require_whole
from tests.sources.file_cases import instrument, member

XRP = instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1)
TRADES = ColumnMap(time="ts", price="p", qty="q", side="side", id="id", symbol="s")
BOTH = ColumnMap(
    time="ts", price="p", qty="q", bid="b", bid_qty="bq", ask="a", ask_qty="aq", delimiter=";"
)
T0 = 1_773_496_431_201  # ms
PAGE = Path(__file__).resolve().parents[2] / "docs" / "files.md"


def parse(text, *maps, known=XRP, **more):
    batches = parse_table(member(text, **more), known, maps)
    for batch in batches:
        require_whole(batch)
    return batches


def rows(*given, header="id,s,ts,p,q,side,more"):
    return "\n".join([header, *given, ""])


def test_a_trade_in_full_whatever_the_order_of_the_columns():
    (batch,) = parse(rows(f'"12","XRPUSDT",{T0},1.3913,17.2,SELL,x'), TRADES)
    assert batch.trades.to_pylist() == [{
        "ts_event_ns": T0 * 10**6, "ts_recv_ns": T0 * 10**6, "trade_id": 12, "venue_id": "",
        "price_ticks": 13_913, "qty_lots": 172, "native_sign": -1, "is_market": 1,
        "is_outside_session": 0, "source": "generic", "unit": "0" * 64, "line": 2,
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1773496431", 0), ("1773496431.201", 0.201), ("1773496431201000", 0.201),
        ("1773496431201000000", 0.201), ("2026-03-14T13:53:51.201Z", 0.201),
        ("2026-03-14 13:53:51", 0), ("2026-03-14T14:53:51+01:00", 0),
        ("2026-03-14T09:53:51.5-0400", 0.5),
    ],
)  # fmt: skip
def test_times_of_every_unit_and_zone(text, seconds):
    (batch,) = parse(rows(f"1,XRPUSDT,{text},1,1,buy,"), TRADES)
    assert batch.first_ns == 1_773_496_431 * 10**9 + int(seconds * 1000) * 10**6


def test_a_time_without_zone_is_local_where_the_map_says_so():
    local = ColumnMap(time="ts", price="p", qty="q", timezone="America/Chicago")
    (batch,) = parse("ts,p,q\n2026-03-14 08:53:51,1,1\n", local)
    assert batch.first_ns == 1_773_496_431 * 10**9
    assert column(batch.trades, "native_sign") == [0]


def test_ids_as_numbers_as_floats_and_as_words():
    one = f"XRPUSDT,{T0},1,1,buy,"
    floats = rows(f"1587455799.0,{one}", f"1.587455798E9,{one}", f"1587455801,{one}")
    (batch,) = parse(floats, TRADES)
    assert column(batch.trades, "trade_id") == [1_587_455_798, 1_587_455_799, 1_587_455_801]
    assert column(batch.gaps, "n_missing") == [1]
    (batch,) = parse(rows(f"ab,{one}", f"cd,{one}"), TRADES)
    assert column(batch.trades, "trade_id") == [2, 3]
    assert column(batch.trades, "venue_id") == ["ab", "cd"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"2,XRPUSDT,{T0},1,1,false,", "malformed"),
        (f"2.5,XRPUSDT,{T0},1,1,buy,", "malformed"),
        ("2,XRPUSDT,12.5.2026,1,1,buy,", "malformed"),
        ("2,XRPUSDT,2026-02-30 00:00:00,1,1,buy,", "malformed"),
        ("2,XRPUSDT,2026-03-14 00:00:00+99:99,1,1,buy,", "malformed"),
        (f"2,XRPUSDT,{T0},1.00001,1,buy,", "off_grid"),
        (f"2,XRPUSDT,{T0},1,0,buy,", "out_of_range"),
        (f"2,XRPUSDT,{T0},1,1,buy", "malformed"),
        (f"2,,{T0},1,1,buy,", "malformed"),
        (f"1,XRPUSDT,{T0},1,1,buy,", "duplicate"),
    ],
)
def test_a_damaged_row_is_one_refused_trade(row, reason):
    good = f",XRPUSDT,{T0},1,1,buy,"
    (batch,) = parse(rows(f"1{good}", row, f"3{good}"), TRADES)
    assert (reasons(batch), batch.stored) == ({3: reason}, 2)


def test_other_symbols_are_counted():
    good = f"1,XRPUSDT,{T0},1,1,buy,"
    (batch,) = parse(rows(good, good.replace("XRP", "ADA")), TRADES)
    assert batch.other == {"header": 1, "other_symbol": 1}


def test_each_word_of_a_maker_flag():
    flags = ColumnMap(time=0, price=1, qty=2, maker=3, has_header=False)
    text = "".join(f"{T0},1,1,{flag}\n" for flag in ("True", "false", "1", "0", "", "no"))
    (batch,) = parse(text, flags)
    assert column(batch.trades, "native_sign") == [-1, 1, -1, 1]  # the buyer rested: a sale
    assert reasons(batch) == {5: "malformed", 6: "malformed"}


def test_a_row_with_the_quote_that_its_trade_met_gives_both():
    text = f"ts;p;q;b;bq;a;aq\n{T0};1;1;0.9;5;1;6\n{T0};1;1;0.9;5;1;4\n"
    trades, quotes = parse(text, BOTH)
    assert column(trades.trades, "ts_event_ns") == [T0 * 10**6] * 2
    assert column(quotes.quotes, "ts_event_ns") == [T0 * 10**6 - 1, T0 * 10**6]
    assert column(quotes.quotes, "ask_lots") == [60, 40]
    assert trades.unit != quotes.unit


def test_quotes_without_sizes_say_so():
    (batch,) = parse(f"t,b,a\n{T0},1,1.1\n", ColumnMap(time="t", bid="b", ask="a"))
    assert (column(batch.quotes, "bid_lots"), batch.counts) == ([1], {"quotes_without_size": 1})


def test_the_first_map_that_fits_counts_and_without_one_the_header_is_shown():
    quotes = ColumnMap(time="t", bid="b", ask="a")
    assert len(parse(f"t,b,a\n{T0},1,1.1\n", TRADES, quotes)[0].quotes) == 1
    with pytest.raises(SourceError, match="has the columns of none of the 1 maps of XRPUSDT"):
        parse(f"t,b,a\n{T0},1,1.1\n", TRADES)


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_tables_keep_the_digits_that_were_written(tmp_path, form):
    table = pa.table({
        "id": pa.array([3, 1, 2, None]), "s": pa.array(["XRPUSDT"] * 4).dictionary_encode(),
        "ts": pa.array([T0, T0, T0, T0], pa.timestamp("ms", "UTC")),
        "p": [0.1 + 0.2, 1.3913, 8e-4, 1.0], "q": pa.array([0.1, 17.2, 1e6, 1.0], pa.float32()),
        "side": ["buy", "sell", "buy", "buy"],
    })  # fmt: skip
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        parquet.write_table(table, path)
    else:
        feather.write_feather(table, path)
    (batch,) = read([path], XRP, maps=[TRADES])
    require_whole(batch)
    # 0.1 + 0.2 is 0.30000000000000004, 15 digits of which are 0.3; a row without an id has none.
    assert column(batch.trades, "price_ticks") == [13_913, 8, 3000]
    assert column(batch.trades, "qty_lots") == [172, 10_000_000, 1]
    assert reasons(batch) == {4: "malformed"}


@given(st.integers(1, 10**15 - 1), st.integers(0, 12), st.sampled_from([-math.inf, 0, math.inf]))
def test_fifteen_digits_of_a_double_are_what_was_written(digits, places, toward):
    written = Decimal(digits).scaleb(-places)
    value = float(written)
    near = math.nextafter(value, toward) if toward else value  # as computing leaves it
    assert [Decimal(text) for text in decimal_texts(pa.array([value, near]))] == [written, written]


def test_what_is_no_double_keeps_its_text():
    assert decimal_texts(pa.array([None, float("nan"), 1e6])) == [None, "nan", "1000000"]
    assert decimal_texts(pa.array([0.1], pa.float32())) == ["0.1"]
    assert decimal_texts(pa.array(["0.30000000000000004"])) == ["0.30000000000000004"]


def test_a_damaged_table_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(SourceError, match="is a damaged table"):
        read([path], XRP, maps=[TRADES])


def test_maps_come_from_the_instruments_file(tmp_path):
    path = tmp_path / "instruments.toml"
    path.write_text('[X.columns]\ntime = "t"\nprice = "p"\nqty = "q"\nbuy = ["kauf"]\n')
    assert column_maps("X", path) == [ColumnMap(time="t", price="p", qty="q", buy=("kauf",))]
    path.write_text(
        '[[X.columns]]\ntime="t"\nbid="b"\nask="a"\n[[X.columns]]\ntime="t"\nprice="p"\nqty="q"'
    )
    assert [one.has_trades for one in column_maps("X", path)] == [False, True]


def test_the_page_names_every_key_and_its_example_reads_a_file(tmp_path, monkeypatch):
    page = PAGE.read_text()
    table = page.split("| key of `columns` |")[1].split("\n\n")[0]
    keys = set(re.findall(r"`([a-z_]+)`", table)) - {"true", "false", "venue_symbol"}
    assert keys == {field.name for field in fields(ColumnMap)}
    (tmp_path / "instruments.toml").write_text(re.findall("```toml\n(.*?)```", page, re.DOTALL)[0])
    monkeypatch.setenv("ORDERFLOW_HOME", str(tmp_path))
    path = tmp_path / "a.csv"
    path.write_text(f"trade_id,ts_ms,price,quantity,is_buyer_maker\n7,{T0},1.3913,17.2,true\n")
    (batch,) = read([path], load_instruments(tmp_path)["XRPUSDT"])
    assert (batch.stored, column(batch.trades, "native_sign")) == (1, [-1])


def test_without_maps_the_installation_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_HOME", str(tmp_path))
    path = tmp_path / "a.csv"
    path.write_text(f"t,p,q\n{T0},1,1\n{T0},1,1\n")
    with pytest.raises(SourceError, match=r"needs a table \[XRPUSDT.columns\] .* docs/files.md"):
        read([path], XRP)
    (tmp_path / "instruments.toml").write_text(
        '[XRPUSDT.columns]\ntime = "t"\nprice = "p"\nqty = "q"\n'
    )
    assert read([path], XRP)[0].stored == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"needs a table \[X.columns\]"),
        ("[X.columns]\nprice = 'p'", "needs time and knows"),
        ("[X.columns]\ntime = 't'\ncolour = 'red'", r"not: \['colour'\]"),
        ("[X.columns]\ntime = 't'\nprice = 'p'", "price and qty must be given together"),
        ("[X.columns]\ntime = 't'", "price and qty, or bid and ask, must be given"),
        ("[X.columns]\ntime = 0\nprice = 1\nqty = 2", "time must be a name, got 0"),
        ("[X.columns]\ntime='t'\nprice='p'\nqty='q'\nside='s'\nmaker='m'", "must not both"),
        ("[X.columns]\ntime='t'\nprice='p'\nqty='q'\ntimezone='Mars'", "timezone must be"),
        ("[X.columns]\ntime='t'\nprice='p'\nqty='q'\ndelimiter='::'", "delimiter must be one"),
        ("[X", "cannot be read"),
    ],
)
def test_a_map_that_is_none(tmp_path, text, message):
    path = tmp_path / "instruments.toml"
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        column_maps("X", path)
