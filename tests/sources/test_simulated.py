"""The simulated venue: the same bytes for the same seed, every fault found, the truth beside the ticks."""

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from orchestration.sources.day_split import split_by_day
from orchestration.sources.files import read_file
from orchestration.sources.records import SourceError
from orchestration.sources.simulated import (
    FIRST_DAY,
    IDS_PER_DAY,
    SimulatedSettings,
    fetch,
    fetch_day,
    messages,
    parse_simulated,
    read,
    read_truth,
)
from orchestration.sources.simulated_feed import FeedSettings
from orderflow_core.instrument import EPOCH, Instrument
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.planted import PlantSettings
from orderflow_core.simulator import SimulatorSettings
from orderflow_core.types import QuoteArrays
from tests.sources.cases import column, reasons, require_whole, source_file
from tests.sources.fuzzing import N_MUTANTS, survey
from tests.sources.test_fuzz import records_of

MS = 1_000_000
SIM = Instrument(
    symbol="SIM", venue="simulated", venue_symbol="SIM", kind="future",
    price_step=Decimal("0.25"), tick_size=Decimal("0.25"), lot_step=Decimal(1),
    contract_value=Decimal(50), quote_currency="USD", day_rule="utc", max_id_step=1,
)  # fmt: skip
BUSY = PlantSettings(metaorders=500.0, icebergs=900.0, bursts=900.0, spoofs=1400.0)
SETTINGS = SimulatedSettings(seed=3, market=SimulatorSettings(duration_s=900.0, plant=BUSY))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    (path,) = fetch(SIM, tmp_path_factory.mktemp("sim"), SETTINGS)
    return path


@pytest.fixture(scope="module")
def batch(log):
    (found,) = read([log], SIM)
    require_whole(found)
    return found


def test_each_planted_fault_is_refused_for_its_reason_and_nothing_else_is(log, batch):
    truth, _ = read_truth(log)
    assert {f["line"]: f["reason"] for f in truth["faults"] if f["reason"]} == reasons(batch)
    kinds = [fault["kind"] for fault in truth["faults"]]
    n = SETTINGS.feed.n_faults
    expected = ("duplicate", "zero_size", "off_grid", "cut_short", "earlier_time", "missing")
    assert {kind: kinds.count(kind) for kind in expected} == dict.fromkeys(expected, n)
    assert kinds.count("conflict") == 2 * n  # both contents of one id
    crossed = batch.quotes["bid_ticks"].to_numpy() > batch.quotes["ask_ticks"].to_numpy()
    assert np.flatnonzero(crossed).tolist() == sorted(
        f["record_id"] - 1 for f in truth["faults"] if f["kind"] == "crossed"
    )


def test_each_hole_in_the_ids_is_a_fault_that_was_planted(log, batch):
    truth, by_trade = read_truth(log)
    lost = {f["record_id"] for f in truth["faults"]} - {
        f["record_id"] for f in truth["faults"] if f["kind"] in ("duplicate", "crossed")
    }
    assert column(batch.gaps, "first_missing_id") == sorted(lost)
    assert set(column(batch.gaps, "n_missing")) == {1}
    assert set(column(batch.trades, "trade_id")) | lost == set(column(by_trade, "trade_id"))


