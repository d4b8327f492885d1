"""Score classification rules against the true side, where the venue tells it."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from orchestration.arrays import column, on_exchange_clock, quote_arrays
from orchestration.defs.classification.tables import market_trades, strict_quotes
from orchestration.errors import NothingToScore
from orchestration.storage.store import Store
from orderflow_core.classify import QUOTE_RULES, RESEARCH_RULES, RULES, classify
from orderflow_core.instrument import Instrument
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.scoring import Score, score_report, spread_position
from orderflow_core.sweeps import assign_sweeps, sweep_bounds

# Scores judge a rule after the day, so that the ones that look ahead may be asked too.
SCORABLE = (*(rule for rule in RULES if rule != "native"), *RESEARCH_RULES)
_NS_PER_MS = 1_000_000


def score_rules(
    store: Store,
    instrument: Instrument,
    day: date,
    rules: Sequence[str],
    *,
    inclusive: bool = False,
    by_position: bool = False,
) -> dict[str, Any]:
    """Return accuracy with its 95 % interval, per fill, per sweep and by volume, of each rule.

    Parameters
    ----------
    rules : sequence of str
        Single rules or layers joined with ``+``, such as ``quote+tick``. ``native`` is the truth
        here and is refused.
    inclusive : bool
        Join the quote at the trade's own time as well: the usual mistake, as a negative control.
    by_position : bool
        Also per fill at each place in the spread: at the bid, inside, at the mid, at the ask, outside.
    """
    trades, quotes = _published(store, instrument, day)
    truth = column(trades, "native_sign")
    sweep = _true_sweeps(trades, truth, instrument)
    return {
        "symbol": instrument.symbol,
        "day": day.isoformat(),
        "join": "inclusive" if inclusive else "strict",
        "n_trades": trades.num_rows,
        "n_sweeps": len(sweep_bounds(sweep)[0]),
        "rules": {
            name: _score(name, trades, quotes, sweep, instrument, inclusive, by_position)
            for name in rules
        },
    }


def score_lags(
    store: Store, instrument: Instrument, day: date, lags_ms: Sequence[int]
) -> dict[str, Any]:
    """Return how often Lee-Ready is right for each lag that the venue's quotes may run behind.

    Parameters
    ----------
    lags_ms : sequence of int, unit ms, >= 0, strictly increasing
        Quotes without an exchange time are joined by our receive times, less the lag.

    Notes
    -----
    The best lag has seen the day's true sides: set it as ``quote_lag_ms`` for later days.
    """
    trades, quotes = _published(store, instrument, day)
    if not quotes.num_rows:
        raise NothingToScore(f"lags need quotes and {instrument.symbol} has none")
    truth = column(trades, "native_sign")
    clock = "ts_event_ns" if on_exchange_clock(quotes) else "ts_recv_ns"
    found = lag_sweep(
        np.maximum.accumulate(column(trades, clock)),
        column(trades, "price_ticks"),
        quote_arrays(quotes),
        truth,
        [lag * _NS_PER_MS for lag in lags_ms],
        cluster=_true_sweeps(trades, truth, instrument),
    )
    return {
        "symbol": instrument.symbol,
        "day": day.isoformat(),
        "clock": clock,
        "n": found.n,
        "best_lag_ms": None if found.best_lag_ns is None else found.best_lag_ns // _NS_PER_MS,
        "lags": [
            {"lag_ms": lag, **_rounded(accuracy=a, low=low, high=high)}
            for lag, a, low, high in zip(
                lags_ms, found.accuracy, found.low, found.high, strict=True
            )
        ],
    }


def lags_from_text(text: str) -> list[int]:
    """Return milliseconds from ``0,5,50``; a ValueError says what is wrong with them."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"lags are whole milliseconds joined with commas, got {text!r}")
    lags = [int(part) for part in parts]
    if any(after <= before for before, after in pairwise(lags)):
        raise ValueError(f"lags must increase, got {text!r}")
    return lags


def _published(store: Store, instrument: Instrument, day: date) -> tuple[pa.Table, pa.Table]:
    trades = market_trades(store.read("raw.trades", instrument.symbol, day))
    if not trades.num_rows:
        raise NothingToScore(f"no trade of {instrument.symbol} is published for {day}")
    if not np.any(column(trades, "native_sign")):
        raise NothingToScore(f"{instrument.symbol} on {day}: no published trade has a true side")
    return trades, store.read("raw.quotes", instrument.symbol, day)


def _true_sweeps(trades: pa.Table, truth: np.ndarray, instrument: Instrument) -> np.ndarray:
    return assign_sweeps(
        column(trades, "ts_event_ns"),
        column(trades, "trade_id"),
        column(trades, "price_ticks"),
        truth,
        max_id_step=instrument.max_id_step,
    )


def _score(
    name: str,
    trades: pa.Table,
    quotes: pa.Table,
    sweep: np.ndarray,
    instrument: Instrument,
    inclusive: bool,
    by_position: bool,
) -> dict[str, Any]:
    layers = tuple(name.split("+"))
    unknown = [layer for layer in layers if layer not in SCORABLE]
    if unknown:
        raise NothingToScore(f"cannot score {unknown[0]!r}: choose from {', '.join(SCORABLE)}")
    if QUOTE_RULES & set(layers) and not quotes.num_rows:
        raise NothingToScore(f"rule {name!r} needs quotes and {instrument.symbol} has none")
    at_trade = (
        strict_quotes(trades, quotes, instrument, inclusive=inclusive) if quotes.num_rows else None
    )
    price, qty = column(trades, "price_ticks"), column(trades, "qty_lots")
    sign = classify(
        price, rules=layers, at_trade=at_trade, qty_lots=qty, allow_look_ahead=True
    ).sign
    position = spread_position(price, at_trade) if by_position and at_trade is not None else None
    report = score_report(
        sign, column(trades, "native_sign"), qty_lots=qty, sweep=sweep, position=position
    )
    scores = {"fill": report.per_fill, "sweep": report.per_sweep, "volume": report.by_volume}
    return {per: _as_json(score) for per, score in (scores | report.by_position).items()}


def _as_json(score: Score) -> dict[str, float | int]:
    shares = _rounded(accuracy=score.accuracy, low=score.low, high=score.high)
    return {"n": score.n, "n_decided": score.n_decided, **shares}


def _rounded(**shares: float) -> dict[str, float]:
    return {name: round(float(share), 6) for name, share in shares.items()}
