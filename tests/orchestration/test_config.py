"""Where a setting comes from, and what it may be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestration.config import Settings
from orchestration.instruments import load_instruments
from orchestration.task_names import horizon
from tests.orchestration.conftest import forget_settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A working directory without orderflow.toml and an environment without settings."""
    forget_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults():
    found = Settings()
    assert (found.home, found.seed, found.bar_seconds) == (Path(".orderflow"), 7, 60)
    assert found.clickhouse_url is None
    assert found.direction_task == "direction_200"
    assert found.label_tasks == ("direction_200", "return_60s", "move_60s")
    assert found.bar_clock == "time:60s"


def test_every_setting_says_what_it_is():
    assert [n for n, field in Settings.model_fields.items() if not field.description] == []


def test_the_file_overrides_the_defaults_and_the_environment_the_file(nowhere, monkeypatch):
    (nowhere / "orderflow.toml").write_text("seed = 1\nbar_seconds = 30\n")
    monkeypatch.setenv("ORDERFLOW_BAR_SECONDS", "15")
    found = Settings()
    # latency_ms: default; seed: file; bar_seconds: environment.
    assert (found.latency_ms, found.seed, found.bar_seconds) == (50, 1, 15)
    assert Settings(bar_seconds=5).bar_seconds == 5


def test_an_unknown_key_in_the_file_is_named(nowhere):
    (nowhere / "orderflow.toml").write_text("sede = 1\n")
    with pytest.raises(ValidationError, match="sede"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BAR_SECONDS", "0"),
        ("BAR_SECONDS", "many"),
        ("SIGNAL_RUNG", "oracle"),
        ("SIGNAL_THRESHOLD", "1.5"),
        ("N_NULL_RUNS", "3"),
        ("STORE_LOCK_TIMEOUT_S", "-1"),
        ("FIRST_DAY", "yesterday"),
        ("N_BLOCKS", "2"),
        ("MID_WITHOUT_QUOTES", "quote_mid"),
        ("DIRECTION_TASKS", ""),
        ("DIRECTION_TASKS", "[direction_200]"),
        ("DIRECTION_TASKS", "return_60s"),
        ("DIRECTION_TASKS", "direction_0"),
        ("DIRECTION_TASKS", "direction_10,direction_10"),
        ("RETURN_TASKS", "return_60"),
        ("MOVE_TASKS", "move_60s,barrier_60s"),
        ("ORDER_TASKS", "level_60s"),
        ("SIZING_BUDGET_BP", "inf"),
    ],
)
def test_a_value_out_of_domain_is_refused_and_named(monkeypatch, name, value):
    monkeypatch.setenv(f"ORDERFLOW_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    "text",
    ["direction_10, direction_50t,barrier_60s", '["direction_10", "direction_50t", "barrier_60s"]'],
)
def test_tasks_are_parted_by_commas_or_a_json_list(monkeypatch, nowhere, text):
    wanted = ("direction_10", "direction_50t", "barrier_60s")
    monkeypatch.setenv("ORDERFLOW_DIRECTION_TASKS", text)
    assert Settings().direction_tasks == wanted
    assert Settings().direction_task == "direction_10"
    monkeypatch.delenv("ORDERFLOW_DIRECTION_TASKS")
    (nowhere / "orderflow.toml").write_text(f"direction_tasks = {list(wanted)}\n")
    assert Settings().direction_tasks == wanted


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("return_60s", "takes tasks of direction or barrier, got return_60s"),
        ("direction_10,direction_10", "names a task twice: direction_10, direction_10"),
        ("", "must name at least one task of direction or barrier"),
        ("[direction_200]", "is no JSON list"),
        ("direction_x", "task must be one of direction"),
    ],
)
def test_a_list_of_tasks_that_cannot_be_says_why(monkeypatch, value, message):
    monkeypatch.setenv("ORDERFLOW_DIRECTION_TASKS", value)
    with pytest.raises(ValidationError, match=message):
        Settings()


