"""Dagster's and MLflow's own UIs over the embedded data, on loopback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from orchestration.errors import RunFailed
from orchestration.runtime import open_tracking, prepare_dagster_home, settings

_HOST = "127.0.0.1"


def serve(dagster_port: int, mlflow_port: int) -> None:
    """Run both servers until one ends or the user interrupts.

    The store is not opened here: a run that is started in the UI opens it for itself.
    """
    tracking_uri = open_tracking().uri
    environment = os.environ | {
        "ORDERFLOW_HOME": str(settings().root),
        "DAGSTER_HOME": str(prepare_dagster_home()),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # runs jobs for whoever reaches the port
    }
    scripts = Path(sys.executable).parent
    dagster = [str(scripts / "dagster"), "dev", "--module-name", "orchestration.definitions"]
    dagster += ["--host", _HOST, "--port", str(dagster_port)]
    mlflow = [str(scripts / "mlflow"), "ui", "--backend-store-uri", tracking_uri]
    mlflow += ["--host", _HOST, "--port", str(mlflow_port), "--workers", "1"]
    # A background shell starts us deaf to SIGINT, and what a process ignores its children ignore.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # In sessions of their own: this process alone hears Ctrl-C and passes it on once.
    servers = [
        subprocess.Popen(command, env=environment, start_new_session=True)
        for command in (dagster, mlflow)
    ]
    print(f"Dagster UI: http://{_HOST}:{dagster_port}   MLflow UI: http://{_HOST}:{mlflow_port}")
    try:
        ended, _ = os.waitpid(-1, 0)
    except KeyboardInterrupt:
        return
    else:
        name = "Dagster" if ended == servers[0].pid else "MLflow"
        raise RunFailed(f"the {name} server ended by itself; its last words are above")
    finally:
        for server in servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGINT)
        for server in servers:
            server.wait(timeout=30)
