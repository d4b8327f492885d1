"""Markets whose truth is known, as rows to train on: what a model must find in them, and what it cannot.

``informed_market``
    The simulator's, with nothing planted but informed bursts of orders: the value goes their way for half a
    minute. Its other orders tell nothing (``surprise_ticks=0``), so that what is found is what was planted.
``walk_market``
    A null market in the strict sense: nothing known at a decision tells anything of an outcome. The mid steps
    up or down a tick at the times of a Poisson process, as a fair coin says; orders come by another one, each
    with a side, a size and a reach of its own that depend on nothing. The spread is one tick, the sizes shown
    are always the same, so that a resting order meets the same queue whenever it is left.
``quiet_market``
    The simulator's book with nothing planted and orders by a Poisson process that tell nothing. Its mid is no
    random walk: it bounces after orders, and follows the value late. The value itself is one, driven by news
    alone, and outcomes are measured on it: features of a whole book, outcomes that none of them can know.

They have the tasks of decisions and of orders. What is known of levels is in `tests/models/test_levels.py`: levels
planted by the simulator, levels found on walks and on null markets.

A usual move is measured over the past in a market that has spells (informed). In the null markets it is what
it was made to be: a threshold by a measured one is foreseeable, since features tell by how much the measurement
has missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from models.auxiliary import auxiliary_at
from models.datasets import Dataset, assemble
from models.footprint_windows import DayFootprint, windows_of
from models.order_rows import hashed, order_dataset
from models.tasks import Task
from orderflow_core.alignment import quote_at_trade
from orderflow_core.backtest.resting import resting_fills
from orderflow_core.bars import time_bar_index
from orderflow_core.features import NAMES, FeatureMatrix, decision_features
from orderflow_core.footprint import footprint
from orderflow_core.footprint_tensor import WindowBars
from orderflow_core.labels import LabelArrays, direction_labels, return_labels
from orderflow_core.labels_directions import direction_time_labels, direction_trades_labels
from orderflow_core.labels_moves import significant_move_labels, triple_barrier_labels
from orderflow_core.labels_orders import (
    adverse_labels,
    fill_labels,
    impact_labels,
    markout_labels,
    slippage_labels,
)
from orderflow_core.simulator import SECOND_NS, SimulatorSettings, simulate
from orderflow_core.sweeps import assign_sweeps, sweep_table
from orderflow_core.trailing_moves import trailing_move_sigma
from orderflow_core.types import Float64, Int64, QuoteArrays, TradeArrays

DECISION_TASKS = (
    "direction_10", "direction_30t", "direction_10s", "barrier_10s", "move_10s", "return_10s",
)  # fmt: skip
ORDER_TASKS = ("impact_10s", "markout_10s", "sizing_10s", "slippage", "fill_10s", "adverse_10s")
ORDER_SUBJECTS = {task.partition("_")[0] for task in ORDER_TASKS}
# Few orders a burst: what is learnt from are bursts, not orders.
BURSTS = {"bursts": 1_500.0, "burst_orders": 8, "burst_child": 12.0, "burst_ticks": 9.0}
FINE = 1_000  # steps of the value's grid in half a tick
_FEE_TICKS, _N_SIGMAS = 0.5, 1.0
_SIGMA_WINDOW_NS, _LATENCY_NS = 600 * SECOND_NS, SECOND_NS // 100
_START_NS = SimulatorSettings().start_ns
_ORDER_RATE, _STEP_RATE, _SHOWN_LOTS, _FIRST_TICKS = 0.5, 0.5, 40, 200_000
_INFORMED_RATE = 0.02
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class TruthMarket:
    """Ticks, and what outcomes are measured on.

    Attributes
    ----------
    trades : TradeArrays
    quotes : QuoteArrays
    path_ns, path : ndarray of int64, shape (n,)
        Times and twice the price, in units of ``1 / grid`` ticks.
    grid : int
    variance_a_second : float or None, unit squared ticks
        Of the path; None: a usual move is measured over the past.
    end_ns : int
    """

    trades: TradeArrays
    quotes: QuoteArrays
    path_ns: Int64
    path: Int64
    grid: int = 1
    variance_a_second: float | None = None
    end_ns: int

    @cached_property
    def sweep(self) -> Int64:
        """Ordinal of each trade's order."""
        t = self.trades
        return assign_sweeps(t.ts_event_ns, t.trade_id, t.price_ticks, t.sign)

    @cached_property
    def matrix(self) -> FeatureMatrix:
        """Features at every decision."""
        return decision_features(
            self.trades, self.sweep, quote_at_trade(self.trades.ts_event_ns, self.quotes),
            session_start_idx=np.zeros(1, np.int64), gap_idx=_NONE, session_ended=True,
        )  # fmt: skip

    @property
    def known(self) -> dict[str, object]:
        """What every label is told."""
        return {
            "session_end_ns": self.end_ns,
            "gap_start_ns": _NONE,
            "known_until_ns": int(self.path_ns[-1]),
        }


