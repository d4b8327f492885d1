"""A network's prediction explained on the stored footprint: what each cell of its window adds to it."""

import numpy as np
import pandas as pd

from models.footprint_explain import integrated_gradients
from models.footprint_net import FootprintNet
from models.footprint_windows import DayFootprint
from orchestration.charts.attribution import ExplainedWindow, attribution_png
from orderflow_core.footprint_tensor import N_BARS, N_ROWS, normalised_tensors
from orderflow_core.instrument import Instrument


def explained_window(
    net: FootprintNet,
    footprint: DayFootprint,
    bar: int,
    instrument: Instrument,
    *,
    head: str = "direction",
    n_steps: int = 64,
) -> tuple[ExplainedWindow, float, float]:
    """Return the window that ends with a bar in human units, the score, and that of an empty window.

    Parameters
    ----------
    bar : int
        Position of the window's last bar; `DayFootprint.window_bar` says which have a window.
    """
    tensors = footprint.tensors(np.array([bar], np.int64))
    rows, beside = normalised_tensors(tensors)
    found = integrated_gradients(net, rows[0], beside[0], head, n_steps=n_steps)
    close = int(footprint.bars.close_ticks[bar])
    centre = close - close % footprint.cell_ticks
    ticks = centre + (np.arange(N_ROWS) - N_ROWS // 2) * footprint.ticks_per_row
    ends = footprint.t1_ns[bar - N_BARS + 1 : bar + 1]
    window = ExplainedWindow(
        times=pd.to_datetime(ends, unit="ns", utc=True).tz_convert(instrument.timezone),
        prices=instrument.ticks_to_price(ticks),
        buy=instrument.lots_to_qty(tensors.lots[0, :, :, 0]),
        sell=instrument.lots_to_qty(tensors.lots[0, :, :, 1]),
        buy_part=found.rows[:, :, 0].astype(np.float64),
        sell_part=found.rows[:, :, 1].astype(np.float64),
    )
    return window, found.score, found.empty_score


def explanation_png(
    net: FootprintNet, footprint: DayFootprint, bar: int, instrument: Instrument
) -> bytes:
    """Return a direction's explanation as a PNG: `orchestration.charts.attribution`."""
    window, score, empty = explained_window(net, footprint, bar, instrument)
    title = (
        f"{instrument.symbol}, bars to {window.times[-1]:%Y-%m-%d %H:%M:%S}: up less down "
        f"{score:+.2f} ({empty:+.2f} without a trade)"
    )
    return attribution_png(window, title=title)
