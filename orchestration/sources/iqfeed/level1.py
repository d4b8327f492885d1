"""Recorded Level 1 streams: one line a message, ``<recv_ns> <message>``.

Messages are those of IQConnect: ``Q`` updates, ``P`` the summary and ``F`` the fundamentals at the
beginning of a watch, ``C`` corrections, ``R``, ``N``, ``S``, ``T``. An update says in its field
*Message Contents* what is new in it: it is a trade only with ``C``, ``E`` or ``O``, and a quote
with ``b`` or ``a``. One that is both stands in both batches of the file, as ticks do
(:mod:`orchestration.sources.iqfeed.history`).

Which fields an update has, the last ``S,CURRENT UPDATE FIELDNAMES`` says; a log that begins later
is read as :data:`SELECTED` or as the vendor's default, by the number of fields. Times are Eastern:
where the date is missing, or the hour comes twice, the time of receipt decides.

Corrections: ``C,symbol,I,...`` inserts a trade, which then stands where its time belongs;
``C,symbol,X,...`` withdraws one, which then is quarantined.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from orchestration.sources.gate import epoch_text_ns
from orchestration.sources.iqfeed.eastern import HOUR_NS, eastern_ns, eastern_text, nearest
from orchestration.sources.iqfeed.ticks import SIGN, is_market

SELECTED = (
    "Symbol", "Most Recent Trade Date", "Most Recent Trade Time", "Most Recent Trade",
    "Most Recent Trade Size", "Most Recent Trade Market Center", "Most Recent Trade Aggressor",
    "Most Recent Trade Conditions", "TickID", "Bid", "Bid Size", "Bid Time", "Ask", "Ask Size",
    "Ask Time", "Total Volume", "Message Contents",
)  # fmt: skip
DEFAULT = (
    "Symbol", "Most Recent Trade", "Most Recent Trade Size", "Most Recent Trade Time",
    "Most Recent Trade Market Center", "Total Volume", "Bid", "Bid Size", "Ask", "Ask Size",
    "Open", "High", "Low", "Close", "Message Contents", "Most Recent Trade Conditions",
    "Most Recent Trade Aggressor", "Most Recent Trade Day Code",
)  # fmt: skip
FIELD_NAMES = "S,CURRENT UPDATE FIELDNAMES,"
GREETING = "S,CURRENT PROTOCOL,"

_LINE = re.compile(r"([0-9]{1,20}) (.*)", re.DOTALL)
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?")
_DATE = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_CONTENTS = re.compile("[A-Za-z]+")
_HEX = re.compile("(?:[0-9A-F]{2}){0,4}")
_WHOLE = re.compile("[0-9]{1,18}")
_TRADE = frozenset("CEO")
DOWN = ("S,SERVER DISCONNECTED", "S,SERVER RECONNECT FAILED")
_OTHER = {
    "P": "summary", "F": "fundamental", "R": "regional", "N": "news", "T": "clock",
    "S": "control", "n": "unknown_symbol", "E": "error",
}  # fmt: skip


class _Refused(Exception):  # noqa: N818  a finding about one message, never seen outside
    pass


@dataclass(slots=True, kw_only=True)
class Print:
    """A trade that a message told; times are the two meanings of its Eastern time."""

    line: int
    recv_ns: int
    time: str
    price: str
    qty: str
    sign: int
    conditions: str
    total: str
    tick_id: int
    center: int
    day_code: int
    is_inserted: bool = False


@dataclass(slots=True, kw_only=True)
class Best:
    """A quote that a message told; without a ``time`` of the exchange that of receipt stands."""

    line: int
    recv_ns: int
    time: str
    texts: tuple[str, str, str, str]  # bid, bid size, ask, ask size


@dataclass(slots=True, kw_only=True)
class Messages:
    """Sorts the lines of one log: what belongs to one symbol, damage, everything else by kind.

    ``withdrawn`` are (line, date, market center, tick id) of trades that the venue took back;
    ``breaks`` the lines at which a connection began or the server was lost.
    """

    symbol: str
    fields: tuple[str, ...] = ()
    trades: list[Print] = field(default_factory=list)
    quotes: list[Best] = field(default_factory=list)
    withdrawn: list[tuple[int, str, int, int]] = field(default_factory=list)
    damaged: list[tuple[int, str, int]] = field(default_factory=list)  # line, detail, recv_ns
    breaks: list[int] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)

    def take(self, number: int, line: bytes) -> None:
        """Sort one line; ``number`` counts from 1."""
        if not line.strip():
            self.other["blank"] += 1
            return
        match = _LINE.fullmatch(line.decode("latin-1"))
        recv_ns = epoch_text_ns(match[1]) if match else None
        if match is None or recv_ns is None:
            self.damaged.append((number, "no receive time before the message", 0))
            return
        try:
            self._take_message(number, recv_ns, match[2])
        except _Refused as refused:
            self.damaged.append((number, str(refused), recv_ns))

    def _take_message(self, number: int, recv_ns: int, text: str) -> None:
        kind, _, rest = text.partition(",")
        if kind in ("Q", "C"):
            values = rest.split(",")
            if values[0] != self.symbol:
                # Damage may have taken the symbol; one that is none cannot be another's.
                if not values[0].isprintable() or not values[0]:
                    raise _Refused(f"{values[0][:40]!r} is no symbol")
                self.other["other_symbol"] += 1
            elif kind == "Q":
                self._take_update(number, recv_ns, values)
            else:
                self._take_correction(number, recv_ns, values)
            return
        if kind not in _OTHER:
            raise _Refused(f"{kind[:40]!r} is no message of Level 1")
        self.other[_OTHER[kind]] += 1
        if text.startswith(FIELD_NAMES):
            self.fields = tuple(text.removeprefix(FIELD_NAMES).rstrip(",").split(","))
        elif text.startswith((GREETING, *DOWN)):
            self.breaks.append(number)

    def _take_update(self, number: int, recv_ns: int, values: list[str]) -> None:
        data = dict(zip(_names(self.fields, values), values, strict=False))
        contents = data.get("Message Contents", "")
        if not _CONTENTS.fullmatch(contents):
            raise _Refused(f"message contents {contents[:40]!r} are no letters")
        is_trade = not _TRADE.isdisjoint(contents)
        is_quote = not {"b", "a"}.isdisjoint(contents)
        # Both are read before one is kept: a damaged message is one refused record.
        trade = _print(number, recv_ns, data) if is_trade else None
        best = _best(number, recv_ns, data, contents) if is_quote else None
        if trade is not None:
            self.trades.append(trade)
        if best is not None:
            self.quotes.append(best)
        if not is_trade and not is_quote:
            self.other["update_of_neither"] += 1

    def _take_correction(self, number: int, recv_ns: int, values: list[str]) -> None:
        if len(values) < 9 or not all(values[1:5]):
            self.other["correction_without_detail"] += 1
            return
        _, what, day, time, price, qty, tick_id, conditions, center = values[:9]
        names = ("Most Recent Trade Date", "Most Recent Trade Time", "Most Recent Trade",
                 "Most Recent Trade Size", "TickID", "Most Recent Trade Conditions",
                 "Most Recent Trade Market Center")  # fmt: skip
        found = (day, time, price, qty, tick_id, conditions, center)
        trade = _print(number, recv_ns, dict(zip(names, found, strict=True)))
        if what == "I":
            trade.is_inserted = True
            self.trades.append(trade)
        elif what == "X":
            self.withdrawn.append((number, trade.time[:10], trade.center, trade.tick_id))
            self.other["withdrawal"] += 1
        else:
            raise _Refused(f"correction {what[:40]!r} is neither I nor X")


def columns_of(trades: Sequence[Print]) -> dict[str, Any]:
    """Return prints as columns in the order of trading: inserted ones where their time belongs.

    ``ts`` is -1 where the Eastern time does not exist.
    """
    rows: dict[str, Any] = {
        name: np.array([getattr(t, name) for t in trades], np.int64)
        for name in ("line", "recv_ns", "sign", "tick_id", "center", "day_code", "is_inserted")
    }
    for name in ("time", "price", "qty", "total"):
        rows[name] = [getattr(t, name) for t in trades]
    rows["is_market"] = np.array([is_market(t.conditions) for t in trades], np.int64)
    rows["recv"] = rows.pop("recv_ns")
    rows["ts"] = nearest(*eastern_ns(rows["time"]), rows["recv"])
    rows["bid"] = rows["ask"] = ["0"] * len(trades)
    rows["date"] = np.array([int(t[:10].replace("-", "")) for t in rows["time"]], np.int64)
    inserted = rows.pop("is_inserted").astype(np.bool_)
    latest = np.maximum.accumulate(np.where(inserted, -1, rows["ts"])) if len(trades) else []
    place = np.arange(len(trades), dtype=np.float64)
    for i in np.flatnonzero(inserted).tolist():
        place[i] = np.searchsorted(latest, rows["ts"][i], side="right") - 0.5
    order = np.argsort(place, kind="stable")
    return {
        name: [values[i] for i in order] if isinstance(values, list) else values[order]
        for name, values in rows.items()
    }


def _names(told: tuple[str, ...], values: list[str]) -> tuple[str, ...]:
    # A line may end with one comma more; then the contents tell which form it is.
    n = len(values)
    forms = (told,) if told else (SELECTED, DEFAULT, DEFAULT[:-2])
    fits = [f for f in forms if n == len(f) or (n == len(f) + 1 and values[-1] == "")]
    for form in fits:
        if len(fits) == 1 or _CONTENTS.fullmatch(values[form.index("Message Contents")]):
            return form
    known = " or ".join(str(len(form)) for form in forms)
    raise _Refused(f"an update must have {known} fields, has {n}")


def _print(number: int, recv_ns: int, data: dict[str, str]) -> Print:
    aggressor = data.get("Most Recent Trade Aggressor", "")
    if aggressor not in SIGN:
        raise _Refused(f"aggressor {aggressor[:40]!r} is none of 0, 1, 2, 3")
    conditions = data.get("Most Recent Trade Conditions", "")
    if not _HEX.fullmatch(conditions):
        raise _Refused(f"conditions {conditions[:40]!r} are no pairs of hex digits")
    total = data.get("Total Volume", "0")
    _whole("total volume", total)
    return Print(
        line=number, recv_ns=recv_ns, price=data.get("Most Recent Trade", ""),
        qty=data.get("Most Recent Trade Size", ""), sign=SIGN[aggressor], conditions=conditions,
        total=total, tick_id=_whole("tick id", data.get("TickID", "0")),
        center=_whole("market center", data.get("Most Recent Trade Market Center", "")),
        day_code=_whole("day code", data.get("Most Recent Trade Day Code", "0")),
        time=_time(
            data.get("Most Recent Trade Date", ""), data.get("Most Recent Trade Time", ""), recv_ns
        ),
    )  # fmt: skip


def _best(number: int, recv_ns: int, data: dict[str, str], contents: str) -> Best:
    clocks = [
        _time("", data[name], recv_ns)
        for letter, name in (("b", "Bid Time"), ("a", "Ask Time"))
        if letter in contents and data.get(name)
    ]
    names = ("Bid", "Bid Size", "Ask", "Ask Size")
    texts = tuple(data.get(name, "") for name in names)
    return Best(
        line=number, recv_ns=recv_ns, time=max(clocks, default=""),
        texts=(texts[0], texts[1], texts[2], texts[3]),
    )  # fmt: skip


def _whole(what: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise _Refused(f"{what} {text[:40]!r} is no whole number")
    return int(text)


def _time(day: str, clock: str, recv_ns: int) -> str:
    # Returns YYYY-MM-DD HH:MM:SS.ffffff; without a date the one nearest to the receipt.
    if not _CLOCK.fullmatch(clock):
        raise _Refused(f"time {clock[:40]!r} is not HH:MM:SS.ffffff")
    if day:
        match = _DATE.fullmatch(day)
        if match is None:
            raise _Refused(f"date {day[:40]!r} is not MM/DD/YYYY")
        return f"{match[3]}-{match[1]}-{match[2]} {clock}"
    today, hour = _eastern_hour(recv_ns // HOUR_NS)
    hours = int(clock[:2]) - hour
    # Just after midnight the last trades are yesterday's; a feed ahead of us is of tomorrow.
    shift = -1 if hours > 12 else int(hours < -12)
    return f"{today + timedelta(days=shift)} {clock}"


@lru_cache(maxsize=64)
def _eastern_hour(utc_hour: int) -> tuple[date, int]:
    # The zone's offset changes at full hours only.
    text = eastern_text(utc_hour * HOUR_NS, "%Y-%m-%d %H")
    return date.fromisoformat(text[:10]), int(text[11:])
