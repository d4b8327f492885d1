"""Touches of levels: oracle, no look-ahead, labels, golden cases, random levels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core import level_touches as module
from orderflow_core.bars import time_bar_index
from orderflow_core.developing import developing_levels
from orderflow_core.footprint import footprint
from orderflow_core.imbalance_presets import ATAS_STACKED_IMBALANCE
from orderflow_core.labels_levels import hold_labels, random_levels
from orderflow_core.level_features import LEVEL_FEATURES, LEVEL_NAMES, level_features
from orderflow_core.level_touches import HoldRule, level_touches
from orderflow_core.live_levels import LevelKind, LevelRules, LiveLevels, live_levels
from orderflow_core.price_absorption import PriceAbsorptionRule
from orderflow_core.types import TradeArrays
from tests.naive import level_touches as naive

RULE = HoldRule(turn_ticks=3, pass_ticks=2, horizon_ns=9)
LOOP = {"turn": 3, "passage": 2, "horizon": 9}


@st.composite
def cases(draw):
    price = np.cumsum(draw(st.lists(st.integers(-2, 2), min_size=2, max_size=60)))
    ts = np.cumsum(draw(st.lists(st.integers(0, 3), min_size=len(price), max_size=len(price))))
    n = len(price)
    span = st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted)
    edges = st.tuples(st.integers(-5, 5), st.integers(0, 2)).map(lambda e: (e[0], e[0] + e[1]))
    levels = draw(st.lists(st.tuples(edges, span), max_size=5))
    columns = np.array([(*e, *s) for e, s in levels], np.int64).reshape(-1, 4).T
    return price, ts, columns


def found_rows(found):
    columns = (found.level_idx, found.touch_idx, found.side, found.n_earlier, found.n_turned, found.farthest_ticks)  # fmt: skip
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(cases(), st.sampled_from([2, 256]))
def test_touches_agree_with_the_obvious_loop(case, block):
    price, ts, levels = case
    whole, module._BLOCK = module._BLOCK, block
    try:
        got = level_touches(price, ts, *levels, rule=RULE)
    finally:
        module._BLOCK = whole
    expected = [
        (k, *row)
        for k, level in enumerate(levels.T.tolist())
        for row in naive.level_touches(price.tolist(), ts.tolist(), *level, **LOOP)
    ]
    assert found_rows(got) == sorted(expected, key=lambda row: (row[1], row[0]))


def levels_of(edges, lives, kinds=None):
    low, high = np.array(edges, np.int64).reshape(-1, 2).T
    first, end = np.array(lives, np.int64).reshape(-1, 2).T
    n = len(low)
    return LiveLevels(
        kind=np.full(n, 1) if kinds is None else np.array(kinds),
        low_tick=low, high_tick=high, sign=np.ones(n, np.int64), first_idx=first, end_idx=end,
    )  # fmt: skip


@given(cases(), st.data())
def test_labels_agree_with_the_obvious_loop(case, data):
    price, ts, columns = case
    n = len(price)
    cut = data.draw(st.integers(1, n - 1))
    starts = data.draw(st.sampled_from([[0], [0, cut]]))
    # Lives end with the stretch that they begin in.
    low, high, first, end = columns
    end = np.where((len(starts) > 1) & (first < cut), np.minimum(end, cut), end)
    levels = levels_of(np.stack([low, high], 1), np.stack([first, end], 1))
    touches = level_touches(price, ts, low, high, first, end, rule=RULE)
    ends = np.minimum(touches.touch_idx + 1 + data.draw(st.integers(0, 2)), n)
    got = hold_labels(price, ts, levels, touches, ends, start_idx=starts, rule=RULE)
    for i, (k, touch) in enumerate(zip(touches.level_idx, touches.touch_idx, strict=True)):
        over = cut if len(starts) > 1 and touch < cut else n
        expected = naive.hold_labels(
            price.tolist(), ts.tolist(), low[k], high[k], int(touch), over, **LOOP
        )
        assert (None if np.isnan(got.label[i]) else got.label[i]) == expected
        assert got.t0_ns[i] == ts[ends[i] - 1] <= got.t1_ns[i]
        assert got.is_open[i] or price[touch : ends[i]].tolist()
        if got.outcome[i]:
            assert (got.label[i] == 1) == (got.outcome[i] > 0)


@pytest.mark.parametrize(
    ("price", "end", "label", "outcome", "is_open"),
    [
        # Row 100 from above: a turn needs 103, a passage 98; a trade each 5 ns, 9 ns of time.
        ([102, 100, 103, 103, 103], 2, 1.0, 1, True),
        ([102, 100, 98, 103, 103], 2, 0.0, -1, True),
        ([102, 100, 101, 103, 103], 2, 0.0, 0, True),  # too late
        ([102, 98, 103, 103, 103], 2, 0.0, -1, False),  # touched and passed by one sweep
        ([102, 100, 103], 2, np.nan, 0, True),  # turned, but the trades end before the time does
    ],
)
def test_held_or_not(price, end, label, outcome, is_open):
    ts = np.arange(len(price)) * 5
    levels = levels_of([(100, 100)], [(0, len(price))])
    touches = level_touches(price, ts, [100], [100], [0], [len(price)], rule=RULE)
    got = hold_labels(price, ts, levels, touches, [end], start_idx=[0], rule=RULE)
    assert np.array_equal(got.label, [label], equal_nan=True)
    assert (got.outcome.tolist(), got.is_open.tolist()) == ([outcome], [is_open])
    # Known at the turn or passage, else when the time is up.
    expected = {1: 10, -1: 10 if is_open else 5, 0: 14 if label == 0 else 5}[outcome]
    assert got.t1_ns.tolist() == [expected]


SECOND = 1_000_000_000
LEVEL_RULES = LevelRules(
    ticks_per_row=2,
    imbalance=replace(ATAS_STACKED_IMBALANCE.rule(), min_lots=2, gap_policy="zero"),
    stacked_min_levels=2,
    absorption=PriceAbsorptionRule(
        window_ns=2 * SECOND, lookback_ns=20 * SECOND, multiplier=2.0, least_cells=5
    ),
)
HOLD = HoldRule(turn_ticks=4, pass_ticks=4, horizon_ns=30 * SECOND)


def walk(seed, n=3000):
    """A walk whose trades take their side from its steps, a fifth of them in clusters at one price."""
    rng = np.random.default_rng(seed)
    step = rng.choice([-1, 0, 0, 1], n)
    sign = np.where(rng.random(n) < 0.7, np.sign(step + rng.normal(0, 0.5, n)), 1).astype(np.int8)
    qty = rng.geometric(0.2, n) * np.where(rng.random(n) < 0.02, 30, 1)
    return TradeArrays(
        ts_event_ns=np.cumsum(rng.integers(0, SECOND, n)),
        trade_id=np.arange(n), price_ticks=5000 + np.cumsum(step), qty_lots=qty, sign=sign,
    )  # fmt: skip


def touched(trades, starts, naked=(4990, 5010)):
    """(levels, touches, features): what is known at each touch of a day's levels."""
    index = time_bar_index(trades.ts_event_ns, 10 * SECOND)
    cells = footprint(trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=2)
    levels = live_levels(
        trades, index, cells, start_idx=starts, naked_poc_tick=naked, rules=LEVEL_RULES
    )
    touches = level_touches(
        trades.price_ticks, trades.ts_event_ns, levels.low_tick, levels.high_tick,
        levels.first_idx, levels.end_idx, rule=HOLD,
    )  # fmt: skip
    made = level_features(
        trades, levels, touches, touches.touch_idx + 1, start_idx=starts, ticks_per_row=2
    )
    return levels, touches, made


