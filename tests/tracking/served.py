"""A registered model behind `mlflow models serve`, for as long as a test asks it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE_S = 90  # a start takes ten seconds, and longer where the machine is busy


def post(port: int, payload: object) -> tuple[int, dict]:
    status, answer = _ask(port, "POST", "/invocations", json.dumps(payload))
    return status, json.loads(answer)


@contextlib.contextmanager
def serving(tracking, name: str, folder: Path) -> Iterator[int]:
    """Port of a server of the champion of this name; its log is written into the folder."""
    port, log, scripts = _free_port(), folder / "log.txt", Path(sys.executable).parent
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_REGISTRY_URI": tracking.uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
    }
    command = [
        str(scripts / "mlflow"), "models", "serve", "--model-uri", f"models:/{name}@champion",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait_for(port, server, log)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(port: int, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if _ask(port, "GET", "/ping")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not answer:\n{log.read_text()[-3000:]}")
