"""Arguments of commands that would be SQL if they were pasted in: refused in words, or taken as texts."""

import json
from datetime import date

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.errors import EXPECTED
from tests.orchestration.conftest import SYMBOL
from tests.orchestration.rows import raw_trades
from tests.storage.test_injection import HOSTILE

DAY = date(2024, 8, 8)
# One of each kind: the end of a text, a placeholder, lines, a path.
_KINDS = ("'; DROP", "{symbol", "line\n", "../")
ARGUMENTS = [text for text in HOSTILE if text.startswith(_KINDS)]


@pytest.fixture(autouse=True)
def _no_table_is_lost(home, store):
    before = store.query("SELECT count() AS n FROM raw.trades").to_pylist()
    yield
    assert [problem for problem in store.verify() if problem.symbol == ""] == []
    after = store.query("SELECT count() AS n FROM raw.trades").to_pylist()
    assert after[0]["n"] >= before[0]["n"]


def _run(*arguments):
    """Run a command in this process; nothing but an error that is said in words may come out."""
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, EXPECTED), repr(done.exception)
    return done


@pytest.mark.parametrize("text", ARGUMENTS)
def test_no_symbol_of_a_command_becomes_sql(text):
    day, table = ("--day", "2024-08-08"), ("--table", "flow.bars")
    for command in (
        ("run",), ("repair",), ("classify", *day), ("chart", *day), ("report",), ("quarantine",),
        ("quarantine", "export", "x.csv"), ("quarantine", "replay"),
        ("ingest", "capture", "--path", "nothing"), ("db", "export", "--out", "x"), ("models",),
    ):  # fmt: skip
        done = _run(*command, "--symbol", text)
        assert done.exit_code != 0, command
    done = _run("db", "history", *day, *table, "--symbol", text, "--json")
    assert not any(json.loads(done.stdout).values())


@pytest.mark.parametrize("text", ARGUMENTS)
def test_what_is_stored_under_a_hostile_name_is_found_under_it_alone(store, tmp_path, text):
    symbol = f"cli {text}"
    with store.publish(symbol, DAY, run_id=text, code_version=text) as publication:
        rows = raw_trades(ts=[1, 2], trade_id=[1, 2], price=[5, 6], native=[1, 1])
        publication.write("raw.trades", rows, unit=text)
        publication.commit()
    chosen = ("--symbol", symbol, "--table", "raw.trades")
    (row,) = json.loads(_run("db", "history", *chosen, "--day", "2024-08-08", "--json").stdout)[
        "history"
    ]
    assert (row["unit"], row["run_id"], row["code_version"]) == (text, text, text)
    folder = tmp_path / text.replace("/", "_")
    found = json.loads(_run("db", "export", *chosen, "--out", str(folder), "--json").stdout)
    assert (found["files"], found["rows"], found["folder"]) == (1, 2, str(folder))
    found = json.loads(_run("db", "import", str(folder), "--json").stdout)
    assert found == {"published": 0, "rows": 0}


@pytest.mark.parametrize("text", ARGUMENTS)
def test_filters_tables_sources_and_rules_are_texts(text, tmp_path):
    filters = ("--reason", text, "--source", text)
    found = json.loads(_run("quarantine", "--symbol", SYMBOL, *filters, "--json").stdout)
    assert found == {"total": 0, "records": []}
    folder = ("--out", str(tmp_path / "none"))
    assert _run("db", "export", "--symbol", SYMBOL, "--table", text, *folder).exit_code == 2
    named = ("db", "history", "--symbol", SYMBOL, "--day", "2024-08-08", "--table", text)
    assert _run(*named).exit_code == 2
    assert _run("ingest", text, "--symbol", SYMBOL, "--path", "x").exit_code == 2
    scored = ("--symbol", SYMBOL, "--day", "2024-08-08", "--rules", text)
    assert _run("classify", *scored).exit_code != 0


@pytest.mark.parametrize("text", [text for text in ARGUMENTS if "/" not in text])
def test_a_file_may_have_any_name(home, store, tmp_path, unused_day, text):
    from tests.captures import write_capture

    n = unused_day()
    path = write_capture(tmp_path / f"{text}.txt", n_trades=20, day=n)
    done = _run("ingest", "capture", "--path", str(path), "--symbol", SYMBOL, "--json")
    found = json.loads(done.stdout)
    assert (found["stored"], found["quarantined"]) == (40, 0)
