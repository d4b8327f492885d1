"""The last bars of a footprint on an integer ladder of price rows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestration.charts.formatting import cell_decimals, local_times

N_BARS = 12
MAX_ROWS = 64
FLAGS = ("is_buy_imbalance", "is_sell_imbalance")


@dataclass(frozen=True)
class Ladder:
    """Cells of the last bars on an integer ladder of rows.

    ``cells`` has columns bar (0 is the oldest), row (0 is the lowest), bid, ask, unsigned, total,
    delta, is_buy_imbalance, is_sell_imbalance, is_poc. ``times`` are the bars' local starts.
    ``merged`` is the number of given rows in a drawn row, ``decimals`` those of the cells' sizes.
    """

    cells: pd.DataFrame
    times: pd.Series
    row_prices: np.ndarray
    merged: int
    decimals: int


def last_ladder(
    footprint: pd.DataFrame,
    row_size: float,
    timezone: str,
    *,
    n_bars: int = N_BARS,
    max_rows: int = MAX_ROWS,
) -> Ladder:
    """Put the last ``n_bars`` bars on a ladder of at most ``max_rows`` rows.

    Rows are joined by the least whole number that fits, on edges that are multiples of the joined
    height; a joined row carries no imbalance mark, since imbalances compare the rows as given.

    Parameters
    ----------
    footprint : DataFrame of ``FOOTPRINT_COLUMNS``, at least one row
    row_size : float
        Height of a given row in price units.
    """
    starts = pd.DatetimeIndex(footprint["t0"].unique()).sort_values()[-n_bars:]
    cells = footprint[footprint["t0"].isin(starts)].copy()
    row = np.rint(cells["price"].to_numpy(dtype=np.float64) / row_size).astype(np.int64)
    merged = 1
    while np.ptp(row // merged) + 1 > max_rows:
        merged += 1
    lowest = int((row // merged).min())
    cells["row"] = row // merged - lowest
    cells["bar"] = starts.searchsorted(pd.DatetimeIndex(cells["t0"]))
    for flag in FLAGS:
        cells[flag] = cells[flag].astype(bool) & (merged == 1)
    summed = dict.fromkeys(("bid", "ask", "unsigned"), "sum")
    kept = dict.fromkeys(FLAGS, "any")
    cells = cells.groupby(["bar", "row"], as_index=False).agg(summed | kept)
    cells["total"] = cells["bid"] + cells["ask"] + cells["unsigned"]
    cells["delta"] = cells["ask"] - cells["bid"]
    cells["is_poc"] = _bar_pocs(cells)
    n_rows = int(cells["row"].max()) + 1
    prices = (np.arange(n_rows) + lowest) * merged * row_size
    times = local_times(pd.Series(starts), timezone)
    decimals = cell_decimals(cells[["bid", "ask", "unsigned"]].to_numpy().ravel())
    return Ladder(cells=cells, times=times, row_prices=prices, merged=merged, decimals=decimals)


def _bar_pocs(cells: pd.DataFrame) -> np.ndarray:
    is_poc = np.zeros(len(cells), dtype=bool)
    for _, bar in cells.groupby("bar"):
        row, total = bar["row"].to_numpy(), bar["total"].to_numpy(dtype=np.float64)
        is_poc[bar.index[busiest_row(row, total)]] = True
    return is_poc


def busiest_row(row: np.ndarray, total: np.ndarray) -> int:
    """Return the position of the point of control.

    Ties (volumes equal to a billionth: sums of decimal sizes are not exact): the row closest to the
    middle of the traded range, then the side of the middle that holds more volume, then the lower
    price: the rule of the session profile.
    """
    tied = np.flatnonzero(total >= total.max() * (1 - 1e-9))
    middle = (row.min() + row.max()) / 2
    distance = np.abs(row[tied] - middle)
    tied = tied[distance == distance.min()]
    lower, upper = tied[np.argmin(row[tied])], tied[np.argmax(row[tied])]
    below, above = total[row < middle].sum(), total[row > middle].sum()
    return int(upper if above > below * (1 + 1e-9) else lower)
