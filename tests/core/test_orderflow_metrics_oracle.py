"""orderflow-metrics: its tick rule is ours; its Lee-Ready is a negative oracle.

At the mid, after a trade of the same price, it repeats the sign it gave last, which may come from a
quote, where the tick rule asks for the last different *price*.
"""

import numpy as np
import pytest
from orderflow_metrics import PriceVsMid
from orderflow_metrics import lee_ready as their_lee_ready
from orderflow_metrics import tick_rule as their_tick_rule

from orderflow_core.alignment import quote_at_trade
from orderflow_core.quote_rules import lee_ready
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import QuoteArrays
from tests.core import captures
from tests.core import trade_cases as cases
from tests.core.test_tclf_oracle import met_quotes, read_columns


def theirs(price, at_trade):
    mid = (at_trade.bid_ticks + at_trade.ask_ticks) / 2
    pairs = zip(price.tolist(), mid.tolist(), strict=True)
    return np.array(their_lee_ready([PriceVsMid(p, m) for p, m in pairs]))


@pytest.mark.parametrize("name", captures.FUTURES + captures.SPOT)
def test_tick_rule_is_the_same(test_data, name):
    trades, _, _, _ = captures.read_capture(test_data / captures.FOLDER / name)
    assert tick_rule(trades[2])[0].tolist() == their_tick_rule(trades[2].tolist())


@pytest.mark.parametrize("name", captures.FUTURES)
def test_lee_ready_is_the_same_where_no_trade_is_at_the_mid(test_data, name):
    trades, quotes, _, _ = captures.read_capture(test_data / captures.FOLDER / name)
    ts, price = trades[1], trades[2]
    _, quote_ts, bid, bid_size, ask, ask_size = quotes
    at_trade = quote_at_trade(
        ts,
        QuoteArrays(
            ts_event_ns=quote_ts, bid_ticks=bid, bid_lots=bid_size, ask_ticks=ask, ask_lots=ask_size
        ),
    )
    at_mid = 2 * price == at_trade.bid_ticks + at_trade.ask_ticks
    compared = at_trade.is_known & ~at_mid
    assert compared.mean() > 0.99
    ours = lee_ready(price, at_trade)[0]
    assert (ours[compared] == theirs(price, at_trade)[compared]).all()


def test_the_sign_is_carried_where_the_price_should_be():
    # 99 above its mid 98.5: +1. 100 at its mid, up from 99: +1. 100 below its mid 102: -1. 100 at its
    # mid 100: the last different price is still 99, so +1; theirs repeats the -1 of the quote.
    price = np.array([99, 100, 100, 100])
    at_trade = cases.known_quotes([98, 99, 101, 99], [99, 101, 103, 101])
    assert lee_ready(price, at_trade)[0].tolist() == [1, 1, -1, 1]
    assert theirs(price, at_trade).tolist() == [1, 1, -1, -1]


def test_how_often_that_happens_where_mids_are_common():
    trades, quotes = read_columns("tclf_trades.csv"), read_columns("tclf_quotes.csv")
    names = ("ts", "bid", "bid_size", "ask", "ask_size")
    at_trade = met_quotes(trades["ts"], *(quotes[name] for name in names))
    price = trades["price"]
    ours, other = lee_ready(price, at_trade)[0], theirs(price, at_trade)
    is_valid = at_trade.is_known & (at_trade.bid_ticks <= at_trade.ask_ticks)
    at_mid = is_valid & (2 * price == at_trade.bid_ticks + at_trade.ask_ticks)
    differs = is_valid & (ours != other)
    assert (differs <= at_mid).all()
    assert (np.diff(price, prepend=price[0])[differs] == 0).all()
    assert (ours[at_mid] == trades["lr"][at_mid]).all()  # tclf sides with us
    assert (differs.sum(), at_mid.sum()) == (4, 43)
