"""Damaged files: whatever one byte, line or cut does, no record is lost and nothing else breaks."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from orchestration.instruments import load_instruments
from orchestration.sources.bitstamp import (
    ORDERS_HEADER,
    TRADES_HEADER,
    parse_orders,
    parse_trades,
)
from orchestration.sources.capture import parse_capture, read_capture
from orchestration.sources.emini import HEADER, parse_emini
from orchestration.sources.files import read_file
from orchestration.sources.records import SourceBatch, SourceError
from tests.sources.cases import (
    BITSTAMP,
    ES,
    PERP,
    SPOT,
    T0_MS,
    aggregate,
    depth,
    quote,
    source_file,
    spot_quote,
    trade,
)
from tests.sources.fuzzing import N_MUTANTS, mutate, n_mutants, survey


def made_capture() -> bytes:
    lines = ["wss://stream.example/stream?streams=btcusdt@trade/btcusdt@bookTicker"]
    for i in range(12):
        lines += [trade(i, ms=i, m=bool(i % 2)), quote(i, ms=i), depth(ms=i), aggregate(i, i, i)]
    return "".join(line + "\n" for line in lines).encode()


def made_spot_capture() -> bytes:
    lines = []
    for i in range(15):
        lines += [
            aggregate(i, 2 * i, 2 * i + 1, ms=i, M=True),
            spot_quote(i, ms=i),
            depth(symbol="ETHUSDT"),
        ]
    return "".join(line + "\n" for line in lines).encode()


def made_emini() -> bytes:
    rows = [
        f"2013-09-0{1 + i // 30} 17:{i % 30:02d}:00.083,{1640 + i % 4 / 4},{1 + i}"
        for i in range(50)
    ]
    return "\n".join([HEADER.decode(), *rows, ""]).encode()


def made_orders() -> bytes:
    rows = []
    for i in range(20):
        side, price = ("bid", 100 - i % 5) if i % 2 else ("ask", 101 + i % 5)
        rows.append(f"{i},{T0_MS + i},{T0_MS + i // 2},{price}.0,1.5,created,{side}")
        if i % 3 == 2:
            rows.append(f"{i - 1},{T0_MS + i},{T0_MS + i // 2},{price}.0,0.5,changed,{side}")
    return "\n".join([ORDERS_HEADER.decode(), *rows, ""]).encode()


def made_trades() -> bytes:
    rows = [
        f"{i},{T0_MS + i},{T0_MS + i},100.0,0.5,1,2,{'buy' if i % 2 else 'sell'}" for i in range(40)
    ]
    return "\n".join([TRADES_HEADER.decode(), *rows, ""]).encode()


PARSERS = {
    "capture": (made_capture, parse_capture, PERP),
    "spot_capture": (made_spot_capture, parse_capture, SPOT),
    "emini": (made_emini, parse_emini, ES),
    "orders": (made_orders, parse_orders, BITSTAMP),
    "trades": (made_trades, parse_trades, BITSTAMP),
}


def records_of(batch: SourceBatch) -> set[int]:
    tables = (batch.trades, batch.quotes, batch.quarantine)
    return {line for rows in tables for line in rows["line"].to_pylist()}


@pytest.mark.parametrize("name", PARSERS)
def test_mutants_lose_nothing(name):
    make, parse, instrument = PARSERS[name]
    data = make()
    whole = parse(source_file(data), instrument)
    assert whole.quarantined == 0
    found = survey(
        name, data, lambda mutant: parse(source_file(mutant), instrument), instrument,
        n=N_MUTANTS, seed=list(name.encode()),
    )  # fmt: skip
    assert found.read > N_MUTANTS // 2  # the property was tested, not skipped


@pytest.mark.parametrize("name", ["capture", "spot_capture", "emini", "trades"])
def test_one_byte_touches_one_record(name):
    # Every other record is still there, stored or refused: its line is accounted for.
    make, parse, instrument = PARSERS[name]
    data = make()
    before = records_of(parse(source_file(data), instrument))
    rng = np.random.default_rng(7)
    for _ in range(N_MUTANTS // 2):
        at = int(rng.integers(len(data)))
        byte = int(rng.integers(256))
        if 10 in (data[at], byte):  # the line numbers move
            continue
        mutant = data[:at] + bytes([byte]) + data[at + 1 :]
        try:
            after = records_of(parse(source_file(mutant), instrument))
        except SourceError:
            continue
        touched = data.count(b"\n", 0, at) + 1
        assert before - after <= {touched}


def test_a_damaged_byte_in_a_record_never_turns_it_into_nothing():
    # Each byte of one trade and one quote, each with four values: always one offered record.
    head, tail = trade(1) + "\n", quote(9, ms=9) + "\n"
    for good in (trade(2, ms=1), quote(3, ms=1)):
        for at in range(len(good)):
            for byte in (b"\x00", b'"', b"7", b"x"):
                bad = good[:at].encode() + byte + good[at + 1 :].encode()
                batch = parse_capture(
                    source_file(head.encode() + bad + b"\n" + tail.encode()), PERP
                )
                assert batch.offered == 3, bad
                assert not batch.other, bad


def test_mutants_of_a_recorded_stream(test_data):
    folder = test_data / "binance_ws"
    known = load_instruments()
    samples = {
        "hftbacktest/usdm/btcusdt_20230405.dat.gz": "BTCUSDT",
        "hftbacktest/spot/btcusdt_20240808.gz": "BTCUSDT.SPOT",
        "cryptofeed/BINANCE_FUTURES-1125a2.0": "NEOUSDT",
        "cryptofeed/BINANCE-b38f7c.0": "DENTUSDT.SPOT",
    }
    for name, symbol in samples.items():
        lines = read_file(folder / name).data.splitlines(keepends=True)
        start = len(lines) // 3
        data = b"".join(line for line in lines[start : start + 60] if len(line) < 2000)

        def parse(mutant, instrument=known[symbol]):
            return parse_capture(source_file(mutant), instrument)

        survey(f"recorded capture {symbol}", data, parse, known[symbol], n=n_mutants(4), seed=11)


def test_mutants_of_a_gzip_file_are_refused_or_read_whole(tmp_path: Path):
    packed = gzip.compress(made_capture(), mtime=0)
    whole = parse_capture(source_file(made_capture()), PERP)
    rng = np.random.default_rng(3)
    path = tmp_path / "capture.gz"
    for _ in range(N_MUTANTS // 4):
        path.write_bytes(mutate(packed, rng))
        try:
            batch = read_capture(path, PERP)
        except SourceError:
            continue
        # What still unpacks had its damage in the header: the content is the same.
        assert batch.trades.drop_columns(["unit"]).equals(whole.trades.drop_columns(["unit"]))


def test_noise_is_refused(tmp_path: Path):
    rng = np.random.default_rng(5)
    for n in (1, 10, 1000, 100_000):
        data = rng.bytes(n)
        for _, parse, instrument in PARSERS.values():
            with pytest.raises(SourceError):
                parse(source_file(data), instrument)
