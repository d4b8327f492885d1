"""What `make test` and `make soak` run: the suite, and the core without JIT and with bounds checks.

The suite is cut into parts, which run with the legs of the core, three at once and always the next
as one ends, since of three on two cores one waits for a server, a lock or the disk: the core first,
so that later parts find its kernels compiled, then what takes longest. What a part prints comes when
it ends. The last part is all that no other names, so that no test is left out. The bounds leg gets a
cache folder of its own: numba ignores the flag for kernels that it finds in a cache. The leg without
JIT demands that the tests reach every line of the kernels, with or without recorded market data: it
gets none, which interpreted kernels would take long to read.
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
SOAK = {
    "ORDERFLOW_SOAK_KILLS": "100",
    "ORDERFLOW_SOAK_MUTANTS": "100000",
    "ORDERFLOW_SOAK_MESSAGES": "1000000",
    "ORDERFLOW_SOAK_TRADES": "50000000",
}
SMALL = {"ORDERFLOW_TEST_EXAMPLES": "15"}
N_AT_ONCE = 3
# Folders of the parts of the suite but the last, the longest first: none begins late and ends alone.
# The tests of storage mostly wait: they begin with what does not.
PARTS = (
    ("core",),
    ("storage",),
    ("e2e",),
    ("orchestration", "charts", "tracking"),
    ("sources",),
    ("models",),
)


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
    print(lines[0] if is_live else f"== {name}: begun\n", end="", flush=True)
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
    without_jit = {"NUMBA_DISABLE_JIT": "1", "ORDERFLOW_TEST_DATA": "", **SMALL}
    with_bounds = {"NUMBA_BOUNDSCHECK": "1", **SMALL}
    core, storage, *others = suite_parts(marker)
    return [
        core,
        storage,
        ("core without JIT", ["tests/core", *marker, *coverage], without_jit),
        ("core with bounds checks", ["tests/core", *marker], with_bounds),
        *others,
    ]


def suite_parts(marker: list[str]) -> list[tuple[str, list[str], dict[str, str]]]:
    """Return the parts of the suite; together they hold each test once."""
    named = [
        (f"tests of {', '.join(folders)}", [f"tests/{name}" for name in folders])
        for folders in PARTS
    ]
    ignored = [f"--ignore={folder}" for _, folders in named for folder in folders]
    parts = [*named, ("all other tests", ["tests", *ignored])]
    return [(name, [*arguments, *marker], {}) for name, arguments in parts]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--soak", action="store_true", help="large counts; writes soak/results.json"
    )
    is_soak = parser.parse_args().soak
    chosen = legs(is_soak)
    with tempfile.TemporaryDirectory() as cache, ThreadPoolExecutor(N_AT_ONCE) as legs_at_once:
        running = [
            legs_at_once.submit(
                run_leg,
                name,
                arguments,
                environment | ({"NUMBA_CACHE_DIR": cache} if "bounds" in name else {}),
                is_live=len(chosen) == 1,
            )
            for name, arguments, environment in chosen
        ]
        results = [leg.result() for leg in running]
    for result in results:
        print(result)
    # The legs of the core skip what its part of the suite skips, again.
    skipped = sum(r["skipped_for_want_of_data"] for r in results if "core w" not in str(r["leg"]))
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
