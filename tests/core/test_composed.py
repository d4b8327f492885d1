"""Functions that put others together, from their raw input, against plain Python that does it all."""

from dataclasses import astuple, fields
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.backtest.nulls import buy_and_hold
from orderflow_core.bars import BarArrays, aggregate_bars, time_bar_index
from orderflow_core.decision_clocks import bar_decisions
from orderflow_core.imbalance import ImbalanceRule
from orderflow_core.initial_balance import balance_extensions
from orderflow_core.level_outcomes import LevelOutcomes, level_lift
from orderflow_core.merged_bars import merge_bars
from orderflow_core.profile import volume_profile
from orderflow_core.quote_rules import lee_ready_joined
from orderflow_core.scoring import POSITIONS, score_report
from orderflow_core.significance import significant_imbalances
from orderflow_core.stacks import StackArrays, imbalance_columns, stacked_imbalances
from orderflow_core.unfinished import unfinished_auctions
from orderflow_core.value_area_report import VARIANTS, value_area_disagreement
from orderflow_core.vwap import vwap_bands
from tests.core import trade_cases as cases
from tests.core.backtest_cases import cases as market_cases
from tests.core.backtest_cases import ints, path, rules_for
from tests.core.cell_cases import as_rows
from tests.core.footprint_cases import cells_of, counted, ladders
from tests.naive import (
    alignment,
    backtest,
    bars,
    classify,
    decision_clocks,
    extremes,
    imbalance,
    level_outcomes,
    levels,
    profile,
    significance,
    vwap,
    zones,
)

GAPS = st.sampled_from(["zero", "break", "skip"])
ONE_BAR = st.dictionaries(
    st.integers(-4, 4), st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8
)


@given(cases.trades(), cases.quotes(), st.integers(0, 6))
def test_join_and_lee_ready(trades, quotes, lag_ns):
    sign, _ = lee_ready_joined(trades["ts"], trades["price"], quotes, lag_ns=lag_ns)
    assert sign.tolist() == alignment.lee_ready_joined(
        trades["ts"].tolist(), trades["price"].tolist(), cases.quote_rows(quotes), lag_ns=lag_ns
    )


@given(st.data(), st.integers(0, 25))
def test_score_report(data, n):
    rule, truth = data.draw(cases.signs(n)), data.draw(cases.signs(n))
    qty, sweep = data.draw(cases.int64s(n, 1, 9)), np.sort(data.draw(cases.int64s(n, 0, 9)))
    place = data.draw(cases.int64s(n, 0, len(POSITIONS) - 1))
    report = score_report(rule, truth, qty_lots=qty, sweep=sweep, position=place)
    expected = classify.score_report(*(x.tolist() for x in (rule, truth, qty, sweep, place)))
    assert list(report.by_position) == [POSITIONS[k] for k in expected["by_position"]]
    pairs = list(
        zip(report.by_position.values(), expected.pop("by_position").values(), strict=True)
    )
    pairs += [(getattr(report, name), score) for name, score in expected.items()]
    for score, (n_scored, n_decided, accuracy) in pairs:
        assert (score.n, score.n_decided) == (n_scored, n_decided)
        share = np.nan if accuracy is None else float(accuracy)
        assert score.accuracy == pytest.approx(share, abs=1e-15, nan_ok=True)


@given(st.data(), cases.trades(), st.integers(1, 6), st.booleans())
def test_merged_bars(data, trades, interval, include_zero_start):
    index = time_bar_index(trades["ts"], interval)
    columns = (trades["price"], trades["qty"], trades["sign"])
    whole = aggregate_bars(*columns, index, include_zero_start=include_zero_start)
    first = data.draw(cases.session_starts(len(index)))
    merged = merge_bars(whole, first)
    names = [field.name for field in fields(BarArrays)]
    got = [dict(zip(names, row, strict=True)) for row in as_rows(astuple(merged))]
    assert got == bars.merge_bars(
        *(column.tolist() for column in columns), index.end_idx.tolist(), first.tolist(),
        include_zero_start=include_zero_start,
    )  # fmt: skip


@given(cases.trades(), st.integers(1, 6), st.booleans())
def test_decisions_at_bars(trades, interval, is_time):
    index = time_bar_index(trades["ts"], interval)
    got = bar_decisions(index, trades["ts"], trades["trade_id"], is_time=is_time)
    rows = as_rows((index.t1_ns, index.first_idx, index.end_idx))
    expected = decision_clocks.bar_decisions(
        rows, trades["ts"].tolist(), trades["trade_id"].tolist(), is_time=is_time
    )
    assert as_rows((got.t0_ns, got.end_idx, got.decision_id)) == expected


@given(ladders, st.integers(1, 2), GAPS, st.sampled_from(["counts", "skipped"]), st.integers(1, 3))
def test_stacked_imbalances_and_their_columns(ladder, height, gap_policy, zero_opposite, n_least):
    rows = [{p * height: v for p, v in bar.items()} for bar in ladder]
    rule = {
        "ratio_num": 3, "ratio_den": 2, "compare": "ge", "min_lots": 2,
        "zero_opposite": zero_opposite, "gap_policy": gap_policy,
    }  # fmt: skip
    cells = cells_of(rows)
    # The naive rows end with counts of trades, which lots do not look at, and unsigned lots.
    full = [{p: (b, a, 0, 0, u) for p, (b, a, u) in bar.items()} for bar in rows]
    flags = imbalance.diagonal_imbalance(full, ticks_per_row=height, **rule)
    shape = {"ticks_per_row": height, "is_passing_over": gap_policy == "skip"}
    found = stacked_imbalances(
        cells, ImbalanceRule(**rule), ticks_per_row=height, min_levels=n_least
    )
    got = as_rows([getattr(found, name) for name in StackArrays.__slots__])
    assert got == zones.stacked_imbalances(rows, flags, **shape, min_levels=n_least)
    columns = imbalance_columns(cells, ImbalanceRule(**rule), ticks_per_row=height)
    assert as_rows(
        (columns.n_buy, columns.n_sell, columns.stacked_buy, columns.stacked_sell)
    ) == zones.imbalance_columns(rows, flags, **shape)


