"""Messages of the live bridge: one JSON object a line, UTF-8, over a local TCP socket.

``infra/ninjatrader/README.md`` is the protocol's description; in short, version 1::

    -> {"v":1,"type":"S","inst":"ES 12-26","after":0,"after_ts":""}           subscribe
    <- {"v":1,"type":"H","inst":...,"after":0,"after_ts":"","first":N,"restart":false}
    <- {"v":1,"type":"L","inst":...,"seq":N,"ts":T,"px":..,"vol":..,"bid":..,"ask":..}
    <- {"v":1,"type":"B","inst":...,"seq":N,"ts":T,"bid":..,"bidvol":..,"ask":..,"askvol":..}
    <- {"v":1,"type":"A",...}                      as B: which side changed is all that differs
    <- {"v":1,"type":"P","inst":...,"seq":last,"ts":T}                        heartbeat
    <- {"v":1,"type":"E","code":..,"detail":..}                               refusal

``seq`` counts the L, B and A messages of one instrument in steps of one. A new start of the
add-on begins at its UTC microseconds since 1970, so a number never comes back. Prices and sizes
are decimal text; times are ISO-8601 UTC with 7 digits of a second.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERSION = 1
TRADE, BID, ASK, HELLO, HEARTBEAT, REFUSAL = "L", "B", "A", "H", "P", "E"
MAX_SEQ = 2**63 - 1
MAX_LINE_BYTES = 64 * 1024
_TEXTS = {
    TRADE: ("px", "vol", "bid", "ask"),
    BID: ("bid", "bidvol", "ask", "askvol"),
    ASK: ("bid", "bidvol", "ask", "askvol"),
}
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{7})Z", re.ASCII
)


class WireError(ValueError):
    """A line that is no message of the protocol; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the bridge.

    Attributes
    ----------
    type, inst : str
    seq : int
        Its number; of a heartbeat the last one sent; of a hello the one that comes next.
    after : int
        Of a hello: the last number that the client had, 0 if none.
    ts_ns : int
        Its time; of a hello the time of ``after``. 0: not given.
    is_restart : bool
        Of a hello: the add-on has restarted since ``after``, and cannot say what is missing.
    texts : tuple of str
        Of a trade: price, size, bid, ask. Of a quote: bid, its size, ask, its size. Of a refusal:
        code, detail.
    """

    type: str
    inst: str = ""
    seq: int = 0
    after: int = 0
    ts_ns: int = 0
    is_restart: bool = False
    texts: tuple[str, ...] = ()


def parse_message(payload: bytes) -> Message:
    """Read one line.

    Raises
    ------
    WireError
        It is no message of version 1.
    """
    try:
        data = _DECODER.decode(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"no valid JSON: {error}") from error
    if type(data) is not dict:
        raise WireError("is no JSON object")
    if type(data.get("v")) is not int or data["v"] != VERSION:
        raise WireError(f"v must be {VERSION}, got {data.get('v')!r}")
    kind = _text(data, "type")
    if kind in _TEXTS:
        return Message(
            type=kind, inst=_text(data, "inst"), seq=_seq(data, "seq", 1), ts_ns=_time(data, "ts"),
            texts=tuple(_text(data, name) for name in _TEXTS[kind]),
        )  # fmt: skip
    if kind == HEARTBEAT:
        return Message(
            type=kind, inst=_text(data, "inst"), seq=_seq(data, "seq", 0), ts_ns=_time(data, "ts")
        )
    if kind == HELLO:
        return _hello(data)
    if kind == REFUSAL:
        return Message(type=kind, texts=(_text(data, "code"), _text(data, "detail")))
    raise WireError(f"type {kind!r} is not known")


def _hello(data: dict[str, Any]) -> Message:
    after, restart = _seq(data, "after", 0), data.get("restart")
    if type(restart) is not bool:
        raise WireError(f"restart must be true or false, got {restart!r}")
    first = _seq(data, "first", 1)
    if after and first <= after:
        raise WireError(f"first must be beyond after {after}, got {first}")
    return Message(
        type=HELLO, inst=_text(data, "inst"), seq=first, after=after, is_restart=restart,
        ts_ns=_time(data, "after_ts") if _text(data, "after_ts") else 0,
    )  # fmt: skip


def subscription(inst: str, after: int, after_ts_ns: int) -> bytes:
    """Return the line that asks for an instrument, from after a number on (0: from now on)."""
    message = {
        "v": VERSION, "type": "S", "inst": inst, "after": after,
        "after_ts": iso_100ns(after_ts_ns) if after and after_ts_ns else "",
    }  # fmt: skip
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def iso_100ns(ts_ns: int) -> str:
    """Return a time as the protocol writes it; digits below 100 ns are cut.

    Examples
    --------
    >>> iso_100ns(1_700_000_000_000_000_100)
    '2023-11-14T22:13:20.0000001Z'
    """
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{ns // 100:07d}Z"


def _time(data: dict[str, Any], name: str) -> int:
    text = _text(data, name)
    match = _TIME.fullmatch(text)
    if match is None:
        raise WireError(f"{name} {text[:40]!r} is no yyyy-MM-ddTHH:mm:ss.fffffffZ")
    try:
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError as error:
        raise WireError(f"{name} {text!r} is no time: {error}") from error
    if not 2000 <= moment.year < 2100:
        raise WireError(f"{name} {text!r} is not between 2000 and 2099")
    return int(moment.timestamp()) * 1_000_000_000 + int(match[2]) * 100


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if type(value) is not str:
        raise WireError(f"{name} must be text, got {value!r}")
    return value


def _seq(data: dict[str, Any], name: str, least: int) -> int:
    value = data.get(name)
    if type(value) is not int:  # True is an int to isinstance
        raise WireError(f"{name} must be an integer, got {value!r}")
    if not least <= value <= MAX_SEQ:
        raise WireError(f"{name} must be in [{least}, {MAX_SEQ}], got {value}")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_twins, parse_constant=_no_constant)
