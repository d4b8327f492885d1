"""Fields of one JSON frame: of the type that a record needs, or the frame is refused.

Every function takes the frame's object and a field's name, and raises :class:`FrameRefusedError` with what is wrong.
"""

import json
from typing import Any

from orchestration.sources.gate import MAX_ID, epoch_ns


class FrameRefusedError(Exception):
    """A frame that is no record: what is wrong with it, and the reason that the quarantine gives."""

    def __init__(self, detail: str, reason: str = "malformed") -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason


def text_of(data: dict[str, Any], name: str) -> str:
    """Return a text."""
    value = data.get(name)
    if type(value) is not str:
        raise FrameRefusedError(f"{name} must be text, got {value!r}")
    return value


def levels_of(data: dict[str, Any], name: str) -> list[list[str]]:
    """Return levels of the book, each with price and size as texts."""
    levels = data.get(name)
    if type(levels) is not list:
        raise FrameRefusedError(f"{name} must be a list of levels, got {str(levels)[:40]!r}")
    for level in levels:
        if type(level) is not list or len(level) < 2 or {type(x) for x in level[:2]} != {str}:
            raise FrameRefusedError(
                f"a level of {name} must be price and size as texts, got {level!r:.60}"
            )
    return levels


def integer_of(data: dict[str, Any], name: str) -> int:
    """Return an integer that int64 holds."""
    value = data.get(name)
    if type(value) is not int:  # True is an int to isinstance
        raise FrameRefusedError(f"{name} must be an integer, got {value!r}")
    if abs(value) > MAX_ID:
        raise FrameRefusedError(f"{name} is beyond int64: {value}", "out_of_range")
    return value


def id_of(data: dict[str, Any], name: str) -> int:
    """Return an id: an integer that is not negative."""
    value = integer_of(data, name)
    if value < 0:
        raise FrameRefusedError(f"{name} must not be negative, got {value}", "out_of_range")
    return value


def time_of(data: dict[str, Any], name: str) -> int:
    """Return a time in ns UTC; its unit follows from its magnitude."""
    value = integer_of(data, name)
    ns = epoch_ns(value)
    if ns is None:
        raise FrameRefusedError(f"{name} {value} is no time between 2000 and 2099", "out_of_range")
    return ns


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


DECODER = json.JSONDecoder(object_pairs_hook=_no_twins, parse_constant=_no_constant)
