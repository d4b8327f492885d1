"""Texts that would be SQL if they were pasted in: they are stored, found and given back as texts."""

import pyarrow as pa
import pytest

from orchestration.storage.manifest import Input
from orchestration.storage.parquet import export_tables, import_tables
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

EVENTS, TRADES = TABLES["flow.events"], TABLES["raw.trades"]
# Ends of texts, of identifiers and of statements, comments, placeholders, formats, escapes.
HOSTILE = (
    "'; DROP TABLE raw.trades; --",
    "' OR '1'='1",
    "\\'; DROP TABLE raw.trades; --",
    "`; DROP TABLE raw.trades; --",
    '"; DROP TABLE raw.trades; --',
    "') UNION ALL SELECT * FROM system.tables --",
    "'; SELECT 1 FORMAT Native",
    "{symbol:String}",
    "{days:Array(Date)}",
    "%(symbol)s %s ?",
    "/* */ -- #",
    "\\N \\0 \\x27 \\",
    "line\nbreak\ttab\rreturn",
    "nul \x00 byte",
    "größe ’ ＇ ʼ 🙂",
    "a&param_symbol=b&query=DROP TABLE raw.trades",
    "../../etc/passwd",
)
# The usual tests try one of each kind, a soak all.
_KINDS = ("'; DROP", "\\'; DROP", "{symbol", "line\n", "a&param", "../")


def _few(texts):
    return [
        text if text.startswith(_KINDS) else pytest.param(text, marks=pytest.mark.soak)
        for text in texts
    ]


@pytest.fixture(scope="session")
def store(each_store):
    """Every test here runs on every kind of store."""
    return each_store


@pytest.fixture(autouse=True)
def _no_table_is_lost_and_no_setting_changed(store):
    yield
    assert [problem for problem in store.verify() if problem.symbol == ""] == []


def _events(text, n=5):
    rows = sample_rows(EVENTS, n, seed=n)
    at = rows.column_names.index("kind")
    return rows.set_column(at, "kind", pa.array([text] * n))


@pytest.mark.parametrize("text", _few(HOSTILE))
def test_a_text_stays_a_text_wherever_a_user_can_put_one(store, text):
    symbol = f"injection {text}"
    rows = {"flow.events": _events(text), "raw.trades": sample_rows(TRADES, 4)}
    inputs = (Input("flow.bars", DAY, text.replace("\x00", "")),)  # a hash: no user writes one
    found = publish(store, symbol, rows, unit=text, code_version=text, run_id=text, inputs=inputs)
    assert store.published(symbol=symbol) == found
    assert [row.table for row in found] == ["flow.events", "raw.trades"]
    for row in found:
        assert (row.symbol, row.run_id, row.code_version) == (symbol, text, text)
        assert row.inputs == inputs
        assert store.published(row.table, symbol, DAY) == [row]
        assert store.history(row.table, symbol, DAY) == [row]
    assert found[1].unit == text
    back = store.read("flow.events", symbol, DAY, where={"kind": [text, "other"]})
    assert back["kind"].to_pylist() == [text] * 5
    assert back["symbol"].to_pylist() == [symbol] * 5
    assert len(store.read("flow.events", symbol, where={"kind": text})) == 5
    assert store.read("raw.trades", symbol)["unit"].to_pylist() == [text] * 4
    keys = store.existing_keys("raw.trades", symbol, DAY, ["trade_id"], exclude_unit="other")
    assert len(keys) == 4
    # A second one is known as the same, so everything was compared as it was given.
    again = publish(store, symbol, rows, unit=text, code_version=text, run_id="2", inputs=inputs)
    assert again == []
    # What is taken away is what was named, and nothing else.
    with store.publish(symbol, DAY, run_id=text, code_version="x") as publication:
        publication.write("flow.events", _events("gone"))
    assert store.read("flow.events", symbol)["kind"].to_pylist() == [text] * 5
    assert [o for o in store.orphans() if o.symbol == symbol] == []


@pytest.mark.parametrize("text", _few(HOSTILE))
def test_a_name_that_is_none_of_ours_never_becomes_sql(store, text):
    for name in (text, f"flow.events {text}", f"flow.{text}"):
        with pytest.raises(ValueError, match="no table"):
            store.read(name, "ES")
        with pytest.raises(ValueError, match="no table"):
            store.published(name)
        with pytest.raises(ValueError, match="no table"):
            publish(store, "ES", {name: _events("x")})
    with pytest.raises(ValueError, match="has no column"):
        store.read("flow.events", "ES", columns=["kind", f"kind, {text}"])
    publish(store, f"names {text}", {"flow.events": _events("x")})
    with pytest.raises(ValueError, match="has no column"):
        store.read("flow.events", f"names {text}", where={f"kind` = '' OR {text}": 1})
    with pytest.raises(ValueError, match="unknown or repeated"):
        publish(store, "ES", {"flow.events": _events("x").rename_columns(
            [text, *_events("x").column_names[1:]]
        )})  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE raw.trades",
        "SELECT 1; DROP TABLE raw.trades",
        "SELECT 1;\n--;\nDROP TABLE raw.trades",
        "  INSERT INTO raw.trades SELECT 1",
        "/* */ DROP TABLE raw.trades",
        "(SELECT 1); TRUNCATE TABLE raw.trades",
        "WITH 1 AS a SELECT a; DROP TABLE raw.trades",
        "WITH 1 AS a INSERT INTO meta.retired SELECT 1, 1",
        "WITH 1 AS a insert/**/into meta.retired SELECT 1, 1",
        "SELECT 1 AS a INTO OUTFILE 'written by a query'",
    ],
)
def test_a_query_reads_one_thing(store, sql):
    with pytest.raises(ValueError, match=r"query only reads|one statement"):
        store.query(sql)


@pytest.mark.parametrize("text", _few(t for t in HOSTILE if not set("\x00/") & set(t)))
def test_files_and_folders_of_any_name_travel(store, tmp_path, text):
    symbol, folder = f"travels {text}", tmp_path / text
    (row,) = publish(store, symbol, {"flow.events": _events(text)}, run_id=text)
    (file,) = export_tables(store, folder, symbol, tables=["flow.events"])
    assert file.rows == row.rows
    inside = [path for path in tmp_path.rglob("*.parquet") if path.is_relative_to(folder)]
    assert len(inside) == len(list(tmp_path.rglob("*.parquet"))) == 1
    assert import_tables(store, folder, run_id="back") == []
