from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from orchestration.errors import NothingToScore
from orchestration.instruments import load_instruments
from orchestration.scoring import lags_from_text, score_lags, score_rules
from orchestration.sources.records import QUOTES
from orchestration.terminal import lag_table
from tests.orchestration.conftest import date_of
from tests.orchestration.rows import raw_quotes, raw_trades

DAY = date_of(0)


@pytest.fixture
def known(request):
    return replace(load_instruments()["BTCUSDT"], symbol=f"scoring {request.node.name}")


def publish(store, known, trades, quotes):
    with store.publish(known.symbol, DAY, run_id="test", code_version="1") as publication:
        publication.write("raw.trades", trades, unit="test")
        publication.write("raw.quotes", quotes, unit="test")
        publication.commit()


def no_quotes():
    return QUOTES.empty_table().drop_columns(["unit"])


def market():
    """Four market orders at 10, 20, 30, 40; the book moves to the trade's far side with it.

    time   5: bid 100 ask 101
    time  10: sell at 100, in one stamp with the book after it, bid 99 ask 100
    time  20: buy at 100, a second fill of the same order at 100 and one id on
    time  30: sell at 99, in one stamp with the book after it, bid 98 ask 99
    """
    trades = raw_trades(
        ts=[10, 20, 20, 30], trade_id=[1, 2, 3, 4], price=[100, 100, 100, 99], native=[-1, 1, 1, -1]
    )
    quotes = raw_quotes(ts=[5, 10, 30], bid=[100, 99, 98], ask=[101, 100, 99])
    return trades, quotes


def test_accuracy_per_fill_and_per_sweep(store, known):
    publish(store, known, *market())
    found = score_rules(store, known, DAY, ["quote", "tick"])
    assert (found["join"], found["n_trades"], found["n_sweeps"]) == ("strict", 4, 3)
    assert (found["symbol"], found["day"]) == (known.symbol, DAY.isoformat())
    # Every trade stands at the touch of the book strictly before it.
    quote = found["rules"]["quote"]
    assert {per: (s["n"], s["n_decided"], s["accuracy"]) for per, s in quote.items()} == {
        "fill": (4, 4, 1.0),
        "sweep": (3, 3, 1.0),
        "volume": (4, 4, 1.0),
    }
    # The tick rule decides nothing before the price has moved: prices 100 100 100 99, only the
    # last one is decided, and right. Undecided counts as wrong: 1 of 4 fills, 1 of 3 sweeps.
    tick = found["rules"]["tick"]
    assert (tick["fill"]["n_decided"], tick["fill"]["accuracy"]) == (1, 0.25)
    assert (tick["sweep"]["n_decided"], tick["sweep"]["accuracy"]) == (1, 0.333333)


def test_the_inclusive_join_turns_sides_round(store, known):
    publish(store, known, *market())
    found = score_rules(store, known, DAY, ["quote"], inclusive=True)
    # Sells at 100 and at 99 meet the book after them, whose ask is 100 and 99: taken for buys.
    assert found["join"] == "inclusive"
    assert found["rules"]["quote"]["fill"]["accuracy"] == 0.5


def test_positions_in_the_spread_on_request(store, known):
    publish(store, known, *market())
    found = score_rules(store, known, DAY, ["quote", "tick"], by_position=True)["rules"]
    # The sells stand at the bid of the book before them, the buys at its ask.
    counts = {per: s["n"] for per, s in found["quote"].items()}
    assert counts == {"fill": 4, "sweep": 3, "volume": 4, "at_bid": 2, "at_ask": 2}
    assert found["tick"]["at_bid"]["accuracy"] == 0.5


def test_a_rule_that_looks_ahead_may_be_judged(store, known):
    publish(store, known, *market())
    # Prices 100 100 100 99: the first three lie above the next different one: buys, of which two
    # were. Nothing follows the last: undecided, so wrong.
    ahead = score_rules(store, known, DAY, ["reverse_tick"])["rules"]["reverse_tick"]["fill"]
    assert (ahead["n_decided"], ahead["accuracy"]) == (3, 0.5)