@pytest.mark.parametrize("seed", range(3))
def test_touches_and_their_features_do_not_look_ahead(seed):
    trades, gap = walk(seed), 1100
    levels, touches, made = touched(trades, [0, gap])
    assert set(levels.kind[touches.level_idx]) == set(LevelKind)
    assert (touches.n_earlier > 0).any()
    assert (touches.n_turned > 0).any()
    for cut in (400, gap, 1777, 2600):
        starts = [0, gap] if cut > gap else [0]
        _, again, known = touched(trades.slice(0, cut), starts)
        seen = touches.touch_idx < cut
        assert found_rows(again) == [
            row for row, s in zip(found_rows(touches), seen, strict=True) if s
        ]
        assert np.array_equal(known, made[seen], equal_nan=True)


def test_no_level_but_an_earlier_days_outlives_a_gap():
    trades, gap = walk(0), 1100
    levels, _, _ = touched(trades, [0, gap])
    lives = levels.take(levels.end_idx > levels.first_idx)
    of_before = (lives.first_idx <= gap) & (lives.kind != LevelKind.NAKED_POC)
    assert of_before.any()
    assert (lives.end_idx[of_before] <= gap).all()
    naked = lives.take(lives.kind == LevelKind.NAKED_POC)
    assert set(naked.first_idx) <= {0, gap}


