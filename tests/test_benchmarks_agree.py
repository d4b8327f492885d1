"""All contestants of each benchmark item arrive at the same answer: otherwise times say nothing."""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tclf_peer
from benchmarks.contest import OURS, Contestant, DisagreementError, Item, agreed_runs
from benchmarks.data import SEED, Market, make_market
from benchmarks.items import ITEMS
from benchmarks.peers import Chdb, chdb_columns, quote_columns, trade_columns
from benchmarks.report import LeftOut, Result, compared_peer, is_met, write
from benchmarks.run import too_slow
from benchmarks.tclf_peer import Worker
from benchmarks.timing import Timing, measure

N_ROWS = 20_000


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(N_ROWS)


@pytest.fixture(scope="module")
def own_process():
    """An embedded ClickHouse has one path a process, and this one may hold a store."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


def names_that_agree(name: str, seed: int) -> list[str]:
    contestants, _ = ITEMS[name].entered(make_market(N_ROWS, seed))
    return [found.name for found, _ in agreed_runs(name, contestants, lambda c: c.run())]


@pytest.fixture(scope="module")
def other_process():
    """A second one, for the item that opens a store: the peers' database is in the first."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("seed", [SEED, pytest.param(7, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", ITEMS)
def test_peers_agree(name: str, seed: int, own_process, other_process):
    process = other_process if name == "ingest_csv" else own_process
    names = process.submit(names_that_agree, name, seed).result()
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


def result(peer, seconds, *, rows=1_000, limit_goal=None):
    return Result(
        item="bars", peer=peer, rows=rows, seconds_median=seconds, runs=5, peak_mb=1.5,
        is_disturbed=False, limit_s=0.0005, goal=10, work="bars", limit_goal=limit_goal,
    )  # fmt: skip


def test_report_holds_records_and_ratios(tmp_path):
    results = [result(OURS, 0.001), result("polars", 0.004), result("pandas", 0.009)]
    assert compared_peer(results, results[0]).peer == "polars"
    absent = LeftOut(item="bars", peer="numpy", rows=1_000, why="above 500 rows it is slow")
    write(tmp_path, results, [absent], 2e10)
    records = json.loads((tmp_path / "results.json").read_text())
    assert records[1] == {
        "item": "bars", "peer": "polars", "rows": 1_000, "seconds_median": 0.004, "runs": 5,
        "peak_mb": 1.5,
    }  # fmt: skip
    row = "| bars | 1 | polars | 0.25 | 4.0x | 10x | 2.0x | no | 1.00x | 2 |"
    text = (tmp_path / "results.md").read_text()
    assert row in text
    assert "- numpy, 1,000 rows: above 500 rows it is slow." in text


def test_a_goal_counts_against_the_peer_that_it_names(tmp_path):
    ours = replace(result(OURS, 0.004), goal=0.7, goal_peer="chdb")
    frame, bare = result("polars", 0.001), result("chdb", 0.003)
    write(tmp_path, [ours, frame, bare], [], 2e10)
    row = "| bars | 0.25 | chdb | 0.333 | 0.75x | 0.7x | 8.0x | yes | 1.00x | 2 |"
    assert row in (tmp_path / "results.md").read_text()
    assert is_met(ours, compared_peer([ours, frame, bare], ours), None)
    write(tmp_path, [ours, frame], [], 2e10)  # the one that counts was left out
    row = "| bars | 0.25 | - | - | - | 0.7x | 8.0x | no | 1.00x | 2 |"
    assert row in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize(
    ("ours_s", "limit_goal", "met"),
    [(0.001, None, True), (0.0011, None, False), (0.001, 2.0, True), (0.001, 1.9, False)],
)
def test_a_goal_is_met_by_both_its_ratios(ours_s, limit_goal, met):
    # The peer takes 10 ms, the limit is 0.5 ms: ten times the peer, twice the limit.
    ours, peer = result(OURS, ours_s), result("polars", 0.01)
    assert is_met(ours, peer, limit_goal) is met
    assert not is_met(ours, None, None)


