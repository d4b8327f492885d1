"""Tensors from the store: those of the trades themselves, in any pieces, with gaps that were recorded."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.footprint_days import (
    BAR_CLOCK,
    FIRST_DAY,
    TASK,
    day_rows,
    day_tables,
    market_trades,
    publish_days,
)
from models.footprint_batch import joined
from orchestration.arrays import bar_columns, column, constant, trade_arrays
from orchestration.footprint_batches import (
    day_footprint,
    footprint_days,
    read_footprint,
    with_windows,
)
from orchestration.instruments import load_instruments
from orchestration.storage.tables import TABLES
from orderflow_core.bar_clocks import BarClock, bar_index
from orderflow_core.footprint import footprint
from tests.storage.conftest import publish

N_TRADES = 18_000  # about 250 one-second bars a day


@pytest.fixture(scope="module")
def instrument():
    return replace(load_instruments()["BTCUSDT"], symbol="TENSORS")


@pytest.fixture(scope="module")
def days(store, instrument):
    return publish_days(store, instrument.symbol, 2, N_TRADES)


def source(store, instrument, days, **terms):
    return footprint_days(
        store, instrument, days, bar_clock=BAR_CLOCK, snapshot=store.snapshot(),
        **{"tasks": {"direction": TASK}} | terms,
    )  # fmt: skip


def obvious_rows(trades, t0_ns, centre):
    # Buys and sells of the last hundred seconds with a trade, straight from the trades.
    ts, price = column(trades, "ts_event_ns"), column(trades, "price_ticks")
    sign, qty = column(trades, "sign"), column(trades, "qty_lots")
    second = ts // 1_000_000_000
    before = ts < t0_ns
    chosen = np.unique(second[before])[-100:]
    rows = np.zeros((100, 20, 2), np.int64)
    for b, s in enumerate(chosen.tolist()):
        for i in np.flatnonzero(before & (second == s)).tolist():
            row = price[i] - centre + 10
            if 0 <= row < 20 and sign[i]:
                rows[b, row, 0 if sign[i] > 0 else 1] += qty[i]
    return rows


def test_stored_cells_give_the_tensors_of_the_trades(store, instrument, days):
    footprint = read_footprint(
        store, instrument, days[1], bar_clock=BAR_CLOCK, snapshot=store.snapshot()
    )
    trades = market_trades(N_TRADES, days[1], seed=1)
    labels = store.read("research.labels", instrument.symbol, days[1])
    t0 = column(labels, "t0_ns")
    bar = footprint.window_bar(t0)
    assert (bar[:99] == -1).all()  # no hundred bars yet
    assert (bar[99:] >= 99).all()
    chosen = np.array([99, 130, len(t0) - 1])
    tensors = footprint.tensors(bar[chosen])
    ts, price = column(trades, "ts_event_ns"), column(trades, "price_ticks")
    for w, i in enumerate(chosen.tolist()):
        centre = price[np.flatnonzero(ts < t0[i])[-1]]
        assert (tensors.lots[w] == obvious_rows(trades, t0[i], centre)).all()


@pytest.mark.parametrize(("kind", "size"), [("volume", 1_000), ("count", 60), ("range", 4)])
def test_windows_may_be_made_of_bars_that_trades_drive(kind, size):
    """The day job stores bars of time only; windows of other bars hold the trades of those."""
    trades = trade_arrays(market_trades(N_TRADES, FIRST_DAY, seed=4))
    index = bar_index(BarClock(kind=kind, size=size), trades)
    sign, qty, price = trades.sign, trades.qty_lots, trades.price_ticks
    gaps = pa.table({name: np.array([index.t1_ns[9]]) for name in ("start_ns", "end_ns")})
    day = day_footprint(
        footprint(price, qty, sign, index, ticks_per_row=1),
        pa.table(bar_columns(index) | {"close_ticks": price[index.end_idx - 1]}),
        gaps, session_start_ns=np.empty(0, np.int64), cell_ticks=1, ticks_per_row=1,
    )  # fmt: skip
    bar = day.window_bar(index.t1_ns)
    assert (bar[:109] == -1).all()  # after the gap a hundred bars must come
    chosen = bar[bar >= 0][[0, 3, -1]]
    for last, lots in zip(chosen.tolist(), day.tensors(chosen).lots, strict=True):
        want = np.zeros((100, 20, 2), np.int64)
        for b, k in enumerate(range(last - 99, last + 1)):
            own = slice(index.first_idx[k], index.end_idx[k])
            row = price[own] - price[index.end_idx[last] - 1] + 10
            for side, s in enumerate((1, -1)):
                is_seen = (sign[own] == s) & (row >= 0) & (row < 20)
                np.add.at(want, (b, row[is_seen], side), qty[own][is_seen])
        assert want.sum() > 0
        assert (lots == want).all()


def test_pieces_and_days_change_nothing(store, instrument, days):
    whole = joined(source(store, instrument, days).pieces())
    small = joined(source(store, instrument, days, piece=17).pieces())
    assert len(whole) > 200
    assert whole.rows.tobytes() == small.rows.tobytes()
    assert whole.beside.tobytes() == small.beside.tobytes()
    assert (whole.t0_ns == small.t0_ns).all()
    assert (np.diff(whole.t0_ns) > 0).all()
    assert set(np.unique(whole.target[:, 0])) <= {-1, 0, 1}
    again = joined(source(store, instrument, days[1:]).pieces())
    n = len(again)
    assert whole.rows[-n:].tobytes() == again.rows.tobytes()


def test_rows_of_a_data_set_carry_the_same_tensors(store, instrument, days):
    whole = joined(source(store, instrument, days).pieces())
    dataset = day_rows(store, instrument.symbol, days, 1, store.snapshot())
    found = with_windows(dataset, store, instrument, bar_clock=BAR_CLOCK, snapshot=store.snapshot())
    assert (found.t0_ns == whole.t0_ns).all()
    assert (found.label == whole.target[:, 0]).all()
    assert found.n_without_window == len(dataset) - len(found) > 0
    part = found.take(np.array([0, 5, len(found) - 1]))
    assert part.n_without_window == found.n_without_window
    rows, beside = part.windows.read()
    assert rows.tobytes() == whole.rows[[0, 5, -1]].tobytes()
    assert beside.tobytes() == whole.beside[[0, 5, -1]].tobytes()
    assert found.digest() != dataset.take(np.isin(dataset.t0_ns, found.t0_ns)).digest()
    with pytest.raises(ValueError, match="windows must be one a row"):
        replace(found, windows=part.windows)


def test_no_window_reaches_over_a_recorded_gap(store, instrument):
    day = FIRST_DAY + timedelta(days=40)
    trades = market_trades(N_TRADES, day, seed=9)
    ts = column(trades, "ts_event_ns")
    k = int(np.searchsorted(ts, ts[0] + 120 * 1_000_000_000))
    gap = {
        "kind": constant("trade", 1), "start_ns": ts[k - 1 : k], "end_ns": ts[k : k + 1],
        "first_missing_id": np.array([7]), "n_missing": np.array([3]),
        "reason": constant("missing_ids", 1), "source": constant("test", 1),
    }  # fmt: skip
    none = TABLES["raw.gaps"].arrow_schema().empty_table()
    symbol = replace(instrument, symbol="TENSORS.GAP")
    publish(store, symbol.symbol, day_tables(trades, none), day=day, unit="file")
    whole = joined(source(store, symbol, [day]).pieces())
    publish(store, symbol.symbol, day_tables(trades, pa.table(gap)), day=day, unit="file")
    parted = joined(source(store, symbol, [day]).pieces())
    kept = np.isin(whole.t0_ns, parted.t0_ns)
    assert whole.rows[kept].tobytes() == parted.rows.tobytes()
    lost = whole.t0_ns[~kept]
    # The bars that hold the trades on both sides are broken; then a hundred new ones must come.
    assert lost.min() > ts[k - 1]
    assert 99 <= len(lost) <= 103
    assert (np.diff(np.flatnonzero(~kept)) == 1).all()


def test_labels_of_several_tasks_are_joined_by_decision(store, instrument, days):
    day = FIRST_DAY + timedelta(days=50)
    none = TABLES["raw.gaps"].arrow_schema().empty_table()
    made = day_tables(market_trades(N_TRADES, day, seed=3), none)
    first = made["research.labels"]
    # A second task with later outcomes, unknown for two of three decisions, and one of its own.
    n, t0 = first.num_rows, column(first, "t0_ns")
    moved = np.where(np.arange(n) % 3 == 0, np.arange(n) % 2, np.nan).astype(np.float64)
    second = first.set_column(1, "task", constant("move_9s", n).cast(first["task"].type))
    second = second.set_column(3, "t1_ns", pa.array(column(first, "t1_ns") + 4_000_000_000))
    second = second.set_column(5, "label", pa.array(moved))
    made["research.labels"] = pa.concat_tables([first.slice(0, n - 1), second]).unify_dictionaries()
    symbol = replace(instrument, symbol="TENSORS.HEADS")
    publish(store, symbol.symbol, made, day=day, unit="file")
    tasks = {"direction": TASK, "move": "move_9s"}
    both = joined(source(store, symbol, [day], tasks=tasks).pieces())
    direction = joined(source(store, symbol, [day]).pieces())
    move = joined(source(store, symbol, [day], tasks={"move": "move_9s"}).pieces())
    for head, alone in ((0, direction), (1, move)):
        known = ~np.isnan(both.target[:, head])
        assert (both.t0_ns[known] == alone.t0_ns).all()
        assert (both.target[known, head] == alone.target[:, head]).all()
        assert both.rows[known].tobytes() == alone.rows.tobytes()
    assert np.isnan(both.target[:, 2:]).all()
    has_both = ~np.isnan(both.target[:, :2]).any(axis=1)
    assert 30 < has_both.sum() < len(both)
    assert (both.t1_ns[has_both] == move.t1_ns[np.isin(move.t0_ns, both.t0_ns[has_both])]).all()
    assert (np.diff(both.t0_ns) > 0).all()
    assert both.t0_ns.max() <= t0[-1]
