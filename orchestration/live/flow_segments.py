"""Flow and features of a symbol's days as segments of their tables, replaced by the whole day.

A segment stands beside the others until a whole write takes the place of all: that of a day made
anew (after a restart, or when rows came that the day's own order had passed), and at last that of
the day's batch run, which `agreement` compares with what the segments say.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from orchestration.defs.classification import tables as classification
from orchestration.defs.features import tables as features
from orchestration.defs.flow import tables as flow
from orchestration.live.flow_day import FlowDay, FlowSettings, NotInOrder
from orchestration.live.published import (
    BARS,
    CLASSIFIED,
    CODE_VERSION,
    FEATURES,
    FOOTPRINT,
    TABLES,
)
from orchestration.live.raw_segments import Stored
from orchestration.sources.records import QUOTES, TRADES
from orchestration.storage.publication import Publication
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

END_SEGMENT = "live-end"
# A day is made anew at most this often, and for at most this share of the time.
LEAST_PAUSE_S = 10.0
_MOST_SHARE = 0.1


@dataclass(slots=True, kw_only=True)
class _Day:
    # ``flow`` is None while the day waits to be made anew.
    flow: FlowDay | None = None
    anew_after: float = 0.0
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class FlowSegments:
    """Publishes flow and features of one symbol as its raw rows come.

    Attributes
    ----------
    store : Store
    instrument : Instrument
    settings : FlowSettings
    run_id : str
    n_anew : int
        How often a day was made anew, the first time included.
    """

    store: Store
    instrument: Instrument
    settings: FlowSettings
    run_id: str
    n_anew: int = 0
    _days: dict[date, _Day] = field(default_factory=dict)

    def rows_of(self, stored: Stored) -> Mapping[str, pa.Table]:
        """Return what became known with the rows of a segment, to be published with them.

        Nothing for a day that is not followed yet, or that has to be made anew: `catch_up` does so
        once the segment is published.
        """
        day = self._days.get(stored.day)
        if day is None or day.flow is None:
            return {}
        try:
            return day.flow.extend(stored.trades, stored.quotes, stored.gaps)
        except NotInOrder as error:
            day.flow, day.reason = None, str(error)
            return {}

    def catch_up(self, stored: Stored) -> FlowDay | None:
        """Make a day anew if need be, now that a segment is published; return the day's state.

        None while it waits, and before its first trade: quotes alone make no flow.
        """
        day = self._days.get(stored.day)
        if day is None:
            if not len(stored.trades):
                return None
            day = self._days[stored.day] = _Day()
            self._close_older(stored.day)
        elif not stored.follows:
            day.flow, day.reason = None, "records came late"
        if day.flow is None and time.monotonic() >= day.anew_after:
            self._make_anew(stored.day, day)
        return day.flow

    def finish(self) -> None:
        """Close all days: the open sweep and bar of each, as its batch run will."""
        for day in sorted(self._days):
            self._finish_day(day)
        self._days.clear()

    def _close_older(self, newest: date) -> None:
        # Records of an old day that come after this make it anew.
        for day in sorted(self._days):
            if day < newest:
                self._finish_day(day)
                del self._days[day]

    def _finish_day(self, day: date) -> None:
        state = self._days[day]
        known = state.flow or self._make_anew(day, state)
        if not known.is_over:
            gaps = self.store.read("raw.gaps", self.instrument.symbol, day)
            none = (TRADES.empty_table(), QUOTES.empty_table())
            made = known.extend(*none, gaps, ended=True)
            with self._publication(day) as publication:
                for name, rows in made.items():
                    if len(rows):
                        publication.write(name, rows, segment=END_SEGMENT)
                publication.commit()

    def _make_anew(self, day: date, state: _Day) -> FlowDay:
        started = time.monotonic()
        fresh = FlowDay(instrument=self.instrument, settings=self.settings)
        made = fresh.extend(*_raw(self.store, self.instrument, day))
        with self._publication(day) as publication:
            for name in TABLES:
                publication.write(name, made[name])
            publication.commit()
        self.n_anew += 1
        state.flow, state.reason = fresh, ""
        took = time.monotonic() - started
        state.anew_after = time.monotonic() + max(LEAST_PAUSE_S, took / _MOST_SHARE)
        return fresh

    def _publication(self, day: date) -> Publication:
        return self.store.publish(
            self.instrument.symbol, day, run_id=self.run_id, code_version=CODE_VERSION
        )


def agreement(
    store: Store, instrument: Instrument, day: date, settings: FlowSettings
) -> dict[str, bool]:
    """Return for each table whether a closed live day says what its batch run says.

    The batch functions are run over the day's published raw rows; hashes are compared.
    """
    made = whole_day(*_raw(store, instrument, day), instrument, settings)
    found = {}
    with store.publish(
        instrument.symbol, day, run_id="live-agreement", code_version=CODE_VERSION
    ) as publication:
        for name, rows in made.items():
            publication.write(name, rows)
        audits = publication.audit()  # hashes of what the store gives back; nothing is committed
        for name in made:
            live = store.content_hash(name, instrument.symbol, day)
            found[name] = live == audits[name].hash
    return found


def whole_day(
    trades: pa.Table,
    quotes: pa.Table,
    gaps: pa.Table,
    instrument: Instrument,
    settings: FlowSettings,
) -> dict[str, pa.Table]:
    """Return what the assets make of a day's raw rows."""
    classified = classification.classified_trades(trades, quotes, instrument)
    return {
        CLASSIFIED: classified,
        BARS: flow.bars(
            classified, gaps, clock=settings.bar_clock, bar_seconds=settings.bar_seconds
        ),
        FOOTPRINT: flow.footprint_cells(
            classified,
            clock=settings.bar_clock,
            bar_seconds=settings.bar_seconds,
            ticks_per_row=settings.row_ticks,
            min_lots=settings.min_lots,
        ),
        FEATURES: features.features(classified, gaps, quotes, settings=settings.features),
    }


def _raw(store: Store, instrument: Instrument, day: date) -> tuple[pa.Table, pa.Table, pa.Table]:
    names = ("raw.trades", "raw.quotes", "raw.gaps")
    trades, quotes, gaps = (store.read(name, instrument.symbol, day) for name in names)
    return trades, quotes, gaps
