"""Downloads from Binance's public archive into the cache, compared with the published checksums.

A file lies in the cache under its path in the archive, with the ``.CHECKSUM`` beside it that
:func:`~orchestration.sources.binance.packed.unpack` compares again when it reads. The venue
replaces files later, so a cached file's checksum is asked for again; of a replaced file both
versions are kept, and ``<name>.history`` says what replaced what. Days without a file have none:
:class:`~orchestration.sources.binance.transport.NotPublishedError`.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from orchestration.sources.binance.layouts import archive_folder, archive_path
from orchestration.sources.binance.packed import (
    ChecksumMismatchError,
    checksum_path,
    parse_checksum,
)
from orchestration.sources.binance.transport import Settings, Transport, connect
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

# Twice: the file may have been replaced between the two requests. Some never match.
_DOWNLOADS = 2


def fetch_day(
    instrument: Instrument,
    day: date,
    *,
    cache_dir: Path,
    settings: Settings | None = None,
    kinds: Sequence[str] = ("aggTrades",),
) -> list[Path]:
    """Return the archive's files of a day, downloading what the cache lacks.

    Parameters
    ----------
    kinds : sequence of {"aggTrades", "trades", "bookTicker"}

    Raises
    ------
    NotPublishedError
        The archive has no such file (yet: a day appears on the next one, or later).
    ChecksumMismatchError
        What came is not what was published, twice; it is kept as ``<name>.mismatch``.
    SourceError
        The server cannot be reached or refuses, or the cache cannot be written.
    """
    paths = [archive_path(instrument, kind, day) for kind in kinds]
    return _fetch(paths, cache_dir, settings or Settings())


def fetch_month(
    instrument: Instrument,
    month: date,
    *,
    cache_dir: Path,
    settings: Settings | None = None,
    kinds: Sequence[str] = ("aggTrades",),
) -> list[Path]:
    """Return the archive's files of the month that a day is in; see :func:`fetch_day`."""
    paths = [archive_path(instrument, kind, month, is_month=True) for kind in kinds]
    return _fetch(paths, cache_dir, settings or Settings())


def cached(cache_dir: Path, instrument: Instrument | None = None) -> list[Path]:
    """Return the files of the archive that the cache holds, of one instrument or of all."""
    root = cache_dir / "binance"
    pattern = "data/**/*.zip"
    if instrument is not None:
        folder = archive_folder(instrument)
        pattern = f"data/{folder}/*/*/{instrument.venue_symbol.upper()}/*.zip"
    # Beside them lie earlier versions, and what a killed download left.
    return [
        path
        for path in sorted(root.glob(pattern))
        if ".replaced-" not in path.name and not path.name.startswith(".")
    ]


def recheck(
    cache_dir: Path, settings: Settings | None = None, instrument: Instrument | None = None
) -> list[Path]:
    """Compare cached files with the checksums published now; return those replaced.

    Each of them has been downloaded again, and its previous version is kept.
    """
    settings = settings or Settings()
    root = cache_dir / "binance"
    replaced = []
    with connect(settings) as transport:
        for path in cached(cache_dir, instrument):
            before = history(path)
            _fetch_one(transport, str(path.relative_to(root)), path)
            if history(path) != before:
                replaced.append(path)
    return replaced


def history(path: Path) -> list[str]:
    """Return the SHA-256 of each earlier version of a cached file, oldest first.

    Raises
    ------
    SourceError
        Its history is damaged.
    """
    log = path.with_name(path.name + ".history")
    if not log.is_file():
        return []
    found = []
    for number, line in enumerate(log.read_text().splitlines(), 1):
        try:
            found.append(str(json.loads(line)["sha256"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(log, f"line {number}: is damaged: {line[:100]!r}") from error
    return found


def _fetch(paths: Sequence[str], cache_dir: Path, settings: Settings) -> list[Path]:
    found = []
    with connect(settings) as transport:
        for path in paths:
            local = cache_dir / "binance" / path
            _fetch_one(transport, path, local)
            found.append(local)
    return found


def _fetch_one(transport: Transport, path: str, local: Path) -> None:
    kept = _kept_digest(local)
    if kept and not transport.settings.does_recheck and kept == _stated(local):
        return
    published = ""
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_DOWNLOADS):
            text, published = _published(transport, path, local.name)
            if kept == published:
                _write(checksum_path(local), text)
                return
            digest = _download(transport, path, local)
            if digest == published:
                _keep_replaced(transport, local, kept, digest)
                os.replace(_part(local), local)
                _write(checksum_path(local), text)
                return
        mismatch = local.with_name(local.name + ".mismatch")
        os.replace(_part(local), mismatch)
    except OSError as error:
        raise SourceError(local, f"cannot be kept: {error.strerror or error}") from error
    finally:
        if local.parent.is_dir():
            _part(local).unlink(missing_ok=True)
    raise ChecksumMismatchError(
        _url(transport, path),
        f"its SHA-256 is {digest}, but {published} is published, in {_DOWNLOADS} downloads; it is "
        f"kept as {mismatch} and not read",
    )


def _published(transport: Transport, path: str, name: str) -> tuple[bytes, str]:
    url = _url(transport, path) + ".CHECKSUM"
    text = transport.get(url)
    return text, parse_checksum(url, text, name)


def _download(transport: Transport, path: str, local: Path) -> str:
    with _part(local).open("wb") as sink:
        transport.get(_url(transport, path), headers={"Accept-Encoding": "identity"}, sink=sink)
        sink.flush()
        os.fsync(sink.fileno())
    return _digest(_part(local))


def _keep_replaced(transport: Transport, local: Path, kept: str, digest: str) -> None:
    # A version that was once published is kept: stored rows are named after its hash.
    if not kept or kept != _stated(local):
        return
    entry = {"sha256": kept, "replaced_by": digest, "seen_s": int(transport.settings.clock())}
    with local.with_name(local.name + ".history").open("a") as log:
        log.write(json.dumps(entry) + "\n")
        log.flush()
        os.fsync(log.fileno())
    os.replace(local, local.with_name(f"{local.stem}.replaced-{kept[:12]}.zip"))


def _kept_digest(local: Path) -> str:
    return _digest(local) if local.is_file() else ""


def _stated(local: Path) -> str:
    # What the checksum beside a cached file says; nothing where it is missing or damaged.
    beside = checksum_path(local)
    if not beside.is_file():
        return ""
    try:
        return parse_checksum(beside, beside.read_bytes(), local.name)
    except SourceError:
        return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    # Written aside and renamed: a reader sees the whole file or none.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        part.write(data)
        part.flush()
        os.fsync(part.fileno())
    os.replace(part.name, path)


def _part(local: Path) -> Path:
    return local.with_name(f".part-{os.getpid()}-{local.name}")


def _url(transport: Transport, path: str) -> str:
    return f"{transport.settings.archive_url.rstrip('/')}/{path}"
