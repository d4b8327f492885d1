"""Stored tables as pandas frames in human units: for charts, reports and notebooks."""

import pandas as pd
import pyarrow as pa

from orchestration.arrays import column
from orderflow_core.instrument import Instrument

_BAR_LOTS = {
    "volume": "volume_lots",
    "buy": "buy_lots",
    "sell": "sell_lots",
    "unsigned": "unsigned_lots",
    "delta": "delta_lots",
    "min_delta": "min_delta_lots",
    "max_delta": "max_delta_lots",
    "cvd_open": "cvd_open_lots",
    "cvd_high": "cvd_high_lots",
    "cvd_low": "cvd_low_lots",
    "cvd_close": "cvd_close_lots",
}
_CELL_LOTS = {"bid": "bid_lots", "ask": "ask_lots", "unsigned": "unsigned_lots"}


def utc(table: pa.Table, name: str) -> pd.Series:
    """Return a column of nanoseconds as UTC timestamps."""
    return pd.Series(pd.to_datetime(column(table, name), unit="ns", utc=True), name=name)


def _sizes(table: pa.Table, instrument: Instrument, names: dict[str, str]) -> dict[str, object]:
    return {name: instrument.lots_to_qty(column(table, lots)) for name, lots in names.items()}


def bars_frame(bars: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``flow.bars`` in quote currency and units of size."""
    step = float(instrument.price_step)
    prices = {
        name: instrument.ticks_to_price(column(bars, f"{name}_ticks"))
        for name in ("open", "high", "low", "close")
    }
    vwap = {
        "vwap": column(bars, "vwap_ticks") * step,
        "vwap_sd": column(bars, "vwap_sd_ticks") * step,
    }
    return pd.DataFrame(
        {"t0": utc(bars, "t0_ns")} | prices | _sizes(bars, instrument, _BAR_LOTS) | vwap
    )


def footprint_frame(
    cells: pa.Table, instrument: Instrument, *, last_bars: int | None = None
) -> pd.DataFrame:
    """Return ``flow.footprint`` in human units; ``price`` is the lower edge of the row."""
    frame = pd.DataFrame(
        {
            "t0": utc(cells, "t0_ns"),
            "price": instrument.ticks_to_price(column(cells, "price_tick")),
        }
        | _sizes(cells, instrument, _CELL_LOTS)
        | {
            name: column(cells, name).astype(bool)
            for name in ("is_buy_imbalance", "is_sell_imbalance")
        }
    )
    if last_bars is None:
        return frame
    return frame[frame["t0"].isin(sorted(frame["t0"].unique())[-last_bars:])]


def profile_frame(profile: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``flow.volume_profile`` in human units."""
    return pd.DataFrame(
        {"price": instrument.ticks_to_price(column(profile, "price_tick"))}
        | _sizes(profile, instrument, _CELL_LOTS)
    )
