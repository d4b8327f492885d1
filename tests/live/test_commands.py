"""``orderflow live`` and ``orderflow replay`` as they are typed; wrong usage is told before anything is opened."""

import json
import os
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestration import runtime
from orchestration.cli import app
from orchestration.ingest import ingest
from orchestration.ingest_summary import summary_json
from orchestration.sources.files import read_file
from orchestration.sources.kinetick.bridge_log import parse_bridge_log
from tests.e2e.command import ROOT, orderflow
from tests.live.market import bridge_log, bridge_ticks
from tests.sources.cases import ES

INSTRUMENTS = ROOT / "orchestration" / "instruments.toml"
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
def test_wrong_usage(arguments, said, tmp_path):
    home = tmp_path / "home"
    runtime.settings.cache_clear()
    environment = {"COLUMNS": "300", "NO_COLOR": "1", "ORDERFLOW_HOME": str(home)}
    found = CliRunner().invoke(app, arguments, env=environment)
    runtime.settings.cache_clear()
    assert found.exit_code == 2
    assert said in found.output
    assert not (home / "store").exists()


def name_it(home, symbol):
    """Give ES another name in a home, so that the store of all tests may hold its rows, too."""
    (ours,) = re.findall(r"^\[ES\]\n(.*?)^\[", INSTRUMENTS.read_text(), re.MULTILINE | re.DOTALL)
    home.mkdir()
    (home / "instruments.toml").write_text(f"[{symbol}]\n{ours}")


def test_a_log_again_has_the_hashes_of_the_file_and_so_has_its_day(store, tmp_path):
    symbol = "ES-AGAIN"
    log = tmp_path / "bridge.log"
    log.write_bytes(bridge_log(bridge_ticks(1500)) + b"1742367600 {torn")
    known = replace(ES, symbol=symbol)
    batch = parse_bridge_log(read_file(log), known)
    file = summary_json(ingest(store, [batch], known, run_id="file"), store, known.symbol)
    home, other = tmp_path / "again", tmp_path / "home"
    for folder in (home, other):
        name_it(folder, symbol)
    into = ("--into", str(home), "--json")
    found = orderflow(
        other, "replay", str(log), "--source", "kinetick", "-s", symbol, *into,
        ORDERFLOW_LIVE_SEGMENT_S="0.8", **KERNELS,
    ).json  # fmt: skip
    assert not (other / "store").exists()
    assert set(found.pop("agrees").values()) == {True}
    for counted in (
        "other",
        "counts",
    ):  # of files: lines that are no records, findings about records
        found.pop(counted), file.pop(counted)
    assert found == file
    assert len(list((home / "live").glob(f"kinetick/{symbol}/*/*.log"))) > 2
    day = ("--day", found["days"][0], "--no-store", "--json")
    again = orderflow(home, "replay", "-s", symbol, *day, ORDERFLOW_LIVE_SEGMENT_S="10", **KERNELS)
    assert again.json["hashes"] == file["hashes"]
    assert set(again.json["agrees"].values()) == {True}
    assert json.loads(again.out)["stored"] == file["stored"]
