"""The example of the page on reading runs as it stands, on a stored day."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestration import runtime
from orchestration.instruments import load_instruments
from orchestration.storage.answers import prepare
from tests.storage.conftest import DAY, publish
from tests.storage.test_answers import day_tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reading_and_storing.md"


def test_the_example_reads_a_stored_day(store, monkeypatch, capsys):
    es = replace(load_instruments()["ES"], symbol="ES of the page")
    tables = day_tables(DAY, 1)
    prepare(store, publish(store, es.symbol, tables, unit="file"))
    monkeypatch.setattr(runtime, "open_store", lambda: store)
    monkeypatch.setattr(runtime, "instrument", lambda _: es)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    known = {}
    exec(compile(block, str(PAGE), "exec"), known)  # noqa: S102 - our own page
    trades = tables["flow.classified_trades"]
    delta = int((trades["qty_lots"].to_numpy() * trades["sign"].to_numpy()).sum())
    said = capsys.readouterr().out
    assert f"delta {delta} lots; {len(tables['flow.bars'])} bars, CVD {delta} contracts" in said
    assert known["n_rows"] == len(np.unique(trades["sweep"].to_numpy()))
    n_prices = tables["flow.volume_profile"].num_rows
    assert f"{known['n_rows']} rows; " in said
    assert f"{n_prices} prices" in said
