"""The files inside a file: what a zip holds, one by one, or the file itself."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import NoReturn

from orchestration.sources.files import GZIP_MAGIC, MAX_UNPACKED_BYTES, SourceFile, read_file
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One text of a file.

    Attributes
    ----------
    name : str
        Its name without folders.
    file : SourceFile
        Its content; ``unit`` is the SHA-256 of the file on disk, or one derived from it and the
        name where a zip holds several.
    is_sealed : bool
        A checksum of the container covers it, so that nothing can be missing at its end: a last
        line without a line end is whole.
    """

    name: str
    file: SourceFile
    is_sealed: bool


def read_members(path: Path) -> list[Member]:
    """Return the texts of a zip in the order of their names, or the one of a plain or gzip file.

    Raises
    ------
    SourceError
        The file cannot be read, or what it holds is damaged, encrypted or too large.
    """
    file = read_file(path)
    if path.suffix == ".zip" and not file.data.startswith(ZIP_MAGIC):
        raise SourceError(path, "is named .zip but does not start like a zip file")
    with path.open("rb") as stream:
        is_sealed = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return members_of(file, is_sealed=is_sealed)


def members_of(file: SourceFile, *, is_sealed: bool = False) -> list[Member]:
    """Do as `read_members` for a file that is in memory; ``is_sealed`` holds where it is no zip.

    Raises
    ------
    SourceError
        What a zip holds is damaged, encrypted or too large.
    """
    if file.data.startswith(ZIP_MAGIC):
        return sorted(_unzipped(file), key=lambda member: member.name)
    return [Member(name=file.path.name.removesuffix(".gz"), file=file, is_sealed=is_sealed)]


def _unzipped(file: SourceFile) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(BytesIO(file.data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise SourceError(file.path, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
            for entry in entries:
                name = entry.filename.rsplit("/", 1)[-1]
                inner = replace(
                    file,
                    path=file.path / entry.filename,
                    unit=file.unit if len(entries) == 1 else part_unit(file.unit, entry.filename),
                    data=archive.read(entry),
                )
                yield Member(name=name, file=inner, is_sealed=True)
    # What zipfile raises for damage, a password and a method it does not know.
    except (
        zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError,
        ValueError,
    ) as error:  # fmt: skip
        raise SourceError(file.path, f"is a damaged or unreadable zip file: {error}") from error


def part_unit(unit: str, part: str) -> str:
    """Return the unit of one of several tables that a file gives.

    Examples
    --------
    >>> len(part_unit("0" * 64, "quotes"))
    64
    """
    return hashlib.sha256(f"{unit}/{part}".encode()).hexdigest()


def must_be_named(name: str, instrument: Instrument) -> NoReturn:
    """Refuse to fetch: files of this kind are the user's own.

    Raises
    ------
    SourceError
        Always; the message says how to name the files.
    """
    raise SourceError(
        instrument.symbol, f"files must be named: `orderflow ingest {name} --path FILE`"
    )
