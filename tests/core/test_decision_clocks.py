"""Decision clocks: oracle, golden rows of the edges, contracts. Chunks: test_feature_chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.decision_clocks import bar_decisions, sweep_decisions, time_decisions
from orderflow_core.types import BarIndex
from tests.core.feature_streams import SECOND, drawn_streams
from tests.naive import decision_clocks as naive


def as_rows(found):
    return list(
        zip(found.t0_ns.tolist(), found.end_idx.tolist(), found.decision_id.tolist(), strict=True)
    )


def starts_of(stream):
    return {
        "session_start_idx": stream.session_start_idx.tolist(),
        "gap_idx": stream.gap_idx.tolist(),
        "session_ended": stream.session_ended,
    }


@given(drawn_streams())
def test_sweep_clock_agrees_with_the_obvious_loop(stream):
    columns = [
        stream.trades.ts_event_ns.tolist(),
        stream.trades.trade_id.tolist(),
        stream.sweep.tolist(),
    ]
    expected = naive.sweep_decisions(*columns, **starts_of(stream))
    found = sweep_decisions(*columns, **starts_of(stream))
    assert as_rows(found) == expected
    assert found.is_end_included


@given(drawn_streams(), st.sampled_from([1, 7 * SECOND, 60 * SECOND]), st.booleans())
def test_time_clock_agrees_with_the_obvious_loop(stream, interval, is_negative):
    ts = stream.trades.ts_event_ns - 10**18 - (100 * SECOND if is_negative else 0)
    if interval == 1:  # every nanosecond of a short stream
        ts = np.minimum.accumulate(ts[::-1] // SECOND)[::-1]
    columns = [ts.tolist(), stream.trades.trade_id.tolist()]
    rule = {"interval_ns": interval} | starts_of(stream)
    expected = naive.time_decisions(*columns, **rule)
    found = time_decisions(*columns, **rule)
    assert as_rows(found) == expected
    assert not found.is_end_included


def time_rows(ts, interval=10, sessions=(0,), gaps=(), ended=False):
    found = time_decisions(
        ts, list(range(len(ts))), interval_ns=interval, session_start_idx=sessions, gap_idx=gaps,
        session_ended=ended,
    )  # fmt: skip
    return list(zip(found.t0_ns.tolist(), found.end_idx.tolist(), strict=True))


def test_quiet_time_has_rows_and_a_trade_on_the_boundary_comes_after_it():
    # 10 knows the trade at 5; 20, 30 and 40 know no more; the trade at 40 proves 40 and is not in it.
    assert time_rows([5, 40]) == [(10, 1), (20, 1), (30, 1), (40, 1)]
    # A trade on a boundary opens the session: the first decision is the next boundary.
    assert time_rows([10, 20]) == [(20, 1)]


def test_the_end_of_a_session_proves_one_boundary():
    assert time_rows([5, 12], ended=True) == [(10, 1), (20, 2)]
    # A session start proves it, too, and no other, though the next session opens much later.
    assert time_rows([5, 12, 95], sessions=(0, 2)) == [(10, 1), (20, 2)]
    # It would lie after the first trade of the next session: not emitted.
    assert time_rows([5, 12, 15], sessions=(0, 2)) == [(10, 1)]


def test_a_gap_proves_nothing():
    # Nobody knows what came between 12 and 35.
    assert time_rows([5, 12, 35, 41], gaps=(2,)) == [(10, 1), (40, 3)]


def test_no_trades_no_decisions():
    assert time_rows([], sessions=()) == []
    assert time_rows([], sessions=(), ended=True) == []
    assert len(sweep_decisions([], [], [], session_start_idx=[], gap_idx=[])) == 0


def bars_of(t1, ends):
    first = [0, *ends[:-1]]
    return BarIndex(
        bar_id=np.arange(len(ends)), t0_ns=np.array(t1) - 10, t1_ns=np.array(t1),
        first_idx=np.array(first), end_idx=np.array(ends),
    )  # fmt: skip


def test_bars_decide_at_their_end_or_at_their_closing_trade():
    bars = bars_of([10, 20], [2, 3])
    timed = bar_decisions(bars, [1, 4, 11], [7, 8, 9], is_time=True)
    assert as_rows(timed) == [(10, 2, 8), (20, 3, 9)]
    assert not timed.is_end_included
    closed = bar_decisions(bars, [1, 4, 11], [7, 8, 9], is_time=False)
    assert as_rows(closed) == [(4, 2, 8), (11, 3, 9)]
    assert closed.is_end_included


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"interval_ns": 0}, ValueError, "interval_ns must be positive"),
        ({"interval_ns": 2**63 - 4}, ValueError, "interval_ns must not lead out of int64"),
        ({"ts_ns": [5, 4]}, ValueError, "ts_ns must be non-decreasing"),
        ({"ts_ns": [5.0, 6.0]}, TypeError, "ts_ns must hold integers"),
        ({"trade_id": [1]}, ValueError, "one length"),
        ({"gap_idx": [2]}, ValueError, "gap_idx must lie in 0..1"),
        (
            {"session_start_idx": [1, 0]},
            ValueError,
            "session_start_idx must be strictly increasing",
        ),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    arguments = {"ts_ns": [5, 6], "trade_id": [1, 2], "interval_ns": 10, "session_start_idx": [0]}
    with pytest.raises(error, match=message):
        time_decisions(**(arguments | {"gap_idx": []} | change))


def test_bars_outside_of_the_trades_are_refused():
    with pytest.raises(ValueError, match=r"bars.end_idx must lie in 1..1, got 2 to 2"):
        bar_decisions(bars_of([10], [2]), [1], [7], is_time=True)
