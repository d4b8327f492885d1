"""Trade a signal's target positions on a market and account for every lot of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.backtest.costs import Costs, fill_fees
from orderflow_core.backtest.fills import (
    MarketPath,
    Orders,
    match_orders,
    require_market,
    require_sessions,
    session_events,
)
from orderflow_core.kernels.backtest import _fill_orders_nb, _mark_nb
from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.validate import (
    require_amount,
    require_count,
    require_int64,
    require_sum_fits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a strategy, its benchmark and its null have in common.

    Attributes
    ----------
    latency_ns : int, >= 0
        From decision to market.
    costs : Costs
    tick_value : float
        Quote currency for one unit of ``price_ticks`` on one lot:
        ``price_step * lot_step * contract_value`` (linear contracts).
    contracts_per_lot : float
        ``lot_step``, which turns the fee of a contract into that of a lot.
    session_start_ns, session_end_ns : int or ndarray of int64, shape (n_sessions,)
        Half-open trading windows in time order (``Instrument.trading_day_window``). Each begins
        and ends flat.
    mark_interval_ns : int, > 0
        Equity is marked at its multiples since the epoch.
    max_position_lots : int or None
        Targets beyond it are cut to it; None = no limit.
    """

    latency_ns: int
    costs: Costs
    tick_value: float
    contracts_per_lot: float
    session_start_ns: ArrayLike
    session_end_ns: ArrayLike
    mark_interval_ns: int
    max_position_lots: int | None = None

    def __post_init__(self) -> None:
        require_count("latency_ns", self.latency_ns)
        require_amount("tick_value", self.tick_value, is_zero_allowed=False)
        require_amount("contracts_per_lot", self.contracts_per_lot, is_zero_allowed=False)
        require_count("mark_interval_ns", self.mark_interval_ns, least=1)
        if self.max_position_lots is not None:
            require_count("max_position_lots", self.max_position_lots, least=1)
        require_sessions(self.session_start_ns, self.session_end_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All of a run that does not depend on the targets: reuse it for many signals at equal times.

    Attributes
    ----------
    market : MarketPath
    rules : Rules
    orders : Orders
    mark_ts_ns, mark_idx : ndarray of int64, shape (n_marks,)
        Mark times, and the last event at or before each.
    n_signals, n_sessions : int
        ``n_sessions`` counts those that hold an event.
    base_ticks, reach_ticks : int
        First bid, and the furthest that any price lies from it: cash counts from the base.
    """

    market: MarketPath
    rules: Rules
    orders: Orders
    mark_ts_ns: Int64
    mark_idx: Int64
    n_signals: int
    n_sessions: int
    base_ticks: int
    reach_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """Fills, marks and exact totals of one run.

    Attributes
    ----------
    fill_ts_ns, fill_lots, fill_price_ticks, fill_position_lots : ndarray of int64, (n_fills,)
        ``fill_lots > 0``; the position is the one after the fill. In time order, one an event.
    fill_sign : ndarray of int8, shape (n_fills,)
        +1 bought, -1 sold.
    fill_fee : ndarray of float64, shape (n_fills,), quote currency
    fill_signal_idx : ndarray of int64, shape (n_fills,)
        Position of the signal that caused it; -1 = exit at the session's end.
    mark_ts_ns, mark_position_lots, mark_gross_half_tick_lots : ndarray of int64, (n_marks,)
        Gross equity at half the sum of bid and ask, in halves of a tick on a lot: exact.
    equity : ndarray of float64, shape (n_marks,), quote currency
        Gross equity less the fees of all fills so far; it starts from 0.
    gross_pnl_tick_lots : int
        Cash of all fills before fees, in ticks on a lot: exact, since the book ends flat.
    crossing_half_tick_lots : int
        What the fills paid away from the mark of their event (half-spread and slippage), exact.
    n_superseded, n_cancelled, n_sessions : int
    tick_value : float
    is_quoted : bool
    """

    fill_ts_ns: Int64
    fill_sign: Int8
    fill_lots: Int64
    fill_price_ticks: Int64
    fill_position_lots: Int64
    fill_fee: Float64
    fill_signal_idx: Int64
    mark_ts_ns: Int64
    mark_position_lots: Int64
    mark_gross_half_tick_lots: Int64
    equity: Float64
    gross_pnl_tick_lots: int
    crossing_half_tick_lots: int
    n_superseded: int
    n_cancelled: int
    n_sessions: int
    tick_value: float
    is_quoted: bool

    @property
    def interval_pnl(self) -> Float64:
        """Equity gained in each mark interval, quote currency: the returns on a fixed capital."""
        return np.diff(self.equity, prepend=0.0)

    @property
    def gross_pnl(self) -> float:
        """Cash of all fills before fees, quote currency."""
        return self.gross_pnl_tick_lots * self.tick_value

    @property
    def crossing_cost(self) -> float:
        """Half-spread and slippage paid, quote currency; ``gross_pnl`` is already net of it."""
        return self.crossing_half_tick_lots * 0.5 * self.tick_value

    @property
    def mark_pnl(self) -> float:
        """What the same trades would have earned at the marks, free of all cost: timing alone."""
        doubled = 2 * self.gross_pnl_tick_lots + self.crossing_half_tick_lots
        return doubled * 0.5 * self.tick_value

    @property
    def fees(self) -> float:
        """Fees of all fills, added in their order, quote currency."""
        return float(np.cumsum(self.fill_fee)[-1]) if len(self.fill_fee) else 0.0

    @property
    def net_pnl(self) -> float:
        """``gross_pnl - fees``: equal to the last mark of ``equity``."""
        return self.gross_pnl - self.fees


def _mark_times(first_ns: Int64, last_ns: Int64, interval_ns: int) -> Int64:
    # The multiples g of the interval whose (g - interval, g] meets a session's [first, last] event.
    grids = [
        np.arange(-(-first // interval_ns), -(-last // interval_ns) + 1) * interval_ns
        for first, last in zip(first_ns.tolist(), last_ns.tolist(), strict=True)
    ]
    return np.unique(np.concatenate(grids)) if grids else np.empty(0, np.int64)


def _price_range(market: MarketPath) -> tuple[int, int, int]:
    # First bid, lowest bid, highest ask.
    if len(market) == 0:
        return 0, 0, 0
    return int(market.bid_ticks[0]), int(market.bid_ticks.min()), int(market.ask_ticks.max())


def prepare(market: MarketPath, signal_ts_ns: ArrayLike, rules: Rules) -> Schedule:
    """Return when each signal's order trades and when equity is marked.

    Parameters
    ----------
    market : MarketPath
    signal_ts_ns : ndarray of int64, shape (n_signals,), non-decreasing
    rules : Rules

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError, ValueError
        See ``match_orders``; or prices too large for exact sums.

    Notes
    -----
    Marks: a grid interval counts when it meets the span from a session's first to its last event,
    so quiet intervals count and closed hours do not. A mark uses the last event at or before it.
    """
    checked = require_market(market)
    start, end = require_sessions(rules.session_start_ns, rules.session_end_ns)
    orders = match_orders(
        checked,
        signal_ts_ns,
        latency_ns=rules.latency_ns,
        session_start_ns=start,
        session_end_ns=end,
    )
    first, last = session_events(checked, start, end)
    has_event = first <= last
    marks = _mark_times(
        checked.ts_ns[first[has_event]], checked.ts_ns[last[has_event]], rules.mark_interval_ns
    )
    base, low, high = _price_range(checked)
    furthest = max(abs(low), abs(high)) + rules.costs.slippage_ticks
    require_sum_fits("market prices with slippage", furthest, 4)
    return Schedule(
        market=checked,
        rules=rules,
        orders=orders,
        mark_ts_ns=marks,
        mark_idx=np.searchsorted(checked.ts_ns, marks, side="right").astype(np.int64) - 1,
        n_signals=len(np.asarray(signal_ts_ns)),
        n_sessions=int(np.count_nonzero(has_event)),
        base_ticks=base,
        reach_ticks=max(high - base, base - low),
    )


def run(schedule: Schedule, target_lots: ArrayLike) -> BacktestResult:
    """Trade target positions on a prepared schedule.

    Parameters
    ----------
    schedule : Schedule
    target_lots : ndarray of int64, shape (n_signals,)
        Position wanted from each signal on, until the next one or the session's end.

    Returns
    -------
    BacktestResult

    Raises
    ------
    TypeError, ValueError
        Not integers, another length than the signals, or sums that could overflow int64.

    Notes
    -----
    An order trades the difference between its target and the position, whole, at one price: a buy
    at ``ask + slippage_ticks``, a sell at ``bid - slippage_ticks`` of its event. At its target it
    does not trade. Each session ends flat at its last event, at the same kind of price and fee.
    """
    rules, market = schedule.rules, schedule.market
    order_idx, change, price = _fill(schedule, _require_targets(schedule, target_lots))
    lots = np.abs(change)
    event = schedule.orders.event_idx[order_idx]
    bid, ask = market.bid_ticks, market.ask_ticks
    gross2, position, n_fills = _mark_nb(
        schedule.mark_idx, event, change, price, bid, ask, schedule.base_ticks
    )
    fee = fill_fees(
        price,
        lots,
        rules.costs,
        tick_value=rules.tick_value,
        contracts_per_lot=rules.contracts_per_lot,
    )
    fee_so_far = np.concatenate((np.zeros(1), np.cumsum(fee)))
    return BacktestResult(
        fill_ts_ns=market.ts_ns[event],
        fill_sign=np.sign(change).astype(np.int8),
        fill_lots=lots,
        fill_price_ticks=price,
        fill_position_lots=np.cumsum(change),
        fill_fee=fee,
        fill_signal_idx=schedule.orders.signal_idx[order_idx],
        mark_ts_ns=schedule.mark_ts_ns,
        mark_position_lots=position,
        mark_gross_half_tick_lots=gross2,
        equity=gross2 * 0.5 * rules.tick_value - fee_so_far[n_fills],
        gross_pnl_tick_lots=-int((change * (price - schedule.base_ticks)).sum()),
        crossing_half_tick_lots=int((change * (2 * price - bid[event] - ask[event])).sum()),
        n_superseded=schedule.orders.n_superseded,
        n_cancelled=schedule.orders.n_cancelled,
        n_sessions=schedule.n_sessions,
        tick_value=rules.tick_value,
        is_quoted=market.is_quoted,
    )


def _fill(schedule: Schedule, target: Int64) -> tuple[Int64, Int64, Int64]:
    # Order, signed lots and price of each fill, and the promise that their sums stay exact.
    orders, market = schedule.orders, schedule.market
    slippage = schedule.rules.costs.slippage_ticks
    order_idx, change, price = _fill_orders_nb(
        orders.event_idx, orders.signal_idx, target, market.bid_ticks, market.ask_ticks, slippage
    )
    # Cash and position x mark, each doubled and each at most reach + slippage from the base.
    furthest = 4 * (schedule.reach_ticks + slippage)
    require_sum_fits("equity in half tick-lots", furthest, int(np.abs(change).sum()))
    return order_idx, change, price


def _require_targets(schedule: Schedule, target_lots: ArrayLike) -> Int64:
    # int64 targets, one a signal, within the position limit and small enough for exact sums.
    target = require_int64("target_lots", target_lots)
    if len(target) != schedule.n_signals:
        raise ValueError(f"target_lots must hold {schedule.n_signals} elements, got {len(target)}")
    limit = schedule.rules.max_position_lots
    if limit is not None:
        target = np.clip(target, -limit, limit)
    if len(target):
        largest = max(int(target.max()), -int(target.min()))
        require_sum_fits("target_lots", 2 * largest, len(schedule.orders.event_idx))
    return target


def run_signal(
    market: MarketPath, signal_ts_ns: ArrayLike, target_lots: ArrayLike, rules: Rules
) -> BacktestResult:
    """Trade a signal as a taker: decide, wait out the latency, cross the spread, end flat.

    Parameters
    ----------
    market : MarketPath
        From ``market_from_quotes`` or ``market_from_trades``.
    signal_ts_ns, target_lots : ndarray of int64, shape (n_signals,)
        Decision times (non-decreasing) and the position wanted from each on.
    rules : Rules

    Returns
    -------
    BacktestResult

    Raises
    ------
    TypeError, ValueError
        See ``match_orders`` and ``run``.

    Notes
    -----
    Causal: a fill uses the first event strictly after ``signal_ts_ns + latency_ns``; a mark, what
    was known at its time. The one exception is which event is the session's last.
    ``match_orders`` has the rules of ties and cancellation, ``run`` those of prices.

    Examples
    --------
    >>> market = MarketPath(ts_ns=np.array([10, 20, 30]), bid_ticks=np.array([99, 100, 104]),
    ...                     ask_ticks=np.array([100, 101, 105]), is_quoted=True)
    >>> free = Costs(taker_fee=0, fee_per_contract=0, slippage_ticks=0)
    >>> rules = Rules(latency_ns=5, costs=free, tick_value=1, contracts_per_lot=1,
    ...               session_start_ns=0, session_end_ns=100, mark_interval_ns=10)
    >>> run_signal(market, np.array([10]), np.array([2]), rules).gross_pnl_tick_lots
    6
    """
    return run(prepare(market, signal_ts_ns, rules), target_lots)
