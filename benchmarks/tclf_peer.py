"""tclf as a peer: it wants an older numpy, so it runs in an environment and a process of its own.

``python -m benchmarks.tclf_peer``, which a run of the benchmarks does first, makes the environment under
``.venv-peers/`` from pinned versions; where that failed the contestant says why it takes no part.
Inputs and signs travel as .npy files, and the worker times itself, so that neither the pipe nor the
files count.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.contest import Columns, Contestant, Elsewhere
from benchmarks.peers import Arrays

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "tclf_requirements.txt"
ENVIRONMENTS = HERE.parent / ".venv-peers"
INSTALL_TIMEOUT_S = 600


def tclf_contestants(rule: str, inputs: Arrays) -> list[Contestant]:
    """Return tclf doing the whole work, its lagged prices and its join included.

    Parameters
    ----------
    rule : str
        ``tick`` or ``lee_ready``.
    inputs : dict of ndarray
        ``price_ticks``; for Lee-Ready also ``ts_ns``, ``quote_ts_ns``, ``bid_ticks``, ``ask_ticks``.
    """
    why_not = reason_why_not()
    if why_not:
        return [Contestant(name="tclf", run=dict, why_not=why_not)]
    worker = Worker(interpreter(), rule, inputs)
    return [Contestant(name="tclf", run=worker.run, columns=worker.columns)]


class Worker:
    """One process that holds the inputs and classifies them when asked; it ends with ours."""

    def __init__(self, python: Path, rule: str, inputs: Arrays) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tclf-")
        folder = Path(self._folder.name)
        for name, values in inputs.items():
            np.save(folder / f"{name}.npy", values)
        self._process = subprocess.Popen(
            [str(python), str(HERE / "tclf_worker.py"), str(folder), rule],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def run(self) -> Elsewhere:
        """Classify once."""
        seconds, cpu_s, peak_mb = map(float, self._ask("run").split())
        return Elsewhere(seconds=seconds, cpu_s=cpu_s, peak_mb=round(peak_mb, 1))

    def columns(self, _: Elsewhere) -> Columns:
        """Return the signs of the last run."""
        self._ask("save")
        return {"sign": np.load(Path(self._folder.name) / "sign.npy")}

    def _ask(self, request: str) -> str:
        self._process.stdin.write(f"{request}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"tclf's process ended with code {self._process.wait()}")
        return answer

    def __del__(self) -> None:
        self._process.stdin.close()  # which ends its loop
        self._process.stdout.close()
        self._process.wait(timeout=30)
        self._folder.cleanup()


def interpreter() -> Path:
    """Return where the interpreter that has tclf is, or would be."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return ENVIRONMENTS / f"tclf-{digest}" / "bin" / "python"


def reason_why_not() -> str:
    """Return why tclf cannot take part; empty where it can."""
    if _mark("installed").exists():
        return ""
    failed = _mark("failed")
    return failed.read_text() if failed.exists() else "python -m benchmarks.tclf_peer was not run"


def install() -> None:
    """Make the environment unless it is there, or note what went wrong."""
    if _mark("installed").exists():
        return
    python = interpreter()
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(python.parents[1])],
        [*pip, "-r", str(REQUIREMENTS)],
    ):
        why_not = _failure(command)
        if why_not:
            _mark("failed").parent.mkdir(parents=True, exist_ok=True)
            _mark("failed").write_text(f"it could not be installed: {why_not}")
            return
    _mark("failed").unlink(missing_ok=True)
    _mark("installed").touch()


def _mark(name: str) -> Path:
    return interpreter().parents[1].with_suffix(f".{name}")


def _failure(command: list[str]) -> str:
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = found.stderr.strip() or found.stdout.strip() or f"exit code {found.returncode}"
    return said.splitlines()[-1] if found.returncode else ""


if __name__ == "__main__":
    install()
    print(reason_why_not() or f"tclf is installed: {interpreter()}")
