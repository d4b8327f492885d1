"""Bytes of a source file: read whole, unpacked whole, or refused."""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from orchestration.sources.records import SourceError

GZIP_MAGIC = b"\x1f\x8b"
# A few megabytes can unpack to terabytes: refuse before the machine runs out of memory.
MAX_UNPACKED_BYTES = 8 << 30
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file and its identity.

    Attributes
    ----------
    path : Path
    unit : str
        SHA-256 of the bytes on disk, before unpacking: what a publication is named after.
    data : bytes
        The content, unpacked.
    """

    path: Path
    unit: str
    data: bytes


def read_file(path: Path) -> SourceFile:
    """Read a plain or gzip file; what is damaged is refused whole.

    Raises
    ------
    SourceError
        The file cannot be read, or its gzip stream is damaged or cut: the message names the byte.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
    unit = hashlib.sha256(raw).hexdigest()
    if raw.startswith(GZIP_MAGIC):
        return SourceFile(path=path, unit=unit, data=_unpack(path, raw))
    if path.suffix == ".gz":
        raise SourceError(path, "is named .gz but does not start like a gzip file")
    return SourceFile(path=path, unit=unit, data=raw)


def split_lines(data: bytes) -> tuple[list[bytes], bool]:
    """Return the lines without their ends, and whether the last one has no line end.

    Only a newline ends a line: a stray carriage return or form feed is damage inside one.
    """
    lines = data.split(b"\n")
    is_cut = lines[-1] != b""
    if not is_cut:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines], is_cut


def _unpack(path: Path, raw: bytes) -> bytes:
    # One member after another, as gzip tools do; zlib checks each one's length and checksum.
    parts: list[bytes] = []
    position = 0
    while position < len(raw):
        if not raw.startswith(GZIP_MAGIC, position):
            if any(raw[position:]):  # zeros are padding
                raise SourceError(
                    path, f"holds something else after the gzip stream, at byte {position}"
                )
            break
        position = _unpack_member(path, raw, position, parts)
    return b"".join(parts)


def _unpack_member(path: Path, raw: bytes, start: int, parts: list[bytes]) -> int:
    stream = zlib.decompressobj(wbits=31)
    position = start
    size = sum(map(len, parts))
    while not stream.eof:
        if position >= len(raw):
            raise SourceError(
                path, f"ends inside its gzip stream, at byte {position}; {_so_far(parts)}"
            )
        chunk = raw[position : position + _CHUNK]
        try:
            parts.append(stream.decompress(chunk))
        except zlib.error as error:
            where = f"between byte {position} and {position + len(chunk)} of {len(raw)}"
            raise SourceError(
                path, f"is a damaged gzip file {where} ({error}); {_so_far(parts)}"
            ) from error
        position += len(chunk) - len(stream.unused_data)
        size += len(parts[-1])
        if size > MAX_UNPACKED_BYTES:
            raise SourceError(path, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return position


def _so_far(parts: list[bytes]) -> str:
    n_lines = sum(part.count(b"\n") for part in parts)
    return f"{n_lines} lines were readable, none is published"
