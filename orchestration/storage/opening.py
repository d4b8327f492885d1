"""The engine of a store: embedded in a folder, or a server's by its url."""

import shutil
from pathlib import Path

from orchestration.storage.clickhouse import ClickHouse
from orchestration.storage.connection import Connection
from orchestration.storage.engine import Engine
from orchestration.storage.errors import StoreError


def make_folder(folder: Path) -> None:
    """Make the folder of an embedded store, for its owner alone; StoreError where it cannot be one."""
    if "?" in str(folder):
        raise StoreError(
            f"the engine takes what follows a '?' for its options: no store in {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # market data is licensed, and models are worth something


def embedded_engine(folder: Path, limits: dict[str, int]) -> Engine:
    """Return the engine in a folder whose lock this process holds.

    Parameters
    ----------
    folder : Path
    limits : dict
        ``memory_bytes`` and ``timeout_s`` of a query.
    """
    # Insert files that a killed process left; nobody else can be using them now.
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "tmp").mkdir()
    connection = Connection(path=folder / "engine", url=None, temp_dir=folder / "tmp", **limits)
    return ClickHouse(connection, is_embedded=True)


def server_engine(url: str, retry_s: float, limits: dict[str, int], cluster: str | None) -> Engine:
    """Return the engine of a server; see `orchestration.storage.store.Store.open` for the arguments.

    Raises
    ------
    ValueError
        A cluster of PostgreSQL servers, or no url of a server.
    """
    if url.startswith(("postgresql:", "postgres:")):
        from orchestration.storage.postgres.engine import Postgres

        if cluster is not None:
            raise ValueError("a cluster is one of ClickHouse servers, the url is PostgreSQL's")
        return Postgres(url, retry_s=retry_s, **limits)
    connection = Connection(
        path=None, url=url, temp_dir=None, retry_s=retry_s, cluster=cluster, **limits
    )
    return ClickHouse(connection, is_embedded=False)
