"""Labels of recorded trades against a search, row by row, of the price at the decision and at the outcome."""

from bisect import bisect_right

import numpy as np
import pytest

from orderflow_core.labels import direction_labels, return_labels
from orderflow_core.sweeps import assign_sweeps, sweep_bounds
from tests.core.real_trade_files import read

SECOND = 10**9
N_SWEEPS = 20


@pytest.mark.parametrize(
    "path",
    [
        "binance_ws/hftbacktest/usdm/btcusdt_20240719.gz",
        "lean/future/comex/tick/gc/20131007_trade.zip",
    ],
)
def test_labels_of_recorded_trades_equal_a_search(test_data, path):
    stream = max(read(test_data, path), key=len)  # of the sessions of a file the longest
    ts, price = stream.ts_ns, stream.price_ticks
    _, end = sweep_bounds(assign_sweeps(ts, np.arange(len(ts)), price, stream.sign))
    t0, none = ts[end - 1], np.empty(0, np.int64)
    known = {
        "session_end_ns": int(ts[-1]) + 1, "gap_start_ns": none, "known_until_ns": int(ts[-1]),
    }  # fmt: skip
    returns = return_labels(t0, ts, 2 * price, horizon_ns=SECOND, **known)
    directions = direction_labels(t0, ts, 2 * price, horizon_sweeps=N_SWEEPS, **known)
    times, prices, last = ts.tolist(), price.tolist(), int(ts[-1])

    def price_at(time):
        return prices[bisect_right(times, time) - 1]

    for row, time in enumerate(t0.tolist()):
        before, due = price_at(time), time + SECOND
        if due > last:
            assert np.isnan(returns.label[row])
        else:
            assert returns.t1_ns[row] == due
            wanted = 1e4 * (price_at(due) - before) / before
            assert returns.label[row] == pytest.approx(wanted, rel=1e-12)
        if row + N_SWEEPS >= len(t0):
            assert np.isnan(directions.label[row])
        else:
            later = int(t0[row + N_SWEEPS])
            assert directions.t1_ns[row] == later
            assert directions.label[row] == np.sign(price_at(later) - before)
    assert np.count_nonzero(~np.isnan(returns.label)) > 500
