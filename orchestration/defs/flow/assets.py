"""Bars, footprint, volume profile and events, one asset a table."""

import time

import dagster as dg

from orchestration.charts.png import cvd_png, footprint_png
from orchestration.defs import publishing
from orchestration.defs.flow import tables
from orchestration.defs.inputs import DayReader
from orchestration.frames import bars_frame, footprint_frame
from orchestration.partitions import daily_by_symbol
from orchestration.quality.invariants import check_conservation
from orchestration.resources.store import StoreResource
from orchestration.runtime import instrument, settings

TRADES = publishing.asset_key("flow.classified_trades")
CELL_VOLUME = ("bid_lots", "ask_lots", "unsigned_lots")
PICTURE_BARS = 8


@dg.multi_asset(
    name="bars",
    specs=[
        publishing.asset_spec(
            "flow.bars",
            "flow",
            "Time bars: OHLCV, buy and sell volume, delta with its extremes, CVD candle, VWAP.",
            deps=[TRADES],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs("flow.bars", "volume_conserved"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def bars(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Aggregate the day's trades to time bars."""
    started = time.monotonic()
    day, config = DayReader.of(context, store.get()), settings()
    trades = day.read("flow.classified_trades")
    made = tables.bars(trades, clock=config.bar_clock, bar_seconds=config.bar_seconds)
    conserved = check_conservation("volume_conserved", trades, made, "volume_lots")
    known = instrument(day.symbol)
    png = cvd_png(bars_frame(made, known), title=f"{day.symbol} {day.day}", timezone=known.timezone)
    metadata = {"cvd": publishing.picture(png)} | publishing.time_range(made, "t0_ns")
    draft = day.draft(
        started,
        "1",
        {"flow.bars": made},
        outcomes={"flow.bars": [conserved]},
        metadata={"flow.bars": metadata},
    )
    yield from publishing.publish(context, day.store, draft)


@dg.multi_asset(
    name="footprint",
    specs=[
        publishing.asset_spec(
            "flow.footprint",
            "flow",
            "Volume at bid and at ask of each bar and price row; diagonal imbalances marked.",
            deps=[TRADES],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs("flow.footprint", "volume_conserved"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def footprint(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Spread the volume of each bar over its price rows."""
    started = time.monotonic()
    day, config = DayReader.of(context, store.get()), settings()
    symbol = instrument(day.symbol)
    trades = day.read("flow.classified_trades")
    made = tables.footprint_cells(
        trades,
        clock=config.bar_clock,
        bar_seconds=config.bar_seconds,
        ticks_per_row=config.row_ticks(symbol),
        min_lots=config.imbalance_min_lots,
    )
    conserved = check_conservation("volume_conserved", trades, made, *CELL_VOLUME)
    png = footprint_png(
        footprint_frame(made, symbol, last_bars=PICTURE_BARS),
        title=f"{day.symbol} {day.day}",
        row_size=float(symbol.price_step) * config.row_ticks(symbol),
        timezone=symbol.timezone,
        n_bars=PICTURE_BARS,
    )
    metadata = {
        "footprint": publishing.picture(png),
        "ticks_per_row": config.row_ticks(symbol),
    }
    draft = day.draft(
        started,
        "1",
        {"flow.footprint": made},
        outcomes={"flow.footprint": [conserved]},
        metadata={"flow.footprint": metadata},
    )
    yield from publishing.publish(context, day.store, draft)


@dg.multi_asset(
    name="volume_profile",
    specs=[
        publishing.asset_spec(
            "flow.volume_profile",
            "flow",
            "The day's volume by price row.",
            deps=[TRADES],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs("flow.volume_profile", "volume_conserved"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def volume_profile(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Add up the day's volume by price row."""
    started = time.monotonic()
    day = DayReader.of(context, store.get())
    trades = day.read("flow.classified_trades")
    made = tables.profile_rows(trades, ticks_per_row=settings().row_ticks(instrument(day.symbol)))
    conserved = check_conservation("volume_conserved", trades, made, *CELL_VOLUME)
    draft = day.draft(
        started, "1", {"flow.volume_profile": made}, outcomes={"flow.volume_profile": [conserved]}
    )
    yield from publishing.publish(context, day.store, draft)


@dg.multi_asset(
    name="events",
    specs=[
        publishing.asset_spec(
            "flow.events",
            "flow",
            "The session's POC and value area, and stacked imbalances, each when it was known.",
            deps=[
                publishing.asset_key("flow.volume_profile"),
                publishing.asset_key("flow.footprint"),
            ],
            code_version="1",
        )
    ],
    check_specs=publishing.check_specs("flow.events"),
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
)
def events(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Collect what happened at which price and when it was known."""
    started = time.monotonic()
    day, config = DayReader.of(context, store.get()), settings()
    symbol = instrument(day.symbol)
    made = tables.events(
        day.read("flow.volume_profile"),
        day.read("flow.footprint"),
        session_end_ns=symbol.trading_day_window(day.day)[1],
        bar_seconds=config.bar_seconds,
    )
    levels = {
        row["kind"]: float(symbol.ticks_to_price([row["price_tick"]])[0])
        for row in made.to_pylist()
        if row["kind"].startswith("session_")
    }
    draft = day.draft(started, "1", {"flow.events": made}, metadata={"flow.events": levels})
    yield from publishing.publish(context, day.store, draft)
