"""Levels of detail: the same bars joined k by k, so that a wide view still shows candles.

A thousand candles on a thousand pixels are a smear. The page shows the finest level that leaves
each candle some pixels, and says how many bars one candle joins.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestration.charts.axis import SessionAxis, session_axis
from orchestration.charts.data import day_key
from orchestration.charts.formatting import local_times

FACTORS = (1, 5, 15, 60, 240, 960)  # each divides the next: positions stay evenly spaced
MAX_CANDLES = 300


@dataclass(frozen=True)
class Level:
    """Bars joined ``factor`` by ``factor``; ``bars`` has an ``x`` and a ``session`` column."""

    factor: int
    bars: pd.DataFrame


@dataclass(frozen=True)
class PreparedBars:
    """Bars in time order, laid out on a session axis, at every level of detail."""

    axis: SessionAxis
    levels: list[Level]
    days: list[str]

    @property
    def bars(self) -> pd.DataFrame:
        """Return the bars as given, not joined."""
        return self.levels[0].bars

    def coarsest(self) -> Level:
        """Return the level that shows every bar at once."""
        return self.levels[-1]


def prepare_bars(bars: pd.DataFrame, timezone: str) -> PreparedBars:
    """Sort the bars, lay the trading days side by side and build the levels of detail.

    Parameters
    ----------
    bars : DataFrame of ``BAR_COLUMNS``, at least one row
    timezone : str
        Zone of every time that the page shows.
    """
    frame = bars.sort_values("t0", kind="stable").reset_index(drop=True)
    frame["t0"] = local_times(frame["t0"], timezone)
    days = np.asarray([day_key(day) for day in frame["trading_day"]], dtype=object)
    factors = [factor for factor in FACTORS if factor == 1 or len(frame) > _reach(factor)]
    axis = session_axis(frame["t0"], days, block=factors[-1])
    frame["x"] = axis.x
    frame["session"] = np.repeat(np.arange(len(axis.starts)), axis.ends - axis.starts)
    frame["t_last"], frame["n_bars"] = frame["t0"], 1
    levels = [Level(factor, join_bars(frame, factor)) for factor in factors]
    return PreparedBars(axis=axis, levels=levels, days=[days[start] for start in axis.starts])


# Number of bars that the next finer level can still show.
def _reach(factor: int) -> int:
    finer = FACTORS[FACTORS.index(factor) - 1]
    return finer * MAX_CANDLES


def join_bars(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
    """Join each session's bars ``factor`` by ``factor``; a session's last group may be shorter.

    The least and greatest running delta of a joined bar are those of the running sum over its
    parts, not of its parts alone. ``x`` is the middle of a full group.
    """
    if factor == 1:
        return frame
    in_session = frame.groupby("session").cumcount()
    group = [frame["session"], in_session // factor]
    before = frame.groupby(group)["delta"].cumsum() - frame["delta"]
    parts = frame.assign(
        min_delta=before + frame["min_delta"], max_delta=before + frame["max_delta"]
    )
    joined = parts.groupby(group, sort=True).agg(**_JOIN).reset_index(drop=True)
    joined["x"] = joined["x"] + (factor - 1) / 2
    return joined


_JOIN = {
    "t0": ("t0", "first"), "t_last": ("t_last", "last"), "trading_day": ("trading_day", "first"),
    "open": ("open", "first"), "high": ("high", "max"), "low": ("low", "min"),
    "close": ("close", "last"), "volume": ("volume", "sum"), "buy": ("buy", "sum"),
    "sell": ("sell", "sum"), "unsigned": ("unsigned", "sum"), "delta": ("delta", "sum"),
    "min_delta": ("min_delta", "min"), "max_delta": ("max_delta", "max"),
    "cvd_open": ("cvd_open", "first"), "cvd_high": ("cvd_high", "max"),
    "cvd_low": ("cvd_low", "min"), "cvd_close": ("cvd_close", "last"), "vwap": ("vwap", "last"),
    "vwap_sd": ("vwap_sd", "last"), "n_bars": ("n_bars", "sum"), "x": ("x", "first"), "session": ("session", "first"),
}  # fmt: skip
