"""Make the golden files of tclf, an independent implementation of the classical rules.

tclf 0.4.0 needs numpy < 2, so it has an environment of its own::

    python3.11 -m venv /tmp/tclf && /tmp/tclf/bin/pip install "tclf==0.4.0" "numpy<2" pandas
    ORDERFLOW_TEST_DATA=<folder> /tmp/tclf/bin/python -m tests.golden.make_tclf

run from the root of the repository. It writes beside itself

- ``tclf_trades.csv``, ``tclf_quotes.csv``: made-up trades and quotes full of ties, with tclf's signs;
- ``tclf_real.json``: for each recorded file the counts and the SHA-256 of tclf's signs (int8, in
  trade order) by rule. The recordings themselves belong to their venue and stay where they are.

emo, depth and trade_size compare floats with numpy's ``isclose``, whose tolerance grows with the
number: exact on the small made-up ones, several ticks wide on the recorded.

Nothing of the product is imported: the join is pandas' merge_asof without exact matches, the lagged
price a pandas forward fill. tclf leaves what it cannot decide at NaN; ``strategy="const"`` makes that 0.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from tclf.classical_classifier import ClassicalClassifier

from tests.core import captures

HERE = Path(__file__).parent
N_TRADES, N_QUOTES, SEED = 600, 400, 20240808


def main():
    trades, quotes = made_up()
    trades.assign(**signs(trades, quotes)).to_csv(HERE / "tclf_trades.csv", index=False)
    quotes.to_csv(HERE / "tclf_quotes.csv", index=False)
    folder = Path(os.environ["ORDERFLOW_TEST_DATA"]) / captures.FOLDER
    real = {name: digest(folder / name) for name in (*captures.FUTURES, *captures.SPOT)}
    (HERE / "tclf_real.json").write_text(json.dumps(real, indent=1) + "\n")


def made_up():
    """Prices walk within five ticks and times within few values: equal times of trades and quotes,
    trades at the mid, on both sides of half-tick mids, outside the quote, locked, crossed and wide
    quotes, long runs of one price, trades before the first quote.
    """
    rng = np.random.default_rng(SEED)
    trades = pd.DataFrame(
        {
            "ts": np.sort(rng.integers(0, 500, N_TRADES)),
            "price": np.repeat(rng.integers(98, 103, N_TRADES // 3), 3),
        }
    )
    bid = rng.integers(97, 102, N_QUOTES)
    spread = rng.choice([-1, 0, 1, 2, 3, 5], N_QUOTES, p=[0.1, 0.2, 0.2, 0.2, 0.1, 0.2])
    quotes = pd.DataFrame(
        {"ts": np.sort(rng.integers(20, 500, N_QUOTES)), "bid": bid, "ask": bid + spread}
    )
    trades["qty"] = rng.integers(1, 5, N_TRADES)
    quotes["bid_size"], quotes["ask_size"] = rng.integers(1, 5, (2, N_QUOTES))
    return trades, quotes


def digest(path):
    trades, quotes, _, _ = captures.read_capture(path)
    frame = pd.DataFrame({"ts": trades[1], "price": trades[2], "qty": trades[3]})
    best = None
    if quotes is not None:
        names = ("ts", "bid", "bid_size", "ask", "ask_size")
        best = pd.DataFrame(dict(zip(names, quotes[1:], strict=True)))
    return {
        rule: {
            "n": len(sign),
            "n_sell": int((sign == -1).sum()),
            "n_undecided": int((sign == 0).sum()),
            "n_buy": int((sign == 1).sum()),
            "sha256": hashlib.sha256(sign.tobytes()).hexdigest(),
        }
        for rule, sign in signs(frame, best).items()
    }


def signs(trades, quotes):
    """tclf's signs by rule; without quotes of the rules that look at trades alone."""
    price = trades["price"]
    features = pd.DataFrame({"trade_price": price, "trade_size": trades["qty"]})
    is_change = price.ne(price.shift())
    features["price_ex_lag"] = price.shift().where(is_change).ffill()  # the last different price
    is_last = price.ne(price.shift(-1))
    features["price_ex_lead"] = price.shift(-1).where(is_last).bfill()  # the next different price
    rules = ["tick", "rev_tick"]
    if quotes is not None:
        met = pd.merge_asof(trades, quotes, on="ts", allow_exact_matches=False)
        for name in ("bid", "ask", "bid_size", "ask_size"):
            features[f"{name}_ex"] = met[name]
        rules += ["quote", "lr", "emo", "clnv", "depth", "trade_size"]
    features = features.astype(np.float64)  # whole numbers below 2**53: exact, and so is the mid
    found = {}
    for rule in rules:
        model = ClassicalClassifier(layers=[(rule, "ex")], strategy="const")
        found[rule] = model.fit(features).predict(features).astype(np.int8)
    return found


if __name__ == "__main__":
    main()
