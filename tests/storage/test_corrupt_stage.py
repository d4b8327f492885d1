"""What was staged and has changed before the commit is refused: fewer rows, other values."""

import pytest

from orchestration.storage.errors import StoreCorruptError
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

BARS = TABLES["flow.bars"]


@pytest.fixture(scope="session", params=["embedded", "http"])
def store(request):
    """ClickHouse, embedded and behind HTTP: PostgreSQL's stage is a transaction that no other sees."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.mark.parametrize(
    ("damage", "message", "is_audited_apart"),
    [
        (
            "DELETE WHERE n_trades = {n:Int64} AND",
            "manifest states 50 rows, the table holds 49",
            True,
        ),
        ("DELETE WHERE 1 AND", "manifest states 50 rows, the table holds 0", False),
        (
            "UPDATE vwap_ticks = vwap_ticks + 1 WHERE n_trades = {n:Int64} AND",
            "wrote 50 rows with",
            False,
        ),
        (
            "UPDATE t1_ns = t1_ns + 1 WHERE n_trades = {n:Int64} AND",
            "read back 50 rows with hash",
            True,
        ),
    ],
)
def test_a_damaged_stage_is_refused_and_the_old_day_stays(
    store, symbol, damage, message, is_audited_apart
):
    old = publish(store, symbol, {"flow.bars": sample_rows(BARS, 40, seed=1)})
    rows = sample_rows(BARS, 50, seed=2)
    rows = rows.set_column(rows.column_names.index("n_trades"), "n_trades", [list(range(50))])
    rows = rows.set_column(rows.column_names.index("vwap_ticks"), "vwap_ticks", [[0.5] * 50])
    with store.publish(symbol, DAY, run_id="r", code_version="2") as publication:
        publication.write("flow.bars", rows)
        store._engine.connection.delete(
            f"ALTER TABLE flow.bars {damage} symbol = {{s:String}} AND generation > {{g:Int64}}",
            {"s": symbol, "g": old[0].generation, "n": 7},
        )
        with pytest.raises(StoreCorruptError, match=message):
            publication.audit() if is_audited_apart else publication.commit()
    assert store.published(symbol=symbol) == old
    assert len(store.read("flow.bars", symbol, DAY)) == 40
    assert [o for o in store.orphans() if o.symbol == symbol] == []
