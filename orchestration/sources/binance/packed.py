"""A downloaded archive as bytes: unpacked, and compared with the checksum published beside it."""

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from isal import isal_zlib

from orchestration.sources.ahead import ahead
from orchestration.sources.files import MAX_UNPACKED_BYTES, SourceFile, read_file
from orchestration.sources.records import SourceError

ZIP_MAGIC = b"PK"
# Small enough to stay in the processor's cache from unpacking to reading, and for freed memory to be
# used again: pieces of twice the size are mapped afresh one by one, half as much work as unpacking them.
_PIECE_BYTES = 1 << 20
_PACKED_BYTES = 256 << 10
_ENCRYPTED = 1
# How `sha256sum` writes a line: the digest, two spaces (or a space and a star), the name.
_CHECKSUM = re.compile(rb"([0-9a-fA-F]{64}) [ *]([^\r\n/]+)\r?\n?")


class ChecksumMismatchError(SourceError):
    """A file is not the one whose checksum was published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A data file, whole in memory or still being unpacked.

    Attributes
    ----------
    file : SourceFile
        All CSV members of an archive, one after another; a plain or gzip file as it is.
    rest : iterable of bytes
        What follows ``file.data``, in pieces that end with a line's end but for the last; it can
        be gone through once. Damage that shows only there is raised there.
    again : callable
        Unpacks ``rest`` once more: few ask for the text of what they have read, and need not keep it.
    size : int
        Bytes of the whole; 0 where ``file.data`` is the whole.
    members : tuple of str
        Their names; empty unless it was a ZIP.
    n_repeated_lines : int
        Lines of members that repeat another one byte for byte: they are not in ``file``.
    """

    file: SourceFile
    rest: Iterable[bytes] = ()
    again: Callable[[], Iterable[bytes]] = tuple
    size: int = 0
    members: tuple[str, ...] = ()
    n_repeated_lines: int = 0


def unpack(path: Path) -> Unpacked:
    """Read a ZIP, gzip or plain file; a ZIP of one file is unpacked piece by piece.

    Raises
    ------
    SourceError
        It cannot be read, is damaged, or holds something else than CSV files.
    ChecksumMismatchError
        ``<name>.CHECKSUM`` lies beside it and says something else.
    """
    try:
        # Without a buffer: what it held would be joined with the rest, a second copy of all.
        with path.open("rb", buffering=0) as opened:
            is_zip = opened.read(2) == ZIP_MAGIC
            opened.seek(0)
            raw = opened.read() if is_zip else b""
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
    if not is_zip:
        if path.suffix == ".zip":
            raise SourceError(path, "is named .zip but does not start like a ZIP file")
        file = read_file(path)
        require_checksum(path, file.unit)
        return Unpacked(file=file)
    unit = hashlib.sha256(raw).hexdigest()
    require_checksum(path, unit)
    infos = _infos(path, raw)
    if len(infos) == 1:
        pieces = ahead(_pieces(path, raw, infos[0]))
        return Unpacked(
            file=SourceFile(path=path, unit=unit, data=next(pieces, b"")),
            rest=pieces, again=lambda: islice(_pieces(path, raw, infos[0]), 1, None),
            size=infos[0].file_size, members=(infos[0].filename,),
        )  # fmt: skip
    members = _members(path, raw, infos)
    kept: list[bytes] = []
    n_repeated = 0
    for data in members.values():
        if data in kept:
            n_repeated += count_lines(data)
        else:
            kept.append(data)
    for i, data in enumerate(kept[:-1]):
        kept[i] = data if data.endswith(b"\n") or not data else data + b"\n"
    joined = kept[0] if len(kept) == 1 else b"".join(kept)
    file = SourceFile(path=path, unit=unit, data=joined)
    return Unpacked(file=file, members=tuple(members), n_repeated_lines=n_repeated)


def count_lines(data: bytes) -> int:
    """Return the number of lines, a last one without its end included."""
    return data.count(b"\n") + (len(data) > 0 and not data.endswith(b"\n"))


def checksum_path(path: Path) -> Path:
    """Return where the published checksum of a file lies."""
    return path.with_name(path.name + ".CHECKSUM")


