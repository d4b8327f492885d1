import io
from datetime import date
from importlib.metadata import version

import pytest
from rich.console import Console

from orchestration import runtime
from orchestration.config import Settings
from orchestration.doctor import doctor_tables, examine, readable_secrets
from tests.orchestration.rows import raw_trades

DAY = date(2024, 8, 8)


@pytest.fixture
def published(home, store):
    with store.publish("doctor", DAY, run_id="test", code_version="1") as publication:
        rows = raw_trades(ts=[1, 2], trade_id=[1, 2], price=[5, 6], native=[1, 1])
        publication.write("raw.trades", rows, unit="test")
        publication.commit()


def shown(found):
    text = io.StringIO()
    for table in doctor_tables(found):
        Console(width=160, file=text).print(table)
    return text.getvalue()


def test_doctor_tells_settings_versions_store_and_instruments(published):
    found = examine(deep=True)
    assert set(found["settings"]) == set(Settings.model_fields)
    assert found["settings"]["direction_tasks"] == "direction_20"
    assert found["versions"]["dagster"] == version("dagster")
    assert found["store"]["published_generations"] >= 1
    assert "doctor" in found["store"]["symbols"]
    assert {"ES", "BTCUSDT"} <= set(found["instruments"])
    assert found["problems"] == []
    assert "none found" in shown(found)


def test_doctor_masks_the_servers_password(published, monkeypatch):
    # The store is open already; only the setting changes.
    monkeypatch.setenv("ORDERFLOW_CLICKHOUSE_URL", "http://reader:s3cr3t@127.0.0.1:1/")
    runtime.open_store()
    runtime.settings.cache_clear()
    try:
        found = examine()
        assert found["settings"]["clickhouse_url"] == "**********"
        assert "s3cr3t" not in str(found) + shown(found)
    finally:
        monkeypatch.undo()
        runtime.settings.cache_clear()


def test_a_settings_file_with_the_password_that_others_may_read_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert readable_secrets() == []
    file = tmp_path / "orderflow.toml"
    file.write_text("seed = 3\n")
    file.chmod(0o644)
    assert readable_secrets() == []
    file.write_text('postgres_url = "postgresql://reader:s3cr3t@db/orderflow"\n')
    assert len(readable_secrets()) == 1
    file.write_text('clickhouse_url = "http://reader:s3cr3t@db:8123"\n')
    (said,) = readable_secrets()
    assert said.startswith(f"{file} holds the store's password")
    assert "(0644)" in said
    assert "s3cr3t" not in said
    file.chmod(0o600)
    assert readable_secrets() == []
