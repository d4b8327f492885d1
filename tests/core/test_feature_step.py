"""A live stream's usual call is one kernel; whatever is unusual takes the way of any other chunk."""

from dataclasses import replace

import numpy as np
import pytest

from orderflow_core import features
from orderflow_core.features import continue_decision_features
from tests.core.feature_checks import assert_same_rows, build
from tests.core.feature_streams import call, seeded_stream

N = 200


def _fed(stream, change=None):
    """Feed trade by trade; ``change`` may make another chunk of each. Returns the matrices."""
    state, found = None, []
    for i in range(len(stream.trades)):
        one = stream.part(i, i + 1, ended=i + 1 == len(stream.trades))
        one = change(one) if change else one
        rows, state = call(continue_decision_features, one, state)
        found.append(rows)
    return found


def _values(matrices):
    return np.concatenate([m.values for m in matrices])


def test_most_calls_of_a_live_stream_are_one_step(monkeypatch):
    seen, checked = [], features.checked_chunk

    def counted(*given):
        seen.append(given)
        return checked(*given)

    monkeypatch.setattr(features, "checked_chunk", counted)
    _fed(seeded_stream(5, N))
    assert 0 < len(seen) < N // 2


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, sweep=one.sweep.tolist()),
        lambda one: replace(one, trades=replace(one.trades, sign=one.trades.sign.astype(np.int64))),
        lambda one: replace(
            one, at_trade=replace(one.at_trade, bid_lots=one.at_trade.bid_lots.tolist())
        ),
        lambda one: replace(one, ofi=replace(one.ofi, ofi_lots=one.ofi.ofi_lots.tolist())),
    ],
    ids=["sweep", "sign", "quotes", "book"],
)
def test_arrays_of_another_kind_give_the_same_rows(change):
    stream = seeded_stream(6, N)
    np.testing.assert_array_equal(_values(_fed(stream, change)), _values(_fed(stream)))


def test_without_quotes_and_book():
    stream = replace(seeded_stream(7, N), at_trade=None, ofi=None)
    np.testing.assert_array_equal(_values(_fed(stream)), build(stream).values)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("qty_lots", 0, "qty_lots"),
        ("qty_lots", 2**41, "at most"),
        ("price_ticks", 2**41, "price_ticks"),
        ("ts_event_ns", 0, "ts_event_ns"),
        ("trade_id", None, "trade_id"),
    ],
)
def test_a_faulty_trade_is_refused(column, value, message):
    stream = seeded_stream(8, 20)
    _, state = call(continue_decision_features, stream.part(0, 19), None)
    good = stream.part(19, 20)
    values = np.empty(0, np.int64) if value is None else np.array([value])
    bad = replace(good, trades=replace(good.trades, **{column: values}))
    with pytest.raises(ValueError, match=message):
        call(continue_decision_features, bad, state)


def test_sums_beyond_int64_are_refused():
    stream = seeded_stream(9, 20)
    _, state = call(continue_decision_features, stream.part(0, 19), None)
    state.total_lots = float(2**62)
    with pytest.raises(ValueError, match="add up"):
        call(continue_decision_features, stream.part(19, 20), state)


def test_a_step_gives_the_rows_of_the_whole():
    stream = seeded_stream(10, N)
    whole, parts = build(stream), _fed(stream)
    joined = replace(
        whole,
        t0_ns=np.concatenate([m.t0_ns for m in parts]),
        decision_id=np.concatenate([m.decision_id for m in parts]),
        values=_values(parts),
    )
    assert_same_rows(joined, whole, whole.names)
