"""Figures made of a dealer's quotes: only by name, and under that name to the last picture."""

from datetime import date

import numpy as np
import pyarrow.compute as pc
import pytest

from orchestration import report, runtime
from orchestration.arrays import QuoteProxyRefused, column, trade_arrays
from orchestration.charts.report import render_report
from orchestration.defs.flow.tables import bars, footprint_cells, profile_rows
from orchestration.errors import RunFailed
from orchestration.ingest import ingest, read_units
from orchestration.pipeline import run_jobs
from orchestration.quote_proxy import NOTE, TABLES, has_quotes_only, proxy_trades, titled
from orchestration.report import draw_chart, report_data
from orchestration.sources.records import GAPS, QUOTES, TRADES, table
from tests.sources.dukascopy_cases import EURUSD

SYMBOL, DAY = "EURUSD", date(2019, 2, 4)
CLOCK = {"clock": "time:60s", "bar_seconds": 60}


def quotes(*rows, source="dukascopy"):
    """Quotes a second apart: bid, bid size, ask, ask size."""
    n = len(rows)
    columns = dict(
        zip(
            ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots"), zip(*rows, strict=True), strict=True
        )
    )
    ts = np.arange(1, n + 1) * 1_000_000_000
    return table(
        QUOTES,
        columns | {"ts_event_ns": ts, "ts_recv_ns": ts, "ts_source": np.zeros(n), "line": np.arange(n),
                   "quote_id": np.arange(n), "source": source, "unit": "u"},
        n,
    )  # fmt: skip


NO_GAPS = GAPS.empty_table()
# The mid: 10, 11 (up), 11 (only sizes change: still up), 10 (down).
ROWS = ((9, 5, 11, 6), (10, 5, 12, 7), (10, 4, 12, 8), (9, 3, 11, 9))


def test_a_quote_stands_in_for_a_trade_on_the_side_of_the_last_move():
    made = proxy_trades(quotes(*ROWS), NO_GAPS)
    # Nothing is known before the first move; then 7 and 8 offered at the ask, 3 at the bid.
    assert made["trade_id"].to_pylist() == [1, 2, 3]
    assert made["sign"].to_pylist() == [1, 1, -1]
    assert made["qty_lots"].to_pylist() == [7, 8, 3]
    assert made["price_ticks"].to_pylist() == [12, 12, 9]
    assert set(made["rule"].to_pylist()) == {"quote_proxy"}


def test_nothing_is_carried_over_a_gap_between_quotes():
    second = 1_000_000_000
    gap = table(
        GAPS,
        {"kind": ["quote"], "start_ns": [2 * second], "end_ns": [3 * second], "n_missing": [0],
         "first_missing_id": [0], "reason": ["reconnect"], "source": "s", "unit": "u"},
        1,
    )  # fmt: skip
    assert proxy_trades(quotes(*ROWS), gap)["trade_id"].to_pylist() == [1, 3]


def test_what_wants_trades_refuses_them():
    made = proxy_trades(quotes(*ROWS), NO_GAPS)
    cells = {"ticks_per_row": 1, "min_lots": 1}
    for refuse in (
        lambda: bars(made, NO_GAPS, **CLOCK),
        lambda: footprint_cells(made, **CLOCK, **cells),
        lambda: profile_rows(made, ticks_per_row=1),
        lambda: trade_arrays(made),
    ):
        with pytest.raises(QuoteProxyRefused, match=r"quote_proxy, made of quotes: nothing was tr"):
            refuse()
    for named in (
        bars(made, NO_GAPS, **CLOCK, quote_proxy=True),
        footprint_cells(made, **CLOCK, **cells, quote_proxy=True),
    ):
        assert set(named["clock"].to_pylist()) == {"quote_proxy:time:60s"}
        assert titled("EURUSD", named) == "EURUSD quote_proxy, no trades"


def test_which_days_are_a_dealers_quotes():
    none, dealt, other = TRADES.empty_table(), quotes(*ROWS), quotes(*ROWS, source="capture")
    assert has_quotes_only(none, dealt, EURUSD)
    assert not has_quotes_only(none, other, EURUSD)
    assert not has_quotes_only(none, QUOTES.empty_table(), EURUSD)


@pytest.fixture(scope="module")
def asked_for(home, store, test_data):
    """Two recorded hours of EURUSD, ingested; a function that runs them with the word or without."""
    folder = test_data / "dukascopy/dukascopy-node/EURUSD/2019/01/04"
    paths = [folder / f"{hour:02d}h_ticks.bi5" for hour in (0, 1)]
    known = runtime.instrument(SYMBOL)
    summary = ingest(store, read_units("dukascopy", paths, known), known, run_id="test")
    assert summary.quarantined == 0

    def run(is_asked):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ORDERFLOW_QUOTE_PROXY", "true" if is_asked else "false")
            runtime.settings.cache_clear()
            try:
                return run_jobs(SYMBOL, [DAY], jobs=("day",), tables=TABLES)
            finally:
                runtime.settings.cache_clear()

    return run


def test_a_run_is_refused_and_made_by_name(asked_for, store):
    with pytest.raises(RunFailed, match="no trades; figures made of them are a quote_proxy: ask"):
        asked_for(False)
    assert not store.published("flow.classified_trades", SYMBOL, DAY)
    made = {one.table: one for one in asked_for(True)}
    assert made["flow.classified_trades"].note == NOTE
    classified = store.read("flow.classified_trades", SYMBOL, DAY)
    assert set(classified["rule"].to_pylist()) == {"quote_proxy"}
    n_quotes = store.read("raw.quotes", SYMBOL, DAY).num_rows
    assert 0 < n_quotes - len(classified) < 10  # those before the first move
    for name in ("flow.bars", "flow.footprint"):
        rows = store.read(name, SYMBOL, DAY)
        assert set(rows["clock"].to_pylist()) == {"quote_proxy:time:60s"}
    bars_of_day = store.read("flow.bars", SYMBOL, DAY)
    assert pc.sum(bars_of_day["volume_lots"]).as_py() == int(column(classified, "qty_lots").sum())
    for name in ("flow.volume_profile", "flow.events", "research.features"):
        assert not store.published(name, SYMBOL, DAY)
    assert store.read("raw.trades", SYMBOL, DAY).num_rows == 0


def test_pictures_and_the_report_carry_the_word(asked_for, store, monkeypatch):
    asked_for(True)
    known = runtime.instrument(SYMBOL)
    titles = []
    for name in ("footprint_png", "cvd_png"):
        draw = getattr(report, name)
        monkeypatch.setattr(
            report, name, lambda *a, draw=draw, **k: (titles.append(k["title"]), draw(*a, **k))[1]
        )
    for kind in ("footprint", "cvd"):
        assert draw_chart(store, known, DAY, kind, 4).startswith(b"\x89PNG")
    assert titles == ["EURUSD 2019-02-04 quote_proxy, no trades"] * 2
    page = render_report(report_data(store, runtime.open_tracking(), known))
    assert "<h1>EURUSD quote_proxy, no trades</h1>" in page
    assert NOTE in page
    assert "60 s quote_proxy" in page
    assert "Volume, quote_proxy units" in page