@pytest.mark.parametrize("seed", range(3))
def test_lives_agree_with_the_obvious_loops(seed):
    trades, starts = walk(seed), [0, 1100, 2003]
    naked = (4978, 4990, 5010, 5030)
    levels, _, _ = touched(trades, starts, naked)
    index = time_bar_index(trades.ts_event_ns, 10 * SECOND)
    cells = footprint(trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=2)
    opening = np.searchsorted(index.end_idx, starts, side="right")
    poc = developing_levels(cells, opening, ticks_per_row=2).poc_tick.tolist()
    expected = naive.live_levels(poc, index.end_idx.tolist(), starts, len(trades))
    of = levels.take(levels.kind == LevelKind.POC)
    got = list(zip(of.low_tick.tolist(), of.first_idx.tolist(), of.end_idx.tolist(), strict=True))
    assert got == [(tick, first, max(end, first)) for tick, first, end in expected]
    price = trades.price_ticks.tolist()
    of = levels.take(levels.kind == LevelKind.NAKED_POC)
    assert sorted(zip(of.low_tick.tolist(), of.first_idx.tolist(), strict=True)) == [
        (low, start) for low in naked for start in naive.naked(price, low, low + 1, starts)
    ]
    # A level that its kind finds again ends there, and is a new one.
    of = levels.take(levels.kind == LevelKind.ABSORPTION)
    for low in set(of.low_tick.tolist()):
        same = of.take(of.low_tick == low)
        assert (same.end_idx[:-1] <= same.first_idx[1:]).all()


def test_features_agree_with_the_obvious_loops():
    trades, starts = walk(5), [0, 1100]
    levels, touches, made = touched(trades, starts)
    assert made.shape == (len(touches), len(LEVEL_FEATURES))
    table = dict(zip(LEVEL_NAMES, made.T, strict=True))
    price, lots, sign = (getattr(trades, n).tolist() for n in ("price_ticks", "qty_lots", "sign"))
    ts = trades.ts_event_ns
    for i in range(0, len(touches), 5):
        k, at, side = touches.level_idx[i], int(touches.touch_idx[i]), int(touches.side[i])
        start = 1100 if at >= 1100 else 0
        low, high = levels.low_tick[k], levels.high_tick[k]
        total, delta = naive.level_features(price, lots, sign, low, high, start, at + 1)
        assert table["level_lots"][i] == total
        assert table["level_lots_share"][i] == total / sum(lots[start : at + 1])
        share = table["level_delta_defended"][i]
        assert share == side * delta / total if total else np.isnan(share)
        near = high if side > 0 else low
        assert table["level_depth_ticks"][i] == side * (near - price[at])
        assert table["level_travel_ticks"][i] == side * (touches.farthest_ticks[i] - near) > 0
        assert table["level_defended"][i] == side * levels.sign[k]
        before = [j for j in range(start, at + 1) if ts[j] <= ts[at] - 10 * SECOND]
        came = table["level_approach_10s_ticks"][i]
        assert came == side * (price[before[-1]] - price[at]) if before else np.isnan(came)
        kinds = [table[f"level_is_{kind.name.lower()}"][i] for kind in LevelKind]
        assert kinds == [float(kind == levels.kind[k]) for kind in LevelKind]


