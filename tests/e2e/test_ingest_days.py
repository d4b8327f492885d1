"""``orderflow ingest NAME --day``: a vendor's day by command, from a local server."""

import json

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from tests.e2e.command import orderflow
from tests.sources.binance_http_server import serving
from tests.sources.test_binance_archive import aggregate

PATH = "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2023-11-14.zip"
ASK = ("ingest", "binance", "--symbol", "BTCUSDT", "--json")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("days")


def test_a_range_of_days_is_taken_in_and_the_missing_ones_are_named(home):
    text = "".join(aggregate(i, t=i) + "\n" for i in range(20))
    with serving() as server:
        server.publish(PATH, {"BTCUSDT-aggTrades-2023-11-14.csv": text.encode()})
        urls = {
            "ORDERFLOW_BINANCE_URLS": json.dumps(
                dict.fromkeys(("archive_url", "um_url"), server.base)
            )
        }
        found = orderflow(home, *ASK, "--day", "2023-11-13", "--to", "2023-11-15", **urls).json
        assert (found["offered"], found["stored"], found["days"]) == (20, 20, ["2023-11-14"])
        assert found["missing"] == ["2023-11-13", "2023-11-15"]
        said = orderflow(home, *ASK, "--day", "2023-11-13", code=1, **urls).err
        assert "2023-11-13.zip.CHECKSUM: is not published" in said
        assert "serves the last 48 hours only" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--to", "2023-11-15"), "--to needs a --day"),
        (("--day", "2023-11-14", "--month", "2023-11"), "only one of --path"),
        (("--day", "2023-11-14", "--kind", "klines"), "unknown kind 'klines'"),
    ],
)
def test_wrong_usage(arguments, named):
    found = CliRunner().invoke(app, [*ASK, *arguments], env={"COLUMNS": "200"})
    assert found.exit_code == 2
    assert named in found.stderr