def informed_market(*, hours: float, seed: int) -> TruthMarket:
    """Return a market of informed bursts; see the module."""
    usual = SimulatorSettings(
        duration_s=3600.0 * hours, surprise_ticks=0.0, market_rate=_INFORMED_RATE
    )
    plant = replace(usual.without_episodes().plant, **BURSTS)
    market = simulate(replace(usual, plant=plant), seed=seed)
    quotes = market.quotes
    return TruthMarket(
        trades=market.trades, quotes=quotes, path_ns=quotes.ts_event_ns,
        path=quotes.bid_ticks + quotes.ask_ticks, end_ns=_end_ns(hours),
    )  # fmt: skip


def quiet_market(*, hours: float, seed: int) -> TruthMarket:
    """Return a simulated market whose value is a random walk that nothing tells of; see the module."""
    usual = SimulatorSettings(duration_s=3600.0 * hours, surprise_ticks=0.0)
    quiet = replace(
        usual.without_episodes(), market_rate=_ORDER_RATE / 2, same_side=0.0, other_side=0.0
    )
    market = simulate(quiet, seed=seed)
    return TruthMarket(
        trades=market.trades, quotes=market.quotes, path_ns=market.trades.ts_event_ns,
        path=np.rint(2 * FINE * market.reference_ticks).astype(np.int64), grid=FINE,
        variance_a_second=quiet.news_ticks**2, end_ns=_end_ns(hours),
    )  # fmt: skip


def walk_market(*, hours: float, seed: int) -> TruthMarket:
    """Return a random walk with orders that depend on nothing; see the module."""
    rng = np.random.default_rng(seed)
    step_ns, order_ns = (_poisson_times(rate, hours, rng) for rate in (_STEP_RATE, _ORDER_RATE))
    bid = _FIRST_TICKS + np.cumsum(rng.choice([-1, 1], len(step_ns)))
    bid = np.append(_FIRST_TICKS, bid)
    shown = np.full(len(bid), _SHOWN_LOTS)
    quotes = QuoteArrays(
        ts_event_ns=np.append(_START_NS, step_ns), bid_ticks=bid, bid_lots=shown,
        ask_ticks=bid + 1, ask_lots=shown,
    )  # fmt: skip
    return TruthMarket(
        trades=_orders(order_ns, quotes, rng), quotes=quotes, path_ns=quotes.ts_event_ns,
        path=2 * bid + 1, variance_a_second=_STEP_RATE, end_ns=_end_ns(hours),
    )  # fmt: skip


def _end_ns(hours: float) -> int:
    return _START_NS + int(3600 * hours) * SECOND_NS


def _poisson_times(rate: float, hours: float, rng: np.random.Generator) -> Int64:
    n = rng.poisson(rate * 3600 * hours)
    return np.unique(rng.integers(_START_NS + 1, _end_ns(hours), n))


# An order takes a second price for 1 to 99 hundredths of its size, whatever that is: what is paid does not
# depend on the size.
def _orders(order_ns: Int64, quotes: QuoteArrays, rng: np.random.Generator) -> TradeArrays:
    n = len(order_ns)
    side = rng.choice([-1, 1], n)
    unit = np.floor(1 + rng.pareto(1.5, n)).clip(max=500).astype(np.int64)
    behind = rng.integers(1, 100, n)
    at = np.searchsorted(quotes.ts_event_ns, order_ns, side="left") - 1
    touch = np.where(side > 0, quotes.ask_ticks[at], quotes.bid_ticks[at])
    return TradeArrays(
        ts_event_ns=np.repeat(order_ns, 2), trade_id=np.arange(1, 2 * n + 1),
        price_ticks=np.column_stack([touch, touch + side]).ravel(),
        qty_lots=np.column_stack([(100 - behind) * unit, behind * unit]).ravel(),
        sign=np.repeat(side, 2).astype(np.int8),
    )  # fmt: skip


def rows_of(market: TruthMarket, task: Task, *, max_rows: int | None = None) -> Dataset:
    """Return a task's rows in a market; of more than ``max_rows`` the first."""
    matrix = market.matrix
    features: dict[str, np.ndarray] = dict(zip(matrix.names, matrix.values.T, strict=True)) | {
        "t0_ns": matrix.t0_ns,
        "decision_id": matrix.decision_id,
        "trading_day": np.zeros(len(matrix), np.int64),
    }
    if task.subject in ORDER_SUBJECTS:
        table = _order_table(market, task)
        rows = order_dataset(features, table, names=NAMES)
    else:
        found = _labels(market, task)
        table = {
            "t0_ns": found.t0_ns, "t1_ns": found.t1_ns, "label": found.label,
            "decision_id": matrix.decision_id,
        }  # fmt: skip
        rows = assemble(features, table, names=NAMES)
    return rows if max_rows is None else rows.take(slice(0, max_rows))


