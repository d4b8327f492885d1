"""The gaps of a day, found anew from the ends of the days beside it, are those of all their trades."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from orchestration.day_gaps import DAY_UNIT, renewed_gaps
from orchestration.ingest import ingest
from orchestration.instruments import load_instruments
from orchestration.sources.day_split import clip_gaps
from orchestration.sources.fill_ids import fill_ends
from orchestration.sources.id_gaps import trade_gaps
from orchestration.sources.records import TRADES, gaps_table, make_batch, table
from orderflow_core.instrument import EPOCH

DAY_0 = EPOCH + timedelta(days=20_000)
DAY_NS = 86_400 * 10**9
START_NS = 20_000 * DAY_NS
TIMES = [
    0,
    0,
    1,
    5,
    DAY_NS - 2,
    DAY_NS - 1,
]  # of a day; the first two and the last lie on its edges
N_DAYS = 4


def market(seed, *, is_aggregated):
    """Rows of four days, some lost: at midnight, within a day, a whole day."""
    rng = np.random.default_rng(seed)
    ts = START_NS + np.concatenate([d * DAY_NS + np.array(TIMES) for d in range(N_DAYS)])
    ids = 1000 + np.cumsum(rng.choice([1, 1, 4], len(ts)))
    first = 5000 + np.cumsum(rng.choice([2, 2, 7], len(ts))) if is_aggregated else None
    kept = rng.random(len(ts)) < 0.7
    if rng.random() < 0.3:
        kept &= (ts - START_NS) // DAY_NS != rng.integers(N_DAYS)
    venue_id = [f"{f}-{f + 1}" if is_aggregated else "" for f in (first if is_aggregated else ids)]
    columns = {
        "ts_event_ns": ts, "ts_recv_ns": ts, "trade_id": ids, "venue_id": venue_id,
        "price_ticks": ids, "qty_lots": np.ones_like(ids), "native_sign": np.ones_like(ids),
        "is_market": np.ones_like(ids), "is_outside_session": np.zeros_like(ids),
        "line": np.arange(len(ts)) + 1,
    }  # fmt: skip
    return {name: np.asarray(values)[kept] for name, values in columns.items()}


def batch_of(columns, chosen, known, unit):
    rows = {name: values[chosen] for name, values in columns.items()}
    rows["venue_id"] = rows["venue_id"].tolist()
    n = int(np.count_nonzero(chosen))
    trades = table(TRADES, {**rows, "source": "test", "unit": unit}, n)
    return make_batch(
        path=unit, instrument=known, source="test", unit=unit, n_lines=n, trades=trades
    )


def expected_gaps(columns, known, day):
    """The holes between all trades of all days, cut at the day's borders."""
    rows = {name: columns[name] for name in ("trade_id", "ts_event_ns")}
    venue_id = table(
        TRADES,
        {**columns, "venue_id": columns["venue_id"].tolist(), "source": "", "unit": ""},
        len(rows["trade_id"]),
    )["venue_id"]
    rows["first_id"], rows["last_id"] = fill_ends(venue_id.combine_chunks())
    gaps = gaps_table(trade_gaps(rows, 1, 1), DAY_UNIT, DAY_UNIT)
    return contents(clip_gaps(gaps, *known.trading_day_window(day)))


def contents(gaps):
    return sorted(tuple(row.values()) for row in gaps.to_pylist())


@pytest.mark.parametrize("is_aggregated", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_gaps_are_those_of_all_trades_in_whatever_order_the_days_come(store, seed, is_aggregated):
    columns = market(seed, is_aggregated=is_aggregated)
    day_of = (columns["ts_event_ns"] - START_NS) // DAY_NS
    order = np.random.default_rng(seed).permutation(N_DAYS)
    known = replace(load_instruments()["BTCUSDT.SPOT"], symbol=f"day gaps {seed} {is_aggregated}")
    assert known.max_id_step == 1
    for d in order.tolist():
        if (day_of == d).any():
            batch = batch_of(columns, day_of == d, known, f"unit {d}")
            ingest(store, [batch], known, run_id="test")
    n_gaps = 0
    for d in np.unique(day_of).tolist():
        day = DAY_0 + timedelta(days=d)
        wanted = expected_gaps(columns, known, day)
        published = store.read("raw.gaps", known.symbol, day).select(
            renewed_gaps(store, known, day).column_names
        )
        assert contents(published) == wanted, day
        assert contents(renewed_gaps(store, known, day)) == wanted, day
        n_gaps += len(wanted)
    assert n_gaps
