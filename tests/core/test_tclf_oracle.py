"""Exact agreement with tclf, whose golden files tests/golden/make_tclf.py explains.

Nothing needs excusing: where tclf finds no sign (NaN: before the first quote, at the mid, crossed,
before the first price change) it is run with ``strategy="const"``, which gives 0, and so do we. Its
lagged price is the last different trade price, as in our tick rule.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from orderflow_core.alignment import quote_at_trade
from orderflow_core.classify import lee_ready, quote_rule, tick_rule
from orderflow_core.types import QuoteArrays
from tests.core import captures

GOLDEN = Path(__file__).parents[1] / "golden"
REAL = json.loads((GOLDEN / "tclf_real.json").read_text())


def read_columns(name):
    header, *rows = (GOLDEN / name).read_text().splitlines()
    values = np.array([[int(cell) for cell in row.split(",")] for row in rows], np.int64).T
    return dict(zip(header.split(","), values, strict=True))


def our_signs(trade_ts, price, quote_columns):
    signs = {"tick": tick_rule(price)[0]}
    if quote_columns is not None:
        quote_ts, bid, ask = quote_columns
        size = np.ones(len(bid), np.int64)
        quotes = QuoteArrays(
            ts_event_ns=quote_ts, bid_ticks=bid, bid_lots=size, ask_ticks=ask, ask_lots=size
        )
        at_trade = quote_at_trade(trade_ts, quotes)
        signs["quote"] = quote_rule(price, at_trade)
        signs["lr"] = lee_ready(price, at_trade)[0]
    return signs


def test_made_up_trades_full_of_ties():
    trades, quotes = read_columns("tclf_trades.csv"), read_columns("tclf_quotes.csv")
    ours = our_signs(trades["ts"], trades["price"], (quotes["ts"], quotes["bid"], quotes["ask"]))
    for rule, sign in ours.items():
        assert sign.tolist() == trades[rule].tolist(), rule
    # The data hold what they are for: undecided trades of each rule, crossed and locked quotes.
    assert all((trades[rule] == 0).any() for rule in ("tick", "quote", "lr"))
    assert (trades["quote"] != trades["lr"]).sum() > 50
    assert (quotes["bid"] > quotes["ask"]).any()
    assert (quotes["bid"] == quotes["ask"]).any()
    assert np.isin(trades["ts"], quotes["ts"]).mean() > 0.3


@pytest.mark.parametrize("name", captures.FUTURES + captures.SPOT)
def test_recorded_trades(test_data, name):
    trades, quotes, _, _ = captures.read_capture(test_data / captures.FOLDER / name)
    ours = our_signs(trades[1], trades[2], None if quotes is None else quotes[[1, 2, 4]])
    assert set(ours) == set(REAL[name])
    for rule, sign in ours.items():
        expected = REAL[name][rule]
        counts = (len(sign), *((sign == value).sum() for value in (-1, 0, 1)))
        assert counts == tuple(expected[k] for k in ("n", "n_sell", "n_undecided", "n_buy")), rule
        assert hashlib.sha256(sign.tobytes()).hexdigest() == expected["sha256"], rule
