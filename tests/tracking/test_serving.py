"""`mlflow models serve` on a registered model, asked over loopback as anybody would."""

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

import numpy as np
import pytest

PATIENCE_S = 90  # a start takes ten seconds, and longer where the machine is busy


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def post(port: int, payload: object) -> tuple[int, dict]:
    status, answer = ask(port, "POST", "/invocations", json.dumps(payload))
    return status, json.loads(answer)


def wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if ask(port, "GET", "/ping")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not answer:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def served(tracking, champion, tmp_path_factory) -> Iterator[int]:
    """Port of the shared champion's server."""
    port, log = free_port(), tmp_path_factory.mktemp("served") / "log.txt"
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": tracking.uri,
        "MLFLOW_REGISTRY_URI": tracking.uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
    }
    command = [
        str(scripts / "mlflow"), "models", "serve", "--model-uri", f"models:/{champion.name}@champion",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            wait_for(port, server, log)
            yield port
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture
def payload(planted) -> dict:
    """The first rows, some of whose features are not known yet."""
    features = planted.dataset.features[:3]
    assert np.isnan(features).any()
    rows = [[None if np.isnan(x) else float(x) for x in row] for row in features]
    return {"columns": list(planted.dataset.names), "data": rows}


def test_a_good_request_gets_the_predictions_of_the_registered_model(
    served, tracking, champion, planted, payload
):
    status, answer = post(served, {"dataframe_split": payload})
    assert status == 200, answer
    model = tracking.load(champion.name).model
    expected = model.predict(planted.dataset.features[:3])
    found = np.array(
        [[row[name] for name in planted.task.prediction_columns] for row in answer["predictions"]]
    )
    np.testing.assert_array_equal(found, expected)
    low, high = model.predict_interval(planted.dataset.features[:3])
    assert [(row["low"], row["high"]) for row in answer["predictions"]] == list(
        zip(low.tolist(), high.tolist(), strict=True)
    )


def test_columns_count_by_name_not_by_place(served, payload):
    turned = {
        "columns": payload["columns"][::-1],
        "data": [row[::-1] for row in payload["data"]],
    }
    assert post(served, {"dataframe_split": turned}) == post(served, {"dataframe_split": payload})


def test_a_missing_column_is_refused_and_named(served, payload):
    less = {"columns": payload["columns"][1:], "data": [row[1:] for row in payload["data"]]}
    status, answer = post(served, {"dataframe_split": less})
    assert status == 400
    assert f"missing inputs ['{payload['columns'][0]}']" in answer["message"]


def test_a_column_of_another_type_is_refused(served, payload):
    words = {**payload, "data": [["up", *row[1:]] for row in payload["data"]]}
    status, answer = post(served, {"dataframe_split": words})
    assert status == 400
    assert "predictions" not in answer


def test_an_infinite_value_is_refused(served, payload):
    endless = {**payload, "data": [[float("inf"), *row[1:]] for row in payload["data"]]}
    status, answer = post(served, {"dataframe_split": endless})
    assert status == 400
    assert "predictions" not in answer


def test_a_parameter_is_refused_or_ignored_but_changes_nothing(served, payload):
    status, answer = post(served, {"dataframe_split": payload, "params": {"coverage": 0.5}})
    assert status != 200 or answer == post(served, {"dataframe_split": payload})[1]
