"""Storage tests: a day, a publisher in one line, and processes of their own for other folders."""

import base64
import json
import multiprocessing
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from orchestration.storage.manifest import ManifestRow
from orchestration.storage.postgres.engine import Postgres
from orchestration.storage.store import Store
from tests.storage.clickhouse_http import PASSWORD, USER

DAY = date(2013, 9, 3)
NEXT_DAY = date(2013, 9, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """A ClickHouse HTTP interface in a process of its own."""

    port: int

    def url(self, password: str = PASSWORD) -> str:
        return f"http://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}"

    def fail_once(self, *faults: tuple[str, str]) -> None:
        """Let the next request whose SQL holds a text go wrong: (kind, text), each once."""
        self.fail([{"kind": kind, "sql": sql} for kind, sql in faults])

    def fail(self, faults: list[dict[str, Any]]) -> None:
        """Let requests to come go wrong: as `tests.storage.clickhouse_http` says."""
        self._get("/faults", json.dumps(faults).encode())

    def n_waiting(self) -> int:
        """How many faults have not struck."""
        return len(json.loads(self._get("/faults")))

    def forget_faults(self) -> None:
        """Let every request go well again."""
        self._get("/faults", b"null")

    def seen(self, text: str) -> int:
        """How many requests so far, answered or not, hold a text."""
        return sum(text in sql for sql in json.loads(self._get("/requests")))

    def n_seen(self) -> int:
        """How many requests with SQL came so far."""
        return len(json.loads(self._get("/requests")))

    def command(self, sql: str) -> None:
        """Run one statement past the store."""
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        with closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("POST", "/", sql, {"Authorization": f"Basic {known}"})
            answer = connection.getresponse()
            said = answer.read()
        assert answer.status == 200, said

    def _get(self, path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", body) as answer:
            return answer.read()


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[HttpServer]:
    """Serve a folder over HTTP from a process of its own."""
    command = [sys.executable, "-m", "tests.storage.clickhouse_http", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield HttpServer(port=int(process.stdout.readline()))
        finally:
            process.kill()


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """The server that the HTTP half of the storage tests talks to."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


# What a server's configuration adds to the engine: a folder for backups, a cluster of this one node, and a
# Keeper within the process, which knows replicated tables.
_CONFIG = """
<clickhouse>
  <backups><allowed_path>{backups}</allowed_path></backups>
  <tcp_port>9000</tcp_port>
  <zookeeper><implementation>testkeeper</implementation></zookeeper>
  <macros><shard>1</shard><replica>a</replica></macros>
  <remote_servers><orderflow><shard>
    <internal_replication>true</internal_replication>
    <replica><host>localhost</host><port>9000</port></replica>
  </shard></orderflow></remote_servers>
</clickhouse>
"""


def cluster_config(backups: Path) -> str:
    """Return that configuration; backups go under a folder."""
    return _CONFIG.format(backups=backups)


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server whose cluster `orderflow` is itself, and that may write backups."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "config.xml").write_text(cluster_config(folder / "backups"))
    with serving(folder / "data", "--config", str(folder / "config.xml")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_store(cluster_server: HttpServer) -> Iterator[Store]:
    """A store on that cluster."""
    with Store.open(url=cluster_server.url(), cluster="orderflow") as opened:
        yield opened


@pytest.fixture(scope="session")
def http_store(http_server: HttpServer) -> Iterator[Store]:
    """A store behind the HTTP interface."""
    with Store.open(url=http_server.url()) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_store(postgres_databases: Callable[[], str]) -> Iterator[Store]:
    """A store on PostgreSQL."""
    with Store.open(url=postgres_databases()) as opened:
        yield opened


@pytest.fixture(scope="session")
def real_store() -> Iterator[Store]:
    """A store on a real ClickHouse server, where ORDERFLOW_TEST_CLICKHOUSE_URL names one."""
    url = os.environ.get("ORDERFLOW_TEST_CLICKHOUSE_URL")
    if not url:
        pytest.skip("needs a ClickHouse server: ORDERFLOW_TEST_CLICKHOUSE_URL is not set")
    with Store.open(url=url) as opened:
        yield opened


@pytest.fixture(
    scope="session",
    params=["embedded", "http", "postgres", pytest.param("real", marks=pytest.mark.server)],
)
def each_store(request: pytest.FixtureRequest) -> Store:
    """The same test on the embedded store, behind HTTP, on PostgreSQL, and on a real server if there is one."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(scope="session", params=["embedded", "postgres"])
def each_database(request: pytest.FixtureRequest) -> Store:
    """The same test on ClickHouse and on PostgreSQL, where the way to the server makes no difference."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def symbol(request: pytest.FixtureRequest) -> str:
    """A symbol that no other test uses: all tests share one store."""
    name = request.node.name.replace("[", " ").replace("]", "")
    return f"{name}-{abs(hash(request.node.nodeid)) % 10**8}"


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


def forget(store: Store, row: ManifestRow) -> None:
    """Take a row out of the manifest, which the store itself never does."""
    if isinstance(store._engine, Postgres):
        sql = "DELETE FROM meta.manifest WHERE generation = %s"
        store._engine.sessions.run("a test", lambda c: c.execute(sql, [row.generation]))
    else:
        sql = "ALTER TABLE meta.manifest DELETE WHERE generation = {g:Int64}"
        store._engine.connection.delete(sql, {"g": row.generation})
        store._engine.manifest.forget()


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """Run a module-level function in a fresh process; its exceptions are raised here."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *args).result()
