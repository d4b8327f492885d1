"""One harness for all parsers: mutants of a file, of each of which no record may be lost.

``ORDERFLOW_SOAK_MUTANTS`` mutants a parser (500 in the usual tests, of which the slower parsers
get a share; a soak spares none). With ``ORDERFLOW_SOAK_COUNTS`` set, each survey adds a line to that
file: what was tried, read and refused, and how many records were offered, stored and quarantined.
``ORDERFLOW_SOAK_PIECE`` (0, 1, ...) picks other mutants, so that a long soak can run in pieces.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from orchestration.sources.day_split import split_by_day
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument
from tests.sources.cases import require_whole

_USUAL = 500
N_MUTANTS = int(os.environ.get("ORDERFLOW_SOAK_MUTANTS", str(_USUAL)))
PIECE = int(os.environ.get("ORDERFLOW_SOAK_PIECE", "0"))
_COUNTS = "ORDERFLOW_SOAK_COUNTS"

_NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
# What parsers of numbers stumble over: limits, signs, exponents, other scripts, nothing at all.
EXTREME = (
    b"-1", b"0", b"", b"1e400", b"1e-400", b"NaN", b"inf", b"9" * 30, b"9223372036854775807",
    b"9223372036854775808", b"9007199254740993", b"4102444800000", b"\xd9\xa3", b" 1", b"1_0", b"+1",
    b"0x1", b"1.", b".1", b"null", b"true", b"[]", b"1" * 5000,
)  # fmt: skip

Parse = Callable[[bytes], SourceBatch | Sequence[SourceBatch]]
Mutate = Callable[[bytes, np.random.Generator], bytes]


def n_mutants(share: int) -> int:
    """Number of mutants of a parser: the usual tests try one ``share``-th, a soak all."""
    return N_MUTANTS if N_MUTANTS > _USUAL else N_MUTANTS // share


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Change, drop or insert a byte, cut the file, repeat or swap two lines, or make a number extreme."""
    at = int(rng.integers(len(data)))
    byte = bytes([int(rng.integers(256))])
    kind = int(rng.integers(9))
    if kind == 8:
        number = _NUMBER.search(data, at) or _NUMBER.search(data)
        if number is not None:
            first, end = number.span()
            return data[:first] + EXTREME[int(rng.integers(len(EXTREME)))] + data[end:]
        kind = 0
    if kind <= 2:
        return data[:at] + byte + data[at + 1 :]
    if kind == 3:
        return data[:at] + data[at + 1 :]
    if kind == 4:
        return data[:at] + byte + data[at:]
    if kind == 5:
        return data[:at]
    lines = data.splitlines(keepends=True)
    i, j = rng.integers(len(lines), size=2)
    if kind == 6:
        lines.insert(int(i), lines[int(j)])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


def n_lines_of(data: bytes) -> int:
    """Lines of a text, counted without any reader."""
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


@dataclass
class Survey:
    """What became of the mutants of one parser."""

    name: str
    mutants: int = 0
    read: int = 0
    refused: int = 0
    offered: int = 0
    stored: int = 0
    quarantined: int = 0

    def add(self, batches: Sequence[SourceBatch]) -> None:
        """Count a mutant that was read."""
        self.read += 1
        self.offered += sum(batch.offered for batch in batches)
        self.stored += sum(batch.stored for batch in batches)
        self.quarantined += sum(batch.quarantined for batch in batches)

    def keep(self) -> None:
        """Write the counts down where a soak wants them."""
        if self.mutants != self.read + self.refused:
            raise AssertionError(f"{self}: a mutant was neither read nor refused")
        if os.environ.get(_COUNTS):
            with Path(os.environ[_COUNTS]).open("a") as file:
                file.write(json.dumps(asdict(self)) + "\n")


def require_nothing_lost(
    batches: Sequence[SourceBatch], known: Instrument, *, n_lines: int | None = None
) -> None:
    """Demand that each record is in a table or in the quarantine, whole and by day."""
    for batch in batches:
        require_whole(batch)
        if n_lines is not None:
            assert batch.n_lines == n_lines
        days = split_by_day(batch, known).values()
        assert sum(part.offered for part in days) == batch.offered
        assert sum(part.stored for part in days) == batch.stored
        for part in days:
            assert part.offered == part.stored + part.quarantined


def survey(
    name: str,
    data: bytes,
    parse: Parse,
    known: Instrument,
    *,
    n: int,
    seed: Sequence[int] | int,
    mutate: Mutate = mutate,
    is_text: bool = True,
    also: Callable[[bytes, Sequence[SourceBatch]], None] = lambda *_: None,
) -> Survey:
    """Parse ``n`` mutants; only a SourceError may come of one, or batches that lost nothing.

    ``also`` demands what a format allows to be said besides.
    """
    rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), PIECE])
    found = Survey(name)
    for _ in range(n):
        mutant = mutate(data, rng)
        found.mutants += 1
        try:
            made = parse(mutant)
        except SourceError:
            found.refused += 1
            continue
        batches = [made] if isinstance(made, SourceBatch) else list(made)
        require_nothing_lost(batches, known, n_lines=n_lines_of(mutant) if is_text else None)
        also(mutant, batches)
        found.add(batches)
    found.keep()
    return found
