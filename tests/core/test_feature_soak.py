"""A year of one symbol through `feature_blocks`: memory stays where the first weeks left it.

``ORDERFLOW_SOAK_TRADES`` sets the number of trades; a soak has 50,000,000 in 365 sessions. The trades
lie in memory-mapped files, whose pages the system may drop: what counts is memory of the process's own.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import DAY_NS, make_market
from orderflow_core.alignment import quote_at_trade
from orderflow_core.feature_stream import feature_blocks
from orderflow_core.features import decision_features
from orderflow_core.ofi import OfiAtTrade, ofi_at_trade
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.types import QuoteAtTrade, TradeArrays
from tests.core.feature_streams import Stream, call

N_TRADES = int(os.environ.get("ORDERFLOW_SOAK_TRADES", "120000"))
N_SESSIONS = max(6, min(365, N_TRADES // 50_000))
A_SESSION = N_TRADES // N_SESSIONS
BLOCK = 2**17 if A_SESSION > 100_000 else 2**13
GIB, MB = 2**30, 2**20
STATUS = Path("/proc/self/status")
N_COMPARED = 5_000
pytestmark = [
    pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells what memory is the process's own"),
    pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades without JIT"),
]  # fmt: skip


def test_a_year_streams_in_constant_memory(tmp_path):
    year = _year(tmp_path)
    empty = _own_bytes()
    _streamed(year.part(0, 2 * A_SESSION))  # compiles, and takes what a stream needs
    begun = _own_bytes()
    with _sampled() as peaks:
        n_rows, last = _streamed(year, peaks)
    ended = _own_bytes()
    print(
        f"{len(year.trades):,} trades, {n_rows:,} rows: the process held {empty / MB:,.0f} MB before, "
        f"{begun / MB:,.0f} MB after two sessions, {ended / MB:,.0f} MB after all, "
        f"{max(peaks) / MB:,.0f} MB at most"
    )
    assert len(peaks) == -(-len(year.trades) // BLOCK) >= 8
    assert max(peaks) < 4 * GIB
    assert ended - begun < 64 * MB  # like with like: a block's own arrays come and go within it
    assert max(peaks) - max(peaks[: len(peaks) // 4]) < 32 * MB
    # What a long stream carries has not blurred: the newest rows are those of the last session alone.
    expected = call(decision_features, _session(N_SESSIONS - 1)).values[-len(last) :]
    np.testing.assert_array_equal(
        last.view(np.int64), np.ascontiguousarray(expected).view(np.int64)
    )


def _streamed(stream: Stream, peaks: list[int] | None = None) -> tuple[int, np.ndarray]:
    # How many rows there were, and the last of them. A peak a block is closed with each.
    n_rows, last = 0, np.empty((0, 0))
    for block in call(feature_blocks, stream, block_trades=BLOCK):
        n_rows += len(block)
        if len(block):
            last = np.ascontiguousarray(block.values[-N_COMPARED:])
        if peaks is not None:
            peaks.append(_own_bytes())
    return n_rows, last


@contextmanager
def _sampled() -> Iterator[list[int]]:
    # The largest memory up to each end of a block: kernels release the lock, so that a thread may look
    # while they run.
    peaks, is_over = _Peaks(), threading.Event()

    def look() -> None:
        while not is_over.wait(0.005):
            peaks.largest = max(peaks.largest, _own_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        is_over.set()
        thread.join()


class _Peaks(list[int]):
    """Peaks by block: what was seen since the one before counts for the block that ends."""

    largest = 0

    def append(self, now: int) -> None:
        super().append(max(now, self.largest))
        self.largest = 0


def _own_bytes() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def _session(k: int) -> Stream:
    """Return one session, on a day of its own."""
    market = make_market(A_SESSION, seed=k)
    trades, shift = market.trades, k * 4 * DAY_NS  # a session of a soak lasts less than four days
    ts = trades.ts_event_ns
    assert ts[-1] - ts[0] < 3 * DAY_NS
    sweep = assign_sweeps(ts, trades.trade_id, trades.price_ticks, trades.sign)
    met = quote_at_trade(ts, market.quotes)
    shifted = TradeArrays(
        ts_event_ns=ts + shift,
        trade_id=trades.trade_id + k * 2 * A_SESSION,
        price_ticks=trades.price_ticks,
        qty_lots=trades.qty_lots,
        sign=trades.sign,
    )
    return Stream(
        trades=shifted,
        sweep=sweep + k * A_SESSION,
        at_trade=met,
        session_start_idx=np.zeros(1, np.int64),
        gap_idx=np.empty(0, np.int64),
        session_ended=True,
        ofi=ofi_at_trade(ts, market.quotes, ts[:1]),
    )


def _year(folder: Path) -> Stream:
    """Return all sessions, in files."""
    n = N_SESSIONS * A_SESSION
    columns: dict[str, np.ndarray] = {}
    for k in range(N_SESSIONS):
        for name, values in _columns_of(_session(k)).items():
            if name not in columns:
                columns[name] = np.memmap(folder / name, values.dtype, "w+", shape=(n,))
            columns[name][k * A_SESSION : (k + 1) * A_SESSION] = values
    return Stream(
        trades=TradeArrays(**_named(columns, "trades")),
        sweep=columns["sweep.sweep"],
        at_trade=QuoteAtTrade(**_named(columns, "at_trade")),
        session_start_idx=np.arange(N_SESSIONS) * A_SESSION,
        gap_idx=np.empty(0, np.int64),
        session_ended=True,
        ofi=OfiAtTrade(**_named(columns, "ofi")),
    )


def _columns_of(session: Stream) -> dict[str, np.ndarray]:
    parts = {"trades": session.trades, "at_trade": session.at_trade, "ofi": session.ofi}
    columns = {
        f"{kind}.{name}": getattr(part, name)
        for kind, part in parts.items()
        for name in type(part).__dataclass_fields__
    }
    return columns | {"sweep.sweep": session.sweep}


def _named(columns: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(f"{kind}."): values
        for name, values in columns.items()
        if name.startswith(f"{kind}.")
    }
