"""Storage tests: a day, a publisher in one line, and processes of their own for other folders."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from orchestration.storage.manifest import ManifestRow
from orchestration.storage.store import Store

DAY = date(2013, 9, 3)
NEXT_DAY = date(2013, 9, 4)


@pytest.fixture
def symbol(request: pytest.FixtureRequest) -> str:
    """A symbol that no other test uses: all tests share one store."""
    return f"{request.node.name}-{abs(hash(request.node.nodeid)) % 10**8}"


def publish(
    store: Store,
    symbol: str,
    tables: dict[str, pa.Table],
    *,
    day: date = DAY,
    unit: str = "",
    code_version: str = "1",
    inputs: tuple = (),
    run_id: str = "run",
) -> list[ManifestRow]:
    """Write all tables in one publication and commit it."""
    with store.publish(
        symbol, day, run_id=run_id, code_version=code_version, inputs=inputs
    ) as publication:
        for name, rows in tables.items():
            publication.write(name, rows, unit=unit if name.startswith("raw.") else "")
        return publication.commit()


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """Run a module-level function in a fresh process; its exceptions are raised here."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *args).result()
