"""Flow and features of a growing day: any chunks give the rows of the day's batch run, bit for bit."""

import dataclasses
import itertools
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from orchestration.config import Settings
from orchestration.defs.publishing import Draft, equals_live
from orchestration.live.flow_day import FlowDay, FlowSettings, NotInOrder
from orchestration.live.flow_segments import FlowSegments, agreement, whole_day
from orchestration.live.published import TABLES
from orchestration.live.raw_segments import RawSegments
from orchestration.sources.kinetick.bridge_log import parse_bridge_log
from orchestration.sources.records import Gap, gaps_table
from tests.live.market import FIRST, T0_NS, bridge_log, bridge_ticks
from tests.sources.cases import ES, source_file

DAY = date(2025, 3, 19)
SETTINGS = FlowSettings.of(Settings(bar_seconds=5, vpin_bucket_lots=50), ES, 100)


@pytest.fixture(scope="module")
def raw():
    batch = parse_bridge_log(source_file(bridge_log(bridge_ticks(1500, seed=3))), ES)
    ts = batch.trades["ts_event_ns"].to_numpy()
    holes = [
        Gap(kind=kind, start_ns=int(ts[i]), end_ns=int(ts[i + 1]), first_missing_id=0,
            n_missing=0, reason="reconnect")
        for kind, i in (("trade", 200), ("quote", 400))
    ]  # fmt: skip
    return batch.trades, batch.quotes, gaps_table(holes, "kinetick", "unit")


def cut(rows, limits):
    ts = rows["ts_event_ns"].to_numpy()
    edges = [0, *np.searchsorted(ts, limits, side="right").tolist(), len(rows)]
    return [rows.slice(a, b - a) for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("seed", range(3))
def test_chunks_give_the_batch_rows(raw, seed):
    trades, quotes, gaps = raw
    rng = np.random.default_rng(seed)
    last = int(trades["ts_event_ns"].to_numpy()[-1])
    limits = np.sort(rng.integers(T0_NS, last, 25))
    expected = whole_day(trades, quotes, gaps, ES, SETTINGS)
    day = FlowDay(instrument=ES, settings=SETTINGS)
    made = []
    known = gaps["end_ns"].to_numpy()
    for limit, some, book in zip(
        [*limits, last], cut(trades, limits), cut(quotes, limits), strict=True
    ):
        made.append(day.extend(some, book, gaps.filter(pa.array(known <= limit))))
    made.append(day.extend(trades.slice(0, 0), quotes.slice(0, 0), gaps, ended=True))
    for name in TABLES:
        found = pa.concat_tables([m[name] for m in made]).unify_dictionaries()
        for column in expected[name].column_names:
            a, b = (
                t[column].combine_chunks().to_numpy(zero_copy_only=False)
                for t in (found, expected[name])
            )
            same = a.tobytes() == b.tobytes() if a.dtype != object else a.tolist() == b.tolist()
            assert same, (name, column)
    assert day.n_trades == len(trades)


def test_a_trade_that_comes_too_late_is_not_put_anywhere(raw):
    trades, quotes, gaps = raw
    day = FlowDay(instrument=ES, settings=SETTINGS)
    none = gaps.slice(0, 0)
    day.extend(trades.slice(100, 300), quotes.slice(0, 400), none)
    with pytest.raises(NotInOrder):
        day.extend(trades.slice(0, 1), quotes.slice(0, 0), none)


def test_a_gap_of_the_past_makes_the_day_anew(raw):
    trades, quotes, gaps = raw
    day = FlowDay(instrument=ES, settings=SETTINGS)
    day.extend(trades.slice(0, 400), quotes.slice(0, 400), gaps.slice(0, 0))
    with pytest.raises(NotInOrder, match="gaps"):
        day.extend(trades.slice(400, 10), quotes.slice(0, 0), gaps)


def test_segments_stand_beside_each_other_and_agree_with_the_batch_run(store, request):
    known = dataclasses.replace(ES, symbol=request.node.name)
    ticks = bridge_ticks(900, seed=5)
    raw = RawSegments(store=store, instrument=known, run_id="test")
    flow = FlowSegments(store=store, instrument=known, settings=SETTINGS, run_id="test")
    raw.derive = flow.rows_of
    # The fourth part comes before the third: a repaired gap.
    for first, end in ((0, 200), (200, 400), (600, 900), (400, 600)):
        take(raw, flow, ticks[first:end], f"live-{first}")
        if first == 600:
            rows = store.published("research.features", known.symbol, DAY)
            assert [row.unit for row in rows] == ["", "live-200", "live-600"]
    flow.finish()
    assert agreement(store, known, DAY, SETTINGS) == dict.fromkeys(TABLES, True)
    assert flow.n_anew >= 2
    draft = Draft(symbol=known.symbol, day=DAY, code_version="9", tables={}, started=0.0)
    digest = store.content_hash("research.features", known.symbol, DAY)
    assert equals_live(store, draft, "research.features", digest).passed
    assert not equals_live(store, draft, "research.features", "another").passed
    assert not [p for p in store.verify() if p.symbol == known.symbol]
    with store.publish(known.symbol, DAY, run_id="batch", code_version="9") as publication:
        publication.write("research.features", store.read("research.features", known.symbol, DAY)
                          .drop_columns(["symbol", "trading_day"]))  # fmt: skip
        publication.commit()
    (whole,) = store.published("research.features", known.symbol, DAY)
    assert whole.unit == ""
    # Nothing is left of the session to compare with.
    assert equals_live(store, draft, "research.features", "another").passed


def test_a_new_day_closes_the_one_before(store, request):
    known = dataclasses.replace(ES, symbol=request.node.name)
    raw = RawSegments(store=store, instrument=known, run_id="test")
    flow = FlowSegments(store=store, instrument=known, settings=SETTINGS, run_id="test")
    raw.derive = flow.rows_of
    take(raw, flow, bridge_ticks(300, seed=6), "live-1")
    next_day = bridge_ticks(50, seed=7, first=FIRST + 300, start_ns=T0_NS + 86_400 * 10**9)
    take(raw, flow, next_day, "live-2")
    assert agreement(store, known, DAY, SETTINGS) == dict.fromkeys(TABLES, True)


def take(raw, flow, ticks, unit):
    batch = parse_bridge_log(source_file(bridge_log(ticks)), raw.instrument)
    names = ("trades", "quotes", "gaps", "quarantine")
    batch = dataclasses.replace(
        batch, unit=unit, **{name: with_unit(getattr(batch, name), unit) for name in names}
    )
    for stored in raw.publish([batch]):
        flow.catch_up(stored)


def with_unit(rows, unit):
    at = rows.schema.get_field_index("unit")
    codes = pa.array(np.zeros(len(rows), np.int32))
    column = pa.DictionaryArray.from_arrays(codes, pa.array([unit]))
    return rows.set_column(at, rows.schema.field("unit"), column)
