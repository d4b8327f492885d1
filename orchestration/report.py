"""Gather what is published of a symbol and draw it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from models.metrics import equal_count_bins
from orchestration.arrays import column
from orchestration.backtest_summary import equity_frame, pooled_backtest
from orchestration.charts.data import ReportData
from orchestration.charts.png import cvd_png, footprint_png
from orchestration.charts.report import render_report
from orchestration.errors import NothingToShow, writing
from orchestration.event_marks import event_marks
from orchestration.frames import bars_frame, footprint_frame, profile_frame
from orchestration.quality.contracts import EVENT_KINDS
from orchestration.quote_proxy import NOTE, is_named, titled
from orchestration.runtime import settings
from orchestration.sources.records import QUOTE_PROXY
from orchestration.storage.store import Store
from orchestration.summary import session_levels
from orchestration.tracking.tracking import Tracking
from orderflow_core.instrument import Instrument

FOOTPRINT_BARS = 12
HASHED = (
    "raw.trades",
    "raw.quotes",
    "flow.classified_trades",
    "flow.footprint",
    "research.features",
)

Picture = Callable[[Store, Instrument, date, int], bytes]


def _footprint(store: Store, known: Instrument, day: date, bars: int) -> bytes:
    cells = _published(store, "flow.footprint", known, day)
    return footprint_png(
        footprint_frame(cells, known, last_bars=bars),
        title=titled(f"{known.symbol} {day}", cells),
        row_size=float(known.price_step) * settings().row_ticks(known),
        timezone=known.timezone,
        n_bars=bars,
        marks=_marks(store, known, day),
    )


def _cvd(store: Store, known: Instrument, day: date, bars: int) -> bytes:
    del bars  # the whole day
    rows = _published(store, "flow.bars", known, day)
    return cvd_png(
        bars_frame(rows, known),
        title=titled(f"{known.symbol} {day}", rows),
        timezone=known.timezone,
        marks=_marks(store, known, day),
    )


# A day whose bars are published before its events has none yet: its picture goes without.
def _marks(store: Store, known: Instrument, day: date) -> pd.DataFrame:
    events, bars = (store.read(t, known.symbol, day) for t in ("flow.events", "flow.bars"))
    return event_marks(events, bars, known)


CHARTS: dict[str, Picture] = {"footprint": _footprint, "cvd": _cvd}


def draw_chart(store: Store, known: Instrument, day: date, kind: str, bars: int) -> bytes:
    """Return one picture of a day as PNG.

    Raises
    ------
    NothingToShow
        The day holds no published rows to draw.
    """
    return CHARTS[kind](store, known, day, bars)


def _published(store: Store, table: str, known: Instrument, day: date) -> pa.Table:
    rows = store.read(table, known.symbol, day)
    if not rows.num_rows:
        published = ", ".join(map(str, store.days(table, known.symbol))) or "no day at all"
        raise NothingToShow(
            f"{table} of {known.symbol} is published for {published}, not for {day}"
        )
    return rows


def write_report(store: Store, tracking: Tracking, known: Instrument, target: Path) -> None:
    """Write the report page of a symbol over all its published days.

    Raises
    ------
    NothingToShow
        Nothing of the symbol is published.
    """
    data = report_data(store, tracking, known)
    page = render_report(data)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")


def report_data(store: Store, tracking: Tracking, known: Instrument) -> ReportData:
    """Return everything that the report page shows, in human units."""
    symbol, config = known.symbol, settings()
    days = store.days("flow.bars", symbol)
    if not days:
        raise NothingToShow(f"nothing of {symbol} is published: orderflow run --symbol {symbol}")
    bars, footprint = (store.read(t, symbol, days) for t in ("flow.bars", "flow.footprint"))
    is_proxy = is_named(bars) or is_named(footprint)
    profile = store.read("flow.volume_profile", symbol, days)
    models = [m for m in tracking.models() if m["symbol"] == symbol and m["is_newest"]]
    return ReportData(
        symbol=symbol,
        title=f"{symbol} {QUOTE_PROXY}, no trades" if is_proxy else f"{symbol} order flow",
        period=f"{days[0]} to {days[-1]}",
        bars=_with_day(bars_frame(bars, known), bars),
        footprint=footprint_frame(footprint, known, last_bars=FOOTPRINT_BARS),
        profile=_with_day(profile_frame(profile, known), profile),
        levels={day: _levels(store, symbol, day) for day in days},
        row_size=float(known.price_step) * config.row_ticks(known),
        tick_size=float(known.tick_size),
        scores=[_score(model, s) for model in models for s in model["scores"]],
        champion=[_champion(model) for model in models],
        equity=equity_frame(store, known, days),
        backtest=pooled_backtest(
            store, known, days, config, n_trials=tracking.n_trials_of_symbol(symbol)
        ),
        provenance=_provenance(store, symbol, days, models),
        notes=([NOTE] if is_proxy else []) + _notes(store, known, days),
        bar_label=f"{config.bar_seconds} s" + (f" {QUOTE_PROXY}" if is_proxy else ""),
        timezone=known.timezone,
        quote_currency=known.quote_currency,
        calibration=_calibration(tracking, models),
        size_unit=f"{QUOTE_PROXY} units" if is_proxy else _size_unit(known),
        events=_event_counts(store, symbol, days),
        marks=event_marks(store.read("flow.events", symbol, days), bars, known),
    )


def _size_unit(known: Instrument) -> str:
    return "contracts" if known.kind == "future" else "units"


def _event_counts(store: Store, symbol: str, days: list[date]) -> dict[str, str]:
    events = store.read("flow.events", symbol, days, columns=["kind", "sign"])
    kind, sign = events["kind"].cast(pa.string()).to_numpy(zero_copy_only=False), events["sign"]
    side = sign.to_numpy()
    return {
        name.replace("_", " "): _sides(side[kind == name])
        for name in EVENT_KINDS
        if (kind == name).any()
    }


def _sides(sign: np.ndarray) -> str:
    n_up, n_down = np.count_nonzero(sign > 0), np.count_nonzero(sign < 0)
    return f"{len(sign):,}" + (f" ({n_up:,} up, {n_down:,} down)" if n_up or n_down else "")


def _with_day(frame: pd.DataFrame, table: pa.Table) -> pd.DataFrame:
    return frame.assign(trading_day=table["trading_day"].to_pandas())


def _levels(store: Store, symbol: str, day: date) -> tuple[float, float, float]:
    found = session_levels(store, symbol, day)
    return found["poc"], found["val"], found["vah"]


def _score(model: dict[str, Any], score: dict[str, Any]) -> dict[str, Any]:
    return {"task": model["task"], "beats_below": ""} | score


def _calibration(tracking: Tracking, models: list[dict[str, Any]]) -> pd.DataFrame | None:
    """Return mean forecast and observed share of "up" in bins of equal count, out of fold."""
    parts = []
    for model in models:
        rows = tracking.read_oof(model["run_id"]).to_pandas()
        for rung, found in rows.dropna(subset=["p_up"]).groupby("rung", sort=False):
            bins = equal_count_bins(found["p_up"].to_numpy())
            grouped = found.assign(up=found["label"] > 0).groupby(bins)
            part = grouped.agg(
                predicted=("p_up", "mean"), observed=("up", "mean"), n=("up", "size")
            )
            parts.append(part.assign(task=model["task"], rung=rung))
    return pd.concat(parts, ignore_index=True) if parts else None


def _champion(model: dict[str, Any]) -> str:
    name = f"{model['task']}: "
    if "champion" in model["aliases"]:
        return f"{name}champion is version {model['version']} ({model['rung']})"
    return f"{name}champion: none. {model['reason']}"


def _provenance(
    store: Store, symbol: str, days: list[date], models: list[dict[str, Any]]
) -> dict[str, str]:
    hashes = {
        f"{table} sha256": store.content_hash_days(table, symbol, days)
        for table in HASHED
        if set(days) <= set(store.days(table, symbol))
    }
    trained = {f"{m['name']} v{m['version']}": f"MLflow run {m['run_id']}" for m in models}
    return {"manifest": str(store.snapshot())} | hashes | trained


def _notes(store: Store, known: Instrument, days: list[date]) -> list[str]:
    notes = (
        ["Past results of a two-day sample say nothing about other days."] if len(days) < 20 else []
    )
    classified = store.read(
        "flow.classified_trades", known.symbol, days, columns=["rule", "has_quote"]
    )
    is_proxy = QUOTE_PROXY in classified["rule"].unique().to_pylist()
    if not is_proxy and not column(classified, "has_quote").any():
        notes.append(
            "No quotes: sides come from the tick rule, labels from the last trade (mid proxy), fills "
            "one full tick worse than the next trade. No claim about mids is made."
        )
    quarantined = store.read("raw.quarantine", known.symbol, days, columns=["line"]).num_rows
    if quarantined:
        notes.append(f"{quarantined:,} records are in quarantine: orderflow quarantine")
    return notes
