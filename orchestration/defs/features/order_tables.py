"""Labels of orders of one symbol-day: what real sweeps did and paid, and orders left at the touch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.order_rows import hashed
from models.tasks import Task
from orchestration.arrays import (
    column,
    constant,
    quote_arrays,
    trade_arrays,
    without_depth,
)
from orchestration.defs.features.reference import LAST_TRADE, reference_path
from orchestration.defs.features.tables import CLOCK
from orderflow_core.backtest.resting import RestingFills, resting_fills
from orderflow_core.labels import LabelArrays
from orderflow_core.labels_orders import (
    adverse_labels,
    fill_labels,
    impact_labels,
    markout_labels,
    slippage_labels,
)
from orderflow_core.sweeps import sweep_table

SWEEP_SUBJECTS, RESTING_SUBJECTS = ("impact", "slippage", "markout"), ("fill", "adverse")
_NS_PER_S = 1_000_000_000
_TRADE_RULES = pa.array(["tick", "reverse_tick"])  # sides that were read off the prices themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What outcomes are measured on: times, twice the price, and what it is called."""

    ts_ns: np.ndarray
    mid2: np.ndarray
    name: str


def order_labels(
    features_table: pa.Table,
    classified: pa.Table,
    quotes: pa.Table,
    gaps: pa.Table,
    *,
    tasks: Sequence[str],
    session_end_ns: int,
    latency_ns: int,
    tick_steps: int,
) -> pa.Table:
    """Return the rows of ``research.labels`` of the tasks that belong to an order.

    Parameters
    ----------
    features_table : pyarrow.Table
        ``research.features``: its rows are the decision times.
    tasks : sequence of str
        ``impact_Xs``, ``slippage`` and ``markout_Xs``: of the sweep after each decision. ``fill_Xs`` and ``adverse_Xs``:
        of an order of one lot that each decision leaves at the touch, on the side that the hash of its id says.
    session_end_ns : int
    latency_ns : int
        From decision to market.
    tick_steps : int
        Quote tick in units of ``price_ticks``.

    Returns
    -------
    pyarrow.Table
        A row's key is the decision's; ``order_sign`` and ``order_lots`` are the order's, which came
        after it. Fill and adverse have a row for every order that was placed; the markout of one that
        was not filled is NaN. Without quotes on the exchange's clock the
        last trade stands for the mid, the row says so, and where the sides were read off trade prices
        too (`sides_are_of_prices`) there are no rows of sweeps.

    Raises
    ------
    ValueError
        A task is of another kind.
    """
    wanted = [Task(name) for name in tasks]
    for task in wanted:
        if task.subject not in SWEEP_SUBJECTS + RESTING_SUBJECTS:
            raise ValueError(
                f"order_tasks must be impact, slippage, markout, fill, adverse; got {task.name}"
            )
    t0, ids = column(features_table, "t0_ns"), column(features_table, "decision_id")
    path_ns, mid2, mid_proxy = reference_path(
        classified, quotes, gaps, without_quotes=LAST_TRADE, tick_steps=tick_steps
    )
    known = _known(session_end_ns, without_depth(gaps), path_ns)
    path = Path(ts_ns=path_ns, mid2=mid2, name=mid_proxy)
    parts: list[pa.Table] = []
    by_kind = [task for task in wanted if task.subject in SWEEP_SUBJECTS]
    if by_kind and len(t0) and not (mid_proxy == "last_trade" and sides_are_of_prices(classified)):
        parts += _of_sweeps(by_kind, t0, ids, classified, path, known)
    by_kind = [task for task in wanted if task.subject in RESTING_SUBJECTS]
    if by_kind and len(t0):
        side = np.where(hashed(ids) & np.uint64(1), 1, -1).astype(np.int8)
        book = quote_arrays(quotes) if mid_proxy == "quote_mid" else None
        terms = {"latency_ns": latency_ns, "tick_steps": tick_steps}
        for task in by_kind:
            fills = resting_fills(
                trade_arrays(classified), book, t0, side, rest_ns=_horizon_ns(task), **terms
            )
            parts.append(_of_resting(task, t0, ids, fills, side, path, known))
    if not parts:
        return no_order_labels()
    return pa.concat_tables(parts).unify_dictionaries()


