"""Size and trades are conserved to the lot: footprints, bars, profiles, CVD and sweeps of real files.

Every file of recorded data is read here, or listed with the reason why it holds nothing to add up.
"""

import gzip
import os
import zlib
from collections import Counter
from fnmatch import fnmatchcase
from itertools import pairwise

import numpy as np
import pytest

from orderflow_core.bar_clocks import BAR_KINDS, BarClock, bar_index
from orderflow_core.bars import aggregate_bars
from orderflow_core.cvd_variants import (
    cumulative_count,
    cumulative_notional,
    cvd_by_bucket,
    size_bucket,
)
from orderflow_core.delta import continue_cumulative_delta, cumulative_delta, cvd_candles
from orderflow_core.flow_bars import continue_flow_bars, flow_bars
from orderflow_core.footprint import footprint
from orderflow_core.profile import composite_profile, volume_profile
from orderflow_core.sweeps import (
    assign_sweeps,
    continue_sweep_table,
    continue_sweeps,
    sweep_table,
)
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import TradeArrays
from tests.core.bar_cases import columns, same_bits
from tests.core.real_trade_files import COUNTS, DROPPED, LEFT_OUT, READERS, read

needs_kernels = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades for interpreted kernels"
)
every_file = pytest.mark.parametrize("path", READERS)
GRIDS = ((1, 0), (7, 3))  # ticks of a row, lowest tick of row 0
LOTS = {-1: "sell_lots", 0: "unsigned_lots", 1: "buy_lots"}
CELL_LOTS = {-1: "bid_lots", 0: "unsigned_lots", 1: "ask_lots"}
CELL_COUNTS = {-1: "n_bid", 0: "n_unsigned", 1: "n_ask"}
CHUNKED = (
    "binance_ws/hftbacktest/usdm/btcusdt_20240719.gz",
    "lean/future/comex/tick/gc/20131007_trade.zip",
    "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
    "trades_xrpusdt_ska/BTCUSDT_trades_dedup.parquet",
)


def signed(stream):
    """The trades of a stream with the venue's signs and, where some are unknown, with the tick rule's."""
    if len(stream) == 0:
        return  # a contract of which no print has a size
    sides = [stream.sign]
    if (stream.sign == 0).any():
        by_tick = tick_rule(stream.price_ticks)[0]
        sides.append(np.where(stream.sign == 0, by_tick, stream.sign))
    for sign in sides:
        yield TradeArrays(
            ts_event_ns=stream.ts_ns,
            trade_id=np.arange(len(stream)),
            price_ticks=stream.price_ticks,
            qty_lots=stream.qty_lots,
            sign=sign,
        )


def by_sign(trades):
    """Lots and number of trades by sign, as Python integers."""
    masks = {s: trades.sign == s for s in (-1, 0, 1)}
    lots = {s: sum(trades.qty_lots[mask].tolist()) for s, mask in masks.items()}
    return lots, {s: int(mask.sum()) for s, mask in masks.items()}


def clock_of(kind, trades):
    """A clock that cuts the trades into some 150 bars, of a range or delta into what comes about."""
    price, qty = trades.price_ticks, trades.qty_lots
    whole = {
        "time": int(trades.ts_event_ns[-1] - trades.ts_event_ns[0]),
        "count": len(trades),
        "volume": int(qty.sum()),
        "notional": int((price.astype(float) * qty).sum()),
        "delta": int(qty.sum()) // 4,
        "range": 10 * int(price.max() - price.min()),
    }[kind]
    return BarClock(kind=kind, size=whole // 150 + 1)


def sums_by_group(group, n_groups, values):
    found = np.zeros(n_groups, np.int64)
    np.add.at(found, group, values)
    return found


# -- every file -------------------------------------------------------------------------------------


def test_every_file_is_read_or_listed(test_data):
    files = {str(p.relative_to(test_data)) for p in test_data.rglob("*") if p.is_file()}
    listed = {pattern: {f for f in files if fnmatchcase(f, pattern)} for pattern in LEFT_OUT}
    assert [pattern for pattern, found in listed.items() if not found] == []
    left_out = set().union(*listed.values())
    assert left_out & set(READERS) == set()
    assert files == left_out | set(READERS)


@every_file
def test_counts_of_what_is_read_and_dropped(test_data, path):
    streams = read(test_data, path)
    assert (len(streams), sum(map(len, streams))) == COUNTS[path]
    dropped = sum((stream.dropped for stream in streams), Counter())
    assert dropped == DROPPED.get(path, {})


def test_the_damaged_archive_is_damaged(test_data):
    damaged = (test_data / "tardis/CORRUPT_tardis_trades.csv.gz").read_bytes()
    with pytest.raises(zlib.error):
        gzip.decompress(damaged)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("freqtrade/XRP_ETH-trades.feather", "freqtrade/XRP_ETH-trades.json.gz"),
        ("freqtrade/XRP_ETH-trades.feather", "freqtrade/XRP_OLD-trades.json.gz"),
        (
            "trades_xrpusdt_ska/XRPUSDT_trades.parquet",
            "trades_xrpusdt_ska/raw/binance_trades_20260314_141102.csv.gz",
        ),
        (
            "databento/dbn_test_data.tbbo.v3.dbn.zst",
            "databento/dbn_test_data.trades.v3.dbn.zst",
        ),
    ],
)
def test_files_of_the_same_trades_agree(test_data, one, other):
    (first,), (second,) = read(test_data, one), read(test_data, other)
    for name in ("ts_ns", "price_ticks", "qty_lots", "sign"):
        assert np.array_equal(getattr(first, name)[: len(second)], getattr(second, name)), name


