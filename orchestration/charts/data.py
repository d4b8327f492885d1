"""What a report shows: one record of data frames in human units, checked when it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from orchestration.charts.marks import MARK_COLUMNS

BAR_COLUMNS = (
    "t0", "trading_day", "open", "high", "low", "close", "volume", "buy", "sell", "unsigned",
    "delta", "min_delta", "max_delta", "cvd_open", "cvd_high", "cvd_low", "cvd_close", "vwap",
    "vwap_sd",
)  # fmt: skip
FOOTPRINT_COLUMNS = (
    "t0", "price", "bid", "ask", "unsigned", "is_buy_imbalance", "is_sell_imbalance",
)  # fmt: skip
PROFILE_COLUMNS = ("trading_day", "price", "bid", "ask", "unsigned")
EQUITY_COLUMNS = ("t", "equity", "benchmark", "position")
NULL_COLUMNS = ("null_low", "null_high")
SCORE_KEYS = ("task", "rung", "metric", "value", "low", "high", "n", "beats_below")
CALIBRATION_COLUMNS = ("task", "rung", "predicted", "observed", "n")


class DayLevels(NamedTuple):
    """Point of control and value area of one trading day, in price units."""

    poc: float
    val: float
    vah: float


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report page shows; nothing is computed from the market here.

    Parameters
    ----------
    symbol, title, period : str
        Plain text; it is escaped, never read as HTML.
    bars : DataFrame
        One row a bar, any order: ``BAR_COLUMNS``. ``t0`` is timezone-aware; ``trading_day`` is a
        date or ISO text; prices in price units, sizes in ``size_unit``; the session VWAP and its
        standard deviation as known at the bar's last trade; CVD since session start.
    footprint : DataFrame
        One row a traded (bar, price row): ``FOOTPRINT_COLUMNS``. ``price`` is the row's lowest
        price; ``bid`` is what sellers hit, ``ask`` what buyers lifted. ``t0`` as in ``bars``.
    profile : DataFrame
        One row a price row of a trading day: ``PROFILE_COLUMNS``.
    levels : mapping of trading day to DayLevels or (poc, val, vah)
    row_size, tick_size : float
        Height of a footprint and profile row, and the price increment, in price units.
    scores : sequence of mappings with ``SCORE_KEYS`` and, where there is one, ``base``
        ``beats_below`` says in words whether the rung beats the one below.
    champion : sequence of str
        One line a task: the champion, or why there is none.
    equity : DataFrame
        ``EQUITY_COLUMNS`` and, optionally, ``NULL_COLUMNS`` (the band of shuffled signals), in
        ``quote_currency``, all starting near 0.
    backtest, provenance : mapping of label to text
    notes : sequence of str
        What the reader must know before believing a number.
    bar_label, timezone, quote_currency, size_unit : str
        For example ``"60 s"``, ``"America/Chicago"``, ``"USD"``, ``"contracts"``.
    calibration : DataFrame or None
        ``CALIBRATION_COLUMNS``: mean predicted and observed frequency of each bin.
    events : mapping of label to text
        What stood out and how often, in the order to be shown.
    marks : DataFrame
        The events that are drawn on the price and on the footprint: ``MARK_COLUMNS``.

    Raises
    ------
    ValueError
        A frame or a score lacks a column, a time has no zone, a price or an equity is not finite,
        or a step is not positive. An empty frame needs no columns: its panel says that there is
        nothing to show.
    """

    symbol: str
    title: str
    period: str
    bars: pd.DataFrame
    footprint: pd.DataFrame
    profile: pd.DataFrame
    levels: Mapping[Any, DayLevels | tuple[float, float, float]]
    row_size: float
    tick_size: float
    scores: Sequence[Mapping[str, Any]]
    champion: Sequence[str]
    equity: pd.DataFrame
    backtest: Mapping[str, str]
    provenance: Mapping[str, str]
    notes: Sequence[str]
    bar_label: str = "1 bar"
    timezone: str = "UTC"
    quote_currency: str = ""
    size_unit: str = "lots"
    calibration: pd.DataFrame | None = None
    events: Mapping[str, str] = field(default_factory=dict)
    marks: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __post_init__(self) -> None:
        require_columns("bars", self.bars, BAR_COLUMNS, time="t0")
        require_columns("footprint", self.footprint, FOOTPRINT_COLUMNS, time="t0")
        require_columns("profile", self.profile, PROFILE_COLUMNS)
        require_columns("marks", self.marks, MARK_COLUMNS, time="t_from")
        require_columns("equity", self.equity, EQUITY_COLUMNS, time="t")
        require_finite("equity", self.equity, ("equity",))
        require_finite("bars", self.bars, ("open", "high", "low", "close", "volume", "delta"))
        if self.calibration is not None:
            require_columns("calibration", self.calibration, CALIBRATION_COLUMNS)
        for name in ("row_size", "tick_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        for position, score in enumerate(self.scores):
            missing = [key for key in SCORE_KEYS if key not in score]
            if missing:
                raise ValueError(f"scores[{position}] lacks {missing}, got {sorted(score)}")

    def day_levels(self) -> dict[str, DayLevels]:
        """Return the levels keyed by ISO day text, in day order."""
        return {day_key(day): DayLevels(*self.levels[day]) for day in sorted(self.levels, key=str)}


def day_key(day: object) -> str:
    """Return a trading day (date, timestamp or text) as its ISO text."""
    return str(day)[:10]


def require_columns(
    name: str, frame: pd.DataFrame, columns: Sequence[str], *, time: str | None = None
) -> None:
    """Raise ValueError where a frame that holds rows lacks a column, or its time has no zone."""
    if frame.empty:
        return
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"{name} lacks the columns {missing}, got {list(frame.columns)}")
    if time is not None and not isinstance(frame[time].dtype, pd.DatetimeTZDtype):
        raise ValueError(f"{name}.{time} must be timezone-aware, got {frame[time].dtype}")


def require_finite(name: str, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ValueError where a frame that holds rows has a null or infinite value."""
    for column in columns if not frame.empty else ():
        values = frame[column].to_numpy(dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ValueError(f"{name}.{column} must be finite, row {bad[0]} is {values[bad[0]]}")
