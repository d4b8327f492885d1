"""Rows of a NinjaTrader text export: told apart, cut into fields, timed.

No header, ``;`` between the fields, times in UTC with 100 ns or whole seconds::

    20250319 070000 0520000;41971;41970;41971;1     tick: last;bid;ask;volume
    20250319 070000 0520000;41971;;;1               the same without quotes
    20061107 000431;1383.00;1                       tick: price;volume
    20250612 040100;6062.5;6062.5;6062.25;6062.5;14 minute bar: refused
    20250612;6062.5;6062.5;6062.25;6062.5;14        daily bar: refused

All of these come under the same file names. Decimals follow the PC's locale: where most prices
of a file hold a comma, the comma is the decimal mark.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestration.sources.gate import Gate
from orchestration.sources.kinetick.clock import SECOND_NS, stamp_digits, to_utc
from orchestration.sources.kinetick.repeats import repeated_rows
from orchestration.sources.records import SourceError

FINE, COARSE = b"20250319 070000 0520000", b"20061107 000431"
SHORT, LONG = 3, 5
BAR_FIELDS = 6
_HEAD = re.compile(rb"[0-9]{8}(?: [0-9]{6}(?: [0-9]{7})?)?;")
_HUNDRED_NS = 100 * 10 ** np.arange(6, -1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Readable rows of one file; ``bid`` and ``ask`` are empty texts where it has none.

    Attributes
    ----------
    line : ndarray of int64, shape (n,)
    wall_ns, ts_ns : ndarray of int64, shape (n,)
        Time of the file's own clock, and UTC.
    price, bid, ask, size : list of str
    n_repeated : int
        Rows refused because they belong to a repeated block.
    """

    line: np.ndarray
    wall_ns: np.ndarray
    ts_ns: np.ndarray
    price: list[str]
    bid: list[str]
    ask: list[str]
    size: list[str]
    n_repeated: int


def read_rows(
    path: Path, gate: Gate, lines: list[bytes], other: Counter[str], *,
    kind: str, zone: str, offset: int = 0,
) -> Rows:  # fmt: skip
    """Read the rows of a tick export; what cannot be read is refused by ``gate``.

    Parameters
    ----------
    path : Path
    gate : Gate
        ``gate.lines[offset:]`` begins with ``lines``.
    lines : list of bytes
    other : Counter
        Blank lines are added to it.
    kind : {"trade", "quote"}
    zone : str
        Zone of the stamps.

    Raises
    ------
    SourceError
        The file holds bars, or nothing that NinjaTrader writes; the message names the line.
    """
    fields = [line.split(b";") for line in lines]
    width = _tick_width(path, fields)
    kept: list[int] = []
    for i, row in enumerate(fields):
        number = offset + i + 1
        if number == gate.cut_line:
            gate.refuse(kind, number, "truncated", "the last line has no end")
        elif len(row) == width:
            kept.append(i)
        elif row == [b""]:
            other["blank"] += 1
        else:
            detail = f"has {len(row)} fields, the file's rows have {width}"
            gate.refuse(kind, number, "malformed", detail)
    at, wall = _times(gate, [fields[i][0] for i in kept], kept, kind, offset)
    ts, exists = to_utc(wall, zone)
    for i in at[~exists].tolist():
        detail = f"time {fields[i][0]!r} does not exist in {zone}"
        gate.refuse(kind, offset + i + 1, "malformed", detail)
    at, wall, ts = at[exists], wall[exists], ts[exists]
    fresh = _without_repeats(gate, lines, at, ts, kind, offset)
    n_repeated = len(at) - len(fresh)
    at, wall, ts = at[fresh], wall[fresh], ts[fresh]
    rows = [fields[i] for i in at.tolist()]
    good, texts = _texts(gate, rows, at + offset + 1, ts, kind)
    return Rows(
        line=at[good] + offset + 1, wall_ns=wall[good], ts_ns=ts[good], n_repeated=n_repeated,
        price=texts[0], bid=texts[1], ask=texts[2], size=texts[3],
    )  # fmt: skip


