"""Damaged hours, answers and logs of Dukascopy: no crash, and no record is lost."""

import numpy as np
import pytest

from orchestration.sources.dukascopy import parse
from orchestration.sources.files import SourceFile
from orchestration.sources.records import SourceError
from tests.sources.dukascopy_cases import EURUSD, FOLDER, START_MS, made, ticks
from tests.sources.dukascopy_server import answer, bi5, pack, records
from tests.sources.fuzzing import N_MUTANTS, n_mutants, survey

ROWS = ticks(40)
HOUR = f"{FOLDER}/12h_ticks"


def log(rows) -> bytes:
    parts = [rows[i : i + 11] for i in range(0, len(rows), 10)]
    bodies = enumerate(answer(part, START_MS) for part in parts)
    return b"".join(f"{START_MS + i} ".encode() + body + b"\n" for i, body in bodies)


KINDS = {
    "packed": (bi5(ROWS), f"{HOUR}.bi5"),
    "unpacked": (records(ROWS), f"{HOUR}.bin"),
    "answer": (answer(ROWS, START_MS), "EUR-USD/2024/3/4/12.json"),
    "log": (log(ROWS), "live.log"),
}


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    at, to = (int(i) for i in rng.integers(len(data), size=2))
    byte = bytes([int(rng.integers(256))])
    kind = int(rng.integers(7))
    if kind <= 2:
        return data[:at] + byte + data[at + 1 :]
    if kind == 3:
        return data[:at] + data[at + 1 :]
    if kind == 4:
        return data[:at] + byte + data[at:]
    if kind == 5:
        return data[:at]
    low, high = sorted((at, to))
    return data[:low] + data[low : high + 20] + data[low:]  # a piece twice


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_lose_nothing(kind):
    data, name = KINDS[kind]
    whole = parse(made(data, name), EURUSD)
    assert whole.stored == len(ROWS)

    def require_counted(mutant, batches):
        if kind == "unpacked":
            assert batches[0].offered == -(-len(mutant) // 20)  # counted without the reader

    found = survey(
        f"dukascopy {kind}", data, lambda mutant: parse(made(mutant, name), EURUSD), EURUSD,
        n=N_MUTANTS, seed=list(kind.encode()), mutate=mutate, is_text=False, also=require_counted,
    )  # fmt: skip
    # LZMA and JSON refuse most damage whole; single records and lines are refused alone.
    least = {"packed": 0, "unpacked": 0.3, "answer": 0.02, "log": 0.5}[kind]
    assert found.read > least * N_MUTANTS


def test_mutants_under_the_compression_lose_nothing():
    def require_counted(mutant, batches):
        assert batches[0].offered * 20 == len(mutant)

    found = survey(
        "dukascopy under the compression", records(ROWS),
        lambda mutant: parse(made(pack(mutant), f"{HOUR}.bi5"), EURUSD), EURUSD,
        n=N_MUTANTS, seed=8, mutate=mutate, is_text=False, also=require_counted,
    )  # fmt: skip
    assert found.read > N_MUTANTS // 5


def test_damage_of_a_recorded_file_never_changes_a_stored_quote(test_data):
    path = test_data / "dukascopy/dukascopy-node/EURUSD/2019/01/04/21h_ticks.bi5"
    data = path.read_bytes()
    whole = parse(SourceFile(path=path, unit="0" * 64, data=data), EURUSD)
    rng = np.random.default_rng(9)
    for _ in range(n_mutants(2)):
        mutant = mutate(data, rng)
        try:
            batch = parse(SourceFile(path=path, unit="0" * 64, data=mutant), EURUSD)
        except SourceError:
            continue
        assert not mutant or batch.quotes.equals(whole.quotes)


def test_noise_is_refused():
    rng = np.random.default_rng(5)
    for n in (1, 10, 1000, 100_000):
        for suffix in ("bi5", "json", "log"):
            with pytest.raises(SourceError):
                parse(made(rng.bytes(n), f"{HOUR}.{suffix}"), EURUSD)
    for n in (1000, 100_000):
        with pytest.raises(SourceError):
            parse(made(rng.bytes(n), f"{HOUR}.bin"), EURUSD)