def test_the_truth_names_the_side_of_each_trade(log, batch):
    truth, by_trade = read_truth(log)
    at = np.searchsorted(by_trade["trade_id"].to_numpy(), batch.trades["trade_id"].to_numpy())
    ts, sign = by_trade["ts_event_ns"].to_numpy()[at], by_trade["sign"].to_numpy()[at]
    assert np.array_equal(batch.trades["native_sign"].to_numpy(), sign)
    assert np.array_equal(batch.trades["ts_event_ns"].to_numpy(), ts // MS * MS)
    n_episodes = len(truth["episodes"]["kind"])
    assert n_episodes > 10
    for name in ("taker_episode", "maker_episode"):
        assert 0 < by_trade[name].to_numpy().max() <= n_episodes
    assert truth["settings"]["seed"] == SETTINGS.seed


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(log, tmp_path):
    (again,) = fetch(SIM, tmp_path, SETTINGS)
    (other,) = fetch(SIM, tmp_path, replace(SETTINGS, seed=4))
    assert again.name == log.name
    for suffix in (".log.gz", ".truth.json", ".truth.parquet"):
        first, second = (
            path.with_name(path.name.replace(".log.gz", suffix)).read_bytes()
            for path in (log, again)
        )
        assert first == second
    assert other.read_bytes() != log.read_bytes()


def test_a_changed_file_of_the_cache_is_run_again(tmp_path):
    (path,) = fetch(SIM, tmp_path, SETTINGS)
    whole = path.read_bytes()
    written = path.stat().st_mtime_ns
    assert fetch(SIM, tmp_path, SETTINGS) == [path]
    assert path.stat().st_mtime_ns == written  # not run again
    path.write_bytes(whole[:-100])
    with pytest.raises(SourceError, match="changed"):
        read_truth(path)
    assert fetch(SIM, tmp_path, SETTINGS) == [path]
    assert path.read_bytes() == whole
    described = path.with_name(path.name.replace(".log.gz", ".truth.json"))
    for damage in ("{", "{}"):
        described.write_text(damage)
        fetch(SIM, tmp_path, SETTINGS)
        assert json.loads(described.read_text())["settings"]["seed"] == 3


def test_days_are_markets_of_their_own(tmp_path):
    days = (FIRST_DAY, date(2026, 1, 6))
    paths = fetch(SIM, tmp_path, replace(SETTINGS, days=days))
    batches = read(paths, SIM)
    assert [list(split_by_day(b, SIM)) for b in batches] == [[day] for day in days]
    for day, found in zip(days, batches, strict=True):
        number = (day - EPOCH).days
        assert column(found.trades, "trade_id")[0] == number * IDS_PER_DAY + 1
    assert column(batches[0].trades, "qty_lots")[:50] != column(batches[1].trades, "qty_lots")[:50]


def test_a_slow_clock_is_found_by_the_lag_sweep(tmp_path):
    feed = FeedSettings(has_quote_time=False, clock_behind_ms=50, n_faults=0)
    (path,) = fetch(SIM, tmp_path, replace(SETTINGS, feed=feed))
    (found,) = read([path], SIM)
    assert not found.quarantined
    assert set(column(found.quotes, "ts_source")) == {1}
    names = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    quotes = QuoteArrays(**{name: found.quotes[name].to_numpy() for name in names})
    ts, price, sign = (
        found.trades[n].to_numpy() for n in ("ts_event_ns", "price_ticks", "native_sign")
    )
    swept = lag_sweep(ts, price, quotes, sign, [ms * MS for ms in (0, 25, 50, 200, 1000)])
    assert swept.best_lag_ns == 50 * MS
    assert swept.accuracy[2] > 0.98
    # Only the trades after which the price moved meet a quote that gives them away.
    assert swept.accuracy[0] < swept.accuracy[2] - 0.03
    # The trade's receipt runs on the same clock.
    early = found.trades["ts_recv_ns"].to_numpy() - ts
    assert np.median(early) < 0


def test_the_live_stream_gives_the_lines_of_the_log(tmp_path):
    async def received():
        return [m async for m in messages(SIM, SETTINGS, cache_dir=tmp_path, speed=1e9)]

    found = asyncio.run(received())
    (path,) = fetch(SIM, tmp_path, SETTINGS)
    appended = b"".join(b"%d %s\n" % message for message in found)
    assert appended == gzip.decompress(path.read_bytes())
    assert parse_simulated(source_file(appended), SIM).offered == len(found)


GOOD = "1767225600012345678 T,SIM,1767225600007,7,5000.25,3,B"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD.replace("SIM", "SAM"), "malformed"),
        (GOOD.replace(",B", ",X"), "malformed"),
        (GOOD.replace(",B", ""), "malformed"),
        (GOOD.replace("1767225600007", ""), "malformed"),
        (GOOD.replace("1767225600007", "99999999999999999999"), "malformed"),
        (GOOD.replace("1767225600012345678", "1"), "malformed"),
        (GOOD.replace("5000.25", "5000.26"), "off_grid"),
        (GOOD.replace("5000.25", "abc"), "malformed"),
        (GOOD.replace(",3,", ",-3,"), "out_of_range"),
        (GOOD.replace(",7,", ",-7,"), "malformed"),
        (GOOD.replace(" T", " X"), "malformed"),
        (GOOD.replace("T,SIM", "Q,SIM"), "malformed"),
        ("garbage", "malformed"),
    ],
)
def test_a_damaged_line_is_one_offered_and_one_refused(line, reason):
    first, last = (GOOD.replace(",7,", f",{i},") for i in (6, 8))
    found = parse_simulated(source_file([first, line, last]), SIM)
    require_whole(found)
    assert reasons(found) == {2: reason}
    assert column(found.trades, "trade_id") == [6, 8]


def test_blank_lines_cut_ends_and_other_symbols():
    cut = parse_simulated(source_file(f"{GOOD}\n\n{GOOD.replace(',7,', ',8,')}"), SIM)
    require_whole(cut)
    assert reasons(cut) == {3: "truncated"}
    assert cut.other == {"blank": 1}
    with pytest.raises(SourceError, match="line 1 is of 'OTHER'"):
        parse_simulated(source_file([GOOD.replace("SIM", "OTHER")]), SIM)
    with pytest.raises(SourceError):
        parse_simulated(source_file("nothing of the kind\n"), SIM)


def test_too_many_faults_for_the_market_are_refused(tmp_path):
    small = replace(SETTINGS, market=replace(SETTINGS.market, duration_s=20.0))
    with pytest.raises(SourceError, match="n_faults"):
        fetch_day(SIM, FIRST_DAY, cache_dir=tmp_path, settings=small)
    wild = replace(SETTINGS, market=replace(SETTINGS.market, same_side=2.0))
    with pytest.raises(SourceError, match="radius"):
        fetch_day(SIM, FIRST_DAY, cache_dir=tmp_path, settings=wild)


def sound_lines(log) -> bytes:
    faulty = {fault["line"] for fault in read_truth(log)[0]["faults"]}
    lines = read_file(log).data.splitlines(keepends=True)
    return b"".join(line for n, line in enumerate(lines[:4000], 1) if n not in faulty)


def test_mutants_lose_nothing(log):
    data = b"".join(sound_lines(log).splitlines(keepends=True)[1000:1060])
    assert parse_simulated(source_file(data), SIM).quarantined == 0
    before = records_of(parse_simulated(source_file(data), SIM))
    found = survey(
        "simulated", data, lambda mutant: parse_simulated(source_file(mutant), SIM), SIM,
        n=N_MUTANTS, seed=9,
    )  # fmt: skip
    assert found.read > 0.9 * N_MUTANTS
    rng = np.random.default_rng(10)
    for _ in range(N_MUTANTS // 4):
        at, byte = int(rng.integers(len(data))), bytes([int(rng.integers(256))])
        if b"\n" not in (data[at : at + 1], byte):
            one = parse_simulated(source_file(data[:at] + byte + data[at + 1 :]), SIM)
            assert records_of(one) == before  # stored or refused: no line is nothing
