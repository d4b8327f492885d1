"""A network's prediction explained on the stored footprint: what each cell of its window adds to it."""

import numpy as np
import pandas as pd

from models.footprint_explain import integrated_gradients
from models.footprint_net import FootprintNet
from models.footprint_windows import DayFootprint
from models.ladder import Model
from orchestration.charts.attribution import ExplainedWindow, attribution_png
from orchestration.errors import NothingToShow
from orchestration.footprint_batches import read_footprint
from orchestration.storage.store import Store
from orderflow_core.footprint_tensor import N_BARS, N_ROWS, normalised_tensors
from orderflow_core.instrument import Instrument

# What the score of each head says.
_SCORED = {
    "direction": "up less down",
    "move": "for a move",
    "level": "for the level to hold",
    "value": "value",
}


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
    net: FootprintNet,
    footprint: DayFootprint,
    bar: int,
    instrument: Instrument,
    *,
    head: str = "direction",
) -> bytes:
    """Return the explanation of a head's score as a PNG: `orchestration.charts.attribution`."""
    window, score, empty = explained_window(net, footprint, bar, instrument, head=head)
    title = (
        f"{instrument.symbol}, bars to {window.times[-1]:%Y-%m-%d %H:%M:%S}: {_SCORED[head]} "
        f"{score:+.2f} ({empty:+.2f} without a trade)"
    )
    return attribution_png(window, title=title)


def explain_at(model: Model, store: Store, instrument: Instrument, at_ns: int) -> bytes:
    """Return the explanation of a network's prediction for a decision at a time, as a PNG.

    Raises
    ------
    NothingToShow
        The model is no network of ours, no footprint is published at that time, or no window ends there.
    """
    predictor, terms = model.predictor, model.windows
    net, head = getattr(predictor, "net", None), getattr(predictor, "head", "")
    if terms is None or not isinstance(net, FootprintNet):
        raise NothingToShow(f"the {model.rung} of {model.task.name} reads no footprint")
    said = f"{pd.Timestamp(at_ns, tz='UTC'):%Y-%m-%d %H:%M:%S} UTC"
    days = store.days("flow.footprint", instrument.symbol)
    windows = {day: instrument.trading_day_window(day) for day in days}
    day = next((day for day, (start, end) in windows.items() if start <= at_ns < end), None)
    if day is None:
        raise NothingToShow(f"no footprint of {instrument.symbol} is published at {said}")
    footprint = read_footprint(
        store, instrument, day, bar_clock=terms.clock, snapshot=store.snapshot(),
        ticks_per_row=terms.ticks_per_row,
    )  # fmt: skip
    bar = int(footprint.window_bar(np.array([at_ns], np.int64))[0])
    if bar < 0:
        raise NothingToShow(
            f"{instrument.symbol} has no {N_BARS} bars of {terms.clock} without a gap before {said}"
        )
    return explanation_png(net, footprint, bar, instrument, head=head)