@given(st.lists(ONE_BAR, max_size=6), st.integers(1, 2), GAPS, st.sampled_from([0.05, 0.3, 1.0]))
def test_significant_imbalances(ladder, height, gap_policy, rate):
    rows = [{p * height: v for p, v in bar.items()} for bar in ladder]
    got = significant_imbalances(
        counted(rows), ticks_per_row=height, gap_policy=gap_policy, false_discovery_rate=rate
    )
    expected = significance.significant_imbalances(
        rows, ticks_per_row=height, gap_policy=gap_policy, rate=rate
    )
    columns = [list(column) for column in zip(*expected, strict=True)] or [[], [], [], []]
    for q, flags, own, flagged in (
        (got.q_buy, got.is_buy, columns[0], columns[2]),
        (got.q_sell, got.is_sell, columns[1], columns[3]),
    ):
        floats = np.array([np.nan if value is None else float(value) for value in own])
        np.testing.assert_allclose(q, floats, rtol=1e-12)
        is_clear = ~(np.abs(floats - rate) < 1e-12)  # a float may fall on either side of its rate
        assert flags[is_clear].tolist() == np.array(flagged, bool)[is_clear].tolist()


@given(ladders, st.integers(0, 4))
def test_unfinished_auctions(ladder, filter_lots):
    is_high, is_low = unfinished_auctions(
        cells_of(ladder), ticks_per_row=1, filter_lots=filter_lots
    )
    assert as_rows((is_high, is_low)) == extremes.unfinished_auctions(
        ladder, filter_lots=filter_lots
    )


@given(
    st.lists(st.dictionaries(st.integers(-6, 6), st.integers(1, 9), min_size=1), max_size=4),
    st.integers(1, 3),
    st.sampled_from([(7, 10), (1, 2), (1, 1)]),
)
def test_disagreement_of_value_areas(profiles, height, share):
    rows = [{p * height: lots for p, lots in volume.items()} for volume in profiles]
    made = [
        volume_profile(list(volume), list(volume.values()), [1] * len(volume), ticks_per_row=height)
        for volume in rows
    ]
    parts = {"ticks_per_row": height, "share_num": share[0], "share_den": share[1]}
    got = value_area_disagreement(made, **parts)
    expected = profile.value_area_disagreement(rows, VARIANTS, **parts)
    assert [(x.first, x.second, x.n_differ, x.largest_ticks) for x in got] == expected
    assert {x.n_profiles for x in got} == {len(rows)}


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 9)), max_size=8), st.integers(1, 4))
def test_bands_and_extensions(rows, quarters):
    # Quarters of whole numbers: floats hold every result exactly.
    multiple = quarters / 4
    centre = [None if width == 9 else float(value) for value, width in rows]
    width = [float(width) for _, width in rows]
    lower, upper = vwap_bands(np.array(centre, np.float64), np.array(width), multiple)
    for low, high, expected in zip(
        lower, upper, vwap.vwap_bands(centre, width, multiple), strict=True
    ):
        assert (None if np.isnan(low) else (low, high)) == expected
    lows = [value for value, _ in rows]
    highs = [value + height for value, height in rows]
    got = balance_extensions(highs, lows, multiple)
    assert as_rows(got) == levels.balance_extensions(highs, lows, multiple)


@given(*[st.lists(st.tuples(st.booleans(), st.sampled_from([-1, 0, 1])), max_size=12)] * 2)
def test_lift_of_levels(own, others):
    def outcomes(rows):
        return LevelOutcomes(
            touch_idx=np.array([0 if touched else -1 for touched, _ in rows], np.int64),
            known_idx=np.zeros(len(rows), np.int64),
            outcome=np.array([outcome if touched else 0 for touched, outcome in rows], np.int8),
        )

    got = level_lift(outcomes(own), outcomes(others))
    expected = level_outcomes.level_lift(own, others, NormalDist().inv_cdf(0.975))
    if expected is None:
        assert np.isnan(got.lift)
    else:
        assert (got.low, got.lift, got.high) == pytest.approx(expected, abs=1e-9)


@given(market_cases(), st.integers(1, 3))
def test_holding_from_the_first_event(case, lots):
    ts, bid, ask = case["market"]
    rules = rules_for(
        latency_ns=case["latency"],
        session_start_ns=ints([start for start, _ in case["sessions"]]),
        session_end_ns=ints([end for _, end in case["sessions"]]),
    )
    held = buy_and_hold(path(ts, bid, ask), rules, lots=lots)
    expected = backtest.buy_and_hold(ts, bid, ask, case["latency"], 0, case["sessions"], lots)
    change = held.fill_sign.astype(np.int64) * held.fill_lots
    got = as_rows((held.fill_ts_ns, held.fill_signal_idx, change, held.fill_price_ticks))
    assert got == [(ts[event], *rest) for event, *rest, _ in expected]
