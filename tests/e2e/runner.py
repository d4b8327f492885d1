"""A process that ingests and runs as it is told: ``python -m tests.e2e.runner``, a JSON order a line.

Orders: ``{"do": "open", "settings": {...}}`` opens the store anew with these settings, ``ingest`` a ``path``, ``run`` the
day job of ``days``, ``vacuum``, ``state``. Each is answered by one line: what it gave, or the error's text and kind.
It stays alive over errors, as a server's workers do, and logs all that any library says.
"""

import json
import logging
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

from orchestration import runtime
from orchestration.errors import EXPECTED
from orchestration.ingest import ingest
from orchestration.pipeline import run_jobs
from orchestration.sources import SOURCES
from tests.e2e.instrument import SYMBOL


def open_anew(settings: dict[str, str]) -> None:
    if runtime.open_store.cache_info().currsize:
        runtime.open_store().close()
    os.environ.update(settings)
    runtime.settings.cache_clear()
    runtime.open_store.cache_clear()
    runtime.open_store()


def take_in(path: str) -> int:
    known = runtime.instrument(SYMBOL)
    found = SOURCES["capture"].read([Path(path)], known)
    return ingest(runtime.open_store(), found, known, run_id="runner").stored


def run(days: list[str]) -> list[str]:
    made = run_jobs(SYMBOL, [date.fromisoformat(day) for day in days], jobs=("day",))
    return [one.run_id for one in made]


def state() -> dict[str, Any]:
    store = runtime.open_store()
    keys = sorted({(row.table, row.symbol, row.trading_day) for row in store.published()})
    return {
        "hashes": {" ".join(map(str, key)): store.content_hash(*key) for key in keys},
        "problems": [str(problem) for problem in store.verify(deep=True)],
        "orphans": [str(orphan) for orphan in store.orphans(min_age_s=0)],
    }


def vacuum() -> dict[str, int]:
    return runtime.open_store().vacuum(min_age_s=0)


ORDERS = {"open": open_anew, "ingest": take_in, "run": run, "state": state, "vacuum": vacuum}


def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    logging.getLogger("numba").setLevel(logging.INFO)  # the compiler's own: hundreds of megabytes
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"gave": ORDERS[order.pop("do")](**order)}
        except EXPECTED as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