def with_windows(market: TruthMarket, rows: Dataset) -> Dataset:
    """Return the rows that have a footprint window of a hundred bars of a second, with it."""
    trades = market.trades
    index = time_bar_index(trades.ts_event_ns, SECOND_NS)
    cells = footprint(trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=1)
    day = DayFootprint(
        cells=cells,
        bars=WindowBars(
            bar_id=index.bar_id,
            close_ticks=trades.price_ticks[index.end_idx - 1],
            run=np.zeros(len(index), np.int64),
        ),
        t1_ns=index.t1_ns, gap_start_ns=_NONE, gap_end_ns=_NONE, session_start_ns=_NONE,
        cell_ticks=1, ticks_per_row=1,
    )  # fmt: skip
    position, windows = windows_of([day], np.zeros(len(rows), np.int64), rows.t0_ns)
    return replace(rows.take(position), windows=windows)


def with_other_heads(market: TruthMarket, rows: Dataset, tasks: Mapping[str, Task]) -> Dataset:
    """Return the rows with the outcomes of other tasks at their times, by the head that learns them."""
    found = {head: _labels(market, task) for head, task in tasks.items()}
    outcomes = {head: (each.t0_ns, each.t1_ns, each.label) for head, each in found.items()}
    return replace(rows, auxiliary=auxiliary_at(rows.t0_ns, outcomes))


def _seconds_ns(task: Task) -> int:
    return int(task.name.partition("_")[2].removesuffix("s")) * SECOND_NS


def _labels(market: TruthMarket, task: Task) -> LabelArrays:
    matrix, path = market.matrix, (market.path_ns, market.path)
    t0, horizon = matrix.t0_ns, task.name.partition("_")[2]
    if task.subject == "direction" and horizon.endswith("t"):
        return direction_trades_labels(
            t0, matrix.last_idx, market.trades.ts_event_ns, *path,
            horizon_trades=int(horizon[:-1]), **market.known,
        )  # fmt: skip
    if task.subject == "direction" and not horizon.endswith("s"):
        return direction_labels(t0, *path, horizon_sweeps=int(horizon), **market.known)
    common = {"horizon_ns": _seconds_ns(task), **market.known}
    if task.subject == "return":
        return return_labels(t0, *path, **common)
    # Of prices that are doubled: half a spread and a fee are a spread and two fees.
    way = market.grid * (np.nan_to_num(matrix.column("spread_ticks"), nan=1.0) + 2 * _FEE_TICKS)
    if task.subject == "direction":
        return direction_time_labels(t0, *path, cost_mid2=way, **common)
    sigma = _sigma(market, common["horizon_ns"])
    if task.subject == "move":
        terms = {"sigma_mid2": sigma, "n_sigmas": _N_SIGMAS, "cost_mid2": 0 * way}
        return significant_move_labels(t0, *path, **terms, **common)
    barrier = np.maximum(_N_SIGMAS * sigma, 2.0 * market.grid)
    return triple_barrier_labels(t0, *path, barrier_mid2=barrier, **common)


def _sigma(market: TruthMarket, horizon_ns: int) -> Float64:
    t0 = market.matrix.t0_ns
    if market.variance_a_second is not None:
        usual = np.sqrt(market.variance_a_second * horizon_ns / SECOND_NS)
        return np.full(len(t0), 2 * market.grid * usual)
    return trailing_move_sigma(
        t0, market.path_ns, market.path, horizon_ns=horizon_ns, window_ns=_SIGMA_WINDOW_NS,
        restart_idx=np.zeros(1, np.int64),
    )  # fmt: skip


def _order_table(market: TruthMarket, task: Task) -> dict[str, np.ndarray]:
    matrix, path = market.matrix, (market.path_ns, market.path)
    t0, ids = matrix.t0_ns, matrix.decision_id
    if task.subject not in ("fill", "adverse"):
        sweeps = sweep_table(market.sweep, market.trades)
        t0, ids, sign, lots = t0[:-1], ids[:-1], sweeps.sign[1:], sweeps.qty_lots[1:]
        rows, vwap = (t0, sweeps.ts_ns[1:], sign), sweeps.vwap_ticks[1:]
        if task.subject == "slippage":
            found = slippage_labels(*rows, vwap, *path, **market.known)
        elif task.subject == "markout":
            terms = {"horizon_ns": _seconds_ns(task), **market.known}
            found = markout_labels(*rows, vwap, *path, **terms)
        else:  # impact, and sizing by its quantiles
            found = impact_labels(*rows, *path, horizon_ns=_seconds_ns(task), **market.known)
    else:
        sign = np.where(hashed(ids) & np.uint64(1), 1, -1).astype(np.int8)
        lots, horizon_ns = np.ones(len(t0), np.int64), _seconds_ns(task)
        fills = resting_fills(
            market.trades, market.quotes, t0, sign,
            latency_ns=_LATENCY_NS, rest_ns=horizon_ns, tick_steps=1,
        )  # fmt: skip
        if task.subject == "fill":
            found = fill_labels(t0, fills, **market.known)
        else:
            found = adverse_labels(t0, fills, sign, *path, horizon_ns=horizon_ns, **market.known)
    return {
        "t0_ns": found.t0_ns, "t1_ns": found.t1_ns, "decision_id": ids, "label": found.label,
        "order_sign": sign, "order_lots": lots,
    }  # fmt: skip
