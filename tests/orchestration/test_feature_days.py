"""Features of stored days, batch by batch: the rows of the days in one piece, in memory that stays.

``ORDERFLOW_SOAK_TRADES`` sets the number of trades of the memory test; it takes at most 10,000,000.
"""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.data import START_NS, make_market
from orchestration.arrays import constant
from orchestration.defs.features.tables import feature_settings, features
from orchestration.feature_days import feature_batches
from orchestration.instruments import load_instruments
from orderflow_core.alignment import quote_at_trade
from orderflow_core.sweeps import assign_sweeps
from tests.storage.conftest import DAY, NEXT_DAY, publish
from tests.storage.test_answers import DAY_NS, start_of

N = 6_000
N_SOAK = min(int(os.environ.get("ORDERFLOW_SOAK_TRADES", "120000")), 10_000_000)
SETTINGS = feature_settings(row_ticks=1, min_lots=5, bar_seconds=10, bucket_lots=2_000)
MB = 2**20
STATUS = Path("/proc/self/status")


def market_day(day, n: int, seed: int) -> dict[str, pa.Table]:
    """Classified trades, quotes and gaps of a day, of `make_market`."""
    market, shift = make_market(n, seed), start_of(day) - START_NS
    trades, quotes = market.trades, market.quotes
    met = quote_at_trade(trades.ts_event_ns, quotes)
    sweep = assign_sweeps(trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign)
    ts, n_quotes = trades.ts_event_ns + shift, len(quotes.ts_event_ns)
    keep = ts < start_of(day) + DAY_NS
    classified = pa.table(
        {
            "ts_event_ns": ts, "trade_id": trades.trade_id, "price_ticks": trades.price_ticks,
            "qty_lots": trades.qty_lots, "sign": trades.sign, "rule": constant("native", n),
            "sweep": sweep, "bid_ticks": met.bid_ticks, "ask_ticks": met.ask_ticks,
            "bid_lots": met.bid_lots, "ask_lots": met.ask_lots,
            "has_quote": met.is_known.astype(np.int8),
        }
    )  # fmt: skip
    stored_quotes = pa.table(
        {
            "ts_event_ns": quotes.ts_event_ns + shift, "ts_recv_ns": np.zeros(n_quotes, np.int64),
            "ts_source": np.zeros(n_quotes, np.int8), "quote_id": np.arange(n_quotes),
            "bid_ticks": quotes.bid_ticks, "bid_lots": quotes.bid_lots,
            "ask_ticks": quotes.ask_ticks, "ask_lots": quotes.ask_lots,
            "source": constant("test", n_quotes), "line": np.arange(n_quotes),
        }
    )  # fmt: skip
    assert keep.all()
    return {
        "flow.classified_trades": classified,
        "raw.quotes": stored_quotes,
        "raw.gaps": gaps_of(trades.trade_id, ts, seed),
    }


def gaps_of(trade_id: np.ndarray, ts: np.ndarray, seed: int) -> pa.Table:
    """Gaps between trades, within one time, by ids and by times, before the first and after the last."""
    rng = np.random.default_rng(seed)
    tied = rng.choice(np.flatnonzero(ts[1:] == ts[:-1]), 40, replace=False)
    apart = rng.choice(np.flatnonzero(ts[1:] > ts[:-1]), 10, replace=False)
    at = np.sort(np.concatenate([tied, apart]))
    start = np.concatenate([[ts[0] - 9], ts[at], [ts[-1] + 1]])
    end = np.concatenate([[ts[0] - 5], ts[at + 1], [ts[-1] + 2]])
    missing = np.concatenate([[0], trade_id[at] + 1, [0]])
    reasons = ["missing_ids" if k % 2 else "between_files" for k in range(len(start))]
    return pa.table(
        {
            "kind": constant("trades", len(start)), "start_ns": start, "end_ns": end,
            "first_missing_id": missing, "n_missing": np.ones(len(start), np.int64),
            "reason": pa.array(reasons).dictionary_encode(),
            "source": constant("test", len(start)),
        }
    )  # fmt: skip


