"""Agreement with tclf, whose golden files tests/golden/make_tclf.py explains: exact or explained.

Where tclf finds no sign (NaN: before the first quote, at the mid, crossed, before the first price
change) it is run with ``strategy="const"``, which gives 0, and so do we. Its lagged price is the last
different trade price, as in our tick rule. Three things need explaining, and are, to the trade:

- a trade at one side of a *crossed* quote is nobody's to tclf's emo; ours asks the tick rule;
- the bounds of its clnv are floats: 0.7 * 101 + 0.3 * 101 is less than 101, so that a trade at a
  *locked* quote of 101 is in the upper band and not in the lower, and then at the mid of both;
- emo, depth and trade_size compare with ``isclose``, whose tolerance grows with the number: several
  ticks at the prices of bitcoin. The same tolerance gives tclf's signs; ours are exact.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from orderflow_core.alignment import quote_at_trade
from orderflow_core.quote_rules import clnv, depth_rule, emo, lee_ready, quote_rule, trade_size_rule
from orderflow_core.tick_rules import reverse_tick_rule, tick_rule
from orderflow_core.types import QuoteArrays
from tests.core import captures

GOLDEN = Path(__file__).parents[1] / "golden"
REAL = json.loads((GOLDEN / "tclf_real.json").read_text())
EXACT = ("tick", "rev_tick", "quote", "lr", "clnv")
TOLERANT = ("emo", "depth", "trade_size")


def read_columns(name):
    header, *rows = (GOLDEN / name).read_text().splitlines()
    values = np.array([[int(cell) for cell in row.split(",")] for row in rows], np.int64).T
    return dict(zip(header.split(","), values, strict=True))


def met_quotes(trade_ts, ts, bid, bid_size, ask, ask_size):
    quotes = QuoteArrays(
        ts_event_ns=ts, bid_ticks=bid, bid_lots=bid_size, ask_ticks=ask, ask_lots=ask_size
    )
    return quote_at_trade(trade_ts, quotes)


def our_signs(price, qty, at_trade):
    signs = {"tick": tick_rule(price)[0], "rev_tick": reverse_tick_rule(price).sign}
    if at_trade is not None:
        signs |= {
            "quote": quote_rule(price, at_trade),
            "lr": lee_ready(price, at_trade)[0],
            "emo": emo(price, at_trade)[0],
            "clnv": clnv(price, at_trade)[0],
            "depth": depth_rule(price, at_trade),
            "trade_size": trade_size_rule(qty, at_trade),
        }
    return signs


def tolerant_signs(price, qty, at_trade, ours):
    """tclf's three rules with its tolerance, from our exact ones."""
    known = at_trade.is_known
    bid, ask, bid_size, ask_size = (
        np.where(known, column.astype(float), np.nan)
        for column in (at_trade.bid_ticks, at_trade.ask_ticks, at_trade.bid_lots, at_trade.ask_lots)
    )
    at_ask, at_bid = (np.isclose(price, side, atol=1e-4) for side in (ask, bid))
    mid = np.where(ask >= bid, 0.5 * (ask + bid), np.nan)
    one_side = ~np.isclose(ask_size, bid_size, atol=1e-4)
    is_bid, is_ask = (np.isclose(qty, size, atol=1e-4) & one_side for size in (bid_size, ask_size))
    larger = np.where(ask_size > bid_size, 1, np.where(ask_size < bid_size, -1, 0))
    return {
        "emo": np.where(at_ask ^ at_bid, ours["quote"], ours["tick"]),
        "depth": np.where(np.isclose(mid, price, atol=1e-4), larger, 0),
        "trade_size": np.where(is_bid, 1, np.where(is_ask, -1, 0)),
    }


def test_made_up_trades_full_of_ties():
    trades, quotes = read_columns("tclf_trades.csv"), read_columns("tclf_quotes.csv")
    names = ("ts", "bid", "bid_size", "ask", "ask_size")
    at_trade = met_quotes(trades["ts"], *(quotes[name] for name in names))
    ours = our_signs(trades["price"], trades["qty"], at_trade)
    is_crossed = at_trade.bid_ticks > at_trade.ask_ticks
    is_locked = at_trade.is_known & (at_trade.bid_ticks == at_trade.ask_ticks)
    explained = {"emo": (is_crossed, 5), "clnv": (is_locked & (trades["price"] == 101), 1)}
    for rule, sign in ours.items():
        differs = sign != trades[rule]
        where, n = explained.get(rule, (np.zeros(len(sign), np.bool_), 0))
        assert not differs[~where].any(), rule
        assert differs.sum() == n
        assert (trades[rule][differs] == 0).all()
        assert (sign[differs] == ours["tick"][differs]).all()
    # The data hold what they are for: trades that each rule signs, and that it leaves; crossed and
    # locked quotes; times of trades that are times of quotes.
    assert all(len(set(trades[rule].tolist())) == 3 for rule in (*EXACT, *TOLERANT))
    assert (trades["quote"] != trades["lr"]).sum() > 50
    assert (trades["emo"] != trades["clnv"])[~is_crossed].sum() > 5
    assert is_crossed.any()
    assert (quotes["bid"] == quotes["ask"]).any()
    assert np.isin(trades["ts"], quotes["ts"]).mean() > 0.3


def require_digest(sign, expected, rule):
    counts = (len(sign), *((sign == value).sum() for value in (-1, 0, 1)))
    assert counts == tuple(expected[k] for k in ("n", "n_sell", "n_undecided", "n_buy")), rule
    assert hashlib.sha256(sign.astype(np.int8).tobytes()).hexdigest() == expected["sha256"], rule


@pytest.mark.parametrize("name", captures.FUTURES + captures.SPOT)
def test_recorded_trades(test_data, name):
    trades, quotes, _, _ = captures.read_capture(test_data / captures.FOLDER / name)
    _, ts, price, qty, _ = trades
    at_trade = None if quotes is None else met_quotes(ts, *quotes[1:])
    ours = our_signs(price, qty, at_trade)
    assert set(ours) == set(REAL[name])
    for rule in EXACT:
        if rule in ours:
            require_digest(ours[rule], REAL[name][rule], rule)
    if at_trade is not None:
        theirs = tolerant_signs(price, qty, at_trade, ours)
        for rule in TOLERANT:
            require_digest(theirs[rule], REAL[name][rule], rule)
        # Within its tolerance nearly every trade is at the bid and at the ask at once: tclf's emo is
        # the tick rule, and its depth rule signs most trades although none was made at the mid.
        assert (theirs["emo"] == ours["tick"]).mean() > 0.99
        assert (ours["emo"] == ours["lr"]).mean() > 0.99
        assert (theirs["depth"] != 0).mean() > 0.6
        assert (ours["depth"] != 0).mean() < 1e-4
