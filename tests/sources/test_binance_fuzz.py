"""Damaged archives and replies: whatever one byte, line or cut does, no record is lost."""

import json

import numpy as np
import pytest

from orchestration.instruments import load_instruments
from orchestration.sources.binance.archive import parse_archive
from orchestration.sources.binance.packed import Unpacked
from orchestration.sources.binance.replies import parse_replies, split_records
from orchestration.sources.records import SourceError
from tests.sources.cases import PERP, SPOT, source_file
from tests.sources.fuzzing import N_MUTANTS, n_mutants, survey
from tests.sources.test_binance_archive import (
    COIN,
    UM_HEADER,
    aggregate,
    spot_aggregate,
    spot_trade,
    ticker,
    trade,
)
from tests.sources.test_binance_replies import item
from tests.sources.test_fuzz import records_of

KNOWN = load_instruments()


def text(rows):
    return "".join(row + "\n" for row in rows).encode()


MADE = {
    "um_aggregates": (text([UM_HEADER, *(aggregate(i, t=i) for i in range(30))]), PERP),
    "um_trades": (text(trade(i, t=i) for i in range(40)), PERP),
    "um_quotes": (text(ticker(i, t=i) for i in range(30)), PERP),
    "spot_aggregates": (text(spot_aggregate(i, t=i) for i in range(30)), SPOT),
    "spot_trades": (text(spot_trade(i, t=i) for i in range(40)), SPOT),
}
RECORDED = {
    "cm/BTCUSD_260327-aggTrades-2025-09.csv": COIN,
    "spot/BTCUSDT-aggTrades-2026-01-01.csv": KNOWN["BTCUSDT.SPOT"],
    "um/BTCUSDT-bookTicker-2023-10-02-short.csv": KNOWN["BTCUSDT"],
}


def parse(data, instrument):
    return parse_archive(Unpacked(file=source_file(data)), instrument)


def require_mutants_whole(name, data, instrument, seed, n):
    assert parse(data, instrument).quarantined == 0
    found = survey(
        f"binance {name}",
        data,
        lambda mutant: parse(mutant, instrument),
        instrument,
        n=n,
        seed=seed,
    )
    assert found.read > 0.9 * n  # the property was tested, not skipped


@pytest.mark.parametrize("name", MADE)
def test_mutants_lose_nothing(name):
    require_mutants_whole(name, *MADE[name], list(name.encode()), n_mutants(2))


@pytest.mark.parametrize("name", RECORDED)
def test_mutants_of_recorded_rows_lose_nothing(test_data, name):
    lines = (test_data / "binance_vision" / name).read_bytes().splitlines(keepends=True)
    start = len(lines) // 3
    data = b"".join(lines[start : start + 60])
    require_mutants_whole(f"recorded {name}", data, RECORDED[name], 13, n_mutants(4))


@pytest.mark.parametrize("name", MADE)
def test_one_byte_touches_one_record(name):
    data, instrument = MADE[name]
    before = records_of(parse(data, instrument))
    rng = np.random.default_rng(7)
    for _ in range(N_MUTANTS // 2):
        at, byte = int(rng.integers(len(data))), int(rng.integers(256))
        if 10 in (data[at], byte):  # the line numbers move
            continue
        try:
            after = records_of(parse(data[:at] + bytes([byte]) + data[at + 1 :], instrument))
        except SourceError:
            continue
        assert before - after <= {data.count(b"\n", 0, at) + 1}


@pytest.mark.parametrize("name", MADE)
def test_every_byte_of_a_row_matters_or_changes_nothing_else(name):
    # Each byte of the second row: one offered record more or less never comes of it.
    data, instrument = MADE[name]
    lines = data.splitlines(keepends=True)[:4]
    n_rows = parse(b"".join(lines), instrument).offered
    for at in range(len(lines[2]) - 1):
        for byte in (b"\x00", b",", b"7", b"x", b"-", b"\r"):
            bad = lines[2][:at] + byte + lines[2][at + 1 :]
            batch = parse(b"".join([*lines[:2], bad, lines[3]]), instrument)
            assert batch.offered == n_rows, bad


REPLIES = {
    "lines": ("\n".join(json.dumps(item(i)) for i in range(30)) + "\n", PERP),
    "array": (json.dumps([item(i, M=True) for i in range(30)]), SPOT),
}


@pytest.mark.parametrize("name", REPLIES)
def test_mutants_of_replies_lose_nothing(name):
    made, instrument = REPLIES[name]

    def require_every_byte(mutant, batches):
        # Every byte but white space and the arrays' marks is in some record.
        records = split_records(mutant)
        assert batches[0].n_lines == len(records)
        ignored = bytes(dict.fromkeys(b" \t\r\n\x0b\x0c,[]"))
        assert b"".join(records).translate(None, ignored) == mutant.translate(None, ignored)

    n = n_mutants(2)
    found = survey(
        f"binance replies {name}", made.encode(),
        lambda mutant: parse_replies(source_file(mutant), instrument), instrument,
        n=n, seed=list(name.encode()), is_text=False, also=require_every_byte,
    )  # fmt: skip
    assert found.read > 0.8 * n


def test_noise_is_refused():
    rng = np.random.default_rng(5)
    for n in (0, 1, 10, 1000, 100_000):
        data = rng.bytes(n)
        for instrument in (PERP, SPOT):
            with pytest.raises(SourceError):
                parse(data, instrument)