def parse_checksum(path: Path | str, text: bytes, name: str) -> str:
    """Return the digest that a published checksum states.

    Raises
    ------
    SourceError
        It is no line of ``sha256sum``, or of another file than ``name``.
    """
    match = _CHECKSUM.fullmatch(text)
    if match is None:
        raise SourceError(path, f"line 1: is no line of sha256sum: {text[:100]!r}")
    if match[2] != name.encode():
        raise SourceError(path, f"line 1: is the checksum of {match[2][:100]!r}, not of {name}")
    return match[1].decode().lower()


def require_checksum(path: Path, unit: str) -> None:
    """Demand that a file is the one of the checksum beside it, where there is one.

    Raises
    ------
    ChecksumMismatchError
        Names both digests.
    """
    beside = checksum_path(path)
    if not beside.is_file():
        return
    try:
        text = beside.read_bytes()
    except OSError as error:
        raise SourceError(beside, f"cannot be read: {error.strerror or error}") from error
    published = parse_checksum(beside, text, path.name)
    if published != unit:
        raise ChecksumMismatchError(
            path, f"its SHA-256 is {unit}, but {beside.name} says {published}"
        )


def _infos(path: Path, raw: bytes) -> list[zipfile.ZipInfo]:
    with _damage_named(path), zipfile.ZipFile(io.BytesIO(raw)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        strange = [i.filename for i in infos if not i.filename.lower().endswith(".csv")]
        if strange or not infos:
            held = ", ".join(map(repr, strange[:3])) or "nothing"
            raise SourceError(path, f"must hold CSV files only, holds {held}")
        if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
            raise SourceError(path, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        return infos


def _members(path: Path, raw: bytes, infos: list[zipfile.ZipInfo]) -> dict[str, bytes]:
    with _damage_named(path), zipfile.ZipFile(io.BytesIO(raw)) as archive:
        found: dict[str, bytes] = {}
        for info in infos:
            if info.filename in found:
                raise SourceError(path, f"holds {info.filename!r} twice")
            found[info.filename] = archive.read(info)
        return found


def _pieces(path: Path, raw: bytes, info: zipfile.ZipInfo) -> Iterator[bytes]:
    begun = b""
    with _damage_named(path):
        for block in _inflated(raw, info):
            end = block.rfind(b"\n") + 1
            if end:
                yield b"".join((begun, memoryview(block)[:end]))
                begun = block[end:]
            else:
                begun += block
    if begun:
        yield begun


def _inflated(raw: bytes, info: zipfile.ZipInfo) -> Iterator[bytes]:
    # The member's length and checksum are compared when its last byte has been read.
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, archive.open(info) as stream:
        if info.compress_type != zipfile.ZIP_DEFLATED or info.flag_bits & _ENCRYPTED:
            yield from iter(lambda: stream.read(_PIECE_BYTES), b"")
            return
    # Opening has checked the member's own header, which says where its data begins.
    n_name, n_extra = struct.unpack_from("<HH", raw, info.header_offset + 26)
    start = info.header_offset + 30 + n_name + n_extra
    inflater, crc, size = isal_zlib.decompressobj(wbits=-15), 0, 0
    for at in range(start, start + info.compress_size, _PACKED_BYTES):
        packed = raw[at : min(at + _PACKED_BYTES, start + info.compress_size)]
        # What is left of the input comes back as a copy, so it goes in by small parts.
        while block := inflater.decompress(packed, _PIECE_BYTES):
            packed = inflater.unconsumed_tail
            crc, size = isal_zlib.crc32(block, crc), size + len(block)
            yield block
    if (crc, size) != (info.CRC, info.file_size):
        raise zipfile.BadZipFile(f"{info.filename} has another length or checksum than it states")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    # What the standard library raises for damage depends on which bytes are damaged.
    except (
        zipfile.BadZipFile, zlib.error, isal_zlib.error, EOFError, RuntimeError, ValueError, OSError, OverflowError,
    ) as error:  # fmt: skip
        raise SourceError(path, f"is a damaged ZIP file ({error}): none is published") from error