def test_horizons_are_read_off_the_names():
    assert horizon("direction_200") == (200, "sweeps")
    assert horizon("direction_50t") == (50, "trades")
    assert horizon("barrier_60s") == (60, "seconds")
    with pytest.raises(ValueError, match="slippage has no horizon"):
        horizon("slippage")


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().seed = 8


def test_everything_lives_under_home(nowhere, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_HOME", "here")
    found = Settings()
    assert found.root == nowhere / "here"
    assert {p.parent for p in (found.store_path, found.samples_path, found.reports_path)} == {
        found.root
    }
    monkeypatch.setenv("HOME", str(nowhere))
    monkeypatch.setenv("ORDERFLOW_HOME", "~/there")
    assert Settings().root == nowhere / "there"


def test_row_heights_count_quote_ticks(monkeypatch):
    known = load_instruments()
    # BTCUSDT: rows of 100 quote ticks of 0.1, ten storage steps of 0.01 each; ES: its tick.
    assert Settings().row_ticks(known["BTCUSDT"]) == 1000
    assert Settings().row_ticks(known["ES"]) == 1
    monkeypatch.setenv("ORDERFLOW_FOOTPRINT_ROW_TICKS_BY_SYMBOL", '{"ES": 4}')
    assert (Settings().row_ticks(known["ES"]), Settings().row_ticks(known["BTCUSDT"])) == (4, 10)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("clickhouse_url", "https://reader:s3cr3t@db.example:8443/"),
        ("postgres_url", "postgresql://reader:s3cr3t@db.example/ticks"),
    ],
)
def test_the_servers_password_shows_nowhere(monkeypatch, name, url):
    monkeypatch.setenv(f"ORDERFLOW_{name.upper()}", url)
    found = Settings()
    assert getattr(found, name).get_secret_value() == url == found.server_url
    for shown in (str(found), repr(found), found.model_dump_json(), str(getattr(found, name))):
        assert "s3cr3t" not in shown


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("clickhouse_url", "postgresql://reader:s3cr3t@db.example/ticks"),
        ("postgres_url", "https://reader:s3cr3t@db.example:8443/"),
        ("postgres_url", "reader:s3cr3t@db.example"),
    ],
)
def test_an_address_of_another_server_is_refused(monkeypatch, name, url):
    monkeypatch.setenv(f"ORDERFLOW_{name.upper()}", url)
    with pytest.raises(ValidationError, match=f"{name} must be ") as refused:
        Settings()
    assert "s3cr3t" not in str(refused.value)


def test_a_cluster_needs_its_server(monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CLICKHOUSE_CLUSTER", "orderflow")
    with pytest.raises(ValidationError, match="clickhouse_cluster is a cluster of clickhouse_url"):
        Settings()
    monkeypatch.setenv("ORDERFLOW_CLICKHOUSE_URL", "http://reader:s3cr3t@db.example:8123/")
    assert Settings().clickhouse_cluster == "orderflow"


def test_one_store_has_one_server(monkeypatch):
    assert Settings().server_url is None
    monkeypatch.setenv("ORDERFLOW_CLICKHOUSE_URL", "https://reader:s3cr3t@db.example:8443/")
    monkeypatch.setenv("ORDERFLOW_POSTGRES_URL", "postgresql://reader:s3cr3t@db.example/ticks")
    with pytest.raises(ValidationError, match="are both set: one store, one server") as refused:
        Settings()
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["kinetick_export_timezone", "kinetick_replay_timezone", "sierra_timezone"]
)
def test_a_zone_must_be_one(monkeypatch, name):
    monkeypatch.setenv(f"ORDERFLOW_{name.upper()}", "Chicago")
    with pytest.raises(ValidationError, match="must be a time zone such as America/New_York"):
        Settings()
    monkeypatch.setenv(f"ORDERFLOW_{name.upper()}", "America/Chicago")
    assert getattr(Settings(), name) == "America/Chicago"
