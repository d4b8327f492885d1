"""Lines of the feed's tick history, sorted one by one: ticks, replies, damage.

One reading for all protocols; what a tick line carries after its optional request id:

========  ==================================================================================
protocol  fields
========  ==================================================================================
6.2       ``LH``, then as 6.1
6.1       time, last, size, total volume, bid, ask, tick id, basis, market center, conditions,
          aggressor, day code
6.0       as 6.1 without aggressor and day code
2010      time in whole seconds, last, size, total volume, bid, ask, tick id, two sizes, basis
========  ==================================================================================

A line may end with one comma more. Basis: ``C`` sets the last price, ``E`` extended hours, ``O``
other, ``S`` settlement, which is no trade. Aggressor: 1 buy, 2 sell, 0 not supplied, 3 neither.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.sources.records import SourceError
from orchestration.sources.text_columns import coded, judged, plain_digits, split_fields

# Average price and out of sequence: reports of trades that no order made at that moment.
NOT_MARKET = frozenset({"05", "19", "31", "3A"})
SIGN = {"0": 0, "1": 1, "2": -1, "3": 0, "": 0}

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_DIGITS, _ANY = "[0-9]{1,18}", "[^,]+"
# Each field under the name that a complaint gives it.
_HEAD = (
    ("time", _TIME), ("last", _ANY), ("size", _ANY), ("total volume", _DIGITS),
    ("bid", _ANY), ("ask", _ANY), ("tick id", _DIGITS),
)  # fmt: skip
_TAIL = (
    ("basis", "[CEOS]"), ("market center", "[0-9]{1,9}"), ("conditions", "(?:[0-9A-F]{2}){0,4}"),
)  # fmt: skip
_LATEST = (("aggressor", "[0-3]"), ("day code", "0?[1-9]|[12][0-9]|3[01]"))
_OLDEST = (("bid size", _DIGITS), ("ask size", _DIGITS), ("basis", "[CEOS]"))


def _groups(parts: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"({pattern})" for _, pattern in parts)


_TICK = re.compile(
    r"(?:([^,]+),)??(?:LH,)?"
    + _groups(_HEAD)
    + f",(?:{_groups(_TAIL)}(?:,{_groups(_LATEST)})?|{_groups(_OLDEST)}),?"
)
_END = re.compile(rb"(?:[^,]+,)?!ENDMSG!,?")
_ERROR = re.compile(rb"(?:[^,]+,)?E,([^,]*!?)[, ]*")
_CONTROL = (b"S,", b"T,")
NO_DATA = b"!NO_DATA!"
# The form of a file's ticks is told from the first lines.
_SNIFFED_LINES = 20
# Which group of the pattern each field is, by its place after the prefix.
_GROUPS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)


@dataclass(slots=True, kw_only=True)
class Ticks:
    """Readable ticks of one file, and what else stood in it.

    ``fields`` are the texts of each tick that was taken by itself, as its pattern names them, and
    ``plain`` the same of those that were taken at once, by the column; :meth:`columns` puts them
    together and gives them their types.
    """

    line: list[int] = field(default_factory=list)
    fields: list[tuple[str | None, ...]] = field(default_factory=list)
    plain_line: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    plain: dict[int, pa.Array] = field(default_factory=dict)
    damaged: list[tuple[int, str]] = field(default_factory=list)  # line, what is wrong
    other: Counter[str] = field(default_factory=Counter)

    def take_plain(self, lines: Sequence[bytes]) -> np.ndarray:
        """Take the ticks that have the form of the first one and are plain in every field, at once.

        Returns
        -------
        ndarray of bool, shape (n_lines,)
            Which lines were taken; the others are left to :meth:`take`.
        """
        taken = np.zeros(len(lines), np.bool_)
        form = _form_of(lines[:_SNIFFED_LINES])
        if form is None:
            return taken
        n_before, n_fields, parts = form
        n_commas = np.fromiter((line.count(b",") for line in lines), np.int64, len(lines))
        at = np.flatnonzero(n_commas == n_fields - 1)
        rows = [lines[i] for i in at.tolist()]
        columns = split_fields(rows, ",", n_fields, range(n_fields))
        before, own = columns[:n_before], columns[n_before : n_before + len(parts)]
        after = columns[n_before + len(parts) :]
        judgements = [pc.not_equal(before[0], "")] if before else []
        judgements += [pc.equal(column, "LH") for column in before[1:]]
        judgements += [_fits(c, pattern) for c, (_, pattern) in zip(own, parts, strict=True)]
        judgements += [pc.equal(column, "") for column in after]
        is_plain = reduce(pc.and_, judgements)
        taken[at] = is_plain.to_numpy(zero_copy_only=False)
        is_trade = pc.and_(is_plain, pc.not_equal(own[len(_HEAD)], "S"))
        self.plain_line = at[is_trade.to_numpy(zero_copy_only=False)] + 1
        if n_settlements := int(taken.sum()) - len(self.plain_line):
            self.other["settlement"] += n_settlements
        self.plain = {
            group: column.filter(is_trade) for group, column in zip(_GROUPS, own, strict=False)
        }
        if before:
            # "LH" alone is the protocol's mark and no request.
            is_mark = pc.and_(pc.equal(before[0], "LH"), len(before) == 1)
            self.plain[1] = pc.if_else(is_mark, "", before[0]).filter(is_trade)
        return taken

    def take(self, number: int, line: bytes, path: object) -> None:
        """Sort one line; ``number`` counts from 1.

        Raises
        ------
        SourceError
            The line is an answer by which the feed refused the request.
        """
        # latin-1 maps every byte to a character, so damage reaches the patterns as it is.
        match = _TICK.fullmatch(line.decode("latin-1"))
        if match is not None:
            if "S" in match.group(9, 16):
                self.other["settlement"] += 1
                return
            self.line.append(number)
            self.fields.append(match.groups())
            return
        kind = reply_kind(line)
        if kind == "error":
            raise SourceError(
                path, f"line {number}: the feed refused the request: {line[:200].decode('latin-1')}"
            )
        if kind:
            self.other[kind] += 1
        else:
            self.damaged.append((number, complaint(line)))

    def columns(self) -> dict[str, Any]:
        """Return the ticks by column, in the order of their lines; times, prices and sizes are coded texts.

        ``center`` is -1 and ``day_code`` 0 where the protocol has none.
        """
        own = list(zip(*self.fields, strict=True)) or [()] * _TICK.groups
        n_plain = len(self.plain_line)
        line = np.concatenate([self.plain_line, np.array(self.line, np.int64)])
        order = np.argsort(line, kind="stable")

        def texts(group: int, missing: str = "") -> pa.Array:
            plain = self.plain.get(group, pa.nulls(n_plain, pa.string()))
            parts = [plain, pa.array(own[group - 1], pa.string())]
            whole = pa.chunked_array(parts).combine_chunks().fill_null(missing)
            return whole.take(pa.array(order)) if self.line else whole

        center, has_center = plain_digits(texts(10))
        names = ("time", "price", "qty", "total", "bid", "ask")
        return {
            "line": line[order],
            "request": coded(texts(1)),
            **{name: coded(texts(group)) for group, name in enumerate(names, 2)},
            "tick_id": plain_digits(texts(8))[0],
            "center": np.where(has_center, center, -1),
            "sign": judged(texts(12), SIGN.get)[0],
            "is_market": judged(texts(11), lambda text: int(is_market(text)))[0],
            "day_code": plain_digits(texts(13))[0],
        }  # fmt: skip


def _form_of(lines: Sequence[bytes]) -> tuple[int, int, tuple[tuple[str, str], ...]] | None:
    # Fields before the time, fields in all, and the form of each from the time on, of the first tick.
    for line in lines:
        text = line.decode("latin-1")
        match = _TICK.fullmatch(text)
        if match is None or match[14] is not None:
            continue
        parts = _HEAD + _TAIL + (_LATEST if match[12] is not None else ())
        return text[: match.start(2)].count(","), text.count(",") + 1, parts
    return None


def _fits(column: pa.Array, pattern: str) -> pa.Array:
    if pattern == _ANY:
        return pc.not_equal(column, "")
    if pattern == _DIGITS:
        return pa.array(plain_digits(column)[1])
    if pattern == _TIME:  # nearly each is another one
        return pc.match_substring_regex(column, f"^(?:{pattern})$")
    whole = re.compile(pattern)
    return pa.array(judged(column, lambda text: 1 if whole.fullmatch(text) else None)[1])


def is_market(conditions: str) -> bool:
    """Return whether a trade with these condition codes (pairs of hex digits) is of its moment."""
    return NOT_MARKET.isdisjoint(conditions[i : i + 2] for i in range(0, len(conditions), 2))


def reply_kind(line: bytes) -> str:
    """Return what a line is that is no tick: end, no_data, error, control, blank; else ""."""
    if not line.strip():
        return "blank"
    if _END.fullmatch(line):
        return "end"
    match = _ERROR.fullmatch(line)
    if match is not None:
        return "no_data" if match[1] == NO_DATA else "error"
    return "control" if line.startswith(_CONTROL) else ""


def complaint(line: bytes) -> str:
    """Return which field of a line that is no tick is wrong, and how."""
    fields = line.decode("latin-1").split(",")
    at = next((i for i, f in enumerate(fields[:3]) if re.fullmatch(_TIME, f)), None)
    if at is None:
        return "holds no time YYYY-MM-DD HH:MM:SS.ffffff among its first three fields"
    values = fields[at:-1] if fields[-1] == "" else fields[at:]
    forms = {12: _HEAD + _TAIL + _LATEST, 10: _HEAD + _TAIL}
    if len(values) == 10 and re.fullmatch("[0-9]+", values[7]):
        forms[10] = _HEAD + _OLDEST
    if len(values) not in forms:
        return f"must have 12 or 10 fields from the time on, has {len(values)}"
    for (name, pattern), value in zip(forms[len(values)], values, strict=True):
        if not re.fullmatch(pattern, value):
            return f"{name} {value[:40]!r} is not of the form {pattern}"
    return "has something before its time that is no request id"