def test_random_levels_keep_distance_height_and_stretch():
    trades, gap = walk(2), 1100
    starts = [0, gap]
    levels, _, _ = touched(trades, starts)
    index = time_bar_index(trades.ts_event_ns, 10 * SECOND)
    got = random_levels(
        levels, trades.price_ticks, index, start_idx=starts, ticks_per_row=2, n_each=3, seed=1
    )
    alive = levels.take(levels.end_idx > levels.first_idx)
    assert len(got) == 3 * len(alive)
    assert (got.low_tick % 2 == 0).all()
    assert (got.end_idx >= got.first_idx).all()
    row = trades.price_ticks // 2

    def distances(some, known):
        return sorted(
            zip(some.kind, some.high_tick - some.low_tick, some.low_tick // 2 - row[known], strict=True)
        )  # fmt: skip

    opens = np.isin(alive.first_idx, starts) & (alive.kind == LevelKind.NAKED_POC)
    known = np.where(opens, alive.first_idx, alive.first_idx - 1)
    assert distances(got, got.first_idx - 1) == sorted(3 * distances(alive, known))
    # A bar that holds the gap belongs to what comes after it.
    opens_second = index.first_idx[np.searchsorted(index.end_idx, gap, side="right")]
    before = got.first_idx <= opens_second
    assert (got.end_idx[before] <= gap).all()
    assert before.sum() == 3 * (known < opens_second).sum() > 0


def test_nothing_gives_nothing():
    nothing = np.empty(0, np.int64)
    trades = TradeArrays(
        ts_event_ns=nothing, trade_id=nothing, price_ticks=nothing, qty_lots=nothing,
        sign=nothing.astype(np.int8),
    )  # fmt: skip
    levels, touches, made = touched(trades, [])
    assert len(levels) == len(touches) == len(made) == 0
    labels = hold_labels(nothing, nothing, levels, touches, [], start_idx=[], rule=HOLD)
    assert len(labels) == 0
    index = time_bar_index(nothing, SECOND)
    terms = {"start_idx": nothing, "ticks_per_row": 1, "n_each": 2, "seed": 0}
    assert len(random_levels(levels, nothing, index, **terms)) == 0


@pytest.mark.parametrize(
    ("level", "rule", "message"),
    [
        ((5, 4, 0, 2), {}, "edges that rise and a life within 3 trades, got 5 to 4"),
        ((5, 5, 2, 1), {}, r"got 5 to 5 in \[2, 1\)"),
        ((5, 5, 0, 4), {}, r"in \[0, 4\) at position 0"),
        ((2**62, 2**62, 0, 3), {}, "within 2"),
        ((5, 5, 0, 3), {"horizon_ns": 2**63 - 1}, "leads beyond int64"),
        ((5, 5, 0, 3), {"turn_ticks": 0}, "turn_ticks must be positive"),
    ],
)
def test_broken_contracts_are_named(level, rule, message):
    terms = {"turn_ticks": 3, "pass_ticks": 2, "horizon_ns": 9} | rule
    with pytest.raises(ValueError, match=message):
        level_touches([1, 2, 3], [1, 2, 3], *([x] for x in level), rule=HoldRule(**terms))


def test_a_decision_must_know_its_touch():
    price, ts = np.array([102, 100, 103]), np.arange(3)
    levels = levels_of([(100, 100)], [(0, 3)])
    touches = level_touches(price, ts, [100], [100], [0], [3], rule=RULE)
    with pytest.raises(ValueError, match="behind each of the 1 touches"):
        hold_labels(price, ts, levels, touches, [1], start_idx=[0], rule=RULE)