def test_lags_of_the_join(store, known):
    trades = raw_trades(ts=[20_000_000], trade_id=[1], price=[100], native=[1])
    # Stamped 1 ms before the trade stands the book that it left: bid 100. 9 ms before: ask 100.
    quotes = raw_quotes(ts=[11_000_000, 19_000_000], bid=[99, 100], ask=[100, 101])
    publish(store, known, trades, quotes)
    found = score_lags(store, known, DAY, [0, 1, 5])
    assert (found["clock"], found["n"], found["best_lag_ms"]) == ("ts_event_ns", 1, 1)
    assert [(row["lag_ms"], row["accuracy"]) for row in found["lags"]] == [
        (0, 0.0), (1, 1.0), (5, 1.0),
    ]  # fmt: skip


def test_lags_as_a_table():
    row = {"lag_ms": 5, "accuracy": 0.5, "low": 0.25, "high": 0.75}
    result = {"symbol": "A", "day": "2026-01-01", "n": 1200, "best_lag_ms": 5, "lags": [row]}
    console = Console(width=80)
    with console.capture() as shown:
        console.print(lag_table(result))
    assert "best 5 ms" in shown.get()
    assert "1,200" in shown.get()
    assert "[0.2500, 0.7500]" in shown.get()


@pytest.mark.parametrize("text", ["", "1,", "-1", "1.5", "5,5", "5,1", "a"])
def test_lags_that_are_none_are_named(text):
    with pytest.raises(ValueError, match="lags"):
        lags_from_text(text)
    assert lags_from_text("0, 5,50") == [0, 5, 50]


def test_lags_need_quotes(store, known):
    publish(store, known, market()[0], no_quotes())
    with pytest.raises(NothingToScore, match="lags need quotes"):
        score_lags(store, known, DAY, [0])


def test_layers_fill_what_the_first_rule_leaves_open(store, known):
    trades, _ = market()
    # The only quote comes after the first trade: quote alone decides 3 of 4.
    publish(store, known, trades, raw_quotes(ts=[15, 25], bid=[99, 99], ask=[100, 100]))
    found = score_rules(store, known, DAY, ["quote", "quote+tick"])["rules"]
    assert found["quote"]["fill"]["n_decided"] == 3
    assert found["quote+tick"]["fill"]["n_decided"] == 3
    assert found["quote+tick"]["fill"]["accuracy"] == found["quote"]["fill"]["accuracy"] == 0.75


def test_prints_that_no_market_order_made_are_left_out(store, known):
    trades, quotes = market()
    flags = trades.schema.get_field_index("is_market")
    publish(
        store,
        known,
        trades.set_column(flags, "is_market", pa.array([1, 1, 0, 1], pa.int8())),
        quotes,
    )
    assert score_rules(store, known, DAY, ["quote"])["n_trades"] == 3


@pytest.mark.parametrize("rule", ["native", "quote+native", "bvc", ""])
def test_what_cannot_be_scored_is_named(store, known, rule):
    publish(store, known, *market())
    with pytest.raises(NothingToScore, match="choose from quote, tick, lee_ready"):
        score_rules(store, known, DAY, [rule])


def test_rules_that_need_quotes_say_so(store, known):
    publish(store, known, market()[0], no_quotes())
    with pytest.raises(NothingToScore, match="'lee_ready' needs quotes"):
        score_rules(store, known, DAY, ["lee_ready"])
    assert score_rules(store, known, DAY, ["tick"])["rules"]["tick"]["fill"]["n"] == 4


def test_a_day_without_a_true_side_says_so(store, known):
    trades = raw_trades(ts=[10, 20], trade_id=[1, 2], price=[5, 6], native=np.zeros(2))
    publish(store, known, trades, no_quotes())
    with pytest.raises(NothingToScore, match="no published trade has a true side"):
        score_rules(store, known, DAY, ["tick"])


def test_a_day_that_is_not_published_says_so(store, known):
    with pytest.raises(NothingToScore, match=f"published for {DAY}"):
        score_rules(store, known, DAY, ["tick"])
