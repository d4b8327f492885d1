"""Stored rows by symbol and time as pandas in human units, for notebooks and scripts.

Arrow batches, in bounded memory: `orchestration.storage.ranges.read_batches`, which this rests on.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

import pandas as pd
import pyarrow as pa

from orchestration.frames import FRAMES
from orchestration.storage.ranges import EARLIEST_NS, LATEST_NS, read_batches
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument


def read_frame(
    store: Store,
    table: str,
    instrument: Instrument,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return published rows of a range of time in human units.

    Parameters
    ----------
    table : str
        One of `orchestration.frames.FRAMES`: raw.trades, raw.quotes, flow.classified_trades, flow.bars,
        flow.footprint, flow.volume_profile, flow.events, research.features.
    start, end : datetime with a time zone, optional
        Half-open; pandas' timestamps are exact to the nanosecond. All that is published when left out.
    where : mapping of str to str, optional
        Label -> the text that it must have, as ``{"clock": "time:60s"}``.

    Returns
    -------
    pandas.DataFrame
        Prices in quote currency, sizes in units, times as UTC timestamps. The whole range is in
        memory: a frame takes about the rows times 8 bytes a column.

    Raises
    ------
    ValueError
        No such table, or a time without a zone.
    """
    if table not in FRAMES:
        raise ValueError(f"no frames are made of {table!r}, only of {sorted(FRAMES)}")
    start_ns = EARLIEST_NS if start is None else utc_ns("start", start)
    end_ns = LATEST_NS if end is None else utc_ns("end", end)
    reader = read_batches(store, table, instrument, start_ns, end_ns, where=where)
    frames = []
    for rows in _tables(reader):
        frame = FRAMES[table](rows, instrument)
        if table == "flow.volume_profile":  # the only rows without a time
            frame.insert(0, "trading_day", pd.to_datetime(rows["trading_day"].to_pandas()))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def utc_ns(name: str, time: datetime) -> int:
    """Return a time in nanoseconds UTC; ValueError where it has no zone."""
    stamp = pd.Timestamp(time)
    if stamp.tzinfo is None:
        raise ValueError(f"{name} must have a time zone, got {time!s}")
    return int(stamp.as_unit("ns").value)


def _tables(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    # No rows at all are one empty table, which has the columns.
    is_empty = True
    for batch in reader:
        is_empty = False
        yield pa.Table.from_batches([batch])
    if is_empty:
        yield reader.schema.empty_table()