@pytest.mark.parametrize(("row_goal_us", "met"), [(1.0, True), (0.9, False)])
def test_a_cost_of_a_row_is_met_without_peers(row_goal_us, met):
    ours = replace(result(OURS, 0.001), goal=None, row_goal_us=row_goal_us)  # 1 us a row
    assert is_met(ours, None, None) is met


def test_peers_that_would_take_minutes_are_left_out_and_told():
    peers = [
        Contestant(name=OURS, run=dict),
        Contestant(name="small", run=dict, max_rows=10),
        Contestant(name="absent", run=dict, why_not="it could not be installed: no network"),
        Contestant(name="slow", run=dict),
    ]
    item = Item(name="x", work="x", goal=1, inputs=lambda _: [], contestants=lambda _: peers)
    seen = [result("slow", 20.0, rows=5), result("polars", 0.1, rows=5), result(OURS, 99.0, rows=5)]
    reasons = too_slow(seen, "bars", n_rows=20)
    entered, left_out = item.entered(range(20), reasons)
    assert [contestant.name for contestant in entered] == [OURS]
    assert left_out == {
        "small": "above 10 rows it would take minutes",
        "absent": "it could not be installed: no network",
        "slow": "20 s at 5 rows, so more than the cap of 60 s a run",
    }


TCLF = """
import numpy as np
class ClassicalClassifier:
    def __init__(self, layers, strategy):
        assert (layers, strategy) == ([("lr", "ex")], "const")
    def fit(self, frame):
        return self
    def predict(self, frame):
        return np.sign(2 * frame.trade_price - frame.bid_ex - frame.ask_ex).fillna(0)
"""


def test_a_peer_in_a_process_of_its_own_times_itself(market, tmp_path, monkeypatch):
    # A stand-in for tclf in this very interpreter: what travels there and back is the same.
    (tmp_path / "tclf").mkdir()
    (tmp_path / "tclf" / "classical_classifier.py").write_text(TCLF)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    trades, quotes = trade_columns(market), quote_columns(market)
    inputs = {name: trades[name] for name in ("ts_ns", "price_ticks")}
    inputs |= {name: quotes[name] for name in ("quote_ts_ns", "bid_ticks", "ask_ticks")}
    worker = Worker(Path(sys.executable), "lee_ready", inputs)
    found = worker.run()
    assert found.seconds > 0
    sign = worker.columns(found)["sign"]
    idx = np.searchsorted(inputs["quote_ts_ns"], inputs["ts_ns"], side="left") - 1
    mid2 = (inputs["bid_ticks"] + inputs["ask_ticks"])[idx]
    expected = np.where(idx < 0, 0, np.sign(2 * inputs["price_ticks"] - mid2))
    np.testing.assert_array_equal(sign, expected)
    timing = measure([Contestant(name="tclf", run=worker.run)], {"tclf": 1.0}, min_runs=1)["tclf"]
    assert 0 < timing.median < 60


def falling_numbers(n: int) -> np.ndarray:
    database = Chdb(trades={"price_ticks": np.arange(n)[::-1]})
    made = database.run(
        "SELECT arrayJoin(groupArray(price_ticks)) AS price_ticks FROM bench.trades "
        "SETTINGS max_threads = 1"
    )
    return chdb_columns(made)["price_ticks"]


def test_chdb_holds_the_tables_in_order(own_process):
    # Several blocks, which threads would hand on in any order.
    n = 300_000
    found = own_process.submit(falling_numbers, n).result()
    np.testing.assert_array_equal(found, np.arange(n)[::-1])


def test_an_environment_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tclf_peer, "ENVIRONMENTS", tmp_path)
    assert "was not run" in tclf_peer.reason_why_not()
    monkeypatch.setattr(tclf_peer, "_failure", lambda _: "no network")
    tclf_peer.install()
    (absent,) = tclf_peer.tclf_contestants("tick", {"price_ticks": np.arange(3)})
    assert absent.why_not == "it could not be installed: no network"
