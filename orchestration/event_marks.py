"""Events that a chart can draw: zones, levels and single trades, in human units.

What ends an event is an event of its own; here both are put together to one mark.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from orchestration.arrays import column
from orchestration.charts.marks import MARK_COLUMNS
from orderflow_core.instrument import Instrument

# A mark's group, the event that begins it, those that end it, and what both share.
_SPANS = (
    (
        "zones",
        "zone_birth",
        ("zone_fill", "zone_expiry"),
        ["bar_id", "price_tick", "sign", "value"],
    ),
    ("unfinished", "unfinished_auction", ("unfinished_covered",), ["bar_id", "price_tick", "sign"]),
    ("naked", "naked_poc", ("naked_poc_covered",), ["price_tick"]),
)
_POINTS = {
    "large": ("big_trade",),
    "absorption": ("absorption", "absorption_at_price"),
    "divergence": ("divergence",),
}


def event_marks(events: pa.Table, bars: pa.Table, known: Instrument) -> pd.DataFrame:
    """Return the marks of ``flow.events``: ``MARK_COLUMNS``, in time order.

    Parameters
    ----------
    events, bars : pyarrow.Table
        Of the same days, with their ``trading_day``. What no event ends stands up to the end of its
        day's last bar.
    known : Instrument

    Notes
    -----
    ``rank`` counts a group's marks of a day from 0: the largest trades, absorption on the most
    volume, zones and levels that stood longest come first.
    """
    frame = _frame(events)
    ends = _frame(bars.select(["trading_day", "t1_ns"])).groupby("trading_day")["t1_ns"].max()
    parts = [_spans(frame, ends, *rule) for rule in _SPANS]
    parts += [_points(frame, group, kinds) for group, kinds in _POINTS.items()]
    marks = pd.concat([_ranked(part) for part in parts if len(part)] or [_none()])
    return _human(marks.sort_values("t_from", kind="stable"), known)


def _frame(table: pa.Table) -> pd.DataFrame:
    names = {name: column(table, name) for name in table.column_names if name != "kind"}
    if "kind" in table.column_names:
        names["kind"] = table["kind"].cast(pa.string()).to_numpy(zero_copy_only=False)
    return pd.DataFrame(names)


def _spans(
    frame: pd.DataFrame,
    ends: pd.Series,
    group: str,
    born: str,
    ending: Sequence[str],
    by: list[str],
) -> pd.DataFrame:
    keys = ["trading_day", *by]
    births, over = frame[frame["kind"] == born], frame[frame["kind"].isin(ending)]
    ended = over.groupby(keys)["ts_event_ns"].min().rename("t_to").reset_index()
    found = births.merge(ended, on=keys, how="left")
    far = found["value"] if group == "zones" else found["price_tick"]
    # Positions in time are int64: through float they would lose nanoseconds.
    last = ends.reindex(found["trading_day"]).to_numpy(np.int64)
    is_over = found["t_to"].notna().to_numpy()
    t_to = np.where(is_over, found["t_to"].fillna(0).astype(np.int64), last)
    return found.assign(
        group=group, t_from=found["ts_event_ns"], t_to=t_to,
        low=np.minimum(found["price_tick"], far), high=np.maximum(found["price_tick"], far),
        weight=t_to - found["ts_event_ns"],
    )  # fmt: skip


def _points(frame: pd.DataFrame, group: str, kinds: Sequence[str]) -> pd.DataFrame:
    found = frame[frame["kind"].isin(kinds)]
    return found.assign(
        group=group, t_from=found["ts_event_ns"], t_to=found["ts_event_ns"],
        low=found["price_tick"], high=found["price_tick"], weight=found["qty_lots"],
    )  # fmt: skip


def _ranked(part: pd.DataFrame) -> pd.DataFrame:
    order = part.sort_values(["weight", "t_from"], ascending=[False, True], kind="stable")
    return part.assign(rank=order.groupby("trading_day").cumcount())


def _none() -> pd.DataFrame:
    names = (
        "group",
        "kind",
        "t_from",
        "t_to",
        "low",
        "high",
        "sign",
        "qty_lots",
        "trading_day",
        "rank",
    )
    return pd.DataFrame({name: np.empty(0, np.int64) for name in names})


def _human(marks: pd.DataFrame, known: Instrument) -> pd.DataFrame:
    step = float(known.price_step)
    made = pd.DataFrame(
        {
            "group": marks["group"].astype(str),
            "kind": marks["kind"].astype(str).str.replace("_", " "),
            "trading_day": marks["trading_day"],
            "t_from": pd.to_datetime(marks["t_from"].astype(np.int64), unit="ns", utc=True),
            "t_to": pd.to_datetime(marks["t_to"].astype(np.int64), unit="ns", utc=True),
            "low": marks["low"].astype(np.float64) * step,
            "high": marks["high"].astype(np.float64) * step,
            "sign": marks["sign"].astype(np.int64),
            "size": known.lots_to_qty(marks["qty_lots"].to_numpy(np.int64)),
            "rank": marks["rank"].astype(np.int64),
        }
    ).reset_index(drop=True)
    return made[[*MARK_COLUMNS]]
