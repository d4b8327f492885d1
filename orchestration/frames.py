"""Stored tables as pandas frames in human units: for charts, reports and notebooks."""

from collections.abc import Callable

import numpy as np
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


def trades_frame(trades: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``raw.trades`` in human units; ``sign`` is what the venue said, 0 where it did not."""
    return pd.DataFrame(
        {
            "time": utc(trades, "ts_event_ns"),
            "received": _received(trades),
            "trade_id": column(trades, "trade_id"),
            "price": instrument.ticks_to_price(column(trades, "price_ticks")),
            "qty": instrument.lots_to_qty(column(trades, "qty_lots")),
            "sign": column(trades, "native_sign"),
            "is_market": column(trades, "is_market").astype(bool),
        }
    )


def classified_frame(trades: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``flow.classified_trades`` in human units; the quote is NaN where none was before."""
    is_known = column(trades, "has_quote").astype(bool)
    quote = {
        "bid": instrument.ticks_to_price(column(trades, "bid_ticks")),
        "bid_qty": instrument.lots_to_qty(column(trades, "bid_lots")),
        "ask": instrument.ticks_to_price(column(trades, "ask_ticks")),
        "ask_qty": instrument.lots_to_qty(column(trades, "ask_lots")),
    }
    return pd.DataFrame(
        {
            "time": utc(trades, "ts_event_ns"),
            "trade_id": column(trades, "trade_id"),
            "price": instrument.ticks_to_price(column(trades, "price_ticks")),
            "qty": instrument.lots_to_qty(column(trades, "qty_lots")),
            "sign": column(trades, "sign"),
            "rule": _texts(trades, "rule"),
            "sweep": column(trades, "sweep"),
        }
        | {name: np.where(is_known, values, np.nan) for name, values in quote.items()}
    )


def quotes_frame(quotes: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``raw.quotes`` in human units; without an exchange's stamp ``time`` is our receive time."""
    return pd.DataFrame(
        {
            "time": utc(quotes, "ts_event_ns"),
            "received": _received(quotes),
            "is_exchange_time": column(quotes, "ts_source").astype(bool),
            "bid": instrument.ticks_to_price(column(quotes, "bid_ticks")),
            "bid_qty": instrument.lots_to_qty(column(quotes, "bid_lots")),
            "ask": instrument.ticks_to_price(column(quotes, "ask_ticks")),
            "ask_qty": instrument.lots_to_qty(column(quotes, "ask_lots")),
        }
    )


def events_frame(events: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``flow.events`` in human units; ``value`` is of its kind's own unit (docs/events.md)."""
    return pd.DataFrame(
        {
            "time": utc(events, "ts_event_ns"),
            "kind": _texts(events, "kind"),
            "price": instrument.ticks_to_price(column(events, "price_tick")),
            "sign": column(events, "sign"),
            "qty": instrument.lots_to_qty(column(events, "qty_lots")),
            "value": column(events, "value"),
        }
    )


def features_frame(features: pa.Table, instrument: Instrument) -> pd.DataFrame:
    """Return ``research.features`` in human units.

    What is counted in ticks or lots by its name is in quote currency and units of size, under the
    name without the word: ``return_60s_ticks`` is ``return_60s``. All else (ratios, counts, scores,
    slopes in ticks a lot) has the value and name that it has in the store.
    """
    steps = {"ticks": float(instrument.price_step), "lots": float(instrument.lot_step)}
    made: dict[str, object] = {"time": utc(features, "t0_ns")}
    for field in features.schema:
        if not pa.types.is_floating(field.type):
            continue
        words = field.name.split("_")
        unit = next((word for word in words if word in steps), None)
        values = column(features, field.name)
        if unit is None:
            made[field.name] = values
            continue
        made["_".join(word for word in words if word != unit)] = values * steps[unit]
    return pd.DataFrame(made)


def _received(table: pa.Table) -> pd.Series:
    # 0: the record came without one.
    return utc(table, "ts_recv_ns").mask(column(table, "ts_recv_ns") == 0)


def _texts(table: pa.Table, name: str) -> pd.Series:
    return pd.Series(table[name].combine_chunks().to_pandas(), name=name)


# What turns rows of a table into human units.
FRAMES: dict[str, Callable[[pa.Table, Instrument], pd.DataFrame]] = {
    "raw.trades": trades_frame,
    "raw.quotes": quotes_frame,
    "flow.classified_trades": classified_frame,
    "flow.bars": bars_frame,
    "flow.footprint": footprint_frame,
    "flow.volume_profile": profile_frame,
    "flow.events": events_frame,
    "research.features": features_frame,
}
