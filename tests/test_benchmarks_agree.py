"""All contestants of each benchmark item arrive at the same answer: otherwise times say nothing."""

import json

import numpy as np
import pytest

from benchmarks.contest import OURS, Contestant, DisagreementError, agreed_runs
from benchmarks.data import SEED, Market, make_market
from benchmarks.items import ITEMS
from benchmarks.report import Result, best_peer, write
from benchmarks.timing import Timing, measure

N_ROWS = 20_000


@pytest.fixture(scope="module", params=[SEED, 7])
def market(request) -> Market:
    return make_market(N_ROWS, request.param)


@pytest.mark.parametrize("name", ITEMS)
def test_peers_agree(name: str, market: Market):
    contestants = ITEMS[name].entered(market)
    names = [found.name for found, _ in agreed_runs(name, contestants, lambda c: c.run())]
    assert names[0] == OURS
    assert len(names) > 1


def test_market_holds_the_cases_that_rules_differ_on(market: Market):
    trades, quotes = market.trades, market.quotes
    assert len(market.session_start_idx) == 2
    assert (np.diff(trades.ts_event_ns) == 0).mean() > 0.2
    assert 0.5 < (np.diff(trades.price_ticks) == 0).mean() < 0.7
    assert set(np.unique(trades.sign)) == {-1, 0, 1}
    assert (np.diff(quotes.ts_event_ns) == 0).any()
    assert np.isin(quotes.ts_event_ns, trades.ts_event_ns).any()
    assert (quotes.bid_ticks > quotes.ask_ticks).any()
    assert (quotes.bid_ticks == quotes.ask_ticks).any()
    assert trades.ts_event_ns[0] <= quotes.ts_event_ns[0]


def test_equal_seeds_make_equal_markets():
    one, other = make_market(500), make_market(500)
    assert (one.trades.price_ticks == other.trades.price_ticks).all()
    assert (one.quotes.bid_lots == other.quotes.bid_lots).all()


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"a": np.array([1, 3]), "b": np.array([0.5, np.nan])}, r"x, peer, a: 3 in place of 2"),
        ({"a": np.array([1, 2]), "b": np.array([0.5, 0.0])}, r"b: 0.0 in place of nan"),
        ({"a": np.array([1])}, r"columns \['a'\]"),
        ({"a": np.array([1]), "b": np.array([0.5, np.nan])}, r"a: shape \(1,\)"),
    ],
)
def test_disagreement_is_told(found, message):
    ours = {"a": np.array([1, 2]), "b": np.array([0.5, np.nan])}
    contestants = [
        Contestant(name=OURS, run=lambda: ours),
        Contestant(name="peer", run=lambda: found),
    ]
    with pytest.raises(DisagreementError, match=message):
        list(agreed_runs("x", contestants, lambda c: c.run()))


def test_slow_contestants_run_less_often():
    calls = []
    contestants = [
        Contestant(name="quick", run=lambda: calls.append("quick")),
        Contestant(name="slow", run=lambda: calls.append("slow")),
    ]
    timings = measure(contestants, {"quick": 1.0, "slow": 100.0}, min_runs=5)
    assert (timings["quick"].wanted, timings["slow"].wanted) == (5, 1)
    assert len(timings["quick"].counted) >= 5
    assert calls.count("slow") <= 2


def test_disturbed_runs_count_only_for_want_of_others():
    assert Timing(wanted=2, seconds=[1.0, 3.0], disturbed_s=[9.0]).median == 2.0
    assert Timing(wanted=2, seconds=[1.0], disturbed_s=[9.0]).is_disturbed


def test_report_holds_records_and_ratios(tmp_path):
    results = [
        Result(
            item="bars", peer=peer, rows=1_000, seconds_median=seconds, runs=5, peak_mb=1.5,
            is_disturbed=False, limit_s=0.0005, goal=10, work="bars",
        )
        for peer, seconds in ((OURS, 0.001), ("polars", 0.004), ("pandas", 0.009))
    ]  # fmt: skip
    assert best_peer(results, results[0]).peer == "polars"
    write(tmp_path, results, 2e10)
    records = json.loads((tmp_path / "results.json").read_text())
    assert records[1] == {
        "item": "bars", "peer": "polars", "rows": 1_000, "seconds_median": 0.004, "runs": 5,
        "peak_mb": 1.5,
    }  # fmt: skip
    row = "| bars | 1 | polars | 0.25 | 4.0x | 10x | 2.0x | 1.00x |"
    assert row in (tmp_path / "results.md").read_text()
