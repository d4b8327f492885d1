"""What a live session knows of each symbol, as numbers, for a line on the terminal or for a script."""

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestration.ingest_summary import iso_utc
from orchestration.live.flow_day import FlowDay
from orchestration.live.raw_segments import Stored

# Figures are those of the last segments, as many as this many seconds hold.
WINDOW_S = 60.0
_NS_PER_S = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class SymbolStatus:
    """Counts and times of one symbol. The reader's thread and the store's each write their own.

    Attributes
    ----------
    symbol, source : str
    frozen_after_s : float
        Without a record for this long the feed counts as frozen.
    n_messages : int
        Lines put into the log.
    last_record_ns : int
        When the last record (no heartbeat) came; at first the start of the session.
    n_trades, n_quotes, n_quarantined, n_gaps : int
        What was stored and refused since the start; gaps of the newest day.
    n_behind : int
        Sealed segments that wait for the store.
    problem : str
        What does not work; empty if all does.
    """

    symbol: str
    source: str
    frozen_after_s: float
    n_messages: int = 0
    last_record_ns: int = field(default_factory=time.time_ns)
    n_trades: int = 0
    n_quotes: int = 0
    n_quarantined: int = 0
    n_gaps: int = 0
    n_behind: int = 0
    n_anew: int = 0
    last_price: str = ""
    last_event_ns: int = 0
    last_stored_ns: int = 0
    cvd_lots: int = 0
    problem: str = ""
    features: dict[str, float] = field(default_factory=dict)
    _arrivals: deque[tuple[float, int]] = field(default_factory=deque)
    _lags: deque[tuple[float, np.ndarray]] = field(default_factory=deque)

    def take_message(self, recv_ns: int, *, is_record: bool) -> None:
        """Count a line that was put into the log."""
        self.n_messages += 1
        if is_record:
            self.last_record_ns = recv_ns

    def take_stored(self, stored: Stored, lag_ns: np.ndarray, price: str) -> None:
        """Count what a segment added to a day; ``lag_ns`` is from the socket to the stored row."""
        now = time.monotonic()
        self.n_trades += len(stored.trades)
        self.n_quotes += len(stored.quotes)
        self.n_quarantined += stored.n_quarantined
        self.n_gaps = len(stored.gaps)
        self.last_stored_ns = time.time_ns()
        if price:
            self.last_price = price
        for rows in (stored.trades, stored.quotes):
            if len(rows):
                self.last_event_ns = max(
                    self.last_event_ns, int(rows["ts_event_ns"][len(rows) - 1].as_py())
                )
        self._lags.append((now, lag_ns))
        while self._lags and self._lags[0][0] < now - WINDOW_S:
            self._lags.popleft()

    def take_flow(self, flow: FlowDay | None, n_anew: int) -> None:
        """Note the running figures of the newest day; None while it is made anew."""
        self.n_anew = n_anew
        if flow is not None:
            self.cvd_lots, self.features = flow.cvd_lots, flow.newest

    def is_frozen(self, now_ns: int) -> bool:
        """Return whether no record has come for too long."""
        return now_ns - self.last_record_ns > self.frozen_after_s * _NS_PER_S

    def as_json(self) -> dict[str, Any]:
        """Return the figures now. Ages and lags in seconds."""
        now_ns, now = time.time_ns(), time.monotonic()
        self._arrivals.append((now, self.n_messages))
        while len(self._arrivals) > 2 and self._arrivals[0][0] < now - WINDOW_S:
            self._arrivals.popleft()
        lags = [lag for _, lag in list(self._lags)]
        lag = np.concatenate(lags) / _NS_PER_S if lags else np.empty(0)
        p50, p99 = np.quantile(lag, [0.5, 0.99]).tolist() if len(lag) else (None, None)
        return {
            "symbol": self.symbol,
            "source": self.source,
            "messages": self.n_messages,
            "messages_per_s": self._rate(),
            "trades": self.n_trades,
            "quotes": self.n_quotes,
            "quarantined": self.n_quarantined,
            "gaps": self.n_gaps,
            "last_price": self.last_price or None,
            "last_event": iso_utc(self.last_event_ns or None),
            "cvd_lots": self.cvd_lots,
            "lag_p50_s": p50,
            "lag_p99_s": p99,
            "record_age_s": (now_ns - self.last_record_ns) / _NS_PER_S,
            "stored_age_s": (
                (now_ns - self.last_stored_ns) / _NS_PER_S if self.last_stored_ns else None
            ),
            "segments_behind": self.n_behind,
            "days_made_anew": self.n_anew,
            "frozen": self.is_frozen(now_ns),
            "problem": self.problem or None,
            "features": {
                name: None if math.isnan(value) else value for name, value in self.features.items()
            },
        }

    def _rate(self) -> float:
        (first, n_first), (last, n_last) = self._arrivals[0], self._arrivals[-1]
        return (n_last - n_first) / (last - first) if last > first else 0.0


def status_line(found: dict[str, Any]) -> str:
    """Return one symbol's figures as a line for a terminal."""

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}s"

    parts = [
        f"{found['symbol']:<12}",
        f"{found['messages_per_s']:>8,.0f}/s",
        f"lag {seconds(found['lag_p50_s'])}/{seconds(found['lag_p99_s'])}",
        f"gaps {found['gaps']}",
        f"last {found['last_price'] or '-'}",
        f"CVD {found['cvd_lots']:+,}",
        f"stored {found['trades'] + found['quotes']:,}",
        f"refused {found['quarantined']:,}",
        f"{seconds(found['stored_age_s'])} ago",
    ]
    if found["segments_behind"]:
        parts.append(f"{found['segments_behind']} segments behind")
    if found["frozen"]:
        parts.append(f"FROZEN: nothing for {found['record_age_s']:.0f} s")
    if found["problem"]:
        parts.append(f"PROBLEM: {found['problem']}")
    return "  ".join(parts)