def no_order_labels() -> pa.Table:
    """Return rows of the labels' payload, none of them."""
    nothing = np.empty(0, np.int64)
    return _rows(
        "none",
        LabelArrays(t0_ns=nothing, t1_ns=nothing, label=np.empty(0)),
        nothing,
        "",
        nothing.astype(np.int8),
        nothing,
    )


def sides_are_of_prices(classified: pa.Table) -> bool:
    """Return whether any trade's side was read off trade prices.

    A price that rose made the trade a buy: that its price lies above the one before is then true by
    definition, and no impact.
    """
    return bool(pc.any(pc.is_in(classified["rule"].cast(pa.string()), _TRADE_RULES)).as_py())


def _known(session_end_ns: int, gaps: pa.Table, path_ns: np.ndarray) -> dict[str, Any]:
    return {
        "session_end_ns": session_end_ns,
        "gap_start_ns": np.sort(column(gaps, "start_ns")),
        "gap_end_ns": np.sort(column(gaps, "end_ns")),
        "known_until_ns": int(path_ns[-1]) if len(path_ns) else 0,
    }


def _horizon_ns(task: Task) -> int:
    return int(task.name.removeprefix(f"{task.subject}_").removesuffix("s")) * _NS_PER_S


def _of_sweeps(
    tasks: Sequence[Task],
    t0: np.ndarray,
    ids: np.ndarray,
    classified: pa.Table,
    path: Path,
    known: dict[str, Any],
) -> list[pa.Table]:
    # The sweep that came after each decision: its ordinal is one above that of the deciding one.
    trades = trade_arrays(classified)
    sweeps = sweep_table(column(classified, "sweep"), trades)
    last_id = trades.trade_id[sweeps.end_idx - 1]
    order = np.argsort(last_id, kind="stable")
    deciding = order[np.searchsorted(last_id, ids, sorter=order)]
    has_next = deciding + 1 < len(sweeps)
    found = deciding[has_next] + 1
    rows, vwap = (t0[has_next], sweeps.ts_ns[found], sweeps.sign[found]), sweeps.vwap_ticks[found]
    way = (path.ts_ns, path.mid2)
    parts = []
    for task in tasks:
        if task.subject == "impact":
            made = impact_labels(*rows, *way, horizon_ns=_horizon_ns(task), **known)
        elif task.subject == "markout":
            made = markout_labels(*rows, vwap, *way, horizon_ns=_horizon_ns(task), **known)
        else:
            made = slippage_labels(*rows, vwap, *way, **known)
        lots = sweeps.qty_lots[found]
        parts.append(_rows(task.name, made, ids[has_next], path.name, rows[2], lots))
    return parts


def _of_resting(
    task: Task,
    t0: np.ndarray,
    ids: np.ndarray,
    fills: RestingFills,
    side: np.ndarray,
    path: Path,
    known: dict[str, Any],
) -> pa.Table:
    if task.subject == "fill":
        made = fill_labels(t0, fills, **known)
    else:
        made = adverse_labels(
            t0, fills, side, path.ts_ns, path.mid2, horizon_ns=_horizon_ns(task), **known
        )
    is_placed = fills.is_placed  # known at the decision; whether it was filled is not
    kept = LabelArrays(
        t0_ns=made.t0_ns[is_placed], t1_ns=made.t1_ns[is_placed], label=made.label[is_placed]
    )
    lots = np.ones(len(kept), np.int64)
    return _rows(task.name, kept, ids[is_placed], path.name, side[is_placed], lots)


def _rows(
    task: str,
    found: LabelArrays,
    ids: np.ndarray,
    mid_proxy: str,
    sign: np.ndarray,
    lots: np.ndarray,
) -> pa.Table:
    n = len(found)
    return pa.table(
        {
            "clock": constant(CLOCK, n),
            "task": constant(task, n),
            "t0_ns": found.t0_ns,
            "t1_ns": found.t1_ns,
            "decision_id": ids,
            "label": found.label,
            "mid_proxy": constant(mid_proxy, n),
            "order_sign": sign,
            "order_lots": lots,
        }
    )
