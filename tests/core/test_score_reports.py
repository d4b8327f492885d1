"""Scores per fill, per sweep, by volume and by position; volume on the right side."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import quote_at_trade
from orderflow_core.classify import classify
from orderflow_core.quote_rules import lee_ready
from orderflow_core.scoring import (
    POSITIONS,
    score_report,
    score_signs,
    score_volume,
    spread_position,
)
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.types import QuoteArrays
from tests.core import captures
from tests.core import trade_cases as cases
from tests.naive import classify as naive


@given(cases.trades(), cases.quotes())
def test_positions_equal_the_obvious_loop(trades, quotes):
    at_trade = quote_at_trade(trades["ts"], quotes)
    got = [POSITIONS[code] for code in spread_position(trades["price"], at_trade)]
    assert got == naive.spread_position(trades["price"].tolist(), cases.met_rows(at_trade))


def test_positions_from_below_to_above():
    # Bid 10, ask 14, mid 12. Then an odd spread 10/13: no mid on the grid, 11 and 12 beside it.
    # Locked 10/10: 9, 10, 11; crossed 11/10; no quote.
    price = [9, 10, 11, 12, 13, 14, 15, 11, 12, 9, 10, 11, 10, 10]
    bid = [10] * 12 + [11, 0]
    ask = [14] * 7 + [13, 13, 10, 10, 10, 10, 0]
    known = [True] * 13 + [False]
    code = spread_position(np.array(price), cases.known_quotes(bid, ask, known))
    assert [POSITIONS[k] for k in code] == [
        "outside_below", "at_bid", "inside_below", "at_mid", "inside_above", "at_ask",
        "outside_above", "inside_below", "inside_above", "outside_below", "locked",
        "outside_above", "crossed", "no_quote",
    ]  # fmt: skip


@given(st.data(), st.integers(0, 25))
def test_report_is_made_of_scores(data, n):
    rule, truth = data.draw(cases.signs(n)), data.draw(cases.signs(n))
    qty, sweep = data.draw(cases.int64s(n, 1, 9)), np.sort(data.draw(cases.int64s(n, 0, 9)))
    position = data.draw(cases.int64s(n, 0, len(POSITIONS) - 1))
    report = score_report(rule, truth, qty_lots=qty, sweep=sweep, position=position)
    first = np.flatnonzero(np.diff(sweep, prepend=-1))
    expected = {
        "per_fill": score_signs(rule, truth, cluster=sweep),
        "per_sweep": score_signs(rule[first], truth[first]),
        "by_volume": score_signs(rule, truth, qty, cluster=sweep),
    }
    for name, score in expected.items():
        assert repr(getattr(report, name)) == repr(score)
    assert sum(score.n for score in report.by_position.values()) == report.per_fill.n
    assert list(report.by_position) == [POSITIONS[k] for k in sorted(set(position.tolist()))]
    n_right = sum(s.n and round(s.accuracy * s.n) for s in report.by_position.values())
    assert n_right == ((rule == truth) & (truth != 0)).sum()


def test_report_by_hand():
    # Two sweeps: three fills of 1, 1, 4 lots signed -, +, + (truth +), one of 4 lots signed -
    # (truth -). Fills 3/4; sweeps by their first fill 1/2; volume 9/10; at the ask 2/3, at the bid 1.
    report = score_report(
        np.array([-1, 1, 1, -1]), np.array([1, 1, 1, -1]), qty_lots=np.array([1, 1, 4, 4]),
        sweep=np.array([0, 0, 0, 1]), position=np.array([5, 5, 5, 1]),
    )  # fmt: skip
    assert report.per_fill.accuracy == 0.75
    assert report.per_sweep.accuracy == 0.5
    assert report.by_volume.accuracy == 0.9
    shares = {name: score.accuracy for name, score in report.by_position.items()}
    assert shares == {"at_bid": 1.0, "at_ask": pytest.approx(2 / 3)}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(-1, 4)), max_size=12))
def test_volume_score_equals_the_obvious_sum(rows):
    buy, sell = (np.array([row[k] for row in rows], np.int64) for k in (0, 1))
    estimate = [None if k < 0 else (b + s) * k / 4 for b, s, k in rows]
    got = score_volume(
        np.array([math.nan if value is None else value for value in estimate]), buy, sell
    )
    n, right, even = naive.score_volume(estimate, buy.tolist(), sell.tolist())
    assert got.n == n
    if n == 0:
        assert math.isnan(got.accuracy)
        assert math.isnan(got.even_split)
    else:
        assert got.accuracy == pytest.approx(float(right), abs=1e-12)
        assert got.even_split == pytest.approx(float(even), abs=1e-12)
        assert 0 <= got.low <= got.accuracy <= got.high <= 1


def test_volume_score_by_hand():
    # Bars of 10 and 30 lots: 8 estimated of 6 bought: min(8, 6) + min(2, 4) = 8; 15 of 30 bought:
    # 15 + 0 = 15; (8 + 15) / 40. Halved: 5 + 4 = 9 and 15: 24 / 40.
    got = score_volume(np.array([8.0, 15.0]), np.array([6, 30]), np.array([4, 0]))
    assert (got.n, got.accuracy, got.even_split) == (2, 0.575, 0.6)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: score_volume(np.array([1]), np.array([1]), np.array([1])), TypeError, "buy_lots"),
        (lambda: score_volume(np.array([3.0]), np.array([1]), np.array([1])), ValueError, "2.0 lots, got 3.0"),
        (lambda: score_volume(np.array([1.0]), np.array([-1]), np.array([1])), ValueError, "true_buy_lots"),
        (lambda: score_volume(np.array([1.0]), np.array([1]), np.array([-1])), ValueError, "true_sell_lots"),
        (lambda: report_of(position=np.array([10])), ValueError, r"position must be in 0\.\.9"),
        (lambda: report_of(position=np.array([1, 1])), ValueError, "one length"),
        (lambda: report_of(qty_lots=np.array([0])), ValueError, "qty_lots"),
        (lambda: report_of(sweep=np.array([0.0])), TypeError, "sweep"),
        (
            lambda: spread_position(np.array([2**62]), cases.known_quotes([1], [2])),
            ValueError,
            "price_ticks may overflow",
        ),
        (
            lambda: spread_position(
                np.array([1]), replace(cases.known_quotes([1], [2]), is_known=np.array([np.nan]))
            ),
            TypeError,
            "is_known",
        ),
        (lambda: score_signs([1], [0], np.array([-1.0])), ValueError, "weight"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, error, text):
    with pytest.raises(error, match=text):
        call()


def report_of(**changed):
    one = np.array([1])
    return score_report(one, one, **{"qty_lots": one, "sweep": one, **changed})


def load(test_data, name):
    trades, quotes, _, _ = captures.read_capture(test_data / captures.FOLDER / name)
    _, quote_ts, bid, bid_size, ask, ask_size = quotes
    quotes = QuoteArrays(
        ts_event_ns=quote_ts, bid_ticks=bid, bid_lots=bid_size, ask_ticks=ask, ask_lots=ask_size
    )
    return trades, quote_at_trade(trades[1], quotes)


@pytest.mark.parametrize("name", captures.FUTURES)
def test_recorded_trades_stand_at_the_touch_and_confidence_orders_them(test_data, name):
    (trade_id, ts, price, qty, truth), at_trade = load(test_data, name)
    sweep = assign_sweeps(
        ts, trade_id, price, truth, max_id_step=2 if name.startswith("usdm") else 1
    )
    position = spread_position(price, at_trade)
    report = score_report(
        lee_ready(price, at_trade)[0], truth, qty_lots=qty, sweep=sweep, position=position
    )
    for score in (report.per_fill, report.per_sweep, report.by_volume):
        assert score.accuracy >= 0.99
    at_touch = sum(report.by_position[name].n for name in ("at_bid", "at_ask"))
    assert at_touch > 0.5 * report.per_fill.n
    found = classify(price, at_trade=at_trade, rules=("tick",))
    both, one = (
        score_signs(found.sign[found.confidence == level], truth[found.confidence == level])
        for level in (1.0, 0.5)
    )
    # What the quote backs too is right; what the tick rule says against the quote is mostly wrong.
    assert both.accuracy > 0.99
    assert one.accuracy < 0.5
