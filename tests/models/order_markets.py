"""Orders whose impact is known: drawn rows, and a simulated market's own."""

import numpy as np

from models.datasets import Dataset
from models.order_rows import PAST_COLUMNS, order_dataset
from orderflow_core.alignment import quote_at_trade
from orderflow_core.features import NAMES, decision_features
from orderflow_core.labels_orders import impact_labels
from orderflow_core.simulator import SECOND_NS, simulate
from orderflow_core.sweeps import assign_sweeps, sweep_table

SECOND = 1_000_000_000
DRAWN_NAMES = (
    "volatility_60s_ticks", "spread_ticks", "order_same_lots_60s", "order_other_lots_60s", "noise",
    "order_sign", "order_log_lots", *PAST_COLUMNS,
)  # fmt: skip


def drawn_orders(
    n=6000, *, exponent=0.5, prefactor=6.0, decay=0.3, by_spread=0.0, noise=1.0, seed=0
) -> Dataset:
    """One order a second; impact is the law, what past signs add, the spread's part, and noise.

    ``by_spread`` is what a wide spread (0 or 1) adds, in noises; past signs add ``decay / lag``.
    """
    rng = np.random.default_rng(seed)
    stay = rng.random(n + 20) < 0.7
    sign = np.cumprod(np.where(stay, 1, -1)).astype(np.float64)
    lots = np.maximum(1, np.floor(3 * (1 - rng.random(n)) ** -0.8)).clip(max=3000)
    volatility = np.exp(0.4 * np.sin(np.arange(n) / 300))
    same, other = rng.uniform(2000, 6000, (2, n))
    spread = (rng.random(n) < 0.5).astype(np.float64)
    past = np.column_stack(
        [sign[20 - lag : 20 - lag + n] for lag in range(1, len(PAST_COLUMNS) + 1)]
    )
    past *= sign[20:, None]
    law = prefactor * volatility * (lots / (same + other)) ** exponent
    echo = past[:, :5] @ (decay / np.arange(1, 6))
    label = law + echo + by_spread * (spread - 0.5) + noise * volatility * rng.normal(size=n)
    columns = [
        volatility,
        spread,
        same,
        other,
        rng.normal(size=n),
        sign[20:],
        np.log(lots),
        *past.T,
    ]
    t0 = np.arange(n, dtype=np.int64) * SECOND
    return Dataset(
        features=np.column_stack(columns),
        names=DRAWN_NAMES,
        label=label,
        t0_ns=t0,
        t1_ns=t0 + SECOND,
        decision_id=np.arange(n, dtype=np.int64),
        trading_day=np.zeros(n, np.int64),
    )


def simulated_orders(settings, *, seed, horizon_s=10, max_rows=None) -> Dataset:
    """Every sweep of a simulated market with the state at the decision before it."""
    market = simulate(settings, seed=seed)
    trades, quotes = market.trades, market.quotes
    sweep = assign_sweeps(trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign)
    start, none = np.zeros(1, np.int64), np.empty(0, np.int64)
    matrix = decision_features(
        trades, sweep, quote_at_trade(trades.ts_event_ns, quotes),
        session_start_idx=start, gap_idx=none, session_ended=True,
    )  # fmt: skip
    sweeps = sweep_table(sweep, trades)
    found = impact_labels(
        matrix.t0_ns[:-1], sweeps.ts_ns[1:], sweeps.sign[1:],
        quotes.ts_event_ns, quotes.bid_ticks + quotes.ask_ticks,
        horizon_ns=horizon_s * SECOND_NS,
        session_end_ns=settings.start_ns + int(settings.duration_s * SECOND_NS),
        gap_start_ns=none, known_until_ns=int(quotes.ts_event_ns[-1]),
    )  # fmt: skip
    features = dict(zip(matrix.names, matrix.values.T, strict=True)) | {
        "t0_ns": matrix.t0_ns,
        "decision_id": matrix.decision_id,
        "trading_day": np.zeros(len(matrix), np.int64),
    }
    labels = {
        "t0_ns": found.t0_ns, "t1_ns": found.t1_ns, "decision_id": matrix.decision_id[:-1],
        "label": found.label, "order_sign": sweeps.sign[1:], "order_lots": sweeps.qty_lots[1:],
    }  # fmt: skip
    return order_dataset(features, labels, names=NAMES, max_rows=max_rows)