# -- bars and footprints ------------------------------------------------------------------------------


@needs_kernels
@every_file
def test_footprints_bars_and_trades_add_up_to_the_same(test_data, path):
    for stream in read(test_data, path):
        for trades in signed(stream):
            for kind in BAR_KINDS:
                index = bar_index(clock_of(kind, trades), trades)
                bars = bars_of_trades(trades, index)
                for grid in GRIDS:
                    cells_of_bars(trades, index, bars, grid)


def bars_of_trades(trades, index):
    """The bars, once each of their columns is the sum of its trades and all of them that of the day."""
    first = index.first_idx
    assert first[0] == 0
    assert index.end_idx.tolist() == [*first[1:].tolist(), len(trades)]
    bars = aggregate_bars(trades.price_ticks, trades.qty_lots, trades.sign, index)
    lots, counts = by_sign(trades)
    n_unsigned = bars.n_trades - bars.n_buy - bars.n_sell
    n_by_sign = {-1: bars.n_sell, 0: n_unsigned, 1: bars.n_buy}
    for s, name in LOTS.items():
        qty = np.where(trades.sign == s, trades.qty_lots, 0)
        assert np.array_equal(getattr(bars, name), np.add.reduceat(qty, first)), name
        assert sum(getattr(bars, name).tolist()) == lots[s]
        assert sum(n_by_sign[s].tolist()) == counts[s]
    assert sum(bars.volume_lots.tolist()) == sum(lots.values())
    assert sum(bars.n_trades.tolist()) == len(trades)
    assert sum(bars.delta_lots.tolist()) == lots[1] - lots[-1]
    return bars


def cells_of_bars(trades, index, bars, grid):
    """Each bar's cells add up to the bar, and each row's cells to the row of the day's profile."""
    height, anchor = grid
    given = (trades.price_ticks, trades.qty_lots, trades.sign)
    cells = footprint(*given, index, ticks_per_row=height, anchor_tick=anchor)
    profile = volume_profile(*given, ticks_per_row=height, anchor_tick=anchor)
    bar = np.searchsorted(index.bar_id, cells.bar_id)
    row = np.searchsorted(profile.price_tick, cells.price_tick)
    assert ((cells.price_tick - anchor) % height == 0).all()
    assert np.array_equal(profile.price_tick[row], cells.price_tick)
    n_by_sign = {-1: bars.n_sell, 0: bars.n_trades - bars.n_buy - bars.n_sell, 1: bars.n_buy}
    for s, name in CELL_LOTS.items():
        lots = getattr(cells, name)
        assert np.array_equal(sums_by_group(bar, len(bars), lots), getattr(bars, LOTS[s]))
        assert np.array_equal(sums_by_group(row, len(profile), lots), getattr(profile, name))
        n = sums_by_group(bar, len(bars), getattr(cells, CELL_COUNTS[s]))
        assert np.array_equal(n, n_by_sign[s])
    last = np.searchsorted(bar, np.arange(len(bars)), side="right") - 1
    assert np.array_equal(
        (bars.high_ticks - anchor) // height * height + anchor, cells.price_tick[last]
    )


@needs_kernels
@every_file
def test_profile_rows_add_up_to_the_trades(test_data, path):
    for stream in read(test_data, path):
        for trades in signed(stream):
            lots, _ = by_sign(trades)
            for height, anchor in GRIDS:
                rows = volume_profile(
                    trades.price_ticks,
                    trades.qty_lots,
                    trades.sign,
                    ticks_per_row=height,
                    anchor_tick=anchor,
                )
                assert {s: sum(getattr(rows, CELL_LOTS[s]).tolist()) for s in lots} == lots
                assert sum(rows.volume_lots.tolist()) == sum(stream.qty_lots.tolist())


# -- running sums and sweeps ----------------------------------------------------------------------------


