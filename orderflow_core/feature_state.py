"""What a stream of trades carries from one chunk to the next for its feature matrix."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.decision_clocks import ClockState, new_clock_state
from orderflow_core.further_features import FurtherState
from orderflow_core.rolling import size_counters
from orderflow_core.types import Float64, Int8, Int64

_LEAST_ROOM = 4096
# How many leading elements of each held array are positions in the history.
_N_POSITIONS = {"running": 1, "sums": 3, "quantile": 3, "past": 5}


@dataclass(slots=True, kw_only=True)
class History:
    """Trades that a later row may still look at, in arrays with room for more.

    Attributes
    ----------
    ts, price, qty, sign, sweep : ndarray
    size : int
        How many of their elements are in use.
    """

    ts: Int64
    price: Int64
    qty: Int64
    sign: Int8
    sweep: Int64
    size: int

    def columns(self) -> tuple[Int64, Int64, Int64, Int8, Int64]:
        """Return the arrays, the room included."""
        return self.ts, self.price, self.qty, self.sign, self.sweep

    def flow(self) -> tuple[Int64, Int64, Int64, Int8]:
        """Return the arrays without the sweeps, the room included."""
        return self.ts, self.price, self.qty, self.sign


@dataclass(slots=True, kw_only=True)
class FeatureState:
    """The running figures of a stream. It belongs to the stream: a call consumes and returns it.

    Attributes
    ----------
    history : History
        The trades of the last 60 s, or since the last decision or base bar if that is longer.
    clock : ClockState
        What the decision clock, and the check of order, know of the last trade.
    running, sums, quantile, past : ndarray of int64
        What the kernels hold: positions in the history first.
    moments, reach : ndarray of float64
        Float sums, and magnitudes that tell whether integer sums could overflow.
    counters : tuple of ndarray
        Sizes in the window.
    quote : ndarray of int64, shape (5,)
        The quote that the last trade met, and whether it is known.
    starts : ndarray of int64
        Positions in the history of starts that no row has passed yet.
    total_lots : float
        Lots of all trades so far.
    further : FurtherState or None
        Of the features beyond the core ones, if they are asked for.
    """

    history: History
    clock: ClockState
    running: Int64
    sums: Int64
    quantile: Int64
    past: Int64
    moments: Float64
    reach: Float64
    counters: tuple[Int64, Int64, Int64, Int64]
    quote: Int64
    starts: Int64
    total_lots: float
    further: FurtherState | None = None

    def n_known(self) -> int:
        """Return the number of trades in the history."""
        return self.history.size

    def take(self, ts: Int64, price: Int64, qty: Int64, sign: Int8, sweep: Int64) -> None:
        """Append the trades of a chunk to the history."""
        history, n = self.history, len(ts)
        if history.size + n > len(history.ts):
            self._make_room(n)
        size = history.size
        part = slice(size, size + n)
        history.ts[part], history.price[part], history.qty[part] = ts, price, qty
        history.sign[part], history.sweep[part] = sign, sweep
        history.size = size + n

    def _make_room(self, n: int) -> None:
        # Drops what no window reaches any more (each looks at the trade before its first one, too),
        # and moves to larger arrays if less than half becomes free.
        history = self.history
        drop = max(0, min(self.sums[0], self.quantile[0], self.past[2]) - 1)
        if self.further is not None:  # whose pending bars are made from these trades
            drop = min(drop, self.further.first)
        drop = min(int(drop), max(history.size - 1, 0))
        kept = slice(drop, history.size)
        size = history.size - drop
        room = max(_LEAST_ROOM, len(history.ts), 2 * (size + n))
        for name in ("ts", "price", "qty", "sign", "sweep"):
            old = getattr(history, name)
            new = np.empty(room, old.dtype)
            new[:size] = old[kept]
            setattr(history, name, new)
        history.size = size
        for name, n_positions in _N_POSITIONS.items():
            getattr(self, name)[:n_positions] -= drop
        self.starts = self.starts - drop
        if self.further is not None:
            self.further.first -= drop
        by_bucket, by_64, ends, follower = self.counters
        moved = np.zeros(room, np.int64)
        moved[:size] = follower[kept] - drop
        self.counters = (by_bucket, by_64, ends - drop, moved)


def new_state() -> FeatureState:
    """Return the state before the first trade of a stream."""

    def zeros(n: int) -> Int64:
        return np.zeros(n, np.int64)

    return FeatureState(
        history=History(
            ts=zeros(0),
            price=zeros(0),
            qty=zeros(0),
            sign=np.empty(0, np.int8),
            sweep=zeros(0),
            size=0,
        ),
        clock=new_clock_state(),
        running=zeros(11),
        sums=zeros(7),
        quantile=zeros(8),
        past=zeros(10),
        moments=np.zeros(3),
        reach=np.zeros(2),
        counters=size_counters(0),
        quote=zeros(5),
        starts=zeros(0),
        total_lots=0.0,
    )
