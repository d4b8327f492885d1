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
from dataclasses import dataclass, field
from typing import Any

from orchestration.sources.records import SourceError

# Average price and out of sequence: reports of trades that no order made at that moment.
NOT_MARKET = frozenset({"05", "19", "31", "3A"})
SIGN = {"0": 0, "1": 1, "2": -1, "3": 0, "": 0}

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
# Each field under the name that a complaint gives it.
_HEAD = (
    ("time", _TIME), ("last", "[^,]+"), ("size", "[^,]+"), ("total volume", "[0-9]{1,18}"),
    ("bid", "[^,]+"), ("ask", "[^,]+"), ("tick id", "[0-9]{1,18}"),
)  # fmt: skip
_TAIL = (
    ("basis", "[CEOS]"), ("market center", "[0-9]{1,9}"), ("conditions", "(?:[0-9A-F]{2}){0,4}"),
)  # fmt: skip
_LATEST = (("aggressor", "[0-3]"), ("day code", "0?[1-9]|[12][0-9]|3[01]"))
_OLDEST = (("bid size", "[0-9]{1,18}"), ("ask size", "[0-9]{1,18}"), ("basis", "[CEOS]"))


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


@dataclass(slots=True, kw_only=True)
class Ticks:
    """Readable ticks of one file, one list element a tick, and what else stood in it.

    ``fields`` are the texts of a tick as its pattern names them; :meth:`columns` gives them their
    types.
    """

    line: list[int] = field(default_factory=list)
    fields: list[tuple[str | None, ...]] = field(default_factory=list)
    damaged: list[tuple[int, str]] = field(default_factory=list)  # line, what is wrong
    other: Counter[str] = field(default_factory=Counter)

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

    def columns(self) -> dict[str, list[Any]]:
        """Return the ticks by column; prices, sizes and times stay texts.

        ``center`` is -1 and ``day_code`` 0 where the protocol has none.
        """
        columns = list(zip(*self.fields, strict=True)) or [()] * _TICK.groups
        request, time, price, qty, total, bid, ask, tick_id, _, center, conditions = columns[:11]
        aggressor, day_code = columns[11:13]
        market = {text: int(is_market(text or "")) for text in set(conditions)}
        return {
            "line": self.line,
            "request": [text or "" for text in request],
            **{name: list(texts) for name, texts in zip(
                ("time", "price", "qty", "total", "bid", "ask"),
                (time, price, qty, total, bid, ask), strict=True,
            )},
            "tick_id": [int(text) for text in tick_id],
            "center": [-1 if text is None else int(text) for text in center],
            "sign": [SIGN[text or ""] for text in aggressor],
            "is_market": [market[text] for text in conditions],
            "day_code": [int(text or 0) for text in day_code],
        }  # fmt: skip


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
