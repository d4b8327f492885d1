"""What a stream of trades carries from one chunk to the next for its feature matrix."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.decision_clocks import ClockState, new_clock_state
from orderflow_core.further_features import FurtherState
from orderflow_core.rolling import size_counters
from orderflow_core.types import Float64, Int8, Int64
from orderflow_core.validate import INT64_MAX
from orderflow_core.window_tier import WindowState, new_window_state

_LEAST_ROOM = 4096
# How many leading figures of the quantile are positions in the history.
_N_POSITIONS = 3


@dataclass(slots=True, kw_only=True)
class History:
    """Trades that a later row may still look at, in arrays with room for more.

    Attributes
    ----------
    ts, price, qty, sign : ndarray
    size : int
        How many of their elements are in use.
    """

    ts: Int64
    price: Int64
    qty: Int64
    sign: Int8
    size: int

    def columns(self) -> tuple[Int64, Int64, Int64, Int8]:
        """Return the arrays, the room included."""
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
    windows : WindowState
        Totals of the windows.
    running, quantile : ndarray of int64
        What the kernels hold; of the quantile positions in the history first.
    moments : ndarray of float64
        Float sums, and magnitudes that tell whether integer sums could overflow.
    counters : tuple of ndarray
        Sizes in the window.
    quote : ndarray of int64, shape (6,)
        The quote that the last trade met, whether it is known, and that trade's price.
    starts : ndarray of int64
        Positions in the history of starts that no row has passed yet.
    total_lots : float
        Lots of all trades so far.
    further : FurtherState or None
        Of the features beyond the core ones, if they are asked for.
    """

    history: History
    clock: ClockState
    windows: WindowState
    running: Int64
    quantile: Int64
    moments: Float64
    counters: tuple[Int64, Int64, Int64, Int64]
    quote: Int64
    starts: Int64
    total_lots: float
    further: FurtherState | None = None

    def n_known(self) -> int:
        """Return the number of trades in the history."""
        return self.history.size

    def take(self, ts: Int64, price: Int64, qty: Int64, sign: Int8) -> None:
        """Append the trades of a chunk to the history."""
        history, n = self.history, len(ts)
        if history.size + n > len(history.ts):
            self._make_room(n)
        size = history.size
        part = slice(size, size + n)
        history.ts[part], history.price[part], history.qty[part] = ts, price, qty
        history.sign[part] = sign
        history.size = size + n

    def _make_room(self, n: int) -> None:
        # Drops what no window reaches any more, and moves to larger arrays if less than half becomes
        # free.
        history = self.history
        drop = int(self.quantile[0])
        if self.further is not None:  # whose pending bars are made from these trades
            drop = min(drop, self.further.first)
        drop = min(int(drop), max(history.size - 1, 0))
        kept = slice(drop, history.size)
        size = history.size - drop
        room = max(_LEAST_ROOM, len(history.ts), 2 * (size + n))
        for name in ("ts", "price", "qty", "sign"):
            old = getattr(history, name)
            new = np.empty(room, old.dtype)
            new[:size] = old[kept]
            setattr(history, name, new)
        history.size = size
        self.quantile[:_N_POSITIONS] -= drop
        self.starts = self.starts - drop
        if self.further is not None:
            self.further.first -= drop
        by_bucket, by_64, ends, follower = self.counters
        moved = np.zeros(room, np.int64)
        moved[:size] = follower[kept] - drop
        self.counters = (by_bucket, by_64, ends - drop, moved)


def count_lots(state: FeatureState, lots: float) -> None:
    """Add the sizes of a chunk; demand that all together fit int64."""
    # Half of the range leaves room for the rounding of the sum. A plain float, which Python compares
    # with an integer exactly: numpy rounds the integer first.
    state.total_lots += float(lots)
    if state.total_lots > INT64_MAX // 2:
        raise ValueError(
            f"trades.qty_lots may overflow int64: they add up to {state.total_lots:.3g}"
        )


def new_state(*, is_whole: bool) -> FeatureState:
    """Return the state before the first trade of a stream, of the core columns or of the whole."""

    def zeros(n: int) -> Int64:
        return np.zeros(n, np.int64)

    return FeatureState(
        history=History(
            ts=zeros(0),
            price=zeros(0),
            qty=zeros(0),
            sign=np.empty(0, np.int8),
            size=0,
        ),
        clock=new_clock_state(),
        windows=new_window_state(is_whole=is_whole),
        running=zeros(12),
        quantile=zeros(8),
        moments=np.zeros(3),
        counters=size_counters(0),
        quote=zeros(6),
        starts=zeros(0),
        total_lots=0.0,
    )
