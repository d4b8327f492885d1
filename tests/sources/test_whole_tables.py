"""Tables taken by the column: the same batch as row by row, and nothing that is refused there."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from orchestration.sources import generic
from orchestration.sources.column_map import ColumnMap
from orchestration.sources.records import SourceError
from tests.sources.file_cases import instrument, member

XRP = instrument("XRPUSDT", "0.0001", lot="0.1", max_id_step=1)
T0 = 1_773_496_431_201
TRADES = ColumnMap(time="ts", price="p", qty="q", side="side", id="id", symbol="s")
rows = st.lists(
    st.fixed_dictionaries({
        "id": st.integers(1, 40) | st.just(-1), "s": st.sampled_from(["XRPUSDT"] * 9 + ["ADAUSDT"]),
        "ts": st.integers(T0, T0 + 3) | st.sampled_from([T0 // 1000, 5, T0 * 1000]),
        "p": st.sampled_from([1.3913, 1.5, 0.0, 0.00005, -1.0]), "q": st.sampled_from([17.2, 0.1]),
        "side": st.sampled_from(["buy", "SELL", "buy", "none", "x"]),
    }), min_size=1, max_size=12,
)  # fmt: skip


def outcome(member, is_plain, monkeypatch):
    with monkeypatch.context() as patch:
        if not is_plain:
            for name in ("_plain_trades", "_plain_text_trades"):
                patch.setattr(generic, name, lambda *_: None)
        (batch,) = generic.parse_table(member, XRP, [TRADES])
    tables = [t.to_pylist() for t in (batch.trades, batch.gaps, batch.quarantine)]
    return tables, batch.offered, batch.other, batch.counts


@given(rows, st.sampled_from([pa.int64(), pa.int32(), pa.float64(), pa.string()]))
def test_columns_say_what_rows_say(tmp_path_factory, given_rows, id_type):
    table = pa.Table.from_pylist(given_rows)
    ids = table["id"].cast(id_type)
    table = table.set_column(table.column_names.index("id"), "id", ids)
    path = tmp_path_factory.getbasetemp() / "whole.parquet"
    parquet.write_table(table, path)
    (one,) = generic._members(path)
    outcomes = []
    for is_plain in (True, False):
        try:
            outcomes.append(outcome(one, is_plain, pytest.MonkeyPatch()))
        except SourceError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@given(
    rows, st.booleans(), st.sampled_from(["\n", "", "\n\n", "\n1,2\n"]), st.sampled_from('1.x"\r')
)
def test_columns_of_a_text_say_what_its_rows_say(given_rows, is_odd, end, odd):
    lines = [",".join(map(str, row.values())) for row in given_rows]
    if is_odd:
        lines[0] = odd + lines[0]
    text = ",".join(given_rows[0]) + "\n" + "\n".join(lines) + end
    for one in (member(text), member(text, is_sealed=False)):
        outcomes = []
        for is_plain in (True, False):
            try:
                outcomes.append(outcome(one, is_plain, pytest.MonkeyPatch()))
            except SourceError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


def test_plain_texts_are_taken_by_the_column():
    header, rows = "ts,p,q,side,id,s", [f"{T0},1.5,1.0,buy,{i},XRPUSDT" for i in (2, 1)]
    batch = generic._plain_text_trades(member("\n".join([header, *rows, ""])), XRP, [TRADES])
    assert batch is not None
    assert (batch.trades["line"].to_pylist(), batch.other) == ([3, 2], {"header": 1})
    for other in ('"1.5"', "", "1,5"):
        odd = rows[0].replace("1.5", other)
        text = "\n".join([header, odd, rows[1], ""])
        if other:
            assert generic._plain_text_trades(member(text), XRP, [TRADES]) is None
        else:  # the gate refuses a price that is none
            assert generic._plain_text_trades(member(text), XRP, [TRADES]).quarantined == 1


def test_plain_tables_are_taken_by_the_column(tmp_path):
    # Otherwise the property above would hold for a pass that takes nothing.
    path = tmp_path / "a.parquet"
    table = {"id": [2, 1], "s": ["XRPUSDT"] * 2, "ts": [T0, T0], "p": [1.5, 1.4], "q": [1.0, 2.5],
             "side": ["buy", "sell"]}  # fmt: skip
    parquet.write_table(pa.table(table), path)
    (one,) = generic._members(path)
    batch = generic._plain_trades(one, XRP, [TRADES])
    assert batch is not None
    assert batch.trades["price_ticks"].to_pylist() == [14_000, 15_000]
    assert batch.trades["native_sign"].to_pylist() == [-1, 1]