@needs_kernels
@every_file
def test_cvd_ends_at_the_delta_of_its_trades(test_data, path):
    for stream in read(test_data, path):
        for trades in signed(stream):
            (lots, counts), n = by_sign(trades), len(trades)
            delta, sign, qty = lots[1] - lots[-1], trades.sign, trades.qty_lots
            cvd = cumulative_delta(sign, qty, [0])
            assert cvd[-1] == delta
            starts = np.unique([0, n // 3, 2 * n // 3])
            ends = np.append(starts[1:], n) - 1
            assert sum(cumulative_delta(sign, qty, starts)[ends].tolist()) == delta
            assert cumulative_count(sign, [0])[-1] == counts[1] - counts[-1]
            notional = cumulative_notional(sign, trades.price_ticks, qty, [0])[-1]
            assert notional == sum((sign * trades.price_ticks * qty).tolist())
            for kind in BAR_KINDS:
                index = bar_index(clock_of(kind, trades), trades)
                bars = aggregate_bars(trades.price_ticks, qty, sign, index)
                opened, _, _, close = cvd_candles(bars, [0])
                assert np.array_equal(close, cvd[index.end_idx - 1])
                assert np.array_equal(opened[1:], close[:-1])


@needs_kernels
@every_file
def test_sweeps_and_their_buckets_add_up_to_the_trades(test_data, path):
    for stream in read(test_data, path):
        for trades in signed(stream):
            lots, counts = by_sign(trades)
            sweep = assign_sweeps(
                trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign
            )
            table = sweep_table(sweep, trades)
            for s in (-1, 0, 1):
                assert sum(table.qty_lots[table.sign == s].tolist()) == lots[s]
                assert sum(table.n_fills[table.sign == s].tolist()) == counts[s]
            edges = np.unique(np.quantile(table.qty_lots, (0.5, 0.9, 0.99)).astype(np.int64))
            bucket = size_bucket(table.qty_lots, edges)
            cvd = cvd_by_bucket(table.sign, table.qty_lots, bucket, len(edges) + 1, [0])
            in_bucket = sums_by_group(bucket, len(cvd), table.sign * table.qty_lots)
            assert np.array_equal(cvd[:, -1], in_bucket)
            of_trades = cumulative_delta(trades.sign, trades.qty_lots, [0])
            assert np.array_equal(cvd.sum(axis=0), of_trades[table.end_idx - 1])


# -- chunks -----------------------------------------------------------------------------------------------


def chunks(trades, seed):
    """Edges of chunks, some empty and some of a trade."""
    inner = np.random.default_rng(seed).integers(0, len(trades) + 1, 30)
    edges = np.unique([0, *inner, *(inner // 2), 1, 2, len(trades)])
    return list(pairwise(np.sort(np.append(edges, edges[::7])).tolist()))


def joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@needs_kernels
@pytest.mark.parametrize("path", CHUNKED)
def test_bars_in_chunks_are_the_bars_of_the_whole(test_data, path):
    trades = max(signed(max(read(test_data, path), key=len)), key=lambda one: one.sign.any())
    lots, _ = by_sign(trades)
    for seed, kind in enumerate(BAR_KINDS):
        clock, state, parts = clock_of(kind, trades), None, []
        for first, end in chunks(trades, seed):
            index, bars, state = continue_flow_bars(
                state, clock, trades.slice(first, end), ended=end == len(trades)
            )
            parts.append(columns(index) | columns(bars))
        index = bar_index(clock, trades)
        whole = flow_bars(
            trades.price_ticks, trades.qty_lots, trades.sign, index, session_start_idx=[0]
        )
        found = joined(parts)
        same_bits(found, columns(index) | columns(whole))
        assert {s: sum(found[name].tolist()) for s, name in LOTS.items()} == lots


@needs_kernels
@pytest.mark.parametrize("path", CHUNKED)
def test_sums_in_chunks_are_those_of_the_whole(test_data, path):
    trades = max(signed(max(read(test_data, path), key=len)), key=lambda one: one.sign.any())
    carried, sweeps, table, running, rows, profiles = 0, None, None, [], [], []
    for first, end in chunks(trades, 9):
        part = trades.slice(first, end)
        starts = [0] if end > first else []
        cvd, carried = continue_cumulative_delta(carried, part.sign, part.qty_lots, starts)
        ordinal, sweeps = continue_sweeps(
            sweeps, part.ts_event_ns, part.trade_id, part.price_ticks, part.sign
        )
        found, table = continue_sweep_table(table, ordinal, part, ended=end == len(trades))
        running.append(cvd)
        rows.append(columns(found))
        profiles.append(volume_profile(part.price_ticks, part.qty_lots, part.sign, ticks_per_row=1))
    whole = assign_sweeps(trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign)
    same_bits(joined(rows), columns(sweep_table(whole, trades)))
    assert np.array_equal(
        np.concatenate(running), cumulative_delta(trades.sign, trades.qty_lots, [0])
    )
    day = volume_profile(trades.price_ticks, trades.qty_lots, trades.sign, ticks_per_row=1)
    same_bits(columns(composite_profile(profiles, ticks_per_row=1)), columns(day))
