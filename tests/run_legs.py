"""What `make test` and `make soak` run: the suite, then the core without JIT and with bounds checks.

The bounds leg gets a cache folder of its own: numba ignores the flag for kernels that it finds in
a cache. The leg without JIT measures which lines of the kernels the tests reach.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOAK = {"ORDERFLOW_SOAK_KILLS": "100", "ORDERFLOW_SOAK_MUTANTS": "100000"}
SMALL = {"ORDERFLOW_TEST_EXAMPLES": "15"}


def run_leg(name: str, arguments: list[str], environment: dict[str, str]) -> dict[str, object]:
    """Run pytest once and return what it counted."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    last = lines[-1] if lines else ""
    counted = re.findall(r"(\d+) (passed|failed|skipped|error)", last)
    counts = {word: int(n) for n, word in counted}
    return {
        "leg": name,
        "exit": process.wait(),
        "seconds": round(time.monotonic() - started, 1),
        "skipped_for_want_of_data": sum("ORDERFLOW_TEST_DATA is not set" in line for line in lines),
        **counts,
    }


def legs(is_soak: bool) -> list[tuple[str, list[str], dict[str, str]]]:
    """Return name, arguments and environment of each leg."""
    marker = [] if is_soak else ["-m", "not soak and not server"]
    if is_soak:
        return [("soak", ["-m", "not server"], SOAK)]
    coverage = ["--cov=orderflow_core.kernels", "--cov-report=term-missing:skip-covered"]
    return [
        ("all tests", marker, {}),
        (
            "core without JIT",
            ["tests/core", *marker, *coverage],
            {"NUMBA_DISABLE_JIT": "1", **SMALL},
        ),
        ("core with bounds checks", ["tests/core", *marker], {"NUMBA_BOUNDSCHECK": "1", **SMALL}),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--soak", action="store_true", help="large counts; writes soak/results.json"
    )
    is_soak = parser.parse_args().soak
    with tempfile.TemporaryDirectory() as cache:
        results = [
            run_leg(
                name,
                arguments,
                environment | ({"NUMBA_CACHE_DIR": cache} if "bounds" in name else {}),
            )
            for name, arguments, environment in legs(is_soak)
        ]
    for result in results:
        print(result)
    skipped = results[0]["skipped_for_want_of_data"]
    if skipped:
        print(
            f"{skipped} tests were skipped for want of recorded market data (ORDERFLOW_TEST_DATA)"
        )
    if is_soak:
        (ROOT / "soak").mkdir(exist_ok=True)
        (ROOT / "soak" / "results.json").write_text(json.dumps(results, indent=2))
    total = {
        word: sum(int(r.get(word, 0)) for r in results) for word in ("passed", "failed", "skipped")
    }
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return max(int(r["exit"] != 0) for r in results)


if __name__ == "__main__":
    sys.exit(main())
