"""``orderflow live`` and ``orderflow replay`` as they are typed; wrong usage is told before anything is opened."""

import json
import os

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from tests.e2e.command import orderflow
from tests.live.market import SYMBOL, bridge_log, bridge_ticks

KERNELS = {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", "")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("live", "nobody", "ES"), "unknown source"),
        (("live", "kinetick"), "Missing argument"),
        (("live", "kinetick", "ES", "ES"), "named twice"),
        (("live", "kinetick", "ES", "-o", "port"), "must be name=value"),
        (("live", "kinetick", "ES", "-o", "sport=1"), "has no setting"),
        (("live", "kinetick", "ES", "-o", "port=x"), "must be of type int"),
        (("live", "kinetick", "ES", "-o", "host=8.8.8.8"), "loopback"),
        (("replay", "-s", "ES", "--no-store"), "name logs or a --day"),
        (("replay", "x.log", "-s", "ES", "--no-store"), "--source belongs to logs"),
        (("replay", "x.log", "-s", "ES", "--source", "kinetick"), "say where the rows go"),
        (("replay", "x.log", "-s", "ES", "--source", "nobody", "--no-store"), "unknown source"),
        (
            ("replay", "x.log", "-s", "ES", "--source", "iqfeed", "--no-store", "--speed", "0"),
            "speed must be",
        ),
    ],
)
def test_wrong_usage(arguments, said):
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert found.exit_code == 2
    assert said in found.output


def test_a_log_again_has_the_hashes_of_the_file_and_leaves_the_home_alone(tmp_path):
    log = tmp_path / "bridge.log"
    log.write_bytes(bridge_log(bridge_ticks(1500)) + b"1742367600 {torn")
    home = tmp_path / "home"
    take = ("ingest", "kinetick", "--path", str(log), "--symbol", SYMBOL, "--json")
    file = orderflow(home, *take, **KERNELS).json
    into = ("--into", str(tmp_path / "again"), "--json")
    found = orderflow(
        home, "replay", str(log), "--source", "kinetick", "-s", SYMBOL, *into,
        ORDERFLOW_LIVE_SEGMENT_S="0.8", **KERNELS,
    ).json  # fmt: skip
    assert set(found.pop("agrees").values()) == {True}
    found.pop("other"), file.pop("other")  # lines that are no records are counted for files
    assert found == file
    assert len(list((tmp_path / "again" / "live").glob("kinetick/ES/*/*.log"))) > 2
    day = ("--day", found["days"][0], "--no-store", "--json")
    again = orderflow(home, "replay", "-s", SYMBOL, *day, ORDERFLOW_LIVE_SEGMENT_S="10", **KERNELS)
    assert again.json["hashes"] == file["hashes"]
    assert set(again.json["agrees"].values()) == {True}
    assert json.loads(again.out)["stored"] == file["stored"]
