"""Rows of a NinjaTrader text export: told apart, cut into fields, timed.

No header, ``;`` between the fields, times in UTC with 100 ns or whole seconds::

    20250319 070000 0520000;41971;41970;41971;1     tick: last;bid;ask;volume
    20250319 070000 0520000;41971;;;1               the same without quotes
    20061107 000431;1383.00;1                       tick: price;volume
    20250612 040100;6062.5;6062.5;6062.25;6062.5;14 minute bar: refused
    20250612;6062.5;6062.5;6062.25;6062.5;14        daily bar: refused

All of these come under the same file names; the first 1,000 readable stamps tell. Decimals follow the PC's locale: where most prices
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
_TELLING_LINES = 1000  # enough to tell ticks from bars
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
    width = _tick_width(path, lines)
    at = _whole_lines(gate, lines, other, width, kind, offset)
    # All of these have the same number of fields: cut as one text, they need no loop of our own.
    # latin-1 maps every byte to a character, so damage reaches the decimal parser as it is.
    joined = b";".join([lines[i] for i in at.tolist()])
    flat = joined.decode("latin-1").split(";") if len(at) else []
    wall = _wall_times(flat[::width])
    ts, exists = to_utc(np.maximum(wall, 0), zone)
    exists &= wall >= 0
    for k in np.flatnonzero(~exists).tolist():
        stamp = f"time {flat[k * width][:40]!r}"
        detail = (
            f"{stamp} is no yyyyMMdd HHmmss or yyyyMMdd HHmmss fffffff"
            if wall[k] < 0
            else f"{stamp} does not exist in {zone}"
        )
        gate.refuse(kind, offset + int(at[k]) + 1, "malformed", detail)
    timed = np.flatnonzero(exists)
    fresh = timed[_without_repeats(gate, lines, at[timed], ts[timed], kind, offset)]
    empty = [""] * len(at)
    middle = (flat[2::width], flat[3::width]) if width == LONG else (empty, empty)
    columns = [flat[1::width], *middle, flat[width - 1 :: width]]
    if len(fresh) < len(at):
        columns = [[column[k] for k in fresh.tolist()] for column in columns]
    good = _in_one_locale(gate, columns, at[fresh] + offset + 1, ts[fresh], kind)
    if len(good) < len(fresh):
        columns = [[column[k] for k in good.tolist()] for column in columns]
    kept = fresh[good]
    price, bid, ask, size = columns
    return Rows(
        line=at[kept] + offset + 1, wall_ns=wall[kept], ts_ns=ts[kept],
        price=price, bid=bid, ask=ask, size=size, n_repeated=len(timed) - len(fresh),
    )  # fmt: skip


def _tick_width(path: Path, lines: list[bytes]) -> int:
    # Bars and ticks share their names: the fields of most lines say what the file holds.
    found: Counter[int] = Counter()
    first: dict[int, int] = {}
    for i, line in enumerate(lines):
        if _HEAD.match(line):
            n_fields = line.count(b";") + 1
            found[n_fields] += 1
            first.setdefault(n_fields, i)
            if found.total() >= _TELLING_LINES:
                break
    if not found:
        raise SourceError(path, "holds no row of a NinjaTrader text export")
    width = found.most_common(1)[0][0]
    line = lines[first[width]]
    number = first[width] + 1
    if width == BAR_FIELDS:
        bar = "daily" if line.index(b";") == 8 else "minute"
        raise SourceError(
            path,
            f"line {number} is a {bar} bar (open;high;low;close;volume), not a tick: export again "
            "with the data type Tick",
        )
    if width not in (SHORT, LONG):
        raise SourceError(
            path,
            f"line {number} has {width} fields, a tick has {SHORT} or {LONG}, a bar {BAR_FIELDS}",
        )
    return width


def _whole_lines(
    gate: Gate, lines: list[bytes], other: Counter[str], width: int, kind: str, offset: int
) -> np.ndarray:
    # Positions of the lines that have the file's number of fields; the others are refused.
    n_fields = np.fromiter((line.count(b";") + 1 for line in lines), np.int64, len(lines))
    is_whole = n_fields == width
    if offset < gate.cut_line <= offset + len(lines):
        is_whole[gate.cut_line - offset - 1] = False
    for i in np.flatnonzero(~is_whole).tolist():
        number = offset + i + 1
        if number == gate.cut_line:
            gate.refuse(kind, number, "truncated", "the last line has no end")
        elif not lines[i]:
            other["blank"] += 1
        else:
            detail = f"has {n_fields[i]} fields, the file's rows have {width}"
            gate.refuse(kind, number, "malformed", detail)
    return np.flatnonzero(is_whole)


def _wall_times(stamps: list[str]) -> np.ndarray:
    # ns of the file's own clock; -1 where the text is no stamp.
    wall = np.full(len(stamps), -1, np.int64)
    for sample in (FINE, COARSE):
        at, seconds, rest = stamp_digits(stamps, sample)
        fraction = rest @ _HUNDRED_NS if rest.shape[1] else 0
        wall[at] = seconds * SECOND_NS + fraction
    return wall


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


def _in_one_locale(
    gate: Gate, columns: list[list[str]], line: np.ndarray, ts: np.ndarray, kind: str
) -> np.ndarray:
    # Positions of the rows that use the decimal mark of the file; the others are refused.
    bad = with_decimal_points(columns)
    for i, detail in bad.items():
        at, t = int(line[i]), int(ts[i])
        gate.refuse(kind, at, "malformed", detail, ts_ns=t, ts_recv_ns=t)
    good = np.ones(len(line), np.bool_)
    good[list(bad)] = False
    return np.flatnonzero(good)


def with_decimal_points(texts: list[list[str]]) -> dict[int, str]:
    """Write the decimal mark of most numbers as a point, in place.

    Returns
    -------
    dict of int to str
        Position of each row that holds the other mark, and what to say of it.
    """
    joined = ["".join(column) for column in texts]
    n_commas, n_points = (sum(text.count(mark) for text in joined) for mark in ",.")
    if not n_commas:
        return {}
    mark, wrong = (",", ".") if n_commas > n_points else (".", ",")
    bad: dict[int, str] = {}
    for column in texts:
        for i, text in enumerate(column):
            if wrong in text:
                bad[i] = f"number {text[:40]!r} has not the decimal mark {mark!r} of the file"
            elif mark == ",":
                column[i] = text.replace(",", ".")
    return bad
