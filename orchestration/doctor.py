"""Is this installation well: settings, versions, the store against its manifest."""

import platform
import shutil
import stat
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from orchestration.config import Settings
from orchestration.runtime import instruments, open_store, open_tracking, settings

_PACKAGES = (
    "orderflow", "numpy", "numba", "pyarrow", "pandas", "chdb", "clickhouse-connect", "dagster",
    "mlflow", "great_expectations", "lightgbm", "scikit-learn", "torch",
)  # fmt: skip
_LOW_DISK_GB = 2


def examine(*, deep: bool = False) -> dict[str, Any]:
    """Return settings (secrets masked), versions, what the store holds, and every problem found.

    With ``deep`` all published rows are read and hashed; else they are counted.
    """
    config = settings()
    store = open_store()
    problems = [str(problem) for problem in store.verify(deep=deep)]
    free_gb = shutil.disk_usage(config.root).free / 1e9
    if free_gb < _LOW_DISK_GB:
        problems.append(f"only {free_gb:.1f} GB are free under {config.root}")
    problems += readable_secrets()
    published = store.published()
    return {
        "settings": {name: _in_words(getattr(config, name)) for name in type(config).model_fields},
        "versions": {"python": platform.python_version()} | {p: version(p) for p in _PACKAGES},
        "store": {
            "manifest": store.snapshot(),
            "published_generations": len(published),
            "rows": sum(row.rows for row in published),
            "unpublished_rows": sum(left.rows for left in store.orphans()),
            "symbols": sorted({row.symbol for row in published}),
        },
        "instruments": sorted(instruments()),
        "registered_models": len(open_tracking().models()),
        "free_disk_gb": round(free_gb, 1),
        "problems": problems,
    }


def _in_words(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def readable_secrets() -> list[str]:
    """Return the settings file where it holds a server's password and others may read it."""
    path = Path(str(Settings.model_config["toml_file"])).resolve()
    if not path.exists() or not {"clickhouse_url", "postgres_url"} & set(
        tomllib.loads(path.read_text())
    ):
        return []
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return []
    return [f"{path} holds the store's password, and others may read it ({mode:04o}): chmod 600"]


def doctor_tables(found: dict[str, Any]) -> list[Table]:
    """Return what `examine` found as tables for a terminal."""
    tables = []
    for title in ("settings", "versions", "store"):
        table = Table(title=title, show_header=False, title_justify="left")
        for name, value in found[title].items():
            table.add_row(name, str(value))
        tables.append(table)
    verdict = Table(title="problems", show_header=False, title_justify="left")
    for problem in found["problems"] or ["none found"]:
        verdict.add_row(problem)
    return [*tables, verdict]
