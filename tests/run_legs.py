"""What `make test` and `make soak` run: the suite, then the core without JIT and with bounds checks.

The two legs of the core run one after the other beside the suite, on the second core; what they
print comes when they end. The bounds leg gets a cache folder of its own: numba ignores the flag for
kernels that it finds in a cache. The leg without JIT demands that the tests reach every line of the
kernels.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOAK = {"ORDERFLOW_SOAK_KILLS": "100", "ORDERFLOW_SOAK_MUTANTS": "100000"}
SMALL = {"ORDERFLOW_TEST_EXAMPLES": "15"}


def run_leg(
    name: str, arguments: list[str], environment: dict[str, str], *, is_live: bool
) -> dict[str, object]:
    """Run pytest once and return what it counted; ``is_live`` prints line by line."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    lines = [f"== {name}\n"]
    if is_live:
        print(lines[0], end="", flush=True)
    for line in process.stdout:
        lines.append(line)
        if is_live:
            print(line, end="", flush=True)
    if not is_live:
        print("".join(lines), end="", flush=True)
    last = lines[-1]
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
    coverage = [
        "--cov=orderflow_core.kernels", "--cov-report=term-missing:skip-covered",
        "--cov-fail-under=100",
    ]  # fmt: skip
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
    first, *others = legs(is_soak)
    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor(1) as beside:
        environments = [
            environment | ({"NUMBA_CACHE_DIR": cache} if "bounds" in name else {})
            for name, _, environment in others
        ]
        waiting = [
            beside.submit(run_leg, name, arguments, environment, is_live=False)
            for (name, arguments, _), environment in zip(others, environments, strict=True)
        ]
        results = [run_leg(*first, is_live=True), *(leg.result() for leg in waiting)]
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
