"""Score classification rules against the true side, where the venue tells it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from orchestration.arrays import column
from orchestration.defs.classification.tables import market_trades, strict_quotes
from orchestration.errors import NothingToScore
from orchestration.storage.store import Store
from orderflow_core.classify import RULES, classify
from orderflow_core.instrument import Instrument
from orderflow_core.scoring import Score, score_signs
from orderflow_core.sweeps import assign_sweeps, sweep_bounds

SCORABLE = tuple(rule for rule in RULES if rule != "native")
_NEEDS_QUOTES = frozenset({"quote", "lee_ready"})


def score_rules(
    store: Store,
    instrument: Instrument,
    day: date,
    rules: Sequence[str],
    *,
    inclusive: bool = False,
) -> dict[str, Any]:
    """Return accuracy with its 95 % interval, per fill and per sweep, of each rule.

    Parameters
    ----------
    rules : sequence of str
        Single rules or layers joined with ``+``, such as ``quote+tick``. ``native`` is the truth
        here and is refused.
    inclusive : bool
        Join the quote at the trade's own time as well: the usual mistake, as a negative control.
    """
    trades = market_trades(store.read("raw.trades", instrument.symbol, day))
    quotes = store.read("raw.quotes", instrument.symbol, day)
    if not trades.num_rows:
        raise NothingToScore(f"nothing of {instrument.symbol} is published for {day}")
    truth = column(trades, "native_sign")
    if not np.any(truth):
        raise NothingToScore(f"{instrument.symbol} on {day}: no published trade has a true side")
    first, sweep = _true_sweeps(trades, truth, instrument)
    return {
        "symbol": instrument.symbol,
        "day": day.isoformat(),
        "join": "inclusive" if inclusive else "strict",
        "n_trades": trades.num_rows,
        "n_sweeps": len(first),
        "rules": {
            name: _score(name, trades, quotes, truth, first, sweep, instrument, inclusive)
            for name in rules
        },
    }


def _true_sweeps(
    trades: pa.Table, truth: np.ndarray, instrument: Instrument
) -> tuple[np.ndarray, np.ndarray]:
    sweep = assign_sweeps(
        column(trades, "ts_event_ns"),
        column(trades, "trade_id"),
        column(trades, "price_ticks"),
        truth,
        max_id_step=instrument.max_id_step,
    )
    return sweep_bounds(sweep)[0], sweep


def _score(
    name: str,
    trades: pa.Table,
    quotes: pa.Table,
    truth: np.ndarray,
    first: np.ndarray,
    sweep: np.ndarray,
    instrument: Instrument,
    inclusive: bool,
) -> dict[str, Any]:
    layers = tuple(name.split("+"))
    unknown = [layer for layer in layers if layer not in SCORABLE]
    if unknown:
        raise NothingToScore(f"cannot score {unknown[0]!r}: choose from {', '.join(SCORABLE)}")
    if _NEEDS_QUOTES & set(layers) and not quotes.num_rows:
        raise NothingToScore(f"rule {name!r} needs quotes and {instrument.symbol} has none")
    at_trade = (
        strict_quotes(trades, quotes, instrument, inclusive=inclusive) if quotes.num_rows else None
    )
    sign = classify(column(trades, "price_ticks"), rules=layers, at_trade=at_trade).sign
    return {
        "fill": _as_json(score_signs(sign, truth, cluster=sweep)),
        "sweep": _as_json(score_signs(sign[first], truth[first])),
    }


def _as_json(score: Score) -> dict[str, float | int]:
    return {
        "n": score.n,
        "n_decided": score.n_decided,
        "accuracy": round(score.accuracy, 6),
        "low": round(score.low, 6),
        "high": round(score.high, 6),
    }
