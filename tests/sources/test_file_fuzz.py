"""Damaged files of the formats anyone has: no record is lost, only a SourceError is raised."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from orchestration.sources.column_map import ColumnMap
from orchestration.sources.databento import parse_dbn
from orchestration.sources.files import read_file
from orchestration.sources.generic import parse_table, read
from orchestration.sources.lean import parse_lean
from orchestration.sources.lobster import parse_books, parse_messages
from orchestration.sources.members import read_members
from orchestration.sources.records import SourceError
from orchestration.sources.sierra import parse_sierra
from orchestration.sources.tardis import parse_tardis
from tests.sources import dbn_cases as dbn
from tests.sources.file_cases import equity, instrument, member
from tests.sources.fuzzing import n_mutants, survey

ESM4 = instrument("ESM4", "0.25", kind="future")
ES = instrument("ES", "0.25", kind="future")
AAPL, BAC = equity("AAPL"), equity("BAC")
PERP = instrument("BTCUSDT", "0.01", lot="0.001", venue="binance_um", max_id_step=2)
XRP = instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1)
MAP = ColumnMap(time="ts", price="p", qty="q", side="side", id="id", symbol="s")
STEM = "AAPL_2012-06-21_34200000_57600000_{}_1.csv"
MESSAGES = "".join(
    f"{34200 + i}.5,{1 + i % 5},{i},10,58533{i % 4}0,{1 - i % 2 * 2}\n" for i in range(40)
)
BOOKS = "".join(f"58594{i % 3}0,200,58533{i % 2}0,1{i}\n" for i in range(40))
SIERRA = (
    "Date;Time;Sequence;Price;Volume;TradeType;AskPrice;BidPrice;AskSize;BidSize;Depth\n"
    + "".join(
        f"2022-01-24;13:30:{i:02d}.{i * 7};{i};43{i}.25;1;{i % 3};4347.75;4347.5;12;3{i % 9};5\n"
        for i in range(40)
    )
)
BOTH = "exchange,symbol,timestamp,local_timestamp,"
TRADES = (
    BOTH
    + "id,side,price,amount\n"
    + "".join(
        f"binance-futures,BTCUSDT,15823296021{i:02d}000,1582329602418379,{i},buy,9682.{i},0.1\n"
        for i in range(10, 50)
    )
)
QUOTES = (
    BOTH
    + "ask_amount,ask_price,bid_price,bid_amount\n"
    + "".join(
        f"binance-futures,BTCUSDT,15823296021{i:02d}000,1582329602418379,1,9682.{i},9681,0.1\n"
        for i in range(10, 50)
    )
)
LEAN_TRADES = "".join(f"{1000 + i},1394{i:02d},{1 + i},P,20,0\n" for i in range(40))
LEAN_QUOTES = "".join(
    f"{1000 + i},1384{i:02d},7,0,0,P,1,0\n{1000 + i},0,0,1395{i:02d},9,P,1,0\n" for i in range(25)
)
TABLE = "id,s,ts,p,q,side\n" + "".join(
    f"{i},XRPUSDT,17734964312{i},1.39{i},17.2,sell\n" for i in range(10, 50)
)


def lobster_books(one, known):
    messages = member(MESSAGES, STEM.format("message"))
    return [parse_books(replace(one, name=STEM.format("orderbook")), messages, known)]


def lobster_messages(one, known):
    return [parse_messages(replace(one, name=STEM.format("message")), known)]


PARSERS = {
    "lobster_messages": (MESSAGES, lobster_messages, AAPL),
    "lobster_books": (BOOKS, lobster_books, AAPL),
    "sierra": (SIERRA, lambda one, known: parse_sierra(one, known, "UTC"), ES),
    "tardis_trades": (TRADES, lambda one, known: [parse_tardis(one, known)], PERP),
    "tardis_quotes": (QUOTES, lambda one, known: [parse_tardis(one, known)], PERP),
    "lean_trades": (
        LEAN_TRADES,
        lambda one, known: [parse_lean(replace(one, name="20131007_bac_Trade_Tick.csv"), known)],
        BAC,
    ),
    "lean_quotes": (
        LEAN_QUOTES,
        lambda one, known: [parse_lean(replace(one, name="20131007_bac_Quote_Tick.csv"), known)],
        BAC,
    ),
    "generic": (TABLE, lambda one, known: parse_table(one, known, [MAP]), XRP),
}


@pytest.mark.parametrize("name", PARSERS)
def test_mutants_of_text_lose_nothing(name):
    text, parse, known = PARSERS[name]
    whole = parse(member(text), known)
    assert sum(batch.stored for batch in whole) >= 16
    assert sum(batch.quarantined for batch in whole) == 0
    n = n_mutants(4)
    is_sealed = cycle((False, True))
    found = survey(
        name, text.encode(),
        lambda mutant: parse(member(mutant, is_sealed=next(is_sealed)), known), known,
        n=n, seed=list(name.encode()),
    )  # fmt: skip
    assert found.read > n // 2  # the property was tested, not skipped


def made_dbn(schema):
    if schema == "mbo":
        records = [dbn.order(0, "R", "N", None, 0, 0, flags=0x28)]
        for k in range(20):
            side, price = ("B", "5214.00") if k % 2 else ("A", "5214.50")
            records += [
                dbn.order(1000 + k, "A", side, price, 5, k),
                dbn.order(1000 + k, "T", side, price, 1, 0, flags=0),
                dbn.order(1000 + k, "C", side, price, 1, k // 2),
            ]
    else:
        top = None if schema == "trades" else dbn.TOP
        records = [dbn.trade(k, side="BAN"[k % 3], action="TA"[k % 2 and top is not None], top=top)
                   for k in range(40)]  # fmt: skip
    return dbn.dbn_file(schema, *records)


@pytest.mark.parametrize("schema", ["trades", "tbbo", "mbp-1", "mbo"])
def test_mutants_of_dbn_lose_nothing(schema):
    file = made_dbn(schema)
    assert parse_dbn(file, ESM4)[0].stored >= 16
    n = n_mutants(8)
    found = survey(
        f"databento {schema}", file.data,
        lambda mutant: parse_dbn(replace(file, data=mutant), ESM4), ESM4,
        n=n, seed=list(schema.encode()), is_text=False,
    )  # fmt: skip
    assert found.read > n // 4


def test_mutants_of_parquet_are_refused_or_read_whole(tmp_path: Path):
    table = pa.table({
        "id": range(200), "s": ["XRPUSDT"] * 200, "ts": [1_773_496_431_201] * 200,
        "p": [1 + i / 1000 for i in range(200)], "q": [17.2] * 200, "side": ["buy", "sell"] * 100,
    })  # fmt: skip
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path, write_page_checksum=True)

    def parse(mutant):
        path.write_bytes(mutant)
        return read([path], XRP, maps=[MAP])

    survey("generic parquet", path.read_bytes(), parse, XRP, n=n_mutants(8), seed=9, is_text=False)


def test_a_name_that_is_not_utf8_is_damage(tmp_path: Path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"price": [1.0]}), path)
    path.write_bytes(path.read_bytes().replace(b"price", b"\xb1rice"))
    with pytest.raises(SourceError, match="damaged table"):
        read([path], XRP, maps=[MAP])


REAL = {
    "lobster/LOBSTER_SampleFile_AAPL_2012-06-21_1.zip": "lobster_messages",
    "sierra/ES_tbt_2022-01-24.txt": "sierra",
    "tardis/binance-futures_trades_BTCUSDT_20200222.csv": "tardis_trades",
    "tardis/binance-futures_quotes_BTCUSDT_20200222.csv": "tardis_quotes",
    "lean/equity/usa/tick/bac/20131007_trade.zip": "lean_trades",
    "lean/equity/usa/tick/bac/20131007_quote.zip": "lean_quotes",
}


@pytest.mark.parametrize("path", REAL)
def test_mutants_of_recorded_files_lose_nothing(test_data, path):
    _, parse, known = PARSERS[REAL[path]]
    lines = read_members(test_data / path)[0].file.data.splitlines(keepends=True)
    start = len(lines) // 3
    data = b"".join([lines[0], *lines[start : start + 40]])
    n = n_mutants(16)
    found = survey(
        f"recorded {path}", data, lambda mutant: parse(member(mutant), known), known,
        n=n, seed=list(path.encode()), is_text=False,
    )  # fmt: skip
    assert found.read > n // 2


def test_mutants_of_a_recorded_dbn_file(test_data, tmp_path):
    path = (
        test_data / "databento" / "orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst"
    )
    with pa.input_stream(str(path), compression="zstd") as stream:
        data = stream.read()
    start = 8 + int.from_bytes(data[4:8], "little")
    file = replace(read_file(path), data=data[:start] + data[-60 * 56 :])
    n = n_mutants(8)
    found = survey(
        "recorded databento mbo", file.data,
        lambda mutant: parse_dbn(replace(file, data=mutant), ESM4), ESM4,
        n=n, seed=4, is_text=False,
    )  # fmt: skip
    assert found.read > n // 4


def test_noise_is_refused():
    rng = np.random.default_rng(5)
    for n in (1, 10, 1000, 100_000):
        data = rng.bytes(n)
        for name, (_, parse, known) in PARSERS.items():
            if name != "lobster_books" or n > 1:
                with pytest.raises(SourceError):
                    parse(member(data), known)
        with pytest.raises(SourceError):
            parse_dbn(replace(made_dbn("trades"), data=data), ESM4)
