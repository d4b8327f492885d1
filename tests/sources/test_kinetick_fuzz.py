"""Damaged files of NinjaTrader: whatever a byte, a line or a cut does, no record is lost."""

from pathlib import Path

import numpy as np
import pytest

from orchestration.sources import kinetick
from orchestration.sources.files import SourceFile
from orchestration.sources.kinetick import ReadSettings
from orchestration.sources.kinetick.exports import parse_pair
from orchestration.sources.records import SourceError
from tests.sources.cases import ES, source_file
from tests.sources.fuzzing import N_MUTANTS, mutate, n_lines_of, n_mutants, survey
from tests.sources.test_kinetick_exports import MES
from tests.sources.test_kinetick_log import made_log
from tests.sources.test_kinetick_pairs import ASKS, BIDS
from tests.sources.test_kinetick_replay import made_dump

UTC = ReadSettings(replay_timezone="UTC")


def made_export(fields: int) -> bytes:
    rows = []
    for i in range(50):
        quote = f";{5997 + i % 4 / 4};{5997.25 + i % 4 / 4}" if fields == 5 else ""
        rows.append(f"20250319 07{i // 2:02d}00 {i:07d};{5997 + i % 4 / 4}{quote};{1 + i}\r\n")
    return "".join(rows).encode()


FILES = {
    "3 fields": made_export(3),
    "5 fields": made_export(5),
    "replay": made_dump(),
    "log": made_log(),
}


@pytest.mark.parametrize("name", FILES)
def test_mutants_lose_nothing(name):
    data = FILES[name]
    whole = kinetick.parse_file(source_file(data), ES, UTC)
    assert whole.stored >= 40
    assert whole.quarantined == 0
    found = survey(
        f"kinetick {name}", data, lambda mutant: kinetick.parse_file(source_file(mutant), ES, UTC),
        ES, n=N_MUTANTS, seed=list(name.encode()),
    )  # fmt: skip
    assert found.read > N_MUTANTS // 2


@pytest.mark.parametrize("side", [0, 1])
def test_mutants_of_a_pair_lose_nothing(side):
    halves = [("\n".join(rows) + "\n").encode() for rows in (BIDS, ASKS)]

    def parse(mutant):
        parts = [mutant if i == side else half for i, half in enumerate(halves)]
        files = [
            SourceFile(path=Path(f"ES 03-25.{name}.txt"), unit="0" * 64, data=part)
            for name, part in zip(("Bid", "Ask"), parts, strict=True)
        ]
        return parse_pair(*files, ES)

    def require_lines(mutant, batches):
        assert batches[0].n_lines == n_lines_of(mutant) + n_lines_of(halves[1 - side])

    n = n_mutants(2)
    found = survey(
        f"kinetick pair {('bid', 'ask')[side]}", halves[side], parse, ES,
        n=n, seed=17 + side, is_text=False, also=require_lines,
    )  # fmt: skip
    assert found.read > n // 2


def test_mutants_of_the_recorded_bars_are_refused(test_data):
    data = (test_data / "ninjatrader" / "MES 09-25.Last.txt").read_bytes()[:4000]
    rng = np.random.default_rng(23)
    for _ in range(n_mutants(4)):
        with pytest.raises(SourceError):
            kinetick.parse_file(source_file(mutate(data, rng)), MES)
