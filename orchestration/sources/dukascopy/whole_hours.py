"""Hours in which every record is a plain quote, taken column by column.

The way over texts takes several times as long as unpacking the file. What is not plain is left to
:mod:`~.bi5`, which says what is wrong with which record; so nothing may be taken here that is
refused there, and both must give the same batch of what is taken.
"""

from decimal import Decimal

import numpy as np

from orchestration.sources.coded import distinct_values
from orchestration.sources.dukascopy.codes import Listing
from orchestration.sources.dukascopy.kernel import UNDECIDED, is_plain_nb, lots_of
from orchestration.sources.dukascopy.quotes import (
    IDS_PER_MS,
    MAX_MS,
    MS,
    NAME,
    RECORD_TYPE,
    Sizes,
    require_plausible_points,
    size_texts,
)
from orchestration.sources.files import SourceFile
from orchestration.sources.gate import Gate
from orchestration.sources.records import QUOTES, SourceBatch, make_batch, table
from orderflow_core.instrument import Instrument

HOUR_MS = 3_600_000
_N_WORDS = 5
_MAX_UNIT_FACTOR = 100_000
_MAX_FACTOR = 2**31
# Where many sizes need their text, the other way does as well.
_MAX_UNDECIDED = 1000


def plain_hour(
    file: SourceFile, instrument: Instrument, listing: Listing, start_ms: int, content: bytes
) -> SourceBatch | None:
    """Return the batch of an unpacked hour, or None where some record is not plain.

    Parameters
    ----------
    file : SourceFile
    instrument : Instrument
    listing : Listing
    start_ms : int
        Start of the hour.
    content : bytes
        Whole records, none of them candles.

    Raises
    ------
    SourceError
        The median price is implausible.

    Notes
    -----
    Plain: times of the hour that do not run back, on a trading day; positive prices and sizes; no
    quote twice; prices whole steps of the instrument's grid.
    """
    factor = _whole(listing.point / instrument.price_step, _MAX_FACTOR)
    grid = _lot_grid(instrument.lot_step)
    is_known_time = 0 <= start_ms < MAX_MS - HOUR_MS  # later ones wrap around in ns
    if not content or factor is None or grid is None or not is_known_time:
        return None
    words = np.frombuffer(content, ">u4").astype(np.uint32).reshape(-1, _N_WORDS)
    ms, ask, bid = (np.ascontiguousarray(words[:, i]) for i in range(3))
    sizes = np.ascontiguousarray(words[:, 3:].T).view(np.float32).reshape(-1)
    lots, n_rounded = _lots(sizes, grid, instrument.lot_step)
    if lots is None:
        return None
    n = len(words)
    position = np.empty(n, np.int64)
    ask_lots, bid_lots = lots[:n], lots[n:]
    if not is_plain_nb(ms, ask, bid, ask_lots, bid_lots, HOUR_MS, IDS_PER_MS, position):
        return None
    ts_ms = ms + np.int64(start_ms)
    ts = ts_ms * MS
    if not Gate(instrument=instrument, lines=()).knows_time(ts[[0, -1]]).all():
        return None
    require_plausible_points(file.path, bid, listing)
    columns: dict[str, object] = {
        "ts_event_ns": ts,
        "ts_recv_ns": ts,
        "ts_source": np.zeros(n, np.int8),
        "quote_id": ts_ms * IDS_PER_MS + position,
        "bid_ticks": bid * np.int64(factor),
        "bid_lots": bid_lots,
        "ask_ticks": ask * np.int64(factor),
        "ask_lots": ask_lots,
        "source": NAME,
        "unit": file.unit,
        "line": np.arange(1, n + 1),
    }
    counts = {RECORD_TYPE: n, "rounded_sizes": n_rounded}
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=n,
        quotes=table(QUOTES, columns, n), counts={name: k for name, k in counts.items() if k},
    )  # fmt: skip


def _lots(
    sizes: np.ndarray, grid: tuple[int, int], lot_step: Decimal
) -> tuple[np.ndarray | None, int]:
    lots, n_rounded = lots_of(sizes, *grid)
    at = np.flatnonzero(lots == UNDECIDED)
    if not len(at):
        return lots, n_rounded
    found, which = distinct_values(sizes[at])
    is_positive = np.isfinite(found) & (found > 0)
    if not is_positive.all() or len(found) > _MAX_UNDECIDED:
        return None, 0
    rest = Sizes(lot_step)
    texts = rest.texts(size_texts(found), which)
    steps = [Decimal(text) / lot_step for text in texts.distinct]
    if any(step != int(step) or step > np.iinfo(np.int64).max for step in steps):
        return None, 0
    lots[at] = np.array([int(step) for step in steps], np.int64)[which]
    return lots, n_rounded + rest.n_rounded


def _lot_grid(lot_step: Decimal) -> tuple[int, int] | None:
    # How many parts a unit has, and how many of them a lot.
    lot_units, unit_factor = lot_step.as_integer_ratio()
    return (unit_factor, lot_units) if max(unit_factor, lot_units) <= _MAX_UNIT_FACTOR else None


def _whole(value: Decimal, limit: int) -> int | None:
    return int(value) if value == value.to_integral_value() and value < limit else None
