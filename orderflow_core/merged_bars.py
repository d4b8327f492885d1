"""Longer bars of consecutive shorter ones."""

from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.bars import BarArrays
from orderflow_core.validate import require_session_starts


def merge_bars(bars: BarArrays, first_bar: ArrayLike) -> BarArrays:
    """Return the bars that runs of consecutive bars make together.

    Parameters
    ----------
    bars : BarArrays, n_bars elements
        In time order, all made with or all without the zero start.
    first_bar : ndarray of int64, shape (n_runs,), strictly increasing from 0, below n_bars
        Where each run begins; together the runs hold all bars.

    Returns
    -------
    BarArrays, n_runs elements
        To the bit those that `aggregate_bars` makes of the trades of each run.

    Raises
    ------
    TypeError, ValueError
        Positions that aren't integers or don't rise from 0.

    Notes
    -----
    Causal at each run's end. The running delta of a bar starts where that of the bar before it in the
    run came to. No bars: empty arrays. Source: docs/glossary.md.

    Examples
    --------
    Bars with deltas 3 and -4, whose running deltas reach 3 and -4: together -1, from -1 to 3.
    """
    starts = require_session_starts("first_bar", first_bar, len(bars))
    if len(bars) == 0:
        return bars
    last = np.append(starts[1:], len(bars)) - 1
    before = np.cumsum(bars.delta_lots) - bars.delta_lots  # may wrap around: differences do not
    before -= np.repeat(before[starts], last - starts + 1)
    extremes = {
        "high_ticks": np.maximum.reduceat(bars.high_ticks, starts),
        "low_ticks": np.minimum.reduceat(bars.low_ticks, starts),
        "min_delta_lots": np.minimum.reduceat(before + bars.min_delta_lots, starts),
        "max_delta_lots": np.maximum.reduceat(before + bars.max_delta_lots, starts),
    }
    edges = {"open_ticks": bars.open_ticks[starts], "close_ticks": bars.close_ticks[last]}
    sums = {
        field.name: np.add.reduceat(getattr(bars, field.name), starts)
        for field in fields(BarArrays)
        if field.name not in extremes | edges
    }
    return BarArrays(**edges, **extremes, **sums)
