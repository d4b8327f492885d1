"""The store that answers are timed on holds the first day again and again, and both ways to ask agree."""

from datetime import timedelta

import numpy as np

from benchmarks.data import DAY_NS
from benchmarks.stored_answers import FEATURES, SMALL, asking, questions, require_equal
from benchmarks.stored_days import FIRST_DAY, SYMBOL, publish_first_day, replicate, settle

N_DAYS = 8


def test_replicated_days_are_the_first_one_later(store):
    publish_first_day(store, 3_000)
    replicate(store, range(1, N_DAYS), SMALL)
    replicate(store, range(N_DAYS - 1, N_DAYS), [FEATURES])
    settle(store)
    last = FIRST_DAY + timedelta(days=N_DAYS - 1)
    for name in (*SMALL, FEATURES):
        first, again = (store.read(name, SYMBOL, day) for day in (FIRST_DAY, last))
        time = next((n for n in ("ts_event_ns", "t0_ns") if n in first.column_names), None)
        if time is not None:
            moved = first[time].to_numpy() + (N_DAYS - 1) * DAY_NS
            np.testing.assert_array_equal(again[time].to_numpy(), moved)
        same = [
            n for n in ("qty_lots", "volume_lots", "bid_lots", "vpin") if n in again.column_names
        ]
        for column in same:
            np.testing.assert_array_equal(again[column].to_numpy(), first[column].to_numpy())
    assert len(store.days("flow.bars", SYMBOL)) == N_DAYS
    assert asking(store).fill() > N_DAYS
    require_equal(store)
    asked = questions(store, asking(store), seed=1)
    assert asked["newest features"]()["t0_ns"][0].as_py() > (N_DAYS - 1) * DAY_NS
    assert len(asked["footprint of 100 bars"]()) > 0