@pytest.fixture
def instrument(request):
    return replace(load_instruments()["BTCUSDT"], symbol=request.node.name)


@pytest.mark.parametrize(("batch_rows", "n"), [(37, N // 4), (1_000, N), (2**17, N)])
@pytest.mark.parametrize("quotes", ["stamped", "received", "none"])
def test_batches_give_the_rows_of_the_days(store, instrument, batch_rows, n, quotes):
    expected = []
    for k, day in enumerate((DAY, NEXT_DAY)):
        tables = market_day(day, n, seed=k)
        if quotes == "none":
            tables["raw.quotes"] = tables["raw.quotes"].slice(0, 0)
            n_trades = len(tables["flow.classified_trades"])
            at = tables["flow.classified_trades"].column_names.index("has_quote")
            tables["flow.classified_trades"] = tables["flow.classified_trades"].set_column(
                at, "has_quote", pa.array(np.zeros(n_trades, np.int8))
            )
        if quotes == "received":
            n_quotes = len(tables["raw.quotes"])
            tables["raw.quotes"] = tables["raw.quotes"].set_column(
                2, "ts_source", pa.array(np.ones(n_quotes, np.int8))
            )
        publish(store, instrument.symbol, tables, day=day, unit="file")
        read = [
            store.read(name, instrument.symbol, day)
            for name in ("flow.classified_trades", "raw.gaps", "raw.quotes")
        ]
        expected.append(features(*read, settings=SETTINGS))
    made = list(
        feature_batches(
            store, instrument, start_of(DAY), start_of(NEXT_DAY) + 1,
            settings=SETTINGS, batch_rows=batch_rows,
        )
    )  # fmt: skip
    assert len(made) >= max(2, 2 * (n // (batch_rows + 200)))
    whole = pa.concat_tables(expected)
    np.testing.assert_array_equal(
        np.concatenate([m.t0_ns for m in made]), whole["t0_ns"].to_numpy()
    )
    values = np.concatenate([m.values for m in made])
    for position, name in enumerate(made[0].names):
        found, wanted = values[:, position], whole[name].to_numpy()
        np.testing.assert_array_equal(
            found.copy().view(np.int64), wanted.view(np.int64), err_msg=name
        )


@pytest.mark.soak
@pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells what memory is the process's own")
def test_memory_does_not_grow_with_the_days(store, instrument):
    n_days = 12
    a_day = N_SOAK // n_days
    base = market_day(DAY, a_day, seed=1)
    for k in range(n_days):
        day = DAY + timedelta(days=k)
        publish(
            store,
            instrument.symbol,
            {n: later(t, k) for n, t in base.items()},
            day=day,
            unit="file",
        )
    del base
    peaks, n_rows = [], 0
    end = start_of(DAY) + n_days * DAY_NS
    for matrix in feature_batches(
        store, instrument, start_of(DAY), end, settings=SETTINGS, batch_rows=2**14
    ):
        n_rows += len(matrix)
        peaks.append(own_bytes())
    third = len(peaks) // 3
    print(
        f"{n_days * a_day:,} trades, {n_rows:,} rows: at most {max(peaks[:third]) / MB:,.0f} MB in the "
        f"first third of the batches, {max(peaks[third:]) / MB:,.0f} MB after it"
    )
    assert n_rows > n_days * a_day // 3
    assert max(peaks[third:]) - max(peaks[:third]) < 64 * MB


def later(rows: pa.Table, k: int) -> pa.Table:
    """Return rows ``k`` days later."""
    for name in ("ts_event_ns", "start_ns", "end_ns"):
        if name in rows.column_names:
            moved = pa.array(rows[name].to_numpy() + k * DAY_NS)
            rows = rows.set_column(rows.column_names.index(name), name, moved)
    return rows


def own_bytes() -> int:
    """Return the process's own memory."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
