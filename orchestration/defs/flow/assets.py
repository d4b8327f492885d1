"""Bars, footprint, volume profile and events, one asset a table."""

import pyarrow.compute as pc

from orchestration.charts.png import cvd_png, footprint_png
from orchestration.defs import publishing
from orchestration.defs.day_asset import Made, day_asset
from orchestration.defs.flow import tables
from orchestration.defs.flow.events import event_rules
from orchestration.defs.flow.events import events as make_events
from orchestration.defs.flow.naked import NAKED_DAYS
from orchestration.defs.inputs import DayReader
from orchestration.frames import bars_frame, footprint_frame
from orchestration.quality.invariants import check_conservation
from orchestration.quote_proxy import titled
from orchestration.runtime import instrument, settings

TRADES, GAPS = "flow.classified_trades", "raw.gaps"
CELL_VOLUME = ("bid_lots", "ask_lots", "unsigned_lots")
PICTURE_BARS = 8


@day_asset(
    "flow.bars", group="flow", deps=[TRADES, GAPS], checks=["volume_conserved"], code_version="2"
)
def bars(day: DayReader) -> Made:
    """Time bars: OHLCV, buy and sell volume, delta with its extremes, CVD candle, VWAP."""
    config, known = settings(), instrument(day.symbol)
    trades = day.read(TRADES)
    made = tables.bars(
        trades,
        day.read(GAPS),
        clock=config.bar_clock,
        bar_seconds=config.bar_seconds,
        quote_proxy=config.quote_proxy,
    )
    conserved = check_conservation("volume_conserved", trades, made, "volume_lots")
    title = titled(f"{day.symbol} {day.day}", made)
    png = cvd_png(bars_frame(made, known), title=title, timezone=known.timezone)
    metadata = {"cvd": publishing.picture(png)} | publishing.time_range(made, "t0_ns")
    return Made(table=made, outcomes=(conserved,), metadata=metadata)


@day_asset("flow.footprint", group="flow", deps=[TRADES], checks=["volume_conserved"])
def footprint(day: DayReader) -> Made:
    """Volume at bid and at ask of each bar and price row; diagonal imbalances marked."""
    config, known = settings(), instrument(day.symbol)
    trades, row_ticks = day.read(TRADES), config.row_ticks(known)
    made = tables.footprint_cells(
        trades,
        clock=config.bar_clock,
        bar_seconds=config.bar_seconds,
        ticks_per_row=row_ticks,
        min_lots=config.imbalance_min_lots,
        quote_proxy=config.quote_proxy,
    )
    conserved = check_conservation("volume_conserved", trades, made, *CELL_VOLUME)
    png = footprint_png(
        footprint_frame(made, known, last_bars=PICTURE_BARS),
        title=titled(f"{day.symbol} {day.day}", made),
        row_size=float(known.price_step) * row_ticks,
        timezone=known.timezone,
        n_bars=PICTURE_BARS,
    )
    metadata = {"footprint": publishing.picture(png), "ticks_per_row": row_ticks}
    return Made(table=made, outcomes=(conserved,), metadata=metadata)


@day_asset("flow.volume_profile", group="flow", deps=[TRADES], checks=["volume_conserved"])
def volume_profile(day: DayReader) -> Made:
    """The day's volume by price row."""
    trades = day.read(TRADES)
    made = tables.profile_rows(trades, ticks_per_row=settings().row_ticks(instrument(day.symbol)))
    conserved = check_conservation("volume_conserved", trades, made, *CELL_VOLUME)
    return Made(table=made, outcomes=(conserved,))


@day_asset(
    "flow.events",
    group="flow",
    deps=[TRADES, GAPS, "flow.bars", "flow.footprint", "flow.volume_profile"],
    code_version="4",
)
def events(day: DayReader) -> Made:
    """What stood out, when it was known: levels, zones, large trades, absorption, divergence."""
    made = make_events(
        day.read(TRADES),
        day.read(GAPS),
        day.read("flow.bars"),
        day.read("flow.footprint"),
        day.read("flow.volume_profile"),
        rules=event_rules(settings(), instrument(day.symbol), day.day),
        earlier=day.earlier("flow.volume_profile", NAKED_DAYS),
    )
    kinds = pc.value_counts(made["kind"]).to_pylist()
    return Made(table=made, metadata={entry["values"]: entry["counts"] for entry in kinds})