def _tick_width(path: Path, fields: list[list[bytes]]) -> int:
    # Bars and ticks share their names: the fields of most lines say what the file holds.
    found: Counter[int] = Counter()
    first: dict[int, int] = {}
    for i, row in enumerate(fields):
        if len(row) > 1 and _HEAD.match(row[0] + b";"):
            # A daily bar is told from a minute bar by its stamp, below.
            found[len(row)] += 1
            first.setdefault(len(row), i)
    if not found:
        raise SourceError(path, "holds no row of a NinjaTrader text export")
    width = found.most_common(1)[0][0]
    line = first[width] + 1
    if width == BAR_FIELDS:
        bar = "daily" if len(fields[first[width]][0]) == 8 else "minute"
        raise SourceError(
            path,
            f"line {line} is a {bar} bar (open;high;low;close;volume), not a tick: export again "
            "with the data type Tick",
        )
    if width not in (SHORT, LONG):
        raise SourceError(
            path,
            f"line {line} has {width} fields, a tick has {SHORT} or {LONG}, a bar {BAR_FIELDS}",
        )
    return width


def _times(
    gate: Gate, stamps: list[bytes], kept: list[int], kind: str, offset: int
) -> tuple[np.ndarray, np.ndarray]:
    # Positions of the lines whose stamp is a time, and that time on the file's clock.
    wall = np.full(len(stamps), -1, np.int64)
    for sample in (FINE, COARSE):
        at, seconds, rest = stamp_digits(stamps, sample)
        fraction = rest @ _HUNDRED_NS if rest.shape[1] else 0
        wall[at] = seconds * SECOND_NS + fraction
    for k in np.flatnonzero(wall < 0).tolist():
        detail = f"time {stamps[k][:40]!r} is no yyyyMMdd HHmmss or yyyyMMdd HHmmss fffffff"
        gate.refuse(kind, offset + kept[k] + 1, "malformed", detail)
    good = wall >= 0
    return np.array(kept, np.int64)[good], wall[good]


def _without_repeats(
    gate: Gate, lines: list[bytes], at: np.ndarray, ts: np.ndarray, kind: str, offset: int
) -> np.ndarray:
    # Positions within ``at`` that are no copy of a block; the copies are refused.
    copies = repeated_rows([lines[i] for i in at.tolist()], ts)
    for i, origin in copies.items():
        detail = f"repeats line {at[origin] + 1} in a block that runs back in time"
        gate.refuse(
            kind, offset + int(at[i]) + 1, "duplicate", detail,
            ts_ns=int(ts[i]), ts_recv_ns=int(ts[i]),
        )  # fmt: skip
    fresh = np.ones(len(at), np.bool_)
    fresh[list(copies)] = False
    return np.flatnonzero(fresh)


def _texts(
    gate: Gate, rows: list[list[bytes]], line: np.ndarray, ts: np.ndarray, kind: str
) -> tuple[np.ndarray, list[list[str]]]:
    # Price, bid, ask and size with a decimal point; rows that use the other mark are refused.
    # latin-1 maps every byte to a character, so damage reaches the decimal parser as it is.
    price = [row[1].decode("latin-1") for row in rows]
    size = [row[-1].decode("latin-1") for row in rows]
    if not rows or len(rows[0]) == SHORT:
        bid, ask = [""] * len(rows), [""] * len(rows)
    else:
        bid = [row[2].decode("latin-1") for row in rows]
        ask = [row[3].decode("latin-1") for row in rows]
    texts = [price, bid, ask, size]
    bad = with_decimal_points(texts)
    for i, detail in bad.items():
        at, t = int(line[i]), int(ts[i])
        gate.refuse(kind, at, "malformed", detail, ts_ns=t, ts_recv_ns=t)
    good = np.ones(len(rows), np.bool_)
    good[list(bad)] = False
    kept = np.flatnonzero(good)
    if bad:
        texts = [[column[i] for i in kept.tolist()] for column in texts]
    return kept, texts


def with_decimal_points(texts: list[list[str]]) -> dict[int, str]:
    """Write the decimal mark of most numbers as a point, in place.

    Returns
    -------
    dict of int to str
        Position of each row that holds the other mark, and what to say of it.
    """
    marks = Counter(mark for column in texts for text in column for mark in ",." if mark in text)
    if not marks[","]:
        return {}
    mark, wrong = (",", ".") if marks[","] > marks["."] else (".", ",")
    bad: dict[int, str] = {}
    for column in texts:
        for i, text in enumerate(column):
            if wrong in text:
                bad[i] = f"number {text[:40]!r} has not the decimal mark {mark!r} of the file"
            elif mark == ",":
                column[i] = text.replace(",", ".")
    return bad
