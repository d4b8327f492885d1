"""A unit cut at the borders of the trading days."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from orchestration.sources.records import (
    DEPTH_KIND,
    GAPS,
    SourceBatch,
    count_kind,
    with_figures,
)
from orderflow_core.instrument import EPOCH, Instrument


def split_by_day(batch: SourceBatch, instrument: Instrument) -> dict[date, SourceBatch]:
    """Cut a batch at the borders of the trading days, in day order.

    Returns
    -------
    dict of date to SourceBatch
        Every day that stores or refuses a record. Stored, quarantined and offered add up to
        those of ``batch``; ``other`` and ``n_lines``, which have no day, stay with the first.

    Notes
    -----
    A refused record belongs to the day of its own time when something else is stored on that
    day, otherwise to the day of the record before it in the file: a damaged time never opens a
    day of its own. A gap that spans midnight appears on both days, cut at the border, each time
    with its full count.
    """
    trade_day = instrument.trading_day_of(batch.trades["ts_event_ns"].to_numpy())
    quote_day = instrument.trading_day_of(batch.quotes["ts_event_ns"].to_numpy())
    depth_day = instrument.trading_day_of(batch.depth["ts_event_ns"].to_numpy())
    reject_day = _reject_days(batch, instrument, (trade_day, quote_day, depth_day))
    days: dict[date, SourceBatch] = {}
    for number in _distinct(trade_day, quote_day, depth_day, reject_day):
        day = EPOCH + timedelta(days=int(number))
        refused = reject_day == number
        trades, quotes = (
            _rows_of(batch.trades, trade_day, number),
            _rows_of(batch.quotes, quote_day, number),
        )
        quarantine = batch.quarantine.filter(pa.array(refused))
        n_depth_refused = count_kind(quarantine, DEPTH_KIND)
        part = replace(
            batch,
            trades=trades,
            quotes=quotes,
            depth=_rows_of(batch.depth, depth_day, number),
            gaps=clip_gaps(batch.gaps, *instrument.trading_day_window(day)),
            quarantine=quarantine,
            quarantine_ns=batch.quarantine_ns[refused],
            offered=len(trades) + len(quotes) + len(quarantine) - n_depth_refused,
            other={} if days else batch.other,
            n_lines=0 if days else batch.n_lines,
            counts={},
        )
        part = replace(part, depth_offered=part.depth_stored + n_depth_refused)
        days[day] = with_figures(part, instrument.tick_steps)
    return days


def _distinct(*days: np.ndarray) -> list[int]:
    # Rows are in time order: a day that begins is a change.
    found: set[int] = set()
    for day in days:
        found.update(day[:1].tolist(), day[1:][day[1:] != day[:-1]].tolist())
    return sorted(found)


def _rows_of(rows: pa.Table, day: np.ndarray, number: int) -> pa.Table:
    # Rows are in time order, so a day is one slice.
    start, stop = np.searchsorted(day, [number, number + 1])
    return rows.slice(start, stop - start)


def clip_gaps(gaps: pa.Table, start: int, end: int) -> pa.Table:
    """Return the gaps that reach into ``[start, end)``, cut at its borders."""
    first, last = gaps["start_ns"].to_numpy(), gaps["end_ns"].to_numpy()
    touched = (first < end) & (last >= start)
    kept = gaps.filter(pa.array(touched))
    clipped = {"start_ns": np.maximum(first, start), "end_ns": np.minimum(last, end)}
    for name, values in clipped.items():
        kept = kept.set_column(
            kept.schema.get_field_index(name), GAPS.field(name), pa.array(values[touched])
        )
    return kept


def _reject_days(
    batch: SourceBatch, instrument: Instrument, stored_days: Sequence[np.ndarray]
) -> np.ndarray:
    known = batch.quarantine_ns > 0
    if not len(known):
        return np.empty(0, np.int64)
    own = np.full(len(known), -1, np.int64)
    own[known] = instrument.trading_day_of(batch.quarantine_ns[known])
    line = batch.quarantine["line"].to_numpy()
    at = np.concatenate([t["line"].to_numpy() for t in (batch.trades, batch.quotes, batch.depth)])
    day = np.concatenate(stored_days)
    if not len(at):  # nothing stored: the refused records that have a time speak for the others
        at, day = line[known], own[known]
    order = np.argsort(at, kind="stable")
    before = np.searchsorted(at[order], line, side="right") - 1
    neighbour = day[order][np.maximum(before, 0)] if len(at) else own
    return np.where(np.isin(own, day), own, neighbour)
