"""What goes wrong is said in words that help: exit code, no traceback, nothing on standard output."""

import gzip
import os

import pytest

from orchestration.storage.lock import StoreLock
from tests.captures import capture_lines, write_lines
from tests.e2e.command import orderflow

SYMBOL = ("--symbol", "BTCUSDT")
DAY = ("--day", "2024-08-08")
OVERLAY = "instruments.toml"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which nothing was stored."""
    return tmp_path_factory.mktemp("empty")


def refused(home, *arguments, code=1, **settings):
    """Return what a command that must fail says, on one standard error and nowhere else."""
    found = orderflow(home, *arguments, code=code, **settings)
    assert found.out == ""
    assert "Traceback" not in found.err
    assert len(found.err.strip().splitlines()) == 1 or code == 2, found.err
    return found.err


def take(path, symbol="BTCUSDT"):
    return ("ingest", "capture", "--path", str(path), "--symbol", symbol, "--json")


def test_a_corrupt_gzip_is_refused_whole(home, tmp_path):
    path = write_lines(tmp_path / "cut.gz", capture_lines(n_trades=50))
    path.write_bytes(path.read_bytes()[:-100])
    said = refused(home, *take(path))
    assert "cut.gz" in said
    assert "gzip" in said
    assert "none is published" in said


def test_a_missing_file_is_named(home, tmp_path):
    assert "no_such_file.gz: cannot be read: No such file" in refused(
        home, *take(tmp_path / "no_such_file.gz")
    )


def test_a_file_of_another_kind_is_refused(home, tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text("time,price,size\n1,2,3\n4,5,6\n")
    said = refused(home, *take(path))
    assert "trades.csv" in said
    assert "no readable record of BTCUSDT" in said


def test_an_unknown_symbol_is_answered_with_the_nearest(home):
    said = refused(home, "classify", "--symbol", "BTCUSD", *DAY, "--json")
    assert "unknown symbol 'BTCUSD'" in said
    assert "BTCUSDT" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("ingest", "bloomberg", *SYMBOL, "--json"), "unknown source 'bloomberg': choose from bin"),
        (("chart", *SYMBOL, *DAY, "--kind", "pie"), "unknown kind 'pie': choose from footprint"),
        (("classify", *SYMBOL, "--day", "8.8.2024"), "8.8.2024"),
        (("run",), "--symbol"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(home, arguments, named):
    said = refused(home, *arguments, code=2)
    # The terminal draws a box about it and breaks its lines.
    assert named in " ".join(said.replace("│", " ").split())


def test_recorded_files_must_be_named(home):
    assert "--path FILE" in refused(home, "ingest", "capture", *SYMBOL, "--json")


def test_a_run_before_ingest_says_what_comes_first(home):
    assert "orderflow ingest comes first" in refused(home, "run", *SYMBOL, "--json")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("classify", *SYMBOL, *DAY, "--json"), "no trade of BTCUSDT is published"),
        (("chart", *SYMBOL, *DAY, "--json"), "no day at all"),
    ],
)
def test_nothing_to_look_at_says_so(home, arguments, named):
    assert named in refused(home, *arguments)


def test_a_setting_out_of_domain_is_named(home):
    found = orderflow(home, "doctor", "--json", code=1, ORDERFLOW_BAR_SECONDS="0")
    assert "bar_seconds" in found.err
    assert "Traceback" not in found.err
    assert found.out == ""


@pytest.mark.parametrize(
    ("text", "named"), [("seed = = 1\n", "orderflow.toml"), ("sede = 1\n", "sede")]
)
def test_a_broken_settings_file_is_named(tmp_path, text, named):
    (tmp_path / "orderflow.toml").write_text(text)
    found = orderflow(tmp_path, "doctor", "--json", code=1)
    assert named in found.err
    assert "Traceback" not in found.err
    assert found.out == ""


def test_a_broken_instruments_file_is_named(tmp_path):
    (tmp_path / OVERLAY).write_text('[BTCUSDT]\ntick_sise = "0.1"\n')
    said = refused(tmp_path, "classify", *SYMBOL, *DAY)
    assert str(tmp_path / OVERLAY) in said
    assert "tick_sise" in said


def test_a_second_process_names_the_first(home, tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    lock = StoreLock(folder / "store.lock")
    lock.acquire(0)
    try:
        said = refused(tmp_path, "doctor", "--json", ORDERFLOW_STORE_LOCK_TIMEOUT_S="0.2")
    finally:
        lock.release()
    assert f"pid {os.getpid()}" in said
    assert "waited 0.2 s" in said


_SERVERS = {
    "CLICKHOUSE": ("http://reader:s3cr3t@127.0.0.1:1/", "reader:s3cr3t@db", "http[s]://"),
    "POSTGRES": ("postgresql://reader:s3cr3t@127.0.0.1:1/x", "reader:s3cr3t@db", "postgresql://"),
}


@pytest.mark.parametrize("kind", _SERVERS)
def test_an_unreachable_server_is_named_without_its_password(home, kind):
    said = refused(home, "doctor", "--json", **{f"ORDERFLOW_{kind}_URL": _SERVERS[kind][0]})
    assert "127.0.0.1" in said
    assert "s3cr3t" not in said


@pytest.mark.parametrize("kind", _SERVERS)
def test_a_url_of_no_server_is_refused(home, kind):
    said = refused(home, "doctor", "--json", **{f"ORDERFLOW_{kind}_URL": _SERVERS[kind][1]})
    assert f"must be {_SERVERS[kind][2]}" in said
    assert "s3cr3t" not in said


def test_a_home_that_is_a_file_is_named(tmp_path):
    path = tmp_path / "home"
    path.write_text("")
    assert str(path) in refused(tmp_path, "doctor", "--json", ORDERFLOW_HOME=str(path))


def test_damaged_records_are_kept_apart_and_shown(tmp_path):
    lines = capture_lines(n_trades=50)
    # Line 2 is a trade: its price off the 0.01 grid. The last line is cut in half.
    lines[1] = lines[1].replace('","q"', '7","q"')
    text = "\n".join(lines)
    path = tmp_path / "damaged.gz"
    path.write_bytes(gzip.compress(text[: -len(lines[-1]) // 2].encode()))
    told = orderflow(tmp_path, *take(path)).json
    assert (told["offered"], told["stored"], told["quarantined"]) == (100, 98, 2)
    shown = orderflow(tmp_path, "quarantine", *SYMBOL, "--json").json
    assert shown["total"] == 2
    assert [(r["line"], r["kind"], r["reason"]) for r in shown["records"]] == [
        (2, "trade", "off_grid"),
        (100, "trade", "truncated"),
    ]
    assert lines[-1].startswith(shown["records"][1]["record"])


def test_a_file_of_another_symbol_that_does_not_say_whose_it_is(tmp_path):
    path = tmp_path / "ES 06-25.Last.txt"
    rows = [f"20250319 07000{i} 0520000;1.{i}1;1.00;1.25;1\n" for i in range(3)]
    path.write_text("".join(rows) + "20250319 070004 0520000;1.25;1.00;1.25;1\n")
    take = ("ingest", "kinetick", "--path", str(path), "--symbol", "ES", "--json")
    found = orderflow(tmp_path / "home", *take)
    assert (found.json["offered"], found.json["quarantined"]) == (4, 3)
    assert "3 of 4 records are off the grid of ES: is it the symbol" in found.err


def test_trades_while_the_market_is_shut_raise_the_question_of_the_zone(tmp_path):
    # Half past four in Chicago, when futures do not trade.
    path = tmp_path / "es.txt"
    header = "Date;Time;Sequence;Price;Volume;TradeType;AskPrice;BidPrice;AskSize;BidSize"
    rows = [f"2022-01-24;22:3{i}:00;{i};4347.75;1;2;4347.75;4347.5;12;34" for i in range(3)]
    path.write_text("\n".join([header, *rows, ""]))
    take = ("ingest", "sierra", "--path", str(path), "--symbol", "ES", "--json")
    found = orderflow(tmp_path / "home", *take)
    assert found.json["counts"] == {"trades_outside_session": 3}
    assert "3 of 6 records are trades between two sessions of CMES" in found.err
    zone = {"ORDERFLOW_SIERRA_TIMEZONE": "Europe/Berlin"}  # half past three in Chicago
    found = orderflow(tmp_path / "other", *take, **zone)
    assert (found.json["first"][:19], found.json["counts"]) == ("2022-01-24T21:29:59", {})
    assert "sessions" not in found.err
