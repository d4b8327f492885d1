"""Labels of one symbol-day: a row a decision and task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.tasks import Task
from orchestration.arrays import column, constant, without_depth
from orchestration.defs.features.reference import LAST_TRADE, reference_path, restarts
from orchestration.defs.features.tables import CLOCK
from orchestration.task_names import horizon
from orderflow_core.instrument import Instrument
from orderflow_core.labels import LabelArrays, direction_labels, return_labels
from orderflow_core.labels_directions import direction_time_labels, direction_trades_labels
from orderflow_core.labels_moves import significant_move_labels, triple_barrier_labels
from orderflow_core.rolling import last_known_idx
from orderflow_core.side_mid import last_by_side
from orderflow_core.sweeps import sweep_bounds
from orderflow_core.trailing_moves import trailing_move_sigma

_NS_PER_S = 1_000_000_000
# Trades alternate between bid and ask: over few of them the last price's way back is foreseeable,
# and a label measured on it would reward that and nothing else.
MIN_EVENTS_ON_TRADES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTerms:
    """What labels are made of besides the market's rows.

    Attributes
    ----------
    tasks : sequence of str
        ``direction_N``, ``direction_Nt``, ``direction_Xs``, ``barrier_Xs``, ``return_Xs``, ``move_Xs``.
    n_sigmas : float
        Barriers lie, and significant moves begin, at so many usual moves.
    sigma_window_s : int
        Trailing time over which the usual move is taken, at least the longest horizon.
    without_quotes : {"half_spread_mid", "side_mid", "last_trade"}
        What stands for the mid where there are no quotes.
    direction_costs : bool
        Whether ``direction_N`` and ``direction_Nt`` are flat within costs as ``direction_Xs`` is.
    """

    tasks: Sequence[str]
    n_sigmas: float
    sigma_window_s: int
    without_quotes: str
    direction_costs: bool


@dataclass(frozen=True, slots=True)
class _Day:
    # What the labels of a day have in common; arrays by decision unless they are of the path.
    t0: np.ndarray
    last_trade: np.ndarray
    trade_ts: np.ndarray
    ref_ts: np.ndarray
    ref_mid2: np.ndarray
    spread_ticks: np.ndarray
    fee_ticks: np.ndarray
    restart_rows: np.ndarray
    tick_steps: int
    known: dict[str, Any]


def labels(
    features_table: pa.Table,
    classified: pa.Table,
    quotes: pa.Table,
    gaps: pa.Table,
    *,
    session_end_ns: int,
    instrument: Instrument,
    terms: LabelTerms,
) -> pa.Table:
    """Return ``research.labels`` for every task; NaN where the outcome is not known.

    Parameters
    ----------
    features_table : pyarrow.Table
        ``research.features``: its rows are the decision times.
    classified, quotes, gaps : pyarrow.Table
        ``flow.classified_trades``, ``raw.quotes`` and ``raw.gaps`` of the day.
    session_end_ns : int, unit ns
    instrument : Instrument
        Says tick and fees.
    terms : LabelTerms

    Raises
    ------
    ValueError
        The labels rest on last trades and a direction's horizon is below `MIN_EVENTS_ON_TRADES`
        sweeps or trades, quotes of two clocks are mixed, a task is of another kind, or the decisions
        are not the ends of the trades' sweeps.

    Notes
    -----
    Known at the decision: the spread is the feature ``spread_ticks``; without a quote the last buy's
    price less the last sell's, no less than a tick. The fee is a taker's. A usual move is the trailing
    root mean square over the horizon (`orderflow_core.trailing_moves`). ``direction_Xs`` is flat within
    half a spread and a fee, ``direction_N`` and ``direction_Nt`` too with ``direction_costs``, ``move_Xs`` is a move above ``n_sigmas`` usual ones and above a spread and two
    fees, barriers lie ``n_sigmas`` usual moves away and a tick at least.
    """
    ref_ts, ref_mid2, mid_proxy = reference_path(
        classified,
        quotes,
        gaps,
        without_quotes=terms.without_quotes,
        tick_steps=instrument.tick_steps,
    )
    ids, found = column(features_table, "decision_id"), []
    path = (ref_ts, ref_mid2)
    day = _day(features_table, classified, gaps, path, session_end_ns, instrument)
    for name in terms.tasks:
        if len(day.t0):
            _require_beyond_bounce(mid_proxy, name)
        found.append(_task_rows(name, _made(name, day, terms), ids, mid_proxy))
    return pa.concat_tables(found).unify_dictionaries()


def _day(
    features_table: pa.Table,
    classified: pa.Table,
    gaps: pa.Table,
    path: tuple[np.ndarray, np.ndarray],
    session_end_ns: int,
    instrument: Instrument,
) -> _Day:
    t0, price = column(features_table, "t0_ns"), column(classified, "price_ticks")
    last = _last_trades(features_table, classified)
    gaps = without_depth(gaps)
    gap_end = np.sort(column(gaps, "end_ns"))
    buy, sell = last_by_side(price, column(classified, "sign"), restarts(classified, gaps))
    spread = column(features_table, "spread_ticks")
    traded = np.maximum(buy - sell, instrument.tick_steps)[last]
    after_gaps = np.searchsorted(t0, gap_end)
    ref_ts, ref_mid2 = path
    at = last_known_idx(ref_ts, t0)
    mid_ticks = (
        np.where(at >= 0, ref_mid2[at] / 2, np.nan) if len(ref_ts) else np.full(len(t0), np.nan)
    )
    return _Day(
        t0=t0,
        last_trade=last,
        trade_ts=column(classified, "ts_event_ns"),
        ref_ts=ref_ts,
        ref_mid2=ref_mid2,
        spread_ticks=np.where(np.isnan(spread), traded, spread),
        fee_ticks=_fee_ticks(np.abs(mid_ticks), instrument),
        restart_rows=np.unique(
            np.append(after_gaps[after_gaps < len(t0)], np.zeros(min(1, len(t0)), int))
        ),
        tick_steps=instrument.tick_steps,
        known={
            "session_end_ns": np.full(len(t0), session_end_ns),
            "gap_start_ns": np.sort(column(gaps, "start_ns")),
            "gap_end_ns": gap_end,
            "known_until_ns": int(ref_ts[-1]) if len(ref_ts) else 0,
        },
    )


def _last_trades(features_table: pa.Table, classified: pa.Table) -> np.ndarray:
    # Position of the last trade that each decision knows: the ends of the sweeps.
    _, end = sweep_bounds(column(classified, "sweep"))
    last, ids = end - 1, column(features_table, "decision_id")
    if not np.array_equal(column(classified, "trade_id")[last], ids):
        raise ValueError(
            f"decisions must be the ends of the day's {len(last)} sweeps, got {len(ids)} other ones: "
            "materialize research.features again"
        )
    return last


def _fee_ticks(mid_ticks: np.ndarray, instrument: Instrument) -> np.ndarray:
    a_contract = instrument.fee_per_contract / instrument.contract_value / instrument.price_step
    return float(instrument.taker_fee) * mid_ticks + float(a_contract)


def _made(name: str, day: _Day, terms: LabelTerms) -> LabelArrays:
    subject, (number, unit) = Task(name).subject, horizon(name)
    path = (day.ref_ts, day.ref_mid2)
    # Of prices that are doubled: half a spread and a fee are a spread and two fees.
    way = day.spread_ticks + 2 * day.fee_ticks
    least = way if terms.direction_costs else 0.0
    if subject == "direction" and unit == "sweeps":
        return direction_labels(day.t0, *path, horizon_sweeps=number, cost_mid2=least, **day.known)
    if subject == "direction" and unit == "trades":
        return direction_trades_labels(
            day.t0, day.last_trade, day.trade_ts, *path, horizon_trades=number, cost_mid2=least,
            **day.known,
        )  # fmt: skip
    common = {"horizon_ns": number * _NS_PER_S, **day.known}
    if subject == "direction":
        return direction_time_labels(day.t0, *path, cost_mid2=way, **common)
    if subject == "return":
        return return_labels(day.t0, *path, **common)
    sigma = _sigma(day, number, terms)
    if subject == "move":
        return significant_move_labels(
            day.t0, *path, sigma_mid2=sigma, n_sigmas=terms.n_sigmas, cost_mid2=2 * way, **common
        )
    if subject == "barrier":
        barrier = np.maximum(terms.n_sigmas * sigma, 2.0 * day.tick_steps)
        return triple_barrier_labels(day.t0, *path, barrier_mid2=barrier, **common)
    raise ValueError(f"{name} is no label of a decision: direction, barrier, return and move are")


def _sigma(day: _Day, horizon_s: int, terms: LabelTerms) -> np.ndarray:
    window_s = max(terms.sigma_window_s, horizon_s)
    return trailing_move_sigma(
        day.t0,
        day.ref_ts,
        day.ref_mid2,
        horizon_ns=horizon_s * _NS_PER_S,
        window_ns=window_s * _NS_PER_S,
        restart_idx=day.restart_rows,
    )


def _require_beyond_bounce(mid_proxy: str, name: str) -> None:
    number, unit = horizon(name)
    if mid_proxy == LAST_TRADE and unit != "seconds" and number < MIN_EVENTS_ON_TRADES:
        raise ValueError(
            f"a direction on last trades must be over at least {MIN_EVENTS_ON_TRADES} {unit}, got "
            f"{number} ({name}): without quotes on the exchange clock the bounce between bid and ask "
            "alone would score"
        )


def _task_rows(task: str, found: LabelArrays, ids: np.ndarray, mid_proxy: str) -> pa.Table:
    n = len(found.t0_ns)
    return pa.table(
        {
            "clock": constant(CLOCK, n),
            "task": constant(task, n),
            "t0_ns": found.t0_ns,
            "t1_ns": found.t1_ns,
            "decision_id": ids,
            "label": found.label,
            "mid_proxy": constant(mid_proxy, n),
            "order_sign": np.zeros(n, np.int8),
            "order_lots": np.zeros(n, np.int64),
        }
    )
