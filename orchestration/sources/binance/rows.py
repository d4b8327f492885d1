"""Rows of a data file that the fast pass left: read plainly, or refused with the reason.

Also the form in which rows that are numbers already pass the gate.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from orchestration.sources.binance.layouts import Layout
from orchestration.sources.gate import Gate, epoch_ns
from orderflow_core.instrument import BeyondRangeError, Instrument, OffGridError

_FLAGS = {b"true": 1, b"false": 0}
_MAX_DIGITS = 18
_PRICES = frozenset({"price", "bid", "ask"})
_SIZES = frozenset({"qty", "bid_qty", "ask_qty"})
_TIMES = frozenset({"time", "time_sent"})


class RowRefusedError(Exception):
    """A row that is not stored: the reason, what is wrong, and its time where that is known."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.ts_ns = 0


class Lines(Sequence[bytes]):
    """The lines of a file by their first bytes: cut out when asked for, not all at once.

    Parameters
    ----------
    pieces : iterable of bytes
        The file's bytes in order, cut at ends of lines only; gone through as far as lines are asked for.
    starts : ndarray of int64, shape (n_lines + 1,)
        First byte of each line through all pieces, and one past the last line's end.
    """

    def __init__(self, pieces: Iterable[bytes], starts: np.ndarray) -> None:
        self._pieces: list[bytes] = []
        self._more = iter(pieces)
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        start, end = int(self.starts[index]), int(self.starts[index + 1]) - 1
        for piece in self._from_first():
            if start < len(piece):
                return piece[start:end].removesuffix(b"\r")
            start, end = start - len(piece), end - len(piece)
        return b""

    def _from_first(self) -> Iterator[bytes]:
        yield from self._pieces
        for piece in self._more:
            self._pieces.append(piece)
            yield piece


class SteppedGate(Gate):
    """A gate for records whose prices and sizes are steps already."""

    def convert(
        self,
        which: str,  # noqa: ARG002  the gate's interface
        texts: np.ndarray,
    ) -> tuple[np.ndarray, dict[int, tuple[str, str]]]:
        """Return the steps as they are: what could not be converted was refused before."""
        return texts, {}


def read_row(line: bytes, layout: Layout, instrument: Instrument) -> list[int]:
    """Return the numbers of a row, in the order of the layout's fields; 0 where one is not read.

    Raises
    ------
    RowRefusedError
        The row is damaged, or a number is off its grid or out of range.
    """
    fields = line.split(b",")
    if len(fields) != len(layout.fields):
        raise RowRefusedError(
            "malformed", f"must have {len(layout.fields)} fields, has {len(fields)}"
        )
    read = dict(zip(layout.fields, fields, strict=True))
    numbers = []
    refused: RowRefusedError | None = None
    try:
        require_fills(
            read.get("first_id"), read.get("last_id"), [read.get("price"), read.get("qty")]
        )
    except RowRefusedError as error:
        refused = error
    for i, (name, field) in enumerate(zip(layout.fields, fields, strict=True)):
        try:
            numbers.append(_flag(field) if i in layout.flags else _number(name, field, instrument))
        except RowRefusedError as error:
            refused = refused or error
            numbers.append(0)
    if refused is not None:
        refused.ts_ns = numbers[layout.fields.index("time")]
        raise refused
    return numbers


def require_fills(first: object, last: object, sizes: Sequence[object]) -> None:
    """Refuse an aggregate that covers no fills: the venue has marked it invalid.

    Parameters
    ----------
    first, last : bytes, int or None
        Ids of the fills covered, as the record has them.
    sizes : sequence
        Price and quantity, as the record has them.
    """
    texts = [x if isinstance(x, bytes) else str(x).encode() for x in (first, last)]
    if texts == [b"-1", b"-1"]:
        price, qty = (x.decode("latin-1") if isinstance(x, bytes) else str(x) for x in sizes)
        raise RowRefusedError(
            "out_of_range",
            f"marked invalid by the venue: no fills, price {price[:40]}, quantity {qty[:40]}",
        )


def id_steps(kind: str, instrument: Instrument) -> dict[str, int]:
    """Return the largest steps of ids that are no gaps, as the gate takes them.

    Aggregates have no holes of their own; their fills have, where trades have.
    """
    step = instrument.max_id_step
    if kind == "trades":
        return {"id_step": step}
    return {"id_step": min(step, 1), "fill_step": int(step == 1)}


def refuse_row(gate: Gate, kind: str, line: int, error: RowRefusedError) -> None:
    """Quarantine a row that could not be read; ``kind`` is "trade" or "quote"."""
    if error.reason == "malformed":
        gate.refuse_damaged(kind, line, error.detail, ts_ns=error.ts_ns)
    else:
        gate.refuse(kind, line, error.reason, error.detail, ts_ns=error.ts_ns)


def steps_of(name: str, text: str, instrument: Instrument) -> int:
    """Return a price or size as steps of the instrument's grid.

    Raises
    ------
    RowRefusedError
        Off the grid, beyond int64, or no decimal number.
    """
    convert = instrument.price_to_ticks if name in _PRICES else instrument.qty_to_lots
    try:
        return convert(text)
    except OffGridError as error:
        raise RowRefusedError("off_grid", str(error)) from None
    except BeyondRangeError as error:
        raise RowRefusedError("out_of_range", str(error)) from None
    except ValueError as error:
        raise RowRefusedError("malformed", str(error)) from None


def time_of(value: int) -> int:
    """Return an epoch time in ns, its unit by magnitude.

    Raises
    ------
    RowRefusedError
        It lies outside the years 2000 to 2099.
    """
    ns = epoch_ns(value)
    if ns is None:
        raise RowRefusedError("out_of_range", f"time {value} is not within the years 2000 to 2099")
    return ns


def _flag(field: bytes) -> int:
    flag = _FLAGS.get(field.lower())
    if flag is None:
        raise RowRefusedError("malformed", f"must be true or false, got {field[:40]!r}")
    return flag


def _number(name: str, field: bytes, instrument: Instrument) -> int:
    if not name:
        return 0
    if name in _PRICES or name in _SIZES:
        # latin-1 maps every byte to a character, so damage reaches the decimal parser as it is.
        return steps_of(name, field.decode("latin-1"), instrument)
    if not field.isdigit() or len(field) > _MAX_DIGITS + (name in _TIMES) * 2:
        raise RowRefusedError("malformed", f"{name} must be a whole number, got {field[:40]!r}")
    return time_of(int(field)) if name in _TIMES else int(field)
