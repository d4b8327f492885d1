"""Records of a DBN file as plain numbers: framed and unpacked here, so that damage is found.

The package ``databento-dbn`` reads the metadata. It does not read the records, because its decoder
panics on a record whose length is damaged, which no caller can turn into a message about the
file; here every byte of a file belongs to a record or is refused. The layouts are those of the DBN
specification, the same in its versions 1, 2 and 3.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from orchestration.sources.files import SourceFile
from orchestration.sources.records import SourceError

HEADER_BYTES = 16
UNDEFINED_PRICE = (1 << 63) - 1
IS_LAST, IS_SNAPSHOT = 0x80, 0x20

# schema -> record type, layout after the header, names of what is read
_TRADE = "qIcc BBQiI"
_TRADE_NAMES = (
    "price", "size", "action", "side", "flags", "depth", "ts_recv", "ts_in_delta", "sequence",
)  # fmt: skip
_LEVEL_NAMES = ("bid", "ask", "bid_size", "ask_size", "bid_count", "ask_count")
_MBO_NAMES = (
    "order_id", "price", "size", "flags", "channel", "action", "side", "ts_recv", "ts_in_delta",
    "sequence",
)  # fmt: skip
LAYOUTS = {
    "trades": (0, _TRADE, _TRADE_NAMES),
    "tbbo": (1, _TRADE + "qqIIII", _TRADE_NAMES + _LEVEL_NAMES),
    "mbp-1": (1, _TRADE + "qqIIII", _TRADE_NAMES + _LEVEL_NAMES),
    "mbo": (160, "QqIBBccQiI", _MBO_NAMES),
}
# Records that any file may hold beside those of its schema.
BESIDE = {18: "status", 19: "definition", 21: "error", 22: "symbol_mapping", 23: "system"}


@dataclass(slots=True, kw_only=True)
class DbnRecord:
    """One record of the file's schema; ``fields`` by the names of :data:`LAYOUTS`."""

    number: int
    instrument_id: int
    ts_event: int
    fields: dict[str, Any]


class Frames(Sequence[bytes]):
    """The bytes of each record, and last those of one that is cut; what the quarantine shows."""

    def __init__(self, data: bytes, starts: list[int]) -> None:
        self.data = data
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, i: int) -> bytes: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[bytes]: ...
    def __getitem__(self, i: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        return self.data[self.starts[i] : self.starts[i + 1]]


def split_records(file: SourceFile, start: int) -> tuple[Frames, bool]:
    """Cut the bytes from ``start`` on into records.

    Returns
    -------
    frames : Frames
    is_cut : bool
        The last one is not whole.

    Raises
    ------
    SourceError
        A record says that it is shorter than its own header: where the next one begins is lost.
    """
    data, end = file.data, len(file.data)
    starts = [start]
    while start < end:
        length = 4 * data[start]
        if length < HEADER_BYTES:
            raise SourceError(
                file.path, f"record {len(starts)}, byte {start}: a length of {length} is none"
            )
        start += length
        starts.append(min(start, end))
    return Frames(data, starts), start > end


class Layout:
    """Unpacks the records of one schema."""

    def __init__(self, schema: str, has_ts_out: bool) -> None:
        self.record_type, body, self.names = LAYOUTS[schema]
        self._struct = struct.Struct("<BBHIQ" + body)
        self.n_bytes = self._struct.size + (8 if has_ts_out else 0)

    def unpack(self, number: int, frame: bytes) -> DbnRecord | None:
        """Return the record, or None where the frame has another type or length."""
        if len(frame) != self.n_bytes or frame[1] != self.record_type:
            return None
        _, _, _, instrument_id, ts_event, *values = self._struct.unpack_from(frame)
        return DbnRecord(
            number=number,
            instrument_id=instrument_id,
            ts_event=ts_event,
            fields=dict(zip(self.names, values, strict=True)),
        )
