"""The installed ``orderflow`` command, as a person or a script runs it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = Path(sys.executable).with_name("orderflow")
# Horizons and counts for a market of a thousand trades.
SMALL = {
    "ORDERFLOW_DIRECTION_TASKS": "direction_20",
    "ORDERFLOW_N_NULL_RUNS": "20",
    "ORDERFLOW_ORDER_TASKS": "impact_10s,markout_10s",
}


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a command left behind."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything else there is an error."""
        return json.loads(self.out, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment without settings of the developer's own."""
    foreign = ("ORDERFLOW_", "DAGSTER_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | SMALL | {"ORDERFLOW_HOME": str(home)} | settings


def start(home: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start a command in its home folder, so that no orderflow.toml of the developer's is read."""
    home.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [str(COMMAND), *arguments],
        cwd=home,
        env=environment(home, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores interrupts, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def orderflow(home: Path, *arguments: str, code: int = 0, **settings: str) -> Finished:
    """Run a command to its end and demand its exit code."""
    started = time.monotonic()
    with start(home, *arguments, **settings) as process:
        out, err = process.communicate(timeout=300)
    seconds = time.monotonic() - started
    assert process.returncode == code, f"orderflow {' '.join(arguments)}\n{out}\n{err}"
    return Finished(arguments=arguments, code=process.returncode, out=out, err=err, seconds=seconds)


def inspect(home: Path) -> dict[str, Any]:
    """Return what a home's store holds: ``hashes`` by "table symbol day", ``snapshot``, ``problems``."""
    command = [sys.executable, "-m", "tests.e2e.inspect_store", str(home)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)
