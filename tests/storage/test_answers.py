"""Answers equal what is computed from the raw rows: by pages, without them, and after publications."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from orchestration.arrays import QuoteProxyRefused, constant
from orchestration.defs.flow.tables import bars, footprint_cells, profile_rows
from orchestration.instruments import load_instruments
from orchestration.storage import pages
from orchestration.storage.answers import Answers, Flow, prepare
from orchestration.storage.postgres.engine import Postgres
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, NEXT_DAY, publish
from tests.storage.rows import sample_rows

DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
N_TRADES = 4_000
WITHOUT_CLOCK = [c.name for c in TABLES["flow.bars"].payload if c.name != "clock"]


@pytest.fixture(scope="session")
def store(each_store):
    """Every test here runs on the embedded store and on one behind HTTP."""
    return each_store


@pytest.fixture
def instrument(symbol):
    return replace(load_instruments()["BTCUSDT"], symbol=symbol)


def has_pages(store) -> bool:
    return not isinstance(store._engine, Postgres)


@pytest.fixture
def paged(store):
    """The store, where it has pages."""
    if not has_pages(store):
        pytest.skip("PostgreSQL has no pages")
    return store


def start_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_NS


def classified(day: date, seed: int, n: int = N_TRADES) -> pa.Table:
    """Trades of the first ten hours of a day but for the third, so that some pages have no bar."""
    rng = np.random.default_rng(seed)
    ts = np.sort(rng.integers(0, 10 * 60 * MINUTE_NS, n))
    ts = start_of(day) + ts[(ts < 120 * MINUTE_NS) | (ts >= 200 * MINUTE_NS)]
    n = len(ts)
    zero = np.zeros(n, np.int64)
    return pa.table(
        {
            "ts_event_ns": ts, "trade_id": np.arange(n) + 1,
            "price_ticks": 1_000 + np.cumsum(rng.integers(-1, 2, n)),
            "qty_lots": rng.integers(1, 50, n), "sign": rng.integers(-1, 2, n).astype(np.int8),
            "rule": constant("native", n), "sweep": np.arange(n), "bid_ticks": zero,
            "ask_ticks": zero, "bid_lots": zero, "ask_lots": zero,
            "has_quote": zero.astype(np.int8),
        }
    )  # fmt: skip


def day_tables(day: date, seed: int) -> dict[str, pa.Table]:
    trades = classified(day, seed)
    given = {"clock": "time:60s", "bar_seconds": 60}
    features = sample_rows(TABLES["research.features"], 50, seed)
    at = features.column_names.index("clock")
    return {
        "flow.classified_trades": trades,
        "flow.bars": bars(trades, TABLES["raw.gaps"].arrow_schema().empty_table(), **given),
        "flow.footprint": footprint_cells(trades, **given, ticks_per_row=1, min_lots=5),
        "flow.volume_profile": profile_rows(trades, ticks_per_row=2),
        "research.features": features.set_column(at, "clock", constant("sweep", 50)),
    }


def flow_of(trades: pa.Table, start: int, end: int) -> Flow:
    ts, qty, sign = (trades[name].to_numpy() for name in ("ts_event_ns", "qty_lots", "sign"))
    inside = (ts >= start) & (ts < end)
    return Flow(*(int(qty[inside & (sign == s)].sum()) for s in (1, -1, 0)))


def rows_between(rows: pa.Table, start: int, end: int) -> list[dict]:
    t0 = rows["t0_ns"].to_numpy()
    return rows.drop_columns(["clock"]).filter(pa.array((t0 >= start) & (t0 < end))).to_pylist()


@pytest.mark.parametrize("is_paged", [True, False])
def test_every_answer_is_the_raw_computation(store, symbol, instrument, is_paged):
    made = {day: day_tables(day, k) for k, day in enumerate((DAY, NEXT_DAY))}
    for day, tables in made.items():
        published = publish(store, symbol, tables, day=day)
        if is_paged:
            assert (prepare(store, published) > 0) == has_pages(store)
    whole = {name: pa.concat_tables([made[d][name] for d in made]) for name in made[DAY]}
    answers, opened = Answers(store, instrument), start_of(DAY)
    # The whole first hours, one minute, over an empty page, over midnight, without a bar, ragged.
    ranges = [
        (0, 100),
        (5, 6),
        (63, 65),
        (110, 260),
        (599, 1441),
        (1440, 1540),
        (700, 800),
        (0, 2880),
    ]
    for first, last in ranges:
        start, end = opened + first * MINUTE_NS, opened + last * MINUTE_NS
        assert answers.flow(start, end) == flow_of(whole["flow.classified_trades"], start, end)
        for name, ask in (("flow.bars", answers.bars), ("flow.footprint", answers.footprint)):
            found = ask(start, end)
            assert found.to_pylist() == rows_between(whole[name], start, end), (name, first, last)
        ragged = (start + 1, end + 12_345)
        assert answers.flow(*ragged) == flow_of(whole["flow.classified_trades"], *ragged)
        assert answers.bars(*ragged).to_pylist() == rows_between(whole["flow.bars"], *ragged)
    for day, tables in made.items():
        assert answers.profile(day).equals(tables["flow.volume_profile"].select(
            answers.profile(day).column_names).cast(answers.profile(day).schema))  # fmt: skip
    assert answers.profile(date(1999, 1, 1)).num_rows == 0
    newest = store.read("research.features", symbol, NEXT_DAY).slice(49)
    found = answers.newest_features()
    assert found.num_rows == 1
    for name in found.column_names:
        np.testing.assert_array_equal(found[name].to_numpy(), newest[name].to_numpy())
    assert answers.newest_features("no such clock").num_rows == 0


def test_pages_are_what_is_asked_for(paged, symbol, instrument, monkeypatch):
    store = paged
    published = publish(store, symbol, day_tables(DAY, 1))
    prepare(store, published)
    answers, opened = Answers(store, instrument), start_of(DAY)
    answers.flow(opened, opened + MINUTE_NS)  # what is published is known from here on
    answers.newest_features(), answers.profile(DAY), answers.footprint(opened, opened + 1)
    asked = []
    connection = store._engine.connection
    fetch, select = connection.fetch, connection.select
    monkeypatch.setattr(
        connection, "fetch", lambda sql, params: asked.append(sql) or fetch(sql, params)
    )
    monkeypatch.setattr(
        connection, "select", lambda *given: asked.append(given[0]) or select(*given)
    )
    answers.flow(opened, opened + MINUTE_NS)
    answers.footprint(opened, opened + 100 * MINUTE_NS)
    answers.profile(DAY)
    answers.newest_features()
    assert len(asked) == 4
    assert all("meta.answer_pages" in sql for sql in asked)


def test_answers_follow_publications(store, symbol, instrument):
    answers, opened = Answers(store, instrument), start_of(DAY)
    if store.path is None:
        answers._published._max_age_s = 0.0  # others may publish on a server: look each time
    minute = (opened, opened + MINUTE_NS)
    assert answers.flow(*minute) == Flow(0, 0, 0)
    assert answers.profile(DAY).num_rows == 0
    assert answers.newest_features().num_rows == 0
    for seed in (1, 2):
        tables = day_tables(DAY, seed)
        published = publish(store, symbol, tables, code_version=str(seed))
        expected = flow_of(tables["flow.classified_trades"], *minute)
        assert answers.flow(*minute) == expected
        prepare(store, published)
        assert answers.flow(*minute) == expected


def test_segments_are_answered_from_the_tables(store, symbol, instrument):
    tables = day_tables(DAY, 3)
    cut = 200
    for name, part in (("early", slice(0, cut)), ("late", slice(cut, None))):
        with store.publish(symbol, DAY, run_id="live", code_version="live") as publication:
            rows = tables["flow.bars"]
            length = len(rows) - cut if part.stop is None else cut
            publication.write("flow.bars", rows.slice(part.start, length), segment=name)
            assert prepare(store, publication.commit()) == 0
    opened = start_of(DAY)
    found = Answers(store, instrument).bars(opened, opened + DAY_NS)
    assert found.to_pylist() == rows_between(tables["flow.bars"], opened, opened + DAY_NS)


def test_figures_of_quotes_are_refused_unless_asked_for_by_name(store, symbol, instrument):
    trades = classified(DAY, 1)
    at = trades.column_names.index("rule")
    proxy = trades.set_column(at, "rule", constant("quote_proxy", len(trades)))
    publish(store, symbol, {"flow.classified_trades": proxy})
    opened = start_of(DAY)
    for end in (opened + MINUTE_NS, opened + DAY_NS):
        with pytest.raises(QuoteProxyRefused, match="nothing was traded"):
            Answers(store, instrument).flow(opened, end)
        by_name = Answers(store, instrument, clock="quote_proxy:time:60s")
        assert by_name.flow(opened, end) == flow_of(trades, opened, end)


def test_fill_stores_what_is_missing_and_vacuum_removes_what_is_stale(paged, symbol, instrument):
    store = paged
    publish(store, symbol, day_tables(DAY, 1))
    answers = Answers(store, instrument)
    n = answers.fill()
    assert n > 10
    assert answers.fill() == 0
    publish(store, symbol, day_tables(DAY, 2), code_version="2")
    assert Answers(store, instrument).fill() > 10
    known = {row.generation for row in store.published(symbol=symbol)}
    stored = "SELECT DISTINCT generation AS g FROM meta.answer_pages"
    replaced = {row.generation for row in store._manifest.rows(symbol=symbol)} - known
    assert replaced & set(store.query(stored)["g"].to_pylist())
    store.vacuum()
    left = set(store.query(stored)["g"].to_pylist())
    assert not replaced & left
    assert left & known


def test_a_page_comes_back_as_it_was_packed():
    rows = sample_rows(TABLES["research.features"], 300)
    rows = rows.select(pages.page_columns(TABLES["research.features"]))
    given = rows.cast(pages.page_schema("research.features"))
    again = pages.unpack(pages.pack(given.slice(7)))
    assert again.schema == given.schema
    for name in given.column_names:
        np.testing.assert_array_equal(again[name].to_numpy(), given[name].to_numpy()[7:])


def test_pages_of_other_columns_are_not_taken(paged, symbol, instrument, monkeypatch):
    store = paged
    tables = day_tables(DAY, 1)
    published = publish(store, symbol, tables)
    pack = pages.pack
    monkeypatch.setattr(
        pages,
        "pack",
        lambda rows: pack(
            rows.drop_columns(["sell_lots"] if "sell_lots" in rows.column_names else [])
        ),
    )
    prepare(store, published)
    opened = start_of(DAY)
    minute = (opened, opened + MINUTE_NS)
    answers = Answers(store, instrument)
    assert answers.flow(*minute) == flow_of(tables["flow.classified_trades"], *minute)
    assert answers.bars(*minute).to_pylist() == rows_between(tables["flow.bars"], *minute)
